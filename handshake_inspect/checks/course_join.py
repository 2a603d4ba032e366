"""Match connections across a middlebox that rewrites addresses and sequence numbers, by their course.

Without TCP timestamps, what remains is the course of a connection: the number of bytes that each end sent, the IP IDs
of the handshake, and the order and spacing of segments.  Two connections match if their course is unique in both
captures and their segments in both directions fit one clock offset (no packet arrives before it was sent), which must
also fit the other pairs.  A pair that no other pair confirms needs `MIN_SEGMENTS_ALONE` segments, or clocks that agree.
Connections whose course is not unique may still be matched by the times of their SYNs (`syn_timing_join`); else they
are `doubtful`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from handshake_inspect.checks.clocks import MAX_DRIFT
from handshake_inspect.checks.number_join import with_numbers
from handshake_inspect.checks.offsets import Ints, common, copies, later
from handshake_inspect.checks.pairing import (
    CaptureSide,
    ConnectionPairs,
    hash_rows,
    known_keys,
    match_by_keys,
    match_unique_keys,
    merge_joins,
)
from handshake_inspect.checks.segment_join import joined_segments
from handshake_inspect.checks.syn_timing_join import SynTimingJoin
from handshake_inspect.checks.weak_join import with_weak
from handshake_inspect.report.paired import Basis
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.wire.const import MASK32

MIN_SEGMENTS_ALONE = 16  # more than a health check takes; those are all alike
IN_STEP_NS = 100_000_000  # clocks synchronised by NTP differ by less
ROUNDING_NS = 1_000
COURSE: Basis = "course"


def match_connections(a: CaptureSide, b: CaptureSide) -> ConnectionPairs:
    """Return the connections that are in both captures, and those for which that is undecidable (`doubtful`)."""
    found = with_numbers(a, b, with_weak(a, b, match_by_keys(a, b)))
    left_a, left_b = np.setdiff1d(np.arange(a.count), found.a), np.setdiff1d(np.arange(b.count), found.b)
    like = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    course_a, course_b = _course(a), _course(b)
    for keys_a, keys_b in ((_with_idents(a, course_a), _with_idents(b, course_b)), (course_a, course_b)):
        more_a, more_b = match_unique_keys(keys_a, keys_b, left_a, left_b)
        like[0].append(more_a)
        like[1].append(more_b)
        left_a, left_b = np.setdiff1d(left_a, more_a), np.setdiff1d(left_b, more_b)
    ids_a, ids_b = np.concatenate(like[0]), np.concatenate(like[1])
    if len(ids_a):
        known = np.concatenate([found.a, ids_a]), np.concatenate([found.b, ids_b])
        fit = _fit(a, b, *known, len(found.a))
        found = merge_joins([(found.a, found.b, found.bases), (ids_a[fit], ids_b[fit], [COURSE] * int(fit.sum()))])
    if not len(found.a) or len(found.a) == a.count == b.count:
        return replace(found, doubtful=_doubtful(found, course_a, course_b))
    syn_timing_join = SynTimingJoin(a, b, found, (course_a, course_b), later(a, b, found))
    more_a, more_b = syn_timing_join.pairs()
    absent = syn_timing_join.absent((more_a, more_b))
    if len(more_a):
        found = merge_joins([(found.a, found.b, found.bases), (more_a, more_b, [COURSE] * len(more_a))])
    doubtful = _doubtful(found, course_a, course_b)
    return replace(found, doubtful={name: doubtful[name] - absent[name] for name in doubtful})


def _course(side: CaptureSide) -> Keys:
    """Return a key per connection of the bytes that each end sent; 0 if unknown or nothing was sent."""
    sent = {who: _sent(side, who) for who in ("client", "server")}
    known = (side.isn["client"] >= 0) & (side.isn["server"] >= 0) & (sent["client"] + sent["server"] > 0)
    return known_keys(hash_rows(sent["client"], sent["server"]), known)


def _sent(side: CaptureSide, who: str) -> Ints:
    """Return the number of bytes that an end sent, per connection: the highest sequence number relative to its ISN."""
    rows, owners = side.rows, side.columns.owners
    far = np.zeros(side.count, dtype=np.int64)
    at = np.flatnonzero((owners >= 0) & (rows["payload_len"] > 0) & (side.columns.from_client == (who == "client")))
    begin = (rows["seq"][at].astype(np.int64) - side.isn[who][owners[at]] - 1) & MASK32
    np.maximum.at(far, owners[at], begin + rows["payload_len"][at])
    return far


def _with_idents(side: CaptureSide, course: Keys) -> Keys:
    """Return the keys extended by the IP IDs of SYN and SYN-ACK; 0 if the SYN has no IP ID."""
    syn, synack = side.of(side.last_syn, "ip_id"), side.of(side.last_synack, "ip_id")
    return known_keys(hash_rows(course, syn, synack), (course != 0) & (syn != 0))


def _fit(a: CaptureSide, b: CaptureSide, ids_a: Ints, ids_b: Ints, trusted: int) -> Bools:
    """Return a mask over the pairs after the first `trusted` ones: True if they fit the clock offset of the others."""
    pair, from_client, apart, span = copies(*joined_segments(a, b, ids_a, ids_b), len(ids_a))
    slack = MAX_DRIFT * span + ROUNDING_NS
    ways = []
    for forth in (from_client, ~from_client):  # clients may be nearer to either capture
        low, high = np.full(len(ids_a), -np.inf), np.full(len(ids_a), np.inf)
        np.minimum.at(high, pair[forth], apart[forth])
        np.maximum.at(low, pair[~forth], apart[~forth])
        ways.append((low, high, np.isfinite(low) & np.isfinite(high) & (low - slack <= high)))
    low, high, fit = max(ways, key=lambda way: int(way[2].sum()))
    wide = slack.max(initial=0) + MAX_DRIFT * _duration_ns(a)
    one = common(low - wide, high + wide, fit, trusted)
    if one is None:
        agree = (low <= IN_STEP_NS) & (high >= -IN_STEP_NS)
        fit &= (agree | (np.bincount(pair, minlength=len(ids_a)) >= MIN_SEGMENTS_ALONE)) & (fit.sum() == 1)
    else:
        fit &= (low - wide <= one[1]) & (high + wide >= one[0])
    chosen: Bools = fit[trusted:]
    return chosen


def _duration_ns(side: CaptureSide) -> int:
    capture = side.columns.report.capture
    return (capture.last_ns or 0) - (capture.first_ns or 0)


def _doubtful(found: ConnectionPairs, course_a: Keys, course_b: Keys) -> dict[str, frozenset[int]]:
    """Return, by capture, the ids of unmatched connections that may be in the other capture.

    These are the connections whose course also occurs there and, if any pair was matched by course, all without one.
    """
    courses, joined = {"a": course_a, "b": course_b}, {"a": found.a, "b": found.b}
    left = {name: np.setdiff1d(np.arange(len(keys)), joined[name]) for name, keys in courses.items()}
    keys = {name: courses[name][left[name]] for name in left}
    doubtful = {}
    for name, other in (("a", "b"), ("b", "a")):
        nameless = keys[name] == 0
        like = np.isin(keys[name], keys[other]) & ~nameless
        doubtful[name] = frozenset(left[name][like | (nameless & (COURSE in found.bases))].tolist())
    return doubtful
