"""Logged segments with copies of the tracker's rows before and after; the difference is the segment's effect."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from handshake_inspect.tcp import rows
from handshake_inspect.wire.const import MASK32


@dataclass(frozen=True, slots=True)
class ConnectionRows:
    """Copies of a connection's rows."""

    connection: Any
    ends: tuple[Any, Any]

    @property
    def segments(self) -> int:
        """The number of segments and ICMP errors so far."""
        return int(self.ends[0].frames + self.ends[1].frames + self.connection.icmp_count)


NOTHING = ConnectionRows(rows.Connection(), (rows.Endpoint(), rows.Endpoint()))


@dataclass(frozen=True, slots=True)
class LoggedSegment:
    """A segment, or an ICMP error that quotes one, with the rows before and after it; `before` is None initially."""

    place: int  # index among the connection's segments
    segment: Any
    before: ConnectionRows | None
    after: ConnectionRows


@dataclass(frozen=True, slots=True)
class SegmentLog:
    """The logged segments of one connection, its final rows, and its total number of segments."""

    logged: Sequence[LoggedSegment]
    last: ConnectionRows
    total: int


class Change:
    """The effect of a segment on the rows, from its sender's point of view."""

    def __init__(self, logged: LoggedSegment) -> None:
        self.segment = logged.segment
        self.before = logged.before or NOTHING
        self.after = logged.after
        self.side = side_of(logged.after.connection, logged.segment)
        self.sender = self.after.ends[self.side]
        self.sender_before = self.before.ends[self.side]
        self.peer = self.after.ends[self.side ^ 1]
        self.peer_before = self.before.ends[self.side ^ 1]

    def gained(self, fact: int) -> bool:
        """Whether the segment set a FACT bit."""
        return bool(self.after.connection.facts & ~self.before.connection.facts & fact)

    def showed(self, fact: int) -> bool:
        """Whether the segment is an anomaly recorded by a FACT bit, the first one or a later one."""
        facts, trouble = self.after.connection.facts, self.after.connection.trouble_frame
        again = trouble == self.segment.frame & MASK32 and self.before.connection.trouble_frame != trouble
        return bool(facts & fact) and (again or self.gained(fact))

    def counted(self, name: str) -> bool:
        """Whether the segment increased a counter of the sender."""
        return bool(getattr(self.sender, name) > getattr(self.sender_before, name))

    def added(self, name: str) -> bool:
        """Whether the segment increased a counter of the connection."""
        return bool(getattr(self.after.connection, name) > getattr(self.before.connection, name))


def side_of(connection: Any, segment: Any) -> int:
    """Return which side of the connection sent the segment, 0 or 1."""
    one = segment.src_port == connection.port0 and segment.src_lo == connection.lo0
    return 0 if one and segment.src_hi == connection.hi0 else 1
