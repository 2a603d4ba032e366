"""`tls-extra-round-trip`: TLS handshakes that take more round trips than necessary, by service and reason.

Reasons:

- `hello-retry`: the server accepts none of the key shares that the client sent;
- `window`: a flight, mostly the server's certificates, exceeds the congestion window (RFC 6928), so that its end waits
  for acknowledgments;
- `older-version`: the client offered TLS 1.3 and got a full 1.2 handshake; it costs one network round trip;
- QUIC, `amplification`: the flight exceeds what a server may send to an unvalidated address (RFC 9000 section 8.1);
- QUIC, `retry`: the server validates the address first;
- QUIC, `hello-retry`: only if the server's Initial could be decrypted.

Severity: `warning` if the median cost is `COSTLY_NS` or more and `SHARE` or more of `LEAST` or more handshakes with the
service pay it, else `info`.
"""

from typing import Any, Literal

import numpy as np

from handshake_inspect.quic.quic_rows import STALLS
from handshake_inspect.tcp.setup.facts import (
    SETUP_FALSE_START,
    SETUP_OFFERS_13,
    SETUP_SERVER_CHANGED,
)
from handshake_inspect.tls.numbers import TLS12
from handshake_inspect.verdicts.arrays import Times
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings import quic_services
from handshake_inspect.verdicts.findings.base import addr, capped, cite, median, ratio, target, window
from handshake_inspect.verdicts.findings.setups import Places, by_service, handshakes
from handshake_inspect.verdicts.quic.quics import Quics
from handshake_inspect.verdicts.sets import count_distinct
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
    "amplification": "a flight larger than a server may send before the client's address is proved",
    "retry": "a proof of the client's address (Retry)",
}
_ADVICE = {
    "hello-retry": "Put the group that the server takes into the key shares of the client (`ssl_ecdh_curve` in nginx, "
    "`-groups` in OpenSSL, say which the server prefers), or let the server take x25519.",
    "window": "Shorten the server's flight: leave out certificates that clients have, use ECDSA, compress certificates "
    "(RFC 8879); or raise the initial window (`ip route change … initcwnd 20`).",
    "amplification": "Shorten the server's flight to three times the client's first datagram, about 3,600 bytes: leave "
    "out certificates that clients have, use ECDSA, compress certificates (RFC 8879).",
    "retry": "Let the server ask for a proof of addresses only under load, and let clients come back with tokens "
    "(NEW_TOKEN).",
    "older-version": "Enable TLS 1.3 on the server (`ssl_protocols TLSv1.2 TLSv1.3` in nginx), or on the box that "
    "terminates TLS before it.",
}


def detect(case: Case) -> list[Finding]:
    """Return one finding per service and reason."""
    tls = handshakes(case)
    found: list[tuple[str, Times, Places]] = []
    for reason, cost in costs(tls).items():
        groups = by_service(case, tls, np.flatnonzero(cost >= 0))
        found += [(reason, cost, groups.of(g)) for g in range(len(groups))]
    found.sort(key=lambda each: -len(each[2]))
    service = case.attempts.of_connections(case.attempts.service)[tls.rows]
    totals = np.bincount(service, minlength=len(case.attempts.services))
    over_tcp = capped(
        KIND,
        "services whose TLS handshakes wait more often than they need to",
        found,
        lambda each: finding(case, tls, *each, int(totals[service[each[2][0]]])),
    )
    return over_tcp + of_quic(case)


def of_quic(case: Case) -> list[Finding]:
    """Return one finding per QUIC service and reason."""
    quics = case.quic.quics
    if not len(quics):
        return []
    found: list[tuple[str, Times, Places]] = []
    for reason, cost in quic_costs(quics).items():
        found += [(reason, cost, each) for each in quic_services.by_key(quics.service, np.flatnonzero(cost >= 0))]
    found.sort(key=lambda each: -len(each[2]))
    return capped(
        KIND,
        "services whose QUIC handshakes wait more often than they need to",
        found,
        lambda each: quic_finding(case, *each),
    )


def costs(tls: Handshakes) -> dict[str, Times]:
    """Return the cost of each handshake per reason, -1 for none."""
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
        "cause": Metric(
            str, "`hello-retry`, `window` or `older-version`; of QUIC `amplification`, `retry` or `hello-retry`."
        ),
        "connections": Metric(int, "Handshakes that paid for it."),
        "handshakes": Metric(int, "All handshakes of TLS, or of QUIC, with the service."),
        "hit_ratio": Metric(float | None, "`connections` of `handshakes`.", "ratio"),
        "clients": Metric(int, "Addresses of clients that are hit."),
        "cost_p50_ns": Metric(int | None, "What it cost, the median.", "ns"),
        "cost_total_ns": Metric(int, "What it cost all of them together.", "ns"),
    },
)


def finding(case: Case, tls: Handshakes, reason: str, cost: Times, places: Places, total: int) -> Finding:
    """Return the finding for one service and reason."""
    rows = tls.connections(places)
    host, port = target(case.attempts, int(rows[0]))
    frames, connections = cite(case, rows)
    return Finding(
        KIND,
        severity(cost[places], total),
        title("TLS", addr(host, port), reason, cost[places], total),
        host,
        port,
        metrics=numbers(reason, cost[places], total, count_distinct(case.attempts.client_host[rows])),
        advice=_ADVICE[reason],
        frames=frames,
        connections=connections,
        **window(case.attempts, rows),
    )


def quic_finding(case: Case, reason: str, cost: Times, places: Places) -> Finding:
    """Return the finding for one QUIC service and reason."""
    quics = case.quic.quics
    host, port = quic_services.server(quics, int(places[0]))
    total = int(np.count_nonzero(quics.service == quics.service[places[0]]))
    start, end = quic_services.window(quics, places)
    return Finding(
        KIND,
        severity(cost[places], total),
        title("QUIC", addr(host, port), reason, cost[places], total),
        host,
        port,
        start,
        end,
        numbers(reason, cost[places], total, quic_services.clients(quics, places)),
        _ADVICE[reason],
        quic_services.frames(case.quic, places),
    )


def severity(cost: Times, total: int) -> Literal["warning", "info"]:
    """Return `warning` if enough handshakes pay enough, else `info`."""
    often = total >= LEAST and len(cost) >= SHARE * total
    return "warning" if often and (median(cost) or 0) >= COSTLY_NS else "info"


def title(protocol: str, service: str, reason: str, cost: Times, total: int) -> str:
    """Format how many handshakes paid how much, and why."""
    return (
        f"{len(cost):,} of {plural(total, f'{protocol} handshake')} with {service} took one more round trip, "
        f"{duration(median(cost) or 0)}{' in the median' if len(cost) > 1 else ''}: {_WORDS[reason]}"
    )


def numbers(reason: str, cost: Times, total: int, clients: int) -> dict[str, Any]:
    """Return the metrics of one finding."""
    metrics = {
        "cause": reason,
        "connections": len(cost),
        "handshakes": total,
        "hit_ratio": ratio(len(cost), total),
        "clients": clients,
        "cost_p50_ns": median(cost) or 0,
        "cost_total_ns": int(cost.sum()),
    }
    return metrics  # noqa: RET504  a test looks for the name `metrics`


def quic_costs(quics: Quics) -> dict[str, Times]:
    """Return the cost of each QUIC connection beyond its one round trip, per reason, -1 for none."""
    rows = quics.rows
    first, second, third = (rows[name].astype(np.int64) for name in ("first_ns", "second_ns", "third_ns"))
    begun = np.where(third > 0, third - second, second - first)
    retried = (rows["retry_ns"] > 0) & (second > 0) & ((third > 0) | (rows["negotiation_ns"] == 0))
    reply = rows["reply_ns"].astype(np.int64) - first
    return {
        "hello-retry": np.where(quics.asked_again & (reply > 0), reply, -1),
        "amplification": amplification(quics),
        "retry": np.where(retried, begun, -1),
    }


def amplification(quics: Quics) -> Times:
    """Return how long each server waited in total for the client's address to be validated, -1 for not at all."""
    rows = quics.rows
    paused = (np.arange(STALLS) < rows["stalls"][:, None]) & ~quics.stalled_by_loss
    total = np.where(paused, rows["stall_ns"], 0).sum(axis=1)
    return np.where(paused.any(axis=1), total, -1)
