"""`nagle-stall`: Nagle's algorithm delays a small segment before the first answer on connections to a service.

An end that writes twice without waiting, each time less than a full segment, sends the second segment only when the
first is acknowledged (RFC 9293 section 3.7.4), and the peer may delay that acknowledgment.

Reported if `SHARE` or more of the service's connections with a request are hit, and there are at least `LEAST` of
these. Severity: `warning`; one socket option fixes it.
"""

import numpy as np

from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, capped, cite, median, ratio, target, window
from handshake_inspect.verdicts.findings.setups import Places, Waits, nagle_waits
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import distinct
from handshake_inspect.verdicts.setup.setups import setups_of
from handshake_inspect.wire.text import duration, plural

LEAST = 3
SHARE = 0.1


def detect(case: Case) -> list[Finding]:
    """Return one finding per service that is hit often enough."""
    waits = nagle_waits(case)
    if not len(waits.rows):
        return []
    service = case.attempts.of_connections(case.attempts.service)
    totals = np.bincount(service[setups_of(case.attempts).rows], minlength=len(case.attempts.services))
    groups = group(service[waits.rows], np.arange(len(waits.rows)))
    hit = []
    for each in map(groups.of, range(len(groups))):
        total = int(totals[service[waits.rows[each[0]]]])
        if total >= LEAST and len(distinct(waits.rows[each])) >= SHARE * total:
            hit.append((each, total))
    hit.sort(key=lambda each: -len(each[0]))
    return capped(KIND, "services with Nagle's algorithm in the way", hit, lambda each: finding(case, waits, *each))


KIND = Kind(
    "nagle-stall",
    "Nagle's algorithm holds data back",
    "A second small segment waits until the first is acknowledged, which the other end may delay.",
    detect,
    {
        "side": Metric(str, "The end whose segment waits, mostly: `client` or `server`."),
        "connections": Metric(int, "Connections that are hit."),
        "requests": Metric(int, "All connections to the service with a request."),
        "hit_ratio": Metric(float | None, "`connections` of `requests`.", "ratio"),
        "delayed": Metric(int, "Waits in which the other end delayed its acknowledgment."),
        "cost_p50_ns": Metric(int | None, "How long a segment waited, the median.", "ns"),
        "cost_total_ns": Metric(int, "All waits together.", "ns"),
    },
)


def finding(case: Case, waits: Waits, places: Places, total: int) -> Finding:
    """Return the finding for one service."""
    rows = ConnectionRows(distinct(waits.rows[places]))
    host, port = target(case.attempts, int(rows[0]))
    side = "client" if 2 * np.count_nonzero(waits.by_client[places]) >= len(places) else "server"
    delayed = int(np.count_nonzero(waits.delayed[places]))
    middle = median(waits.cost[places]) or 0
    frames, connections = cite(case, rows)
    because = "until a delayed acknowledgment" if 2 * delayed >= len(places) else "until an acknowledgment"
    return Finding(
        KIND,
        "warning",
        f"Data of the {side} waits for ACKs (Nagle's algorithm) in {len(rows):,} of "
        f"{plural(total, 'connection')} to {addr(host, port)}: {duration(middle)} in the median, {because}",
        host,
        port,
        metrics={
            "side": side,
            "connections": len(rows),
            "requests": total,
            "hit_ratio": ratio(len(rows), total),
            "delayed": delayed,
            "cost_p50_ns": middle,
            "cost_total_ns": int(waits.cost[places].sum()),
        },
        advice=f"Set TCP_NODELAY at the {side} (`setsockopt(TCP_NODELAY)`, `tcp_nodelay on` in nginx), or write both "
        "pieces at once; TCP_QUICKACK at the other end only shortens it.",
        frames=frames,
        connections=connections,
        **window(case.attempts, rows),
    )
