"""`reflection`: many hosts answer a victim that never sent them a SYN: its address is forged.

An unsolicited answer is a connection that begins with a SYN-ACK, or with a RST in answer to a SYN (RST ACK with
sequence number 0, RFC 9293 section 3.10.7.1), and that otherwise holds only retransmissions and the victim's RST. A
victim gets such answers from `MIN_RESPONDERS` hosts or more, and sent a SYN to none of them.

Not counted are

- other RSTs, which end old connections;
- in a one-sided capture, SYN-ACKs whose cause is not `backscatter`: they are half of an ordinary handshake;
- SYN-ACKs that the client acknowledges: the capture began between SYN and SYN-ACK.

Severity: `warning`. Neither `backscatter` (one host answers many) nor `stale-peer` reports these connections.
"""

from typing import Any

import numpy as np

from handshake_inspect.tcp.facts import FACT_MIDSTREAM, FACT_RST, FACT_SYN, FACT_SYNACK_FIRST
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, capped, cite, endpoint, span
from handshake_inspect.verdicts.findings.flooding import peak_rate
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows, ascending
from handshake_inspect.verdicts.sets import count_distinct, counts, distinct, frequent, host_key, is_member, pair_key
from handshake_inspect.verdicts.words import CAUSE, UNSOLICITED
from handshake_inspect.wire.const import ACK
from handshake_inspect.wire.text import plural

MIN_RESPONDERS = 20
LISTED = 10  # ports


def detect(case: Case) -> list[Finding]:
    """Return one finding per victim."""
    found = sorted(reflections(case), key=len, reverse=True)
    return capped(KIND, "hosts that are hit", found, lambda rows: describe(case, rows))


KIND = Kind(
    "reflection",
    "Reflection",
    "Many hosts answer one that never sent them a SYN: its address is being forged, and the answers hit it.",
    detect,
    {
        "responders": Metric(int, "Hosts that answer."),
        "connections": Metric(int, "Answers without a question, each from or to another endpoint."),
        "syn_acks": Metric(int, "Those that are SYN-ACKs."),
        "resets": Metric(int, "Those that are RSTs."),
        "repeated_syn_acks": Metric(int, "Copies of SYN-ACKs beyond the first."),
        "peak_per_s": Metric(int, "Answers that began in the busiest second.", "1/s"),
        "ports": Metric(dict[str, int], "Answers by the port that they come from, of the busiest ports."),
    },
)


@once
def reflections(case: Case) -> tuple[ConnectionRows, ...]:
    """Return the unsolicited answers per victim."""
    c = case.attempts.connections
    rows = case.attempts.tracked_where(answers(case))
    victims = host_key(c["hi1"][rows], c["lo1"][rows])
    chosen = is_member(victims, frequent(victims, MIN_RESPONDERS))
    rows, victims = rows[chosen], victims[chosen]
    if not len(rows):
        return ()
    responders = host_key(c["hi0"][rows], c["lo0"][rows])
    unasked = ~is_member(pair_key(victims, responders), asked(case, distinct(victims)))
    rows, victims, responders = rows[unasked], victims[unasked], responders[unasked]
    parted = group(victims, np.arange(len(rows)), at_least=MIN_RESPONDERS)
    hit = (parted.of(g) for g in range(len(parted)))
    return tuple(ascending(rows[mine]) for mine in hit if count_distinct(responders[mine]) >= MIN_RESPONDERS)


@once
def reflected_rows(case: Case) -> Bools:
    """Return a mask over connections that are such answers."""
    return case.attempts.connection_mask(*reflections(case))


def answers(case: Case) -> Bools:
    """Return a mask over connections that an unsolicited answer begins."""
    trace, c = case.attempts, case.attempts.connections
    facts = trace.facts
    mask: Bools = trace.of_connections(case.outcomes.outcome) == UNSOLICITED
    mask &= trace.of_connections(case.outcomes.cause) == CAUSE["backscatter"]
    mask &= facts & (FACT_SYN | FACT_MIDSTREAM) == 0
    rows = trace.tracked_where(mask & (facts & FACT_SYNACK_FIRST == 0))
    refusing = (facts[rows] & FACT_RST != 0) & (c["rst_side"][rows] == 0)
    mask[rows] = refusing & (c["rst_flags"][rows] & ACK != 0) & (c["rst_seq"][rows] == 0)
    return mask


def asked(case: Case, victims: Keys) -> Keys:
    """Return the keys of pairs of a victim and a host that it sent a SYN to, sorted."""
    trace = case.attempts
    asking = is_member(trace.client_host, victims)
    trace.of_connections(asking)[:] &= trace.facts & FACT_SYN != 0
    rows = trace.tracked_where(asking)
    return distinct(pair_key(trace.client_host[rows], trace.server_host[rows]))


def describe(case: Case, rows: ConnectionRows) -> Finding:
    """Return the finding for one victim."""
    trace, c = case.attempts, case.attempts.connections
    victim, _ = endpoint(trace, int(rows[0]), 1)
    responders = count_distinct(host_key(c["hi0"][rows], c["lo0"][rows]))
    synacks = rows[trace.facts[rows] & FACT_SYNACK_FIRST != 0]
    ports, often = counts(c["port0"][rows])
    metrics: dict[str, Any] = {
        "responders": responders,
        "connections": len(rows),
        "syn_acks": len(synacks),
        "resets": len(rows) - len(synacks),
        "repeated_syn_acks": int(np.maximum(c["synack_count"][synacks], 1).sum(dtype=np.int64)) - len(synacks),
        "peak_per_s": peak_rate(c["first_ns"][rows]),
        "ports": {str(ports[at]): int(often[at]) for at in np.argsort(-often, kind="stable")[:LISTED]},
    }
    return Finding(
        KIND,
        "warning",
        f"{plural(responders, 'host')} answer {addr(victim)}, which never sent them a SYN ({len(synacks):,} SYN-ACKs, "
        f"{len(rows) - len(synacks):,} RSTs): they receive SYNs with its forged address",
        victim,
        None,
        *span(trace, rows),
        metrics,
        f"Have the answers filtered upstream of {addr(victim)} by their source ports, and drop unsolicited segments "
        "(`nft add rule inet filter input ct state invalid drop`); the hosts that answer are being abused.",
        *cite(case, rows),
    )
