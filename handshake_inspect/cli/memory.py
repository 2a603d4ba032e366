"""Memory settings for one-shot commands: reuse freed memory instead of returning it, and disable garbage collection."""
# ruff: noqa: PLC0415

from __future__ import annotations

import atexit
import gc
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)
_LARGEST = 1 << 30

dedicated = False  # True if this process only runs one command


def tune() -> None:
    """Keep freed memory in the process and disable garbage collection, if `dedicated`.

    An analysis allocates and frees hundreds of columns of several megabytes.  By default the C library returns each to
    the kernel, which then zeroes the pages of the next one: a third of the time for a flood with millions of SYNs.  The
    collector would scan many objects, none of them in cycles.  Live runs must not call this.
    """
    if not dedicated:
        return
    gc.disable()
    atexit.register(gc.freeze)  # else the interpreter collects once more at exit
    if sys.platform == "linux":
        import ctypes

        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc only
        if mallopt is not None:
            mallopt(_MMAP_THRESHOLD, _LARGEST)
            mallopt(_TRIM_THRESHOLD, _LARGEST)
