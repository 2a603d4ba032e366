"""A finding before it is a report: what a detector says of a service, a host or the capture."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from handshake_inspect.verdicts.host import HostFacts
from handshake_inspect.verdicts.legs import Legs
from handshake_inspect.verdicts.outcome import Outcomes
from handshake_inspect.verdicts.plain import plain
from handshake_inspect.verdicts.position import Position, locate
from handshake_inspect.verdicts.trace import Trace

if TYPE_CHECKING:
    from handshake_inspect.verdicts.findings.past import Past


@dataclass(frozen=True)
class CaptureFacts:
    """What is known of the capture as a whole, beside its connections."""

    frames: int = 0
    tcp_segments: int = 0
    complete: bool = True
    dropped: int | None = None
    backwards: int = 0  # frames older than the one before
    first_backwards: int = 0
    cut_headers: int = 0  # frames whose TCP header the snap length cut
    first_cut_header: int = 0
    stray_icmp: int = 0
    problems: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Case:
    """All that a detector may look at: columns, never frames."""

    trace: Trace
    outcomes: Outcomes
    legs: Legs
    capture: CaptureFacts = field(default_factory=CaptureFacts)
    host: HostFacts | None = None  # of the capturing host, where it was watched
    past: "Past | None" = None  # attempts of a live run whose rows are gone

    @cached_property
    def position(self) -> Position:
        """Where the capture was made."""
        return locate(self.trace, self.legs)


@dataclass(frozen=True)
class Finding:
    """One judgement.  `host` is an address as two 64-bit halves; `connections` are row numbers, not ids.

    Where `prefix` is given, `host` is a network of which so many bits count.  It holds
    plain Python values, whatever it is built of: see `plain.py`.
    """

    id: str
    severity: str  # critical, warning, info
    title: str
    host: tuple[int, int] | None
    port: int | None
    start_ns: int | None
    end_ns: int | None
    metrics: dict[str, Any]
    advice: str
    frames: tuple[int, ...] = ()
    connections: tuple[int, ...] = ()
    prefix: int | None = None

    def __post_init__(self) -> None:
        """Have nothing of NumPy in it: TypeError for what no format could write."""
        for each in fields(self):
            value = getattr(self, each.name)
            if (made := plain(value, f"{self.id}: {each.name}")) is not value:
                object.__setattr__(self, each.name, made)


Detector = Callable[[Case], list[Finding]]
