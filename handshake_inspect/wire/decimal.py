"""Numbers and texts written into a buffer.

Never compiled: the twin holds the same functions as C inlines.  Callers see to it that there is room.
"""

from __future__ import annotations

from typing import Any


def decimal_length(value: int) -> int:
    """How many digits a number has, and its sign."""
    return len(str(value))


def put_decimal(out: Any, at: int, value: int) -> int:
    """Write a number; what is returned is behind it."""
    return put_text(out, at, b"%d" % value, 0, decimal_length(value))


def put_text(out: Any, at: int, text: Any, start: int, stop: int) -> int:
    """Copy a part of a text; what is returned is behind it."""
    end = at + stop - start
    out[at:end] = text[start:stop]
    return end
