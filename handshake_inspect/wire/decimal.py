"""Write numbers and text into a buffer.

Never compiled: the twin declares the same functions as C inlines.  The caller must provide enough space.
"""

from __future__ import annotations

from typing import Any


def decimal_length(value: int) -> int:
    """Return the number of characters of an integer, including its sign."""
    return len(str(value))


def put_decimal(out: Any, at: int, value: int) -> int:
    """Write an integer at `at`; return the index after it."""
    return put_text(out, at, b"%d" % value, 0, decimal_length(value))


def put_text(out: Any, at: int, text: Any, start: int, stop: int) -> int:
    """Copy `text[start:stop]` to `at`; return the index after it."""
    end = at + stop - start
    out[at:end] = text[start:stop]
    return end
