"""Arrays for the rows of a whole trace: in memory, or in an unnamed temporary file where they would fill it.

Judging and rendering read the rows column by column, so the system can keep in memory what is in use.
"""

import ctypes
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handshake_inspect.errors import ClusterError
from handshake_inspect.verdicts.arrays import Array

SHARE = 4  # rows may take a quarter of the memory
CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))  # v2, v1
NO_LIMIT = 1 << 63
LARGE = 1 << 24  # bytes from which returning memory is worth a call


def memory() -> int:
    """Return the memory of this machine, or the limit of its container if that is less, in bytes."""
    try:
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        physical = 1 << 34
    return min([physical, *map(_limit, CONTAINER_LIMITS)])


def _limit(path: Path) -> int:
    """Return the limit that a file of the cgroup file system holds, in bytes; `NO_LIMIT` if there is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such cgroup, or `max`
        return NO_LIMIT


def allocate(counts: Mapping[str, int], types: Mapping[str, Any]) -> dict[str, Array]:
    """Allocate an array of `counts` rows for each name; raises ClusterError where there is no space for them."""
    total = sum(count * types[name].itemsize for name, count in counts.items())
    if total <= memory() // SHARE:
        return {name: np.empty(count, dtype=types[name]) for name, count in counts.items()}
    try:
        return {name: _in_file(count, types[name]) for name, count in counts.items()}
    except OSError as error:
        raise ClusterError(
            f"no space for {total / 1e9:.1f} GB of rows in {tempfile.gettempdir()} ({error.strerror}): "
            "name another directory by TMPDIR"
        ) from None


def _in_file(count: int, kind: Any) -> Array:
    """Allocate rows in a temporary file, whose blocks are reserved first."""
    if not count:
        return np.empty(0, dtype=kind)
    with tempfile.TemporaryFile() as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, count * kind.itemsize)
        else:
            file.truncate(count * kind.itemsize)
        return np.memmap(file, dtype=kind, mode="r+", shape=(count,)).view(np.ndarray)


def release(size: int) -> None:
    """Return freed memory to the system if it was at least `LARGE`: the command keeps what it frees (`cli.memory`)."""
    if size >= LARGE and sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
