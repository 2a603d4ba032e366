"""Columns of numbers and texts as bytes of lines that lie side by side: the compiled half of `report.lines`.

Each function does one column of many lines.  `rows` are the lines that the column has values for, and `head` is what
stands before each of them.  `measure_...` adds the lengths to those of the lines, `put_...` writes behind what a line
has already: `ends` says how far each is.
"""

from __future__ import annotations

from typing import Any

from handshake_inspect.wire import decimal


def measure_numbers(lengths: Any, rows: Any, head: Any, values: Any, known: Any, none: Any) -> None:
    """Add the lengths of numbers, or of `none` where they are not known."""
    size, absent = len(head), len(none)
    for i in range(len(rows)):
        lengths[rows[i]] += size + (decimal.decimal_length(values[i]) if known[i] else absent)


def put_numbers(out: Any, ends: Any, rows: Any, head: Any, values: Any, known: Any, none: Any) -> None:
    """Write numbers, or `none` where they are not known."""
    size, absent = len(head), len(none)
    for i in range(len(rows)):
        row = rows[i]
        end = decimal.put_text(out, ends[row], head, 0, size)
        if known[i]:
            ends[row] = decimal.put_decimal(out, end, values[i])
        else:
            ends[row] = decimal.put_text(out, end, none, 0, absent)


def measure_texts(lengths: Any, rows: Any, head: Any, codes: Any, texts: Any, bounds: Any) -> None:
    """Add the lengths of texts by their codes: each ends with a newline in `texts`, which is left out."""
    size = len(head)
    for i in range(len(rows)):
        code = codes[i]
        lengths[rows[i]] += size + bounds[code + 1] - bounds[code] - 1


def put_texts(out: Any, ends: Any, rows: Any, head: Any, codes: Any, texts: Any, bounds: Any) -> None:
    """Write texts."""
    size = len(head)
    for i in range(len(rows)):
        row, code = rows[i], codes[i]
        end = decimal.put_text(out, ends[row], head, 0, size)
        ends[row] = decimal.put_text(out, end, texts, bounds[code], bounds[code + 1] - 1)


def measure_same(lengths: Any, rows: Any, head: Any) -> None:
    """Add the length of what is the same in all of these lines."""
    size = len(head)
    for i in range(len(rows)):
        lengths[rows[i]] += size


def put_same(out: Any, ends: Any, rows: Any, head: Any) -> None:
    """Write what is the same in all of these lines."""
    size = len(head)
    for i in range(len(rows)):
        row = rows[i]
        ends[row] = decimal.put_text(out, ends[row], head, 0, size)
