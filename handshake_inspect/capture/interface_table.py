"""The interfaces of a pcapng section as C structures, which the frame loop reads without creating objects.

`interface_table.pxd` declares the same layout, as for `decode.segment`.
"""

import ctypes
from typing import Any


class Interface(ctypes.Structure):
    """One interface: its link type, and how to convert its timestamps to nanoseconds since the epoch."""

    _fields_ = (
        ("max_raw", ctypes.c_uint64),  # the largest valid timestamp
        ("scale", ctypes.c_uint64),  # factor, divisor or power of two, depending on `resolution`
        ("offset_ns", ctypes.c_int64),  # if_tsoffset
        ("link_type", ctypes.c_uint32),
        ("snap_len", ctypes.c_uint32),  # 0: unlimited
        ("fcs_len", ctypes.c_uint32),  # bytes of frame check sequence at the end of each frame
        ("resolution", ctypes.c_uint32),  # MULTIPLY, DIVIDE or BINARY of blocks.py
    )


def rows(count: int) -> Any:
    """Allocate `count` zeroed interface records."""
    return (Interface * count)()


def rows_of(storage: Any) -> Any:
    """Return `storage` itself; in the compiled build, a pointer to its first record."""
    return storage


def row_at(records: Any, i: int) -> Any:
    """Return record `i`, readable and writable in place."""
    return records[i]
