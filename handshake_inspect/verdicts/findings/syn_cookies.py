"""`syn-cookies`: a server answers SYNs without keeping state.

The timestamps of its SYN-ACKs prove it (`verdicts/cookies.py`: *clock* and *bits*), or it is likely because of

- *silence*: under load (`MIN_LOAD` half-open connections older than `REPEATS_NS`) SYN-ACKs are never retransmitted,
  where a server with state retransmits each after 1 s. A share of `MIN_SHARE` suffices, because with `tcp_syncookies=1`
  the first backlog + 1 requests are ordinary. The capture must hold final ACKs: the service has established
  connections, or is under a SYN flood. A server with `tcp_synack_retries=0`, or a SYN proxy, looks the same.

Severity: `warning` under load, because the SYN queue overflowed; else `info`: somebody set `tcp_syncookies=2`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from handshake_inspect.tcp.facts import FACT_RST, FACT_SYN
from handshake_inspect.verdicts import cookies
from handshake_inspect.verdicts.arrays import Keys
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.cookies import Proof
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, capped, cite, ratio, span, target
from handshake_inspect.verdicts.findings.syn_flood import flood_rows
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.host import QUEUE_SETTINGS, HostEvidence
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import distinct
from handshake_inspect.verdicts.words import CAUSE, ESTABLISHED, HALF_OPEN

MIN_LOAD = 20
MIN_SHARE = 0.2
REPEATS_NS = 1_150_000_000


@dataclass(frozen=True, eq=False, repr=False)
class Load:
    """Half-open connections of a service whose SYN-ACK had time to be retransmitted, and those where it was not."""

    rows: ConnectionRows
    silent: ConnectionRows


def detect(case: Case) -> list[Finding]:
    """Return one finding per service that answers with cookies."""
    trace = case.attempts
    keys = trace.of_connections(trace.server_key)
    proven = cookies.proofs(trace)
    loads = by_silence(case, keys)
    found = [describe(case, proven.get(key), loads.get(key)) for key in sorted(proven.keys() | loads.keys())]
    found.sort(key=lambda one: (-one.metrics["half_open"], one.start_ns or 0))
    return capped(KIND, "services that answer with SYN cookies", found, lambda one: one)


KIND = Kind(
    "syn-cookies",
    "SYN cookies",
    "The server answers without keeping state, as it does when its SYN queue is full: TCP options may be lost.",
    detect,
    {
        "method": Metric(str | None, "How the SYN-ACKs' timestamps prove it: `bits` or `clock`, if they do."),
        "timestamps_asked": Metric(int, "Timestamps that could encode options."),
        "timestamps_agreeing": Metric(int, "Timestamps that encode the options of their SYN."),
        "chance": Metric(float | None, "How likely that much agreement is by coincidence.", "ratio"),
        "half_open": Metric(int, "Half-open attempts whose SYN-ACK could have been repeated."),
        "never_repeated": Metric(int, "Half-open attempts whose SYN-ACK was never repeated."),
        "never_repeated_ratio": Metric(float | None, "`never_repeated` of `half_open`.", "ratio"),
    },
    size="half_open",
    at_target=(
        HostEvidence(
            ("syncookies_sent", "syncookies_recv", "syncookies_failed", "tcp_req_q_full_do_cookies"),
            QUEUE_SETTINGS,
            denies=True,
        ),
    ),
)


# -- silence -----------------------------------------------------------------------------------------------------


def by_silence(case: Case, keys: Keys) -> dict[int, Load]:
    """Return the services under load, many of whose SYN-ACKs were never retransmitted, by key."""
    trace, c = case.attempts, case.attempts.connections
    waiting = trace.of_connections(case.outcomes.outcome) == HALF_OPEN
    waiting &= trace.of_connections(case.outcomes.cause) == CAUSE["no-final-ack"]
    waiting &= (trace.facts & (FACT_SYN | FACT_RST) == FACT_SYN) & (c["syn_count"] == 1)
    waiting &= trace.last_ns - c["synack_ns"] >= REPEATS_NS
    waiting &= trace.of_connections(case.outcomes.decided)  # else a filter may hide why they are not repeated
    rows = trace.tracked_where(waiting)
    parted = group(keys[rows], rows, at_least=MIN_LOAD)
    loads = {}
    for g in range(len(parted)):
        mine = parted.of(g)
        silent = mine[c["synack_count"][mine] == 1]
        if len(silent) >= max(MIN_LOAD, MIN_SHARE * len(mine)) and has_final_acks(case, keys, mine):
            loads[int(keys[mine[0]])] = Load(mine, silent)
    return loads


def has_final_acks(case: Case, keys: Keys, rows: ConnectionRows) -> bool:
    """Return whether the capture would hold the final ACKs of these: they belong to a flood, or others completed."""
    if flood_rows(case)[rows].any():
        return True
    return bool(np.any((keys == keys[rows[0]]) & (case.attempts.of_connections(case.outcomes.outcome) == ESTABLISHED)))


# -- the finding ---------------------------------------------------------------------------------------------------


def describe(case: Case, proof: Proof | None, load: Load | None) -> Finding:
    """Return the finding for one service."""
    trace = case.attempts
    parts = [proof.agreeing] if proof else []
    parts += [load.silent] if load else []
    rows = ConnectionRows(distinct(np.concatenate(parts)))
    host, port = target(trace, int(rows[0]))
    half_open = len(load.rows) if load else 0
    silent = len(load.silent) if load else 0
    metrics: dict[str, Any] = {
        "method": proof.method if proof else None,
        "timestamps_asked": proof.asked if proof else 0,
        "timestamps_agreeing": len(proof.agreeing) if proof else 0,
        "chance": proof.chance if proof else None,
        "half_open": half_open,
        "never_repeated": silent,
        "never_repeated_ratio": ratio(silent, half_open),
    }
    busy = f" while {half_open:,} attempts are half-open" if load else ""
    return Finding(
        KIND,
        "warning" if load else "info",
        f"{addr(host, port)} answers with SYN cookies{busy}",
        host,
        port,
        *span(trace, rows),
        metrics,
        "Raise net.ipv4.tcp_max_syn_backlog and the listener's backlog until `nstat -az TcpExtSyncookiesSent` stands "
        "still: clients without timestamps lose window scale and SACK to cookies.",
        *cite(case, rows),
    )
