"""Access to rows in an array of C structures, for the pure build.

Each module of rows binds these functions to names for its row types (`connection_at = row_at`); its twin declares C
inlines with the same names.
"""

import ctypes
from typing import Any


def rows_of(storage: Any) -> Any:
    """Return `storage` itself; in the compiled build, a pointer to its first row."""
    return storage


def row_at(records: Any, i: int) -> Any:
    """Return row `i`, readable and writable in place."""
    return records[i]


def clear_row(records: Any, i: int) -> None:
    """Zero row `i` for reuse."""
    ctypes.memset(ctypes.addressof(records[i]), 0, ctypes.sizeof(records[i]))


def copy_row(into: Any, at: int, records: Any, i: int) -> None:
    """Copy row `i` to row `at` of `into`."""
    into[at] = records[i]


def prefetch_row(records: Any, i: int) -> None:
    """Prefetch row `i` into the CPU cache; does nothing in the pure build."""
