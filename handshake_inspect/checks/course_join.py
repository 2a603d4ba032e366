"""Connections that nothing but their course recognises: behind a box that changes addresses and sequence numbers.

Without timestamps there is left what each end sent in all, the identifications of the handshake's packets, and the
order and spacing of the segments.  Two connections are one if nothing else in either capture has the same numbers, and
if their segments in both directions fit one offset of the clocks: no packet arrives before it was sent.  That offset
must be the one of all other pairs, too; a pair that is alone needs `ALONE` segments, or clocks
that agree.  What is only like others may
be recognised by its moment (`moments`), or is `doubtful`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from handshake_inspect.checks.clocks import MOST_DRIFT
from handshake_inspect.checks.moments import Moments
from handshake_inspect.checks.number_join import with_numbers
from handshake_inspect.checks.offsets import Ints, common, copies, later
from handshake_inspect.checks.pairing import Joins, Side, joins, mixed, only, together, unique_in_both
from handshake_inspect.checks.weak_join import with_weak
from handshake_inspect.report.paired import Basis
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.wire.const import MASK32

ALONE = 16  # more than an exchange of health checks, which are all alike
IN_STEP_NS = 100_000_000  # clocks that NTP keeps are nearer to each other
ROUNDING_NS = 1_000
COURSE: Basis = "course"


def recognised(a: Side, b: Side) -> Joins:
    """The connections that both captures have, and those of which that cannot be said."""
    found = with_numbers(a, b, with_weak(a, b, joins(a, b)))
    left_a, left_b = np.setdiff1d(np.arange(a.count), found.a), np.setdiff1d(np.arange(b.count), found.b)
    like = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    course_a, course_b = _course(a), _course(b)
    for keys_a, keys_b in ((_with_idents(a, course_a), _with_idents(b, course_b)), (course_a, course_b)):
        more_a, more_b = unique_in_both(keys_a, keys_b, left_a, left_b)
        like[0].append(more_a)
        like[1].append(more_b)
        left_a, left_b = np.setdiff1d(left_a, more_a), np.setdiff1d(left_b, more_b)
    ids_a, ids_b = np.concatenate(like[0]), np.concatenate(like[1])
    if len(ids_a):
        known = np.concatenate([found.a, ids_a]), np.concatenate([found.b, ids_b])
        fit = _fit(a, b, *known, len(found.a))
        found = together([(found.a, found.b, found.bases), (ids_a[fit], ids_b[fit], [COURSE] * int(fit.sum()))])
    if not len(found.a) or len(found.a) == a.count == b.count:
        return replace(found, doubtful=_doubtful(found, course_a, course_b))
    moments = Moments(a, b, found, (course_a, course_b), later(a, b, found))
    more_a, more_b = moments.pairs()
    settled = moments.settled((more_a, more_b))
    if len(more_a):
        found = together([(found.a, found.b, found.bases), (more_a, more_b, [COURSE] * len(more_a))])
    doubtful = _doubtful(found, course_a, course_b)
    return replace(found, doubtful={name: doubtful[name] - settled[name] for name in doubtful})


def _course(side: Side) -> Keys:
    """How many bytes each end sent; 0 where that says nothing."""
    sent = {who: _sent(side, who) for who in ("client", "server")}
    known = (side.isn["client"] >= 0) & (side.isn["server"] >= 0) & (sent["client"] + sent["server"] > 0)
    return only(mixed(sent["client"], sent["server"]), known)


def _sent(side: Side, who: str) -> Ints:
    """How far the data of an end go, from its ISN on."""
    rows, owners = side.rows, side.columns.owners
    far = np.zeros(side.count, dtype=np.int64)
    at = np.flatnonzero((owners >= 0) & (rows["payload_len"] > 0) & (side.columns.from_client == (who == "client")))
    begin = (rows["seq"][at].astype(np.int64) - side.isn[who][owners[at]] - 1) & MASK32
    np.maximum.at(far, owners[at], begin + rows["payload_len"][at])
    return far


def _with_idents(side: Side, course: Keys) -> Keys:
    """The same with the identifications of SYN and SYN-ACK, where the SYN has one."""
    syn, synack = side.of(side.last_syn, "ip_id"), side.of(side.last_synack, "ip_id")
    return only(mixed(course, syn, synack), (course != 0) & (syn != 0))


def _fit(a: Side, b: Side, ids_a: Ints, ids_b: Ints, trusted: int) -> Bools:
    """Which pairs behind the `trusted` ones have an offset of the clocks, and the one that others have."""
    pair, from_client, apart, span = copies(a, b, ids_a, ids_b)
    slack = MOST_DRIFT * span + ROUNDING_NS
    ways = []
    for forth in (from_client, ~from_client):  # whichever capture the clients are nearer to
        low, high = np.full(len(ids_a), -np.inf), np.full(len(ids_a), np.inf)
        np.minimum.at(high, pair[forth], apart[forth])
        np.maximum.at(low, pair[~forth], apart[~forth])
        ways.append((low, high, np.isfinite(low) & np.isfinite(high) & (low - slack <= high)))
    low, high, fit = max(ways, key=lambda way: int(way[2].sum()))
    wide = slack.max(initial=0) + MOST_DRIFT * _length(a)
    one = common(low - wide, high + wide, fit, trusted)
    if one is None:
        agree = (low <= IN_STEP_NS) & (high >= -IN_STEP_NS)
        fit &= (agree | (np.bincount(pair, minlength=len(ids_a)) >= ALONE)) & (fit.sum() == 1)
    else:
        fit &= (low - wide <= one[1]) & (high + wide >= one[0])
    chosen: Bools = fit[trusted:]
    return chosen


def _length(side: Side) -> int:
    capture = side.columns.report.capture
    return (capture.last_ns or 0) - (capture.first_ns or 0)


def _doubtful(found: Joins, course_a: Keys, course_b: Keys) -> dict[str, frozenset[int]]:
    """Connections that are not joined though the other capture may have them.

    Those of which it has one with the same course; where courses had to decide, also those that have none.
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
