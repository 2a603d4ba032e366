"""`quic-retry` and `quic-version-negotiation`: servers that make QUIC clients start over, at the cost of a round trip.

One finding of each kind per service, if `SHARE` or more of its connections are hit and it has at least `LEAST` of them.
Severity: `info`.
"""

import numpy as np

from handshake_inspect.quic.quic_rows import NEGOTIATED, RETRY, TOKEN
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings import quic_services
from handshake_inspect.verdicts.findings.base import addr, capped, median, ratio
from handshake_inspect.verdicts.findings.quic_services import Places
from handshake_inspect.wire.text import duration, plural, share

LEAST = 10
SHARE = 0.1

_RETRY_ADVICE = (
    "A server asks for an address to be proved when it is configured so, or under load: raise that threshold, and let "
    "clients come back with tokens (NEW_TOKEN), which save the round trip."
)
_VERSION_ADVICE = "Let clients begin with a version that the server speaks, or update the server."


def detect(case: Case) -> list[Finding]:
    """Return one finding per service that often answers with Retry."""
    return services(case, RETRY, "quic-retry")


def detect_version_negotiation(case: Case) -> list[Finding]:
    """Return one finding per service that often answers with Version Negotiation."""
    return services(case, NEGOTIATED, "quic-version-negotiation")


def services(case: Case, flag: int, kind: str) -> list[Finding]:
    """Return one finding per service that often makes clients start over."""
    quic = case.quic
    everything = np.arange(len(quic))
    groups = [each for each in quic_services.by_key(quic.quics.service, everything) if len(each) >= LEAST]
    hit = [each for each in groups if np.count_nonzero(quic.quics.has(flag)[each]) >= SHARE * len(each)]
    hit.sort(key=len, reverse=True)
    return capped(KINDS[kind], "services that ask to begin again", hit, lambda each: finding(case, each, flag, kind))


_METRICS = {
    "connections": Metric(int, "QUIC connections that had to begin again."),
    "attempts": Metric(int, "All QUIC connections to the service."),
    "again_ratio": Metric(float | None, "`connections` of `attempts`.", "ratio"),
    "cost_p50_ns": Metric(int | None, "First Initial to the second, the median.", "ns"),
    "with_token": Metric(int, "Connections whose first Initial had a token already."),
}
KINDS = {
    "quic-retry": Kind(
        "quic-retry",
        "QUIC clients have to prove their address",
        "The server answers Initials with Retry, which costs each client a round trip.",
        detect,
        _METRICS,
    ),
    "quic-version-negotiation": Kind(
        "quic-version-negotiation",
        "QUIC clients begin with another version",
        "The server answers Initials with Version Negotiation, which costs each client a round trip.",
        detect_version_negotiation,
        _METRICS,
    ),
}


def finding(case: Case, places: Places, flag: int, kind: str) -> Finding:
    """Return the finding for one service."""
    quic = case.quic
    quics, again = quic.quics, places[quic.quics.has(flag)[places]]
    host, port = quic_services.server(quics, int(places[0]))
    second, first = quics.rows["second_ns"][again], quics.rows["first_ns"][again]
    cost = median((second - first)[second > 0])
    start, end = quic_services.window(quics, again)
    what = "to prove their address (Retry)" if kind == "quic-retry" else "for another version"
    portion = ratio(len(again), len(places))
    return Finding(
        KINDS[kind],
        "info",
        f"{addr(host, port)} asks {share(len(again), len(places))} of {plural(len(places), 'QUIC client')} {what}: "
        f"{duration(cost or 0)} each",
        host,
        port,
        start,
        end,
        {
            "connections": len(again),
            "attempts": len(places),
            "again_ratio": portion,
            "cost_p50_ns": cost,
            "with_token": int(np.count_nonzero(quics.has(TOKEN)[again])),
        },
        _RETRY_ADVICE if kind == "quic-retry" else _VERSION_ADVICE,
        quic_services.frames(quic, again),
    )
