"""The command `hsi explain`: show one connection, segment by segment."""
# ruff: noqa: PLC0415

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from handshake_inspect.cli.input_options import analyze_paths, chosen_format, filter_report, parse_filter
from handshake_inspect.cli.manual import Documented
from handshake_inspect.cli.options import (
    AnalysisOptions,
    argument,
    format_option,
    group,
    no_pager_option,
    option,
    output_option,
    read_option,
    takes,
    where_option,
)
from handshake_inspect.cli.output import Target
from handshake_inspect.cli.overwriting import refuse_overwrite
from handshake_inspect.cli.progress import ProgressBar
from handshake_inspect.errors import UsageError
from handshake_inspect.render import FORMATS, STORIES, Options

EXIT_INCOMPLETE = 3

EPILOG = """\b
CONNECTION is one of:
  7                                   the id, as TROUBLE and JSON have it
  192.0.2.1:40000                     the address and port of an end
  192.0.2.1:40000-192.0.2.2:80        both ends, in either order
  192.0.2.1                           the connections of this host: a list
  [2001:db8::1]:40000                 IPv6 in brackets
  q7                                  a QUIC connection; addresses find it too

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
  2  usage error, no such connection, or input that is not a readable capture
  3  with --strict: cut or damaged input, explained as far as it goes
"""


@dataclass(frozen=True)
class ExplainOptions:
    """The options of `hsi explain`."""

    words: tuple[str, ...] = argument(nargs=-1, metavar="CAPTURE... CONNECTION")
    read: tuple[str, ...] = read_option("Read this capture; - is standard input. Repeatable.")
    finding: str | None = option(
        "--finding",
        metavar="ID",
        help="Show the first connection that is evidence of this finding, instead of CONNECTION.",
    )
    where: str | None = where_option()
    limit: int = option(
        "--limit", metavar="N", type=click.IntRange(1, 10_000), default=40, show_default=True,
        help="List at most N segments: the first, the last, and the notable ones in between.",
    )  # fmt: skip
    short: bool = option("--short", is_flag=True, help="Show only the ladder, what is odd in it, and the verdict.")
    absolute: bool = option(
        "-S",
        "--absolute",
        is_flag=True,
        help="Show sequence numbers as on the wire, not counted from the first (as tcpdump -S).",
    )
    form: str | None = format_option(STORIES)
    output: str = output_option()
    strict: bool = option("--strict", is_flag=True, help="Exit with status 3 if the input is cut or damaged.")
    no_pager: bool = no_pager_option()
    analysis: AnalysisOptions = group(AnalysisOptions)


@click.command(cls=Documented, epilog=EPILOG, short_help="Show one connection segment by segment.")
@takes(ExplainOptions)
def command(args: ExplainOptions) -> None:
    """Show one connection segment by segment, with the states of both ends and the evidence for the verdict.

    QUIC is shown datagram by datagram, as far as the headers of its packets go.

    CAPTURE is as for `hsi analyze`. CONNECTION is optional if the capture has only one.
    With -Y, the first connection that matches EXPR is shown, preferably one with trouble.
    """
    from handshake_inspect.engine.explain import explain
    from handshake_inspect.engine.selection import ConnectionQuery, parse

    paths, name = _split(args.words, args.read, args.finding)
    refuse_overwrite(paths, args.output)
    form = chosen_format(args.form, args.output, STORIES)
    test = parse_filter(args.where)
    query = ConnectionQuery(finding=args.finding) if name is None else parse(name)
    options = args.analysis.settings
    with Target.open(args.output) as target:
        render_options = Options(
            target.width,
            target.colored(args.analysis.color),
            target.encoding,
            brief=args.short,
            absolute=args.absolute,
        )
        if query.host is not None:
            _list(args, paths, query.text, target, render_options)
            return
        with ProgressBar(wanted=not args.analysis.no_progress, inputs=paths) as meter:
            story = explain(paths, query, limit=args.limit, where=test, options=options, progress=meter.update)
        paged = form == "text" and not args.no_pager
        target.page(lambda stream: FORMATS[form].render_story(story, stream, render_options), wanted=paged)
    if args.strict and not story.capture.complete:
        click.get_current_context().exit(EXIT_INCOMPLETE)


def _list(args: ExplainOptions, paths: list[str], host: str, target: Target, render_options: Options) -> None:
    """List the connections of a host, so that the user can pick one by id."""
    from handshake_inspect.expression.predicates import And
    from handshake_inspect.render.connections import list_connections

    if chosen_format(args.form, args.output, STORIES) != "text":
        raise UsageError(f"{host} is a host, not a connection: name its port too, or list its connections as text")
    whole = analyze_paths(paths, args.analysis, show_progress=not args.analysis.no_progress)
    tests = [parse_filter(f'client.ip == "{host}" or server.ip == "{host}"'), parse_filter(args.where)]
    report = filter_report(whole, And(tuple(each for each in tests if each is not None)))
    if not len(report.connections):
        raise UsageError(f"no connection of {host}; hsi -T csv -e client.ip,server.ip lists the hosts")
    target.page(lambda stream: list_connections(report, host, stream, render_options), wanted=not args.no_pager)


def _split(words: tuple[str, ...], read: tuple[str, ...], finding: str | None) -> tuple[list[str], str | None]:
    """Split the arguments into captures and the connection: the last word, unless it is a capture too, or None."""
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
    """Whether a word names a capture rather than a connection."""
    from handshake_inspect.capture.remote import is_remote
    from handshake_inspect.engine.selection import parse

    try:
        parse(word)
    except UsageError:
        return word == "-" or is_remote(word) or Path(word).exists()
    return False
