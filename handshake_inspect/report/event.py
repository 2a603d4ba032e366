"""What a live capture reports line by line, while it runs: connections, findings that begin and end, counters.

`event` says what a line is: `connection`, `finding`, `stats`, and at the end `summary`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from msgspec import Struct

from handshake_inspect.report.host import HostCounters
from handshake_inspect.report.model import Count, DurationNs, Finding, RttDistributions, Service, TimeNs
from handshake_inspect.report.snapshot import Snapshot
from handshake_inspect.wire.text import utf8_safe

Phase = Literal["begin", "end"]

_SERVICES = 5

_ENCODER = msgspec.json.Encoder()


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
        """The counters of a snapshot."""
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


def encoded(value: Any) -> bytes:
    """A value as JSON; in a name that is not UTF-8, which reached us with lone surrogates, these are escaped."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return _ENCODER.encode(_escaped(msgspec.to_builtins(value)))


def line(event: str, body: Any, **more: str) -> bytes:
    """One event as a line of JSON; `more` are keys before those of the body."""
    head = _ENCODER.encode({"event": event, **more})
    return head[:-1] + b"," + encoded(body)[1:] + b"\n"


def lines(event: str, bodies: Iterable[Any]) -> bytearray:
    """Events of one kind, as `line` writes each, without a copy of any."""
    head = _ENCODER.encode({"event": event})[:-1]
    out = bytearray()
    for body in bodies:
        start = len(out)
        out += head
        at = len(out)
        try:
            _ENCODER.encode_into(body, out, at)
        except UnicodeEncodeError:
            out[start:] = line(event, body)
        else:
            out[at : at + 1] = b","  # for the brace
            out += b"\n"
    return out


def row(columns: dict[str, Any]) -> bytes:
    """Chosen columns of a connection as a line of JSON."""
    return _ENCODER.encode(columns) + b"\n"


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return utf8_safe(value)
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    return value
