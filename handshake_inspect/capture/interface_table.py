"""The interfaces of a pcapng section, as records that the frame loop reads without making an object.

C structures in both builds (`interface_table.pxd` declares the same layout), like `decode.segment`.
"""

import ctypes
from typing import Any


class Interface(ctypes.Structure):
    """One interface: its link type, and how its timestamps become nanoseconds since the epoch."""

    _fields_ = (
        ("raw_most", ctypes.c_uint64),  # the largest timestamp that still is a time
        ("scale", ctypes.c_uint64),  # factor, divisor or power of two, as `resolution` says
        ("offset_ns", ctypes.c_int64),  # if_tsoffset
        ("link_type", ctypes.c_uint32),
        ("snap_len", ctypes.c_uint32),  # 0: without limit
        ("fcs_len", ctypes.c_uint32),  # bytes of frame check sequence behind each frame
        ("resolution", ctypes.c_uint32),  # MULTIPLY, DIVIDE or BINARY of blocks.py
    )


def rows(count: int) -> Any:
    """Room for `count` interfaces, zeroed."""
    return (Interface * count)()


def rows_of(storage: Any) -> Any:
    """Return the records of `storage`: itself here, a pointer to them in the compiled build."""
    return storage


def row_at(records: Any, i: int) -> Any:
    """Record `i`, to be read and written in place."""
    return records[i]
