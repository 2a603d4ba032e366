"""Write lines of text from columns, without creating an object per value: each column goes into all lines at once.

Text that is the same in all lines is collected and written together with the next column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report import cells
from handshake_inspect.report.encoding import encoded, encoded_lines
from handshake_inspect.wire.address import address_text, are_ipv4

Places = NDArray[np.int64]  # indices of lines
Mask = NDArray[np.bool_]

_SHIFTS = (np.uint64(24), np.uint64(16), np.uint64(8), np.uint64(0))


class ReusedBuffer:
    """A reusable buffer: fresh memory would cost more (page faults) than filling it."""

    def __init__(self) -> None:
        self._buffer = _view(np.empty(0, dtype=np.uint8))

    def of(self, size: int) -> memoryview:
        """Return `size` bytes with arbitrary contents."""
        if size > len(self._buffer):
            self._buffer = _view(np.empty(size + size // 8, dtype=np.uint8))
        return self._buffer[:size]


Texts = tuple[bytes, NDArray[np.int64]]  # newline-terminated texts, and their start offsets (one more than texts)


class Style(Protocol):
    """A text format for values."""

    none: bytes  # for unknown values
    quote: bytes  # around addresses

    def one(self, value: Any) -> bytes:
        """A value."""

    def many(self, values: Sequence[Any]) -> Texts:
        """Format values as texts with their bounds."""


class Json:
    """JSON."""

    none, quote = b"null", b'"'

    def one(self, value: Any) -> bytes:
        """A value."""
        return encoded(value)

    def many(self, values: Sequence[Any]) -> Texts:
        """Format values as texts with their bounds; JSON contains no newlines."""
        texts = encoded_lines(values)
        return texts, _bounds(np.flatnonzero(np.frombuffer(texts, dtype=np.uint8) == ord("\n")) + 1)


def joined(texts: Sequence[bytes]) -> Texts:
    """Join texts that may contain newlines, with their bounds."""
    return b"\n".join([*texts, b""]), _bounds(np.cumsum([len(text) + 1 for text in texts], dtype=np.int64))


def _bounds(ends: NDArray[Any]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, dtype=np.int64), ends])


JSON = Json()


class Lines:
    """Lines that are built from left to right; a column may cover only some of the lines."""

    def __init__(self, count: int, style: Style = JSON) -> None:
        self._style = style
        self._lengths = np.zeros(count, dtype=np.int64)
        self._steps: list[tuple[Callable[..., object], tuple[memoryview, ...]]] = []
        self._rows: Places | None = None
        self._head = b""
        self.all: Places = np.arange(count, dtype=np.int64)

    def same(self, rows: Places, text: bytes) -> None:
        """Append the same text to all of these lines."""
        self._head = self._taken(rows) + text
        self._rows = rows

    def numbers(self, rows: Places, values: NDArray[Any], known: Mask) -> None:
        """Append integers."""
        none = self._style.none
        if not known.any():
            self.same(rows, none)
        elif known.all() and (values == values[0]).all():
            self.same(rows, b"%d" % values[0])
        else:
            wide = np.ascontiguousarray(values, dtype=np.int64)
            self._step(cells.measure_numbers, cells.put_numbers, rows, wide, known.view(np.uint8), none)

    def words(self, rows: Places, codes: NDArray[Any], vocabulary: Sequence[Any]) -> None:
        """Append values given as indices into a vocabulary; -1 means unknown."""
        if not len(codes) or (codes == codes[0]).all():
            known = len(codes) and codes[0] >= 0
            self.same(rows, self._style.one(vocabulary[codes[0]]) if known else self._style.none)
        else:
            self._texts(rows, np.where(codes < 0, len(vocabulary), codes), [*vocabulary, None])

    def values(self, rows: Places, values: Sequence[Any]) -> None:
        """Append arbitrary values that rarely repeat."""
        if values.count(None) == len(values):
            self.same(rows, self._style.none)
        else:
            self._texts(rows, np.arange(len(values)), values)

    def addresses(self, rows: Places, hi: NDArray[np.uint64], lo: NDArray[np.uint64]) -> None:
        """Append IP addresses."""
        four = are_ipv4(hi, lo)
        if four.all():
            self._ipv4(rows, lo)
        else:
            self.values(rows[~four], list(map(address_text, hi[~four].tolist(), lo[~four].tolist())))
            self._ipv4(rows[four], lo[four])

    def _ipv4(self, rows: Places, lo: NDArray[np.uint64]) -> None:
        known = np.ones(len(rows), dtype=bool)
        quote = self._style.quote
        for before, shift in zip((quote, b".", b".", b"."), _SHIFTS, strict=True):
            self.same(rows, before)
            self.numbers(rows, lo >> shift & np.uint64(0xFF), known)
        self.same(rows, quote)

    def written(self, buffer: ReusedBuffer) -> memoryview:
        """Return all lines, concatenated; valid until the buffer is reused."""
        self._taken(self.all[:0])
        ends = np.cumsum(self._lengths) - self._lengths
        out = buffer.of(int(self._lengths.sum()))
        for put, column in self._steps:
            put(out, _view(ends), *column)
        return out

    def _texts(self, rows: Places, codes: NDArray[Any], values: Sequence[Any]) -> None:
        texts, bounds = self._style.many(values)
        wide = np.ascontiguousarray(codes, dtype=np.int64)
        self._step(cells.measure_texts, cells.put_texts, rows, wide, texts, bounds)

    def _taken(self, rows: Places) -> bytes:
        """Return the pending text if it belongs to these lines; else write it and return an empty text."""
        head, before = self._head, self._rows
        self._head = b""
        if before is rows or before is None:
            return head
        if head:
            self._add(cells.measure_same, cells.put_same, before, head)
        return b""

    def _step(self, measure: Callable[..., object], put: Callable[..., object], rows: Places, *column: Any) -> None:
        self._add(measure, put, rows, self._taken(rows), *column)

    def _add(self, measure: Callable[..., object], put: Callable[..., object], *column: Any) -> None:
        views = tuple(map(_view, column))
        measure(_view(self._lengths), *views)
        self._steps.append((put, views))


def _view(values: Any) -> memoryview:
    """Return a memoryview, which both builds access without NumPy objects."""
    return memoryview(values)


def of_values(columns: Sequence[Sequence[Any]], heads: Sequence[bytes], ending: bytes, style: Style) -> memoryview:
    """Format columns of values as lines; `heads` precede the values of each column."""
    lines = Lines(len(columns[0]), style)
    for head, column in zip(heads, columns, strict=True):
        lines.same(lines.all, head)
        lines.values(lines.all, column)
    lines.same(lines.all, ending)
    return lines.written(ReusedBuffer())
