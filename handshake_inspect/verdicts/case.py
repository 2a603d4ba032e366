"""Everything that detectors and reports may use: attempts, and what was judged about them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.dns.lookups import Lookup
from handshake_inspect.verdicts import aliases, gathering
from handshake_inspect.verdicts.arrays import Codes
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import Copies, Sizes
from handshake_inspect.verdicts.host import HostFacts
from handshake_inspect.verdicts.legs import Legs
from handshake_inspect.verdicts.names import Names, waited_for
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.verdicts.outcome import Outcomes, judge
from handshake_inspect.verdicts.position import Position, locate
from handshake_inspect.verdicts.quic.quic_case import QuicCase
from handshake_inspect.verdicts.quic.quics import Quics
from handshake_inspect.verdicts.setup.setups import setups_of
from handshake_inspect.verdicts.sockets import Sockets
from handshake_inspect.verdicts.stage import stages
from handshake_inspect.verdicts.states import final_states


@dataclass(frozen=True)
class CaptureFacts:
    """Facts about the capture as a whole."""

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
    frame_locator: Any = None  # for traces in several files: `of(numbers)` locates frames


@dataclass(frozen=True)
class Case:
    """The input of detectors: columns, never frames. Derived columns are computed on first use and kept."""

    attempts: Attempts
    outcomes: Outcomes
    capture: CaptureFacts = field(default_factory=CaptureFacts)
    host: HostFacts | None = None  # the capturing host, if it was monitored
    past: object = None  # `findings.expired_failures.ExpiredAttempts`: expired attempts of a live run
    lookups: Sequence[Lookup] = ()  # DNS lookups in the order of their first queries
    quics: Quics = field(default_factory=Quics.none)
    sockets: Sockets | None = None  # sockets of the capturing host, if it was monitored
    ongoing: bool = False  # the capture is still running
    memo: dict[Callable[..., Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        attempts: Attempts,
        capture: CaptureFacts,
        host: HostFacts | None = None,
        past: object = None,
        lookups: Sequence[Lookup] = (),
        quics: Quics | None = None,
        sockets: Sockets | None = None,
    ) -> "Case":
        """Judge these attempts."""
        full = sockets.full(host.addresses) if sockets and host else []
        return cls(attempts, judge(attempts, full), capture, host, past, lookups, quics or Quics.none(), sockets)

    @cached_property
    def legs(self) -> Legs:
        """The handshake RTTs of connections."""
        return Legs(self.attempts)

    @cached_property
    def states(self) -> tuple[Codes, Codes]:
        """The final states of the clients and the servers of all attempts, as `TcpState` numbers."""
        return final_states(self.attempts)

    @cached_property
    def stages(self) -> Codes:
        """How far all attempts had come when they died, as indices in `STAGES`."""
        return stages(self.attempts, self.outcomes)

    @cached_property
    def conn_states(self) -> Codes:
        """Zeek's conn_state of all attempts, as indices in `CONN_STATES`."""
        full = aliases.conn_state(self.attempts.aliases, self.attempts.endpoints)
        return self.attempts.column(full, aliases.CONN_STATES.index(aliases.EMBRYO_CONN_STATE))

    @cached_property
    def position(self) -> Position:
        """Where the capture was made."""
        return locate(self.attempts, self.legs)

    @cached_property
    def quic(self) -> QuicCase:
        """The QUIC connections of the capture."""
        return QuicCase(self.attempts, self.legs, self.quics, Names(self.quics, self.lookups))

    @cached_property
    def names(self) -> Names:
        """The names that clients had looked up for the servers of all attempts."""
        return Names(self.attempts, self.lookups)

    @cached_property
    def waited(self) -> list[dict[int, int]]:
        """The attempts and the QUIC connections that waited for a lookup, with the lookup's index."""
        return waited_for(self.names, self.quic.names)

    @cached_property
    def without_rows(self) -> NDArray[np.int64]:
        """The first frames, sorted, of connections that others stand for: answers from elsewhere, translated copies."""
        trace = self.attempts
        known = [each.answers["first_frame"] for each in (trace.elsewhere, trace.translated) if each is not None]
        return np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *known]).astype(np.int64))

    def use(self, **results: object) -> None:
        """Use results of a larger case, by the names of properties, instead of computing them from these attempts."""
        for name, value in results.items():
            if not isinstance(getattr(type(self), name), cached_property):
                raise TypeError(f"{name} is not computed")
            vars(self)[name] = value

    # -- subsets, with the verdicts of the whole ------------------------------------------------------------------

    def select(self, mask: NDArray[np.bool_]) -> "Case":
        """Return a case of the marked attempts only, for counting."""
        some = replace(self, attempts=gathering.subset(self.attempts, mask), outcomes=self.outcomes.at(mask))
        if self.lookups:  # who waited depends on all attempts
            places = np.cumsum(mask) - 1
            those, quics = self.waited
            some.use(waited=[{int(places[i]): lookup for i, lookup in those.items() if mask[i]}, quics])
        return some

    def detached(self, copies: Copies) -> "Case":
        """Return the same case with copies of all table rows, which may change afterwards."""
        return replace(self, attempts=gathering.detached(self.attempts, copies), quics=self.quics.detached(copies))

    def sizes(self) -> dict[str, int]:
        """Return the sizes of the copies that `detached` makes, in bytes by name."""
        sizes = Sizes()
        self.detached(sizes)
        return sizes.of_all

    def copied(self, rows: AttemptRows) -> tuple["Case", AttemptRows, AttemptRows]:
        """Return copies of these attempts, to outlive their rows; see `gathering.copied`."""
        attempts, order, places = gathering.copied(self.attempts, rows)
        setups_of(attempts).take_tickets(self.attempts)
        some = replace(self, attempts=attempts, outcomes=self.outcomes.at(order))
        some.use(without_rows=self.without_rows)
        return some, order, places
