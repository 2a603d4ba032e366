"""Match connections by the times of their SYNs, once other pairs show the delay between both captures.

Behind a middlebox that rewrites addresses and sequence numbers, scripted clients all send the same bytes, and an
unanswered SYN has no course at all.  Pairs that are already known show how services were translated, and the minimum
and maximum time by which SYNs pass B later than A.  Two connections match if each is the only one that fits the other.
Connections that fit only within a wider margin are doubtful; those that nothing fits are absent from the other capture.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks.pairing import CaptureSide, ConnectionPairs
from handshake_inspect.verdicts.arrays import Keys
from handshake_inspect.verdicts.sets import host_key

SLACK_NS = 1_000_000  # more than the queues of a capture add
WIDE_SLACK_NS = 1_000_000_000  # queueing delay of an overloaded path
MAX_SYN_PAIRS = 5_000_000  # SYN pairs to compare, a few seconds; for larger floods nothing is decided

Ints = NDArray[np.int64]


class SynTimingJoin:
    """Matches the remaining connections of both captures by service, course, SYN-ACK and the times of their SYNs."""

    def __init__(
        self,
        a: CaptureSide,
        b: CaptureSide,
        found: ConnectionPairs,
        courses: tuple[Keys, Keys],
        span: tuple[int, int] | None,
    ) -> None:
        """`span` is the range of B's timestamp minus A's for client packets (ns), or None if unknown."""
        self.services = _services(a, b, found)
        self.span = span
        left = np.setdiff1d(np.arange(a.count), found.a), np.setdiff1d(np.arange(b.count), found.b)
        self.a = _Unmatched(a, left[0], courses[0], self.services)
        self.b = _Unmatched(b, left[1], courses[1], {key: key for key in self.services.values()})

    def pairs(self) -> tuple[Ints, Ints]:
        """Return the ids in A and B of connections that fit each other and nothing else."""
        fits = self._candidates(SLACK_NS)
        alone = {pair[0]: mine for mine, pair in fits.items() if len(pair) == 1}
        counts: dict[int, int] = defaultdict(int)
        for pair in fits.values():
            for theirs in pair:
                counts[theirs] += 1
        joined = sorted((mine, theirs) for theirs, mine in alone.items() if counts[theirs] == 1)
        ids = np.array(joined, dtype=np.int64).reshape(-1, 2)
        return ids[:, 0], ids[:, 1]

    def absent(self, joined: tuple[Ints, Ints]) -> dict[str, frozenset[int]]:
        """Return, by capture, the ids of connections to known services that fit nothing in the other capture."""
        taken = set(joined[1].tolist())
        if self._is_flood(WIDE_SLACK_NS):
            return {"a": frozenset(), "b": frozenset()}
        fits = {mine: set(pair) - taken for mine, pair in self._candidates(WIDE_SLACK_NS).items()}
        doubtful = {each for pair in fits.values() for each in pair}
        return {
            "a": frozenset(mine for mine in self.a.times if not fits.get(mine)),
            "b": frozenset(theirs for theirs in self.b.times if theirs not in doubtful),
        }

    def _candidates(self, slack: int) -> dict[int, list[int]]:
        """Return, for each connection of A, those of B whose SYNs all fit its own within the slack."""
        if self.span is None or self._is_flood(slack):
            return {}
        low, high = self.span[0] - slack, self.span[1] + slack
        found = {}
        for mine, times in self.a.times.items():
            near = self.b.with_syn_in(self.a.kind[mine], [(time + low, time + high) for time in times])
            found[mine] = [theirs for theirs in near if _fit(times, self.b.times[theirs], low, high)]
        return found

    def _is_flood(self, slack: int) -> bool:
        """Whether there are too many close SYNs to compare them one by one."""
        if self.span is None:
            return False
        low, high = self.span[0] - slack, self.span[1] + slack
        spans = ((self.a.kind[mine], time) for mine, times in self.a.times.items() for time in times)
        near = accumulate(self.b.count(kind, time + low, time + high) for kind, time in spans)
        return any(count > MAX_SYN_PAIRS for count in near)


class _Unmatched:
    """The unmatched connections of one capture to known services: their kind and the times of all their SYNs."""

    def __init__(self, side: CaptureSide, ids: Ints, courses: Keys, services: dict[int, int]) -> None:
        self.times: dict[int, list[int]] = {}
        self.kind: dict[int, tuple[int, int, bool]] = {}
        self._syns: dict[tuple[int, int, bool], list[tuple[int, int]]] = defaultdict(list)
        service = _service(side)
        for number in ids[side.syn[ids] >= 0].tolist():
            if (known := services.get(int(service[number]))) is not None:
                self.kind[number] = known, int(courses[number]), bool(side.synack[number] >= 0)
                self.times[number] = side.syn_times[number]
                self._syns[self.kind[number]] += ((time, number) for time in self.times[number])
        for syns in self._syns.values():
            syns.sort()

    def with_syn_in(self, kind: tuple[int, int, bool], spans: Iterable[tuple[int, int]]) -> list[int]:
        """Return the connections of this kind with a SYN in one of the time ranges."""
        near = (self._syns[kind][self._slice(kind, low, high)] for low, high in spans)
        return sorted({number for part in near for _, number in part})

    def count(self, kind: tuple[int, int, bool], low: int, high: int) -> int:
        """Return the number of SYNs of this kind from `low` to `high`."""
        near = self._slice(kind, low, high)
        return int(near.stop - near.start)

    def _slice(self, kind: tuple[int, int, bool], low: int, high: int) -> slice:
        syns = self._syns[kind]
        return slice(bisect_left(syns, (low, -1)), bisect_right(syns, (high + 1, -1)))


def _fit(times: list[int], others: list[int], low: int, high: int) -> bool:
    """Whether each of `others` follows one of `times` by `low` to `high` ns."""
    return all(any(low <= other - time <= high for time in times) for other in others)


def _service(side: CaptureSide) -> Keys:
    """Return a key of the server per connection, from its SYN."""
    rows = side.rows[np.maximum(side.syn, 0)]
    key: Keys = host_key(rows["dst_hi"], rows["dst_lo"], rows["dst_port"])
    return key


def _services(a: CaptureSide, b: CaptureSide, found: ConnectionPairs) -> dict[int, int]:
    """Return a map of services of A to services of B, as far as all pairs agree."""
    here, there = _service(a)[found.a], _service(b)[found.b]
    known = (a.syn[found.a] >= 0) & (b.syn[found.b] >= 0)
    became: dict[int, set[int]] = defaultdict(set)
    for one, other in set(zip(here[known].tolist(), there[known].tolist(), strict=True)):
        became[one].add(other)
    return {one: others.pop() for one, others in became.items() if len(others) == 1}
