"""`early-reset`: the server ends connections before it has sent a byte: somebody accepts what nobody serves.

A connection counts when its handshake completed, the server ended it, by RST or by the first FIN, and the sequence
number of that proves that the server sent nothing before.  It is what a proxy or load balancer without a backend does,
`docker-proxy` for a container that does not listen, a server that is spoken to in TLS on a plain port, or one whose
limits or access rules turn clients away.  To the client it looks connected, and no handshake has failed.

Not counted are

- servers that took data (acknowledged it) and ended the connection `ONE_WAY_NS` or more later: protocols that only
  take, such as log shippers;
- clients that said nothing for `ONE_WAY_NS` or more where the service answers others that speak first: the server
  stopped waiting for a request, as after a browser's spare connection;
- bare RSTs in answer to data of a connection that was open for `FORGOTTEN_NS` or more: the server, or a box between,
  forgot it (`stale-peer`, which is silent on those that are counted here);
- connections of a forged RST, or of an address that two hosts own: the server did not end those.

`warning` from `LEAST` connections and `SHARE` of those established on; `critical` from `MANY` and `MOST_OF_THEM` on:
the service is down, though its port accepts.
"""

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_ACKED, FACT_CLIENT_DATA, FACT_RST, FACT_SERVER_DATA, FACT_SYN, FACT_SYNACK
from handshake_inspect.verdicts import grouping, resets
from handshake_inspect.verdicts.arrays import Bools, Times
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings import rst_injection
from handshake_inspect.verdicts.findings.base import cite, largest, median, ratio, span, target, write
from handshake_inspect.verdicts.findings.keys import Indices, count_distinct, distinct, is_member
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.words import ESTABLISHED
from handshake_inspect.wire.const import ACK
from handshake_inspect.wire.text import plural

LEAST = 3
SHARE = 0.1
MANY = 20
MOST_OF_THEM = 0.9
ONE_WAY_NS = 1_000_000_000
FORGOTTEN_NS = 30_000_000_000

WHOLE = FACT_SYN | FACT_SYNACK | FACT_ACKED


def detect(case: Case) -> list[Finding]:
    """One finding for each service that turns away many of those it accepts."""
    groups, accepted, picked = services(case)
    return largest(
        KIND,
        "services that end connections before they answer",
        picked,
        groups.sizes[picked],
        lambda g: service_finding(case, groups.of(g), int(accepted[g])),
    )


KIND = Kind(
    "early-reset",
    "Connections ended before an answer",
    "The server accepts connections and ends them before it has sent a byte: nothing serves them.",
    detect,
    {
        "connections": Metric(int, "Connections that the server ended before it sent a byte."),
        "established": Metric(int, "All connections that the server accepted."),
        "early_ratio": Metric(float | None, "`connections` of `established`.", "ratio"),
        "reset": Metric(int, "Those that ended with a RST alone."),
        "closed": Metric(int, "Those that ended with a FIN."),
        "after_request": Metric(int, "Those of which the client had sent data."),
        "clients": Metric(int, "Addresses of clients that were turned away."),
        "life_p50_ns": Metric(int | None, "Time from the final ACK to the end, the median.", "ns"),
    },
)


@once
def services(case: Case) -> tuple[grouping.Groups[ConnectionRows], Indices, Indices]:
    """Connections ended early by service, how many each service accepted, and which services turn away many."""
    rows = early_rows(case)
    groups = grouping.group(case.attempts.service[rows], rows, at_least=LEAST)
    accepted = accepted_by_service(case)[case.attempts.service[groups.rows[groups.starts]]]
    return groups, accepted, np.flatnonzero(groups.sizes >= SHARE * accepted)


@once
def found_rows(case: Case) -> Bools:
    """Connections that a finding is about."""
    groups, _, picked = services(case)
    return case.attempts.connection_mask(*(groups.of(g) for g in picked))


def accepted_by_service(case: Case) -> Indices:
    """How many connections each service accepted, by its place in `trace.services`."""
    accepted = case.outcomes.outcome == ESTABLISHED
    return np.bincount(case.attempts.service[accepted], minlength=len(case.attempts.services))


@once
def early_rows(case: Case) -> ConnectionRows:
    """Connections that the server ended before it sent a byte."""
    trace = case.attempts
    c, facts = trace.connections, trace.facts
    server = c["client"] ^ 1
    by_fin = (c["fin_ns"] > 0) & (c["fin_side"] == server)
    by_rst = (c["fin_ns"] == 0) & (facts & FACT_RST != 0) & (c["rst_side"] == server)
    silent = (facts & (WHOLE | FACT_SERVER_DATA) == WHOLE) & (by_fin | by_rst)
    rows = trace.tracked_where(silent & (trace.of_connections(case.outcomes.outcome) == ESTABLISHED))
    rows = rows[sent_nothing(case, rows)]
    rows = rows[~np.isin(rows, rst_injection.injected_rows(case)) & ~resets.two_hosts(trace)[rows]]
    return rows[~(took_data(case, rows) | waited_for_a_request(case, rows) | forgot(case, rows))]


def sent_nothing(case: Case, rows: ConnectionRows) -> Bools:
    """Whether the number of the server's FIN or RST leaves no room for a byte that the capture lacks."""
    c, e = case.attempts.connections, case.attempts.endpoints
    ends = case.attempts.server_rows[rows]
    last = np.where(c["fin_ns"][rows] > 0, e["fin_seq"][ends] - np.uint32(1), c["rst_seq"][rows])
    nothing: Bools = last == e["iss"][ends] + np.uint32(1)
    return nothing


def ended_ns(case: Case, rows: ConnectionRows) -> Times:
    """When the server ended each of these connections."""
    c = case.attempts.connections
    ended: Times = np.where(c["fin_ns"][rows] > 0, c["fin_ns"][rows], c["rst_ns"][rows])
    return ended


def took_data(case: Case, rows: ConnectionRows) -> Bools:
    """Where the server acknowledged data, and the end came long after that.

    The times of an end's last segments are kept, microseconds modulo 2^32.  A server that sent no more than those has
    its first acknowledgment among them; one that sent more has taken data for as long as the connection lasted.
    """
    c, e = case.attempts.connections, case.attempts.endpoints
    ends = case.attempts.server_rows[rows]
    clients = ends ^ 1
    acknowledged = (e["last_ack"][ends] - e["iss"][clients] - np.uint32(1)).astype(np.int32) > 0
    end = ended_ns(case, rows)
    open_us = (end - c["ack_ns"][rows]) // 1000
    ages = ((end // 1000).astype(np.uint32)[:, None] - e["recent_us"][ends]).astype(np.int64)
    kept = e["recent"][ends] != 0
    ages = np.where(kept & (ages < open_us[:, None]), ages, 0).max(axis=1, initial=0)
    since = np.where(e["frames"][ends] > kept.sum(axis=1), open_us, ages)
    taken: Bools = acknowledged & (since * 1000 >= ONE_WAY_NS)
    return taken


def forgot(case: Case, rows: ConnectionRows) -> Bools:
    """Where a bare RST answered data of a connection that was open for long."""
    c, facts = case.attempts.connections, case.attempts.facts
    bare = (facts[rows] & FACT_RST != 0) & (c["rst_flags"][rows] & ACK == 0) & (facts[rows] & FACT_CLIENT_DATA != 0)
    forgotten: Bools = bare & (ended_ns(case, rows) - c["ack_ns"][rows] >= FORGOTTEN_NS)
    return forgotten


def waited_for_a_request(case: Case, rows: ConnectionRows) -> Bools:
    """Where a client said nothing for long to a server that answers those who speak first."""
    trace = case.attempts
    mute = trace.facts[rows] & FACT_CLIENT_DATA == 0
    long = ended_ns(case, rows) - trace.connections["ack_ns"][rows] >= ONE_WAY_NS
    both = FACT_CLIENT_DATA | FACT_SERVER_DATA
    answering = distinct(trace.of_connections(trace.server_key)[trace.facts & both == both])
    waited: Bools = mute & long & is_member(trace.server_key[rows], answering)
    return waited


def service_finding(case: Case, rows: ConnectionRows, accepted: int) -> Finding:
    """Numbers and words of one service."""
    trace, c = case.attempts, case.attempts.connections
    host, port = target(trace, int(rows[0]))
    by_rst = int(np.count_nonzero(c["fin_ns"][rows] == 0))
    asked = int(np.count_nonzero(trace.facts[rows] & FACT_CLIENT_DATA != 0))
    how = "reset" if by_rst == len(rows) else "closed" if by_rst == 0 else "reset or closed"
    return Finding(
        KIND,
        "critical" if len(rows) >= MANY and len(rows) >= MOST_OF_THEM * accepted else "warning",
        f"{write(host, port)} accepted {plural(accepted, 'connection')} and {how} {len(rows):,} before sending a byte",
        host,
        port,
        *span(trace, rows),
        {
            "connections": len(rows),
            "established": accepted,
            "early_ratio": ratio(len(rows), accepted),
            "reset": by_rst,
            "closed": len(rows) - by_rst,
            "after_request": asked,
            "clients": count_distinct(trace.client_host[rows]),
            "life_p50_ns": median(lives(case, rows)),
        },
        f"Look behind port {port}: is the backend up, and does it speak what clients speak (TLS or plain)? "
        f"`ss -ltnp 'sport = :{port}'` on {write(host)} names the process that accepts; "
        "the log of a proxy says what it found.",
        *cite(case, rows),
    )


def lives(case: Case, rows: ConnectionRows) -> NDArray[np.int64]:
    """How long these connections were open, in nanoseconds, from the final ACK on."""
    open_ns: Times = np.maximum(ended_ns(case, rows) - case.attempts.connections["ack_ns"][rows], 0)
    return open_ns
