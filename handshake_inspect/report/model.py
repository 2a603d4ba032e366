"""The models of a report: frozen records with the keys of the JSON.

Times are nanoseconds since the epoch and durations are nanoseconds, both integers; unknown values are None.
A report of millions of connections stays small because `Report.connections` is lazy: a connection becomes a
Python object only when it is accessed.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

from handshake_inspect.report.afterwards import Afterwards
from handshake_inspect.report.capture import Capture, Position, Problem
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
from handshake_inspect.report.finding import Evidence, Finding, Target
from handshake_inspect.report.host import Host, HostCounters, HostSettings
from handshake_inspect.report.process import Listener
from handshake_inspect.report.quic import QuicConnection, QuicService
from handshake_inspect.report.sequence import Connections, ListedConnections, fair_shares
from handshake_inspect.report.setup import SetupSummary
from handshake_inspect.report.summary import Distribution, Outcomes, RttDistributions, Summary
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
