"""What a listener does with final ACKs: it takes them, waits for data, never receives them, or is closed.

A listener takes ACKs if it proves to be synchronized on any connection, sends data or FIN, sends on a connection that
was open before, or does not retransmit its SYN-ACK for `QUIET_NS` after an ACK.

*Deferred*. TCP_DEFER_ACCEPT retransmits an acknowledged SYN-ACK, and takes the first data. Linux retransmits it once,
at the end of the deferring period, and then takes a bare ACK, too (`syn_ack_recalc` and `tcp_check_req` in the kernel).
An accept queue that drained after one retransmission looks the same. So a retransmission within `FIRST_RTO_NS`, as the
first one of a full queue, excuses only connections with a single one.

*Final ACKs lost*. A full accept queue affects one application. If `SEVERAL` listeners of one host retransmit SYN-ACKs
that the client acknowledged, and none of them ever takes an ACK, the ACKs do not arrive. Clients whose ACKs the host
takes on any port are excluded. A SYN-ACK retransmitted after the client's RST proves the same for a single connection:
a host that receives the RST forgets the attempt, whatever its queues. So does an ICMP error that quotes the ACK.

*Stopped*. A process that ends resets the handshakes of its listener that complete a moment later, as a full queue does
with `tcp_abort_on_overflow`. But a queue is empty if the handshake before was served and is over, since it is first in,
first out; and a closed listener sends no SYN-ACK any more.
"""

import numpy as np

from handshake_inspect.tcp.facts import (
    FACT_ACK_REJECTED,
    FACT_ACKED,
    FACT_CLIENT_DATA,
    FACT_DEFERRED,
    FACT_MIDSTREAM,
    FACT_RST_LOST,
    FACT_SERVER_DATA,
    FACT_SERVER_PROVED,
    FACT_SYNACK,
    FACT_SYNACK_AFTER_ACK,
    TRAIT_ACKS,
    TRAIT_FIN,
)
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.resets import two_hosts
from handshake_inspect.verdicts.sets import distinct, pair_key, places

SEVERAL = 2
TWICE = 2
QUIET_NS = 3_000_000_000
FIRST_RTO_NS = 2_000_000_000  # 1 s (RFC 6298 section 2.1) and ample slack for timers


def resends_syn_ack(trace: Attempts) -> Bools:
    """Return a mask: the server retransmits its SYN-ACK after the final ACK.

    A single retransmission that the client answered does not count: an ACK may have been lost.
    """
    c = trace.connections
    return (trace.facts & FACT_SYNACK_AFTER_ACK != 0) & ((c["resent_count"] >= TWICE) | (c["reack_count"] == 0))


def defers(trace: Attempts) -> Bools:
    """Return a mask over connections whose retransmitted SYN-ACKs TCP_DEFER_ACCEPT of the listener excuses."""
    excused = trace.facts & FACT_DEFERRED != 0
    rows = trace.tracked_where(excused)
    if not len(rows):
        return excused
    c, keys = trace.connections, trace.of_connections(trace.server_key)
    late = rows[c["last_synack_ns"][rows] - c["ack_ns"][rows] > FIRST_RTO_NS]
    excused = is_one_of(keys, distinct(keys[rows])) & (c["resent_count"] < TWICE)
    return excused | is_one_of(keys, distinct(keys[late]))


def stopped(trace: Attempts, reset: ConnectionRows) -> Bools:
    """Return a mask over connections reset in answer to the final ACK: their listener was closed, not full."""
    if not len(reset):
        return np.zeros(0, dtype=bool)
    c, facts = trace.connections, trace.facts
    wanted = distinct(trace.server_key[reset])
    place, _ = places(trace.server_key[reset], wanted)
    since, closed_ns = (np.full(len(wanted), np.iinfo(np.int64).max) for _ in range(2))
    np.minimum.at(since, place, c["ack_ns"][reset])
    np.minimum.at(closed_ns, place, c["rst_ns"][reset])
    answered = trace.tracked_where(facts & FACT_SYNACK != 0)
    at, known = places(trace.server_key[answered], wanted)
    answered, at = answered[known], at[known]
    later = c["synack_ns"][answered] > closed_ns[at]
    latest = np.full(len(wanted), -1)
    before = np.flatnonzero(facts[answered] & FACT_ACKED != 0)
    before = before[c["ack_ns"][answered[before]] < since[at[before]]]
    before = before[np.argsort(c["ack_ns"][answered[before]], kind="stable")]
    latest[at[before]] = answered[before]
    served = (latest >= 0) & (facts[latest] & FACT_SERVER_DATA != 0) & (c["last_ns"][latest] < since)
    served[at[later]] = False
    found: Bools = served[place]
    return found


def waits_for_data(trace: Attempts) -> Bools:
    """Return a mask over connections without client data on a listener with TCP_DEFER_ACCEPT."""
    return defers(trace) & (trace.facts & FACT_CLIENT_DATA == 0)


def is_one_of(keys: Keys, members: Keys) -> Bools:
    """Return a mask over `keys`: it is among `members` (sorted)."""
    return places(keys, members)[1] if len(members) else np.zeros(len(keys), dtype=bool)


def takes_acks(trace: Attempts) -> Bools:
    """Return a mask over connections that prove that the server takes ACKs."""
    c, facts = trace.connections, trace.facts
    traits = trace.endpoints["traits"][trace.server_rows]
    spoke = facts & (FACT_SERVER_PROVED | FACT_SERVER_DATA) != 0
    spoke |= traits & TRAIT_FIN != 0
    spoke |= (facts & FACT_MIDSTREAM != 0) & (traits & TRAIT_ACKS != 0)
    quiet = facts & (FACT_ACKED | FACT_SYNACK_AFTER_ACK) == FACT_ACKED
    quiet &= c["rst_ns"] == 0
    return spoke | (quiet & (trace.last_ns - c["ack_ns"] >= QUIET_NS))


def final_acks_lost(trace: Attempts) -> Bools:
    """Return a mask over half-open connections whose final ACK is in the capture but did not reach the server."""
    alone: Bools = trace.facts & (FACT_RST_LOST | FACT_ACK_REJECTED) != 0
    rows = trace.tracked_where(resends_syn_ack(trace) & ~two_hosts(trace) & ~waits_for_data(trace))
    if len(rows) < SEVERAL:
        return alone
    service, host = trace.of_connections(trace.server_key), trace.of_connections(trace.server_host)
    taking = takes_acks(trace)
    rows = rows[~is_one_of(service[rows], distinct(service[taking]))]
    _, first = np.unique(service[rows], return_index=True)
    unreached, listeners = np.unique(host[rows[first]], return_counts=True)
    rows = rows[is_one_of(host[rows], unreached[listeners >= SEVERAL])]
    path = pair_key(trace.of_connections(trace.client_host), host)
    rows = rows[~is_one_of(path[rows], distinct(path[taking]))]
    alone[rows] = True
    return alone
