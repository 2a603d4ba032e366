"""Match connections by a single number, which may be a coincidence and needs confirmation.

The 32 bits of an ISN collide in captures of 100,000 connections, and some clients use the same ISN for all.  A reused
4-tuple has different ISNs, as if a middlebox had rewritten them.  So segment boundaries must agree, SYN options must
not differ in ways that no middlebox causes, and the packets must be later in B by the same time as those of known
pairs, within a second.  Without known pairs, most candidates must agree on that time; a single candidate needs the same
4-tuple, timestamp or an unchanged port.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from handshake_inspect.checks.offsets import Copies, Floats, Ints, copies, later
from handshake_inspect.checks.pairing import WEAK_STEPS, CaptureSide, ConnectionPairs, match_unique_keys, merge_joins
from handshake_inspect.checks.segment_join import JoinedSegments, joined_segments
from handshake_inspect.report.paired import Basis
from handshake_inspect.verdicts.arrays import Bools

DOUBT_NS = 1_000_000_000  # queueing delay of an overloaded path

Span = tuple[float, float]


def with_weak(a: CaptureSide, b: CaptureSide, found: ConnectionPairs) -> ConnectionPairs:
    """Return the pairs in `found` and the confirmed matches of `WEAK_STEPS`."""
    for basis, keys in WEAK_STEPS:
        left_a, left_b = np.setdiff1d(np.arange(a.count), found.a), np.setdiff1d(np.arange(b.count), found.b)
        ids_a, ids_b = match_unique_keys(keys(a), keys(b), left_a, left_b)
        if len(ids_a):
            good = _corroborated(a, b, ids_a, ids_b, basis, found)
            found = merge_joins([(found.a, found.b, found.bases),
                              (ids_a[good], ids_b[good], [basis] * int(good.sum()))])  # fmt: skip
    return found


def _corroborated(
    a: CaptureSide, b: CaptureSide, ids_a: Ints, ids_b: Ints, basis: Basis, found: ConnectionPairs
) -> Bools:
    """Return the mask of pairs that other evidence confirms and nothing contradicts."""
    joined, count = joined_segments(a, b, ids_a, ids_b), len(ids_a)
    good = _cut_alike(*joined, count) & _offer_alike(a, b, ids_a, ids_b)
    known = copies(*joined, count)
    span = later(a, b, found) or _agreed(known, good)
    if span is not None:
        return good & _are_timely(a, b, ids_a, ids_b, known, span)
    if basis == "isn":
        return good & (count == 1) & _have_a_port(a, b, ids_a, ids_b)
    return good


def _cut_alike(one: JoinedSegments, other: JoinedSegments, count: int) -> Bools:
    """Return the mask of `count` pairs that share at least half of the segment boundaries of the smaller one.

    NICs split and merge segments, and captures end at different times, but the boundaries of application writes stay.
    """
    edges = _edges(one), _edges(other)
    alike = np.ones(count, dtype=np.bool_)
    for way in (True, False):
        mine, theirs = (each[each["from_client"] == way] for each in edges)
        same = np.intersect1d(mine, theirs)
        fewer = np.minimum(*(np.bincount(each["pair"], minlength=count) for each in (mine, theirs)))
        alike &= 2 * np.bincount(same["pair"], minlength=count) >= fewer
    return alike


def _edges(shared: JoinedSegments) -> np.ndarray:
    """Return the distinct ends of data segments, by pair and sender."""
    data = np.flatnonzero(shared.length > 0)
    rows = np.empty(len(data), dtype=[("pair", np.int64), ("from_client", np.bool_), ("end", np.int64)])
    rows["pair"], rows["from_client"] = shared.pair[data], shared.from_client[data]
    rows["end"] = shared.seq[data] + shared.length[data]
    return np.unique(rows)


def _offer_alike(a: CaptureSide, b: CaptureSide, ids_a: Ints, ids_b: Ints) -> Bools:
    """Return the mask of pairs whose SYNs agree in timestamp and window scale; middleboxes only strip these."""
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
    """Return the range of time differences (ns, at most two seconds wide) of most pairs, if these are at least two."""
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
    """Return the median time difference of each pair (ns); NaN if there is none."""
    order = np.lexsort((known.apart, known.pair))
    numbers = np.bincount(known.pair, minlength=count)
    starts = np.cumsum(numbers) - numbers
    middle = np.full(count, np.nan)
    has = numbers > 0
    middle[has] = known.apart[order][(starts + numbers // 2)[has]]
    return middle


def _are_timely(a: CaptureSide, b: CaptureSide, ids_a: Ints, ids_b: Ints, known: Copies, span: Span) -> Bools:
    """Return the mask of pairs whose time difference fits `span`; for unanswered SYNs, any fitting copy suffices."""
    low, high = span[0] - DOUBT_NS, span[1] + DOUBT_NS
    middle = _middles(known, len(ids_a))
    timely: Bools = (middle >= low) & (middle <= high)
    silent = ~timely & (a.synack[ids_a] < 0) & (b.synack[ids_b] < 0)
    for at in np.flatnonzero(silent).tolist():
        mine, theirs = a.syn_times.get(int(ids_a[at]), []), b.syn_times.get(int(ids_b[at]), [])
        timely[at] = any(_has_within(theirs, time + low, time + high) for time in mine)
    return timely


def _has_within(times: list[int], low: float, high: float) -> bool:
    at = bisect_left(times, low)
    return at < len(times) and times[at] <= high


def _have_a_port(a: CaptureSide, b: CaptureSide, ids_a: Ints, ids_b: Ints) -> Bools:
    """Return the mask of pairs with the same source or destination port in both captures."""
    same = np.zeros(len(ids_a), dtype=np.bool_)
    for name in ("src_port", "dst_port"):
        same |= a.of(a.syn[ids_a], name) == b.of(b.syn[ids_b], name)
    return same
