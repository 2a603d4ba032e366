"""The set-up of one connection as a text waterfall: a row per span, with a bar at its position in time."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from handshake_inspect.render.layout import INDENT, Style, paragraph
from handshake_inspect.report.setup import ExtraRoundTrip, Setup, Span
from handshake_inspect.report.waterfall import Row, Whose, before, rows, savings, totals
from handshake_inspect.wire.text import duration

LABEL = 14  # width of a label
FIGURES = 8  # width of milliseconds
TRIPS = 6
LONGEST_BAR = 90
_WORDS: dict[Whose, str] = {
    "network": "network", "prologue": "prologue", "server": "server", "client": "client", "either": "in doubt",
}  # fmt: skip
_LOOKS: dict[Whose, str] = {
    "network": "cyan", "prologue": "cyan", "server": "yellow", "client": "green", "either": "dim",
}  # fmt: skip
_EXTRA = {
    "hello-retry": "HelloRetryRequest: the server wanted another key share, one more round trip",
    "retry": "Retry: the server checked the client's address, one more round trip",
    "version-negotiation": "Version Negotiation: the client had to begin again",
    "window": "a flight waited for acknowledgments: it was larger than the congestion window",
    "amplification": "the server had to wait for the client's address to be proved",
    "loss": "something was lost and sent again",
    "nagle": "Nagle's algorithm held a small segment back",
}


def waterfall(setup: Setup | None, head: str, width: int, style: Style) -> Iterator[str]:
    """Yield the heading, the rows, time by attribution, extra round trips, and possible savings."""
    if setup is None:
        return
    yield ""
    first, *more = paragraph(f"SET-UP  {style.clean(head)}", width, "")
    yield style.paint("SET-UP", "bold") + first.removeprefix("SET-UP")
    yield from more
    drawn = rows(setup)
    if drawn:
        yield from _rows(drawn, setup, width, style)
    looked_up = before(setup, style.micro)
    if looked_up:
        yield from paragraph(looked_up, width, INDENT)
    for extra in setup.extra_round_trips:
        yield from _extra(extra, width, style)
    saved = savings(setup.saveable, style.micro)
    if saved:
        yield from paragraph(saved, width, INDENT)


def _rows(drawn: list[Row], setup: Setup, width: int, style: Style) -> Iterator[str]:
    whole = max(row.start_ns + row.max_ns for row in drawn)
    total = setup.spans.first_byte
    wide = max(FIGURES, *(len(_milliseconds(each, style)) for each in (*drawn, total) if each is not None))
    room = min(width - len(INDENT) - LABEL - wide - TRIPS - 3, LONGEST_BAR)
    end = duration(whole, style.micro)
    head = " " * LABEL + "ms".rjust(wide) + "trips".rjust(TRIPS) + "  0" + end.rjust(room - 1)
    yield INDENT + style.paint(head, "dim")
    for row in drawn:
        bar = "".join(style.paint(sign * count, _LOOKS[whose]) for whose, sign, count in _bar(row, whole, room, style))
        yield f"{_figures(row.label, row, wide, style)}  {bar}".rstrip()
    if total is not None and total.max_ns is not None:
        shares = ", ".join(f"{_WORDS[whose]} {_ms(ns)}" for whose, ns in totals(drawn).items())
        figures = f"{_figures('first byte', total, wide, style)}  "
        first, *more = wrap(f"{shares} ms", max(width - len(figures), LABEL))
        yield figures + first
        yield from (" " * len(figures) + line for line in more)


def _figures(label: str, row: Row | Span, wide: int, style: Style) -> str:
    trips = str(row.round_trips) if row.round_trips else ""
    return INDENT + label.ljust(LABEL) + _milliseconds(row, style).rjust(wide) + trips.rjust(TRIPS)


def _milliseconds(row: Row | Span, style: Style) -> str:
    """Return the duration of a span or its bounds, in ms."""
    if row.value_ns is not None:
        return _ms(row.value_ns)
    return f"{_ms(row.min_ns or 0)}{style.dash}{_ms(row.max_ns or 0)}"


def _bar(row: Row, whole: int, room: int, style: Style) -> Iterator[tuple[Whose, str, int]]:
    """Yield leading spaces and then each part; edges are rounded so that the bars of successive rows join."""
    scale = max(whole, 1)
    at = min(round(row.start_ns * room / scale), room - 1)
    yield "network", " ", at
    edge, first = row.start_ns, at
    for whose, length in row.parts:
        edge += length
        to = min(round(edge * room / scale), room)
        if to > at:
            yield whose, style.bars[whose], to - at
            at = to
    if at == first:  # too short to be visible
        longest = max(row.parts, key=lambda part: part[1])
        if longest[1]:
            yield longest[0], style.bars[longest[0]], 1


def _ms(ns: int) -> str:
    """Format milliseconds with one decimal, from 1000 on without; the unit is in the heading."""
    return f"{ns / 1e6:.1f}" if ns < 1_000_000_000 else f"{ns / 1e6:,.0f}"


def _extra(extra: ExtraRoundTrip, width: int, style: Style) -> Iterator[str]:
    cost = "" if extra.cost_ns is None else f", {duration(extra.cost_ns, style.micro)}"
    delayed = ", and the other end delayed the acknowledgment that it waited for" if extra.delayed_ack else ""
    frame = "" if extra.frame is None else f" (frame {extra.frame})"
    text = f"{style.warning} {_EXTRA[extra.reason]}{delayed}{cost}{frame}"
    for number, line in enumerate(paragraph(text, width - 2, INDENT)):
        yield style.paint(line if number == 0 else f"  {line}", "bold")
