"""Room for rows.

It is reserved, not allocated: an anonymous private mapping as large as a table may ever become, of which the kernel
backs only the pages that were touched.  Growth copies nothing, and pointers into it stay valid.
"""

import contextlib
import ctypes
import mmap
import sys
from typing import Any

from handshake_inspect.tcp.rows import ROWS, Endpoint, Order, Renumbering

# Large pages are asked for beyond the first 2 MiB, of which a small capture touches none.  Each is cleared as a whole:
# of rows that few segments look at they would cost more than page walks do, and come only beyond 32 MiB.
_LARGE, _LARGER = 2 << 20, 32 << 20
_DENSE = frozenset(("Embryo", "Connection", "Endpoint"))
_NO_RESERVE = 0x4000 if sys.platform == "linux" else 0  # MAP_NORESERVE, which Python names from 3.13 on
SELDOM = 16  # one connection in so many may lose or reorder segments, or have its sequence numbers rewritten


def reserve(name: str, count: int) -> Any:
    """Room for `count` zeroed rows of the kind `name`; costs memory only where it is written.

    Raises MemoryError where the system does not grant so much address space.
    """
    return room_for(ROWS[name], count)


def room_for(row: Any, count: int) -> Any:
    """Room for `count` zeroed rows of a ctypes structure from elsewhere; errors and memory as for `reserve`."""
    room = _room(ctypes.sizeof(row) * max(count, 1), _LARGE if row.__name__ in _DENSE else _LARGER)
    return (row * max(count, 1)).from_buffer(room)


def affordable(limit: int, least: int) -> int:
    """How many rows of each kind there may be, `limit` or fewer.

    With `ulimit -v` half of that address space is theirs.  The other half is for the program, the index, and the
    columns that judges make of the rows.
    """
    try:
        import resource  # noqa: PLC0415 - not everywhere
    except ImportError:
        return limit
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most == resource.RLIM_INFINITY:
        return limit
    dear = {"Renumbering", "Buffer", "Order"}  # few of these are ever reserved
    each = sum(ctypes.sizeof(row) for name, row in ROWS.items() if name not in dear) + ctypes.sizeof(Endpoint)
    each += (ctypes.sizeof(Renumbering) + ctypes.sizeof(Order)) // SELDOM
    return max(min(limit, most // 2 // each), least)


def reserve_words(count: int) -> Any:
    """Room for `count` zeroed 64-bit words, as `reserve`."""
    return (ctypes.c_uint64 * count).from_buffer(_room(8 * count, _LARGE))


def _room(size: int, large_from: int) -> mmap.mmap:
    try:
        room = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE)
    except OSError as error:
        raise MemoryError(f"the system does not grant {size} bytes of address space") from error
    if size > large_from and hasattr(mmap, "MADV_HUGEPAGE"):
        # Rows of thousands of connections are met in no order: large pages spare a page walk for most of them.
        with contextlib.suppress(OSError):
            room.madvise(mmap.MADV_HUGEPAGE, large_from)
    return room
