"""Join two captures of the same traffic: loss and delay between them, and changes by a middlebox."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any, Literal

import numpy as np

from handshake_inspect.checks.changes import changes
from handshake_inspect.checks.clocks import Bounds, bounds, clock
from handshake_inspect.checks.course_join import match_connections
from handshake_inspect.checks.fates import Direction, Ints, Point, directions
from handshake_inspect.checks.pairing import CaptureSide, ConnectionPairs
from handshake_inspect.checks.segment_join import JoinedSegments, match_segments
from handshake_inspect.errors import UsageError
from handshake_inspect.report.narrate import flag_letters
from handshake_inspect.report.paired import (
    Alone,
    Delays,
    Fate,
    Interval,
    Paired,
    PairedConnection,
    PairedSegment,
    PairSummary,
    Passage,
    SynFate,
    Way,
)
from handshake_inspect.report.segment_columns import SegmentColumns, grouped
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.wire.const import ACK, RST, SYN

MAX_FRAMES_LISTED = 100  # frame numbers listed per direction

NOTHING = np.empty(0, dtype=np.int64)
CaptureName = Literal["a", "b"]
AloneFate = Literal["lost", "not-seen", "undecided"]


def pair_captures(a: SegmentColumns, b: SegmentColumns, wanted: int | None = None) -> Paired:
    """Join two captures; `wanted` is the id in A of a connection whose segments should be listed.

    Raises UsageError if no connection is in both captures, or `wanted` is not.
    """
    side_a, side_b = CaptureSide(a), CaptureSide(b)
    found = match_connections(side_a, side_b)
    if not len(found.a):
        raise UsageError("no connection is in both captures: are they of the same traffic, at the same time?")
    work = _Pairing(side_a, side_b, found)
    connections = [work.connection(number) for number in range(len(found.a))]
    alone = [*work.alone("a"), *work.alone("b")]
    counted = Counter(what for each in connections for what in {change.what for change in each.changes})
    summary = PairSummary(
        len(connections), sum(each.capture == "a" for each in alone), sum(each.capture == "b" for each in alone),
        work.passage(None, "a-to-b"), work.passage(None, "b-to-a"), dict(sorted(counted.items())),
    )  # fmt: skip
    return Paired(
        tool=a.report.tool, a=a.report.capture, b=b.report.capture, nearer_to_clients=work.near, clock=work.clock,
        summary=summary, connections=connections, alone=alone, explained=wanted, segments=work.segments(wanted),
    )  # fmt: skip


class _Pairing:
    """Two joined captures: orientation, clock bounds, and the fate of every segment."""

    def __init__(self, a: CaptureSide, b: CaptureSide, found: ConnectionPairs) -> None:
        self.side = {"a": a, "b": b}
        self.found = found
        self.a, self.b = match_segments(a, b, found)
        self.near: CaptureName = "a" if self._client_side_sign() >= 0 else "b"
        self.bounds = self._bounds()
        self.clock = clock(self.bounds, *self._forth, *self._back)
        self.point = {"a": self._point(a, self.a), "b": self._point(b, self.b)}
        forth = self._is_a_to_b(self.a), self._is_a_to_b(self.b)
        self.ways = directions(self.point["a"], self.point["b"], forth, self._shift)

    # -- topology and clocks -------------------------------------------------------------------------------------------

    def _client_side_sign(self) -> int:
        """Return a positive number if client packets pass A first: by TTL, or else by SYN to SYN-ACK times."""
        at = np.flatnonzero((self.a.partner >= 0) & self.a.certain)
        hops = self.a.rows["ttl"][at].astype(np.int64) - self.b.rows["ttl"][self.a.partner[at]].astype(np.int64)
        hops = np.where(self.a.from_client[at], hops, -hops)
        if (balance := int(np.sign(hops).sum())) != 0:
            return balance
        times = []
        for name, ids in (("a", self.found.a), ("b", self.found.b)):
            connections = self.side[name].connections
            times.append([connections[int(number)].rtt.synack.value_ns for number in ids[:1000]])
        longer = [one - other for one, other in zip(*times, strict=True) if one is not None and other is not None]
        return int(np.sign(longer).sum()) if longer else 0

    def _is_a_to_b(self, shared: JoinedSegments) -> Bools:
        """Return a mask of the segments that pass A before B."""
        mask: Bools = shared.from_client == (self.near == "a")
        return mask

    @cached_property
    def _certain_pairs(self) -> tuple[Ints, Ints]:
        at = np.flatnonzero((self.a.partner >= 0) & self.a.certain)
        return at, self.a.partner[at]

    @cached_property
    def _forth(self) -> tuple[Ints, Ints]:
        at, other = self._certain_pairs
        forth = self._is_a_to_b(self.a)[at]
        return self.a.ts[at][forth], (self.b.ts[other] - self.a.ts[at])[forth]

    @cached_property
    def _back(self) -> tuple[Ints, Ints]:
        at, other = self._certain_pairs
        back = ~self._is_a_to_b(self.a)[at]
        return self.a.ts[at][back], (self.a.ts[at] - self.b.ts[other])[back]

    def _bounds(self) -> Bounds:
        return bounds(*self._forth, *self._back)

    # -- fates ---------------------------------------------------------------------------------------------------------

    @staticmethod
    def _point(side: CaptureSide, shared: JoinedSegments) -> Point:
        return Point(shared, np.sort(side.rows["ts_ns"].astype(np.int64)), side.columns.report.capture)

    def _shift(self, way: Way) -> tuple[int, int]:
        """Return minimum and maximum of the second capture's timestamp minus the first's (ns), delays included."""
        forth, back = self._forth[1], self._back[1]
        own, other = (forth, back) if way == "a-to-b" else (back, forth)
        if len(own):
            return int(own.min()), int(own.max())
        return (-int(other.max()), -int(other.min())) if len(other) else (0, 0)

    # -- report --------------------------------------------------------------------------------------------------------

    def connection(self, number: int) -> PairedConnection:
        """Return the report entry of a joined connection."""
        ids = {"a": int(self.found.a[number]), "b": int(self.found.b[number])}
        connections = {name: self.side[name].connections[ids[name]] for name in ("a", "b")}
        shown = connections[self.near]
        forth, back = self.passage(number, "a-to-b"), self.passage(number, "b-to-a")
        own, other = (forth, back) if self.near == "a" else (back, forth)
        return PairedConnection(
            ids["a"], ids["b"], self.found.bases[number], shown.client, shown.server.service, shown.outcome,
            self._syn(number), own, other,
            changes(self.side["a"], self.side["b"], (ids["a"], ids["b"]), (connections["a"], connections["b"])),
        )  # fmt: skip

    @cached_property
    def _indices_by_pair(self) -> dict[Way, tuple[dict[int, Ints], ...]]:
        """Indices of the segments sent, born and missed, by direction, then by pair."""
        return {
            way: (
                grouped(each.first.pair, each.sent),
                grouped(each.second.pair, each.born),
                grouped(each.second.pair, each.missed),
            )
            for way, each in self.ways.items()
        }

    def _indices(self, number: int, way: Way) -> tuple[Ints, ...]:
        """Return the indices of the segments of a pair that were sent, born and missed in one direction."""
        return tuple(by_pair.get(number, NOTHING) for by_pair in self._indices_by_pair[way])

    def passage(self, number: int | None, way: Way) -> Passage:
        """Return counts of the segments of one direction by fate, for one pair or (`number` None) for all."""
        direction = self.ways[way]
        every = direction.sent, direction.born, direction.missed
        sent, born, missed = every if number is None else self._indices(number, way)
        first, second = direction.first, direction.second
        lacking = sent[(first.partner[sent] < 0) & ~first.covered[sent]].tolist()
        fates = Counter(direction.fates[at] for at in lacking)
        lost = [at for at in lacking if direction.fates[at] == "lost"]
        resets = (second.flags[born] & RST) != 0
        return Passage(
            way, "client" if (way == "a-to-b") == (self.near == "a") else "server", len(sent), len(sent) - len(lacking),
            fates["lost"], int(first.length[lost].sum()) if lost else 0, fates["not-captured"], fates["undecided"],
            len(born), int(resets.sum()), [int(first.rows["frame"][at]) for at in lost[:MAX_FRAMES_LISTED]],
            second.rows["frame"][born[:MAX_FRAMES_LISTED]].tolist(), self._delays(direction, sent), len(missed),
        )  # fmt: skip

    def _delays(self, direction: Direction, sent: Ints) -> Delays | None:
        """Return minimum, median and maximum one-way delay as intervals."""
        first, second = direction.first, direction.second
        at = sent[(first.partner[sent] >= 0) & first.certain[sent]]
        if not len(at) or self.clock.offset is None:
            return None
        low, high = self._delay_bounds(direction.way, first.ts[at], second.ts[first.partner[at]])
        low.sort()
        high.sort()
        places = (0, len(at) // 2, len(at) - 1)
        return Delays(len(at), *(Interval(int(low[place]), int(high[place])) for place in places))

    def _delay_bounds(self, way: Way, sent: Ints, came: Ints) -> tuple[Any, Any]:
        low, high = self.bounds.at(sent if way == "a-to-b" else came)  # times by A's clock
        apart = (came - sent).astype(np.float64)
        if way == "a-to-b":
            return np.maximum(np.floor(apart - high), 0), np.maximum(np.ceil(apart - low), 0)
        return np.maximum(np.floor(apart + low), 0), np.maximum(np.ceil(apart + high), 0)

    def _syn(self, number: int) -> SynFate:
        """Return how far the SYNs of a connection got and whether they were answered."""
        shared = self.a if self.near == "a" else self.b
        way: Way = "a-to-b" if self.near == "a" else "b-to-a"
        mine = shared.of_pair(number)
        syns = mine[shared.from_client[mine] & (shared.flags[mine] & (SYN | ACK) == SYN)].tolist()
        came = [at for at in syns if shared.partner[at] >= 0]
        if not came:
            lost = any(self.ways[way].fates.get(at) == "lost" for at in syns)
            return "lost-a-to-b" if lost else "undecided"
        ids = {"a": self.found.a[number], "b": self.found.b[number]}
        answered = {name: self.side[name].synack[ids[name]] >= 0 for name in ids}
        if answered[self.near] or self.side[self.near].connections[ids[self.near]].outcome == "established":
            return "arrived"
        return "answer-lost" if answered["b" if self.near == "a" else "a"] else "lost-beyond"

    def alone(self, name: CaptureName) -> list[Alone]:
        """Return the connections that only capture `name` has."""
        side = self.side[name]
        way: Way = "a-to-b" if name == "a" else "b-to-a"
        ids = self.found.a if name == "a" else self.found.b
        servers = {side.connections[number].server.ip for number in ids.tolist()}
        left = [side.connections[number] for number in np.setdiff1d(np.arange(side.count), ids).tolist()]
        began, span = np.array([each.first_ns for each in left], dtype=np.int64), self._shift(way)
        ran = self.point["b" if name == "a" else "a"].ran(began + span[0], began + span[1])
        doubtful, leaks = self.found.doubtful[name], any(point.leaks for point in self.point.values())
        found = []
        for each, ran_then in zip(left, ran.tolist(), strict=True):
            here, known = each.server.ip in servers, ran_then and each.id not in doubtful
            fate: AloneFate = "undecided" if not known or (here and leaks) else "lost" if here else "not-seen"
            found.append(Alone(name, each.id, each.client, each.server.service, each.first_frame, each.outcome, fate))
        return found

    def segments(self, wanted: int | None) -> list[PairedSegment] | None:
        """Return the segments of the connection with this id in A, sorted by A's clock."""
        if wanted is None:
            return None
        numbers = np.flatnonzero(self.found.a == wanted)
        if not len(numbers):
            raise UsageError(f"connection {wanted} of A is not in B; hsi pair --all lists those that are in both")
        number, listed = int(numbers[0]), []
        offset = 0 if self.clock.offset is None else (self.clock.offset.min + self.clock.offset.max) // 2
        for way, direction in self.ways.items():
            partner = direction.first.partner
            sent, born, missed = (each.tolist() for each in self._indices(number, way))
            listed += [self._segment(direction, at, partner[at]) for at in sent]
            listed += [self._segment(direction, -1, at) for at in born]
            listed += [self._segment(direction, -1, at, "not-captured") for at in missed]
        listed.sort(key=lambda each: each.a_ns if each.a_ns is not None else (each.b_ns or 0) - offset)
        return listed

    def _segment(self, direction: Direction, at: int, other: int, unsent: Fate = "born") -> PairedSegment:
        first, second = direction.first, direction.second
        shared, place = (first, at) if at >= 0 else (second, other)
        fate: Fate = unsent if at < 0 else direction.fates.get(at, "arrived")
        here = _frame_and_time(first, at)
        there = _frame_and_time(second, other)
        delay = None
        if at >= 0 and other >= 0 and first.certain[at] and self.clock.offset is not None:
            low, high = self._delay_bounds(direction.way, first.ts[at : at + 1], second.ts[other : other + 1])
            delay = Interval(int(low[0]), int(high[0]))
        (a_frame, a_ns), (b_frame, b_ns) = (here, there) if direction.way == "a-to-b" else (there, here)
        sender: Literal["client", "server"] = "client" if shared.from_client[place] else "server"
        return PairedSegment(
            direction.way, sender, fate, a_frame, a_ns, b_frame, b_ns, flag_letters(int(shared.flags[place])),
            int(shared.seq[place]), int(shared.length[place]), delay,
        )  # fmt: skip


def _frame_and_time(shared: JoinedSegments, at: int) -> tuple[int | None, int | None]:
    """Return frame number and time of a segment; None for index -1."""
    return (int(shared.rows["frame"][at]), int(shared.ts[at])) if at >= 0 else (None, None)
