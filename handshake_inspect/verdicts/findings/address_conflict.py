"""`address-conflict`: two hosts own one address, and both answer.

Typical causes are a VRRP or keepalived split brain, a duplicate address, or anycast or ECMP that moves a flow to
another node during the handshake. Each of these signs is enough (`verdicts/resets.py`, `tcp/opening.py`):

- *two ISNs* answer one copy of the SYN, or alternate. A single host chooses a new ISN only for another copy of the SYN
  (a SYN cookie of the next minute, a forgotten request) and never returns to the old one; that does not count. Nor do
  two ISNs that the client acknowledged both: that is one connection, captured on both sides of a firewall that
  rewrites sequence numbers;
- *a SYN-ACK retransmitted after the server's RST* that answered the final ACK: the host that retransmits did not send
  the RST. If that RST came over a hop count that no SYN-ACK of the address ever had, it is `rst-injection` instead. A
  firewall next to the host that rejects ACKs with a RST looks the same; the advice mentions it.

Such a connection is judged by the ISN that the client acknowledged. The other host's RST is not the server's, so no
full accept queue, forged RST or stale peer is reported for it.

Severity: `warning` from the first connection, since one host cannot behave like this. The target is the address, on
all ports.
"""

from typing import Any

import numpy as np

from handshake_inspect.tcp.facts import FACT_RST, FACT_SYNACK_AFTER_RST, FACT_TWO_ISNS
from handshake_inspect.verdicts import grouping
from handshake_inspect.verdicts.arrays import Indices
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import CITED, addr, cite, largest, span, target
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.resets import two_hosts
from handshake_inspect.verdicts.sets import count_distinct, distinct
from handshake_inspect.verdicts.words import ESTABLISHED
from handshake_inspect.wire.text import plural

PORTS = 20  # a finding lists at most so many, the lowest
# If only RSTs show a second host, it may be a firewall that answers ACKs in the first one's name.
FIREWALL = ". Where only one answers, look for a firewall that rejects ACKs with a RST (`nft list ruleset` on the way)"


def detect(case: Case) -> list[Finding]:
    """Return one finding per address."""
    rows = case.attempts.tracked_where(two_hosts(case.attempts))
    groups = grouping.group(case.attempts.server_host[rows], rows)
    return largest(
        KIND,
        "addresses that two hosts own",
        np.arange(len(groups)),
        groups.sizes,
        lambda g: address_finding(case, groups.of(g)),
    )


KIND = Kind(
    "address-conflict",
    "Two hosts with one address",
    "Two ISNs answered one SYN, or a SYN-ACK was repeated after a RST in the same name: two hosts own the address.",
    detect,
    {
        "connections": Metric(int, "Attempts that two hosts answered."),
        "two_isns": Metric(int, "SYNs that SYN-ACKs with different ISNs answered."),
        "synack_after_rst": Metric(int, "Attempts whose SYN-ACK was repeated after a RST of the same address."),
        "established": Metric(int, "Those of the attempts that were established."),
        "clients": Metric(int, "Addresses of clients that were hit."),
        "ports": Metric(list[int], f"The ports of the address, the lowest {PORTS}."),
        "port_count": Metric(int, "How many ports there are."),
        "ttls": Metric(list[int], "TTLs (hop limits) under which the address answered."),
    },
)


def address_finding(case: Case, rows: ConnectionRows) -> Finding:
    """Return the finding for one address."""
    trace, facts = case.attempts, case.attempts.facts[rows]
    host, _ = target(trace, int(rows[0]))
    ports = sorted({target(trace, int(row))[1] for row in first_of_ports(case, rows)})
    isns = int(np.count_nonzero(facts & FACT_TWO_ISNS))
    again = int(np.count_nonzero(facts & FACT_SYNACK_AFTER_RST))
    served = int(np.count_nonzero(case.outcomes.outcome[rows] == ESTABLISHED))
    signs = [f"two ISNs for one SYN on {isns}"] if isns else []
    signs += [f"a SYN-ACK repeated after a RST on {again}"] if again else []
    metrics: dict[str, Any] = {
        "connections": len(rows),
        "two_isns": isns,
        "synack_after_rst": again,
        "established": served,
        "clients": count_distinct(trace.client_host[rows]),
        "ports": ports[:PORTS],
        "port_count": len(ports),
        "ttls": ttls(case, rows),
    }
    return Finding(
        KIND,
        "warning",
        f"Two hosts answer as {addr(host)}: {plural(len(rows), 'connection')}, {', '.join(signs)}",
        host,
        None,
        *span(trace, rows),
        metrics,
        f"Find the second host: `arping {addr(host)}` in its subnet shows two MAC addresses; see which routers think "
        f"they are VRRP master, and keep anycast or ECMP flows on one node{'' if isns else FIREWALL}.",
        *cite(case, rows),
    )


def first_of_ports(case: Case, rows: ConnectionRows) -> Indices:
    """Return one connection per port of the address."""
    _, first = np.unique(case.attempts.server_key[rows], return_index=True)
    return rows[first]


def ttls(case: Case, rows: ConnectionRows) -> list[int]:
    """Return the distinct TTLs of the address's SYN-ACKs and RSTs: two hosts are often at different distances."""
    trace, c = case.attempts, case.attempts.connections
    ended = rows[(trace.facts[rows] & FACT_RST != 0) & (c["rst_side"][rows] != c["client"][rows])]
    values = np.concatenate([trace.endpoints["syn_ttl"][trace.server_rows[rows]], c["rst_ttl"][ended]])
    return [int(ttl) for ttl in distinct(values) if ttl][:CITED]
