"""Which directions the capture holds, and where silence is therefore no verdict.

An unanswered SYN is a failure only if an answer would have been captured. In a one-sided capture it looks like the SYN
of a successful connection.
"""

import numpy as np

from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_ICMP,
    FACT_MIDSTREAM,
    FACT_RST,
    FACT_SERVER_PROVED,
    FACT_SYN,
    FACT_SYNACK,
    TRAIT_ACKS,
    TRAIT_SEEN,
)
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.flag_filter import hidden_answers
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows, EndpointRows
from handshake_inspect.verdicts.sets import distinct, places
from handshake_inspect.verdicts.unsolicited import only_answering, senders

FLOWING = 3  # frames from one end of a midstream connection that are more than a probe


def blind(trace: Attempts) -> Bools:
    """Return a mask over attempts without an answer whose answers would not be in the capture.

    That is so if the same server provably sends segments that were not captured, if no answers were captured at all, or
    if a flag filter hides them.
    """
    hidden = hidden_answers(trace)
    facts = trace.facts
    halves = half_seen(trace) & (trace.endpoints["traits"][trace.client_rows] & TRAIT_SEEN != 0)
    if not halves.any():
        return hidden
    answers = FACT_SYNACK | FACT_ACKED | FACT_RST | FACT_ICMP | FACT_MIDSTREAM
    unanswered: Bools = trace.column((facts & answers == 0) & (facts & FACT_SYN != 0), True)
    if trace.elsewhere is not None:
        unanswered[trace.elsewhere.attempts] = False
    if not (trace.both_ends & TRAIT_SEEN).any():
        return unanswered
    rows = trace.tracked_where(unanswered)
    unanswered[rows] = places(trace.server_host[rows], distinct(trace.of_connections(trace.server_host)[halves]))[1]
    return unanswered | hidden


def sees_both(trace: Attempts) -> bool:
    """Return whether the capture holds both directions of a connection, or a client's RST to an unsolicited one."""
    if (trace.both_ends & TRAIT_SEEN).any():
        return True
    unasked = trace.facts & (FACT_RST | FACT_SYN) == FACT_RST
    client_sent_rst = unasked & (trace.connections["rst_side"] == trace.connections["client"])
    return bool(client_sent_rst.any())


@once
def half_seen(trace: Attempts) -> Bools:
    """Return a mask over connections with one direction missing although that end must have sent segments.

    A SYN-ACK without a SYN is backscatter, unless the capture is entirely one-sided; even then it is if its host sends
    nothing but answers (`unsolicited.py`).
    """
    facts = trace.facts
    sides = trace.seen_ends
    alone: Bools = sides[:, 0] != sides[:, 1]
    if not alone.any():
        return alone
    opened = (facts & FACT_ACKED != 0) & (facts & FACT_SYNACK == 0) & (facts & FACT_SYN != 0)
    answered = facts & (FACT_SYNACK | FACT_SYN | FACT_SERVER_PROVED) == FACT_SYNACK | FACT_SERVER_PROVED
    proved: Bools = alone & (opened | answered)
    rows = trace.tracked_where(alone & (facts & FACT_MIDSTREAM != 0))
    proved[rows] |= flowing(trace, EndpointRows(2 * rows + sides[rows, 1]))
    if not (trace.both_ends & TRAIT_SEEN).any():
        halves = trace.tracked_where(alone & (facts & FACT_SYNACK != 0) & (facts & FACT_SYN == 0))
        proved[halves[~answers_only(trace, halves)]] = True
    return proved


def answers_only(trace: Attempts, rows: ConnectionRows) -> Bools:
    """Return a mask over `rows`: the sender of the first frame sends nothing but answers."""
    hosts = only_answering(trace) if len(rows) else np.zeros(0, dtype=np.uint64)
    return places(senders(trace, rows), hosts)[1] if len(hosts) else np.zeros(len(rows), dtype=bool)


def serves_unseen(trace: Attempts, rows: ConnectionRows) -> Bools:
    """Return a mask over `rows`: the sender of the first frame serves clients whose direction is missing."""
    sides = trace.seen_ends
    lone = np.flatnonzero(half_seen(trace))
    lone = lone[sides[lone, 1 - trace.connections["client"][lone]]]
    if not len(lone):
        return np.zeros(len(rows), dtype=bool)
    return places(senders(trace, rows), distinct(trace.server_host[lone]))[1]


def flowing(trace: Attempts, ends: EndpointRows) -> Bools:
    """Return a mask over these lone ends: they send new data that is acknowledged, which is more than a probe."""
    e = trace.endpoints
    more = (e["bytes"][ends] > 0) & (e["frames"][ends] >= FLOWING)
    heeded: Bools = more & (e["retransmissions"][ends] == 0) & (e["traits"][ends] & TRAIT_ACKS != 0)
    return heeded
