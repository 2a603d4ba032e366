"""The QUIC section of text reports: outcomes, and the first connections with trouble."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from handshake_inspect.render.layout import INDENT, LOOKS, Column, Style, Table, heading, paragraph
from handshake_inspect.report.model import Report
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.wire.text import offsets, plural, printable, share

SHOWN = 5  # connections with trouble
MEANING = {
    "established": "the client finished the handshake",
    "rejected": "an ICMP error answered",
    "timed-out": "nothing answered",
    "pending": "the capture ends too soon to say",
    "failed": "answered, but the handshake did not complete",
}


def quic(report: Report, width: int, style: Style) -> Iterator[str]:
    """Yield the outcomes and the first connections with trouble; nothing without QUIC."""
    connections = report.quic_connections
    if not connections:
        return
    yield from heading("QUIC", plural(len(connections), "connection"), style)
    outcomes = [each.outcome for each in connections]
    counts = {outcome: outcomes.count(outcome) for outcome in MEANING if outcome in outcomes}
    columns = [
        Column("outcome", list(counts), paint=lambda word: style.paint(word, LOOKS.get(word, "red"))),
        Column("count", [f"{count:,}" for count in counts.values()], right=True),
        Column("share", [share(count, len(connections)) for count in counts.values()], right=True),
        Column(
            "meaning", [MEANING[outcome] for outcome in counts], rank=1, paint=lambda text: style.paint(text, "dim")
        ),
    ]
    yield from Table(width, style).lines(columns)
    troubled = [each for each in connections if each.outcome not in ("established", "pending")]
    if troubled:
        yield from _troubled(report, troubled, width, style)


def _troubled(report: Report, troubled: Sequence[QuicConnection], width: int, style: Style) -> Iterator[str]:
    shown = troubled[:SHOWN]
    begun, ended = report.capture.first_ns or 0, report.capture.last_ns or 0
    columns = [
        Column("id", [f"q{each.id}" for each in shown], right=True),
        Column("frame", [str(each.first_frame) for each in shown], right=True),
        Column("time", offsets([each.first_ns - begun for each in shown], ended - begun), right=True, rank=1),
        Column("client", [printable(str(each.client)) for each in shown], floor=15, soft=21),
        Column("server", [printable(str(each.server)) for each in shown], floor=15, soft=21),
        Column("outcome", [each.outcome for each in shown]),
    ]
    yield ""
    head, *lines = Table(width, style).lines(columns)
    yield head
    for line, each in zip(lines, shown, strict=True):
        yield line
        text = f"{each.cause}: {each.why}" if each.cause else each.why
        yield from (style.paint(part, "dim") for part in paragraph(style.clean(text), width, INDENT * 3))
    more = len(troubled) - len(shown)
    if more > 0:
        yield from paragraph(f"and {more:,} more: `hsi -T json` lists them under quic_connections", width, INDENT)
