"""The command `hsi help`: explain a command or a term used in reports."""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

import click

from handshake_inspect.cli.manual import Documented
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.root import COMMANDS, hsi
from handshake_inspect.errors import UsageError
from handshake_inspect.render.layout import SHADES

_MAX_WIDTH = 100
_ASCII = str.maketrans({"…": "...", "−": "-", "–": "-", "→": "->", "²": "^2", "³": "^3"})  # noqa: RUF001
_THEME = {"markdown.code": f"color({SHADES['cyan']})", "markdown.h2": "bold"}

EPILOG = """\b
Examples:
  hsi help                 the commands, and every word that has a page
  hsi help check           as hsi check --help
  hsi help half-open       what it means, what looks alike, what to do
  hsi help TIME_WAIT       a state
  hsi help rtt.total       fields of a connection
"""


@click.command(cls=Documented, epilog=EPILOG)
@click.argument("words", nargs=-1, metavar="[COMMAND | WORD]...")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="When to use colour.")
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...], color: str) -> None:
    """Explain a command, or a word of a report.

    Words are outcomes, causes, findings, states of TCP, terms of the field, and fields of a connection.
    """
    if len(words) == 1 and words[0] in COMMANDS:
        click.echo(_help_of(ctx, words[0]))
        return
    page = _help_page(" ".join(words)) if words else _contents(ctx)
    with Target.open("-") as target:
        colored = target.colored(color)
        text = _rendered(page, min(target.width, _MAX_WIDTH), colored=colored, plain=not (colored or target.terminal))
        text = text.translate(_ASCII) if target.encoding == "ascii" else text
        target.page(lambda stream: stream.write(text.encode(target.encoding, "replace")))


def _help_of(ctx: click.Context, name: str) -> str:
    found = hsi.get_command(ctx, name)
    assert found is not None  # noqa: S101 - it is one of COMMANDS
    with click.Context(found, info_name=name, parent=ctx.parent, **found.context_settings) as context:
        return found.get_help(context)


def _contents(ctx: click.Context) -> str:
    """Return the list of commands and terms with a help page, as Markdown."""
    from handshake_inspect.report.topics import topics

    def lines() -> Iterator[str]:
        yield "## Commands\n"
        for name in COMMANDS:
            found = hsi.get_command(ctx, name)
            yield f"- `hsi {name}`: {found.get_short_help_str(_MAX_WIDTH) if found else ''}"
        for kind, pages in topics().items():
            yield f"\n## {kind.capitalize()}s\n\n{', '.join(pages)}"
        yield "\n`hsi help WORD` explains one of them, and `hsi fields` lists the fields of a connection."

    return "".join(f"{line}\n" for line in lines())


def _help_page(word: str) -> str:
    """Return the help page of a term as Markdown; UsageError if there is none."""
    from handshake_inspect.report.topics import explained

    name, kinds, pages = explained(word)
    if pages:
        return "\n\n".join([f"**{name}** ({' and '.join(kinds)})", *pages]) + "\n"
    if fields := _fields(word):
        return "\n".join(fields) + "\n"
    raise UsageError(f"no help on {word!r}{_suggestion(word) or '; hsi help lists every word'}")


def _fields(word: str) -> list[str]:
    """Return a Markdown list of the fields with that name or prefix."""
    from handshake_inspect.report.fields import fields

    found = [each for name, each in fields().items() if name == word or name.startswith(f"{word}.")]
    return [f"- `{each.name}` ({', '.join(filter(None, (each.kind, each.unit)))}): {each.help}" for each in found]


def _suggestion(word: str) -> str:
    from difflib import get_close_matches

    from handshake_inspect.report.fields import fields
    from handshake_inspect.report.topics import folded, topics

    known = {folded(name): name for pages in topics().values() for name in pages}
    known |= {name: name for name in (*COMMANDS, *fields())}
    near = get_close_matches(folded(word), known, n=1)
    return f". Did you mean {known[near[0]]}?" if near else ""


def _rendered(page: str, width: int, *, colored: bool, plain: bool) -> str:
    """Render Markdown for a terminal; `plain` leaves out all escape sequences."""
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.theme import Theme

    rendered = StringIO()
    console = Console(file=rendered, width=width, force_terminal=not plain, no_color=not colored, theme=Theme(_THEME))
    console.print(Markdown(page, code_theme="ansi_dark"))
    return "".join(f"{line.rstrip()}\n" for line in rendered.getvalue().splitlines())
