"""Connections that one number alone recognises: it may be equal by chance, so something else must speak for it.

ISNs repeat, of 32 bits, in captures of 100,000 connections each, and always with clients that use one for all; a
4-tuple is used again, and then its ISNs are as different as if a box had rewritten them.  So the bytes of both captures
must be cut alike, options must be such as no box makes, and the packets must be as much later in B as those of the
pairs that are known, within a second.  Where there are none, most of these must agree; one that is alone needs its
4-tuple, its timestamp, or a port that did not change.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from handshake_inspect.checks.offsets import Copies, Floats, Ints, copies, later
from handshake_inspect.checks.pairing import WEAK_STEPS, Joins, Side, together, unique_in_both
from handshake_inspect.checks.segment_join import Shared, bases
from handshake_inspect.report.paired import Basis
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.wire.const import ACK, SYN

DOUBT_NS = 1_000_000_000  # a path that is overloaded holds packets as long

Span = tuple[float, float]


def with_weak(a: Side, b: Side, found: Joins) -> Joins:
    """Those pairs, and the others that a weak sign recognises and something else confirms."""
    for basis, keys in WEAK_STEPS:
        left_a, left_b = np.setdiff1d(np.arange(a.count), found.a), np.setdiff1d(np.arange(b.count), found.b)
        ids_a, ids_b = unique_in_both(keys(a), keys(b), left_a, left_b)
        if len(ids_a):
            good = _corroborated(a, b, ids_a, ids_b, basis, found)
            found = together([(found.a, found.b, found.bases),
                              (ids_a[good], ids_b[good], [basis] * int(good.sum()))])  # fmt: skip
    return found


def _corroborated(a: Side, b: Side, ids_a: Ints, ids_b: Ints, basis: Basis, found: Joins) -> Bools:
    """Which of these pairs something else speaks for, and nothing against."""
    good = _cut_alike(a, b, ids_a, ids_b) & _offer_alike(a, b, ids_a, ids_b)
    known = copies(a, b, ids_a, ids_b)
    span = later(a, b, found) or _agreed(known, good)
    if span is not None:
        return good & _are_timely(a, b, ids_a, ids_b, known, span)
    if basis == "isn":
        alone = len(ids_a) == 1
        return good & alone & _have_a_port(a, b, ids_a, ids_b)
    return good


def _cut_alike(a: Side, b: Side, ids_a: Ints, ids_b: Ints) -> Bools:
    """Pairs whose bytes begin and end at the same places, at least half of those that the shorter one has.

    Cards cut and join segments, and captures end sooner or later; but what an application wrote begins where it began.
    """
    pairs = Joins(ids_a, ids_b, ["isn"] * len(ids_a))
    base_a, base_b = bases(a, b, pairs)
    edges = [_edges(Shared(side, ids, base)) for side, ids, base in ((a, ids_a, base_a), (b, ids_b, base_b))]
    count = len(ids_a)
    alike = np.ones(count, dtype=np.bool_)
    for way in (True, False):
        mine, theirs = (each[each["from_client"] == way] for each in edges)
        same = np.intersect1d(mine, theirs)
        fewer = np.minimum(*(np.bincount(each["pair"], minlength=count) for each in (mine, theirs)))
        alike &= 2 * np.bincount(same["pair"], minlength=count) >= fewer
    return alike


def _edges(shared: Shared) -> np.ndarray:
    """Where the segments of each pair end, each place once."""
    data = np.flatnonzero(shared.length > 0)
    rows = np.empty(len(data), dtype=[("pair", np.int64), ("from_client", np.bool_), ("end", np.int64)])
    rows["pair"], rows["from_client"] = shared.pair[data], shared.from_client[data]
    rows["end"] = shared.seq[data] + shared.length[data]
    return np.unique(rows)


def _offer_alike(a: Side, b: Side, ids_a: Ints, ids_b: Ints) -> Bools:
    """Pairs whose SYNs do not differ in what boxes strip, and never set: timestamp and window scale."""
    alike = np.ones(len(ids_a), dtype=np.bool_)
    both = (a.syn[ids_a] >= 0) & (b.syn[ids_b] >= 0)
    scales = [side.of(side.syn[ids], "window_scale") for side, ids in ((a, ids_a), (b, ids_b))]
    alike &= ~both | (scales[0] == scales[1]) | (scales[0] == 0) | (scales[1] == 0)
    other = both.copy()
    for syns_a in (a.syn, a.last_syn):
        for syns_b in (b.syn, b.last_syn):
            stamps = a.of(syns_a[ids_a], "tsval"), b.of(syns_b[ids_b], "tsval")
            other &= (stamps[0] != stamps[1]) & (stamps[0] != 0) & (stamps[1] != 0)
    return alike & ~other


def _agreed(known: Copies, good: Bools) -> Span | None:
    """How much later most of these pairs are, if they are two at least: all within two seconds."""
    middle = _middles(known, len(good))
    times = np.sort(middle[good & np.isfinite(middle)])
    if len(times) < 2:
        return None
    ends = np.searchsorted(times, times + 2 * DOUBT_NS, "right")
    counts = ends - np.arange(len(times))
    best = int(np.argmax(counts))
    if counts[best] < 2 or 2 * counts[best] <= len(times):
        return None
    return float(times[best]), float(times[ends[best] - 1])


def _middles(known: Copies, count: int) -> Floats:
    """The median of what the packets of each pair are later; NaN where there are none."""
    order = np.lexsort((known.apart, known.pair))
    numbers = np.bincount(known.pair, minlength=count)
    starts = np.cumsum(numbers) - numbers
    middle = np.full(count, np.nan)
    has = numbers > 0
    middle[has] = known.apart[order][(starts + numbers // 2)[has]]
    return middle


def _are_timely(a: Side, b: Side, ids_a: Ints, ids_b: Ints, known: Copies, span: Span) -> Bools:
    """Pairs whose packets are later by what others show; of SYNs without an answer, any that fits."""
    low, high = span[0] - DOUBT_NS, span[1] + DOUBT_NS
    middle = _middles(known, len(ids_a))
    timely: Bools = (middle >= low) & (middle <= high)
    silent = ~timely & (a.synack[ids_a] < 0) & (b.synack[ids_b] < 0)
    if silent.any():
        syns = _syn_times(a), _syn_times(b)
        for at in np.flatnonzero(silent).tolist():
            mine, theirs = syns[0].get(int(ids_a[at]), []), syns[1].get(int(ids_b[at]), [])
            timely[at] = any(_has_within(theirs, time + low, time + high) for time in mine)
    return timely


def _syn_times(side: Side) -> dict[int, list[float]]:
    own = side.columns.from_client & (side.columns.owners >= 0) & (side.rows["flags"] & (SYN | ACK) == SYN)
    times: dict[int, list[float]] = {}
    for number, time in zip(side.columns.owners[own].tolist(), side.rows["ts_ns"][own].tolist(), strict=True):
        times.setdefault(number, []).append(time)
    return {number: sorted(each) for number, each in times.items()}


def _has_within(times: list[float], low: float, high: float) -> bool:
    at = bisect_left(times, low)
    return at < len(times) and times[at] <= high


def _have_a_port(a: Side, b: Side, ids_a: Ints, ids_b: Ints) -> Bools:
    """Pairs whose client or server has the port that it had."""
    same = np.zeros(len(ids_a), dtype=np.bool_)
    for name in ("src_port", "dst_port"):
        same |= a.of(a.syn[ids_a], name) == b.of(b.syn[ids_b], name)
    return same
