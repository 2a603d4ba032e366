"""Match the segments of joined connections between two captures.

Segments are equal if relative sequence and acknowledgment numbers, flags, length, timestamps and IP ID are; the nth of
several equal segments matches the nth.  Second and third passes ignore fields that a middlebox may have changed.
NICs and kernels split and merge segments (TSO, GRO), so the remaining ones are compared by the byte ranges they cover.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks.pairing import CaptureSide, ConnectionPairs, hash_rows
from handshake_inspect.checks.shifts import shifts
from handshake_inspect.report.segment_columns import grouped
from handshake_inspect.verdicts.sets import run_starts
from handshake_inspect.wire.const import ACK, FIN, MASK32, RST, SYN

Ints = NDArray[np.int64]
SLACK_NS = 1_000_000  # a delay may be this much below the smallest certain one
_KINDS = SYN | FIN | RST | ACK


class JoinedSegments:
    """The segments of joined connections in one capture, as arrays with relative sequence numbers."""

    def __init__(self, side: CaptureSide, ids: Ints, base: dict[str, Ints]) -> None:
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
        self.has_timestamps = np.zeros(len(rows), dtype=bool)  # both captures have TCP timestamps for the connection
        self.partner = np.full(len(rows), -1, dtype=np.int64)  # index of the same segment in the other `JoinedSegments`
        self.covered = np.zeros(len(rows), dtype=bool)  # the other capture has its bytes in other segments
        self.certain = np.zeros(len(rows), dtype=bool)  # the partner is this very segment, not another copy

    def __len__(self) -> int:
        return len(self.rows)

    def of_pair(self, pair: int) -> Ints:
        """Return the indices of the segments of a joined connection."""
        return self._by_pair.get(pair, np.empty(0, dtype=np.int64))

    @cached_property
    def _by_pair(self) -> dict[int, Ints]:
        return grouped(self.pair)

    def keys(self, *names: str) -> NDArray[np.uint64]:
        """Return a hash of each segment's content and of the named fields."""
        own = (self.pair, self.from_client, self.seq, self.ack, self.length, self.flags & _KINDS)
        return hash_rows(*own, *(self.rows[name] for name in names))


def match_segments(a: CaptureSide, b: CaptureSide, pairs: ConnectionPairs) -> tuple[JoinedSegments, JoinedSegments]:
    """Match the segments of joined connections; return those of A and B with their partners."""
    at_a, at_b = joined_segments(a, b, pairs.a, pairs.b)
    _find_timestamped(at_a, at_b, len(pairs.a))
    for fields in (("tsval", "ip_id"), ("tsval",), ()):
        _match(at_a, at_b, fields)
    _rematch_by_time(at_a, at_b)
    _mark_covered(at_a, at_b)
    return at_a, at_b


def joined_segments(a: CaptureSide, b: CaptureSide, ids_a: Ints, ids_b: Ints) -> tuple[JoinedSegments, JoinedSegments]:
    """Return the segments in A and in B of these pairs of connections, not matched yet."""
    base_a, base_b = _bases(a, b, ids_a, ids_b)
    return JoinedSegments(a, ids_a, base_a), JoinedSegments(b, ids_b, base_b)


def _bases(a: CaptureSide, b: CaptureSide, ids_a: Ints, ids_b: Ints) -> tuple[dict[str, Ints], dict[str, Ints]]:
    """Return the bases of relative sequence numbers in A and B: ISNs, or values derived from the other capture's."""
    at_a, at_b = {}, {}
    for who in ("client", "server"):
        mine, theirs = a.isn[who][ids_a], b.isn[who][ids_b]
        unknown = np.flatnonzero((mine < 0) | (theirs < 0))
        shift = np.zeros(len(mine), dtype=np.int64)
        if len(unknown):
            shift[unknown] = shifts(a, b, ids_a[unknown], ids_b[unknown], from_client=who == "client")
        at_a[who] = np.where(mine >= 0, mine, np.where(theirs >= 0, theirs - shift, 0))
        at_b[who] = np.where(theirs >= 0, theirs, at_a[who] + shift)
    return at_a, at_b


def _find_timestamped(a: JoinedSegments, b: JoinedSegments, count: int) -> None:
    """Set `has_timestamps`: False for connections whose timestamps a middlebox strips."""
    known = np.ones(count, dtype=bool)
    for side in (a, b):
        data = side.flags & (SYN | RST) == 0
        known &= np.bincount(side.pair[data], weights=side.rows["tsval"][data] != 0, minlength=count)[:count] > 0
    a.has_timestamps, b.has_timestamps = known[a.pair], known[b.pair]


def _match(a: JoinedSegments, b: JoinedSegments, fields: tuple[str, ...]) -> None:
    """Match unmatched segments by these fields: the nth of equal segments with the nth."""
    left_a, left_b = (np.flatnonzero((side.partner < 0) & (bool(fields) | ~side.has_timestamps)) for side in (a, b))
    key_a, key_b = a.keys(*fields)[left_a], b.keys(*fields)[left_b]
    rank_a, count_a = _rank(key_a)
    rank_b, count_b = _rank(key_b)
    _, at_a, at_b = np.intersect1d(hash_rows(key_a, rank_a), hash_rows(key_b, rank_b), return_indices=True)
    a.partner[left_a[at_a]], b.partner[left_b[at_b]] = left_b[at_b], left_a[at_a]
    certain = count_a[at_a] == count_b[at_b]
    a.certain[left_a[at_a]], b.certain[left_b[at_b]] = certain, certain


def _rank(keys: NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """Return, for each key, its rank (from 0) among equal keys and the number of equal keys."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(run_starts(ordered))
    lengths = np.diff(starts, append=len(keys))
    rank, count = np.empty(len(keys), dtype=np.int64), np.empty(len(keys), dtype=np.int64)
    rank[order] = np.arange(len(keys)) - np.repeat(starts, lengths)
    count[order] = np.repeat(lengths, lengths)
    return rank, count


def _rematch_by_time(a: JoinedSegments, b: JoinedSegments) -> None:
    """Rematch equal segments by time if one capture has more copies: each arrival is the last copy sent in time.

    Delays cannot be shorter than the smallest among certain matches.
    """
    groups: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for number, side in enumerate((a, b)):
        keys = np.where(side.has_timestamps, side.keys("tsval"), side.keys())
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
                _assign_by_time(
                    more, fewer, *((mine, theirs) if sign > 0 else (theirs, mine)), int((sign * those).min())
                )


def _assign_by_time(
    more: JoinedSegments, fewer: JoinedSegments, many: list[int], few: list[int], least_ns: int
) -> None:
    """Match each of `few` with the last of `many` that was sent early enough."""
    free = sorted(many, key=lambda at: int(more.ts[at]))
    more.partner[many], fewer.partner[few] = -1, -1
    for at in sorted(few, key=lambda at: -int(fewer.ts[at])):
        while free:
            last = free.pop()
            if fewer.ts[at] - more.ts[last] >= least_ns - SLACK_NS or len(free) < 1:
                more.partner[last], fewer.partner[at] = at, last
                break


# --- split and merged segments ----------------------------------------------------------------------------------------


@dataclass
class _Group:
    """Unmatched data segments of one direction with the same timestamp: indices in A and B."""

    a: list[int] = field(default_factory=list)
    b: list[int] = field(default_factory=list)


def _mark_covered(a: JoinedSegments, b: JoinedSegments) -> None:
    """Mark segments whose bytes the other capture has in smaller or larger segments."""
    groups: dict[tuple[int, bool, int], _Group] = defaultdict(_Group)
    for name, side in (("a", a), ("b", b)):
        for at in np.flatnonzero((side.partner < 0) & (side.length > 0)).tolist():
            key = (
                int(side.pair[at]),
                bool(side.from_client[at]),
                int(side.rows["tsval"][at]) if side.has_timestamps[at] else 0,
            )
            getattr(groups[key], name).append(at)
    for group in groups.values():
        if group.a and group.b:
            _mark_covered_group(a, b, group)


def _mark_covered_group(a: JoinedSegments, b: JoinedSegments, group: _Group) -> None:
    """Compare the number of copies of every byte range; of equal segments, the first ones count as missing."""
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
            covered = slice(index[int(side.seq[at])], index[int(side.seq[at] + side.length[at])])
            if (short[covered] > 0).any():
                short[covered] -= 1
            else:
                side.covered[at] = True
