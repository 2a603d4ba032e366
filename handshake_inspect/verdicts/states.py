"""Endpoint states at the end of the capture: what the tracker knew, plus the timers that must have expired since.

TIME-WAIT ends after 2 MSL; a SYN or SYN-ACK whose next retransmission is overdue was given up (stacks at most double
the interval, RFC 6298 section 5.5, and timers run slightly late). A client acknowledges a SYN-ACK at once, so a client
that is silent for `REACTION_NS` is assumed not to have received it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import (
    EMBRYO_GIVEN_UP,
    FACT_ACKED,
    FACT_RST,
    FACT_SERVER_PROVED,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
)
from handshake_inspect.tcp.transitions import Event, TcpState, next_state
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.dropped_acks import dropped_acks
from handshake_inspect.verdicts.outcome import OVERDUE
from handshake_inspect.verdicts.repeats import last_gap_ns, last_syn_ns
from handshake_inspect.verdicts.visibility import sees_both

FIRST_RTO_NS = 1_000_000_000  # RFC 6298 section 2.1
LONGEST_FIRST_RTO_NS = 6_500_000_000  # twice the 3 s of old stacks (RFC 6298 section 2.1), plus slack
REACTION_NS = 500_000_000  # longer than any path on Earth; no SYN-ACK is retransmitted sooner

AFTER_TWO_MSL = np.array([next_state(Event.TWO_MSL, state) for state in TcpState], dtype=np.uint8)

States = NDArray[np.uint8]


def final_states(trace: Attempts) -> tuple[States, States]:
    """Return the states of the clients and of the servers of all attempts."""
    client, server = connection_states(trace)
    return trace.column(client, lone_states(trace)), trace.column(server, TcpState.CLOSED)


def connection_states(trace: Attempts) -> tuple[States, States]:
    """Return the states of client and server of every connection row."""
    client = expire(trace, trace.endpoints["state"][trace.client_rows])
    server = expire(trace, trace.endpoints["state"][trace.server_rows])
    client[syn_ack_not_received(trace, client)] = TcpState.SYN_SENT
    waiting = trace.tracked_where((client == TcpState.SYN_SENT) & (trace.facts & FACT_SYN != 0))
    given_up = overdue(trace, last_syn_ns(trace, waiting), last_gap_ns(trace, "syn")[waiting])
    client[waiting[given_up]] = TcpState.CLOSED
    server[given_up_answering(trace, server)] = TcpState.CLOSED
    server[dropped_acks(trace)] = TcpState.CLOSED
    client[with_forged_client(trace)] = TcpState.CLOSED
    return client, server


def syn_ack_not_received(trace: Attempts, client: States) -> NDArray[np.intp]:
    """Return connections whose client would have acknowledged the SYN-ACK by now, had it received it."""
    facts = trace.facts
    opened = FACT_SYN | FACT_SYNACK
    silent = facts & (opened | FACT_ACKED | FACT_RST | FACT_SERVER_PROVED | FACT_SIMULTANEOUS) == opened
    rows = trace.tracked_where(silent & (client == TcpState.ESTABLISHED))
    return rows[trace.last_ns - trace.connections["last_synack_ns"][rows] >= REACTION_NS]


def with_forged_client(trace: Attempts) -> NDArray[np.intp]:
    """Return SYN-ACKs to a host whose segments the capture never holds although it would: its address was forged."""
    alone = trace.facts & (FACT_SYN | FACT_SYNACK | FACT_ACKED | FACT_SERVER_PROVED) == FACT_SYNACK
    rows = trace.tracked_where(alone)
    rows = rows[~trace.seen_ends[rows, trace.connections["client"][rows]]]
    return rows if len(rows) and sees_both(trace) else rows[:0]


def given_up_answering(trace: Attempts, server: States) -> NDArray[np.intp]:
    """Return connections whose server no longer retransmits its SYN-ACK: given up, or without state (SYN cookies)."""
    c = trace.connections
    asked = (trace.facts & FACT_SYN != 0) & (c["synack_count"] > 0)
    rows = trace.tracked_where((server == TcpState.SYN_RECEIVED) & (asked | (c["synack_count"] > 1)))
    last = c["last_synack_ns"][rows]
    # Retransmitted SYNs draw SYN-ACKs besides those of the timer, so the last interval alone may be too short. With
    # doubling intervals, the next copy is due within the time since the first copy plus the first interval.
    since_first = np.maximum(last - c["synack_ns"][rows], 0) + FIRST_RTO_NS
    gap = np.maximum(last_gap_ns(trace, "synack")[rows], since_first // 2)
    return rows[overdue(trace, last, np.where(c["synack_count"][rows] > 1, gap, 0))]


def lone_states(trace: Attempts) -> States:
    """Return the states of the clients of lone SYNs."""
    states = np.empty(len(trace), dtype=np.uint8)
    for some, lone in trace.lone_batches():
        silent = trace.last_ns - lone["first_ns"] > LONGEST_FIRST_RTO_NS
        states[some] = np.where(silent | (lone["state"] == EMBRYO_GIVEN_UP), TcpState.CLOSED, TcpState.SYN_SENT)
    return trace.of_lone(states)


def expire(trace: Attempts, states: Any) -> States:
    """End TIME-WAIT after 2 MSL, and close connections that a later incarnation replaced."""
    states = states.copy()
    holding = np.flatnonzero(states == TcpState.TIME_WAIT)
    waited = trace.last_ns - trace.connections["time_wait_ns"][holding] >= trace.limits.time_wait_ns
    due = holding[waited]
    states[due] = AFTER_TWO_MSL[states[due]]
    states[trace.replaced] = TcpState.CLOSED
    return states


def overdue(trace: Attempts, last_ns: NDArray[np.int64], gap_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return a mask: the next retransmission should have been seen by now."""
    patience = np.where(gap_ns > 0, OVERDUE * gap_ns, LONGEST_FIRST_RTO_NS)
    return trace.last_ns - last_ns > np.maximum(patience, 2_200_000_000)
