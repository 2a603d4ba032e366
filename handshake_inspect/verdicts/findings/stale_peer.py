"""`stale-peer`: half-open in the sense of RFC 9293 section 3.5.1: one end lost the connection, its peer did not.

*The receiver of the data lost it*: a bare RST (no ACK) answers data or a keep-alive on an established connection. A
socket that still knows the connection sets ACK in its RST; a host without one takes the RST's sequence number from the
segment and has nothing to acknowledge (section 3.10.7.1). Not counted are an end that had sent its FIN (it is done),
forged RSTs (`rst-injection`), segments of an `ack-flood`, and servers that reset many connections before they send a
byte (`early-reset`).

*The end that opens again lost it*: its SYN meets a peer that is still synchronized. That shows as an attempt that drew
a challenge ACK (RFC 5961 section 4) and reset it, or as a connection that a SYN with another ISN replaced before it was
closed. A SYN without effect may be anybody's and does not count; one that met TIME-WAIT is `port-reuse`.

The target is the host that lost its state: a service or a client. Severity: `info`; `warning` from `MANY` connections:
a reboot loses many at once, and so does a NAT or firewall whose entries expire.
"""

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_BLIND_SYN,
    FACT_CHALLENGE_ACK,
    FACT_MIDSTREAM,
    FACT_REBUFFED,
    FACT_RST,
    FACT_SYN,
    FACT_SYNACK,
    TRAIT_FIN,
)
from handshake_inspect.verdicts import grouping, resets
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings import early_reset, idle_timeout
from handshake_inspect.verdicts.findings.base import addr, earliest, endpoint, largest, window
from handshake_inspect.verdicts.findings.reflection import reflected_rows
from handshake_inspect.verdicts.findings.stray_flood import stray_rows
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import distinct, host_key
from handshake_inspect.verdicts.words import ESTABLISHED
from handshake_inspect.wire.const import ACK
from handshake_inspect.wire.text import plural

MANY = 3


ADVICE = (
    "Find out what forgot the connection: a restart of the host, or a NAT or firewall entry that expired; "
    "SO_KEEPALIVE with `sysctl net.ipv4.tcp_keepalive_time` below the shortest idle timeout on the path keeps it known."
)


def detect(case: Case) -> list[Finding]:
    """Return one finding per host that lost connections."""
    return [*reset_ends(case), *clients_opened_again(case)]


KIND = Kind(
    "stale-peer",
    "Stale peer",
    "One end lost the connection while the other went on: half-open in the sense of RFC 9293.",
    detect,
    {
        "connections": Metric(int, "Connections that one end had lost."),
        "bare_resets": Metric(int, "Connections in which it answered data with a RST without ACK."),
        "syns_into_open_connection": Metric(int, "Connections that it reopened while the peer still had them."),
        "peers": Metric(int, "Hosts at the other end."),
    },
)


def reset_ends(case: Case) -> list[Finding]:
    """Return findings for ends that answered data with a bare RST."""
    rows = case.attempts.tracked_where(bare_answers(case) & ~early_reset.found_rows(case))
    return by_end(case.attempts, rows, case.attempts.connections["rst_side"][rows], "bare_resets", "rst")


def bare_answers(case: Case) -> Bools:
    """Return a mask over connections that a bare RST in answer to data ended."""
    trace = case.attempts
    c, facts = trace.connections, trace.facts
    bare = (facts & FACT_RST != 0) & (c["rst_flags"] & ACK == 0) & ~stray_rows(case) & ~reflected_rows(case)
    known = (trace.of_connections(case.outcomes.outcome) == ESTABLISHED) | (facts & FACT_MIDSTREAM != 0)
    found: Bools = bare & known
    rows = trace.tracked_where(found)
    if not len(rows):
        return found
    e, sender = trace.endpoints, 2 * rows + c["rst_side"][rows]
    asker = sender ^ 1
    unacknowledged = (e["snd_nxt"][asker] != e["last_ack"][sender]) & (e["bytes"][asker] > 0)
    asked = unacknowledged | (e["keep_alives"][asker] > 0)
    done = e["traits"][sender] & TRAIT_FIN != 0
    found[rows] = asked & ~done & ~resets.from_middlebox(trace)[rows] & ~resets.two_hosts(trace)[rows]
    found[idle_timeout.explained_rows(case)] = False
    return found


def clients_opened_again(case: Case) -> list[Finding]:
    """Return findings for ends that opened a connection that their peer still had."""
    rows = case.attempts.tracked_where(met_stale_peer(case.attempts))
    return by_end(case.attempts, rows, case.attempts.connections["client"][rows], "syns_into_open_connection", "syn")


def met_stale_peer(trace: Attempts) -> Bools:
    """Return a mask over connections whose SYN met a peer still synchronized with an earlier incarnation."""
    facts = trace.facts
    challenged = facts & (FACT_SYN | FACT_CHALLENGE_ACK) == FACT_SYN | FACT_CHALLENGE_ACK
    found: Bools = challenged & ((facts & FACT_REBUFFED != 0) | (facts & (FACT_SYNACK | FACT_ACKED) == 0))
    later, before = trace.reborn()
    closed = trace.both_ends[before] & TRAIT_FIN != 0
    synchronized = facts[before] & (FACT_ACKED | FACT_MIDSTREAM) != 0
    found[later] &= ~closed  # TIME-WAIT is not a stale state: port-reuse reports it
    found[later] |= (facts[before] & FACT_BLIND_SYN != 0) & synchronized & ~closed & (facts[later] & FACT_SYNACK != 0)
    return found


def by_end(trace: Attempts, rows: ConnectionRows, sides: NDArray[np.integer], kind: str, frame: str) -> list[Finding]:
    """Return one finding per host (per service if it is the server) that is side `sides` of `rows`."""
    c = trace.connections
    hi, lo, port = (np.where(sides == 0, c[f"{part}0"][rows], c[f"{part}1"][rows]) for part in ("hi", "lo", "port"))
    keys = host_key(hi, lo, np.where(sides == c["client"][rows], 0, port))
    groups = grouping.group(keys, np.arange(len(rows)))
    return largest(
        KIND,
        "hosts that lost connections",
        np.arange(len(groups)),
        groups.sizes,
        lambda g: finding(trace, rows[groups.of(g)], sides[groups.of(g)], kind, frame),
    )


def finding(trace: Attempts, rows: ConnectionRows, sides: NDArray[np.integer], kind: str, frame: str) -> Finding:
    """Return the finding for one host or service."""
    c = trace.connections
    side = int(sides[0])
    host, number = endpoint(trace, int(rows[0]), side)
    port = None if side == int(c["client"][rows[0]]) else number
    cited = earliest(trace, rows)
    lost = "lost its side of" if kind == "bare_resets" else "lost and opened again"
    return Finding(
        KIND,
        "warning" if len(rows) >= MANY else "info",
        f"{addr(host, port)} {lost} {plural(len(rows), 'connection')} that its peer still had",
        host,
        port,
        metrics={"connections": len(rows), kind: len(rows), "peers": peers(trace, rows, sides)},
        advice=ADVICE,
        frames=tuple(c[f"{frame}_frame"][cited].tolist()),
        connections=tuple(cited.tolist()),
        **window(trace, rows),
    )


def peers(trace: Attempts, rows: ConnectionRows, sides: NDArray[np.integer]) -> int:
    """Count the hosts at the other end."""
    c = trace.connections
    hi, lo = (np.where(sides == 0, c[f"{part}1"][rows], c[f"{part}0"][rows]) for part in ("hi", "lo"))
    return len(distinct(host_key(hi, lo)))
