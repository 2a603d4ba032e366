"""Connections that only their moment recognises: their SYN passes one capture as long after the other as all SYNs do.

Behind a box that changes addresses and sequence numbers, clients of one script send the same bytes, and a SYN that
nothing answers has no course at all.  Once some pairs are known, these show which service became which, and how much
later SYNs pass B than A, at least and at most.  Two connections are one if one of each capture alone fits the other.
What might fit by a wider margin is `doubtful`; what nothing fits is not in the other capture.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks.pairing import Joins, Side
from handshake_inspect.verdicts.arrays import Keys
from handshake_inspect.verdicts.sets import host_key
from handshake_inspect.wire.const import ACK, SYN

SLACK_NS = 1_000_000  # more than a queue of the capture adds
DOUBT_NS = 1_000_000_000  # a path that is overloaded holds packets as long
MOST = 5_000_000  # pairs of SYNs that are compared, a few seconds; of a flood that is larger nothing is decided

Ints = NDArray[np.int64]


class Moments:
    """The connections that are left, by what they have in common, and when their SYNs passed."""

    def __init__(
        self, a: Side, b: Side, found: Joins, courses: tuple[Keys, Keys], span: tuple[int, int] | None
    ) -> None:
        """`span` is how much later packets of clients pass B than A, at least and at most; None where no pair says."""
        self.services = _services(a, b, found)
        self.span = span
        left = np.setdiff1d(np.arange(a.count), found.a), np.setdiff1d(np.arange(b.count), found.b)
        self.a = _Left(a, left[0], courses[0], self.services)
        self.b = _Left(b, left[1], courses[1], {key: key for key in self.services.values()})

    def pairs(self) -> tuple[Ints, Ints]:
        """The ids of those of which each fits the other alone."""
        fits = self._fits(SLACK_NS)
        alone = {pair[0]: mine for mine, pair in fits.items() if len(pair) == 1}
        counts: dict[int, int] = defaultdict(int)
        for pair in fits.values():
            for theirs in pair:
                counts[theirs] += 1
        joined = sorted((mine, theirs) for theirs, mine in alone.items() if counts[theirs] == 1)
        ids = np.array(joined, dtype=np.int64).reshape(-1, 2)
        return ids[:, 0], ids[:, 1]

    def settled(self, joined: tuple[Ints, Ints]) -> dict[str, frozenset[int]]:
        """By capture, those of a known service of which the other capture has nothing like it that is left."""
        taken = set(joined[1].tolist())
        if self._is_flood(DOUBT_NS):
            return {"a": frozenset(), "b": frozenset()}
        fits = {mine: set(pair) - taken for mine, pair in self._fits(DOUBT_NS).items()}
        doubtful = {each for pair in fits.values() for each in pair}
        return {
            "a": frozenset(mine for mine in self.a.times if not fits.get(mine)),
            "b": frozenset(theirs for theirs in self.b.times if theirs not in doubtful),
        }

    def _fits(self, slack: int) -> dict[int, list[int]]:
        """By connection of A, those of B whose SYNs all passed as much later as some of its own, within the slack."""
        if self.span is None or self._is_flood(slack):
            return {}
        low, high = self.span[0] - slack, self.span[1] + slack
        found = {}
        for mine, times in self.a.times.items():
            near = self.b.within(self.a.kind[mine], [(time + low, time + high) for time in times])
            found[mine] = [theirs for theirs in near if _fit(times, self.b.times[theirs], low, high)]
        return found

    def _is_flood(self, slack: int) -> bool:
        """Whether too many SYNs of B are as near to those of A as to be compared one by one."""
        if self.span is None:
            return False
        low, high = self.span[0] - slack, self.span[1] + slack
        spans = ((self.a.kind[mine], time) for mine, times in self.a.times.items() for time in times)
        near = accumulate(self.b.count(kind, time + low, time + high) for kind, time in spans)
        return any(count > MOST for count in near)


class _Left:
    """Of one capture: connections of known services by kind, and the times of all their SYNs."""

    def __init__(self, side: Side, ids: Ints, courses: Keys, services: dict[int, int]) -> None:
        self.times: dict[int, list[int]] = {}
        self.kind: dict[int, tuple[int, int, bool]] = {}
        self._syns: dict[tuple[int, int, bool], list[tuple[int, int]]] = defaultdict(list)
        service = _service(side)
        for number in ids[side.syn[ids] >= 0].tolist():
            if (known := services.get(int(service[number]))) is not None:
                self.kind[number] = known, int(courses[number]), bool(side.synack[number] >= 0)
                self.times[number] = []
        for number, time in _syns(side):
            if number in self.times:
                self.times[number].append(time)
                self._syns[self.kind[number]].append((time, number))
        for syns in self._syns.values():
            syns.sort()

    def within(self, kind: tuple[int, int, bool], spans: Iterable[tuple[int, int]]) -> list[int]:
        """The connections of this kind with a SYN in one of the spans."""
        near = (self._syns[kind][self._slice(kind, low, high)] for low, high in spans)
        return sorted({number for part in near for _, number in part})

    def count(self, kind: tuple[int, int, bool], low: int, high: int) -> int:
        """How many SYNs of this kind there are from `low` to `high`."""
        near = self._slice(kind, low, high)
        return int(near.stop - near.start)

    def _slice(self, kind: tuple[int, int, bool], low: int, high: int) -> slice:
        syns = self._syns[kind]
        return slice(bisect_left(syns, (low, -1)), bisect_right(syns, (high + 1, -1)))


def _fit(times: list[int], others: list[int], low: int, high: int) -> bool:
    """Whether each of the others is as much later as some of these."""
    return all(any(low <= other - time <= high for time in times) for other in others)


def _service(side: Side) -> Keys:
    """A name of what each connection was to, by its SYN."""
    rows = side.rows[np.maximum(side.syn, 0)]
    key: Keys = host_key(rows["dst_hi"], rows["dst_lo"], rows["dst_port"])
    return key


def _services(a: Side, b: Side, found: Joins) -> dict[int, int]:
    """Which service of A is which of B, where the pairs agree."""
    here, there = _service(a)[found.a], _service(b)[found.b]
    known = (a.syn[found.a] >= 0) & (b.syn[found.b] >= 0)
    became: dict[int, set[int]] = defaultdict(set)
    for one, other in set(zip(here[known].tolist(), there[known].tolist(), strict=True)):
        became[one].add(other)
    return {one: others.pop() for one, others in became.items() if len(others) == 1}


def _syns(side: Side) -> list[tuple[int, int]]:
    """Connection and time of every SYN of a client."""
    own = side.columns.from_client & (side.columns.owners >= 0) & (side.rows["flags"] & (SYN | ACK) == SYN)
    return list(zip(side.columns.owners[own].tolist(), side.rows["ts_ns"][own].tolist(), strict=True))
