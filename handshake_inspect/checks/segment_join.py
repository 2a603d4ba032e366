"""Which segment of one capture is which of another, and what became of those that the other one lacks.

Segments are equal by their numbers, counted from the initial sequence numbers of each side, by flags, length,
timestamps and the identification of IP; the nth of equal ones is the nth.  What a box between may have changed is left
out in a second and third look.  Cards and kernels cut and join segments (TSO, GRO): what is left is compared by the
bytes that it covers.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks.pairing import Joins, Side, mixed
from handshake_inspect.checks.shifts import shifts
from handshake_inspect.report.segment_columns import grouped
from handshake_inspect.verdicts.sets import run_starts
from handshake_inspect.wire.const import ACK, FIN, MASK32, RST, SYN

Ints = NDArray[np.int64]
SLACK_NS = 1_000_000  # a delay may be this much less than the least that is certain
_KINDS = SYN | FIN | RST | ACK


class Shared:
    """The segments of joined connections in one capture, with numbers that both captures share."""

    def __init__(self, side: Side, ids: Ints, base: dict[str, Ints]) -> None:
        pair_of = np.full(side.count + 1, -1, dtype=np.int64)
        pair_of[ids] = np.arange(len(ids))
        pairs = pair_of[side.columns.owners]
        self.places = np.flatnonzero(pairs >= 0)
        rows = side.rows[self.places]
        self.rows = rows
        self.pair = pairs[self.places]
        self.from_client = side.columns.from_client[self.places]
        mine = np.where(self.from_client, base["client"][self.pair], base["server"][self.pair])
        other = np.where(self.from_client, base["server"][self.pair], base["client"][self.pair])
        self.seq = (rows["seq"].astype(np.int64) - mine) & MASK32
        acked = (rows["ack"].astype(np.int64) - other) & MASK32
        self.ack = np.where(rows["flags"] & ACK != 0, acked, 0)
        self.length = rows["payload_len"].astype(np.int64)
        self.ts = rows["ts_ns"].astype(np.int64)
        self.flags = rows["flags"].astype(np.int64)
        self.ends = self.seq + self.length + (self.flags & SYN != 0) + (self.flags & FIN != 0)
        self.stamped = np.zeros(len(rows), dtype=bool)  # both captures have timestamps of its connection
        self.partner = np.full(len(rows), -1, dtype=np.int64)  # place of the same segment in the other `Shared`
        self.covered = np.zeros(len(rows), dtype=bool)  # whole in pieces, or as part of a larger one
        self.certain = np.zeros(len(rows), dtype=bool)  # the partner is it, and not another copy of it

    def __len__(self) -> int:
        return len(self.rows)

    def of_pair(self, pair: int) -> Ints:
        """The places of the segments of a joined connection."""
        return self._by_pair.get(pair, np.empty(0, dtype=np.int64))

    @cached_property
    def _by_pair(self) -> dict[int, Ints]:
        return grouped(self.pair)

    def keys(self, *names: str) -> NDArray[np.uint64]:
        """A name of each segment, of what it says and of these fields."""
        own = (self.pair, self.from_client, self.seq, self.ack, self.length, self.flags & _KINDS)
        return mixed(*own, *(self.rows[name] for name in names))


def matched(a: Side, b: Side, pairs: Joins) -> tuple[Shared, Shared]:
    """The segments of joined connections at both sides, each with its partner."""
    base_a, base_b = bases(a, b, pairs)
    at_a, at_b = Shared(a, pairs.a, base_a), Shared(b, pairs.b, base_b)
    _find_stamped(at_a, at_b, len(pairs.a))
    for fields in (("tsval", "ip_id"), ("tsval",), ()):
        _match(at_a, at_b, fields)
    _settle(at_a, at_b)
    _cover(at_a, at_b)
    return at_a, at_b


def bases(a: Side, b: Side, pairs: Joins) -> tuple[dict[str, Ints], dict[str, Ints]]:
    """What numbers of joined connections are counted from at each side: ISNs, and what follows from the other's."""
    at_a, at_b = {}, {}
    for who in ("client", "server"):
        mine, theirs = a.isn[who][pairs.a], b.isn[who][pairs.b]
        unknown = np.flatnonzero((mine < 0) | (theirs < 0))
        shift = np.zeros(len(mine), dtype=np.int64)
        if len(unknown):
            shift[unknown] = shifts(a, b, pairs.a[unknown], pairs.b[unknown], from_client=who == "client")
        at_a[who] = np.where(mine >= 0, mine, np.where(theirs >= 0, theirs - shift, 0))
        at_b[who] = np.where(theirs >= 0, theirs, at_a[who] + shift)
    return at_a, at_b


def _find_stamped(a: Shared, b: Shared, count: int) -> None:
    """Where a box strips timestamps, they show nothing."""
    known = np.ones(count, dtype=bool)
    for side in (a, b):
        data = side.flags & (SYN | RST) == 0
        known &= np.bincount(side.pair[data], weights=side.rows["tsval"][data] != 0, minlength=count)[:count] > 0
    a.stamped, b.stamped = known[a.pair], known[b.pair]


def _match(a: Shared, b: Shared, fields: tuple[str, ...]) -> None:
    """Join what is left by these fields: the nth of equal segments with the nth."""
    left_a, left_b = (np.flatnonzero((side.partner < 0) & (bool(fields) | ~side.stamped)) for side in (a, b))
    key_a, key_b = a.keys(*fields)[left_a], b.keys(*fields)[left_b]
    rank_a, count_a = _ranked(key_a)
    rank_b, count_b = _ranked(key_b)
    _, at_a, at_b = np.intersect1d(mixed(key_a, rank_a), mixed(key_b, rank_b), return_indices=True)
    a.partner[left_a[at_a]], b.partner[left_b[at_b]] = left_b[at_b], left_a[at_a]
    certain = count_a[at_a] == count_b[at_b]
    a.certain[left_a[at_a]], b.certain[left_b[at_b]] = certain, certain


def _ranked(keys: NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """Which of its equals each key is, from 0, and how many they are."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(run_starts(ordered))
    lengths = np.diff(starts, append=len(keys))
    rank, count = np.empty(len(keys), dtype=np.int64), np.empty(len(keys), dtype=np.int64)
    rank[order] = np.arange(len(keys)) - np.repeat(starts, lengths)
    count[order] = np.repeat(lengths, lengths)
    return rank, count


def _settle(a: Shared, b: Shared) -> None:
    """Where one side has more of equal segments, times show which: the last that can have come in time.

    Delays are at least those of the segments that are certain.
    """
    groups: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for number, side in enumerate((a, b)):
        keys = np.where(side.stamped, side.keys("tsval"), side.keys())
        for at in np.flatnonzero(~side.certain).tolist():
            groups[int(keys[at])][number].append(at)
    certain = np.flatnonzero(a.certain)
    apart = b.ts[a.partner[certain]] - a.ts[certain]
    for way in (True, False):
        those = apart[a.from_client[certain] == way]
        if not len(those):
            continue
        for mine, theirs in groups.values():
            if mine and theirs and len(mine) != len(theirs) and bool(a.from_client[mine[0]]) == way:
                more, fewer, sign = (a, b, 1) if len(mine) > len(theirs) else (b, a, -1)
                _by_time(more, fewer, *((mine, theirs) if sign > 0 else (theirs, mine)), int((sign * those).min()))


def _by_time(more: Shared, fewer: Shared, many: list[int], few: list[int], least_ns: int) -> None:
    """Give each of the few its partner among the many: the last that was sent early enough."""
    free = sorted(many, key=lambda at: int(more.ts[at]))
    more.partner[many], fewer.partner[few] = -1, -1
    for at in sorted(few, key=lambda at: -int(fewer.ts[at])):
        while free:
            last = free.pop()
            if fewer.ts[at] - more.ts[last] >= least_ns - SLACK_NS or len(free) < 1:
                more.partner[last], fewer.partner[at] = at, last
                break


# --- what was cut or joined -------------------------------------------------------------------------------------------


@dataclass
class _Group:
    """Segments with data that are left of one direction of a connection, with one timestamp: places at A and at B."""

    a: list[int] = field(default_factory=list)
    b: list[int] = field(default_factory=list)


def _cover(a: Shared, b: Shared) -> None:
    """Mark what the other side has in pieces, or as part of larger segments."""
    groups: dict[tuple[int, bool, int], _Group] = defaultdict(_Group)
    for name, side in (("a", a), ("b", b)):
        for at in np.flatnonzero((side.partner < 0) & (side.length > 0)).tolist():
            key = int(side.pair[at]), bool(side.from_client[at]), int(side.rows["tsval"][at]) if side.stamped[at] else 0
            getattr(groups[key], name).append(at)
    for group in groups.values():
        if group.a and group.b:
            _cover_group(a, b, group)


def _cover_group(a: Shared, b: Shared, group: _Group) -> None:
    """Of every stretch of bytes, as many copies went on as came; of equal ones the first is missing."""
    edges = sorted({int(side.seq[at]) + more
                    for side, places in ((a, group.a), (b, group.b)) for at in places
                    for more in (0, int(side.length[at]))})  # fmt: skip
    index = {edge: number for number, edge in enumerate(edges)}
    counts = {}
    for name, side, places in (("a", a, group.a), ("b", b, group.b)):
        counts[name] = np.zeros(len(edges), dtype=np.int64)
        for at in places:
            counts[name][index[int(side.seq[at])] : index[int(side.seq[at] + side.length[at])]] += 1
    for side, places, own, other in ((a, group.a, "a", "b"), (b, group.b, "b", "a")):
        short = counts[own] - counts[other]
        for at in places:
            stretch = slice(index[int(side.seq[at])], index[int(side.seq[at] + side.length[at])])
            if (short[stretch] > 0).any():
                short[stretch] -= 1
            else:
                side.covered[at] = True
