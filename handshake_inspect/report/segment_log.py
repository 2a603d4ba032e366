"""One segment between two copies of the tracker's rows: what it did is the difference."""

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
        """How many segments, and errors that quote one, there were by then."""
        return int(self.ends[0].frames + self.ends[1].frames + self.connection.icmp_count)


NOTHING = ConnectionRows(rows.Connection(), (rows.Endpoint(), rows.Endpoint()))


@dataclass(frozen=True, slots=True)
class LoggedSegment:
    """A segment, or an ICMP error that quotes one, with the rows around it; `before` is None for the first."""

    place: int  # how many of its connection came before it
    segment: Any
    before: ConnectionRows | None
    after: ConnectionRows


@dataclass(frozen=True, slots=True)
class SegmentLog:
    """Segments of one connection, in order, its rows after the last of all, and how many it had, logged or not."""

    logged: Sequence[LoggedSegment]
    last: ConnectionRows
    total: int


class Change:
    """What a segment changed, seen from its sender."""

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
        """Whether a FACT bit is there now that was not before."""
        return bool(self.after.connection.facts & ~self.before.connection.facts & fact)

    def showed(self, fact: int) -> bool:
        """Whether the segment is the anomaly of a FACT bit, the first of its kind or a later one."""
        facts, trouble = self.after.connection.facts, self.after.connection.trouble_frame
        again = trouble == self.segment.frame & MASK32 and self.before.connection.trouble_frame != trouble
        return bool(facts & fact) and (again or self.gained(fact))

    def counted(self, name: str) -> bool:
        """Whether a counter of the sender rose."""
        return bool(getattr(self.sender, name) > getattr(self.sender_before, name))

    def added(self, name: str) -> bool:
        """Whether a counter of the connection rose."""
        return bool(getattr(self.after.connection, name) > getattr(self.before.connection, name))


def side_of(connection: Any, segment: Any) -> int:
    """Which side of the connection sent the segment, 0 or 1."""
    one = segment.src_port == connection.port0 and segment.src_lo == connection.lo0
    return 0 if one and segment.src_hi == connection.hi0 else 1
