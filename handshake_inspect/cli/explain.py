"""`hsi explain`: one connection, segment by segment."""
# ruff: noqa: PLC0415

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import click

from handshake_inspect.cli.analyze import seconds
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.progress import Meter
from handshake_inspect.cli.selecting import chosen_format, format_option, test_of, where_option
from handshake_inspect.cli.sparing import spare
from handshake_inspect.errors import UsageError
from handshake_inspect.render import Options

INCOMPLETE = 3
FORMATS = ("text", "json")

EPILOG = """\b
CONNECTION is one of:
  7                                   the id, as in a JSON report
  192.0.2.1:40000                     the address and port of an end
  192.0.2.1:40000-192.0.2.2:80        both ends, in either order
  [2001:db8::1]:40000                 IPv6 in brackets

\b
Examples:
  hsi explain a.pcap 192.0.2.1:40000
  hsi explain --finding rst-injection a.pcap
  hsi explain -Y 'rtt.total > 1s' a.pcap
  tcpdump -r a.pcap -w - tcp | hsi explain - 7
  hsi explain -T json a.pcap 7

\b
Exit status:
  0  explained
  2  usage error, no such connection, or input that cannot be read as a capture
  3  with --strict: cut or damaged input, explained as far as it goes
"""


@click.command(epilog=EPILOG, short_help="Show one connection segment by segment, and say why.")
@click.argument("words", nargs=-1, metavar="CAPTURE... CONNECTION")
@click.option(
    "-r",
    "--read",
    "read",
    metavar="FILE",
    multiple=True,
    help="Read this capture; - is standard input. May be given again.",
)
@click.option("--finding", metavar="ID", help="Instead of CONNECTION: the first one that proves this finding.")
@where_option
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, 10_000),
    default=40,
    show_default=True,
    help="List at most N segments: the first, the last, and those between that are not plain.",
)
@format_option(FORMATS)
@click.option("-o", "--output", metavar="FILE", default="-", help="Write there, whole or not at all.")
@click.option("--strict", is_flag=True, help="Exit 3 when the input is cut or damaged.")
@click.option(
    "--time-wait",
    metavar="SECONDS",
    type=seconds,
    default="60",
    show_default=True,
    help="How long TIME_WAIT lasts (2 MSL).",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=seconds,
    default="3",
    show_default=True,
    help="After how much capture an unanswered SYN has timed out.",
)
@click.option(
    "--max-connections",
    metavar="N",
    type=click.IntRange(min=1),
    help="Bound memory: keep at most N connections at a time.",
)
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="When to colour the text.",
)
@click.option("--no-progress", is_flag=True, help="No progress bar.")
@click.pass_context
def command(
    ctx: click.Context, words: tuple[str, ...], read: tuple[str, ...], finding: str | None, where: str | None,
    limit: int, form: str | None, output: str, strict: bool, time_wait: int, timeout: int, max_connections: int | None,
    color: str, no_progress: bool,
) -> None:  # fmt: skip
    """Show one connection segment by segment, with the states of both ends, and say what proves the verdict.

    CAPTURE is as for `hsi analyze`; of a capture that holds one connection only, CONNECTION may be left out.
    With -Y the first one for which EXPR holds is shown, with trouble if one has any.
    """
    from handshake_inspect.engine import Options as Settings
    from handshake_inspect.engine.explain import explain
    from handshake_inspect.engine.selection import Wish, parse

    paths, name = _split(words, read, finding)
    spare(paths, output)
    form = chosen_format(form, output, FORMATS)
    test = test_of(where)
    wish = Wish(finding=finding) if name is None else parse(name)
    settings: dict[str, Any] = {"time_wait_ns": time_wait, "unanswered_ns": timeout}
    if max_connections is not None:
        settings["max_connections"] = max_connections
    with Target.open(output) as target:
        with Meter(wanted=not no_progress) as meter:
            story = explain(paths, wish, limit=limit, where=test, options=Settings(**settings), progress=meter.update)

        def write(stream: BinaryIO) -> None:
            if form == "json":
                from handshake_inspect.render.json import render_story

                render_story(story, stream)
                return
            from handshake_inspect.render.ladder import render

            render(story, stream, Options(target.width, target.colored(color), target.encoding))

        target.put(write)
    if strict and not story.capture.complete:
        ctx.exit(INCOMPLETE)


def _split(words: tuple[str, ...], read: tuple[str, ...], finding: str | None) -> tuple[list[str], str | None]:
    """The captures, and the name of the connection: the last word, unless that is a capture too."""
    captures, name = list(words), None
    if finding is None and captures and (read or len(captures) > 1) and not _is_capture(captures[-1]):
        name = captures.pop()
    captures = [*read, *captures]
    if not captures:
        raise UsageError("name a capture and a connection: hsi explain CAPTURE CONNECTION")
    if captures.count("-") > 1:
        raise UsageError("standard input can be read only once")
    return captures, name


def _is_capture(word: str) -> bool:
    """Whether the word is a file, and not the name of a connection."""
    from handshake_inspect.engine.selection import parse

    try:
        parse(word)
    except UsageError:
        return word == "-" or Path(word).exists()
    return False
