"""Connections that ended in or after an idle period: by an unprompted RST, by a RST in answer to data, or in silence.

Shared by the `idle-timeout` and `rst-injection` detectors.
"""

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

IDLE_NS = 10_000_000_000  # shorter idle periods are not due to an expired table entry
DRAWN_NS = 3_000_000_000  # a RST this soon answers the first data or a retransmission of it


@dataclass(frozen=True, eq=False, repr=False)
class Ended:
    """Connections that an idle period ended, as parallel columns.

    A connection that is neither `unprompted` nor `drawn` went silent.
    """

    rows: ConnectionRows
    idle: Times  # length of the idle period
    unprompted: Bools  # a RST came by itself
    drawn: Bools  # a RST answered data
    ended_ns: Times  # end of the idle period

    def select(self, some: Any) -> "Ended":
        """Return the selected rows."""
        columns = (self.rows, self.idle, self.unprompted, self.drawn, self.ended_ns)
        return Ended(*(column[some] for column in columns))


@once
def ended_idle(case: Case) -> Ended:
    """Return the connections that ended in an idle period or with the first segment after one."""
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
    paused = lost.select(np.flatnonzero(lost.idle(trace) >= IDLE_NS))
    silent = np.zeros(len(paused.rows), dtype=bool)
    return Ended(
        chained(rows[kept], paused.rows),
        np.concatenate([idle, paused.idle(trace)]),
        np.concatenate([unprompted[kept], silent]),
        np.concatenate([drawn[kept], silent]),
        np.concatenate([trace.connections["rst_ns"][rows[kept]], paused.since(trace)]),
    )


def is_used(trace: Attempts, rows: ConnectionRows) -> Bools:
    """Return a mask over `rows`: the server sent or acknowledged data. (Unused connections are `early-reset`.)"""
    e, client, server = trace.endpoints, trace.client_rows[rows], trace.server_rows[rows]
    taken = (e["last_ack"][server] - e["iss"][client] - np.uint32(1)) > 0
    used: Bools = (trace.facts[rows] & FACT_SERVER_DATA != 0) | taken
    return used


def is_unprompted(trace: Attempts, rows: ConnectionRows, places: Rows) -> Bools:
    """Return a mask over `rows`: the RST came by itself, after the connection's longest idle period.

    RSTs during a close, and those of a client that had been waiting for an answer, do not count.
    """
    c, a = trace.connections, trace.aftermaths
    closing = trace.either_end[rows] & TRAIT_FIN != 0
    tired = (c["rst_side"][rows] == c["client"][rows]) & (a["events"][places] & EVENT_WAITED != 0)
    unprompted: Bools = (a["rst_idle_ns"][places] > a["survived_ns"][places]) & ~closing & ~tired
    return unprompted


def is_drawn(trace: Attempts, rows: ConnectionRows, places: Rows) -> Bools:
    """Return a mask over `rows`: the RST answers the first data after an idle period, none of it acknowledged."""
    c, a = trace.connections, trace.aftermaths
    other = c["rst_side"][rows] != a["resumed_side"][places]
    soon = c["rst_ns"][rows] - a["resumed_ns"][places] <= DRAWN_NS
    untaken = trace.endpoints["last_ack"][2 * rows + c["rst_side"][rows]] == a["resumed_seq"][places]
    drawn: Bools = other & soon & untaken & (a["idle_ns"][places] >= IDLE_NS)
    return drawn & (a["resumed_ns"][places] >= trace.connections["first_ns"][rows])


def probe_pause(trace: Attempts, rows: ConnectionRows, places: Rows) -> Times:
    """Return the idle period before the keep-alive probe that the RST answered, 0 for none."""
    asker = trace.connections["rst_side"][rows].astype(np.intp) ^ 1
    a = trace.aftermaths
    soon = trace.connections["rst_ns"][rows] - a["probed_ns"][places, asker] <= DRAWN_NS
    return np.where((a["probes"][places, asker] > 0) & soon, a["probe_idle_ns"][places, asker], 0)
