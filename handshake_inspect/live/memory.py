"""In-place writes to buffers: the mapped ring, and the buffer of an output file.

Never compiled: the `.pxd` twin has the same functions as C inlines.  Callers must check bounds: an overrun raises here
and is undefined behaviour there.
"""

import struct
from typing import Any

_U32 = struct.Struct("=I")


def address(data: Any) -> Any:
    """Return `data`, or in the compiled build a pointer to its bytes, valid as long as `data` lives."""
    return data


def put_u32(data: Any, at: int, value: int) -> int:
    """Write 32 bits in native byte order; return the offset after them."""
    _U32.pack_into(data, at, value)
    return at + 4


def put_be16(data: Any, at: int, value: int) -> int:
    """Write 16 bits in network byte order; return the offset after them."""
    data[at] = value >> 8 & 0xFF
    data[at + 1] = value & 0xFF
    return at + 2


def copy(data: Any, at: int, source: Any, start: int, count: int) -> int:
    """Copy `count` bytes from `source[start:]` to `at`; return the offset after them.  The ranges may overlap."""
    data[at : at + count] = source[start : start + count]
    return at + count
