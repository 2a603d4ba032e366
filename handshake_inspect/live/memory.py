"""Bytes that are written in place: a mapped ring, the buffer of a file.

Never compiled: the twin holds the same functions as C inlines.  Test the length first: beyond it is an error here
and undefined there.
"""

import struct
from typing import Any

_U32 = struct.Struct("=I")


def address(data: Any) -> Any:
    """What bytes are read and written by: a pointer in the compiled build, valid as long as `data` lives."""
    return data


def put_u32(data: Any, at: int, value: int) -> int:
    """Write 32 bits at `at` in this machine's order; where the next byte goes."""
    _U32.pack_into(data, at, value)
    return at + 4


def put_be16(data: Any, at: int, value: int) -> int:
    """Write 16 bits at `at` in network order; where the next byte goes."""
    data[at] = value >> 8 & 0xFF
    data[at + 1] = value & 0xFF
    return at + 2


def copy(data: Any, at: int, source: Any, start: int, count: int) -> int:
    """Copy `count` bytes from `source[start:]` to `at`; where the next byte goes.  The two may overlap."""
    data[at : at + count] = source[start : start + count]
    return at + count
