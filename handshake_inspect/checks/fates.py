"""The fate of segments that only one of two captures has: lost, injected between, or not captured by the other.

A capture provably missed segments if the receiver acknowledged bytes of which it has no copy, if the sender continued
after bytes that it seems never to have sent, or if it has only one direction of a connection.  If it has no segments at
all for a while and missed several then, it missed all in that gap.  Nothing proves the arrival of pure ACKs, so in a
capture that misses segments now and then their fate is undecided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks.segment_join import JoinedSegments
from handshake_inspect.report.model import Capture
from handshake_inspect.report.paired import Fate, Way
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.wire.const import ACK, RST, SYN

MARGIN_NS = 1_000_000  # more than capture queues delay simultaneous packets
SEVERAL = 3  # this many missed segments suggest that there are more

Ints = NDArray[np.int64]
Shift = Callable[[Way], tuple[int, int]]


@dataclass(eq=False)
class Point:
    """One capture: its segments of joined connections, the times of all its segments, and its metadata."""

    shared: JoinedSegments
    times: Ints  # sorted
    capture: Capture
    leaks: bool = False  # the capture misses segments now and then
    _ranges: dict[tuple[int, bool], tuple[Ints, Ints]] = field(default_factory=dict, init=False)

    def ran(self, least: Ints, most: Ints) -> Bools:
        """Return a mask: whether the capture was running from `least` to `most`, by its own clock."""
        first, last = self.capture.first_ns, self.capture.last_ns
        if first is None or last is None:
            return np.zeros(len(least), dtype=np.bool_)
        ended = max(last, self.capture.ended_ns or 0)
        return (least - MARGIN_NS >= first) & (most + MARGIN_NS <= ended)

    @cached_property
    def _reaches(self) -> dict[bool, Ints]:
        """The highest relative sequence number per pair, by sender (True for the client); RSTs do not count."""
        far = {}
        for from_client in (True, False):
            those = (self.shared.from_client == from_client) & (self.shared.flags & RST == 0)
            far[from_client] = np.full(self._pairs, -1, dtype=np.int64)
            np.maximum.at(far[from_client], self.shared.pair[those], self.shared.seq[those])
        return far

    @cached_property
    def _pairs(self) -> int:
        return int(self.shared.pair.max(initial=-1)) + 1

    @cached_property
    def _acks(self) -> Ints:
        """The number of segments per pair that are neither SYN nor RST, and acknowledge something."""
        acks = self.shared.flags & (ACK | SYN | RST) == ACK
        return np.bincount(self.shared.pair[acks], minlength=self._pairs)

    @cached_property
    def _acknowledged(self) -> dict[bool, Ints]:
        """The highest relative acknowledgment number per pair, by sender."""
        most = {}
        for from_client in (True, False):
            those = self.shared.from_client == from_client
            most[from_client] = np.full(self._pairs, -1, dtype=np.int64)
            np.maximum.at(most[from_client], self.shared.pair[those], self.shared.ack[those])
        return most

    def acknowledged(self, pair: int, *, from_client: bool) -> int:
        """Return the highest relative acknowledgment number of one pair; -1 if nothing of that end was captured."""
        return int(self._acknowledged[from_client][pair]) if pair < self._pairs else -1

    def has_any(self, pair: int, begin: int, end: int, *, from_client: bool) -> bool:
        """Whether a segment of one end has or is among the bytes from `begin` up to `end`."""
        if (pair, from_client) not in self._ranges:
            mine = self.shared.of_pair(pair)
            mine = mine[self.shared.from_client[mine] == from_client]
            mine = mine[np.argsort(self.shared.seq[mine], kind="stable")]
            self._ranges[pair, from_client] = self.shared.seq[mine], np.maximum.accumulate(self.shared.ends[mine])
        begins, ends = self._ranges[pair, from_client]
        before = int(np.searchsorted(begins, end))
        return before > 0 and bool(ends[before - 1] > begin)

    def reach(self, pair: int, *, from_client: bool) -> int:
        """Return the highest relative sequence number of one pair; -1 if nothing of that end was captured."""
        return int(self._reaches[from_client][pair]) if pair < self._pairs else -1

    def lacks(self, pair: int, *, from_client: bool) -> bool:
        """Whether the capture has only the opposite direction of a pair."""
        return self.reach(pair, from_client=from_client) < 0 and pair < self._pairs and bool(self._acks[pair] >= 2)


@dataclass(eq=False)
class Direction:
    """The segments of one direction, as indices into the capture that they pass first and into the second."""

    way: Way
    first: JoinedSegments
    second: JoinedSegments
    sent: Ints  # indices in `first`
    born: Ints  # indices in `second`, of segments that a middlebox made
    missed: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # indices in `second`; not in `first`
    fates: dict[int, Fate] = field(default_factory=dict)  # by index, for segments of `sent` missing in `second`


def directions(a: Point, b: Point, forth: tuple[Bools, Bools], shift: Shift) -> dict[Way, Direction]:
    """Determine the fate of all segments; `forth` are the masks of A's and B's segments that go from A to B.

    `shift` returns minimum and maximum of the second capture's timestamp minus the first's (ns) for a direction.
    """
    ways = [
        _Lacking("a-to-b", a, b, forth[0], forth[1], shift("a-to-b")),
        _Lacking("b-to-a", b, a, ~forth[1], ~forth[0], shift("b-to-a")),
    ]
    for point in (a, b):
        proved = np.sort(np.concatenate([each.proved(point) for each in ways]))
        gaps = _gaps(point.times, proved)
        point.leaks = len(proved) >= SEVERAL or bool(point.capture.dropped_by_kernel)
        for each in ways:
            each.settle(point, gaps)
    return {each.way: each.direction() for each in ways}


def _gaps(times: Ints, proved: Ints) -> list[tuple[int, int]]:
    """Return the intervals between segments (`times`, sorted) in which several segments provably were missed."""
    place = np.searchsorted(times, proved)
    known, counts = np.unique(place, return_counts=True)
    inside = known[(counts >= SEVERAL) & (known > 0) & (known < len(times))]
    return [(int(times[at - 1]), int(times[at])) for at in inside.tolist()]


class _Lacking:
    """The segments of one direction that one of the captures lacks."""

    def __init__(self, way: Way, near: Point, far: Point, goes: Bools, came: Bools, span: tuple[int, int]) -> None:
        self.way, self.near, self.far = way, near, far
        first, second = near.shared, far.shared
        self.sent = np.flatnonzero(goes)
        here = np.flatnonzero(came)
        self.missing = self.sent[(first.partner[self.sent] < 0) & ~first.covered[self.sent]]
        extra = here[(second.partner[here] < 0) & ~second.covered[here]]
        self.middle = (span[0] + span[1]) // 2
        watched = far.ran(first.ts[self.missing] + span[0], first.ts[self.missing] + span[1])
        self.extra = extra[near.ran(second.ts[extra] - span[1], second.ts[extra] - span[0])]
        self.fates: dict[int, Fate] = {
            at: "lost" if ran else "undecided" for at, ran in zip(self.missing.tolist(), watched.tolist(), strict=True)
        }
        self.unseen: set[int] = set()  # indices of `extra` that the near capture missed
        self._proved: dict[int, list[int]] = {id(near): [], id(far): []}
        self._look()

    def _look(self) -> None:
        """Decide what single segments prove."""
        for at in (at for at, fate in self.fates.items() if fate == "lost"):
            one_sided = _is_one_sided(self.near.shared, self.far, at)
            if one_sided or (_takes_room(self.near.shared, at) and self._was_received(at)):
                self.fates[at] = "not-captured"
                if not one_sided:
                    self._proved[id(self.far)].append(int(self.near.shared.ts[at]) + self.middle)
        for at in self.extra.tolist():
            one_sided = _is_one_sided(self.far.shared, self.near, at)
            if one_sided or self._went_on(at):
                self.unseen.add(at)
                if not one_sided:
                    self._proved[id(self.near)].append(int(self.far.shared.ts[at]) - self.middle)

    def proved(self, point: Point) -> Ints:
        """Return the times (by its own clock) at which a capture provably missed segments."""
        return np.array(self._proved[id(point)], dtype=np.int64)

    def settle(self, point: Point, gaps: list[tuple[int, int]]) -> None:
        """Decide which further segments a capture may have missed: those in gaps, and pure ACKs if it leaks."""
        if point is self.far:
            shared = self.near.shared
            for at in (at for at, fate in self.fates.items() if fate == "lost"):
                if _is_in(gaps, int(shared.ts[at]) + self.middle):
                    self.fates[at] = "not-captured"
                elif point.leaks and _is_bare(shared, at):
                    self.fates[at] = "undecided"
            return
        shared = self.far.shared
        for at in self.extra.tolist():
            if _is_in(gaps, int(shared.ts[at]) - self.middle) or (point.leaks and _is_bare(shared, at)):
                self.unseen.add(at)

    def direction(self) -> Direction:
        """Return the result."""
        unseen = np.isin(self.extra, sorted(self.unseen))
        return Direction(
            self.way, self.near.shared, self.far.shared, self.sent, self.extra[~unseen], self.extra[unseen], self.fates
        )

    def _was_received(self, at: int) -> bool:
        """Whether the receiver acknowledged the segment although the far capture has no copy: it missed it."""
        shared = self.near.shared
        pair, from_client = int(shared.pair[at]), bool(shared.from_client[at])
        if self.far.has_any(pair, int(shared.seq[at]), _end(shared, at), from_client=from_client):
            return False
        return self.far.acknowledged(pair, from_client=not from_client) >= _end(shared, at)

    def _went_on(self, at: int) -> bool:
        """Whether the sender continued after the segment in the near capture: that capture missed it."""
        shared = self.far.shared
        if shared.flags[at] & RST or not _takes_room(shared, at):
            return False
        return self.near.reach(int(shared.pair[at]), from_client=bool(shared.from_client[at])) >= _end(shared, at)


def _is_one_sided(shared: JoinedSegments, other: Point, at: int) -> bool:
    """Whether the other capture has only the opposite direction of the segment's connection; never of a RST's."""
    if shared.flags[at] & RST:
        return False
    return other.lacks(int(shared.pair[at]), from_client=bool(shared.from_client[at]))


def _is_in(gaps: list[tuple[int, int]], time: int) -> bool:
    return any(begin < time < end for begin, end in gaps)


def _is_bare(shared: JoinedSegments, at: int) -> bool:
    """Whether a segment is a pure ACK."""
    return not _takes_room(shared, at) and not shared.flags[at] & RST


def _takes_room(shared: JoinedSegments, at: int) -> bool:
    """Whether a segment occupies sequence space."""
    return _end(shared, at) > int(shared.seq[at])


def _end(shared: JoinedSegments, at: int) -> int:
    return int(shared.ends[at])
