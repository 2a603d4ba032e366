"""Columns of rows: where they lie in memory, and in what pieces to take them when there are millions."""

import mmap
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]

BATCH = 1 << 14  # columns of so many rows, and what is computed of them, stay in the second-level cache
_LOW = np.uint64(0xFFFF_FFFF)
_NEAR = 1 << 16  # frames
_VAST = 1 << 26  # bytes of address space for copies of each kind of row
AT_ONCE = 1 << 11  # and so do so many rows


def batches(count: int, most: int = BATCH) -> Iterator[slice]:
    """The numbers below `count` as slices of at most `most`."""
    return (slice(start, min(start + most, count)) for start in range(0, count, most))


def taken(rows_: Rows, numbers: NDArray[Any]) -> Rows:
    """Copies of these rows, moved as they lie in memory: NumPy itself would move every field of them alone."""
    return _words(rows_).take(numbers, axis=0).reshape(-1).view(rows_.dtype)


def _words(rows_: Rows) -> NDArray[np.uint64]:
    return rows_.view(np.uint64).reshape(len(rows_), rows_.dtype.itemsize // 8)


def _is_copied(rows_: Rows) -> bool:
    """Whether rows lie in memory of NumPy, not in that of a table."""
    base: Any = rows_
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return isinstance(base, np.ndarray)


class Copies:
    """Copies of rows in memory that is used again: fresh memory costs several times as long as to copy.

    The next copies take the place of those before.
    """

    def __init__(self) -> None:
        self._rooms: dict[str, NDArray[np.uint8]] = {}  # far too large: what is not written takes no memory
        self._ready: dict[str, int] = {}  # bytes that were written
        self._before: dict[str, int] = {}  # bytes that `make_ready` was asked for last

    def of(self, name: str, rows_: Rows) -> Rows:
        """These rows in memory that nobody else writes to; as they are, if they are copies already."""
        if _is_copied(rows_):
            self._rooms.pop(name, None)
            return rows_
        copy = self._room(name, rows_.nbytes)[: rows_.nbytes]
        copy[:] = rows_.view(np.uint8)
        self._ready[name] = max(self._ready[name], rows_.nbytes)
        return copy.view(rows_.dtype)

    def taken(self, name: str, rows_: Rows, numbers: NDArray[Any]) -> Rows:
        """Copies of the rows with these numbers, which must all exist."""
        size = len(numbers) * rows_.dtype.itemsize
        copy = self._room(name, size)[:size].view(rows_.dtype)
        _words(rows_).take(numbers, axis=0, out=_words(copy), mode="clip")  # else NumPy copies it once more
        return copy

    def make_ready(self, sizes: dict[str, int]) -> None:
        """Have memory for copies of so many bytes and, as they grow, of the next ones: to copy need not wait for it.

        Not while anybody needs the last copies.
        """
        for name, size in sizes.items():
            wanted = size + max(size // 8, 3 * (size - self._before.get(name, 0)) // 2)
            self._before[name] = size
            room = self._room(name, wanted)
            room[self._ready[name] : wanted : mmap.PAGESIZE] = 0
            self._ready[name] = max(self._ready[name], wanted)

    def _room(self, name: str, size: int) -> NDArray[np.uint8]:
        """Where copies of this size go."""
        if name not in self._rooms or len(self._rooms[name]) < size:
            self._rooms.pop(name, None)  # first, so that there are not both
            try:
                self._rooms[name] = np.empty(max(4 * size, _VAST), dtype=np.uint8)
            except MemoryError:  # address space is limited, too
                self._rooms[name] = np.empty(size, dtype=np.uint8)
            self._ready[name] = 0
        return self._rooms[name]


class Sizes(Copies):
    """Copies nothing, and notes how large the copies would be."""

    def __init__(self) -> None:
        super().__init__()
        self.of_all: dict[str, int] = {}

    def of(self, name: str, rows_: Rows) -> Rows:
        """The rows as they are."""
        if not _is_copied(rows_):
            self.of_all[name] = rows_.nbytes
        return rows_


def spanned(numbers: NDArray[Any]) -> slice | None:
    """These numbers as a slice, where they count up by one, as most of a flood's do."""
    if not len(numbers) or int(numbers[-1]) - int(numbers[0]) != len(numbers) - 1:
        return None
    return slice(int(numbers[0]), int(numbers[-1]) + 1) if bool((numbers[1:] > numbers[:-1]).all()) else None


def picked(column: NDArray[Any], numbers: NDArray[Any]) -> NDArray[Any]:
    """`column[numbers]`: in one piece where that is one.

    NumPy takes three times as long with numbers that are not as wide as an address, and makes all of them so at once.
    """
    if (piece := spanned(numbers)) is not None:
        return column[piece].copy()
    if numbers.dtype == np.intp:
        return column[numbers]
    found = np.empty(len(numbers), dtype=column.dtype)
    for some in batches(len(numbers)):
        found[some] = column[numbers[some].astype(np.intp)]
    return found


def counted(codes: NDArray[Any], kinds: int) -> NDArray[np.intp]:
    """How often each of the numbers below `kinds` occurs; `bincount` at once would make wide numbers of all first."""
    often = np.zeros(kinds, dtype=np.intp)
    for some in batches(len(codes)):
        often += np.bincount(codes[some], minlength=kinds)
    return often


def marked(mask: NDArray[np.bool_]) -> NDArray[Any]:
    """The marked numbers, in half the memory that NumPy would take."""
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
    """The first marked numbers, at most so many."""
    numbers = np.zeros(0, dtype=np.intp)
    for some in batches(len(mask)):
        if len(numbers) >= most:
            break
        numbers = np.concatenate([numbers, np.flatnonzero(mask[some]) + some.start])
    return numbers[:most]


def whole_frames(first: NDArray[Any], low: NDArray[Any]) -> NDArray[np.uint64]:
    """The numbers of frames of which rows keep the low 32 bits, from the first frames of these rows; 0 stays none.

    They are the next ones from the first frame on that end in these bits.
    """
    wide = low.astype(np.uint64)
    whole: NDArray[np.uint64] = np.where(wide >= first, wide, first + ((wide - first) & _LOW))
    whole[low == 0] = 0
    return whole


class Gathered:
    """Rows of which some columns are asked for again and again: those are copied side by side, once and together.

    A column of rows of hundreds of bytes costs a cache line for every row; all of them together cost no more.
    """

    def __init__(self, rows_: Rows, names: Iterable[str], beyond: bool = False) -> None:
        """`beyond`: frame numbers have more bits than the rows keep of them."""
        self._rows = rows_
        self._names = frozenset(names)
        self._beyond = beyond

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def __getitem__(self, key: Any) -> Any:
        """A column by name, or rows by number; columns are not to be written to.  Frame numbers are whole."""
        if isinstance(key, str) and key in self._names:
            return self._columns[key]
        if self._beyond and isinstance(key, str) and key.endswith("_frame") and key != "first_frame":
            return self._whole(key)
        return self._rows[key]

    def _whole(self, key: str) -> NDArray[np.uint64]:
        """A column of frame numbers, all their bits.

        A number whose low 32 bits are 0 looks like none.  There is one in four billion, and one that began just before
        it, and has a time of that frame, had it.
        """
        first, low = self._rows["first_frame"], self._rows[key]
        whole = whole_frames(first, low)
        time = key.removesuffix("_frame") + "_ns"
        if time in (self._rows.dtype.names or ()):
            next_ = first + _LOW & ~_LOW
            passed = (low == 0) & (self._rows[time] != 0) & (next_ - first < _NEAR)
            whole[passed] = next_[passed]
        return whole

    def copies(self, numbers: NDArray[Any]) -> Rows:
        """Copies of these rows."""
        return taken(self._rows, numbers)

    def detached(self, name: str, copies: Copies) -> Rows:
        """All rows, for when the table's change."""
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
