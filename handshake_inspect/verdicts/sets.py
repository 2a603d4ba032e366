"""Sets of 64-bit keys, made for millions of rows: one sort of plain integers instead of `np.unique`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Keys = NDArray[np.uint64]


def run_starts(ordered: NDArray[Any]) -> Bools:
    """Where in sorted keys another key begins."""
    starts = np.ones(len(ordered), dtype=bool)
    if len(ordered) > 1:
        np.not_equal(ordered[1:], ordered[:-1], out=starts[1:])
    return starts


def distinct(keys: NDArray[Any]) -> NDArray[Any]:
    """The different keys, sorted."""
    ordered = np.sort(keys)
    return ordered[run_starts(ordered)]


def places(keys: Keys, members: Keys) -> tuple[NDArray[np.intp], Bools]:
    """Where each key stands among the sorted, non-empty `members`, and whether it does."""
    at = np.searchsorted(members, keys)
    np.minimum(at, len(members) - 1, out=at)
    return at, members[at] == keys
