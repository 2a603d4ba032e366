"""All that detectors may look at."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.host import HostFacts
from handshake_inspect.verdicts.legs import Legs
from handshake_inspect.verdicts.outcome import Outcomes
from handshake_inspect.verdicts.position import Position, locate


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

    trace: Attempts
    outcomes: Outcomes
    legs: Legs
    capture: CaptureFacts = field(default_factory=CaptureFacts)
    host: HostFacts | None = None  # of the capturing host, where it was watched
    past: object = None  # `findings.past.Past`: attempts of a live run whose rows are gone
    made: dict[Callable[..., Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def position(self) -> Position:
        """Where the capture was made."""
        return locate(self.trace, self.legs)
