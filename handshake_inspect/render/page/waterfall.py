"""The set-up of one connection as an SVG waterfall: a row per span, with a bar at its position in time."""

from __future__ import annotations

from markupsafe import Markup

from handshake_inspect.render.page.svg import COLORS, SEVERITIES, box, percent, picture, rule, tag, text
from handshake_inspect.report.setup import Setup
from handshake_inspect.report.waterfall import Row, Whose, rows
from handshake_inspect.wire.text import bounds, duration

WHOSE: dict[Whose, tuple[str, str]] = {
    "network": ("network", SEVERITIES["info"]),
    "prologue": ("prologue", COLORS["unsolicited"]),
    "server": ("server", COLORS["timed-out"]),
    "client": ("client", COLORS["established"]),
    "either": ("in doubt", "#b5bcc4"),
}
_LABEL = 0.2  # share of the width before the bars
_ROOM = 0.78  # share of the width up to which a bar leaves room for text after it
_ROW = 22


def waterfall(setup: Setup) -> Markup | None:
    """Return the drawing; None if nothing was measured."""
    drawn = rows(setup)
    if not drawn:
        return None
    whole = max(row.start_ns + row.max_ns for row in drawn) or 1
    parts: list[Markup] = []
    for place, row in enumerate(drawn):
        parts.extend(_row(row, place * _ROW, whole))
    height = len(drawn) * _ROW + 18
    parts.append(rule(height - 16))
    parts.append(text("0", percent(_LABEL), height - 3))
    parts.append(text(duration(whole), "100%", height - 3, anchor="end"))
    return picture(height, "Set-up of the connection, part by part", *parts)


def whose(setup: Setup) -> list[tuple[str, str]]:
    """Return the legend of the colours that occur: class and words."""
    there = {who for row in rows(setup) for who, ns in row.parts if ns}
    return [(who, words) for who, (words, _) in WHOSE.items() if who in there]


def _row(row: Row, y: float, whole: int) -> list[Markup]:
    took = bounds(row.value_ns, row.min_ns, row.max_ns)
    parts, at = [text(row.label, 0, y + 14, "note")], row.start_ns
    for who, ns in row.parts:
        if ns:
            words, color = WHOSE[who]
            share = ns * (1 - _LABEL) / whole
            place = _LABEL + at * (1 - _LABEL) / whole
            parts.append(
                box(place, y + 4, max(share, 0.002), 13, f"w-{who}", color, tag("title", f"{words}: {duration(ns)}"))
            )
            at += ns
    begin, end = (_LABEL + ns * (1 - _LABEL) / whole for ns in (row.start_ns, at))
    parts.append(_took(took, begin, end, y + 14))
    return parts


def _took(words: str, begin: float, end: float, y: float) -> Markup:
    """Return the duration as text after, before or inside the bar, wherever there is room."""
    if end <= _ROOM:
        return text(words, percent(end), y, dx=5)
    if begin > 2 * _LABEL:
        return text(words, percent(begin), y, anchor="end", dx=-5)
    return text(words, percent(end), y, "inside", anchor="end", dx=-5)  # dark on the bar's own colour in either mode
