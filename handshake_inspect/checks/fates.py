"""What became of the segments that only one of two captures has: lost, made between, or missed by the other capture.

That a capture missed segments is shown by what it has: the receiver acknowledged bytes of which it has no copy, the
sender went on behind bytes that it never seems to have sent, or it has one direction of a connection alone.  Where it
has nothing at all for a while, and missed several segments then, it missed all.  Of pure acknowledgments nothing shows
whether they came: where a capture misses segments now and then, they are not known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks.segment_join import Shared
from handshake_inspect.report.model import Capture
from handshake_inspect.report.paired import Fate, Way
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.wire.const import ACK, RST, SYN

MARGIN_NS = 1_000_000  # more than a queue of the capture lets two packets of one moment differ
SEVERAL = 3  # segments that were missed show that more were

Ints = NDArray[np.int64]
Shift = Callable[[Way], tuple[int, int]]


@dataclass(eq=False)
class Point:
    """One of the captures: its segments of joined connections, when any of its segments came, and what it says."""

    shared: Shared
    times: Ints  # sorted
    capture: Capture
    leaks: bool = False  # it misses segments now and then

    def ran(self, least: Ints, most: Ints) -> Bools:
        """Whether it ran from `least` to `most`, by its clock."""
        first, last = self.capture.first_ns, self.capture.last_ns
        if first is None or last is None:
            return np.zeros(len(least), dtype=np.bool_)
        ended = max(last, self.capture.ended_ns or 0)
        return (least - MARGIN_NS >= first) & (most + MARGIN_NS <= ended)

    @cached_property
    def reaches(self) -> dict[bool, Ints]:
        """By who sends, how far its segments begin at most, pair by pair; RSTs aside."""
        count = int(self.shared.pair.max(initial=-1)) + 1
        far = {}
        for from_client in (True, False):
            those = (self.shared.from_client == from_client) & (self.shared.flags & RST == 0)
            far[from_client] = np.full(count + 1, -1, dtype=np.int64)
            np.maximum.at(far[from_client], self.shared.pair[those], self.shared.seq[those])
        return far

    def reach(self, pair: int, *, from_client: bool) -> int:
        """The same of one pair; -1 where it has nothing of that end."""
        far = self.reaches[from_client]
        return int(far[pair]) if pair < len(far) - 1 else -1


@dataclass(eq=False)
class Direction:
    """The segments of one way: places at the capture that they pass first, and at the other one."""

    way: Way
    first: Shared
    second: Shared
    sent: Ints  # places in `first`
    born: Ints  # places in `second`: a box between made them
    missed: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # likewise: `first` lacks them
    fates: dict[int, Fate] = field(default_factory=dict)  # of those of `sent` that did not arrive


def directions(a: Point, b: Point, forth: tuple[Bools, Bools], shift: Shift) -> dict[Way, Direction]:
    """What became of all segments; `forth`: which of A's and of B's go from A to B.

    `shift`: what times at the far end of a way exceed those at the near one by, at least and at most.
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
    """From when to when a capture that has segments at these times has none, and missed several."""
    place = np.searchsorted(times, proved)
    known, counts = np.unique(place, return_counts=True)
    inside = known[(counts >= SEVERAL) & (known > 0) & (known < len(times))]
    return [(int(times[at - 1]), int(times[at])) for at in inside.tolist()]


class _Lacking:
    """The segments of one way that one of the captures lacks."""

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
        self.unseen: set[int] = set()  # of `extra`: the near capture missed them
        self._proved: dict[int, list[int]] = {id(near): [], id(far): []}
        self._look()

    def _look(self) -> None:
        """What single segments prove."""
        for at in (at for at, fate in self.fates.items() if fate == "lost"):
            one_sided = self._is_one_sided(self.near.shared, self.far, at)
            if one_sided or (_takes_room(self.near.shared, at) and self._was_received(at)):
                self.fates[at] = "not-captured"
                if not one_sided:
                    self._proved[id(self.far)].append(int(self.near.shared.ts[at]) + self.middle)
        for at in self.extra.tolist():
            one_sided = self._is_one_sided(self.far.shared, self.near, at)
            if one_sided or self._went_on(at):
                self.unseen.add(at)
                if not one_sided:
                    self._proved[id(self.near)].append(int(self.far.shared.ts[at]) - self.middle)

    def proved(self, point: Point) -> Ints:
        """When, by its clock, a capture missed what it should have."""
        return np.array(self._proved[id(point)], dtype=np.int64)

    def settle(self, point: Point, gaps: list[tuple[int, int]]) -> None:
        """What a capture can have missed beside."""
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
        """All of it."""
        unseen = np.isin(self.extra, sorted(self.unseen))
        return Direction(
            self.way, self.near.shared, self.far.shared, self.sent, self.extra[~unseen], self.extra[unseen], self.fates
        )

    def _was_received(self, at: int) -> bool:
        """Whether the receiver acknowledged numbers of which the far capture has no copy at all: it missed them."""
        first, second = self.near.shared, self.far.shared
        begin, end = int(first.seq[at]), _end(first, at)
        mine = second.of_pair(int(first.pair[at]))
        same = second.from_client[mine] == first.from_client[at]
        if (same & (second.seq[mine] < end) & (second.ends[mine] > begin)).any():
            return False
        return bool((~same & (second.ack[mine] >= end)).any())

    def _went_on(self, at: int) -> bool:
        """Whether the sender went on, in the near capture, behind what that one lacks: it was sent there, too."""
        shared = self.far.shared
        if shared.flags[at] & RST or not _takes_room(shared, at):
            return False
        return self.near.reach(int(shared.pair[at]), from_client=bool(shared.from_client[at])) >= _end(shared, at)

    def _is_one_sided(self, shared: Shared, other: Point, at: int) -> bool:
        """Whether the other capture has nothing of this segment's sender, though it has what answers it."""
        sender, pair = bool(shared.from_client[at]), int(shared.pair[at])
        if shared.flags[at] & RST or other.reach(pair, from_client=sender) >= 0:
            return False
        theirs = other.shared.of_pair(pair)
        answers = other.shared.flags[theirs] & (ACK | SYN | RST) == ACK
        return int(np.count_nonzero(answers)) >= 2


def _is_in(gaps: list[tuple[int, int]], time: int) -> bool:
    return any(begin < time < end for begin, end in gaps)


def _is_bare(shared: Shared, at: int) -> bool:
    """Whether a segment is a pure acknowledgment."""
    return not _takes_room(shared, at) and not shared.flags[at] & RST


def _takes_room(shared: Shared, at: int) -> bool:
    """Whether a segment takes sequence numbers, which are acknowledged."""
    return _end(shared, at) > int(shared.seq[at])


def _end(shared: Shared, at: int) -> int:
    return int(shared.ends[at])
