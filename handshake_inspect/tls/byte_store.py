"""Zeroed byte and word arrays for both builds; untouched pages take no memory."""

import ctypes
import mmap
from typing import Any


def room(size: int) -> Any:
    """Allocate `size` zeroed bytes."""
    return (ctypes.c_uint8 * size).from_buffer(mmap.mmap(-1, size))


def words(count: int) -> Any:
    """Allocate `count` zeroed 32-bit words."""
    return (ctypes.c_uint32 * count).from_buffer(mmap.mmap(-1, 4 * count))


def bounds(storage: Any, i: int) -> tuple[int, int]:
    """Return the words at `i - 1` and `i`."""
    return storage[i - 1], storage[i]


def bytes_of(storage: Any) -> Any:
    """Return the storage itself, in the compiled build a pointer to its bytes."""
    return storage


def words_of(storage: Any) -> Any:
    """Return the storage itself, in the compiled build a pointer to its words."""
    return storage


def copy(into: Any, to: int, data: Any, at: int, length: int) -> None:
    """Copy `length` bytes from `data[at:]` to `into[to:]`."""
    into[to : to + length] = data[at : at + length]


def equal(one: Any, start: int, data: Any, at: int, length: int) -> bool:
    """Return True if two ranges of `length` bytes are equal."""
    return bytes(one[start : start + length]) == bytes(data[at : at + length])


def bytes_of_row(row: Any) -> Any:
    """Return the bytes of a row for writing."""
    return row


def bytes_in(row: Any) -> Any:
    """Return the bytes of a row for reading."""
    return row
