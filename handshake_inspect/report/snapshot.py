"""What a live capture looks like at one moment: what a screen draws and a stream of events reports."""

from msgspec import Struct

from handshake_inspect.report.host import HostCounters
from handshake_inspect.report.model import Connection, Count, DurationNs, Finding, RttDistributions, Service, TimeNs
from handshake_inspect.report.segment_log import SegmentLog


class Second(Struct, frozen=True, gc=False):
    """One second of the recent past: attempts that began and outcomes that were decided in it."""

    at_ns: TimeNs
    attempts: Count
    outcomes: dict[str, int]


class Snapshot(Struct, frozen=True, gc=False):
    """The state of a live capture.

    `history` holds the last seconds, oldest first; `rtt` is over the connections that completed in them.  `trouble`
    are the newest connections in trouble, newest first; `logs`, by their ids, the segments that led to that, as far as
    kept; `findings` those that hold now.
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
