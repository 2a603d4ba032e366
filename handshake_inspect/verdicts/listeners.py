"""What a listener does with final ACKs: it takes them, waits for data, or never sees them.

A listener takes an ACK when it proves to be synchronized on any connection, sends data or FIN, speaks on a connection
that was open before, or is silent about one for `QUIET_NS`, where it would have repeated its SYN-ACK.

*Deferred*.  TCP_DEFER_ACCEPT repeats a SYN-ACK that was acknowledged, and takes the first data.  Linux repeats it once,
at the end of the deferring period, and then takes a bare ACK, too (`syn_ack_recalc` and `tcp_check_req` in the kernel).
A full accept queue that drained looks the same when its SYN-ACK was repeated once.  So a repetition that came no later
than `FIRST_RTO_NS`, as the first of a full queue does, excuses only connections of which no SYN-ACK was repeated twice.

*Final ACKs lost*.  A full accept queue is one application's; that several (`SEVERAL`) listeners of one host repeat
SYN-ACKs which the client acknowledged, and that none of them ever takes an ACK, is not: the ACKs do not arrive.  A
client whose ACKs the host takes on any port is not concerned.  A SYN-ACK repeated after the client's RST says the same
of one connection alone: a host that gets the RST forgets the attempt, whatever its queues.  So does an ICMP error
that quotes the ACK.
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
    FACT_SYNACK_AFTER_ACK,
    TRAIT_ACKS,
    TRAIT_FIN,
)
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.resets import two_hosts
from handshake_inspect.verdicts.sets import distinct, pair_key, places

SEVERAL = 2
TWICE = 2
QUIET_NS = 3_000_000_000
FIRST_RTO_NS = 2_000_000_000  # 1 s (RFC 6298 section 2.1), and more than timers run long


def resends(trace: Attempts) -> Bools:
    """Whether the server repeats its SYN-ACK after the final ACK; once and answered, an ACK may have been lost."""
    c = trace.connections
    return (trace.facts & FACT_SYNACK_AFTER_ACK != 0) & ((c["resent_count"] >= TWICE) | (c["reack_count"] == 0))


def defers(trace: Attempts) -> Bools:
    """Connections that TCP_DEFER_ACCEPT of their listener excuses for repeated SYN-ACKs."""
    excused = trace.facts & FACT_DEFERRED != 0
    rows = trace.tracked_where(excused)
    if not len(rows):
        return excused
    c, keys = trace.connections, trace.of_connections(trace.server_key)
    late = rows[c["last_synack_ns"][rows] - c["ack_ns"][rows] > FIRST_RTO_NS]
    excused = is_one_of(keys, distinct(keys[rows])) & (c["resent_count"] < TWICE)
    return excused | is_one_of(keys, distinct(keys[late]))


def waits_for_data(trace: Attempts) -> Bools:
    """Connections without data on a listener that was seen to wait for data (TCP_DEFER_ACCEPT)."""
    return defers(trace) & (trace.facts & FACT_CLIENT_DATA == 0)


def is_one_of(keys: Keys, members: Keys) -> Bools:
    """Which keys are among `members`, which are sorted."""
    return places(keys, members)[1] if len(members) else np.zeros(len(keys), dtype=bool)


def takes_acks(trace: Attempts) -> Bools:
    """Connections that show that the server takes ACKs."""
    c, facts = trace.connections, trace.facts
    traits = trace.endpoints["traits"][trace.server_rows]
    spoke = facts & (FACT_SERVER_PROVED | FACT_SERVER_DATA) != 0
    spoke |= traits & TRAIT_FIN != 0
    spoke |= (facts & FACT_MIDSTREAM != 0) & (traits & TRAIT_ACKS != 0)
    quiet = facts & (FACT_ACKED | FACT_SYNACK_AFTER_ACK) == FACT_ACKED
    quiet &= c["rst_ns"] == 0
    return spoke | (quiet & (trace.last_ns - c["ack_ns"] >= QUIET_NS))


def final_acks_lost(trace: Attempts) -> Bools:
    """Half-open connections whose final ACK is in the capture and did not reach the server."""
    alone: Bools = trace.facts & (FACT_RST_LOST | FACT_ACK_REJECTED) != 0
    rows = trace.tracked_where(resends(trace) & ~two_hosts(trace) & ~waits_for_data(trace))
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
