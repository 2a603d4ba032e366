"""`tls-failed`: TLS handshakes that did not complete, by service and reason.

Counted are connections whose client sent a ClientHello and that certainly failed: an alert before the handshake
completed, or after it but before any answer (`certificate_required` arrives then); a RST or FIN before completion; a
server that never answers, or not with TLS.

Not counted: a client that closes without an alert, if the service completes other handshakes. Scanners and probes read
the ServerHello and leave.

One finding per service and reason, from one connection. Severity: `warning`, since one alert is conclusive.
"""

import numpy as np

from handshake_inspect.tcp.setup.facts import (
    SETUP_ALERT,
    SETUP_ALERT_ENCRYPTED,
    SETUP_ALERT_SERVER,
    SETUP_CERTIFICATE_WITHHELD,
    SETUP_CLIENT_FINISHED,
    SETUP_SERVER_HELLO,
)
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, capped, cite, ratio, target, window
from handshake_inspect.verdicts.findings.setups import Places, by_keys, handshakes
from handshake_inspect.verdicts.sets import count_distinct
from handshake_inspect.verdicts.setup.handshakes import Handshakes
from handshake_inspect.verdicts.setup.seen import Seen
from handshake_inspect.verdicts.setup.tls import has_ended
from handshake_inspect.verdicts.setup.tls_words import alert_text
from handshake_inspect.verdicts.setup.words import TLS_ESTABLISHED, TLS_FAILED, TLS_NO_ANSWER, TLS_NOT_TLS
from handshake_inspect.wire.text import plural

_COMMON = "Client and server have no version, cipher suite or group in common: compare what each allows with "
_CERTIFICATE = "Look at the certificate as clients see it: "
_SHOWN = "`openssl s_client -connect HOST:PORT -servername NAME -showcerts`."
# Advice by alert code (RFC 8446 section 6.2).
ADVICE = {
    40: _COMMON + "`openssl s_client -connect HOST:PORT -tls1_2` and `-tls1_3`; or a client certificate is missing.",
    70: _COMMON + "`openssl s_client -connect HOST:PORT -tls1_2` and `-tls1_3`.",
    71: _COMMON + "`nmap --script ssl-enum-ciphers -p PORT HOST`.",
    48: "The client does not know who signed the certificate: let the server send the whole chain, or let the client "
    f"trust the CA: {_SHOWN}",
    112: "The server has no certificate for the name that clients ask for: correct the name, or the virtual host.",
    116: "The server wants a client certificate and got none: give the client one, or do not ask for it.",
    120: "Client and server have no application protocol in common: compare the ALPN lists of both (h2, http/1.1).",
}  # fmt: skip
ADVICE |= dict.fromkeys(range(42, 47), f"{_CERTIFICATE}has it expired, is it revoked, is it for this use? {_SHOWN}")
_OTHER = f"Ask the log of the end that sent the alert; {_SHOWN}"
_WITHOUT = {
    "encrypted-alert": "The alert is encrypted: the log of the end that sent it says which one it is.",
    "closed": f"The end that closed says why in its log; try {_SHOWN}",
    "no-answer": "Nothing answers the ClientHello: does what listens there speak TLS? A box on the path may drop large "
    "ClientHellos (post-quantum groups need two segments) or some names.",
    "not-tls": "What listens there does not speak TLS: correct the port, or use http instead of https.",
}

CLOSED, NO_ANSWER, NOT_TLS, ENCRYPTED = 256, 257, 258, 259  # reasons beyond the range of alert codes
_REASONS = {CLOSED: "closed", NO_ANSWER: "no-answer", NOT_TLS: "not-tls", ENCRYPTED: "encrypted-alert"}
_STAGES = ("hello", "handshake", "finished")


def detect(case: Case) -> list[Finding]:
    """Return one finding per service and reason."""
    tls = handshakes(case)
    failed = np.isin(tls.outcome, (TLS_FAILED, TLS_NO_ANSWER, TLS_NOT_TLS))
    places = np.flatnonzero(failed & ~left_by_client(case, tls))
    if not len(places):
        return []
    service = case.attempts.of_connections(case.attempts.service)[tls.rows]
    reasons, by_server = reason(tls), tls.has(SETUP_ALERT_SERVER)
    groups = by_keys([service[places], reasons[places], by_server[places]], places)
    order = np.argsort(-groups.sizes, kind="stable").tolist()
    totals = np.bincount(service, minlength=len(case.attempts.services))
    return capped(
        KIND,
        "services with failed TLS handshakes",
        order,
        lambda g: finding(case, tls, groups.of(g), int(totals[service[groups.of(g)[0]]])),
    )


KIND = Kind(
    "tls-failed",
    "TLS handshakes fail",
    "The TCP connection is established, but TLS on top of it is not: an alert, a close or silence ended it.",
    detect,
    {
        "cause": Metric(
            str,
            "The name of the alert in lower case with hyphens, or `encrypted-alert`, `closed`, `no-answer`, `not-tls`.",
        ),
        "from": Metric(str | None, "The end that sent the alert, `client` or `server`; null without an alert."),
        "alert": Metric(int | None, "The number of the alert (RFC 8446 section 6); null where it is not known."),
        "stage": Metric(str, "How far it had come: `hello` (no ServerHello), `handshake`, `finished` (by the client)."),
        "connections": Metric(int, "Handshakes that failed for this reason."),
        "handshakes": Metric(int, "All TLS handshakes with the service."),
        "failed_ratio": Metric(float | None, "`connections` of `handshakes`.", "ratio"),
        "clients": Metric(int, "Addresses of clients that are hit."),
        "certificate_withheld": Metric(int, "Clients among them that sent no certificate though one was asked for."),
    },
)


def reason(tls: Handshakes) -> Places:
    """Return why each handshake failed: an alert code, or one of the reasons beyond."""
    alert = np.where(tls.has(SETUP_ALERT_ENCRYPTED), ENCRYPTED, tls.alert)
    without = np.select([tls.outcome == TLS_NO_ANSWER, tls.outcome == TLS_NOT_TLS], [NO_ANSWER, NOT_TLS], CLOSED)
    reasons: Places = np.where(tls.has(SETUP_ALERT), alert, without)
    return reasons


def left_by_client(case: Case, tls: Handshakes) -> Bools:
    """Return a mask over handshakes: the client closed without an alert, and the service completes other handshakes."""
    service = case.attempts.of_connections(case.attempts.service)[tls.rows]
    good = np.isin(service, service[tls.outcome == TLS_ESTABLISHED])
    silent = good & (tls.outcome == TLS_FAILED) & ~tls.has(SETUP_ALERT)
    left = np.zeros(len(tls.rows), dtype=bool)
    at = np.flatnonzero(silent)
    if len(at):
        left[at] = ~has_ended(Seen(case.attempts, tls.rows[at]), client=False)
    return left


def finding(case: Case, tls: Handshakes, places: Places, total: int) -> Finding:
    """Return the finding for one service and reason."""
    rows = tls.connections(places)
    code = int(reason(tls)[places[0]])
    host, port = target(case.attempts, int(rows[0]))
    alerted = bool(tls.has(SETUP_ALERT)[places[0]])
    sender = ("client", "server")[int(tls.has(SETUP_ALERT_SERVER)[places[0]])] if alerted else None
    cause = _REASONS.get(code) or alert_text(code).replace("_", "-")
    withheld = int(np.count_nonzero(tls.has(SETUP_CERTIFICATE_WITHHELD)[places]))
    return Finding(
        KIND,
        "warning",
        f"{len(rows):,} of {plural(total, 'TLS handshake')} with {addr(host, port)} failed: {words(code, sender)}",
        host,
        port,
        metrics={
            "cause": cause,
            "from": sender,
            "alert": code if code < CLOSED else None,
            "stage": _STAGES[int(np.median(stages(tls)[places]))],
            "connections": len(rows),
            "handshakes": total,
            "failed_ratio": ratio(len(rows), total),
            "clients": count_distinct(case.attempts.client_host[rows]),
            "certificate_withheld": withheld,
        },
        advice=advice(code, withheld=bool(withheld)),
        frames=cite(case, rows)[0],
        connections=cite(case, rows)[1],
        **window(case.attempts, rows),
    )


def stages(tls: Handshakes) -> Places:
    """Return how far each handshake got, as an index in `_STAGES`."""
    come: Places = np.where(tls.has(SETUP_CLIENT_FINISHED), 2, np.where(tls.has(SETUP_SERVER_HELLO), 1, 0))
    return come


def words(code: int, sender: str | None) -> str:
    """Format why the handshakes failed."""
    texts = {
        CLOSED: "closed before it was complete",
        NO_ANSWER: "the server never answered",
        NOT_TLS: "the server answered with something else than TLS",
        ENCRYPTED: f"an encrypted alert from the {sender}",
    }
    return texts.get(code) or f"alert {alert_text(code)} ({code}) from the {sender}"


def advice(code: int, *, withheld: bool) -> str:
    """Return the advice for a reason."""
    if code == ENCRYPTED and withheld:
        return ADVICE[116]
    return _WITHOUT[_REASONS[code]] if code in _REASONS else ADVICE.get(code, _OTHER)
