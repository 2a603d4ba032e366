"""`accept-queue-overflow`: a listener's accept queue is full when the final ACK arrives.

The client believes it is connected. The server shows in one of three ways that it dropped the ACK (Linux, both
settings of `tcp_abort_on_overflow`):

- *ignored*: it retransmits its SYN-ACK although the client acknowledged it: `MIN_REPEATS` times or more after the ACK,
  or once if the server also ignored the client's payload (`MIN_UNTAKEN` retransmissions) or the attempt ended in a RST;
- *reset*: it answers the final ACK with a bare RST;
- *silent*: it uses SYN cookies, so it has no SYN-ACK to retransmit and does not answer at all, on this listener alone
  (`verdicts/dropped_acks.py`).

A lost final ACK looks the same at first, but the client answers the first retransmitted SYN-ACK and the exchange ends.
A single retransmission without further evidence is therefore not counted.

Not accused are:

- hosts of which several listeners never take any ACK: the ACKs do not arrive (`final-ack-lost`,
  `verdicts/listeners.py`);
- listeners that were closed while a handshake completed: nothing waited in their queues (`verdicts/listeners.py`);
- listeners with TCP_DEFER_ACCEPT, which retransmit the SYN-ACK until data arrives and then take it;
- SYN-ACKs with a zero window: they come from a SYN proxy, which opens the connection to the server only after the
  handshake;
- connections whose RST is not the listener's own: a forged one, or one from another host with the same address, as a
  SYN-ACK retransmitted after it shows.

`syn-dropped` attempts on the same listener are counted as `syns_dropped`: a full queue also drops SYNs. `recovered`
counts the connections that were established in the end. Severity: `critical` if `MANY` connections or more were hit
and more than half of them were lost, else `warning`.
"""

from typing import Any

import numpy as np

from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_BARE_RST_AFTER_ACK,
    FACT_CLIENT_DATA,
    FACT_RST,
    FACT_SYNACK,
    FACT_SYNACK_AFTER_ACK,
)
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.dropped_acks import dropped_acks
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, cite, largest, median, ratio, span, target
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.host import HostEvidence
from handshake_inspect.verdicts.listeners import defers, final_acks_lost, stopped
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows, chained
from handshake_inspect.verdicts.resets import from_middlebox, two_hosts
from handshake_inspect.verdicts.sets import count_distinct, distinct, is_member
from handshake_inspect.verdicts.words import CAUSE, ESTABLISHED, HALF_OPEN, TIMED_OUT
from handshake_inspect.wire.text import duration, plural

MIN_REPEATS = 2
MIN_UNTAKEN = 2
MANY = 10


def detect(case: Case) -> list[Finding]:
    """Return one finding per affected listener."""
    rows = accused_rows(case)
    if not len(rows):
        return []
    parted = group(case.attempts.server_key[rows], rows)
    return largest(
        KIND,
        "listeners with a full accept queue",
        np.arange(len(parted)),
        parted.sizes,
        lambda g: describe(case, parted.of(g)),
    )


KIND = Kind(
    "accept-queue-overflow",
    "Accept queue overflow",
    "The client's final ACK is in the capture but the server does not accept it: the application accepts too slowly, "
    "or its backlog is too short.",
    detect,
    {
        "connections": Metric(int, "Handshakes that the client completed and the server did not accept at first."),
        "handshakes": Metric(int, "All handshakes with the listener that the client completed."),
        "hit_ratio": Metric(float | None, "`connections` of `handshakes`.", "ratio"),
        "recovered": Metric(int, "Connections that the server accepted in the end."),
        "recovered_ratio": Metric(float | None, "`recovered` of `connections`.", "ratio"),
        "reset": Metric(int, "Connections that the server reset."),
        "syns_dropped": Metric(int, "SYNs to the listener that it dropped during the overflow."),
        "clients": Metric(int, "Addresses of clients that were hit."),
        "synacks_repeated": Metric(int, "SYN-ACKs that were repeated although the final ACK had come."),
        "stuck_p50_ns": Metric(int | None, "How long the connections were not taken, the median.", "ns"),
        "stuck_max_ns": Metric(int | None, "How long a connection was not taken, at most.", "ns"),
    },
    at_target=(
        HostEvidence(("listen_overflows", "listen_drops"), ("somaxconn", "tcp_abort_on_overflow"), denies=True),
    ),
)


@once
def accused_rows(case: Case) -> ConnectionRows:
    """Return the affected connections, without those of excused listeners."""
    trace = case.attempts
    not_its_own = two_hosts(trace) | from_middlebox(trace)
    rows = trace.tracked_where(hit(case) & ~defers(trace) & ~final_acks_lost(trace) & ~not_its_own)
    answers = FACT_BARE_RST_AFTER_ACK | FACT_SYNACK_AFTER_ACK
    reset = rows[trace.facts[rows] & answers == FACT_BARE_RST_AFTER_ACK]
    closed = trace.connection_mask(reset[stopped(trace, reset)])
    return rows[~closed[rows]]


def explained_rows(case: Case) -> AttemptRows:
    """Return the attempts that failed because of a full accept queue.

    These are the affected connections, the SYNs that such listeners dropped, and the handshakes that they reset (the
    capture may lack the final ACK).
    """
    rows = accused_rows(case)
    if not len(rows):
        return rows
    outcome, cause = case.outcomes.outcome, case.outcomes.cause
    turned_away = cause == CAUSE["syn-dropped"]
    turned_away |= (outcome == HALF_OPEN) & (cause == CAUSE["reset-by-server"])
    dropped = case.attempts.where(turned_away)
    listeners = distinct(case.attempts.server_key[rows])
    return chained(rows, dropped[is_member(case.attempts.server_key[dropped], listeners)])


def hit(case: Case) -> Bools:
    """Return a mask over connections: the server did not take the final ACK."""
    trace = case.attempts
    c, facts = trace.connections, trace.facts
    whole = facts & (FACT_SYNACK | FACT_ACKED) == FACT_SYNACK | FACT_ACKED  # the SYN may be from before the capture
    repeated = facts & FACT_SYNACK_AFTER_ACK != 0
    own_syns = np.maximum(c["syn_count"].astype(np.int64) - 1, 0)
    untaken = trace.endpoints["retransmissions"][trace.client_rows] - own_syns >= MIN_UNTAKEN
    untaken &= facts & FACT_CLIENT_DATA != 0
    reset = facts & FACT_RST != 0
    reset &= c["rst_side"] != c["client"]
    reset &= trace.of_connections(case.outcomes.outcome) != ESTABLISHED
    ignored = repeated & ((c["resent_count"] >= MIN_REPEATS) | untaken | reset)
    mask: Bools = whole & (ignored | (facts & FACT_BARE_RST_AFTER_ACK != 0))
    rows = trace.tracked_where(mask)
    mask[rows] = trace.endpoints["syn_window"][trace.server_rows[rows]] != 0
    mask[dropped_acks(trace)] = True
    return mask


def describe(case: Case, rows: ConnectionRows) -> Finding:
    """Return the finding for one listener."""
    trace, c = case.attempts, case.attempts.connections
    host, port = target(trace, int(rows[0]))
    at_listener = trace.server_key == trace.server_key[rows[0]]
    outcome = case.outcomes.outcome
    acked = int(np.count_nonzero(trace.of_connections(at_listener) & (trace.facts & FACT_ACKED != 0)))
    dropped = np.count_nonzero(at_listener & (outcome == TIMED_OUT) & (case.outcomes.cause == CAUSE["syn-dropped"]))
    recovered = rows[outcome[rows] == ESTABLISHED]
    reset = np.count_nonzero(trace.facts[rows] & FACT_BARE_RST_AFTER_ACK)
    silent = trace.connection_mask(dropped_acks(trace))[rows]
    waited = np.where(silent, c["last_ns"][rows], c["last_synack_ns"][rows]) - c["ack_ns"][rows]
    waited = waited[waited > 0]
    metrics: dict[str, Any] = {
        "connections": len(rows),
        "handshakes": acked,
        "hit_ratio": ratio(len(rows), acked),
        "recovered": len(recovered),
        "recovered_ratio": ratio(len(recovered), len(rows)),
        "reset": int(reset),
        "syns_dropped": int(dropped),
        "clients": count_distinct(trace.client_host[rows]),
        "synacks_repeated": int(c["resent_count"][rows].sum(dtype=np.int64)),
        "stuck_p50_ns": median(waited),
        "stuck_max_ns": int(waited.max()) if len(waited) else None,
    }
    lost = len(rows) - len(recovered)
    stuck = f", stuck for up to {duration(metrics['stuck_max_ns'])}" if len(waited) else ""
    return Finding(
        KIND,
        "critical" if len(rows) >= MANY and lost * 2 > len(rows) else "warning",
        f"Accept queue of {addr(host, port)} {'is' if lost else 'was'} full: {len(rows):,} of "
        f"{plural(acked, 'completed handshake')} not accepted, {len(recovered):,} recovered{stuck}",
        host,
        port,
        *span(trace, rows),
        metrics,
        "Let the application accept() faster, or raise its listen() backlog and net.core.somaxconn together: "
        f"`ss -ltn 'sport = :{port}'` shows Recv-Q above Send-Q, `nstat -az TcpExtListenOverflows` counts the drops.",
        *cite(case, rows),
    )
