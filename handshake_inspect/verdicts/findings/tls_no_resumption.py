"""`tls-no-resumption`: one client repeats full TLS handshakes and never resumes a session.

`LEAST` or more full handshakes of one client address with one service and server name, `LEAST` of them within
`WITHIN_NS`, and none resumed. The ClientHello shows whether the client never offered a session (it keeps no tickets) or
was refused (servers behind one address do not share their ticket keys).

Severity: `info`. With TLS 1.3 a full handshake costs no extra round trip, only computation and the certificates on the
wire.
"""

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.setup.facts import SETUP_PSK, SETUP_PSK_OFFERED, SETUP_SERVER_CHANGED
from handshake_inspect.tls.numbers import TLS12
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, capped, cite, client, target, window
from handshake_inspect.verdicts.findings.setups import Places, by_keys, handshakes
from handshake_inspect.verdicts.setup.handshakes import Handshakes
from handshake_inspect.verdicts.setup.words import TLS_ESTABLISHED
from handshake_inspect.wire.address import address_text
from handshake_inspect.wire.text import duration, plural

LEAST = 10
WITHIN_NS = 3_600_000_000_000


def detect(case: Case) -> list[Finding]:
    """Return one finding per client, service and name."""
    tls = handshakes(case)
    places = np.flatnonzero(tls.outcome == TLS_ESTABLISHED)
    if len(places) < LEAST:
        return []
    attempts = case.attempts
    rows = tls.rows[places]
    keys: list[NDArray[np.generic]] = [attempts.client_host[rows], attempts.server_key[rows]]
    groups = by_keys([*keys, names(case, tls, places)], places, LEAST)
    found = [each for each in map(groups.of, range(len(groups))) if never_resumes(case, tls, each)]
    found.sort(key=len, reverse=True)
    return capped(KIND, "clients that never resume a session", found, lambda each: finding(case, tls, each))


def names(case: Case, tls: Handshakes, places: Places) -> NDArray[np.int64]:
    """Return a number per requested server name, in name order; several hellos may request the same name."""
    if case.attempts.names is None:
        return np.zeros(len(places), dtype=np.int64)
    hellos = tls.hello[places]
    different = np.flatnonzero(np.bincount(hellos))
    asked = [case.attempts.names.facts(hello)[0] or b"" if hello else b"" for hello in different.tolist()]
    numbers = {name: number for number, name in enumerate(sorted(set(asked)))}
    number_of = np.zeros(int(different[-1]) + 1, dtype=np.int64)
    number_of[different] = [numbers[name] for name in asked]
    return number_of[hellos]


def never_resumes(case: Case, tls: Handshakes, places: Places) -> bool:
    """Return whether none of these was resumed, and `LEAST` of them began within `WITHIN_NS`."""
    if tls.has(SETUP_PSK | SETUP_SERVER_CHANGED)[places].any():
        return False
    begun = np.sort(case.attempts.connections["first_ns"][tls.rows[places]])
    return bool((begun[LEAST - 1 :] - begun[: -LEAST + 1] <= WITHIN_NS).any())


KIND = Kind(
    "tls-no-resumption",
    "A client never resumes TLS sessions",
    "One client repeats full handshakes with one service: sessions are not offered, or refused.",
    detect,
    {
        "cause": Metric(str, "`never-offered`, or `refused`: offered in most handshakes and never taken."),
        "client": Metric(str, "Address of the client."),
        "connections": Metric(int, "Full handshakes."),
        "offered": Metric(int, "Those in which the client offered a session (TLS 1.3)."),
        "older": Metric(int, "Those of TLS 1.2 or older, in which resumption saves a round trip."),
        "saveable_ns": Metric(int, "What resumption would have saved, about: a round trip of each older one.", "ns"),
    },
)


def finding(case: Case, tls: Handshakes, places: Places) -> Finding:
    """Return the finding for one client, service and name."""
    rows = tls.connections(places)
    host, port = target(case.attempts, int(rows[0]))
    opener, _ = client(case.attempts, int(rows[0]))
    offered = int(np.count_nonzero(tls.has(SETUP_PSK_OFFERED)[places]))
    older = (tls.version[places] <= TLS12) & (tls.network[places] >= 0)
    saved = int(tls.network[places][older].sum())
    refused = 2 * offered >= len(rows)
    frames, connections = cite(case, rows)
    cost = f", about {duration(saved)} of waiting" if saved else ""
    return Finding(
        KIND,
        "info",
        f"{addr(opener)} did {plural(len(rows), 'full TLS handshake')} with {addr(host, port)} and resumed no session"
        f"{cost}: {'it offers them and is refused' if refused else 'it never offers one'}",
        host,
        port,
        metrics={
            "cause": "refused" if refused else "never-offered",
            "client": address_text(*opener),
            "connections": len(rows),
            "offered": offered,
            "older": int(np.count_nonzero(tls.version[places] <= TLS12)),
            "saveable_ns": saved,
        },
        advice="Let all servers behind this address share the keys of their session tickets "
        "(`ssl_session_ticket_key` in nginx)."
        if refused
        else "Let the client keep sessions (a session cache, or one TLS context for all of its connections), and the "
        "server send tickets.",
        frames=frames,
        connections=connections,
        **window(case.attempts, rows),
    )
