"""One segment between two copies of the tracker's rows: what it did is the difference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from handshake_inspect.tcp import rows
from handshake_inspect.wire.const import MASK32


@dataclass(frozen=True, slots=True)
class Rows:
    """Copies of a connection's rows at one moment."""

    connection: Any
    ends: tuple[Any, Any]
    bad_checksums: tuple[int, int] = (0, 0)

    @property
    def segments(self) -> int:
        """How many segments, and errors that quote one, there were by then."""
        return int(self.ends[0].frames + self.ends[1].frames + self.connection.icmp_count)


NOTHING = Rows(rows.Connection(), (rows.Endpoint(), rows.Endpoint()))


@dataclass(frozen=True, slots=True)
class Moment:
    """A segment, or an ICMP error that quotes one, with the rows around it; `before` is None for the first."""

    place: int  # how many of its connection came before it
    segment: Any
    before: Rows | None
    after: Rows


@dataclass(frozen=True, slots=True)
class Course:
    """How a connection came to where it is: the moments that are kept, its rows now, and how many segments it had."""

    moments: Sequence[Moment]
    now: Rows
    segments: int


class Change:
    """What a moment changed, seen from the sender of its segment."""

    def __init__(self, moment: Moment) -> None:
        self.segment = moment.segment
        self.before = moment.before or NOTHING
        self.after = moment.after
        self.side = side_of(moment.after.connection, moment.segment)
        self.sender = self.after.ends[self.side]
        self.sender_before = self.before.ends[self.side]
        self.peer = self.after.ends[self.side ^ 1]
        self.peer_before = self.before.ends[self.side ^ 1]

    def gained(self, fact: int) -> bool:
        """Whether a FACT bit is there now that was not before."""
        return bool(self.after.connection.facts & ~self.before.connection.facts & fact)

    def showed(self, fact: int) -> bool:
        """Whether the segment is the anomaly that a FACT bit tells of, the first of its kind or a later one."""
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
