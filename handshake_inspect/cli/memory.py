"""The memory of a command that ends with its report: what is freed is used again, and nothing looks for garbage."""
# ruff: noqa: PLC0415

from __future__ import annotations

import atexit
import gc
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)
_LARGEST = 1 << 30

owned = False  # whether this process does nothing but run one command


def keep() -> None:
    """Where the process is the command's own: keep the memory that is freed, and collect no garbage, until its end.

    Columns of megabytes come and go by the hundred.  The C library would give the memory of each back to the kernel,
    which zeroes every page of the next one: a third of the time that a flood of millions took.  What hsi makes has no
    cycles to collect, and there is much of it to look through.  A live run must not do this.
    """
    if not owned:
        return
    gc.disable()
    atexit.register(gc.freeze)  # the interpreter looks once more before it ends
    if sys.platform == "linux":
        import ctypes

        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's; other libraries have their own ways
        if mallopt is not None:
            mallopt(_MMAP_THRESHOLD, _LARGEST)
            mallopt(_TRIM_THRESHOLD, _LARGEST)
