"""Memory for rows.

Address space is reserved at the maximum size of a table, as an anonymous private mapping; the kernel allocates pages
when they are first touched.  So growing copies nothing, and pointers stay valid.
"""

import contextlib
import ctypes
import mmap
import sys
from typing import Any

from handshake_inspect.tcp.rows import ROWS, Endpoint, Order, Renumbering

# Request huge pages beyond the first 2 MiB, which small captures do not exceed.  Since each is zeroed as a whole, they
# cost more than page walks for rows that few segments use; for those, request them only beyond 32 MiB.
_LARGE, _LARGER = 2 << 20, 32 << 20
_DENSE = frozenset(("Embryo", "Connection", "Endpoint"))
_NO_RESERVE = 0x4000 if sys.platform == "linux" else 0  # MAP_NORESERVE, in mmap since Python 3.13
RARE_SHARE = 16  # one in this many connections may have losses, reordering or rewritten sequence numbers


def reserve(name: str, count: int) -> Any:
    """Reserve `count` zeroed rows of the kind `name`; memory is used only where rows are written.

    Raises MemoryError if the system refuses that much address space.
    """
    return reserve_rows(ROWS[name], count)


def reserve_rows(row: Any, count: int) -> Any:
    """Reserve `count` zeroed rows of any ctypes structure; memory and errors as for `reserve`."""
    room = _room(ctypes.sizeof(row) * max(count, 1), _LARGE if row.__name__ in _DENSE else _LARGER)
    return (row * max(count, 1)).from_buffer(room)


def affordable(limit: int, least: int) -> int:
    """Return the number of rows of each kind that fit, at most `limit` and at least `least`.

    With `ulimit -v`, rows get half of the address space.  The other half is for the program, the index, and the columns
    that verdicts derive from the rows.
    """
    try:
        import resource  # noqa: PLC0415 - not on every platform
    except ImportError:
        return limit
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most == resource.RLIM_INFINITY:
        return limit
    rare = {"Renumbering", "Buffer", "Order"}  # only few of these are reserved
    each = sum(ctypes.sizeof(row) for name, row in ROWS.items() if name not in rare) + ctypes.sizeof(Endpoint)
    each += (ctypes.sizeof(Renumbering) + ctypes.sizeof(Order)) // RARE_SHARE
    return max(min(limit, most // 2 // each), least)


def reserve_words(count: int) -> Any:
    """Reserve `count` zeroed 64-bit words, as `reserve` does."""
    return (ctypes.c_uint64 * count).from_buffer(_room(8 * count, _LARGE))


def _room(size: int, large_from: int) -> mmap.mmap:
    try:
        room = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE)
    except OSError as error:
        raise MemoryError(f"the system does not grant {size} bytes of address space") from error
    if size > large_from and hasattr(mmap, "MADV_HUGEPAGE"):
        # Rows of thousands of connections are accessed at random: huge pages save most page walks.
        with contextlib.suppress(OSError):
            room.madvise(mmap.MADV_HUGEPAGE, large_from)
    return room
