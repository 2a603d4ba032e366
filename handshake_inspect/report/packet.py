"""Segments of a live capture for immediate display, made from the connection's rows before any verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from handshake_inspect.report.connection_parts import Endpoint, Leg
from handshake_inspect.report.narrate import Narrator
from handshake_inspect.report.parts import METHODS
from handshake_inspect.report.segment_log import Change, ConnectionRows, LoggedSegment, SegmentLog
from handshake_inspect.report.story import Mark, RttMark, Step
from handshake_inspect.report.words import DurationNs
from handshake_inspect.tcp.facts import FACT_ACKED, FACT_MIDSTREAM, FACT_SYNACK, TRAIT_ISS
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts.legs import Leg as Measured
from handshake_inspect.verdicts.legs import combined, leg, named
from handshake_inspect.wire.address import address_text

_OPENING = (TcpState.SYN_SENT, TcpState.SYN_RECEIVED)


class Packet(Struct, frozen=True):
    """A segment with its connection.

    `gap_ns` is the time since the connection's previous segment.  `believed` is True if the client presumably received
    the SYN-ACK but has sent nothing that proves it.
    """

    client: Endpoint
    server: Endpoint
    step: Step
    gap_ns: DurationNs | None
    believed: bool


def packet(logged: LoggedSegment) -> Packet:
    """Return the display model of a logged segment."""
    change = Change(logged)
    row = logged.after.connection
    log = SegmentLog((logged,), logged.after, logged.place + 1)
    step = Narrator(log, _Passing(logged.after), [_isn(end) for end in logged.after.ends]).step(0)
    ends = Endpoint(address_text(row.hi0, row.lo0), row.port0), Endpoint(address_text(row.hi1, row.lo1), row.port1)
    return Packet(
        client=ends[row.client],
        server=ends[row.client ^ 1],
        step=step,
        gap_ns=logged.segment.ts_ns - change.before.connection.last_ns if logged.before is not None else None,
        believed=not row.facts & (FACT_ACKED | FACT_MIDSTREAM),
    )


class _Passing:
    """What the rows of a connection show right after this segment."""

    def __init__(self, after: ConnectionRows) -> None:
        row = self._row = after.connection
        self.first_ns = int(row.first_ns)
        self.completes = after.ends[row.client ^ 1].state not in _OPENING

    def marks(self, frame: int) -> tuple[Sequence[Mark], Sequence[Mark]]:
        return (), ()

    def rtt(self, change: Change) -> Iterator[RttMark]:
        row = self._row
        if change.gained(FACT_SYNACK):
            yield from _mark("synack", row.syn_frame, _half(row, "synack"))
        if change.gained(FACT_ACKED) and row.ack_frame != row.synack_frame:
            halves = _half(row, "synack"), _half(row, "ackdat")
            yield from _mark("ackdat", row.synack_frame, halves[1])
            yield from _mark("total", row.syn_frame, _sum(*halves))


def _isn(end: Any) -> int | None:
    return int(end.iss) if end.traits & TRAIT_ISS else None


def _half(row: Any, name: str) -> Measured:
    low, high = (np.array([getattr(row, f"{name}_{part}_ns")]) for part in ("min", "max"))
    method = np.array([getattr(row, f"{name}_method")], dtype=np.uint8)
    return leg(low, high, method, np.ones(1, dtype=np.bool_))


def _sum(one: Measured, other: Measured) -> Measured:
    known = one.measured & other.measured
    low, high = (np.where(known, a + b, -1) for a, b in ((one.low, other.low), (one.high, other.high)))
    return named(low, high, combined(one.method, other.method).astype(np.uint8))


def _mark(name: Any, since: int, measured: Measured) -> Iterator[RttMark]:
    if measured.measured[0]:
        value, low, high = (int(each[0]) for each in (measured.value, measured.low, measured.high))
        found = Leg(value if value >= 0 else None, low, high, METHODS[measured.method[0]])  # type: ignore[arg-type]
        yield RttMark(name, since or None, found)
