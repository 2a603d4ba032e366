"""Sets and counts of 64-bit keys, made for millions of rows.

One sort of plain integers is 0.1 s for 3 million; `np.unique` of random ones is seconds.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.sets import FEW, places

Bools = NDArray[np.bool_]
Indices = NDArray[Any]  # numbers of rows, of any width
Keys = NDArray[np.uint64]
Times = NDArray[np.int64]


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


def count_distinct(keys: NDArray[Any], rows: Indices | None = None) -> int:
    """How many different keys there are, of all or of some rows."""
    mine = keys.copy() if rows is None else keys[rows]
    mine.sort()
    return int(np.count_nonzero(run_starts(mine)))


def counts(keys: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The different keys, sorted, and how often each occurs."""
    ordered = np.sort(keys)
    starts = np.flatnonzero(run_starts(ordered))
    return ordered[starts], np.diff(np.append(starts, len(ordered)))


def frequent(keys: Keys, least: int) -> Keys:
    """The keys that occur at least so often, sorted."""
    ordered = np.sort(keys)
    if len(ordered) < least:
        return ordered[:0]
    first = ordered[: len(ordered) - least + 1]
    often: Keys = first[first == ordered[least - 1 :]]
    return distinct(often)


def is_member(keys: Keys, members: Keys) -> Bools:
    """Which keys are among `members`, which must be sorted.  A table of high bits answers for most others."""
    if len(members) == 0 or len(keys) == 0:
        return np.zeros(len(keys), dtype=bool)
    if len(members) <= FEW:
        return places(keys, members)[1]
    bits = 20
    shift = np.uint64(64 - bits)
    table = np.zeros(1 << bits, dtype=bool)
    table[(members >> shift).astype(np.intp)] = True
    found = table[(keys >> shift).astype(np.uint32)]
    maybe = np.flatnonzero(found)
    wanted = keys[maybe]
    place = np.minimum(np.searchsorted(members, wanted), len(members) - 1)
    found[maybe] = members[place] == wanted
    return found
