"""How the pure build reaches rows of an array of C structures: each twin has inline functions of its own in its place.

A module of rows gives these names for each kind of row (`connection_at = row_at`), as its twin does.
"""

import ctypes
from typing import Any


def rows_of(storage: Any) -> Any:
    """The rows of `storage`: itself here, a pointer in the compiled build."""
    return storage


def row_at(records: Any, i: int) -> Any:
    """Row `i`, to be read and written in place."""
    return records[i]


def clear_row(records: Any, i: int) -> None:
    """Set row `i` to zeros, so that it can be used again."""
    ctypes.memset(ctypes.addressof(records[i]), 0, ctypes.sizeof(records[i]))


def copy_row(into: Any, at: int, records: Any, i: int) -> None:
    """Copy row `i` to row `at` of `into`."""
    into[at] = records[i]


def prefetch_row(records: Any, i: int) -> None:
    """Have row `i` brought into the cache: only the compiled build can."""
