"""Prefault the pages of table rows ahead of their use, in the thread that decodes.

The kernel zeroes a page on the first write to it; without this the tracking thread would wait for each page fault.
"""

import ctypes
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from handshake_inspect.tcp.table import Table

POPULATE = 23  # MADV_POPULATE_WRITE, Linux 5.14 and later: leaves the content of pages unchanged
LARGE_PAGE = 2 << 20
LEAD = LARGE_PAGE // 4  # distance in bytes between the rows in use and the end of the prefaulted pages


class Prefaulter:
    """Prefaults the row arrays that take most of the memory."""

    def __init__(self, table: Table) -> None:
        self._arrays = [
            _RowArray(table.connection_rows, lambda: table.connection_count),
            _RowArray(table.endpoint_rows, lambda: 2 * table.connection_count),
            _RowArray(table.embryo_rows, lambda: table.embryo_count),
        ]

    def advance(self) -> None:
        """Prefault the next pages of each array whose rows come within `LEAD` of them."""
        for array in self._arrays:
            array.advance()


class _RowArray:
    def __init__(self, storage: Any, used: Callable[[], int]) -> None:
        """`used` returns the number of rows in use."""
        self._start = ctypes.addressof(storage)
        self._end = self._start + ctypes.sizeof(storage)
        self._width = ctypes.sizeof(storage._type_)
        self._used = used
        # Start at the first whole large page: a small table needs none of them.
        self._next = -(-(self._start + 1) // LARGE_PAGE) * LARGE_PAGE

    def advance(self) -> None:
        """Prefault the next large pages if the rows in use come near them."""
        while self._start + self._used() * self._width + LEAD > self._next and self._next + LARGE_PAGE <= self._end:
            _populate(self._next, LARGE_PAGE)
            self._next += LARGE_PAGE


def _populate(start: int, size: int) -> None:
    if sys.platform == "linux":
        with suppress(AttributeError):  # without madvise, pages fault on first use
            ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), POPULATE)
