"""The text output of `hsi pair`: clocks, segments between the captures, changes, then both ladders side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.layout import INDENT, Column, Style, Table, heading, labelled, paragraph, written
from handshake_inspect.render.rungs import Signs
from handshake_inspect.report.paired import Alone, Interval, Paired, PairedConnection, PairedSegment
from handshake_inspect.wire.text import duration, endpoint_text, plural, printable

SHOWN = 20
_ARROW = 30  # width of a segment between the ladders
SYN_WORDS = {
    "arrived": "",
    "lost-a-to-b": "SYN lost between",
    "lost-beyond": "SYN passed both, no answer seen",
    "answer-lost": "SYN-ACK lost between",
    "undecided": "",
}
_IN_PIECES = "in pieces"
_FATES = {
    "lost": "lost",
    "not-captured": "not captured",
    "undecided": "not known",
    "born": "made between",
    "arrived": "",
}


def render_paired(found: Paired, out: BinaryIO, options: Options) -> None:
    """Write the lines in the terminal's encoding."""
    style = Style(color=options.color, encoding=options.encoding)
    lines = _lines(found, options, style) if options.verbosity >= 0 else iter([_verdict(found)])
    written(out, lines, options.encoding)


def _lines(found: Paired, options: Options, style: Style) -> Iterator[str]:
    yield style.paint(_verdict(found), "bold")
    for name, capture in (("a", found.a), ("b", found.b)):
        where = "nearer to the clients" if found.nearer_to_clients == name else "nearer to the servers"
        yield from labelled(name.upper(), f"{', '.join(capture.sources)}, {where}", options.width, style)
    yield from labelled("clock", _clock(found, style), options.width, style)
    yield from _passages(found, options, style)
    if found.summary.changes:
        yield from heading("CHANGED BETWEEN", "", style)
        for what, count in found.summary.changes.items():
            yield from paragraph(f"{_plain(what)}: {plural(count, 'connection')}", options.width, INDENT)
    if found.segments is not None:
        yield from _ladder(found, found.segments, options, style)
        return
    yield from _connections(found, options, style)
    yield from _alone(found, options, style)


def _plain(what: str) -> str:
    words = what.split("-")
    known = {"syn": "SYN", "synack": "SYN-ACK", "isn": "ISN", "mss": "MSS", "ttl": "TTL", "ecn": "ECN", "tfo": "TFO"}
    return " ".join(known.get(word, word) for word in words)


def _verdict(found: Paired) -> str:
    summary = found.summary
    lost = summary.a_to_b.lost + summary.b_to_a.lost
    text = f"{plural(lost, 'segment')} lost between" if lost else "nothing lost between"
    alone = f", {summary.alone_a:,} only in A, {summary.alone_b:,} only in B"
    return (
        f"{plural(summary.joined, 'connection')} in both{alone if summary.alone_a or summary.alone_b else ''}: {text}"
    )


def _clock(found: Paired, style: Style) -> str:
    clock = found.clock
    if not clock.consistent:
        return "one of the clocks was set during the captures: no delays"
    if clock.offset is None:
        return "not known: no segments of both directions are in both captures"
    drift = f"; drift {_drift(clock.drift)}" if clock.drift is not None else ""
    return f"B is {_ahead(clock.offset, style)}{drift}"


def _ahead(offset: Interval, style: Style) -> str:
    """Format the clock offset: `116 to 131 ms ahead of A`, `… behind A` or `within 5 ms of A`."""
    if offset.min < 0 < offset.max:
        return f"within {duration(max(-offset.min, offset.max), style.micro)} of A"
    ends = sorted((abs(offset.min), abs(offset.max)))
    return f"{between(Interval(*ends), style)} {'ahead of' if offset.max > 0 else 'behind'} A"


def _drift(drift: Interval) -> str:
    return f"{drift.min / 1000:.1f} to {drift.max / 1000:.1f} ppm"


def between(interval: Interval, style: Style) -> str:
    """Format an interval: `4.6 to 15 ms`."""
    low, high = (duration(ns, style.micro) for ns in (interval.min, interval.max))
    if low == high:
        return low
    (low_number, low_unit), (_, high_unit) = low.split(" ", 1), high.split(" ", 1)
    return f"{low_number} to {high}" if low_unit == high_unit else f"{low} to {high}"


def _passages(found: Paired, options: Options, style: Style) -> Iterator[str]:
    yield from heading("SEGMENTS BETWEEN", "", style)
    ways = found.summary.a_to_b, found.summary.b_to_a
    names = [f"A {style.arrow} B", f"B {style.arrow} A"]
    columns = [
        Column("way", names),
        Column("sender", [f"{way.sender}s" for way in ways], rank=3),
        *(Column(title, [f"{getattr(way, name):,}" for way in ways], right=True, rank=rank)
          for title, name, rank in (("sent", "sent", 0), ("arrived", "arrived", 0), ("lost", "lost", 0),
                                    ("not captured", "not_captured", 4), ("not known", "undecided", 5),
                                    ("made between", "born", 2))),
        Column("median delay", [between(way.delays.median, style) if way.delays else "" for way in ways], rank=1),
    ]  # fmt: skip
    yield from Table(options.width, style).lines(columns)
    for name, other, way in (("A", "B", ways[0]), ("B", "A", ways[1])):
        if way.missed:
            text = f"{name} did not capture {plural(way.missed, 'segment')} that passed it and reached {other}"
            yield from paragraph(text, options.width, INDENT)


def _connections(found: Paired, options: Options, style: Style) -> Iterator[str]:
    troubled = [each for each in found.connections if options.every or _has_trouble(each)]
    if not troubled:
        return
    remark = plural(len(troubled), "connection") + ("" if options.every else " with losses, or segments made between")
    yield from heading("CONNECTIONS", remark, style)
    shown = troubled if options.every else sorted(troubled, key=_weight)[:SHOWN]
    columns = [
        Column("A", [f"#{each.a}" for each in shown]),
        Column("B", [f"#{each.b}" for each in shown]),
        Column("connection", [_ends(each, style) for each in shown], floor=20, soft=30),
        Column(
            "lost",
            [f"{style.arrow}{each.client_to_server.lost} {_back(style)}{each.server_to_client.lost}" for each in shown],
        ),
        Column("RSTs made", [_resets(each) for each in shown], rank=2),
        Column("SYN", [SYN_WORDS[each.syn] for each in shown], rank=1),
        Column("outcome", [each.outcome for each in shown], rank=3),
    ]
    yield from Table(options.width, style).lines(columns)
    if len(troubled) > len(shown):
        yield f"{INDENT}and {len(troubled) - len(shown):,} more: --all shows every connection"
    yield f"{INDENT}" + style.paint(f"segment by segment: hsi pair --explain {shown[0].a} A B", "dim")


def _back(style: Style) -> str:
    return "←" if style.arrow == "→" else "<-"


def _has_trouble(each: PairedConnection) -> bool:
    ways = each.client_to_server, each.server_to_client
    return any(way.lost or way.born for way in ways) or bool(SYN_WORDS[each.syn])


def _weight(each: PairedConnection) -> tuple[int, int]:
    return -(each.client_to_server.lost + each.server_to_client.lost), each.a


def _resets(each: PairedConnection) -> str:
    count = each.client_to_server.born_resets + each.server_to_client.born_resets
    return str(count) if count else ""


def _ends(each: PairedConnection | Alone, style: Style) -> str:
    client, server = (endpoint_text(end.ip, end.port) for end in (each.client, each.server))
    return f"{client} {style.arrow} {server}"


def _alone(found: Paired, options: Options, style: Style) -> Iterator[str]:
    if not found.alone:
        return
    yield from heading("IN ONE CAPTURE ONLY", plural(len(found.alone), "connection"), style)
    shown = found.alone if options.every else found.alone[:SHOWN]
    words = {
        "lost": "died between",
        "not-seen": "the other has no traffic of it",
        "undecided": "not known",
    }
    columns = [
        Column("in", [f"{each.capture.upper()} #{each.id}" for each in shown]),
        Column("connection", [_ends(each, style) for each in shown], floor=20),
        Column("", [words[each.fate] for each in shown], rank=1),
        Column("outcome", [each.outcome for each in shown], rank=2),
    ]  # fmt: skip
    yield from Table(options.width, style).lines(columns)
    if len(found.alone) > len(shown):
        yield f"{INDENT}and {len(found.alone) - len(shown):,} more: --all shows every connection"


# --- ladders ----------------------------------------------------------------------------------------------------------


def _ladder(found: Paired, segments: list[PairedSegment], options: Options, style: Style) -> Iterator[str]:
    """Yield a line per segment: frame and time at A, the segment, time and frame at B, and its delay."""
    yield from heading("SEGMENTS", "each by its capture's own clock, from the first there", style)
    began = {
        name: min((ns for each in segments if (ns := getattr(each, f"{name}_ns")) is not None), default=0)
        for name in "ab"
    }
    columns = [
        Column("A frame", [_number(each.a_frame) for each in segments], right=True),
        Column("A seconds", [_seconds(each.a_ns, began["a"]) for each in segments], right=True),
        Column("", [_arrow(each, style) for each in segments]),
        Column("B seconds", [_seconds(each.b_ns, began["b"]) for each in segments], right=True),
        Column("B frame", [_number(each.b_frame) for each in segments], right=True),
        Column("took", [_took(each, style) for each in segments],
               paint=lambda cell: style.paint(cell, "red") if cell == "lost" else cell),
    ]  # fmt: skip
    yield from Table(options.width, style).lines(columns)
    for each in found.connections:
        if each.a == found.explained:
            yield from (line for change in each.changes for line in paragraph(
                f"{style.warning} {_plain(change.what)}: {printable(change.a)} at A, {printable(change.b)} at B",
                options.width, INDENT))  # fmt: skip


def _number(frame: int | None) -> str:
    return "" if frame is None else str(frame)


def _seconds(ns: int | None, began: int) -> str:
    return "" if ns is None else f"{(ns - began) / 1e9:.6f}"


def _arrow(each: PairedSegment, style: Style) -> str:
    """Return an arrow to B or A, `[S] 0 ─────▶`; arrows of lost segments break off."""
    text = f"[{each.flags}] {each.seq}" + (f" +{each.length}" if each.length else "")
    signs = Signs(style)
    line = signs.shaft
    rest = max(_ARROW - len(text) - 2, 2)
    whole = each.fate not in ("lost", "not-captured", "undecided")
    head = line * (rest - 1) if whole else line * (rest // 2) + signs.cross + signs.dotted * (rest - rest // 2 - 2)
    if each.fate == "born":
        head = " " * (rest // 2) + line * (rest - rest // 2 - 1)
    if each.way == "a-to-b":
        return f"{text} {head}{signs.right}"
    return f"{signs.left}{head[::-1]} {text}"


def _took(each: PairedSegment, style: Style) -> str:
    if each.fate == "arrived":
        if each.a_frame is None or each.b_frame is None:
            return _IN_PIECES
        return between(each.delay, style) if each.delay is not None else ""
    return _FATES[each.fate]
