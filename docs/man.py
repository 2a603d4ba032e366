"""Manual pages of the commands, in roff's man macros: docs/man/hsi.1, hsi-check.1, …  Written by docs/generate.py."""

from collections.abc import Iterable, Iterator
from inspect import cleandoc

import click

from handshake_inspect.cli.manual import sections


def page(path: tuple[str, ...], command: click.Command, context: click.Context, others: Iterable[str]) -> str:
    """The manual page of a command; `others` are the names of the pages beside it."""
    return "".join(f"{line}\n" for line in _lines(path, command, context, others))


def _lines(
    path: tuple[str, ...], command: click.Command, context: click.Context, others: Iterable[str]
) -> Iterator[str]:
    name = "-".join(path)
    first, *paragraphs = cleandoc(command.help or "").split("\n\n")
    usage = " ".join(command.collect_usage_pieces(context))
    yield f'.TH {_text(name).upper()} 1 "" "hsi" "User Commands"'
    yield from (".SH NAME", f"{_text(name)} \\- {_text(first).rstrip('.')}")
    yield from (".SH SYNOPSIS", f".B {_text(' '.join(path))}", _text(usage))
    yield ".SH DESCRIPTION"
    for paragraph in (first, *paragraphs):
        yield from (".PP", _text(paragraph))
    if isinstance(command, click.Group):
        yield ".SH COMMANDS"
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            yield from (".TP", f".B {_text(f'{name} {each}')}", _text(found.get_short_help_str(200) if found else ""))
    yield ".SH OPTIONS"
    for section, options in sections(command, context):
        yield f'.SS "{section}"'
        for flags, says in filter(None, (each.get_help_record(context) for each in options)):
            yield from (".TP", f".B {_text(flags)}", _text(says))
    yield from _epilog(command.epilog or "")
    yield from (".SH SEE ALSO", ",\n".join(f".BR {_text(each)} (1)" for each in others if each != name))


def _epilog(text: str) -> Iterator[str]:
    """What stands behind the options, each block under its heading, line by line."""
    for block in filter(None, (each.removeprefix("\b\n").strip("\n") for each in text.split("\n\n"))):
        heading, *lines = block.splitlines()
        if len(heading) > 40:  # a sentence
            yield from (".SH NOTES", _text(heading))
        else:
            yield f'.SH "{_text(heading.rstrip(":")).upper()}"'
        yield from (".nf", *map(_text, lines), ".fi")


def _text(text: str) -> str:
    """Text as roff reads it: nothing in it is a request."""
    escaped = text.strip("\n").replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in escaped.splitlines())
