"""`tls-slow-server` and `tls-slow-client`: TLS handshakes that are slow because of one end's own time.

The server's own time is from the ClientHello to its ServerHello, minus the network. The client's own time is from the
server's flight to its own Finished, or from the end of the TCP handshake to its ClientHello; not with a plain prologue
(STARTTLS), which takes both ends' time.

- `tls-slow-server` (`warning`): the median of `LEAST` or more handshakes with a service is `SLOW_NS` or more, and not
  below the median network round trip: otherwise users mostly wait for the network.
- `tls-slow-client` (`info`, since the client may have had nothing to send yet): the median of `LEAST` or more
  handshakes of one client is `SLOW_NS` or more.
"""

import numpy as np

from handshake_inspect.verdicts.arrays import Times
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, capped, cite, client, median, quantiles, target, window
from handshake_inspect.verdicts.findings.setups import Places, by_keys, by_service, handshakes
from handshake_inspect.verdicts.grouping import Groups
from handshake_inspect.verdicts.sets import count_distinct
from handshake_inspect.verdicts.setup.handshakes import Handshakes
from handshake_inspect.wire.text import duration, plural

SLOW_NS = 50_000_000
LEAST = 3


def detect_server(case: Case) -> list[Finding]:
    """Return one finding per service that is slow to send its ServerHello."""
    tls = handshakes(case)
    if not (tls.server_hello >= SLOW_NS).any():
        return []
    groups = by_service(case, tls, np.flatnonzero(tls.server_hello >= 0), LEAST)
    slow = [each for each in map(groups.of, mostly_slow(groups, tls.server_hello)) if is_slow(tls, each)]
    slow.sort(key=len, reverse=True)
    return capped(SERVER, "services that are slow to answer a ClientHello", slow, lambda each: server(case, tls, each))


def mostly_slow(groups: Groups[Places], column: Times) -> list[int]:
    """Return the groups whose median is long."""
    return np.flatnonzero(groups.sums(column[groups.rows] >= SLOW_NS) > groups.sizes // 2).tolist()


def is_slow(tls: Handshakes, places: Places) -> bool:
    """Return whether the server's median time is not below the network's."""
    taken, network = median(tls.server_hello[places]) or 0, tls.network[places]
    return taken >= (median(network[network >= 0]) or 0)


def detect_client(case: Case) -> list[Finding]:
    """Return one finding per client and slow part of the handshake."""
    tls = handshakes(case)
    found: list[tuple[str, Times, Places]] = []
    before = np.where(tls.upgraded, -1, tls.before_tls)
    for part, column in (("finished", tls.client_finished), ("before-tls", before)):
        if not (column >= SLOW_NS).any():
            continue
        places = np.flatnonzero(column >= 0)
        groups = by_keys([case.attempts.client_host[tls.rows[places]]], places, LEAST)
        found += [(part, column, each) for each in map(groups.of, mostly_slow(groups, column))]
    found.sort(key=lambda each: -len(each[2]))
    return capped(CLIENT, "clients that are slow in TLS handshakes", found, lambda each: slow_client(case, tls, *each))


def server(case: Case, tls: Handshakes, places: Places) -> Finding:
    """Return the finding for one service."""
    rows = tls.connections(places)
    host, port = target(case.attempts, int(rows[0]))
    taken = tls.server_hello[places]
    network = tls.network[places]
    frames, connections = cite(case, rows)
    return Finding(
        SERVER,
        "warning",
        f"{addr(host, port)} itself takes {duration(median(taken) or 0)} to answer a ClientHello: the median of "
        f"{plural(len(rows), 'handshake')}",
        host,
        port,
        metrics={
            "connections": len(rows),
            "clients": count_distinct(case.attempts.client_host[rows]),
            "network_p50_ns": median(network[network >= 0]),
            **quantiles(taken, "own"),
        },
        advice="Look for what the server does before ServerHello: a signature by a large RSA key (ECDSA is faster: "
        "`openssl speed rsa4096 ecdsap256`), an HSM, OCSP stapling, a callback that looks the name up.",
        frames=frames,
        connections=connections,
        **window(case.attempts, rows),
    )


def slow_client(case: Case, tls: Handshakes, part: str, column: Times, places: Places) -> Finding:
    """Return the finding for one client."""
    rows = tls.connections(places)
    host, _ = client(case.attempts, int(rows[0]))
    what = "between the server's flight and its Finished" if part == "finished" else "before its ClientHello"
    frames, connections = cite(case, rows)
    return Finding(
        CLIENT,
        "info",
        f"{addr(host)} itself takes {duration(median(column[places]) or 0)} {what}: the median of "
        f"{plural(len(rows), 'handshake')}",
        host,
        None,
        metrics={
            "kind": part,
            "connections": len(rows),
            "services": count_distinct(case.attempts.server_key[rows]),
            **quantiles(column[places], "own"),
        },
        advice="Look at the client: does it check certificates over the network (OCSP, CRLs), is its event loop busy?"
        if part == "finished"
        else "Look at the client: is its event loop busy, does it connect long before it has anything to say?",
        frames=frames,
        connections=connections,
        **window(case.attempts, rows),
    )


_OWN = {
    "own_p50_ns": Metric(int, "Its own time, the median.", "ns"),
    "own_p90_ns": Metric(int, "Its own time, the 90th percentile.", "ns"),
    "own_max_ns": Metric(int, "Its own time, the longest.", "ns"),
}
SERVER = Kind(
    "tls-slow-server",
    "The server is slow to answer a ClientHello",
    "Before its ServerHello the server takes longer than the network does.",
    detect_server,
    {
        "connections": Metric(int, "Handshakes of which it is known."),
        "clients": Metric(int, "Addresses of their clients."),
        "network_p50_ns": Metric(int | None, "Round trip of the network, the median.", "ns"),
        **_OWN,
    },
)
CLIENT = Kind(
    "tls-slow-client",
    "The client is slow in TLS handshakes",
    "The client itself takes its time before its ClientHello, or before its Finished.",
    detect_client,
    {
        "kind": Metric(str, "`before-tls`, before its ClientHello, or `finished`, before its Finished."),
        "connections": Metric(int, "Handshakes of which it is known."),
        "services": Metric(int, "Services that it connected to."),
        **_OWN,
    },
)
KINDS = {kind.id: kind for kind in (SERVER, CLIENT)}
