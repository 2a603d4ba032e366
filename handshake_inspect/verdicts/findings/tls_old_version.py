"""`tls-old-version`: handshakes that agreed on TLS 1.1 or older, which RFC 8996 forbids.

One finding per service, from one handshake. Severity: `warning`.
"""

import numpy as np

from handshake_inspect.tcp.setup.facts import SETUP_OFFERS_13
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import CITED, addr, capped, cite, ratio, target, window
from handshake_inspect.verdicts.findings.setups import Places, by_service, handshakes
from handshake_inspect.verdicts.setup.handshakes import Handshakes
from handshake_inspect.verdicts.setup.tls_words import version_text
from handshake_inspect.verdicts.setup.words import TLS_ESTABLISHED
from handshake_inspect.wire.address import address_text
from handshake_inspect.wire.text import plural

NEWEST_OLD = 0x0302  # TLS 1.1


def detect(case: Case) -> list[Finding]:
    """Return one finding per service."""
    tls = handshakes(case)
    old = (tls.outcome == TLS_ESTABLISHED) & (tls.version > 0) & (tls.version <= NEWEST_OLD)
    groups = by_service(case, tls, np.flatnonzero(old))
    service = case.attempts.of_connections(case.attempts.service)[tls.rows]
    totals = np.bincount(service, minlength=len(case.attempts.services))
    found = sorted(map(groups.of, range(len(groups))), key=len, reverse=True)
    return capped(
        KIND,
        "services that agree on old versions of TLS",
        found,
        lambda each: finding(case, tls, each, int(totals[service[each[0]]])),
    )


KIND = Kind(
    "tls-old-version",
    "TLS 1.1 or older",
    "Handshakes agreed on a version of TLS that is forbidden by now (RFC 8996).",
    detect,
    {
        "versions": Metric(dict[str, int], "How many handshakes agreed on which version."),
        "connections": Metric(int, "Handshakes that agreed on TLS 1.1 or older."),
        "handshakes": Metric(int, "All TLS handshakes with the service."),
        "old_ratio": Metric(float | None, "`connections` of `handshakes`.", "ratio"),
        "clients": Metric(int, "Addresses of their clients."),
        "first_clients": Metric(list[str], "Some of these addresses, at most ten."),
        "could_do_better": Metric(int, "Those whose client offered TLS 1.3: the server has no newer version."),
    },
)


def finding(case: Case, tls: Handshakes, places: Places, total: int) -> Finding:
    """Return the finding for one service."""
    rows = case.attempts.in_order(tls.connections(places))
    host, port = target(case.attempts, int(rows[0]))
    versions, counts = np.unique(tls.version[places], return_counts=True)
    by_version = {version_text(int(v)): int(n) for v, n in zip(versions[::-1], counts[::-1], strict=True)}
    _, first = np.unique(case.attempts.client_host[rows], return_index=True)
    addresses = [address_text(*case.attempts.one_end("client", int(row))[:2]) for row in rows[np.sort(first)[:CITED]]]
    frames, connections = cite(case, rows)
    return Finding(
        KIND,
        "warning",
        f"{plural(len(rows), 'handshake')} with {addr(host, port)} agreed on TLS {', '.join(by_version)}, "
        f"from {plural(len(first), 'client')}",
        host,
        port,
        metrics={
            "versions": by_version,
            "connections": len(rows),
            "handshakes": total,
            "old_ratio": ratio(len(rows), total),
            "clients": len(first),
            "first_clients": addresses,
            "could_do_better": int(np.count_nonzero(tls.has(SETUP_OFFERS_13)[places])),
        },
        advice="Update these clients, or the server if they offer newer versions; then allow TLS 1.2 and 1.3 only "
        "(`ssl_protocols TLSv1.2 TLSv1.3` in nginx).",
        frames=frames,
        connections=connections,
        **window(case.attempts, rows),
    )
