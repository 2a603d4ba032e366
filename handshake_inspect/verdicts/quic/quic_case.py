"""The QUIC half of a case: the verdicts on QUIC connections, next to the TCP connections of the same capture."""

from dataclasses import dataclass
from functools import cached_property

from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.legs import Legs
from handshake_inspect.verdicts.names import Names
from handshake_inspect.verdicts.quic.outcome import QuicVerdicts
from handshake_inspect.verdicts.quic.quics import Quics
from handshake_inspect.verdicts.quic.races import Places, least_round_trips, races
from handshake_inspect.verdicts.quic.spans import QuicSpans


@dataclass(frozen=True)
class QuicCase:
    """All QUIC connections of a capture, and the TCP connections that they raced with."""

    attempts: Attempts
    legs: Legs
    quics: Quics
    names: Names  # server names that clients had looked up

    def __len__(self) -> int:
        return len(self.quics)

    @cached_property
    def judged(self) -> QuicVerdicts:
        """The outcomes."""
        return QuicVerdicts(self.quics)

    @cached_property
    def spans(self) -> QuicSpans:
        """The set-up durations."""
        return QuicSpans(self.quics, least_round_trips(self.attempts, self.legs, self.quics))

    @cached_property
    def _races(self) -> tuple[Places, Places]:
        return races(self.attempts, self.quics)

    @property
    def raced_tcp(self) -> Places:
        """The TCP connection that each QUIC connection raced with, -1 for none."""
        return self._races[0]

    @property
    def raced_quic(self) -> Places:
        """The QUIC connection that each TCP connection raced with, -1 for none."""
        return self._races[1]
