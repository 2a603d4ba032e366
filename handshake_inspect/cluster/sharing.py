"""Determine what several parts have in common, and must therefore be tracked in one place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handshake_inspect.verdicts.arrays import Array, Bools, Keys, Rows
from handshake_inspect.verdicts.sets import distinct, frequent, is_member

_NONE = np.zeros(0, dtype=np.uint64)


@dataclass(frozen=True)
class Shared:
    """What must be moved: segments of these 4-tuples (hashes), and datagrams of these ends."""

    tuples: Keys
    ends: Keys
    others: Keys  # further QUIC servers, which are tracked in their part


def shared_tuples(tuples: Sequence[Keys], fragments: Keys) -> Keys:
    """Return, sorted, the 4-tuples found in several parts, and those of fragments; keys are unique per part."""
    return distinct(np.concatenate([frequent(np.concatenate([*tuples, fragments]), 2), fragments]))


def paths_of(checked: Sequence[Array]) -> Keys:
    """Return the unique paths of these rows, sorted."""
    return distinct(np.concatenate([_NONE, *(each["path"] for each in checked)]))


def on_paths(checked: Array, paths: Keys) -> Array:
    """Return the rows on these paths."""
    known: Array = checked[is_member(checked["path"], paths)]
    return known


def with_paths(tuples: Keys, rights: Sequence[Array], wrongs: Sequence[Array]) -> Keys:
    """Return `tuples` and those whose bad checksums must be judged by good ones in another part.

    If a path has both kinds, its 4-tuples must be tracked together, as must those of any other path that shares a
    4-tuple with it.
    """
    right, wrong = paths_of(rights), paths_of(wrongs)
    doubtful = right[is_member(right, wrong)]
    if not len(doubtful):
        return tuples
    known = np.concatenate([*rights, *wrongs])
    part = np.concatenate([np.full(len(rows), number) for each in (rights, wrongs) for number, rows in enumerate(each)])
    judged = is_member(known["path"], doubtful)
    known, part = known[judged], part[judged]
    place = np.searchsorted(doubtful, known["path"])
    while True:
        apart = _in_several(place, part, len(doubtful))
        apart[place[is_member(known["tuple"], tuples)]] = True
        more = distinct(np.concatenate([tuples, known["tuple"][apart[place]]]))
        if len(more) == len(tuples):
            return tuples
        tuples = more


def _in_several(place: Rows, part: Array, count: int) -> Bools:
    """Return a mask of the paths found in several parts."""
    low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(low, place, part)
    np.maximum.at(high, place, part)
    apart: Bools = low != high
    return apart


def shared_ends(served: Sequence[Keys], seen: Sequence[Keys]) -> tuple[Keys, Keys]:
    """Return the possible QUIC servers: those seen in several parts, and the others."""
    every = distinct(np.concatenate([_NONE, *served]))
    several = frequent(np.concatenate([_NONE, *(each[is_member(each, every)] for each in seen)]), 2)
    return several, every[~is_member(every, several)]


def shared(tuples: Keys, served: Sequence[Keys], seen: Sequence[Keys]) -> Shared:
    """Return what must be moved, given the contents of all parts."""
    return Shared(tuples, *shared_ends(served, seen))


def may_be_mixed(some: Shared) -> bool:
    """Return True if there may be datagrams between a shared end and one that is not."""
    return len(some.ends) > 0 and len(some.others) > 0


def all_ends(some: Shared) -> Shared:
    """Return the same with all QUIC servers shared."""
    return Shared(some.tuples, distinct(np.concatenate([some.ends, some.others])), _NONE)
