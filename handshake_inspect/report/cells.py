"""Write columns of numbers and texts into many lines at once: the compiled part of `report.lines`.

Each function processes one column.  `rows` are the indices of the lines that get a value, and `head` is written before
each value.  `measure_…` adds to the `lengths` of the lines; `put_…` appends to each line at its offset in `ends`.
"""

from __future__ import annotations

from typing import Any

from handshake_inspect.wire import decimal


def measure_numbers(lengths: Any, rows: Any, head: Any, values: Any, known: Any, none: Any) -> None:
    """Add the lengths of numbers, or of `none` for unknown ones."""
    size, absent = len(head), len(none)
    for i in range(len(rows)):
        lengths[rows[i]] += size + (decimal.decimal_length(values[i]) if known[i] else absent)


def put_numbers(out: Any, ends: Any, rows: Any, head: Any, values: Any, known: Any, none: Any) -> None:
    """Append numbers, or `none` for unknown ones."""
    size, absent = len(head), len(none)
    for i in range(len(rows)):
        row = rows[i]
        end = decimal.put_text(out, ends[row], head, 0, size)
        if known[i]:
            ends[row] = decimal.put_decimal(out, end, values[i])
        else:
            ends[row] = decimal.put_text(out, end, none, 0, absent)


def measure_texts(lengths: Any, rows: Any, head: Any, codes: Any, texts: Any, bounds: Any) -> None:
    """Add the lengths of texts, given by codes; the newline that ends each text in `texts` does not count."""
    size = len(head)
    for i in range(len(rows)):
        code = codes[i]
        lengths[rows[i]] += size + bounds[code + 1] - bounds[code] - 1


def put_texts(out: Any, ends: Any, rows: Any, head: Any, codes: Any, texts: Any, bounds: Any) -> None:
    """Append texts, given by codes."""
    size = len(head)
    for i in range(len(rows)):
        row, code = rows[i], codes[i]
        end = decimal.put_text(out, ends[row], head, 0, size)
        ends[row] = decimal.put_text(out, end, texts, bounds[code], bounds[code + 1] - 1)


def measure_same(lengths: Any, rows: Any, head: Any) -> None:
    """Add the length of a text that is the same in all lines."""
    size = len(head)
    for i in range(len(rows)):
        lengths[rows[i]] += size


def put_same(out: Any, ends: Any, rows: Any, head: Any) -> None:
    """Append a text that is the same in all lines."""
    size = len(head)
    for i in range(len(rows)):
        row = rows[i]
        ends[row] = decimal.put_text(out, ends[row], head, 0, size)
