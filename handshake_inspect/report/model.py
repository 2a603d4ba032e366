"""The models of a report: frozen records with the keys of the JSON.

Times are nanoseconds since the epoch and durations are nanoseconds, both integers; unknown values are None.
A report of millions of connections stays small because `Report.connections` is lazy: a connection becomes a
Python object only when it is accessed.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from handshake_inspect.errors import Problem as Remark
from handshake_inspect.report.afterwards import Afterwards
from handshake_inspect.report.connection import Connection, Direction, Handshake, Rtt
from handshake_inspect.report.connection_parts import (
    Aliases,
    Close,
    Endpoint,
    FileFrame,
    Leg,
    Options,
    States,
    TsharkAlias,
    ZeekAlias,
)
from handshake_inspect.report.host import Host, HostCounters, HostSettings
from handshake_inspect.report.process import Listener
from handshake_inspect.report.quic import QuicConnection, QuicService
from handshake_inspect.report.ranks import Ranked
from handshake_inspect.report.sequence import Connections, ListedConnections, fair_shares
from handshake_inspect.report.setup import SetupSummary
from handshake_inspect.report.trouble import has_trouble
from handshake_inspect.report.words import (
    OUTCOMES,
    TROUBLE_OUTCOMES,
    CloseHow,
    Count,
    DurationNs,
    FindingId,
    FrameNumber,
    Outcome,
    Port,
    ResetBy,
    Roles,
    RttMethod,
    SequenceNumber,
    Severity,
    Side,
    TcpState,
    TimeNs,
    Word,
)
from handshake_inspect.wire.text import endpoint_text

__all__ = [
    "OUTCOMES",
    "TROUBLE_OUTCOMES",
    "Afterwards",
    "Aliases",
    "Capture",
    "Close",
    "CloseHow",
    "Connection",
    "Connections",
    "Count",
    "Direction",
    "Distribution",
    "DurationNs",
    "Endpoint",
    "Evidence",
    "FileFrame",
    "Finding",
    "FindingId",
    "FrameNumber",
    "Handshake",
    "Host",
    "HostCounters",
    "HostSettings",
    "Leg",
    "ListedConnections",
    "Options",
    "Outcome",
    "Outcomes",
    "Port",
    "Position",
    "Problem",
    "Report",
    "ResetBy",
    "Roles",
    "Rtt",
    "RttDistributions",
    "RttMethod",
    "SequenceNumber",
    "Service",
    "Severity",
    "Side",
    "States",
    "Summary",
    "Target",
    "TcpState",
    "TimeNs",
    "Tool",
    "TsharkAlias",
    "Word",
    "ZeekAlias",
    "fair_shares",
    "has_trouble",
]


class Tool(Struct, frozen=True, gc=False):
    """What wrote the report."""

    name: str
    version: str


class Problem(Struct, frozen=True, gc=False):
    """Something wrong with the capture itself: where it is cut, damaged, or cannot be trusted.

    `frame` is the last whole frame before it or the frame it is about; `offset` the byte of the uncompressed stream.
    """

    kind: Word
    message: str
    frame: Count | None = None
    offset: Count | None = None

    @classmethod
    def of(cls, remark: Remark) -> Problem:
        """Convert a reader's problem to the report's model."""
        return cls(*remark)


class Position(Struct, frozen=True, gc=False):
    """Where the capture was made, seen from the connections: `share` of the `connections` that give a hint agree."""

    place: Literal["client", "server", "between"]
    share: float
    connections: Count


class Capture(Struct, frozen=True, gc=False):
    """What was read: where from, how much, from when to when.

    `complete` is false when a source was cut or damaged; `dropped_by_kernel` is null if unknown; `host` is null
    but for live captures on an interface of the capturing host.  `ended_ns` is when the
    capture is known to have ended, if that was after its last frame.  `filters` are the expressions by which its
    frames were chosen, each once, as far as the capture says so.
    """

    sources: list[str]
    format: str | None
    link_types: list[str]
    frames: Count
    tcp_segments: Count
    first_ns: TimeNs | None
    last_ns: TimeNs | None
    dropped_by_kernel: Count | None
    complete: bool
    problems: list[Problem]
    position: Position | None = None
    host: Host | None = None
    ended_ns: TimeNs | None = None
    filters: list[str] = []


class Outcomes(Struct, frozen=True, gc=False, rename="kebab"):
    """How many connections came to each outcome."""

    established: Count = 0
    refused: Count = 0
    rejected: Count = 0
    timed_out: Count = 0
    pending: Count = 0
    half_open: Count = 0
    aborted: Count = 0
    unsolicited: Count = 0
    midstream: Count = 0

    @classmethod
    def of(cls, counts: Mapping[Outcome, int]) -> Outcomes:
        """Create from a mapping of outcomes to counts."""
        return cls(*(counts.get(outcome, 0) for outcome in OUTCOMES))

    def as_dict(self) -> dict[Outcome, int]:
        """Return all nine outcomes with their counts, in the order of the JSON."""
        return {outcome: getattr(self, outcome.replace("-", "_")) for outcome in OUTCOMES}


class Distribution(Ranked, frozen=True, gc=False):
    """Percentiles (nearest rank) of the measured values; all null when `count` is 0."""

    count: Count = 0
    min_ns: DurationNs | None = None
    p50_ns: DurationNs | None = None
    p90_ns: DurationNs | None = None
    p95_ns: DurationNs | None = None
    p99_ns: DurationNs | None = None
    max_ns: DurationNs | None = None


class RttDistributions(Struct, frozen=True, gc=False):
    """The three handshake RTTs over all connections where a value can be named."""

    synack: Distribution = Distribution()
    ackdat: Distribution = Distribution()
    total: Distribution = Distribution()


class Summary(Struct, frozen=True, gc=False):
    """All connections in a few numbers; `evicted` are those left out to keep memory bounded.

    `setup` is null where nothing was set up over the connections, `afterwards` where none was ever open.
    """

    connections: Count
    outcomes: Outcomes
    rtt: RttDistributions = RttDistributions()
    evicted: Count = 0
    setup: SetupSummary | None = None
    afterwards: Afterwards | None = None


class Service(Struct, frozen=True, gc=False):
    """One server address and port, with what became of the attempts to reach it.

    `listener` is null where the capturing host has none there, or was not asked.
    """

    server: Endpoint
    connections: Count
    outcomes: Outcomes
    rtt: RttDistributions = RttDistributions()
    setup: SetupSummary | None = None
    listener: Listener | None = None


class Target(Struct, frozen=True, gc=False):
    """What a finding is about: a service, or a host (port null); a port scan's target is the scanner.

    A flood on a whole network has its prefix as `ip`, such as 198.51.100.0/24.
    """

    ip: str
    port: Port | None = None

    def __str__(self) -> str:
        return endpoint_text(self.ip, self.port)


class Evidence(Struct, frozen=True, gc=False):
    """Where to look: frame numbers, and ids of connections; of many files also where each of the frames is."""

    frames: list[FrameNumber] = []
    connections: list[Count] = []
    in_files: list[FileFrame] = []


class Finding(Struct, frozen=True, gc=False):
    """A judgement about a service, a host or the capture, with its numbers and what to do about it."""

    id: FindingId
    severity: Severity
    title: str
    target: Target | None
    start_ns: TimeNs | None
    end_ns: TimeNs | None
    metrics: dict[str, Any]
    evidence: Evidence
    advice: str

    @property
    def variety(self) -> str | None:
        """The cause or kind of scan, which distinguishes findings with the same id and target; None if neither."""
        variety: str | None = self.metrics.get("cause") or self.metrics.get("kind")
        return variety


class Ending(Struct, frozen=True, kw_only=True):
    """The last line of a report as NDJSON: what was read, and all connections in a few numbers."""

    schema: Literal["hsi-event/1"] = "hsi-event/1"
    tool: Tool
    capture: Capture
    summary: Summary


class Report(Struct, frozen=True, kw_only=True):
    """What happened to the TCP connections of a capture.

    Services come busiest first, connections in order of their first frame.
    """

    schema: Literal["hsi-report/1"] = "hsi-report/1"
    tool: Tool
    capture: Capture
    summary: Summary
    services: Sequence[Service]
    connections: Connections
    findings: list[Finding]
    quic_services: list[QuicService] = []
    quic_connections: list[QuicConnection] = []

    @property
    def table(self) -> Any:
        """All connections as a masked NumPy structured array, one row each in id order.

        Addresses and words are text, times nanoseconds since the epoch, durations nanoseconds.  Unknown values are
        masked, so `report.table["total_ns"].mean()` ignores them.
        """
        return self.connections.table()

    def to_arrow(self, *fields: str) -> Any:
        """Return all connections as a `pyarrow.Table`; columns are fields as in `hsi fields`, `*` means all.

        Times are UTC timestamps, durations integers in nanoseconds, and unknown values null.  Needs pyarrow.
        """
        from handshake_inspect.report.arrow import table

        return table(self.connections, fields)

    def to_pandas(self, *fields: str) -> Any:
        """Return all connections as a `pandas.DataFrame`; columns as in `to_arrow`, with nullable types.

        Integers stay integers even if some are missing.  Needs pandas and pyarrow.
        """
        from handshake_inspect.report.arrow import pandas_frame

        return pandas_frame(self.connections, fields)

    def to_polars(self, *fields: str) -> Any:
        """Return all connections as a `polars.DataFrame`; columns as in `to_arrow`.  Needs polars and pyarrow."""
        from handshake_inspect.report.arrow import polars_frame

        return polars_frame(self.connections, fields)

    def __repr__(self) -> str:
        """Return one line, since a report may contain millions of connections."""
        from handshake_inspect.report.notebook import summary

        return f"<Report: {summary(self)}, from {', '.join(self.capture.sources) or 'nothing'}>"

    def _repr_html_(self) -> str:
        """Return the report as HTML, for notebooks."""
        from handshake_inspect.report.notebook import page

        return page(self)
