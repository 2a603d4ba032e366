"""`tls-extra-round-trip`: TLS handshakes that wait more often than they need to, by service and reason.

`hello-retry`: the server takes none of the key shares that the client guessed.  `window`: a flight, mostly that of the
server's certificates, is larger than the congestion window (RFC 6928), so that its end waits for acknowledgments.
`older-version`: the client offered TLS 1.3 and got 1.2 with a full handshake; its cost is one round trip of the
network.

`warning` where the median cost is `COSTLY_NS` or more and `SHARE` or more of `LEAST` or more handshakes with the
service pay it, else `info`.
"""

import numpy as np

from handshake_inspect.tcp.setup.facts import (
    SETUP_FALSE_START,
    SETUP_OFFERS_13,
    SETUP_SERVER_CHANGED,
)
from handshake_inspect.tls.numbers import TLS12
from handshake_inspect.verdicts.arrays import Times
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import cite, first_of, median, ratio, target, window, write
from handshake_inspect.verdicts.findings.keys import count_distinct
from handshake_inspect.verdicts.findings.setups import Places, by_service, handshakes
from handshake_inspect.verdicts.setup.handshakes import Handshakes
from handshake_inspect.verdicts.setup.words import TLS_ESTABLISHED
from handshake_inspect.wire.text import duration, plural

COSTLY_NS = 10_000_000
SHARE = 0.1
LEAST = 10

_WORDS = {
    "hello-retry": "HelloRetryRequest",
    "window": "a flight larger than the congestion window",
    "older-version": "an older version than the TLS 1.3 that the client offers",
}
_ADVICE = {
    "hello-retry": "Put the group that the server takes into the key shares of the client (`ssl_ecdh_curve` in nginx, "
    "`-groups` in OpenSSL, say which the server prefers), or let the server take x25519.",
    "window": "Shorten the server's flight: leave out certificates that clients have, use ECDSA, compress certificates "
    "(RFC 8879); or raise the initial window (`ip route change … initcwnd 20`).",
    "older-version": "Enable TLS 1.3 on the server (`ssl_protocols TLSv1.2 TLSv1.3` in nginx), or on the box that "
    "terminates TLS before it.",
}


def detect(case: Case) -> list[Finding]:
    """One finding for each service and reason."""
    tls = handshakes(case)
    found: list[tuple[str, Times, Places]] = []
    for reason, cost in costs(tls).items():
        groups = by_service(case, tls, np.flatnonzero(cost >= 0))
        found += [(reason, cost, groups.of(g)) for g in range(len(groups))]
    found.sort(key=lambda each: -len(each[2]))
    service = case.attempts.of_connections(case.attempts.service)[tls.rows]
    totals = np.bincount(service, minlength=len(case.attempts.services))
    return first_of(
        KIND,
        "services whose TLS handshakes wait more often than they need to",
        found,
        lambda each: finding(case, tls, *each, int(totals[service[each[2][0]]])),
    )


def costs(tls: Handshakes) -> dict[str, Times]:
    """What each handshake paid, by reason; -1 for nothing."""
    older = tls.has(SETUP_OFFERS_13) & (tls.version > 0) & (tls.version <= TLS12)
    older &= (tls.outcome == TLS_ESTABLISHED) & ~tls.has(SETUP_FALSE_START | SETUP_SERVER_CHANGED)
    return {
        "hello-retry": tls.retry,
        "window": tls.window,
        "older-version": np.where(older, tls.network, -1),
    }


KIND = Kind(
    "tls-extra-round-trip",
    "TLS handshakes wait more often than they need to",
    "A round trip more than such a handshake needs: another key share, a flight that is too large, an older version.",
    detect,
    {
        "cause": Metric(str, "`hello-retry`, `window` or `older-version`."),
        "connections": Metric(int, "Handshakes that paid for it."),
        "handshakes": Metric(int, "All TLS handshakes with the service."),
        "hit_ratio": Metric(float | None, "`connections` of `handshakes`.", "ratio"),
        "clients": Metric(int, "Addresses of clients that are hit."),
        "cost_p50_ns": Metric(int | None, "What it cost, the median.", "ns"),
        "cost_total_ns": Metric(int, "What it cost all of them together.", "ns"),
    },
)


def finding(case: Case, tls: Handshakes, reason: str, cost: Times, places: Places, total: int) -> Finding:
    """Numbers and words of one service and reason."""
    rows = tls.connections(places)
    host, port = target(case.attempts, int(rows[0]))
    middle = median(cost[places]) or 0
    often = total >= LEAST and len(rows) >= SHARE * total
    frames, connections = cite(case, rows)
    return Finding(
        KIND,
        "warning" if often and middle >= COSTLY_NS else "info",
        f"{len(rows):,} of {plural(total, 'TLS handshake')} with {write(host, port)} took one round trip more, "
        f"{duration(middle)} in the median: {_WORDS[reason]}",
        host,
        port,
        metrics={
            "cause": reason,
            "connections": len(rows),
            "handshakes": total,
            "hit_ratio": ratio(len(rows), total),
            "clients": count_distinct(case.attempts.client_host[rows]),
            "cost_p50_ns": middle,
            "cost_total_ns": int(cost[places].sum()),
        },
        advice=_ADVICE[reason],
        frames=frames,
        connections=connections,
        **window(case.attempts, rows),
    )
