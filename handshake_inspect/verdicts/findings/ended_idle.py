"""Connections that a pause ended: by a RST that came unprompted, or one that data drew; or nothing came any more."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from handshake_inspect.tcp.facts import (
    EVENT_RACE,
    EVENT_WAITED,
    FACT_DEAD_PEER,
    FACT_LAST_ACK_SEEN,
    FACT_RST,
    FACT_SERVER_DATA,
    TRAIT_FIN,
)
from handshake_inspect.verdicts import silence
from handshake_inspect.verdicts.arrays import Bools, Rows, Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.findings import stalled
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows, chained
from handshake_inspect.verdicts.words import ESTABLISHED, MIDSTREAM

IDLE_NS = 10_000_000_000  # shorter pauses are lost to other things than a table
DRAWN_NS = 3_000_000_000  # a RST that answers the first data, or a copy of it


@dataclass(frozen=True, eq=False, repr=False)
class Ended:
    """Connections that a pause ended: how long it was, and whether a RST came unprompted, or data drew it."""

    rows: ConnectionRows
    idle: Times
    unprompted: Bools
    drawn: Bools  # neither: nothing came any more
    ended_ns: Times  # when the pause was over

    def chosen(self, some: Any) -> "Ended":
        """Some of them."""
        columns = (self.rows, self.idle, self.unprompted, self.drawn, self.ended_ns)
        return Ended(*(column[some] for column in columns))


@once
def ended_idle(case: Case) -> Ended:
    """Connections that ended in a pause, or with the first segment after one."""
    trace = case.attempts
    owner = silence.owners(trace)
    places = np.flatnonzero(owner >= 0)
    rows = owner[places]
    facts, a = trace.facts[rows], trace.aftermaths
    outcome = case.outcomes.outcome[rows]
    reset = np.flatnonzero(
        (facts & (FACT_RST | FACT_DEAD_PEER | FACT_LAST_ACK_SEEN) == FACT_RST)
        & ((outcome == ESTABLISHED) | (outcome == MIDSTREAM))
    )
    rows, places = rows[reset], places[reset]
    ended = (a["events"][places] & EVENT_RACE == 0) & is_used(trace, rows)
    unprompted = ended & is_unprompted(trace, rows, places)
    probed = probe_pause(trace, rows, places)
    drawn = ended & ~unprompted & (is_drawn(trace, rows, places) | (probed >= IDLE_NS))
    kept = np.flatnonzero(unprompted | drawn)
    before = np.where(probed >= IDLE_NS, probed, a["idle_ns"][places])
    idle = np.where(unprompted, a["rst_idle_ns"][places], before)[kept]
    lost = stalled.stalled(case)
    paused = lost.chosen(np.flatnonzero(lost.idle(trace) >= IDLE_NS))
    silent = np.zeros(len(paused.rows), dtype=bool)
    return Ended(
        chained(rows[kept], paused.rows),
        np.concatenate([idle, paused.idle(trace)]),
        np.concatenate([unprompted[kept], silent]),
        np.concatenate([drawn[kept], silent]),
        np.concatenate([trace.connections["rst_ns"][rows[kept]], paused.since(trace)]),
    )


def is_used(trace: Attempts, rows: ConnectionRows) -> Bools:
    """Whether the server sent or acknowledged data: what never was in use, it turned away (`early-reset`)."""
    e, client, server = trace.endpoints, trace.client_rows[rows], trace.server_rows[rows]
    taken = (e["last_ack"][server] - e["iss"][client] - np.uint32(1)) > 0
    used: Bools = (trace.facts[rows] & FACT_SERVER_DATA != 0) | taken
    return used


def is_unprompted(trace: Attempts, rows: ConnectionRows, places: Rows) -> Bools:
    """Whether a RST came by itself, out of a pause that was the connection's longest.

    Not in a close, and not from a client tired of waiting.
    """
    c, a = trace.connections, trace.aftermaths
    closing = trace.either_end[rows] & TRAIT_FIN != 0
    tired = (c["rst_side"][rows] == c["client"][rows]) & (a["events"][places] & EVENT_WAITED != 0)
    unprompted: Bools = (a["rst_idle_ns"][places] > a["survived_ns"][places]) & ~closing & ~tired
    return unprompted


def is_drawn(trace: Attempts, rows: ConnectionRows, places: Rows) -> Bools:
    """Whether a RST answers the first data after a pause, none of which was acknowledged."""
    c, a = trace.connections, trace.aftermaths
    other = c["rst_side"][rows] != a["resumed_side"][places]
    soon = c["rst_ns"][rows] - a["resumed_ns"][places] <= DRAWN_NS
    untaken = trace.endpoints["last_ack"][2 * rows + c["rst_side"][rows]] == a["resumed_seq"][places]
    drawn: Bools = other & soon & untaken & (a["idle_ns"][places] >= IDLE_NS)
    return drawn & (a["resumed_ns"][places] >= trace.connections["first_ns"][rows])


def probe_pause(trace: Attempts, rows: ConnectionRows, places: Rows) -> Times:
    """The pause before a keep-alive that drew the RST; 0 for none."""
    asker = trace.connections["rst_side"][rows].astype(np.intp) ^ 1
    a = trace.aftermaths
    soon = trace.connections["rst_ns"][rows] - a["probed_ns"][places, asker] <= DRAWN_NS
    return np.where((a["probes"][places, asker] > 0) & soon, a["probe_idle_ns"][places, asker], 0)
