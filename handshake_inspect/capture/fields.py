"""Unsigned fields of a container's headers, in the byte order that the container declares.

A read past the end is an error here (struct.error) and unchecked in the compiled build, where `fields.pxd`
has the same functions inline: test the length first.
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
