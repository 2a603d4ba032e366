"""`backscatter`: a host answers addresses that never sent it a SYN: somebody forges their requests.

An unsolicited answer is a connection that begins with a SYN-ACK or a RST, without a SYN, and whose other side sends
nothing but RSTs. A host sends backscatter if such answers go to `MIN_ADDRESSES` addresses or more that never sent a
SYN, and either

- the capture is two-sided (it holds both directions of some connection, or RSTs from addresses that sent no SYN),
  and the host does not serve connections of which only its half was captured; or
- the host sends nothing but answers (`verdicts/unsolicited.py`): a real server in a one-sided capture sooner or later
  sends data or a FIN.

A host that is flooded in this capture may answer SYNs from before its start; it has a `syn-flood` instead.

A few unsolicited answers are late packets and remains of old connections; answers to `MIN_ADDRESSES` addresses that
sent nothing are not.

Severity: `info`, since the host is flooded elsewhere. Many hosts that answer one address are `reflection.py`.
"""

from typing import Any

import numpy as np

from handshake_inspect.tcp.facts import FACT_MIDSTREAM, FACT_RST, FACT_SYN, FACT_SYNACK_FIRST
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, capped, cite, endpoint, span
from handshake_inspect.verdicts.findings.reflection import reflected_rows
from handshake_inspect.verdicts.findings.stray_flood import stray_rows
from handshake_inspect.verdicts.findings.syn_flood import floods
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import count_distinct, counts, distinct, frequent, host_key, is_member
from handshake_inspect.verdicts.unsolicited import MIN_ADDRESSES
from handshake_inspect.verdicts.visibility import answers_only, sees_both, serves_unseen
from handshake_inspect.verdicts.words import UNSOLICITED


def detect(case: Case) -> list[Finding]:
    """Return one finding per host that sends unsolicited answers."""
    trace = case.attempts
    rows = trace.tracked_where(unsolicited(case))
    if len(rows) < MIN_ADDRESSES:
        return []
    rows = rows[~serves_unseen(trace, rows)] if sees_both(trace) else rows[answers_only(trace, rows)]
    c = trace.connections
    sender = host_key(c["hi0"][rows], c["lo0"][rows])
    address = host_key(c["hi1"][rows], c["lo1"][rows])
    asked = distinct(trace.of_connections(trace.client_host)[trace.facts & FACT_SYN != 0])
    alone = trace.of_lone(trace.client_host)
    asked_alone = distinct(alone[is_member(alone, distinct(address))])
    innocent = ~is_member(address, asked) & ~is_member(address, asked_alone)
    rows, sender, address = rows[innocent], sender[innocent], address[innocent]
    chosen = is_member(sender, frequent(sender, MIN_ADDRESSES)) & ~is_member(sender, flooded(case))
    parted = group(sender[chosen], np.flatnonzero(chosen), at_least=MIN_ADDRESSES)
    hosts = [mine for g in range(len(parted)) if count_distinct(address[mine := parted.of(g)]) >= MIN_ADDRESSES]
    hosts.sort(key=len, reverse=True)
    return capped(
        KIND,
        "hosts that answer unasked",
        hosts,
        lambda mine: describe(case, rows[mine], count_distinct(address[mine])),
    )


def flooded(case: Case) -> Keys:
    """Return the keys of hosts flooded in this capture: they may be answering SYNs from before its start."""
    found = floods(case)
    rows = [flood.rows if flood.target.prefix else flood.rows[:1] for flood in found]
    return distinct(case.attempts.server_host[np.concatenate(rows)]) if found else np.zeros(0, dtype=np.uint64)


KIND = Kind(
    "backscatter",
    "Backscatter",
    "A host answers addresses that never sent it a SYN: it is being flooded from forged source addresses.",
    detect,
    {
        "addresses": Metric(int, "Addresses that were answered without having sent a SYN."),
        "connections": Metric(int, "Answers without a question, each to another endpoint."),
        "syn_acks": Metric(int, "Those that are SYN-ACKs."),
        "resets": Metric(int, "Those that are RSTs."),
        "ports": Metric(dict[str, int], "Answers by the port that they come from, of the busiest ports."),
    },
)


def unsolicited(case: Case) -> Bools:
    """Return a mask over connections that begin with a SYN-ACK or RST and whose other side sends nothing but RSTs."""
    facts = case.attempts.facts
    mask: Bools = (case.attempts.of_connections(case.outcomes.outcome) == UNSOLICITED) & (
        facts & (FACT_SYN | FACT_MIDSTREAM) == 0
    )
    mask &= facts & (FACT_SYNACK_FIRST | FACT_RST) != 0
    return mask & ~reflected_rows(case) & ~stray_rows(case)


def describe(case: Case, rows: ConnectionRows, addresses: int) -> Finding:
    """Return the finding for one host."""
    trace, c = case.attempts, case.attempts.connections
    host, _ = endpoint(trace, int(rows[0]), 0)
    synacks = rows[trace.facts[rows] & FACT_SYNACK_FIRST != 0]
    ports, often = counts(c["port0"][rows])
    metrics: dict[str, Any] = {
        "addresses": addresses,
        "connections": len(rows),
        "syn_acks": len(synacks),
        "resets": len(rows) - len(synacks),
        "ports": {str(ports[at]): int(often[at]) for at in np.argsort(-often, kind="stable")[:10]},
    }
    return Finding(
        KIND,
        "info",
        f"{addr(host)} answers {addresses} addresses that never sent it a SYN "
        f"({len(synacks):,} SYN-ACKs, {len(rows) - len(synacks):,} RSTs): it is being flooded from forged sources",
        host,
        None,
        *span(trace, rows),
        metrics,
        f"Nothing here is under attack; notify the operator of {addr(host)} that it receives forged SYNs, and drop "
        "unsolicited segments (`nft add rule inet filter input ct state invalid drop`).",
        *cite(case, rows),
    )
