"""What was sent after the handshake and got no answer: rows of `Aftermath` as columns, per end.

*Data*: the first unacknowledged byte was retransmitted `REPEATS` times or more, over `REPEATED_NS` or longer. A lost
segment is repaired by its first or second retransmission; four, and three seconds, exceed ordinary loss (RFC 6298
section 5: the timer doubles). A receiver with a zero window still answers; it just takes nothing.

*Keep-alives*: `PROBES` or more since the peer was last seen, or fewer if their sender gave up with a RST
(`FACT_DEAD_PEER`). Both directions must be captured, since otherwise an answer may have been missed.
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
    """Ends of connections that get no answer any more: connection `rows`, and the `sides` that wait."""

    rows: ConnectionRows
    sides: NDArray[np.intp]
    places: Rows  # rows of `Attempts.aftermaths`
    probing: Bools  # unanswered are keep-alives, not data

    def select(self, some: Any) -> "Silence":
        """Return the selected ends."""
        return Silence(self.rows[some], self.sides[some], self.places[some], self.probing[some])

    def of(self, trace: Attempts, name: str) -> NDArray[Any]:
        """Return a column of `Aftermath` for the waiting end."""
        column: NDArray[Any] = trace.aftermaths[name][self.places, self.sides]
        return column

    def idle(self, trace: Attempts) -> Times:
        """Return the length of the idle period before, 0 for none."""
        return np.where(self.probing, self.of(trace, "probe_idle_ns"), self.of(trace, "waited_ns"))

    def since(self, trace: Attempts) -> Times:
        """Return when the unanswered segment was first sent."""
        return np.where(self.probing, self.of(trace, "probe_ns"), self.of(trace, "first_ns"))

    def until(self, trace: Attempts) -> Times:
        """Return when the unanswered segment was last sent."""
        return np.where(self.probing, self.of(trace, "probed_ns"), self.of(trace, "repeated_ns"))

    def frames(self, trace: Attempts) -> list[int]:
        """Return the frame numbers of the last copies."""
        low = np.where(self.probing, self.of(trace, "probe_frame"), self.of(trace, "frame"))
        return whole_frames(trace, self.rows, low)


def whole_frames(trace: Attempts, rows: ConnectionRows, low: NDArray[Any]) -> list[int]:
    """Expand the low 32 bits of frame numbers of these connections to full numbers."""
    whole: list[int] = columns.whole_frames(trace.connections["first_frame"][rows], low).tolist()
    return whole


@once
def owners(trace: Attempts) -> ConnectionRows:
    """Return the connection of each row of `Aftermath`, -1 for free rows."""
    owner = np.full(len(trace.aftermaths), -1, dtype=np.intp)
    rows = trace.tracked_where(trace.connections["aftermath"])
    owner[trace.connections["aftermath"][rows].astype(np.intp) - 1] = rows
    return ConnectionRows(owner)


def silent_ends(trace: Attempts, outcomes: Outcomes) -> Silence:
    """Return the ends that retransmit data or keep-alives to a peer that answers nothing."""
    owner = owners(trace)
    parts = [one_side(trace, outcomes, owner, side) for side in (0, 1)]
    rows, *others = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Silence(ConnectionRows(rows), *others)


def one_side(
    trace: Attempts, outcomes: Outcomes, owner: ConnectionRows, side: int
) -> tuple[ConnectionRows, Rows, Rows, Bools]:
    """Return the columns of `Silence` for one side."""
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
    """Return a mask over `rows`: the retransmitted segment is still unacknowledged, by a peer with a nonzero window."""
    peers = 2 * rows + (side ^ 1)
    waiting: Bools = trace.endpoints["last_ack"][peers] == trace.aftermaths["seq"][places, side]
    return waiting & (trace.endpoints["window"][peers] != 0)


def has_given_up(trace: Attempts, rows: ConnectionRows) -> Bools:
    """Return a mask over `rows`: a RST ended the connection because the peer stopped answering."""
    given_up: Bools = trace.facts[rows] & (FACT_RST | FACT_DEAD_PEER) == FACT_RST | FACT_DEAD_PEER
    return given_up


def is_open(trace: Attempts, outcomes: Outcomes, rows: ConnectionRows) -> Bools:
    """Return a mask over `rows`: both ends reached ESTABLISHED and are in the capture."""
    outcome = outcomes.outcome[rows]
    ends = trace.endpoints["traits"]
    both = ends[2 * rows] & ends[2 * rows + 1] & TRAIT_SEEN != 0
    known: Bools = both & ((outcome == ESTABLISHED) | (outcome == MIDSTREAM))
    return known
