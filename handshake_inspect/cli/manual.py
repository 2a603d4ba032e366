"""Help texts: options in groups, in full for --help, and shortened to one screen for -h."""
# ruff: noqa: PLC0415

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

import click

# Groups of options in the order of the help, with the long names in each.  The last group takes all other options.
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
_LAST_SECTION = "Other options"
_SECTION_OF = {name: section for section, names in SECTIONS.items() for name in names}
_NO_BREAK_HYPHEN = "\N{NON-BREAKING HYPHEN}"  # replaces hyphens during line wrapping
_EXAMPLES = "Examples:"
_EXAMPLES_SHOWN = 4  # in the short help, which with the prompt must fit 24 lines
_SCREEN_LINES = 23
_HEADING = re.compile(rf"^( *)(Usage:|[A-Z][A-Za-z ]*:$|(?:{'|'.join(SECTIONS)})(?=  ))", re.MULTILINE)


class Documented(click.Command):
    """A click command with grouped options, a short help (`-h`) and the full help (`--help`)."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return all parameters, `-h` before `--help`."""
        return [
            *self.params,
            _short_help_option(),
            *([help_option] if (help_option := self.get_help_option(ctx)) else []),
        ]

    def get_help(self, ctx: click.Context) -> str:
        """Return the full help, with headings in bold."""
        return with_headings(super().get_help(ctx), ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, group by group."""
        for section, options in sections(self, ctx):
            records: Iterable[Any] = (each.get_help_record(ctx) for each in options)
            with formatter.section(section):
                formatter.write_dl(
                    [(names, text.replace("-", _NO_BREAK_HYPHEN)) for names, text in filter(None, records)]
                )
        formatter.buffer = [part.replace(_NO_BREAK_HYPHEN, "-") for part in formatter.buffer]


def _short_help_option() -> click.Option:
    """Return the option `-h`."""
    return click.Option(
        ["-h", "short_help"], is_flag=True, is_eager=True, expose_value=False, callback=_show_short,
        help="Show a summary and exit.",
    )  # fmt: skip


def with_headings(text: str, ctx: click.Context) -> str:
    """Return the text with headings in bold; click strips the escapes if the output is not a terminal."""
    if ctx.color is False or os.environ.get("NO_COLOR"):
        return text
    return _HEADING.sub(lambda found: found[1] + click.style(found[2], bold=True), text)


def _show_short(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(short_help(ctx.command, ctx))
        ctx.exit()


def section_of(option: click.Parameter) -> str:
    """Return the name of an option's group."""
    return next((_SECTION_OF[name] for name in reversed(option.opts) if name in _SECTION_OF), _LAST_SECTION)


def sections(command: click.Command, ctx: click.Context) -> list[tuple[str, list[click.Option]]]:
    """Return the non-empty groups of a command with the visible options of each."""
    every = [each for each in command.get_params(ctx) if isinstance(each, click.Option) and not each.hidden]
    found = [(section, [each for each in every if section_of(each) == section]) for section in SECTIONS]
    return [(section, options) for section, options in found if options]


def examples(command: click.Command) -> list[str]:
    """Return the lines of the "Examples" section of a command's help."""
    blocks = (command.epilog or "").replace("\b\n", "").split("\n\n")
    found = next((block for block in blocks if block.startswith(_EXAMPLES)), "")
    return found.splitlines()[1:]


def short_help(command: click.Command, ctx: click.Context) -> str:
    """Return a help text of one screen: purpose, examples, and option names; long groups are shortened."""
    for lines in (_SCREEN_LINES, 4, 3, 2):  # per group
        shown = _short_help(command, ctx, lines)
        if shown.count("\n") < _SCREEN_LINES:
            break
    return with_headings(shown, ctx)


def _short_help(command: click.Command, ctx: click.Context, max_lines: int) -> str:
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
            written = fill(names, formatter.width - wide, break_on_hyphens=False, max_lines=max_lines, placeholder=" …")
            formatter.write(indent(written, " " * wide).replace(" " * wide, each.ljust(wide), 1) + "\n")
    formatter.write_paragraph()
    formatter.write_text(f"More: {ctx.command_path} --help, hsi help WORD")
    return formatter.getvalue().rstrip("\n")


def _names(options: list[click.Option]) -> str:
    return ", ".join("/".join(each.opts) for each in options)
