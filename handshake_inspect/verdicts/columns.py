"""Columns over table rows: their memory layout, and batches for millions of rows."""

import mmap
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]

BATCH = 1 << 14  # rows per batch: columns and temporaries fit the second-level cache
_LOW = np.uint64(0xFFFF_FFFF)
_NEAR = 1 << 16  # frames
_VAST = 1 << 26  # bytes of address space reserved for copies of each kind of row
AT_ONCE = 1 << 11  # rows per batch if whole rows are read, likewise


def batches(count: int, most: int = BATCH) -> Iterator[slice]:
    """Return slices of at most `most` that cover `range(count)`."""
    return (slice(start, min(start + most, count)) for start in range(0, count, most))


def take_rows(rows_: Rows, numbers: NDArray[Any]) -> Rows:
    """Copy these rows as blocks of memory; NumPy itself would copy field by field."""
    return _words(rows_).take(numbers, axis=0).reshape(-1).view(rows_.dtype)


def _words(rows_: Rows) -> NDArray[np.uint64]:
    return rows_.view(np.uint64).reshape(len(rows_), rows_.dtype.itemsize // 8)


def _is_copied(rows_: Rows) -> bool:
    """Return whether the rows are in NumPy's own memory, not in a table's."""
    base: Any = rows_
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return isinstance(base, np.ndarray)


class Copies:
    """Copies of rows in reused memory, because allocating fresh memory takes several times as long as copying.

    New copies overwrite the previous ones.
    """

    def __init__(self) -> None:
        self._rooms: dict[str, NDArray[np.uint8]] = {}  # oversized: pages not written take no memory
        self._ready: dict[str, int] = {}  # bytes already backed by memory
        self._before: dict[str, int] = {}  # size in the last call of `reserve`

    def of(self, name: str, rows_: Rows) -> Rows:
        """Return a private copy of these rows, or the rows themselves if they are copies already."""
        if _is_copied(rows_):
            self._rooms.pop(name, None)
            return rows_
        copy = self._room(name, rows_.nbytes)[: rows_.nbytes]
        copy[:] = rows_.view(np.uint8)
        self._ready[name] = max(self._ready[name], rows_.nbytes)
        return copy.view(rows_.dtype)

    def taken(self, name: str, rows_: Rows, numbers: NDArray[Any]) -> Rows:
        """Return copies of the rows with these numbers, which must all exist."""
        size = len(numbers) * rows_.dtype.itemsize
        copy = self._room(name, size)[:size].view(rows_.dtype)
        _words(rows_).take(numbers, axis=0, out=_words(copy), mode="clip")  # "raise" would copy once more
        return copy

    def reserve(self, sizes: dict[str, int]) -> None:
        """Allocate memory for copies of these sizes and their expected growth, so that copying need not wait for it.

        Must not be called while the last copies are in use.
        """
        for name, size in sizes.items():
            wanted = size + max(size // 8, 3 * (size - self._before.get(name, 0)) // 2)
            self._before[name] = size
            room = self._room(name, wanted)
            room[self._ready[name] : wanted : mmap.PAGESIZE] = 0
            self._ready[name] = max(self._ready[name], wanted)

    def _room(self, name: str, size: int) -> NDArray[np.uint8]:
        """Return the memory for copies of this size."""
        if name not in self._rooms or len(self._rooms[name]) < size:
            self._rooms.pop(name, None)  # first, so that the two never coexist
            try:
                self._rooms[name] = np.empty(max(4 * size, _VAST), dtype=np.uint8)
            except MemoryError:  # the address space may be limited
                self._rooms[name] = np.empty(size, dtype=np.uint8)
            self._ready[name] = 0
        return self._rooms[name]


class Sizes(Copies):
    """Records how large the copies would be, without copying."""

    def __init__(self) -> None:
        super().__init__()
        self.of_all: dict[str, int] = {}

    def of(self, name: str, rows_: Rows) -> Rows:
        """Return the rows unchanged."""
        if not _is_copied(rows_):
            self.of_all[name] = rows_.nbytes
        return rows_


def as_slice(numbers: NDArray[Any]) -> slice | None:
    """Return these numbers as a slice if they are consecutive (as in most floods), else None."""
    if not len(numbers) or int(numbers[-1]) - int(numbers[0]) != len(numbers) - 1:
        return None
    return slice(int(numbers[0]), int(numbers[-1]) + 1) if bool((numbers[1:] > numbers[:-1]).all()) else None


def take_column(column: NDArray[Any], numbers: NDArray[Any]) -> NDArray[Any]:
    """Return `column[numbers]`, as one block if the numbers are consecutive.

    NumPy takes three times as long with index arrays narrower than `intp`, and widens them all at once.
    """
    if (piece := as_slice(numbers)) is not None:
        return column[piece].copy()
    if numbers.dtype == np.intp:
        return column[numbers]
    found = np.empty(len(numbers), dtype=column.dtype)
    for some in batches(len(numbers)):
        found[some] = column[numbers[some].astype(np.intp)]
    return found


def code_counts(codes: NDArray[Any], kinds: int) -> NDArray[np.intp]:
    """Count each number below `kinds`, in batches, because `bincount` would widen all numbers first."""
    often = np.zeros(kinds, dtype=np.intp)
    for some in batches(len(codes)):
        often += np.bincount(codes[some], minlength=kinds)
    return often


def marked(mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Return the marked indices as 32-bit numbers, half the memory of NumPy's own."""
    numbers = np.empty(np.count_nonzero(mask), dtype=np.int32)
    end = 0
    for some in batches(len(mask)):
        if not (count := int(np.count_nonzero(mask[some]))):
            continue
        part = numbers[end : end + count]
        if count == some.stop - some.start:
            part[:] = np.arange(some.start, some.stop, dtype=np.int32)
        else:
            np.add(np.flatnonzero(mask[some]), some.start, out=part, casting="same_kind")
        end += count
    return numbers


def first_marked(mask: NDArray[np.bool_], most: int) -> NDArray[np.intp]:
    """Return the first `most` marked indices."""
    numbers = np.zeros(0, dtype=np.intp)
    for some in batches(len(mask)):
        if len(numbers) >= most:
            break
        numbers = np.concatenate([numbers, np.flatnonzero(mask[some]) + some.start])
    return numbers[:most]


def whole_frames(first: NDArray[Any], low: NDArray[Any]) -> NDArray[np.uint64]:
    """Expand the low 32 bits of frame numbers to full numbers, given the rows' first frames; 0 stays 0 (none).

    Each is the first number from the first frame on with these low bits.
    """
    wide = low.astype(np.uint64)
    whole: NDArray[np.uint64] = np.where(wide >= first, wide, first + ((wide - first) & _LOW))
    whole[low == 0] = 0
    return whole


class CachedColumns:
    """Rows whose frequently used columns are copied together, once, into contiguous arrays.

    Reading one column of wide rows costs a cache line per row; reading several at once costs no more.
    """

    def __init__(self, rows_: Rows, names: Iterable[str], beyond: bool = False) -> None:
        """`beyond`: frame numbers have more bits than the rows store."""
        self._rows = rows_
        self._names = frozenset(names)
        self._beyond = beyond

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def __getitem__(self, key: Any) -> Any:
        """Return a column by name (read-only, with full frame numbers), or rows by number."""
        if isinstance(key, str) and key in self._names:
            return self._columns[key]
        if self._beyond and isinstance(key, str) and key.endswith("_frame") and key != "first_frame":
            return self._whole(key)
        return self._rows[key]

    def _whole(self, key: str) -> NDArray[np.uint64]:
        """Return a column of frame numbers with all their bits.

        A number whose low 32 bits are 0 looks like none. Such a frame is assumed if the row began shortly before it and
        has a time for it.
        """
        first, low = self._rows["first_frame"], self._rows[key]
        whole = whole_frames(first, low)
        time = key.removesuffix("_frame") + "_ns"
        if time in (self._rows.dtype.names or ()):
            next_ = first + _LOW & ~_LOW
            passed = (low == 0) & (self._rows[time] != 0) & (next_ - first < _NEAR)
            whole[passed] = next_[passed]
        return whole

    def here(self, key: Any) -> Rows:
        """Return these rows, perhaps without some fields."""
        rows_: Rows = self._rows[key]
        return rows_

    def copies_here(self, numbers: NDArray[Any]) -> Rows:
        """Return copies of these rows, perhaps without some fields."""
        return take_rows(self._rows, numbers)

    def copies(self, numbers: NDArray[Any]) -> Rows:
        """Return copies of these rows."""
        return self.copies_here(numbers)

    def detached(self, name: str, copies: Copies) -> Rows:
        """Return copies of all rows, to outlive the table's."""
        return copies.of(name, self._rows)

    @cached_property
    def _columns(self) -> dict[str, NDArray[Any]]:
        columns = {name: np.empty(len(self), dtype=self._rows.dtype[name]) for name in self._names}
        for some in batches(len(self), AT_ONCE):
            part = self._rows[some]
            for name, column in columns.items():
                column[some] = part[name]
        for column in columns.values():
            column.flags.writeable = False
        return columns
