"""Where the capture was made: next to the clients, next to the servers, or in between.

Every established connection casts two votes. *TTLs*: a TTL that still has an initial value (64, 128, 255) crossed no
router, so its sender is near, provided that the other end's crossed some. *RTT halves*: the half towards an adjacent
end is next to nothing. If both votes are cast they must agree, or the connection does not count. The position with most
votes is reported, with its share.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_ACKED, FACT_SYN, FACT_SYNACK, METHOD_EXACT, METHOD_TSECR
from handshake_inspect.verdicts import resets
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.legs import Legs
from handshake_inspect.verdicts.numbering import ConnectionRows

# A half below this share of the total is "next to nothing"...
BESIDE = 0.08
# ... if the total is long enough to compare: on one switch both halves are just kernel delay.
LEAST_TOTAL_NS = 1_000_000
# The winner needs this share of the votes.
LEAST_SHARE = 0.6
# So many connections are enough, because the position does not change within a capture.
MAX_CONNECTIONS = 20_000

PLACES = ("client", "server", "between")
NO_VOTE = -1
CLIENT, SERVER, BETWEEN = range(3)

Votes = NDArray[np.int8]


@dataclass(frozen=True)
class Position:
    """`place` is client, server, between or None if unknown; `share` of the `connections` with a vote agree."""

    place: str | None
    share: float | None
    connections: int


def locate(trace: Attempts, legs: Legs) -> Position:
    """Evaluate the first connections with a complete handshake."""
    whole = FACT_SYN | FACT_SYNACK | FACT_ACKED
    rows = trace.earliest(trace.tracked_where((trace.facts & whole == whole) & ~trace.untimed), MAX_CONNECTIONS)
    votes = combine_votes(by_ttl(trace, rows), by_halves(legs.of(rows)))
    counts = np.bincount(votes[votes != NO_VOTE], minlength=len(PLACES))
    spoken = int(counts.sum())
    best = int(counts.argmax())
    if not spoken or counts[best] < LEAST_SHARE * spoken:
        return Position(None, None, spoken)
    return Position(PLACES[best], round(int(counts[best]) / spoken, 4), spoken)


def combine_votes(one: Votes, other: Votes) -> Votes:
    """Combine two votes."""
    return np.select([one == NO_VOTE, (other == NO_VOTE) | (one == other)], [other, one], NO_VOTE).astype(np.int8)


def by_ttl(trace: Attempts, rows: ConnectionRows) -> Votes:
    """Vote by the TTLs of SYN and SYN-ACK."""
    _, client = resets.hops(np.maximum(trace.endpoints["syn_ttl"][trace.client_rows[rows]], 1))
    _, server = resets.hops(np.maximum(trace.endpoints["syn_ttl"][trace.server_rows[rows]], 1))
    near_client, near_server = client == 0, server == 0
    return np.select([near_client & near_server, near_client, near_server], [NO_VOTE, CLIENT, SERVER], BETWEEN).astype(
        np.int8
    )


def by_halves(legs: Legs) -> Votes:
    """Vote by the two halves of the RTT."""
    forth, back = legs.synack, legs.ackdat
    good = (METHOD_EXACT, METHOD_TSECR)
    synack, ackdat = forth.value, back.value
    total = synack + ackdat
    known = np.isin(forth.method, good) & np.isin(back.method, good)
    known &= (synack >= 0) & (ackdat >= 0) & (total >= LEAST_TOTAL_NS)
    return np.select(
        [~known, ackdat <= BESIDE * total, synack <= BESIDE * total], [NO_VOTE, CLIENT, SERVER], BETWEEN
    ).astype(np.int8)
