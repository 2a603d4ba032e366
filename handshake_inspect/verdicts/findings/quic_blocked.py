"""`quic-blocked`: QUIC gets no answer where TCP to the same address and port works.

A pair of client and service counts if

- the client's Initials failed: `LEAST_INITIALS` datagrams or more without an answer, or an ICMP error,
- none of its QUIC connections to that service was answered in the whole capture, and
- a TCP connection from the same client to the same address and port that began within 10 s was established (browsers
  try both and fall back).

If the capture ends too soon for QUIC to time out, the pair counts if an Initial was retransmitted and `TRIPS` round
trips of that TCP connection have passed since.

The target is the service; or the client, if it is blocked from `SERVERS` services or more: then the firewall is on its
side. The delay is what the user pays: from the first Initial to the TCP SYN, and to the first byte. Severity:
`warning`.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings import quic_services
from handshake_inspect.verdicts.findings.base import addr, capped, median
from handshake_inspect.verdicts.findings.quic_services import Places
from handshake_inspect.verdicts.quic.words import REJECTED, TIMED_OUT
from handshake_inspect.verdicts.sets import distinct, host_key, is_member
from handshake_inspect.verdicts.words import ESTABLISHED
from handshake_inspect.wire.text import duration, plural

LEAST_INITIALS = 2
SERVERS = 3
TRIPS = 2


def detect(case: Case) -> list[Finding]:
    """Return one finding per service, or per client that is blocked everywhere; the most connections first."""
    quics = case.quic.quics
    places = blocked(case)
    if not len(places):
        return []
    ends = {
        place: (quic_services.client(quics, place), quic_services.server(quics, place)) for place in places.tolist()
    }
    reach = Counter(client for client, _ in set(ends.values()))
    of_client = np.array([reach[client] >= SERVERS for client, _ in ends.values()], dtype=bool)
    groups = [(True, each) for each in quic_services.by_key(_client_keys(case), places[of_client])]
    groups += [(False, each) for each in quic_services.by_key(quics.service, places[~of_client])]
    groups.sort(key=lambda group: -len(group[1]))
    return capped(KIND, "services that QUIC does not reach", groups, lambda group: finding(case, *group))


KIND = Kind(
    "quic-blocked",
    "QUIC is blocked",
    "A client's QUIC gets no answer where its TCP to the same address and port works: UDP is filtered on the way.",
    detect,
    {
        "connections": Metric(int, "QUIC connections that came to nothing."),
        "clients": Metric(int, "Clients."),
        "servers": Metric(int, "Services."),
        "delay_p50_ns": Metric(int | None, "First Initial to the SYN of the TCP connection, the median.", "ns"),
        "first_byte_p50_ns": Metric(int | None, "First Initial to the first byte of the answer over TCP.", "ns"),
    },
)


def _client_keys(case: Case) -> NDArray[np.uint64]:
    rows = case.quic.quics.rows
    return host_key(rows["client_hi"], rows["client_lo"])


def blocked(case: Case) -> Places:
    """Return the QUIC connections that failed while TCP worked."""
    quic = case.quic
    rows, outcome = quic.quics.rows, quic.judged.outcome
    raced = quic.raced_tcp
    there = np.flatnonzero(raced >= 0)
    works = np.zeros(len(rows), dtype=bool)
    works[there] = case.outcomes.outcome[raced[there]] == ESTABLISHED
    late = np.zeros(len(rows), dtype=bool)
    late[there] = is_late(case, there)
    unanswered = ((outcome == TIMED_OUT) | late) & (rows["client_frames"] >= LEAST_INITIALS) | (outcome == REJECTED)
    answered = is_member(quic.quics.pair, distinct(quic.quics.pair[quic.judged.answered]))
    return np.flatnonzero(unanswered & works & ~answered)


def is_late(case: Case, there: Places) -> Bools:
    """Return a mask over `there`: an Initial was retransmitted so long ago that TCP would have been answered since."""
    quics, columns = case.quic.quics, case.attempts.connections
    raced = case.quic.raced_tcp[there]
    trip = columns["ack_ns"][raced] - columns["syn_ns"][raced]
    again = quics.rows["again_ns"][there]
    late: Bools = (again > 0) & (trip > 0) & (quics.last_ns - again >= TRIPS * trip)
    return late


def finding(case: Case, of_client: bool, places: Places) -> Finding:
    """Return the finding for one service or client."""
    quic = case.quic
    quics, raced = quic.quics, quic.raced_tcp[places]
    begun = quics.rows["first_ns"][places]
    delay = median(np.maximum(case.attempts.connections["first_ns"][raced] - begun, 0))
    exchanges = case.attempts.exchanges
    answers = np.zeros(0, dtype=np.int64) if exchanges is None else exchanges["response_ns"][raced] - begun
    first_byte = median(answers[answers > 0])
    services = {quic_services.server(quics, place) for place in places.tolist()}
    host, port = quic_services.server(quics, int(places[0]))
    if of_client:
        host, port = quic_services.client(quics, int(places[0])), None  # type: ignore[assignment]
    what = f"from {addr(host)} to {plural(len(services), 'service')}" if of_client else f"to {addr(host, port)}"
    start, end = quic_services.window(quics, places)
    return Finding(
        KIND,
        "warning",
        f"QUIC {what} gets no answer where TCP works: {plural(len(places), 'connection')} fell back after "
        f"{duration(delay or 0)}",
        host,
        port,
        start,
        end,
        {
            "connections": len(places),
            "clients": quic_services.clients(quics, places),
            "servers": len(services),
            "delay_p50_ns": delay,
            "first_byte_p50_ns": first_byte,
        },
        "Open UDP to this port in the firewalls between, in both directions, or stop announcing HTTP/3 (`Alt-Svc`, the "
        "HTTPS record): a client that learns of QUIC waits for it.",
        quic_services.frames(quic, places),
        tuple(sorted(set(raced.tolist()))[:10]),
    )
