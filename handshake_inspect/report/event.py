"""Models for the NDJSON events of a live capture: connections, findings that begin and end, counters.

The key `event` is the type of a line: `connection`, `finding`, `stats`, and at the end `summary`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct

from handshake_inspect.report.encoding import encoded, encoded_objects
from handshake_inspect.report.host import HostCounters
from handshake_inspect.report.model import Count, DurationNs, Finding, RttDistributions, Service, TimeNs
from handshake_inspect.report.snapshot import Snapshot

Phase = Literal["begin", "end"]

_SERVICES = 5


class Stats(Struct, frozen=True, gc=False):
    """Counters of a live capture at one moment.

    `outcomes` are of all attempts since the capture began, those of `attempts` and `decided` since the line before.
    `rtt` is over connections that completed in the last minute.  `tracked` are the rows in use.  `host` is what the
    capturing host's own kernel counted since the capture began.  `services` are the busiest, with what setting up
    connections to them cost.
    """

    at_ns: TimeNs
    elapsed_ns: DurationNs
    frames: Count
    tcp_segments: Count
    connections: Count
    attempts: Count
    decided: dict[str, int]
    outcomes: dict[str, int]
    half_open: Count
    half_open_peak: Count
    tracked: Count
    rtt: RttDistributions
    received: Count | None
    dropped: Count | None
    host: HostCounters | None = None
    services: list[Service] = []

    @classmethod
    def of(cls, snapshot: Snapshot) -> Stats:
        """Return the counters of a snapshot."""
        last = snapshot.history[-1] if snapshot.history else None
        return cls(
            snapshot.at_ns,
            snapshot.elapsed_ns,
            snapshot.frames,
            snapshot.tcp_segments,
            snapshot.connections,
            last.attempts if last else 0,
            last.outcomes if last else {},
            snapshot.outcomes,
            snapshot.half_open,
            snapshot.half_open_peak,
            snapshot.tracked,
            snapshot.rtt,
            snapshot.received,
            snapshot.dropped,
            snapshot.host,
            snapshot.services[:_SERVICES],
        )


class FindingEvent(Finding, frozen=True, gc=False):
    """A judgement about a service, a host or the capture.

    In a live capture `phase` says whether it begins to hold or ends; the numbers of an `end` are the last ones.
    """

    phase: Phase | None = None


def head(event: str, **more: str) -> bytes:
    """Return the start of a line of JSON, up to the fields of the body; `more` are additional keys."""
    return encoded({"event": event, **more})[:-1] + b","


def line(event: str, body: Any, **more: str) -> bytes:
    """Encode one event as a line of JSON."""
    return encoded_objects([body], head(event, **more), b"\n")


def lines(event: str, bodies: Iterable[Any]) -> bytes:
    """Encode events of one kind, each as a line of JSON."""
    return encoded_objects(bodies, head(event), b"\n")
