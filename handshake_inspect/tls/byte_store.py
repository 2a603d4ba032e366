"""Bytes and words that both builds reach: zeroed memory that costs only where it is written."""

import ctypes
import mmap
from typing import Any


def room(size: int) -> Any:
    """So many bytes."""
    return (ctypes.c_uint8 * size).from_buffer(mmap.mmap(-1, size))


def words(count: int) -> Any:
    """So many numbers of 32 bits."""
    return (ctypes.c_uint32 * count).from_buffer(mmap.mmap(-1, 4 * count))


def bounds(storage: Any, i: int) -> tuple[int, int]:
    """The words before and at `i`."""
    return storage[i - 1], storage[i]


def bytes_of(storage: Any) -> Any:
    """The storage itself here, a pointer to it in the compiled build."""
    return storage


def words_of(storage: Any) -> Any:
    """The storage itself here, a pointer to its words in the compiled build."""
    return storage


def copy(into: Any, to: int, data: Any, at: int, length: int) -> None:
    """Copy bytes."""
    into[to : to + length] = data[at : at + length]


def equal(one: Any, start: int, data: Any, at: int, length: int) -> bool:
    """Whether two runs of bytes are the same."""
    return bytes(one[start : start + length]) == bytes(data[at : at + length])


def bytes_of_row(row: Any) -> Any:
    """The bytes of a row, to be written."""
    return row


def bytes_in(row: Any) -> Any:
    """The bytes of a row, to be read."""
    return row
