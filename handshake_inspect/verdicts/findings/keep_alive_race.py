"""`keep-alive-race`: requests that cross the FIN of a server closing an idle connection, and draw a RST.

A client takes a pooled connection after an idle period and sends a request while the server closes that connection; the
request meets a closed socket (RFC 9112 section 9.5). The client reports "connection reset by peer" or "socket hang up",
and a proxy often 502 or 503.

A connection counts if, after an idle period of 1 s or more with everything acknowledged, the FIN of one end and new
data of the other are at most one handshake RTT apart, in either capture order, and the end that closed answers with a
RST and never acknowledges that data (see `tcp/aftermath.py`).

Severity: `warning`, from `LEAST` connections and `LEAST_SHARE` of the service's. One is an accident; a service with
many clients has some every day.
"""

from typing import Any

import numpy as np

from handshake_inspect.tcp.facts import EVENT_RACE, FACT_RST
from handshake_inspect.verdicts import silence
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import (
    addr,
    earliest,
    largest,
    median,
    ratio,
    target,
    window,
)
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows, ascending
from handshake_inspect.verdicts.sets import count_distinct
from handshake_inspect.wire.text import bounds, duration, plural

LEAST = 3
LEAST_SHARE = 0.01


@once
def raced(case: Case) -> ConnectionRows:
    """Return the connections whose request crossed the FIN and was reset."""
    trace = case.attempts
    owner = silence.owners(trace)
    rows = owner[np.flatnonzero((trace.aftermaths["events"] & EVENT_RACE != 0) & (owner >= 0))]
    return ascending(rows[trace.facts[rows] & FACT_RST != 0])


def detect(case: Case) -> list[Finding]:
    """Return one finding per service."""
    rows = raced(case)
    if len(rows) < LEAST:
        return []
    groups = group(case.attempts.server_key[rows], rows)
    services, totals = np.unique(case.attempts.service, return_counts=True)
    often = [
        g
        for g in np.flatnonzero(groups.sizes >= LEAST).tolist()
        if len(groups.of(g)) >= LEAST_SHARE * totals[np.searchsorted(services, case.attempts.service[groups.of(g)[0]])]
    ]
    return largest(
        KIND,
        "services that close idle connections while requests are on their way",
        np.array(often, dtype=np.intp),
        groups.sizes[often],
        lambda g: finding(case, groups.of(g)),
    )


KIND = Kind(
    "keep-alive-race",
    "Requests cross the server's close",
    "A client uses a pooled connection at the moment when the server closes it for being idle: the request draws "
    "a RST.",
    detect,
    {
        "connections": Metric(int, "Connections whose request crossed the server's FIN."),
        "of_connections": Metric(int, "All connections of the service."),
        "share": Metric(float | None, "`connections` of `of_connections`.", "ratio"),
        "closed_by_server": Metric(int, "Those of which the server's FIN came first."),
        "clients": Metric(int, "Addresses of clients that were hit."),
        "idle_min_ns": Metric(int, "Pause before the request, the shortest.", "ns"),
        "idle_p50_ns": Metric(int | None, "Pause before the request, the median.", "ns"),
        "idle_max_ns": Metric(int, "Pause before the request, the longest.", "ns"),
    },
)


def finding(case: Case, rows: ConnectionRows) -> Finding:
    """Return the finding for one service."""
    trace = case.attempts
    host, port = target(trace, int(rows[0]))
    total = int(np.count_nonzero(trace.server_key == trace.server_key[rows[0]]))
    places = trace.connections["aftermath"][rows].astype(np.intp) - 1
    idle = trace.aftermaths["idle_ns"][places]
    by_server = int(np.count_nonzero(trace.connections["fin_side"][rows] != trace.connections["client"][rows]))
    metrics: dict[str, Any] = {
        "connections": len(rows),
        "of_connections": total,
        "share": ratio(len(rows), total),
        "closed_by_server": by_server,
        "clients": count_distinct(trace.client_host[rows]),
        "idle_min_ns": int(idle.min()),
        "idle_p50_ns": median(idle),
        "idle_max_ns": int(idle.max()),
    }
    cited = earliest(trace, rows)
    paused = bounds(None, metrics["idle_min_ns"], metrics["idle_max_ns"])
    return Finding(
        KIND,
        "warning",
        f"{plural(len(rows), 'request')} to {addr(host, port)} crossed the FIN of an idle connection and drew a RST: "
        f"{len(rows):,} of {plural(total, 'connection')}, after pauses of {paused}",
        host,
        port,
        metrics=metrics,
        advice="Let the client close idle connections sooner than the server does: set its pool's idle timeout below "
        f"the server's keep-alive timeout, which is near {duration(metrics['idle_min_ns'])}, or raise the server's "
        "above the client's; let the client retry idempotent requests once.",
        frames=tuple(silence.whole_frames(trace, cited, trace.connections["rst_frame"][cited])),
        connections=tuple(cited.tolist()),
        **window(trace, rows),
    )
