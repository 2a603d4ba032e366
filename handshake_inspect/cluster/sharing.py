"""What several parts have, and must be followed in one place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handshake_inspect.verdicts.arrays import Array, Bools, Keys, Rows
from handshake_inspect.verdicts.sets import distinct, frequent, is_member

_NONE = np.zeros(0, dtype=np.uint64)


@dataclass(frozen=True)
class Shared:
    """What is moved: 4-tuples, by their hashes, and datagrams of these ends."""

    tuples: Keys
    ends: Keys
    others: Keys  # ends that may begin QUIC, too, and are followed where they are


def shared_tuples(tuples: Sequence[Keys], loose: Keys) -> Keys:
    """The 4-tuples that several parts have, sorted, and those of fragments; the keys of each part are different."""
    return distinct(np.concatenate([frequent(np.concatenate([*tuples, loose]), 2), loose]))


def paths_of(checked: Sequence[Array]) -> Keys:
    """The paths that these are of, sorted."""
    return distinct(np.concatenate([_NONE, *(each["path"] for each in checked)]))


def on_paths(checked: Array, paths: Keys) -> Array:
    """What is known of these paths."""
    known: Array = checked[is_member(checked["path"], paths)]
    return known


def with_paths(tuples: Keys, rights: Sequence[Array], wrongs: Sequence[Array]) -> Keys:
    """Those 4-tuples, and all whose wrong checksums are judged by right ones of another part.

    Where a path has both, its 4-tuples must be followed together, and so must those of another path that one of these
    has.
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
        apart = _are_apart(place, part, len(doubtful))
        apart[place[is_member(known["tuple"], tuples)]] = True
        more = distinct(np.concatenate([tuples, known["tuple"][apart[place]]]))
        if len(more) == len(tuples):
            return tuples
        tuples = more


def _are_apart(place: Rows, part: Array, count: int) -> Bools:
    """Which paths several parts have."""
    low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(low, place, part)
    np.maximum.at(high, place, part)
    apart: Bools = low != high
    return apart


def shared_ends(served: Sequence[Keys], seen: Sequence[Keys]) -> tuple[Keys, Keys]:
    """The servers that datagrams may begin QUIC with: those that several parts have, and the others."""
    every = distinct(np.concatenate([_NONE, *served]))
    several = frequent(np.concatenate([_NONE, *(each[is_member(each, every)] for each in seen)]), 2)
    return several, every[~is_member(every, several)]


def shared(tuples: Keys, served: Sequence[Keys], seen: Sequence[Keys]) -> Shared:
    """What is moved, of what parts have."""
    return Shared(tuples, *shared_ends(served, seen))


def may_be_mixed(some: Shared) -> bool:
    """Whether a datagram may be between an end that is shared and another one."""
    return len(some.ends) > 0 and len(some.others) > 0


def all_ends(some: Shared) -> Shared:
    """The same with the datagrams of all servers."""
    return Shared(some.tuples, distinct(np.concatenate([some.ends, some.others])), _NONE)
