"""Read unsigned header fields in the byte order that the capture file declares.

Check the length first: a read past the end raises struct.error here, and is unchecked in the compiled build, where
`fields.pxd` has the same functions inline.
"""

import struct
from typing import Any

_U16 = struct.Struct("<H"), struct.Struct(">H")
_U32 = struct.Struct("<I"), struct.Struct(">I")


def u16(data: Any, at: int, big: bool) -> int:
    """Read the two bytes at `at`, most significant first if `big`."""
    value: int = _U16[big].unpack_from(data, at)[0]
    return value


def u32(data: Any, at: int, big: bool) -> int:
    """Read the four bytes at `at`, most significant first if `big`."""
    value: int = _U32[big].unpack_from(data, at)[0]
    return value
