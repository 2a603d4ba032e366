"""Sets of 64-bit keys for millions of rows: one sort of plain integers instead of `np.unique`."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.arrays import Bools, Indices, Keys
from handshake_inspect.verdicts.columns import batches


def run_starts(ordered: NDArray[Any]) -> Bools:
    """Return a mask over sorted keys: the first of a run of equal keys."""
    starts = np.ones(len(ordered), dtype=bool)
    if len(ordered) > 1:
        np.not_equal(ordered[1:], ordered[:-1], out=starts[1:])
    return starts


def count_distinct(keys: NDArray[Any], rows: Indices | None = None) -> int:
    """Count the distinct keys, of all rows or of `rows`."""
    mine = keys.copy() if rows is None else keys[rows]
    mine.sort()  # 3 million plain integers take 0.1 s, `np.unique` of random ones takes seconds
    return int(np.count_nonzero(run_starts(mine)))


def distinct(keys: NDArray[Any]) -> NDArray[Any]:
    """Return the distinct keys, sorted."""
    fresh = keys[run_starts(keys)]  # a flood on one service leaves next to nothing to sort
    if fresh.dtype == np.uint64 and len(fresh) > SLOTS and are_few(fresh[:SLOTS]):
        fresh = sifted(fresh)
    ordered = np.sort(fresh)
    return ordered[run_starts(ordered)]


MOSTLY = 8  # if at most one in so many is out of order, only those are sorted
SLOTS = 1 << 16  # hash slots: keys' high bits are random


def slots_of(keys: Keys) -> NDArray[np.uint16]:
    """Return the slot of each key."""
    return (keys >> np.uint64(48)).astype(np.uint16)


def sifted(keys: Keys) -> Keys:
    """Remove most duplicates: the last key of each slot is kept once."""
    slot = slots_of(keys)
    owner, owned = np.zeros(SLOTS, dtype=np.uint64), np.zeros(SLOTS, dtype=bool)
    owner[slot] = keys
    owned[slot] = True
    return np.concatenate([owner[owned], keys[owner[slot] != keys]])


def are_few(keys: Keys) -> bool:
    """Return whether there may be at most `FEW` distinct keys."""
    return len(keys) <= FEW or int(np.count_nonzero(np.bincount(slots_of(keys), minlength=SLOTS))) <= FEW


FEW = 1 << 14
_WORTHWHILE = 4096  # fewer keys are searched one by one
_COMPARED = 4  # with so few members, all keys are compared with each


def places(keys: Keys, members: Keys) -> tuple[NDArray[np.intp], Bools]:
    """Return the index of each key in the sorted, non-empty `members`, and a mask: the key is there."""
    if len(members) <= _COMPARED:
        return _compared(keys, members)
    if len(members) > FEW or len(keys) < _WORTHWHILE:
        return _searched(keys, members)
    bits = 16 if len(members) < 1024 else 18  # the high bits that give a key its slot; slots stay in a near cache
    slots = (members >> np.uint64(64 - bits)).astype(np.intp)
    table = np.zeros(1 << bits, dtype=np.uint16)
    table[slots] = np.arange(len(members))
    slot = (keys >> np.uint64(64 - bits)).astype(np.uint32)
    at = table.take(slot).astype(np.intp)
    known = members[at] == keys
    shared = slots[:-1][slots[1:] == slots[:-1]]
    if len(shared):
        crowded = np.zeros(1 << bits, dtype=bool)
        crowded[shared] = True
        again = np.flatnonzero(crowded[slot] & ~known)
        at[again], known[again] = _searched(keys[again], members)
    return at, known


def _compared(keys: Keys, members: Keys) -> tuple[NDArray[np.intp], Bools]:
    at, known = np.zeros(len(keys), dtype=np.intp), keys == members[0]
    for place in range(1, len(members)):
        same = keys == members[place]
        at[same] = place
        known |= same
    return at, known


def _searched(keys: Keys, members: Keys) -> tuple[NDArray[np.intp], Bools]:
    at = np.searchsorted(members, keys)
    np.minimum(at, len(members) - 1, out=at)
    return at, members[at] == keys


def shared(rows: NDArray[Any], members: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices of `rows` found in `members` (ascending), and their indices in `members`."""
    at = np.searchsorted(members, rows)
    mine = np.flatnonzero(at < len(members))
    mine = mine[members[at[mine]] == rows[mine]]
    return mine, at[mine]


def counts(keys: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the distinct keys, sorted, and the count of each."""
    ordered = np.sort(keys)
    starts = np.flatnonzero(run_starts(ordered))
    return ordered[starts], np.diff(np.append(starts, len(ordered)))


def frequent(keys: Keys, least: int) -> Keys:
    """Return the keys that occur at least `least` times, sorted."""
    ordered = np.sort(keys)
    if len(ordered) < least:
        return ordered[:0]
    first = ordered[: len(ordered) - least + 1]
    often: Keys = first[first == ordered[least - 1 :]]
    return distinct(often)


def is_member(keys: Keys, members: Keys) -> Bools:
    """Return a mask over `keys`: it is among `members` (sorted). A table of high bits excludes most others."""
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


def is_port_of(ports: NDArray[Any], wanted: NDArray[Any]) -> Bools:
    """Return a mask over port numbers: it is one of `wanted`."""
    table = np.zeros(1 << 16, dtype=bool)
    table[wanted] = True
    return table[ports]


def pair_key(first: Keys, second: Keys) -> Keys:
    """Return one key for an ordered pair of keys."""
    pair: Keys = first * np.uint64(0x9E3779B97F4A7C15) ^ second
    return pair


def host_key(hi: NDArray[Any], lo: NDArray[Any], port: NDArray[Any] | None = None) -> NDArray[np.uint64]:
    """Hash an address, and a port, to 64 bits; collisions are very unlikely."""
    key = hi * np.uint64(0x9E3779B97F4A7C15)
    key ^= lo
    if port is not None:
        key ^= port.astype(np.uint64) << np.uint64(48)
    key *= np.uint64(0xD6E8FEB86659FD93)
    key ^= key >> np.uint64(32)
    key *= np.uint64(0xFF51AFD7ED558CCD)
    return key


def keys_of(addresses: Collection[tuple[int, int]]) -> Keys:
    """Return the keys of these addresses."""
    hi, lo = np.array([*addresses], dtype=np.uint64).reshape(-1, 2).T
    return host_key(hi, lo)


def nearly_in_order(values: NDArray[Any], apart: int) -> NDArray[np.int32]:
    """Return the stable order of mostly sorted values; the first `apart` are not, and are sorted separately.

    Values greater than a later one are sorted, too: reused rows are few.
    """
    least = np.minimum.accumulate(values[apart:][::-1])[::-1]  # the minimum from here on
    loose = np.ones(len(values), dtype=bool)
    np.greater(values[apart:], least, out=loose[apart:])
    moved = np.flatnonzero(loose)
    if len(moved) - apart > len(least) // MOSTLY:
        return np.argsort(values, kind="stable").astype(np.int32)
    before, left = moved[apart:] - apart, np.arange(len(moved))
    from_ = moved - left
    moved = moved[np.argsort(values[moved], kind="stable")]
    # Insert before all that are not smaller: equal ones that stay came later.
    upto = np.searchsorted(least, values[moved])
    del least, loose
    to = upto - np.searchsorted(before, upto)
    order = np.empty(len(values), dtype=np.int32)
    order[to + left] = moved
    for some in batches(len(values) - len(moved)):
        order[_passing(to, some)] = _passing(from_, some)
    return order


def _passing(gaps: NDArray[np.intp], some: slice) -> NDArray[np.intp]:
    """Return these of the remaining numbers after others were removed; `gaps` counts the remaining ones before each."""
    low, high = np.searchsorted(gaps, (some.start, some.stop))
    numbers = np.arange(some.start + low, some.stop + low)
    if high > low:
        numbers += np.cumsum(np.bincount(gaps[low:high] - some.start, minlength=len(numbers)))
    return numbers
