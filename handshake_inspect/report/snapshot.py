"""Snapshots of a live capture, for the screen and for NDJSON events."""

from msgspec import Struct

from handshake_inspect.report.host import HostCounters
from handshake_inspect.report.model import (
    Connection,
    Count,
    DurationNs,
    Endpoint,
    Finding,
    Outcome,
    RttDistributions,
    Service,
    TimeNs,
    Word,
)
from handshake_inspect.report.segment_log import SegmentLog


class Second(Struct, frozen=True, gc=False):
    """One second of the recent past: attempts that began and outcomes that were decided in it."""

    at_ns: TimeNs
    attempts: Count
    outcomes: dict[str, int]


class TroubleGroup(Struct, frozen=True, gc=False):
    """Connections in trouble of one kind: to one service, with the same outcome and cause.

    The newest of them began at `last_ns`.
    """

    outcome: Outcome
    cause: Word | None
    server: Endpoint
    count: Count
    last_ns: TimeNs

    @property
    def key(self) -> tuple[str | None, ...]:
        """The identity of the group."""
        return (self.outcome, self.cause, str(self.server))


class Snapshot(Struct, frozen=True, gc=False):
    """The state of a live capture.

    `history` holds the last seconds, oldest first; `rtt` is over the connections that completed in them.  `newest`
    are the newest connections, and `trouble` those of them in trouble, newest first; `groups` are all in trouble by
    kind; `logs`, by ids of connections, their segments so far, as far as kept; `findings` those that held at
    `found_ns`.
    """

    at_ns: TimeNs
    elapsed_ns: DurationNs
    interface: str
    frames: Count
    tcp_segments: Count
    connections: Count  # attempts since the capture began
    tracked: Count  # rows in use now
    outcomes: dict[str, int]  # since the capture began
    half_open: Count  # now
    half_open_peak: Count
    rtt: RttDistributions
    history: list[Second]
    services: list[Service]
    trouble: list[Connection]
    findings: list[Finding]
    received: Count | None = None
    dropped: Count | None = None
    host: HostCounters | None = None  # so far
    logs: dict[int, SegmentLog] = {}
    newest: list[Connection] = []
    groups: list[TroubleGroup] = []
    found_ns: TimeNs | None = None  # None: detectors have not run yet
