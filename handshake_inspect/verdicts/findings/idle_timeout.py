"""`idle-timeout`: a device on the path, or the peer, drops connections that are idle for a certain time.

Load balancers, NAT gateways and firewalls keep a connection table and delete entries that no packet has used for a
while. Depending on the device the capture shows

- *an unprompted RST*: after an idle period of 1 s or more in which each end had acknowledged everything, with no FIN
  and no open request of the end that resets (a client that stops waiting). Not counted are connections on which the
  server neither sent nor took data (`early-reset`), and those that had survived an idle period as long before (a
  heartbeat). `LEAST` or more idle periods that agree within `AGREE` give the timeout; they must be `SHARE` of all
  unprompted RSTs of the service, because among very many some agree by coincidence. Such RSTs are not forged
  (`rst-injection`), whatever their TTL: the table is a device's;
- *a RST in answer to the first data or keep-alive after an idle period*, or *silence* after it (`stalled`): the entry
  was gone, since when is unknown. `LEAST` or more give an interval, between the longest idle period that a connection
  survived and the shortest after which one was lost. If a connection survived a longer one, idleness is not the reason.
  Silence counts only if the service goes on to answer others; otherwise the service or the path is down. Bare RSTs that
  one restart of the host explains (one moment lies in all these idle periods, and no connection lived through it) are
  `stale-peer`.

RSTs in answer to unanswered keep-alives, or to a request that crossed the FIN (`keep-alive-race`), do not count.
Severity: `warning`. The target is the service; `likely` names the products with that default timeout.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_RST,
    FACT_SYNACK,
)
from handshake_inspect.verdicts import resets, silence
from handshake_inspect.verdicts.arrays import Bools, Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, earliest, largest, span, target
from handshake_inspect.verdicts.findings.ended_idle import Ended, ended_idle
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows, chained
from handshake_inspect.wire.const import ACK
from handshake_inspect.wire.text import duration, plural

LEAST = 5
AGREE = 0.02
APART = 0.1  # timeouts of a service closer than this are one, with jitter
SHARE = 0.1
SECOND = 1_000_000_000

# Documented idle timeouts of TCP connections, in seconds.
TABLES = {
    60: "AWS Application and Classic Load Balancers, nginx and HAProxy as commonly configured (60 s)",
    75: "nginx (keepalive_timeout 75 s)",
    240: "Azure Load Balancer, NAT Gateway and outbound SNAT (4 minutes)",
    300: "HAProxy or a firewall set to 5 minutes; F5 BIG-IP's TCP profile (300 s)",
    350: "AWS Network Load Balancer, NAT Gateway and Transit Gateway (350 s)",
    600: "Google Cloud load balancers (600 s)",
    900: "IPVS and many firewalls (15 minutes)",
    1200: "Google Cloud NAT (established connections, 1200 s)",
    1800: "Juniper SRX (30 minutes)",
    3600: "Cisco ASA, Palo Alto and Check Point firewalls (1 hour)",
    7200: "keep-alive of the operating system (2 hours), or NAT that follows RFC 5382",
    432000: "Linux conntrack (nf_conntrack_tcp_timeout_established, 5 days)",
}


def detect(case: Case) -> list[Finding]:
    """Return one finding per service, or per timeout if a service has several."""
    found = [each for ended in by_service(case) for each in judge(case, ended)]
    sizes = np.array([each.metrics["connections"] for each in found], dtype=np.int64)
    return largest(KIND, "services with idle timeouts", np.arange(len(found)), sizes, found.__getitem__)


KIND = Kind(
    "idle-timeout",
    "Idle connections are dropped",
    "Connections end, or are lost, after the same time without a packet: a balancer, NAT or firewall drops its entry.",
    detect,
    {
        "connections": Metric(int, "Connections that ended, or were lost, after a pause."),
        "idle_timeout_ns": Metric(int, "The timeout, where RSTs name it: the median of their pauses.", "ns"),
        "idle_min_ns": Metric(int, "The shortest of these pauses.", "ns"),
        "idle_max_ns": Metric(int, "The longest of these pauses.", "ns"),
        "longest_survived_ns": Metric(int | None, "Longest pause after which a connection went on.", "ns"),
        "shortest_lost_ns": Metric(int, "Shortest pause after which one was lost, where only bounds are known.", "ns"),
        "likely": Metric(str | None, "Whose connection table has this timeout by default."),
        "rst_from_server": Metric(int, "RSTs in the server's name."),
        "rst_from_client": Metric(int, "RSTs in the client's name."),
        "rst_ttl_differs": Metric(int, "RSTs with another TTL than their host's."),
        "drawn_by_data": Metric(int, "Connections whose first data or keep-alive after the pause drew a RST."),
        "lost_in_silence": Metric(int, "Connections of which nothing after the pause was answered."),
    },
)


def judge(case: Case, ended: Ended) -> list[Finding]:
    """Return the findings for one service: one per timeout that RSTs agree on, else one interval."""
    survived = longest_survived(case.attempts, int(ended.rows[0]))
    sets = agreeing_sets(ended)
    if sets:
        return [named(case, ended, agreeing, survived) for agreeing in sets]
    late = late_of(case.attempts, ended, survived)
    return [interval(case.attempts, ended.select(late), survived)] if len(late) else []


@once
def by_service(case: Case) -> list[Ended]:
    """Return the connections that ended idle, per service with `LEAST` or more."""
    ended = ended_idle(case)
    groups = group(case.attempts.server_key[ended.rows], np.arange(len(ended.rows)), at_least=LEAST)
    return [ended.select(groups.of(g)) for g in range(len(groups))]


@once
def explained_rows(case: Case) -> ConnectionRows:
    """Return the connections that a device's table dropped: their RSTs are not forged, and no host lost them."""
    mine = [ended_idle(case).rows[:0]]
    for ended in by_service(case):
        sets = agreeing_sets(ended)
        if sets:
            chosen = np.concatenate(sets)
        else:
            chosen = late_of(case.attempts, ended, longest_survived(case.attempts, int(ended.rows[0])))
        mine.append(ended.rows[chosen])
    return chained(*mine)


def agreeing_sets(ended: Ended) -> list[NDArray[np.intp]]:
    """Return the unprompted RSTs of a service as sets whose idle periods agree (indices), the largest set first.

    A service behind two tables, such as a balancer in front of a NAT gateway, has two timeouts.
    """
    alone = np.flatnonzero(ended.unprompted)
    least = max(LEAST, SHARE * len(alone))
    found = []
    while len(alone) >= least:
        agreeing = together(ended.idle[alone])
        if len(agreeing) < least:
            break
        found.append(alone[agreeing])
        idle, same = ended.idle[alone], ended.idle[found[-1]]
        alone = alone[(idle < same.min() * (1 - APART)) | (idle > same.max() * (1 + APART))]
    return found


def late_of(trace: Attempts, ended: Ended, survived: int) -> NDArray[np.intp]:
    """Return the connections of a service that were found lost after an idle period, as indices; empty if too few."""
    drawn = ended.drawn & ~may_be_restart(trace, ended)
    late = np.flatnonzero(drawn | (~ended.unprompted & ~ended.drawn & is_served(trace, ended)))
    if len(late) < LEAST or survived >= ended.idle[late].min():
        return late[:0]
    return late


def may_be_restart(trace: Attempts, ended: Ended) -> Bools:
    """Return a mask over `ended`: RSTs of a host that may have lost all connections in one restart (`stale-peer`).

    There was no restart if their idle periods have no moment in common, or if another connection of the service lived
    through it.
    """
    c = trace.connections
    bare: Bools = ended.drawn & (c["rst_flags"][ended.rows] & ACK == 0)
    if not bare.any():
        return bare
    low, high = (ended.ended_ns - ended.idle)[bare].max(), ended.ended_ns[bare].min()
    others = others_on_service(trace, ended)
    through = (c["first_ns"][others] <= low) & (c["last_ns"][others] >= high)
    return bare & (low < high) & ~through.any()


def others_on_service(trace: Attempts, ended: Ended) -> ConnectionRows:
    """Return the other connections to the same service."""
    rows = trace.on_service(int(trace.service[ended.rows[0]]))
    others = np.ones(len(rows), dtype=bool)
    others[np.searchsorted(rows, ended.rows)] = False
    return rows[others]


def together(idle: Times) -> NDArray[np.intp]:
    """Return the largest set of idle periods that agree, as indices."""
    order = np.argsort(idle, kind="stable")
    ordered = idle[order].astype(np.float64)
    ends = np.searchsorted(ordered, ordered * (1 + AGREE), side="right")
    sizes = ends - np.arange(len(ordered))
    if not len(sizes):
        return order
    start = int(sizes.argmax())
    return order[start : ends[start]]


def is_served(trace: Attempts, ended: Ended) -> bool:
    """Return whether the service answered others after these were lost; otherwise the service or the path is down."""
    silent = ~ended.unprompted & ~ended.drawn
    if not silent.any():
        return False
    c, since = trace.connections, int(ended.ended_ns[silent].min())
    others = others_on_service(trace, ended)
    answered = others[trace.facts[others] & (FACT_SYNACK | FACT_ACKED) == FACT_SYNACK | FACT_ACKED]
    return bool((c["synack_ns"][answered] >= since).any())


def longest_survived(trace: Attempts, row: int) -> int:
    """Return the longest idle period that a connection to the service of `row` survived."""
    return int(survived_by_service(trace)[trace.service[row]])


@once
def survived_by_service(trace: Attempts) -> Times:
    """Return the longest idle period that a connection survived, per service."""
    owner = silence.owners(trace)
    mine = np.flatnonzero(owner >= 0)
    a, rows = trace.aftermaths, owner[mine]
    peers = 2 * rows + (a["resumed_side"][mine] ^ 1)
    went_on = (a["resumed_ns"][mine] > 0) & (trace.endpoints["last_ack"][peers] != a["resumed_seq"][mine])
    last = np.where(went_on & (trace.facts[rows] & FACT_RST == 0), a["idle_ns"][mine], 0)
    longest = np.zeros(len(trace.services), dtype=np.int64)
    np.maximum.at(longest, trace.service[rows], np.maximum(a["survived_ns"][mine], last))
    return longest


def named(case: Case, ended: Ended, agreeing: NDArray[np.intp], survived: int) -> Finding:
    """Return the finding for a timeout that RSTs agree on."""
    trace, rows, idle = case.attempts, ended.rows[agreeing], ended.idle[agreeing]
    host, port = target(trace, int(rows[0]))
    middle = int(np.sort(idle)[(len(idle) - 1) // 2])
    seconds = nearest_second(middle)
    likely = whose(middle)
    by_server = trace.connections["rst_side"][rows] != trace.connections["client"][rows]
    metrics = {
        "connections": len(rows),
        "idle_timeout_ns": middle,
        "idle_min_ns": int(idle.min()),
        "idle_max_ns": int(idle.max()),
        "longest_survived_ns": survived or None,
        "likely": likely,
        "rst_from_server": int(by_server.sum()),
        "rst_from_client": int((~by_server).sum()),
        "rst_ttl_differs": int(resets.signs(trace).ttl[rows].sum()),
        "drawn_by_data": int(ended.drawn.sum()),
        "lost_in_silence": int((~ended.unprompted & ~ended.drawn).sum()),
    }
    table = f": {likely}" if likely else ""
    return make(
        trace,
        rows,
        (host, port),
        f"{plural(len(rows), 'idle connection')} to {addr(host, port)} were reset after {seconds} s without a packet"
        f"{table}",
        metrics,
        f"Let both ends keep alive more often than every {seconds} s (`sysctl net.ipv4.tcp_keepalive_time` with "
        f"SO_KEEPALIVE, or the pool's own), or close idle connections before {seconds} s.",
    )


def interval(trace: Attempts, ended: Ended, survived: int) -> Finding:
    """Return the finding for a timeout of which only bounds are known."""
    host, port = target(trace, int(ended.rows[0]))
    shortest = int(ended.idle.min())
    metrics = {
        "connections": len(ended.rows),
        "longest_survived_ns": survived or None,
        "shortest_lost_ns": shortest,
        "likely": None,
        "drawn_by_data": int(ended.drawn.sum()),
        "lost_in_silence": int((~ended.drawn).sum()),
    }
    latest = duration(shortest)
    low = f"between {duration(survived)} and {latest}" if survived else f"after at most {latest}"
    return make(
        trace,
        ended.rows,
        (host, port),
        f"{plural(len(ended.rows), 'connection')} to {addr(host, port)} were lost while idle: "
        f"a device on the path drops their state {low}",
        metrics,
        f"Let both ends keep alive more often than every {duration(survived or shortest)} (`sysctl "
        "net.ipv4.tcp_keepalive_time` with SO_KEEPALIVE, or the pool's own), and look for the NAT, balancer or "
        "firewall on the path with such a timeout.",
    )


def make(
    trace: Attempts,
    rows: ConnectionRows,
    where: tuple[tuple[int, int], int],
    title: str,
    metrics: dict[str, Any],
    advice: str,
) -> Finding:
    """Build a finding about these connections."""
    cited = earliest(trace, rows)
    frames = trace.connections["rst_frame"][cited]
    frames = np.where(frames > 0, frames, trace.connections["first_frame"][cited])
    return Finding(
        KIND,
        "warning",
        title,
        *where,
        *span(trace, rows),
        metrics,
        advice,
        tuple(silence.whole_frames(trace, cited, frames)),
        tuple(cited.tolist()),
    )


def nearest_second(duration_ns: int) -> int:
    """Round to whole seconds, at least 1."""
    return max((duration_ns + SECOND // 2) // SECOND, 1)


def whose(duration_ns: int) -> str | None:
    """Return the products with this default timeout, or None."""
    for seconds, name in TABLES.items():
        if abs(duration_ns - seconds * SECOND) <= AGREE * seconds * SECOND:
            return name
    return None
