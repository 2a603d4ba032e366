"""The text report: the verdict with its reasons and advice, then details, then the suggested next command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from handshake_inspect.render import Format, Options
from handshake_inspect.render.afterwards import afterwards
from handshake_inspect.render.capture_lines import capture_lines, in_one_line
from handshake_inspect.render.connections import connection_lines
from handshake_inspect.render.examples import examples, kind_of
from handshake_inspect.render.finding_lines import SEVERITY_LOOKS, all_findings
from handshake_inspect.render.layout import INDENT, LOOKS, Column, Style, Table, heading, paragraph, written
from handshake_inspect.render.next_step import first_to_explain, next_step
from handshake_inspect.render.quic import quic
from handshake_inspect.render.setups import setups
from handshake_inspect.render.spread import spread, usual
from handshake_inspect.report.headline import MEANING, failures, gravest_of, troubles, verdict, why_nothing
from handshake_inspect.report.model import Capture, Connection, Report, Service
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.wire.text import durations, plural, printable, share

if TYPE_CHECKING:
    from handshake_inspect.report.quic_story import QuicStory
    from handshake_inspect.report.story import Story

TROUBLE_SHOWN = 20
TROUBLE_SEEN = 500  # candidates for these
SERVICES_SHOWN = 10
TRIES = 3  # connections of a scan to one service, at most
SCANNED_SHOWN = 3  # of which nothing answered
SCANNED = 2_000  # candidates for these, in a scan
SINGLE = 100_000  # frames that are read once more for one ladder
BAR = 24  # width of a full bar


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write `report` to `out` in the terminal's encoding; other characters are escaped."""
    style = Style(color=options.color, encoding=options.encoding)
    lines = iter([_brief(report, options)]) if options.verbosity < 0 else _page(report, options, style)
    written(out, lines, options.encoding)


def _brief(report: Report, options: Options) -> str:
    """Return the one-line report."""
    return "; ".join(filter(None, [verdict(report, options.applied_filter), _share(report, options)]))


def _share(report: Report, options: Options) -> str:
    """Return how many of the capture's connections match -Y; empty if none or all do."""
    count = report.summary.connections
    return options.applied_filter.share(count) if options.applied_filter is not None and count else ""


def starring(report: Report, options: Options) -> Sequence[Connection | QuicConnection]:
    """Return the only connection of a report, whose ladder is shown at once; none if the capture is large.

    A QUIC connection counts only if there is no TCP.
    """
    held = report.connections if len(report.connections) else report.quic_connections
    plain = options.connections and options.verbosity >= 0 and not options.every
    return held[:1] if plain and len(held) == 1 and report.capture.frames <= SINGLE else []


def _page(report: Report, options: Options, style: Style) -> Iterator[str]:
    """Yield the page: the verdict, its reasons and advice, then details, and how it was captured."""
    yield from _verdict(report, options, style)
    yield from in_one_line(report.capture, options.width, style)
    yield from (style.paint(line, "dim") for line in paragraph(_share(report, options), options.width, ""))
    if not report.summary.connections and not (report.quic_connections or report.findings):
        yield from _nothing(report.capture, options, style)
        yield from capture_lines(report.capture, options.width, style)
        return
    trouble = _trouble(report) if options.connections else []
    yield from all_findings(report.findings, options, style)
    if options.stories:
        yield from _ladder(options.stories[0], options, style)
    elif report.summary.connections:
        yield from _tcp(report, trouble, options, style)
    if not options.stories or report.summary.connections:
        yield from quic(report, options.width, style)
    whole = bool(options.stories) and options.verbosity > 0  # with set-up, and nothing is left to explain
    if not whole:
        yield from setups(report, options.width, style)
    if report.summary.connections and not options.stories:
        yield from _services(report, options, style)
    yield from capture_lines(report.capture, options.width, style)
    if options.connections and not whole and (number := first_to_explain(report, trouble)) is not None:
        yield from next_step(report, number, options, style)


def _trouble(report: Report) -> list[Connection]:
    """Return some connections with trouble, most frequent kinds first."""
    return examples(report.connections.trouble(TROUBLE_SEEN), TROUBLE_SHOWN, report.summary.outcomes.as_dict())


def _ladder(story: Story | QuicStory, options: Options, style: Style) -> Iterator[str]:
    """Yield the story of a single connection: in short, and with -v the whole, with its evidence."""
    from handshake_inspect.render import story as page  # noqa: PLC0415 - most captures hold more than one connection

    yield ""
    yield from page.lines(story, replace(options, brief=options.verbosity == 0), style)


def _tcp(report: Report, trouble: list[Connection], options: Options, style: Style) -> Iterator[str]:
    """Yield the sections about TCP connections, trouble first."""
    if options.connections:
        yield from _connections(report, trouble, options, style)
    yield from _outcomes(report, options.width, style)
    yield from afterwards(report.summary.afterwards, options, style)
    yield from _rtt(report, options.width, style)


# --- verdict ----------------------------------------------------------------------------------------------------------


def _verdict(report: Report, options: Options, style: Style) -> Iterator[str]:
    """Yield the outcomes as a sentence, with the most severe reason."""
    gravest = gravest_of(report)
    look = SEVERITY_LOOKS[gravest.severity] if gravest is not None else "yellow" if troubles(report) else "green"
    looks = ("bold",) if look == "yellow" else ("bold", look)  # a sentence in yellow cannot be read on white
    sentence = paragraph(style.clean(verdict(report, options.applied_filter)), options.width, "")
    yield from (style.paint(line, *looks) for line in sentence)


def _nothing(capture: Capture, options: Options, style: Style) -> Iterator[str]:
    yield from heading("CONNECTIONS", "none", style)
    yield from paragraph(why_nothing(capture, options.applied_filter), options.width, INDENT)


# --- outcomes and services --------------------------------------------------------------------------------------------


def _outcomes(report: Report, width: int, style: Style) -> Iterator[str]:
    total = report.summary.connections
    counts = {outcome: count for outcome, count in report.summary.outcomes.as_dict().items() if count}
    evicted = report.summary.evicted
    left_out = f", {evicted:,} more left out to bound memory (--max-connections)" if evicted else ""
    yield from heading("CONNECTIONS", f"{total:,}{left_out}", style)
    columns = [
        Column("outcome", list(counts), paint=lambda word: style.paint(word, LOOKS.get(word, "dim"))),
        Column("count", [f"{count:,}" for count in counts.values()], right=True),
        Column("share", [share(count, total) for count in counts.values()], right=True),
        Column("", [style.bar(count, total, BAR) for count in counts.values()], rank=2),
        Column(
            "meaning", [MEANING[outcome] for outcome in counts], rank=1, paint=lambda text: style.paint(text, "dim")
        ),
    ]
    yield from Table(width, style).lines(columns)


def _rtt(report: Report, width: int, style: Style) -> Iterator[str]:
    rtt = report.summary.rtt
    if not rtt.total.count and not rtt.synack.count and not rtt.ackdat.count:
        yield from heading("HANDSHAKE RTT", "not measurable: no complete handshake", style)
        return
    yield from heading("HANDSHAKE RTT", "round trips as seen from the capture point", style)
    legs = [rtt.synack, rtt.ackdat, rtt.total]
    names = [f"SYN {style.arrow} SYN-ACK", f"SYN-ACK {style.arrow} ACK", f"SYN {style.arrow} ACK"]
    columns = [
        Column("leg", names),
        Column("to", ["server", "client", "both"]),
        Column("measured", [f"{leg.count:,}" for leg in legs], right=True),
    ]
    for name, rank in spread(legs).items():
        cells = durations([usual(leg, name) for leg in legs], style.micro)
        columns.append(Column(name, cells, right=True, rank=rank))
    yield from Table(width, style).lines(columns)


def _services(report: Report, options: Options, style: Style) -> Iterator[str]:
    total = len(report.services)
    shown = list(report.services[: total if options.every else SERVICES_SHOWN])
    remark = f"the {len(shown)} busiest of {total:,}" if len(shown) < total else f"{total:,}"
    if len(shown) < total and any(finding.id == "port-scan" for finding in report.findings):
        shown = _of_scan(report.services[:SCANNED])
        opened = sum(not _is_closed(each) for each in shown)
        alone = opened == len(shown) < SERVICES_SHOWN
        which = f", the open one{'s' * (opened > 1)}" if alone else ", open ones first"
        remark = f"{len(shown)} of {total:,}" + (which if opened else "")
    yield from heading("SERVICES", remark, style)
    columns = [
        Column("server", [printable(str(service.server)) for service in shown], floor=21, soft=21),
        Column("connections", [f"{service.connections:,}" for service in shown], right=True),
        Column("established", [share(s.outcomes.established, s.connections) for s in shown], right=True),
        *(_percentile(name, rank, shown, style) for name, rank in {"median": 1, "p90": 3, "p99": 2, "max": 4}.items()),
        Column(
            "not established", [failures(each.outcomes) for each in shown], floor=15, soft=16, cut=style.shorten_list
        ),
    ]
    yield from Table(options.width, style).lines(columns)


def _of_scan(services: Sequence[Service]) -> list[Service]:
    """Return the services worth listing for a scan, open ones first; most scanned ports are closed and alike."""
    ordered = sorted(services, key=_is_closed)
    worthy = [each for each in ordered if not _is_closed(each) or each.connections > TRIES]
    return worthy[:SERVICES_SHOWN] or ordered[:SCANNED_SHOWN]


def _is_closed(service: Service) -> bool:
    """Whether no attempt got a SYN-ACK."""
    outcomes = service.outcomes
    return not (outcomes.established or outcomes.half_open or outcomes.aborted)


def _percentile(name: str, rank: int, services: list[Service], style: Style) -> Column:
    cells = durations([usual(service.rtt.total, name) for service in services], style.micro)
    return Column(f"RTT {name}", cells, right=True, rank=rank)


# --- connections ------------------------------------------------------------------------------------------------------


def _connections(report: Report, shown: list[Connection], options: Options, style: Style) -> Iterator[str]:
    start = report.capture.first_ns or 0
    length = (report.capture.last_ns or 0) - start
    if options.every:
        yield from heading("EVERY CONNECTION", f"{len(report.connections):,}, in order of their first frame", style)
        yield from connection_lines(report.connections.chunks(500), options, style, start, length)
        return
    total = report.connections.trouble_count
    if not total:
        return
    remark = plural(total, "connection") + (f", {len(shown)} of them shown" if len(shown) < total else "")
    yield from heading("TROUBLE", remark, style)
    yield from connection_lines([shown], options, style, start, length, kind_of, ids=True)
    if total > len(shown):
        yield ""
        yield f"{INDENT}and {total - len(shown):,} more: --all shows every connection"


FORMATS = {
    "text": Format(
        render,
        (".txt",),
        check="check_text:render_check",
        diff="diff_text:render_diff",
        story="story:render",
        drawn=starring,
        segments=12,
        alone=True,
        verified="verify_text:render_verified",
        paired="pair_text:render_paired",
        events="text_events:EventWriter",
        closing=True,
    ),
}
