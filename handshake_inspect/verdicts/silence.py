"""What waited for an answer after the handshake and got none: rows of `Aftermath` as columns, by end.

*Data*: the first byte that the peer has not acknowledged was repeated `REPEATS` times or more, for `REPEATED_NS` or
longer.  A lost segment is repaired by its first or second copy; four and three seconds are beyond what TCP does about
loss (RFC 6298 section 5: the timer doubles).  A receiver with a window of zero answers, it only takes nothing.

*Keep-alives*: `PROBES` or more since the peer was last seen, or fewer where their sender gave up with a RST
(`FACT_DEAD_PEER`).  Both directions must be in the capture, or an answer may only not have been captured.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_DEAD_PEER, FACT_RST, TRAIT_SEEN
from handshake_inspect.verdicts import columns
from handshake_inspect.verdicts.arrays import Bools, Rows, Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.outcome import Outcomes
from handshake_inspect.verdicts.words import ESTABLISHED, MIDSTREAM

REPEATS = 4
REPEATED_NS = 3_000_000_000
PROBES = 5


@dataclass(frozen=True, eq=False, repr=False)
class Silence:
    """Ends of connections that nothing answers any more: `rows` of connections, and on which `sides` somebody waits."""

    rows: ConnectionRows
    sides: NDArray[np.intp]
    places: Rows  # rows of `Attempts.aftermaths`
    probing: Bools  # what is not answered are keep-alives

    def chosen(self, some: Any) -> "Silence":
        """Some of them."""
        return Silence(self.rows[some], self.sides[some], self.places[some], self.probing[some])

    def of(self, trace: Attempts, name: str) -> NDArray[Any]:
        """A column of `Aftermath`, of the end that waits."""
        column: NDArray[Any] = trace.aftermaths[name][self.places, self.sides]
        return column

    def idle(self, trace: Attempts) -> Times:
        """The pause before, 0 for none."""
        return np.where(self.probing, self.of(trace, "probe_idle_ns"), self.of(trace, "waited_ns"))

    def since(self, trace: Attempts) -> Times:
        """When it was sent first."""
        return np.where(self.probing, self.of(trace, "probe_ns"), self.of(trace, "first_ns"))

    def until(self, trace: Attempts) -> Times:
        """When it was sent last."""
        return np.where(self.probing, self.of(trace, "probed_ns"), self.of(trace, "repeated_ns"))

    def frames(self, trace: Attempts) -> list[int]:
        """The frames with the last copies."""
        low = np.where(self.probing, self.of(trace, "probe_frame"), self.of(trace, "frame"))
        return whole_frames(trace, self.rows, low)


def whole_frames(trace: Attempts, rows: ConnectionRows, low: NDArray[Any]) -> list[int]:
    """The numbers of frames of these connections, of which the low 32 bits are kept."""
    whole: list[int] = columns.whole_frames(trace.connections["first_frame"][rows], low).tolist()
    return whole


@once
def owners(trace: Attempts) -> ConnectionRows:
    """The connection that each row of `Aftermath` belongs to; -1 for rows that are free."""
    owner = np.full(len(trace.aftermaths), -1, dtype=np.intp)
    rows = trace.tracked_where(trace.connections["aftermath"])
    owner[trace.connections["aftermath"][rows].astype(np.intp) - 1] = rows
    return ConnectionRows(owner)


def unanswered(trace: Attempts, outcomes: Outcomes) -> Silence:
    """Ends that repeat data or keep-alives to a peer that answers nothing."""
    owner = owners(trace)
    parts = [one_side(trace, outcomes, owner, side) for side in (0, 1)]
    rows, *others = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Silence(ConnectionRows(rows), *others)


def one_side(
    trace: Attempts, outcomes: Outcomes, owner: ConnectionRows, side: int
) -> tuple[ConnectionRows, Rows, Rows, Bools]:
    """The columns of `Silence` for one side."""
    a = trace.aftermaths
    data = (a["repeats"][:, side] >= REPEATS) & (a["repeated_ns"][:, side] - a["first_ns"][:, side] >= REPEATED_NS)
    probing = a["probes"][:, side] > 0
    places = np.flatnonzero((data | probing) & (owner >= 0))
    rows = owner[places]
    data, probing = data[places], probing[places]
    data &= is_waiting(trace, rows, places, side)
    gave_up = has_given_up(trace, rows) & (trace.connections["rst_side"][rows] == side)
    probing &= (a["probes"][places, side] >= PROBES) | gave_up
    kept = np.flatnonzero((data | probing) & is_open(trace, outcomes, rows))
    sides = np.full(len(kept), side, dtype=np.intp)
    return rows[kept], sides, places[kept], ~data[kept]


def is_waiting(trace: Attempts, rows: ConnectionRows, places: Rows, side: int) -> Bools:
    """Whether the repeated segment of that side is not acknowledged to this day, by a peer that had room for it."""
    peers = 2 * rows + (side ^ 1)
    waiting: Bools = trace.endpoints["last_ack"][peers] == trace.aftermaths["seq"][places, side]
    return waiting & (trace.endpoints["window"][peers] != 0)


def has_given_up(trace: Attempts, rows: ConnectionRows) -> Bools:
    """Whether a RST ended these because the peer answered nothing any more."""
    given_up: Bools = trace.facts[rows] & (FACT_RST | FACT_DEAD_PEER) == FACT_RST | FACT_DEAD_PEER
    return given_up


def is_open(trace: Attempts, outcomes: Outcomes, rows: ConnectionRows) -> Bools:
    """Whether both ends reached ESTABLISHED, and are in the capture."""
    outcome = outcomes.outcome[rows]
    ends = trace.endpoints["traits"]
    both = ends[2 * rows] & ends[2 * rows + 1] & TRAIT_SEEN != 0
    known: Bools = both & ((outcome == ESTABLISHED) | (outcome == MIDSTREAM))
    return known
