"""The report for people: first what was captured and what became of it, then where the trouble is.

What a check found is one line per assertion, and under those that failed what broke them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.connections import connection_lines
from handshake_inspect.render.examples import examples, kind_of
from handshake_inspect.render.layout import INDENT, LABEL, LOOKS, Column, Style, Table, heading, labelled, paragraph
from handshake_inspect.render.quic import quic
from handshake_inspect.render.setups import setups
from handshake_inspect.report.checked import Assertion, Checked
from handshake_inspect.report.headline import (
    MEANING,
    captured,
    failures,
    gravest_of,
    headline,
    quality,
    source_names,
    verdict,
)
from handshake_inspect.report.host import host_words
from handshake_inspect.report.links import explained_by
from handshake_inspect.report.model import Capture, Finding, Report, Service
from handshake_inspect.wire.text import durations, moment, plural, printable, share, span

TROUBLE_SHOWN = 20
TROUBLE_SEEN = 500  # from which those are chosen
SERVICES_SHOWN = 10
PROBLEMS_SHOWN = 8
NOT_SEEN = {"not-looked-into", "unsupported-link-type"}  # kinds of problems
BAR = 24  # columns of a full bar

_MARGIN = " " * 6  # before what broke an assertion
_LONGEST_RULE = 40
_SEVERITY_LOOKS = {"critical": "red", "warning": "yellow", "info": "cyan"}


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write `report` to `out` in the terminal's encoding; what it lacks is escaped."""
    style = Style(color=options.color, encoding=options.encoding)
    _put(out, iter([headline(report)]) if options.verbosity < 0 else _page(report, options, style), options)


def render_check(checked: Checked, out: BinaryIO, options: Options) -> None:
    """Write the lines in the terminal's encoding; with verbosity below 0 the last one alone."""
    style = Style(color=options.color, encoding=options.encoding)
    lines = _check(checked, options, style) if options.verbosity >= 0 else iter([_verdict(checked, style)])
    _put(out, lines, options)


def _put(out: BinaryIO, lines: Iterator[str], options: Options) -> None:
    out.writelines(line.encode(options.encoding, "backslashreplace") + b"\n" for line in lines)


def _page(report: Report, options: Options, style: Style) -> Iterator[str]:
    """The verdict first, then what explains it and what to do; how it was captured comes last."""
    yield from _summary(report, options, style)
    if not report.summary.connections and not (report.quic_connections or report.findings):
        yield from _nothing(report.capture, options, style)
        yield from _capture(report.capture, options.width, style)
        return
    explained: set[str] = set()
    for finding in report.findings:
        yield from _finding(finding, options.width, style)
        if finding.id not in explained:
            explained.add(finding.id)
            yield INDENT + style.paint(f"more: {explained_by(finding.id)}", "dim")
    if options.connections and report.summary.connections:
        yield from _connections(report, options, style)
    if report.summary.connections:
        yield from _outcomes(report, options.width, style)
        yield from _rtt(report, options.width, style)
    yield from quic(report, options.width, style)
    yield from setups(report, options.width, style)
    if report.summary.connections:
        yield from _services(report, options, style)
    yield from _capture(report.capture, options.width, style)


def _summary(report: Report, options: Options, style: Style) -> Iterator[str]:
    """The verdict, and a line on what was captured."""
    gravest = gravest_of(report)
    look = _SEVERITY_LOOKS[gravest.severity] if gravest is not None else "green"
    said = style.clean(verdict(report))
    yield from (style.paint(line, "bold", look) for line in paragraph(said, options.width, ""))
    name, what = captured(report.capture, style.micro)
    line = style.elide(name, max(options.width - len(what), options.width // 2)) + what
    yield from (style.paint(part, "dim") for part in paragraph(line, options.width, ""))


# --- what was captured ------------------------------------------------------------------------------------------------


def _capture(capture: Capture, width: int, style: Style) -> Iterator[str]:
    yield from heading("CAPTURE", "", style)
    for label, value in _capture_facts(capture, width - len(INDENT) - LABEL, style):
        yield from labelled(label, value, width, style)
    for problem in capture.problems[:PROBLEMS_SHOWN]:
        at = [f"frame {problem.frame:,}"] if problem.frame is not None else []
        at += [f"byte {problem.offset:,}"] if problem.offset is not None else []
        text = printable(problem.message) + (f" ({', '.join(at)})" if at else "")
        yield from labelled("problem", text, width, style, "yellow")
    more = len(capture.problems) - PROBLEMS_SHOWN
    if more > 0:
        yield from labelled("", f"and {plural(more, 'problem')} more", width, style)


def _capture_facts(capture: Capture, room: int, style: Style) -> Iterator[tuple[str, str]]:
    names = source_names(capture)
    kinds = ", ".join([*([capture.format] if capture.format else []), *map(printable, capture.link_types)])
    for name in names[:3]:
        yield ("file" if name is names[0] else "", style.elide(name, room))
    if len(names) > 3:
        yield "", f"and {plural(len(names) - 3, 'file')} more"
    if kinds:
        yield "format", style.shorten(kinds, room)
    for text in capture.filters[:3]:
        yield ("filter" if text is capture.filters[0] else "", style.elide(printable(text), room))
    if capture.first_ns is not None and capture.last_ns is not None:
        lasting = span(capture.last_ns - capture.first_ns, style.micro)
        yield "time", f"{moment(capture.first_ns)}, lasting {lasting}"
    yield "contents", f"{plural(capture.frames, 'frame')}, {plural(capture.tcp_segments, 'TCP segment')}"
    yield "quality", quality(capture)
    if capture.position is not None:
        yield "position", _POSITIONS[capture.position.place]
    if counted := host_words(capture.host):
        yield "this host", counted


_POSITIONS = {
    "client": "next to the clients, judging by TTLs and round trips",
    "server": "next to the servers, judging by TTLs and round trips",
    "between": "between clients and servers, judging by TTLs and round trips",
}


def _nothing(capture: Capture, options: Options, style: Style) -> Iterator[str]:
    yield from heading("CONNECTIONS", "none", style)
    if not capture.frames:
        reason = "The capture holds no frames: check the interface and the capture filter."
    elif not capture.tcp_segments and any(problem.kind in NOT_SEEN for problem in capture.problems):
        reason = "No TCP was found, and not all frames could be looked into: see the problems below."
    elif not capture.tcp_segments:
        reason = "None of the frames is TCP: check the capture filter."
    elif options.where:
        reason = f"No connection matches -Y '{printable(options.where)}'."
    else:
        reason = "None of the TCP segments belongs to a connection."
    yield from paragraph(reason, options.width, INDENT)


# --- what became of it ------------------------------------------------------------------------------------------------


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
        Column("", [style.bar(count, total, BAR) for count in counts.values()], rank=1),
        Column("meaning", [MEANING[outcome] for outcome in counts], paint=lambda text: style.paint(text, "dim")),
    ]
    yield from Table(width, style).lines(columns)


def _rtt(report: Report, width: int, style: Style) -> Iterator[str]:
    rtt = report.summary.rtt
    if not rtt.total.count and not rtt.synack.count and not rtt.ackdat.count:
        yield from heading("HANDSHAKE RTT", "not measurable: no complete handshake in the capture", style)
        return
    yield from heading("HANDSHAKE RTT", "round trips as seen from the capture point", style)
    legs = [rtt.synack, rtt.ackdat, rtt.total]
    names = [f"SYN {style.arrow} SYN-ACK", f"SYN-ACK {style.arrow} ACK", f"SYN {style.arrow} ACK"]
    ranks = {"min": 1, "p50": 0, "p90": 0, "p95": 2, "p99": 0, "max": 0}
    # A leg is compared with itself, so here the unit goes by row.
    rows = [durations([getattr(leg, f"{name}_ns") for name in ranks], style.micro) for leg in legs]
    columns = [
        Column("leg", names),
        Column("to", ["server", "client", "both"]),
        Column("measured", [f"{leg.count:,}" for leg in legs], right=True),
    ]
    for (name, rank), cells in zip(ranks.items(), zip(*rows, strict=True), strict=True):
        columns.append(Column(name, cells, right=True, rank=rank))
    yield from Table(width, style).lines(columns)


def _finding(finding: Finding, width: int, style: Style) -> Iterator[str]:
    yield ""
    severity = finding.severity.upper()
    title, advice = (style.clean(text) for text in (finding.title, finding.advice))
    first, *others = paragraph(f"{severity}  {title}", width, "")
    yield style.paint(severity, "bold", _SEVERITY_LOOKS[finding.severity]) + first.removeprefix(severity)
    yield from others
    yield from paragraph(advice, width, INDENT)


def _services(report: Report, options: Options, style: Style) -> Iterator[str]:
    total = len(report.services)
    shown: list[Service] = list(report.services[: total if options.every else SERVICES_SHOWN])
    remark = f"the {len(shown)} busiest of {total:,}" if len(shown) < total else f"{total:,}"
    yield from heading("SERVICES", remark, style)
    columns = [
        Column("server", [printable(str(service.server)) for service in shown], floor=21, soft=21),
        Column("connections", [f"{service.connections:,}" for service in shown], right=True),
        Column("established", [share(s.outcomes.established, s.connections) for s in shown], right=True),
        *(_percentile(name, rank, shown, style) for name, rank in {"p50": 1, "p90": 3, "p99": 2, "max": 4}.items()),
        Column("otherwise", [failures(service.outcomes) for service in shown], floor=11, soft=16, cut=style.shorten),
    ]
    yield from Table(options.width, style).lines(columns)


def _percentile(name: str, rank: int, services: list[Service], style: Style) -> Column:
    cells = durations([getattr(service.rtt.total, f"{name}_ns") for service in services], style.micro)
    return Column(f"RTT {name}", cells, right=True, rank=rank)


# --- connections ------------------------------------------------------------------------------------------------------


def _connections(report: Report, options: Options, style: Style) -> Iterator[str]:
    start = report.capture.first_ns or 0
    length = (report.capture.last_ns or 0) - start
    if options.every:
        yield from heading("EVERY CONNECTION", f"{len(report.connections):,}, in order of their first frame", style)
        yield from connection_lines(report.connections.chunks(500), options, style, start, length)
        return
    total = report.connections.trouble_count
    if not total:
        return
    shown = examples(report.connections.trouble(TROUBLE_SEEN), TROUBLE_SHOWN)
    remark = plural(total, "connection") + (f", {len(shown)} of them shown" if len(shown) < total else "")
    yield from heading("TROUBLE", remark, style)
    yield from connection_lines([shown], options, style, start, length, kind_of, ids=True)
    if total > len(shown):
        yield ""
        yield f"{INDENT}and {total - len(shown):,} more: --all shows every connection"
    yield from _next(report.capture, shown[0].id, style)


def _next(capture: Capture, number: int, style: Style) -> Iterator[str]:
    """What to type to see more of a connection."""
    if len(capture.sources) == 1 and capture.sources[0] != "-":
        yield ""
        command = f"hsi explain {shlex.quote(printable(capture.sources[0]))} {number}"
        yield INDENT + style.paint(f"segment by segment: {command}", "dim")


# --- what a check found -----------------------------------------------------------------------------------------------


def _check(checked: Checked, options: Options, style: Style) -> Iterator[str]:
    width = min(_LONGEST_RULE, max((len(printable(each.rule)) for each in checked.assertions), default=0))
    for each in checked.assertions:
        sign = style.paint("FAIL", "red") if each.status == "failed" else style.paint("ok  ", "green")
        rule = printable(each.rule).ljust(width)
        yield f"{sign}  {rule}  {printable(each.measured)}; allowed: {printable(each.allowed)}"
        if each.status == "failed":
            yield from _broken(each, options, style)
    for note in checked.notes:
        yield f"{style.paint('note', 'yellow')}  {printable(note)}"
    yield _verdict(checked, style)


def _broken(each: Assertion, options: Options, style: Style) -> Iterator[str]:
    for finding in each.findings:
        yield from paragraph(printable(finding), options.width, _MARGIN)
    for breach in each.breaches:
        yield f"{_MARGIN}{printable(breach.name)}"
        why = f"{breach.outcome}: {printable(breach.why)}"
        yield from (style.paint(line, "dim") for line in paragraph(why, options.width, _MARGIN + "   "))
    if each.broken > len(each.breaches) and each.breaches:
        yield f"{_MARGIN}and {each.broken - len(each.breaches):,} more"


def _verdict(checked: Checked, style: Style) -> str:
    failed = sum(each.status == "failed" for each in checked.assertions)
    total = plural(len(checked.assertions), "assertion")
    word = style.paint("passed", "green") if checked.passed else style.paint("failed", "red")
    count = total if checked.passed else f"{failed} of {total}"
    return f"hsi check: {word}, {count}, {plural(checked.connections, 'connection')}"
