"""`early-reset`: the server accepts connections and ends them before it sends a byte: nothing serves them.

A connection counts if its handshake completed, the server ended it (by RST or by the first FIN), and the sequence
number of that segment proves that the server had sent no data. Typical causes: a proxy or load balancer without a
backend, `docker-proxy` for a container that does not listen, TLS spoken to a plain port, connection limits, access
rules. The client sees a connection, so no handshake failed.

Not counted are

- servers that acknowledged data and ended the connection `ONE_WAY_NS` or more later: one-way protocols such as log
  shipping;
- clients that sent nothing for `ONE_WAY_NS` or more, if the service answers other clients that speak first: the server
  gave up waiting for a request, for example on a browser's spare connection;
- bare RSTs in answer to data on a connection that was open for `FORGOTTEN_NS` or more: the server or a middlebox
  forgot it (`stale-peer`, which skips the connections counted here);
- connections with a forged RST, or to an address that two hosts own: the server did not end those.

Severity: `warning` from `LEAST` connections and `SHARE` of those established; `critical` from `MANY` and
`MOST_OF_THEM`: the service is down although its port accepts.
"""

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_ACKED, FACT_CLIENT_DATA, FACT_RST, FACT_SERVER_DATA, FACT_SYN, FACT_SYNACK
from handshake_inspect.verdicts import grouping, resets
from handshake_inspect.verdicts.arrays import Bools, Indices, Times
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings import rst_injection
from handshake_inspect.verdicts.findings.base import addr, cite, largest, median, ratio, span, target
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import count_distinct, distinct, is_member
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
    """Return one finding per service that turns away many of the connections it accepts."""
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
    """Return the early-ended connections grouped by service, the accepted count per group, and the groups to report."""
    rows = early_rows(case)
    groups = grouping.group(case.attempts.service[rows], rows, at_least=LEAST)
    accepted = accepted_by_service(case)[case.attempts.service[groups.rows[groups.starts]]]
    return groups, accepted, np.flatnonzero(groups.sizes >= SHARE * accepted)


@once
def found_rows(case: Case) -> Bools:
    """Return a mask over connections that a finding reports."""
    groups, _, picked = services(case)
    return case.attempts.connection_mask(*(groups.of(g) for g in picked))


def accepted_by_service(case: Case) -> Indices:
    """Return the number of established connections per service, indexed like `trace.services`."""
    accepted = case.outcomes.outcome == ESTABLISHED
    return np.bincount(case.attempts.service[accepted], minlength=len(case.attempts.services))


@once
def early_rows(case: Case) -> ConnectionRows:
    """Return the connections that the server ended before it sent a byte."""
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
    """Return a mask over `rows`: the sequence number of the server's FIN or RST proves that it sent no data."""
    c, e = case.attempts.connections, case.attempts.endpoints
    ends = case.attempts.server_rows[rows]
    last = np.where(c["fin_ns"][rows] > 0, e["fin_seq"][ends] - np.uint32(1), c["rst_seq"][rows])
    nothing: Bools = last == e["iss"][ends] + np.uint32(1)
    return nothing


def ended_ns(case: Case, rows: ConnectionRows) -> Times:
    """Return when the server ended each of these connections."""
    c = case.attempts.connections
    ended: Times = np.where(c["fin_ns"][rows] > 0, c["fin_ns"][rows], c["rst_ns"][rows])
    return ended


def took_data(case: Case, rows: ConnectionRows) -> Bools:
    """Return a mask over `rows`: the server acknowledged data `ONE_WAY_NS` or more before the end.

    Endpoint rows keep the times of an end's last segments in microseconds modulo 2^32. If the server sent no more
    segments than are kept, its first acknowledgment is among them; otherwise it took data for as long as the connection
    was open.
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
    """Return a mask over `rows`: a bare RST answered data on a connection open for `FORGOTTEN_NS` or more."""
    c, facts = case.attempts.connections, case.attempts.facts
    bare = (facts[rows] & FACT_RST != 0) & (c["rst_flags"][rows] & ACK == 0) & (facts[rows] & FACT_CLIENT_DATA != 0)
    forgotten: Bools = bare & (ended_ns(case, rows) - c["ack_ns"][rows] >= FORGOTTEN_NS)
    return forgotten


def waited_for_a_request(case: Case, rows: ConnectionRows) -> Bools:
    """Return a mask over `rows`: the client sent nothing for `ONE_WAY_NS`.

    Only on services that answer clients that speak first.
    """
    trace = case.attempts
    mute = trace.facts[rows] & FACT_CLIENT_DATA == 0
    long = ended_ns(case, rows) - trace.connections["ack_ns"][rows] >= ONE_WAY_NS
    both = FACT_CLIENT_DATA | FACT_SERVER_DATA
    answering = distinct(trace.of_connections(trace.server_key)[trace.facts & both == both])
    waited: Bools = mute & long & is_member(trace.server_key[rows], answering)
    return waited


def service_finding(case: Case, rows: ConnectionRows, accepted: int) -> Finding:
    """Return the finding for one service."""
    trace, c = case.attempts, case.attempts.connections
    host, port = target(trace, int(rows[0]))
    by_rst = int(np.count_nonzero(c["fin_ns"][rows] == 0))
    asked = int(np.count_nonzero(trace.facts[rows] & FACT_CLIENT_DATA != 0))
    how = "reset" if by_rst == len(rows) else "closed" if by_rst == 0 else "reset or closed"
    return Finding(
        KIND,
        "critical" if len(rows) >= MANY and len(rows) >= MOST_OF_THEM * accepted else "warning",
        f"{addr(host, port)} accepted {plural(accepted, 'connection')} and {how} {len(rows):,} before sending a byte",
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
        f"`ss -ltnp 'sport = :{port}'` on {addr(host)} names the process that accepts; "
        "the log of a proxy says what it found.",
        *cite(case, rows),
    )


def lives(case: Case, rows: ConnectionRows) -> NDArray[np.int64]:
    """Return the time from the final ACK to the end of each connection, in nanoseconds."""
    open_ns: Times = np.maximum(ended_ns(case, rows) - case.attempts.connections["ack_ns"][rows], 0)
    return open_ns
