"""How commands document themselves: options in groups, all of it after --help, and what fits a screen after -h."""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

import click

# Groups of options in the order of help, and what is in each, by long names; what is missing here is under the last.
SECTIONS: dict[str, tuple[str, ...]] = {
    "Input": ("--read", "--strict"),
    "Capture": (
        "--live", "--interface", "--list-interfaces", "--netns", "--filter", "--handshakes-only", "--count",
        "--duration", "--autostop", "--settle", "--snap-length", "--no-promiscuous", "--backend", "--ring-size",
        "--no-host", "--user", "--ready",
    ),
    "Filter": ("--where", "--finding"),
    "Rules": (
        "--profile", "--rules", "--no-rules", "--max-refused", "--max-rejected", "--max-timed-out", "--max-half-open",
        "--max-aborted", "--max-failed", "--max-retransmitted", "--max-p95", "--rtt", "--setup", "--min-tls",
        "--min-resumed", "--max-tls-failed", "--max-extra-round-trips", "--allow", "--expect", "--no-finding",
        "--fail-on", "--min-connections", "--ignore", "--undecided",
    ),
    "Comparison": ("--by", "--max-rtt-increase", "--min-rtt-shift", "--max-failure-increase", "--no-vanished"),
    "Output": (
        "--explain", "--format", "--output", "--fields", "--write", "--packets", "--absolute", "--short", "--all",
        "--no-connections", "--limit", "--quiet", "--verbose", "--color", "--no-pager", "--no-progress",
    ),
    "Analysis": (
        "--time-wait", "--timeout", "--max-connections", "--jobs", "--cluster", "--keep", "--no-names", "--no-setup",
    ),
    "Help": ("--version", "-h", "--help"),
    "Other options": (),
}  # fmt: skip
_LAST = "Other options"
_OF = {name: section for section, names in SECTIONS.items() for name in names}
_UNBROKEN = "\N{NON-BREAKING HYPHEN}"  # stands for the hyphens of options while lines are broken
_EXAMPLES = "Examples:"
_EXAMPLES_SHOWN = 4  # of a short help, which is to fit 24 lines with the prompt
_SCREEN = 23
_HEADING = re.compile(rf"^( *)(Usage:|[A-Z][A-Za-z ]*:$|(?:{'|'.join(SECTIONS)})(?=  ))", re.MULTILINE)


class Documented(click.Command):
    """A command with its options in groups, a short help (`-h`) and the whole (`--help`)."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """All parameters, `-h` before `--help`."""
        return [*self.params, _short_help_option(), *([whole] if (whole := self.get_help_option(ctx)) else [])]

    def get_help(self, ctx: click.Context) -> str:
        """The whole help, headings in bold."""
        return with_headings(super().get_help(ctx), ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a group at a time."""
        for section, options in sections(self, ctx):
            records: Iterable[Any] = (each.get_help_record(ctx) for each in options)
            with formatter.section(section):
                formatter.write_dl([(names, said.replace("-", _UNBROKEN)) for names, said in filter(None, records)])
        formatter.buffer = [part.replace(_UNBROKEN, "-") for part in formatter.buffer]


def _short_help_option() -> click.Option:
    """`-h`, where `--help` shows the whole."""
    return click.Option(
        ["-h", "short_help"], is_flag=True, is_eager=True, expose_value=False, callback=_show_short,
        help="Show a summary and exit.",
    )  # fmt: skip


def with_headings(text: str, ctx: click.Context) -> str:
    """The same with headings in bold, which click takes back where no terminal is."""
    if ctx.color is False or os.environ.get("NO_COLOR"):
        return text
    return _HEADING.sub(lambda found: found[1] + click.style(found[2], bold=True), text)


def _show_short(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(short_help(ctx.command, ctx))
        ctx.exit()


def section_of(option: click.Parameter) -> str:
    """The group that an option belongs to."""
    return next((_OF[name] for name in reversed(option.opts) if name in _OF), _LAST)


def sections(command: click.Command, ctx: click.Context) -> list[tuple[str, list[click.Option]]]:
    """The groups of a command and the options in each, those of no use left out."""
    every = [each for each in command.get_params(ctx) if isinstance(each, click.Option) and not each.hidden]
    found = [(section, [each for each in every if section_of(each) == section]) for section in SECTIONS]
    return [(section, options) for section, options in found if options]


def examples(command: click.Command) -> list[str]:
    """What the help of a command shows as examples."""
    blocks = (command.epilog or "").replace("\b\n", "").split("\n\n")
    found = next((block for block in blocks if block.startswith(_EXAMPLES)), "")
    return found.splitlines()[1:]


def short_help(command: click.Command, ctx: click.Context) -> str:
    """The command in one screen: what it does, examples, the names of options, of long groups the first of them."""
    for lines in (_SCREEN, 4, 3, 2):  # of each group
        shown = _short_help(command, ctx, lines)
        if shown.count("\n") < _SCREEN:
            break
    return with_headings(shown, ctx)


def _short_help(command: click.Command, ctx: click.Context, most: int) -> str:
    from textwrap import fill, indent

    formatter = ctx.make_formatter()
    command.format_usage(ctx, formatter)
    formatter.write_paragraph()
    formatter.write_text((command.help or "").split("\n\n", maxsplit=1)[0])
    if shown := examples(command)[:_EXAMPLES_SHOWN]:
        formatter.write_paragraph()
        formatter.write("".join(f"{line}\n" for line in shown))
    if isinstance(command, click.Group):
        command.format_commands(ctx, formatter)
    if named := [(each, _names(options)) for each, options in sections(command, ctx) if each != "Help"]:
        formatter.write_paragraph()
        wide = max(len(each) for each, _ in named) + 2
        for each, names in named:
            written = fill(names, formatter.width - wide, break_on_hyphens=False, max_lines=most, placeholder=" …")
            formatter.write(indent(written, " " * wide).replace(" " * wide, each.ljust(wide), 1) + "\n")
    formatter.write_paragraph()
    formatter.write_text(f"More: {ctx.command_path} --help, hsi help WORD")
    return formatter.getvalue().rstrip("\n")


def _names(options: list[click.Option]) -> str:
    return ", ".join("/".join(each.opts) for each in options)
