"""`quic-failed`: QUIC handshakes that were answered and did not complete.

One finding per service, from one such connection. An Initial that closes the connection shows who ended it and with
which code; a client that rejects the certificate says so in a packet that cannot be decrypted. Severity: `warning`.
"""

from collections import Counter

import numpy as np

from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings import quic_services
from handshake_inspect.verdicts.findings.base import addr, capped, ratio
from handshake_inspect.verdicts.findings.quic_services import Places
from handshake_inspect.verdicts.quic.words import FAILED
from handshake_inspect.wire.text import plural

_ADVICE = {
    "closed-by-server": "The server's log says why; codes from 256 on are TLS alerts: 376 is no common ALPN protocol.",
    "closed-by-client": "Try the name with a client that says why (`curl --http3 -v`): most often the certificate.",
    "no-common-version": "Update the side that speaks only old versions of QUIC, or let the client use TCP.",
    "stuck": "The server took the Initial and did not answer it: is it overloaded, or does it wait for the rest of the "
    "ClientHello (fragments of large ones are lost)?",
}


def detect(case: Case) -> list[Finding]:
    """Return one finding per service, the one with the most failures first."""
    quic = case.quic
    places = np.flatnonzero(quic.judged.outcome == FAILED)
    groups = sorted(quic_services.by_key(quic.quics.service, places), key=len, reverse=True)
    return capped(KIND, "services where QUIC fails", groups, lambda group: finding(case, group))


KIND = Kind(
    "quic-failed",
    "QUIC handshakes failed",
    "QUIC handshakes were answered and did not complete.",
    detect,
    {
        "connections": Metric(int, "QUIC connections that failed."),
        "attempts": Metric(int, "All QUIC connections to the service."),
        "failed_ratio": Metric(float | None, "`connections` of `attempts`.", "ratio"),
        "clients": Metric(int, "Clients whose connections failed."),
        "cause": Metric(str, "The most frequent cause."),
        "code": Metric(int | None, "The most frequent error code that an Initial named."),
        "reason": Metric(str | None, "And its words."),
    },
)


def finding(case: Case, places: Places) -> Finding:
    """Return the finding for one service."""
    quic = case.quic
    quics, judged = quic.quics, quic.judged
    host, port = quic_services.server(quics, int(places[0]))
    attempts = int(np.count_nonzero(quics.service == quics.service[places[0]]))
    causes = Counter(judged.cause(place) or "stuck" for place in places.tolist())
    closes = Counter(close[1] for close in (judged.closes[place] for place in places.tolist()) if close is not None)
    cause = causes.most_common(1)[0][0]
    close = closes.most_common(1)[0][0] if closes else None
    start, end = quic_services.window(quics, places)
    return Finding(
        KIND,
        "warning",
        f"{len(places)} of {plural(attempts, 'QUIC connection')} to {addr(host, port)} failed ({cause})",
        host,
        port,
        start,
        end,
        {
            "connections": len(places),
            "attempts": attempts,
            "failed_ratio": ratio(len(places), attempts),
            "clients": quic_services.clients(quics, places),
            "cause": cause,
            "code": None if close is None else close.code,
            "reason": None if close is None else close.reason,
        },
        _ADVICE[cause],
        quic_services.frames(quic, places),
    )
