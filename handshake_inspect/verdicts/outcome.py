"""The outcome of each attempt, its cause, and whether it is decided: masks over columns, the first match wins.

The outcome is what both ends reached. A SYN-ACK retransmitted after the final ACK must have arrived shows a server that
did not take the ACK, so the connection is half-open until the server proves otherwise. A bare RST in answer to the
final ACK shows the same if the server sent it, and not a middlebox or another host with its address. Data that is lost
after a completed handshake does not (`path-mtu` and `stalled` report it).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import (
    EMBRYO_GIVEN_UP,
    FACT_ABORTED,
    FACT_ACK_REJECTED,
    FACT_ACKED,
    FACT_BAD_SYNACK,
    FACT_BARE_RST_AFTER_ACK,
    FACT_CHALLENGE_ACK,
    FACT_DEAD_PEER,
    FACT_ICMP,
    FACT_LAST_ACK_SEEN,
    FACT_MIDSTREAM,
    FACT_REFUSED,
    FACT_RST,
    FACT_RST_DOUBTED,
    FACT_SERVER_PROVED,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
    FACT_SYNACK_AFTER_ACK,
    FACT_SYNACK_AFTER_RST,
    TRAIT_FIN,
)
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts.arrays import Bools, Codes
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import marked
from handshake_inspect.verdicts.dropped_acks import dropped_acks
from handshake_inspect.verdicts.flag_filter import completed_unseen, hidden_final_acks, hidden_resets, may_have_gone_on
from handshake_inspect.verdicts.listeners import final_acks_lost, resends_syn_ack, waits_for_data
from handshake_inspect.verdicts.masks import Rule, first_match
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows
from handshake_inspect.verdicts.refusals import while_serving
from handshake_inspect.verdicts.repeats import last_gap_ns
from handshake_inspect.verdicts.resets import from_middlebox, two_hosts
from handshake_inspect.verdicts.sockets import End
from handshake_inspect.verdicts.unanswered import silence_causes
from handshake_inspect.verdicts.visibility import answers_only, blind, sees_both, serves_unseen
from handshake_inspect.verdicts.words import (
    ABORTED,
    CAUSE,
    ESTABLISHED,
    HALF_OPEN,
    ICMP_CAUSES,
    ICMP_OTHER,
    MIDSTREAM,
    PENDING,
    REFUSED,
    REJECTED,
    TIMED_OUT,
    UNSOLICITED,
)

# The next retransmission is due after twice the last interval (RFC 6298 section 5.5), plus slack for timers.
OVERDUE = 2.2


@dataclass(frozen=True, eq=False, repr=False)
class Outcomes:
    """Outcome, cause and certainty of every attempt of a trace, in row order."""

    outcome: Codes
    cause: Codes
    decided: Bools

    def at(self, rows: NDArray[Any]) -> "Outcomes":
        """Return those of these attempts."""
        return Outcomes(self.outcome[rows], self.cause[rows], self.decided[rows])


def judge(trace: Attempts, full: Sequence[End] = ()) -> Outcomes:
    """Judge every attempt; `full` are listeners of this host known to have a full accept queue."""
    outcome = outcomes_of(trace)
    decided = outcome != PENDING
    of_connections = trace.of_connections(outcome)
    waiting = trace.tracked_where(of_connections == HALF_OPEN)
    decided[waiting] = half_open_is_decided(trace, waiting)
    trace.of_connections(decided)[:] &= (of_connections != ESTABLISHED) | ~may_resend(trace)
    decided &= ~blind(trace)
    return Outcomes(outcome, causes(trace, outcome, full), decided)


def outcomes_of(trace: Attempts) -> Codes:
    """Return the outcomes of all attempts."""
    outcome = np.empty(len(trace), dtype=np.uint8)
    trace.of_connections(outcome)[:] = connection_outcomes(trace)
    for some, lone in trace.lone_batches():
        outcome[some] = unanswered_outcome(trace, lone["first_ns"], lone["state"] == EMBRYO_GIVEN_UP)
    return outcome


def connection_outcomes(trace: Attempts) -> Codes:
    """Return the outcomes of connection rows."""
    facts = trace.facts

    def has(bits: int) -> Bools:
        return facts & bits != 0

    established = is_established(trace)
    unanswered = np.full(len(facts), PENDING, dtype=np.uint8)
    alone = np.flatnonzero(~has(FACT_SYNACK | FACT_REFUSED | FACT_MIDSTREAM))
    unanswered[alone] = unanswered_outcome(trace, trace.connections["syn_ns"][alone], gave_up(trace)[alone])
    rules: list[Rule] = [
        (established, ESTABLISHED),
        (has(FACT_MIDSTREAM), MIDSTREAM),
        (~has(FACT_SYN) & (facts & (FACT_SYNACK | FACT_ACKED) != FACT_SYNACK | FACT_ACKED), UNSOLICITED),
        (has(FACT_REFUSED), REFUSED),
        (rejected_first(trace), REJECTED),
        (has(FACT_ABORTED), ABORTED),
        (has(FACT_SYNACK), HALF_OPEN),
        (has(FACT_ICMP), REJECTED),
    ]
    return first_match(rules, unanswered, len(facts))


def rejected_first(trace: Attempts) -> Bools:
    """Return a mask: an ICMP error answered the SYN before the client aborted the attempt."""
    asked = trace.facts & (FACT_ICMP | FACT_SYNACK) == FACT_ICMP
    return asked & (trace.connections["icmp_ns"] <= trace.connections["rst_ns"])


def is_established(trace: Attempts) -> Bools:
    """Return a mask: both ends reached ESTABLISHED.

    In a simultaneous open, a SYN-ACK only proves that its sender received the other SYN.
    """
    facts = trace.facts
    acked = facts & FACT_ACKED != 0
    proved = (facts & FACT_SERVER_PROVED != 0) & (acked | (facts & FACT_SIMULTANEOUS == 0))
    doubted = resends_syn_ack(trace) | ack_not_taken(trace) | rejected_acks(trace)
    doubted[dropped_acks(trace)] = True
    proved[completed_unseen(trace)] = True
    return (proved | (acked & ~doubted)) & (facts & FACT_MIDSTREAM == 0)


def rejected_acks(trace: Attempts) -> Bools:
    """Return a mask: an ICMP error quoted the final ACK, and nothing later seems to have arrived."""
    waiting = trace.endpoints["state"][trace.server_rows] == TcpState.SYN_RECEIVED
    rejected: Bools = waiting & (trace.facts & FACT_ACK_REJECTED != 0)
    return rejected


def ack_not_taken(trace: Attempts) -> Bools:
    """Return a mask: the server itself answered the final ACK with a RST, or still waited for an ACK after a RST."""
    facts = trace.facts
    bare = facts & FACT_BARE_RST_AFTER_ACK != 0
    not_its_own = from_middlebox(trace) | two_hosts(trace)
    untaken: Bools = (facts & FACT_SYNACK_AFTER_RST != 0) | (bare & ~not_its_own)
    return untaken


def may_resend(trace: Attempts) -> Bools:
    """Return a mask: another SYN-ACK may still be due, so that it is unknown whether the last ACK was taken."""
    waiting: Bools = trace.facts & (FACT_SYNACK_AFTER_ACK | FACT_SERVER_PROVED) == FACT_SYNACK_AFTER_ACK
    rows = trace.tracked_where(waiting)
    since = trace.last_ns - trace.connections["last_synack_ns"][rows]
    waiting[rows] = since < OVERDUE * last_gap_ns(trace, "synack")[rows]
    return waiting


def gave_up(trace: Attempts) -> Bools:
    """Return a mask: the client of an unanswered attempt stopped, because it reused the 4-tuple."""
    return trace.replaced


def unanswered_outcome(trace: Attempts, first_ns: NDArray[np.int64], given_up: Bools) -> Codes:
    """Return TIMED_OUT or PENDING for each unanswered attempt."""
    waited = first_ns <= trace.last_ns - trace.limits.unanswered_ns
    return np.where(waited | given_up, np.uint8(TIMED_OUT), np.uint8(PENDING))


def half_open_is_decided(trace: Attempts, waiting: ConnectionRows) -> Bools:
    """Return a mask over half-open connections that had time to complete, or were reset."""
    c = trace.connections[waiting]
    had_time: Bools = (trace.last_ns - c["synack_ns"] >= trace.limits.unanswered_ns) | (c["facts"] & FACT_RST != 0)
    hidden = hidden_final_acks(trace, waiting) | hidden_resets(trace, waiting)
    return had_time & ~hidden & ~may_have_gone_on(trace, waiting)


# -- causes ----------------------------------------------------------------------------------------------------


def causes(trace: Attempts, outcome: Codes, full: Sequence[End] = ()) -> Codes:
    """Return the cause code of every attempt, 0 for none."""
    cause = np.zeros(len(outcome), dtype=np.uint8)
    of_connections, named = trace.of_connections(outcome), trace.of_connections(cause)
    facts = trace.facts
    forged = from_middlebox(trace)
    refused = of_connections == REFUSED
    named[refused] = np.where(forged[refused], CAUSE["middlebox-reset"], CAUSE["closed-port"])
    cause[while_serving(trace, trace.tracked_where(refused & ~forged))] = CAUSE["refused-while-serving"]
    half_open = of_connections == HALF_OPEN
    named[half_open] = half_open_causes(trace, forged)[half_open]
    established = of_connections == ESTABLISHED
    ends = ending_causes(trace)
    reset = (ends == CAUSE["reset-by-client"]) | (ends == CAUSE["reset-by-server"])
    ends[reset & forged] = CAUSE["reset-by-middlebox"]
    ends[(ends == CAUSE["reset-by-server"]) & two_hosts(trace)] = CAUSE["address-conflict"]
    named[established] = ends[established]
    aborted = of_connections == ABORTED
    named[aborted] = np.where(facts[aborted] & FACT_SYNACK != 0, CAUSE["reset-by-client"], CAUSE["cancelled"])
    unsolicited = trace.tracked_where(of_connections == UNSOLICITED)
    if len(unsolicited):
        cause[unsolicited] = unsolicited_causes(trace, unsolicited)
    for i in np.flatnonzero(of_connections == REJECTED).tolist():
        cause[i] = icmp_cause(trace.connections[i])
    timed_out = AttemptRows(marked(outcome == TIMED_OUT))
    if len(timed_out):
        cause[timed_out] = silence_causes(trace, timed_out, full)
    stray = facts & (FACT_CHALLENGE_ACK | FACT_BAD_SYNACK | FACT_RST_DOUBTED) != 0
    named[stray & (of_connections == TIMED_OUT)] = CAUSE["stray-answer"]
    if trace.elsewhere is not None:
        answered = trace.elsewhere.attempts
        answered = answered[(outcome[answered] == TIMED_OUT) | (outcome[answered] == PENDING)]
        cause[answered] = CAUSE["answered-from-elsewhere"]
    return cause


def half_open_causes(trace: Attempts, forged: Bools) -> Codes:
    """Return why handshakes did not complete; `forged` RSTs are not the server's."""
    facts = trace.facts
    acked = facts & FACT_ACKED != 0
    by_server = (facts & FACT_RST != 0) & (trace.connections["rst_side"] != trace.connections["client"])
    bare = facts & FACT_BARE_RST_AFTER_ACK != 0
    overflow = acked & ~(bare & (facts & FACT_SYNACK_AFTER_ACK == 0))
    rules = [
        (two_hosts(trace) & (acked | by_server), CAUSE["address-conflict"]),
        (forged & by_server, CAUSE["reset-by-middlebox"]),
        (final_acks_lost(trace), CAUSE["final-ack-lost"]),
        (overflow & waits_for_data(trace), CAUSE["deferred-accept"]),
        (overflow, CAUSE["accept-queue-overflow"]),
        (bare | by_server, CAUSE["reset-by-server"]),
    ]
    return first_match(rules, CAUSE["no-final-ack"], len(facts))


def ending_causes(trace: Attempts) -> Codes:
    """Return how established connections ended, 0 for open ones."""
    facts, c = trace.facts, trace.connections
    reset = (facts & FACT_RST != 0) & (facts & FACT_LAST_ACK_SEEN == 0)
    rules = [
        (reset & (facts & FACT_DEAD_PEER != 0), CAUSE["dead-peer"]),
        (reset & (c["rst_side"] == c["client"]), CAUSE["reset-by-client"]),
        (reset, CAUSE["reset-by-server"]),
        (trace.both_ends & TRAIT_FIN != 0, CAUSE["closed"]),
        (trace.either_end & TRAIT_FIN != 0, CAUSE["half-closed"]),
    ]
    return first_match(rules, 0, len(facts))


def unsolicited_causes(trace: Attempts, rows: ConnectionRows) -> Codes:
    """Return `backscatter`, or `one-sided` if the capture lacks the other half of a real connection."""
    scattered = ~serves_unseen(trace, rows) if sees_both(trace) else answers_only(trace, rows)
    return np.where(scattered, CAUSE["backscatter"], CAUSE["one-sided"]).astype(np.uint8)


def icmp_cause(connection: Any) -> int:
    """Return the cause of a connection's ICMP error."""
    key = int(connection["ip_version"]), int(connection["icmp_type"]), int(connection["icmp_code"])
    return CAUSE[ICMP_CAUSES.get(key, ICMP_OTHER)]
