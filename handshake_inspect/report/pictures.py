"""Data for charts of a report: connections over time, by RTT, and by trouble.

Everything is computed from columns, so that millions of connections cost no more than their arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from handshake_inspect.report.column import Addresses, Column, Mask, Numbers, Words
from handshake_inspect.report.columns import Columns
from handshake_inspect.report.connections import RowConnections
from handshake_inspect.report.fields import find
from handshake_inspect.report.model import OUTCOMES, Endpoint, Outcome, Report
from handshake_inspect.report.scales import cells, log_place, scale_of
from handshake_inspect.report.trouble import trouble_kinds
from handshake_inspect.verdicts.arrays import Array
from handshake_inspect.verdicts.sets import distinct, host_key, run_starts
from handshake_inspect.wire.address import address_text, are_ipv4, halves_within
from handshake_inspect.wire.text import endpoint_text

Leg = Literal["synack", "ackdat", "total"]

BINS = 96  # of a timeline
BUCKETS = 44  # of a histogram
CLOUD = (120, 32)  # columns and rows of a scatter plot
_FIELDS = (
    "first_ns", "last_ns", "outcome", "cause", "client.ip", "client.port", "server.ip", "server.port", "state.server",
    "handshake.synack_ns", "handshake.ack_ns", "rtt.synack.value_ns", "rtt.ackdat.value_ns", "rtt.total.value_ns",
)  # fmt: skip


@dataclass(frozen=True)
class Timeline:
    """Attempts by start time: counts per outcome in each of BINS intervals of `bin_ns`."""

    start_ns: int
    bin_ns: int
    attempts: dict[Outcome, list[int]]

    @property
    def most(self) -> int:
        """The height of the highest bar."""
        return max((sum(bars) for bars in zip(*self.attempts.values(), strict=True)), default=0)

    def place(self, ns: int) -> float:
        """Return the position of a time from 0 to 1, clamped."""
        return min(max((ns - self.start_ns) / (self.bin_ns * BINS), 0.0), 1.0)


@dataclass(frozen=True)
class Histogram:
    """Durations in buckets of equal width on a logarithmic scale from `low_ns` to `high_ns`."""

    low_ns: float
    high_ns: float
    counts: list[int]

    def place(self, ns: float) -> float:
        """Return the position of a duration from 0 to 1."""
        return log_place(ns, self.low_ns, self.high_ns)


@dataclass(frozen=True)
class Cloud:
    """Durations over time as (column, row, count) cells; columns from the left, rows from the bottom."""

    low_ns: float
    high_ns: float
    cells: list[tuple[int, int, int]]


@dataclass(frozen=True)
class Trouble:
    """A group of connections with the same outcome and cause, to one server, one host, or any (`server` empty).

    `kinds` are those of `report.trouble`.  `examples` are indices into all connections.
    """

    outcome: Outcome
    cause: str | None
    kinds: int
    server: str
    connections: int
    servers: int
    clients: int
    first_ns: int
    last_ns: int
    examples: list[int]


@dataclass(frozen=True)
class Probe:
    """The state of a port as seen by a scanner."""

    server: Endpoint
    state: Literal["open", "closed", "filtered"]


class Pictures:
    """Computes the chart data of a report on demand."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._columns = Columns(report.connections, map(find, _FIELDS))
        begin = int(self._numbers("first_ns").values.min()) if len(report.connections) else 0
        self.start_ns = begin if report.capture.first_ns is None else min(report.capture.first_ns, begin or 1 << 63)
        self.end_ns = max(report.capture.last_ns or 0, report.capture.ended_ns or 0, self.start_ns)
        self.bin_ns = max(-(-(self.end_ns - self.start_ns + 1) // BINS), 1)

    # -- columns -----------------------------------------------------------------------------------------------------

    def _of(self, name: str) -> Column:
        return self._columns.of(find(name))

    def _numbers(self, name: str) -> Numbers:
        column = self._of(name)
        assert isinstance(column, Numbers)  # noqa: S101
        return column

    def _words(self, name: str) -> Words:
        column = self._of(name)
        assert isinstance(column, Words)  # noqa: S101
        return column

    def _addresses(self, who: str) -> Addresses:
        column = self._of(f"{who}.ip")
        assert isinstance(column, Addresses)  # noqa: S101
        return column

    @cached_property
    def _outcome(self) -> Array:
        """The outcome of every connection, as an index into OUTCOMES."""
        words = self._words("outcome")
        place = np.array([*(OUTCOMES.index(word) for word in words.vocabulary), -1])
        return place[words.codes]

    @cached_property
    def _kinds(self) -> Array:
        """The kinds of trouble of every connection, as bits (see `report.trouble`)."""
        connections = self.report.connections
        if not isinstance(connections, RowConnections):
            return np.array([trouble_kinds(each) for each in connections], dtype=np.uint8)
        order = connections.attempts.order
        kinds: Array = connections.trouble_kinds[order if connections.ids is None else order[connections.ids]]
        return kinds

    def _bins(self, ns: Array) -> Array:
        return np.clip((ns - self.start_ns) // self.bin_ns, 0, BINS - 1)

    # -- timelines ---------------------------------------------------------------------------------------------------

    def timeline(self, server: Endpoint | None = None) -> Timeline:
        """Return attempts over time, to one server or to all."""
        bins, outcome = self._bins(self._numbers("first_ns").values), self._outcome
        if server is not None:
            chosen = self._to(server)
            bins, outcome = bins[chosen], outcome[chosen]
        size = len(OUTCOMES) * BINS
        counts = np.bincount(outcome * BINS + bins, minlength=size)[:size].reshape(len(OUTCOMES), BINS)
        attempts = {word: counts[i].tolist() for i, word in enumerate(OUTCOMES) if counts[i].any()}
        return Timeline(self.start_ns, self.bin_ns, attempts)

    def _to(self, server: Endpoint) -> Mask:
        return self._at("server", server.ip) & (self._numbers("server.port").values == server.port)

    def half_open(self, server: Endpoint | None = None) -> list[int]:
        """Return the peak number of simultaneously half-open connections per timeline interval.

        A connection counts from the SYN-ACK to the final ACK; without one, to its last frame, or to the end of the
        capture if the server is still waiting.
        """
        began, acked = self._numbers("handshake.synack_ns"), self._numbers("handshake.ack_ns")
        states = self._words("state.server")
        waiting = states.where(lambda word: word == "SYN_RECEIVED")
        over = np.where(acked.known, acked.values, np.where(waiting, self.end_ns, self._numbers("last_ns").values))
        there = began.known & (over > began.values)
        if server is not None:
            there &= self._to(server)
        if not there.any():
            return [0] * BINS
        times = np.concatenate([over[there], began.values[there]])  # ends before starts on ties
        steps = np.concatenate([np.full(there.sum(), -1), np.ones(there.sum(), dtype=np.int64)])
        order = np.argsort(times, kind="stable")
        level, bins = np.cumsum(steps[order]), self._bins(times[order])
        most = np.zeros(BINS, dtype=np.int64)
        np.maximum.at(most, bins, level)
        last = np.searchsorted(bins, np.arange(BINS), side="left") - 1  # the level at the start of the interval
        carried = np.where(last >= 0, level[np.maximum(last, 0)], 0)
        peaks: list[int] = np.maximum(most, carried).tolist()
        return peaks

    # -- durations ---------------------------------------------------------------------------------------------------

    def histogram(self, leg: Leg, scale: tuple[float, float] | None = None) -> Histogram | None:
        """Return the histogram of an RTT leg, on its own or the given scale; None if nothing was measured."""
        known = self._measured(leg)
        if not len(known):
            return None
        low, high = scale or scale_of(known)
        buckets = cells(known, low, high, BUCKETS)
        return Histogram(low, high, np.bincount(buckets, minlength=BUCKETS).tolist())

    def scale(self, *legs: Leg) -> tuple[float, float] | None:
        """Return a common scale for several legs; None if nothing was measured."""
        known = np.concatenate([self._measured(leg) for leg in legs])
        return scale_of(known) if len(known) else None

    def _measured(self, leg: Leg) -> Array:
        column = self._numbers(f"rtt.{leg}.value_ns")
        return np.maximum(column.values[column.known], 1).astype(np.float64)

    def cloud(self) -> Cloud | None:
        """Return the total RTT over the start time of attempts; None if nothing was measured."""
        column = self._numbers("rtt.total.value_ns")
        known = self._measured("total")
        if not len(known):
            return None
        low, high = scale_of(known)
        across, up = CLOUD
        since = self._numbers("first_ns").values[column.known] - self.start_ns
        x = np.clip(since * across // (self.bin_ns * BINS), 0, across - 1).astype(np.int64)
        places, counts = np.unique(x * up + cells(known, low, high, up), return_counts=True)
        listed = zip((places // up).tolist(), (places % up).tolist(), counts.tolist(), strict=True)
        return Cloud(low, high, list(listed))

    def slowest(self, most: int) -> list[int]:
        """Return indices of the connections with the longest time to first byte, slowest first."""
        column = self._numbers("setup.spans.first_byte.max_ns")
        order = np.argsort(-np.where(column.known, column.values, -1), kind="stable")[:most]
        found: list[int] = order[column.known[order]].tolist()
        return found

    def ordinary(self) -> int | None:
        """Return the index of a connection established without trouble, or None."""
        fine = np.flatnonzero((self._outcome == OUTCOMES.index("established")) & (self._kinds == 0))
        return int(fine[0]) if len(fine) else None

    # -- trouble -----------------------------------------------------------------------------------------------------

    def trouble(self, most: int, examples: int) -> list[Trouble]:
        """Return at most `most` groups of connections by outcome, cause, kinds of trouble and server, largest first.

        If there would be more, group by host instead of server, or regardless of the host.
        """
        places = np.flatnonzero(self._kinds)
        if not len(places):
            return []
        cause = self._words("cause")
        word = self._outcome[places] * (len(cause.vocabulary) + 1) + cause.codes[places] + 1
        word = (word << 8 | self._kinds[places]).astype(np.uint64)
        groups: list[Array] = []
        for key in self._servers(places):
            keys = (key ^ word) * np.uint64(0x9E3779B97F4A7C15)
            order = np.argsort(keys, kind="stable")
            starts = np.flatnonzero(run_starts(keys[order]))
            if len(starts) <= most or not key.any():
                groups = np.split(places[order], starts[1:])
                break
        groups.sort(key=lambda group: (-len(group), group[0]))
        return [self._group(group, examples) for group in groups[:most]]

    def _servers(self, places: Array) -> Iterator[Array]:
        """Yield grouping keys from fine to coarse: address and port, address, none."""
        server, ports = self._addresses("server").at(places), self._numbers("server.port").values[places]
        yield host_key(server.hi, server.lo, ports)
        yield host_key(server.hi, server.lo)
        yield np.zeros(len(places), dtype=np.uint64)

    def _group(self, places: Array, examples: int) -> Trouble:
        first, cause = int(places[0]), self._words("cause")
        server, ports = self._addresses("server").at(places), self._numbers("server.port").values[places]
        clients, began = self._addresses("client").at(places), self._numbers("first_ns").values[places]
        one_host = len(distinct(host_key(server.hi, server.lo))) == 1
        one_port = one_host and bool((ports == ports[0]).all())
        name = address_text(int(server.hi[0]), int(server.lo[0])) if one_host else ""
        return Trouble(
            OUTCOMES[int(self._outcome[first])],
            None if cause.codes[first] < 0 else cause.vocabulary[cause.codes[first]],
            int(self._kinds[first]),
            endpoint_text(name, int(ports[0]) if one_port else None),
            len(places),
            len(distinct(host_key(server.hi, server.lo, ports))),
            len(distinct(host_key(clients.hi, clients.lo))),
            int(began.min()),
            int(began.max()),
            places[:examples].tolist(),
        )

    # -- scans and floods --------------------------------------------------------------------------------------------

    def probes(self, client: str, most: int) -> list[Probe]:
        """Return the states of the ports that a client probed, sorted by address and port; at most `most`."""
        chosen = np.flatnonzero(self._at("client", client))
        server, ports = self._addresses("server").at(chosen), self._numbers("server.port").values[chosen]
        order = np.lexsort((ports, server.lo, server.hi))
        states: dict[tuple[int, int, int], Literal["open", "closed", "filtered"]] = {}
        for at in order.tolist():
            end = int(server.hi[at]), int(server.lo[at]), int(ports[at])
            state = _PROBED.get(OUTCOMES[int(self._outcome[chosen[at]])])
            if state is not None and (end not in states or state == "open"):
                states[end] = state
            if len(states) >= most:
                break
        return [Probe(Endpoint(address_text(hi, lo), port), state) for (hi, lo, port), state in states.items()]

    def sources(self, server: str, port: int | None) -> list[int]:
        """Return the number of IPv4 clients of a server by first address byte; empty if there are none."""
        chosen = self._at("server", server)
        if port is not None:
            chosen &= self._numbers("server.port").values == port
        clients = self._addresses("client").at(np.flatnonzero(chosen))
        four = distinct(clients.lo[are_ipv4(clients.hi, clients.lo)])
        found: list[int] = np.bincount(
            (four >> np.uint64(24) & np.uint64(0xFF)).astype(np.intp), minlength=256
        ).tolist()
        return found if len(four) else []

    def _at(self, who: str, ip: str) -> Mask:
        """Return the mask of connections with this host or network at that end."""
        hi, low, high = (np.uint64(half) for half in halves_within(ip))
        addresses = self._addresses(who)
        mask: Mask = (addresses.hi == hi) & (addresses.lo >= low) & (addresses.lo <= high)
        return mask


# The state of a port by the outcome of a connection to it.
_PROBED: dict[Outcome, Literal["open", "closed", "filtered"]] = {
    "established": "open", "half-open": "open", "aborted": "open", "refused": "closed", "timed-out": "filtered",
    "pending": "filtered", "rejected": "filtered",
}  # fmt: skip
