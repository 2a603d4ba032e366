"""Shared phrases: how a connection ended and what each end sent."""

from __future__ import annotations

from collections.abc import Callable

from handshake_inspect.report.connection import Connection, Direction
from handshake_inspect.wire.text import plural

ENDINGS = {
    "open": "not closed when the capture ended",
    "fin": "both ends closed with FIN",
    "rst": "by RST",
    "rst-after-fin": "by RST, after a FIN",
    "half-closed": "one direction only",
    "timeout": "given up: nothing came back",
}


def ending_words(c: Connection) -> str:
    """Return how a connection ended, who closed first and who reset it."""
    text = ENDINGS[c.close.how]
    if c.close.first and c.close.how != "rst":
        text += f"; the {c.close.first} first"
    return text + (f"; reset by the {c.close.reset_by}" if c.close.reset_by else "")


_COUNTERS: tuple[tuple[str, Callable[[Direction], int]], ...] = (
    ("retransmission", lambda way: way.retransmissions),
    ("late segment", lambda way: way.out_of_order),
    ("duplicate frame", lambda way: way.duplicates),
    ("keep-alive", lambda way: way.keep_alives),
    ("zero window", lambda way: way.zero_windows),
)


def direction_words(way: Direction) -> str:
    """Return what an end sent, with all counters that are not 0."""
    counts = [plural(count(way), name) for name, count in _COUNTERS if count(way)]
    return ", ".join(["sent " + plural(way.frames, "segment"), plural(way.bytes, "byte"), *counts])
