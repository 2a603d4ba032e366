"""`protocol-mismatch`: a client sends plain text to a TLS service, or TLS to a service that does not speak it.

- `plain-to-tls`: a plain request to a service that answers with a TLS alert; or to one that completes TLS handshakes
  with others and closed this connection first or never answered. A service that starts TLS after plain text (STARTTLS)
  speaks both and does not count.
- `tls-to-plain`: a ClientHello that is answered by anything but TLS.

One finding per service and direction, from one connection. Severity: `warning`.
"""

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.setup.facts import EXCHANGE_ALERTED, SETUP_NOT_TLS
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, capped, cite, target, window
from handshake_inspect.verdicts.findings.setups import handshakes
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import count_distinct, distinct
from handshake_inspect.verdicts.setup.handshakes import Handshakes
from handshake_inspect.verdicts.setup.seen import Seen
from handshake_inspect.verdicts.setup.setups import setups_of
from handshake_inspect.verdicts.setup.tls import has_ended
from handshake_inspect.verdicts.setup.words import TLS_ESTABLISHED
from handshake_inspect.wire.text import plural

_SAID = {
    "plain-to-tls": "sent plain text to {service}, which speaks TLS",
    "tls-to-plain": "began TLS with {service}, which does not speak it",
}
_ADVICE = {
    "plain-to-tls": "Correct the scheme or the port of these clients: https instead of http, or the plain port.",
    "tls-to-plain": "Correct the scheme or the port of these clients (http instead of https), or set up TLS there.",
}


def detect(case: Case) -> list[Finding]:
    """Return one finding per service and direction."""
    tls = handshakes(case)
    found = [("plain-to-tls", each) for each in by_service(case, plain_rows(case, tls))]
    found += [("tls-to-plain", each) for each in by_service(case, tls.connections(tls.has(SETUP_NOT_TLS)))]
    found.sort(key=lambda each: -len(each[1]))
    return capped(KIND, "services that are spoken to in another protocol", found, lambda each: finding(case, *each))


def by_service(case: Case, rows: ConnectionRows) -> list[ConnectionRows]:
    """Group these connections by service."""
    groups = group(case.attempts.of_connections(case.attempts.service)[rows], rows)
    return [groups.of(g) for g in range(len(groups))]


def plain_rows(case: Case, tls: Handshakes) -> ConnectionRows:
    """Return the connections whose client sent plain text to a TLS service."""
    found, attempts = setups_of(case.attempts), case.attempts
    if attempts.exchanges is None or not len(found.rows):
        return ConnectionRows(found.rows[:0])
    service = attempts.of_connections(attempts.service)
    plain = found.rows[~found.values.tls & (attempts.exchanges["request_frame"][found.rows] != 0)]
    alerted = attempts.exchanges["setup"][plain] & EXCHANGE_ALERTED != 0
    speaks = services_of_tls(tls, service)
    refused = np.isin(service[plain], speaks)
    at = np.flatnonzero(refused & ~alerted)
    if len(at):
        unanswered = attempts.exchanges["response_frame"][plain[at]] == 0
        refused[at] = (unanswered & ~Seen(attempts, plain[at]).unseen) | server_ended_first(case, plain[at])
    return ConnectionRows(plain[alerted | refused])


def services_of_tls(tls: Handshakes, service: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return the services that complete TLS from the first byte on, and never after plain text."""
    good = service[tls.rows[(tls.outcome == TLS_ESTABLISHED) & ~tls.upgraded]]
    return distinct(good[~np.isin(good, service[tls.rows[tls.upgraded]])])


def server_ended_first(case: Case, rows: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return a mask over `rows`: the server closed or reset the connection first."""
    c = case.attempts.connections
    ended = has_ended(Seen(case.attempts, rows), client=False)
    first = np.where(c["fin_ns"][rows] > 0, c["fin_side"][rows], c["rst_side"][rows])
    return ended & (first != c["client"][rows])


KIND = Kind(
    "protocol-mismatch",
    "Plain text to TLS, or TLS to plain text",
    "The client speaks another protocol than the service: the port or the scheme is wrong.",
    detect,
    {
        "kind": Metric(str, "`plain-to-tls` or `tls-to-plain`."),
        "connections": Metric(int, "Connections that are hit."),
        "clients": Metric(int, "Addresses of their clients."),
    },
)


def finding(case: Case, kind: str, rows: ConnectionRows) -> Finding:
    """Return the finding for one service and direction."""
    host, port = target(case.attempts, int(rows[0]))
    clients = count_distinct(case.attempts.client_host[rows])
    frames, connections = cite(case, rows)
    return Finding(
        KIND,
        "warning",
        f"{plural(clients, 'client')} {_SAID[kind].format(service=addr(host, port))}: "
        f"{plural(len(rows), 'connection')}",
        host,
        port,
        metrics={"kind": kind, "connections": len(rows), "clients": clients},
        advice=_ADVICE[kind],
        frames=frames,
        connections=connections,
        **window(case.attempts, rows),
    )
