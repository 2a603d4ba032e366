"""Pages for rows, cleared before the rows are made, by a thread that has the time.

The kernel clears a page when it is first written to, and the writer waits for that.
"""

import ctypes
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from handshake_inspect.tcp.table import Table

POPULATE = 23  # MADV_POPULATE_WRITE, of Linux 5.14 and later: no byte that was written changes
LARGE_PAGE = 2 << 20
LEAD = LARGE_PAGE // 4  # rows are so far from the end of what is cleared when the next page is


class Clearing:
    """The rows that most of the memory goes into."""

    def __init__(self, table: Table) -> None:
        self._rooms = [
            _Room(table.connection_rows, lambda: table.connection_count),
            _Room(table.endpoint_rows, lambda: 2 * table.connection_count),
            _Room(table.embryo_rows, lambda: table.embryo_count),
        ]

    def go_on(self) -> None:
        """Have the next pages cleared, if rows come near to them."""
        for room in self._rooms:
            room.go_on()


class _Room:
    def __init__(self, storage: Any, used: Callable[[], int]) -> None:
        """`used` says how many rows there are."""
        self._start = ctypes.addressof(storage)
        self._end = self._start + ctypes.sizeof(storage)
        self._width = ctypes.sizeof(storage._type_)
        self._used = used
        # The first rows were perhaps few: their pages come one by one.
        self._next = -(-(self._start + 1) // LARGE_PAGE) * LARGE_PAGE

    def go_on(self) -> None:
        """Have the next pages of this storage cleared, if its rows come near to them."""
        while self._start + self._used() * self._width + LEAD > self._next and self._next + LARGE_PAGE <= self._end:
            _populate(self._next, LARGE_PAGE)
            self._next += LARGE_PAGE


def _populate(start: int, size: int) -> None:
    if sys.platform == "linux":
        with suppress(AttributeError):  # what it cannot do is done when somebody writes
            ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), POPULATE)
