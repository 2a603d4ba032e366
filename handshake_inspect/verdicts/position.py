"""Where the capture was made: beside the clients, beside the servers, or in between.

Every established connection is asked twice.  Its *TTLs*: a TTL that still has the value it started with (64, 128, 255)
came over no router, so its sender is near, if the other end's came over some.  Its *RTT halves*: the half towards an
end that the capture point is beside is next to nothing.  Where both witnesses speak they must agree, else the
connection says nothing.  The place that most connections name is the answer, with the share that named it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_ACKED, FACT_SYN, FACT_SYNACK, METHOD_EXACT, METHOD_TSECR
from handshake_inspect.verdicts import resets
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.legs import Legs
from handshake_inspect.verdicts.numbering import ConnectionRows

# A half below this part of the whole is "next to nothing"...
BESIDE = 0.08
# ... if the whole is long enough to divide: on one switch both halves are a kernel's delay and say nothing.
LEAST_TOTAL_NS = 1_000_000
# Fewer connections of one mind than this are no answer.
LEAST_SHARE = 0.6
# Enough to ask; the position does not change within a capture.
ASKED = 20_000

PLACES = ("client", "server", "between")
SILENT = -1
CLIENT, SERVER, BETWEEN = range(3)

Votes = NDArray[np.int8]


@dataclass(frozen=True)
class Position:
    """`place` is client, server, between or None if unknown; `share` of the `connections` with a hint agree."""

    place: str | None
    share: float | None
    connections: int


def locate(trace: Attempts, legs: Legs) -> Position:
    """Ask the first connections that have a whole handshake."""
    whole = FACT_SYN | FACT_SYNACK | FACT_ACKED
    rows = trace.earliest(trace.tracked_where((trace.facts & whole == whole) & ~trace.untimed), ASKED)
    votes = agree(by_ttl(trace, rows), by_halves(legs.of(rows)))
    counts = np.bincount(votes[votes != SILENT], minlength=len(PLACES))
    spoken = int(counts.sum())
    best = int(counts.argmax())
    if not spoken or counts[best] < LEAST_SHARE * spoken:
        return Position(None, None, spoken)
    return Position(PLACES[best], round(int(counts[best]) / spoken, 4), spoken)


def agree(one: Votes, other: Votes) -> Votes:
    """What two witnesses say together."""
    return np.select([one == SILENT, (other == SILENT) | (one == other)], [other, one], SILENT).astype(np.int8)


def by_ttl(trace: Attempts, rows: ConnectionRows) -> Votes:
    """What the TTLs of SYN and SYN-ACK say."""
    _, client = resets.hops(np.maximum(trace.endpoints["syn_ttl"][trace.client_rows[rows]], 1))
    _, server = resets.hops(np.maximum(trace.endpoints["syn_ttl"][trace.server_rows[rows]], 1))
    near_client, near_server = client == 0, server == 0
    return np.select([near_client & near_server, near_client, near_server], [SILENT, CLIENT, SERVER], BETWEEN).astype(
        np.int8
    )


def by_halves(legs: Legs) -> Votes:
    """What the two halves of the RTT say."""
    forth, back = legs.synack, legs.ackdat
    good = (METHOD_EXACT, METHOD_TSECR)
    synack, ackdat = forth.value, back.value
    total = synack + ackdat
    known = np.isin(forth.method, good) & np.isin(back.method, good)
    known &= (synack >= 0) & (ackdat >= 0) & (total >= LEAST_TOTAL_NS)
    return np.select(
        [~known, ackdat <= BESIDE * total, synack <= BESIDE * total], [SILENT, CLIENT, SERVER], BETWEEN
    ).astype(np.int8)
