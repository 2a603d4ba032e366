"""`time-wait-pressure`: a host holds so many sockets in TIME-WAIT that it may run out of ports, or of memory for them.

The end that closes first holds TIME-WAIT for 2 MSL (an option). A client's count is compared with its ephemeral ports,
per service, because a port is only taken towards one address and port: `EPHEMERAL_PORTS` on Linux
(`net.ipv4.ip_local_port_range` 32768 to 60999). If the server closes first, its sockets take memory and buckets and
still block the client's ports, so they are compared with the same range, per client.

Severity: `info` from `NOTABLE` of the range, `warning` from `HIGH`, `critical` from `FULL`: connect() is about to fail
with EADDRNOTAVAIL, which never shows on the wire.
"""

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts import grouping
from handshake_inspect.verdicts.advice_steps import PORTS, TW_REUSE, Step, sentence
from handshake_inspect.verdicts.arrays import Rows, Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import addr, earliest, endpoint, largest, ratio
from handshake_inspect.verdicts.host import PORT_SETTINGS, HostEvidence
from handshake_inspect.verdicts.numbering import ConnectionRows, ascending
from handshake_inspect.verdicts.pairs import by_pair
from handshake_inspect.verdicts.sets import pair_key
from handshake_inspect.wire.text import share

EPHEMERAL_PORTS = 28_232
NOTABLE = 0.1
HIGH = 0.5
FULL = 0.9


STEPS = (Step("keep connections open and use them again (keep-alive, a pool)"), TW_REUSE, PORTS)


def detect(case: Case) -> list[Finding]:
    """Return one finding per host with too many, for its worst pair."""
    trace = case.attempts
    least = int(NOTABLE * EPHEMERAL_PORTS)
    pairs = by_pair(trace)
    crowded = pairs.select(np.flatnonzero(pairs.sizes >= least)).rows
    rows = ascending(crowded[trace.connections["time_wait_ns"][crowded] > 0])
    if len(rows) < least:
        return []
    side = holders(trace, rows)
    rows, side = rows[side >= 0], side[side >= 0]
    at_client = side == trace.connections["client"][rows]
    # A client's sockets are grouped by service, a server's by the client whose ports they block.
    pair = np.where(at_client, trace.server_key[rows], trace.server_key[rows] ^ np.uint64(1))
    pair = pair_key(pair, trace.client_host[rows])
    begun = trace.connections["time_wait_ns"][rows]
    groups = grouping.group(pair, np.arange(len(rows)), at_least=least)
    if not len(groups):
        return []
    groups = grouping.group(pair[groups.rows], groups.rows, by=begun[groups.rows])
    peaks, at = peak(begun[groups.rows], groups, trace.limits.time_wait_ns)
    worst: dict[tuple[tuple[int, int], int | None], int] = {}
    for g in np.flatnonzero(peaks >= least).tolist():
        one = int(groups.of(g)[0])
        host, port = endpoint(trace, int(rows[one]), int(side[one]))
        key = host, (None if at_client[one] else port)
        if key not in worst or peaks[worst[key]] < peaks[g]:
            worst[key] = g
    hosts = {g: key for key, g in worst.items()}
    picked = np.array(list(hosts), dtype=np.intp)
    return largest(
        KIND,
        "hosts with many sockets in TIME-WAIT",
        picked,
        peaks[picked],
        lambda g: host_finding(
            trace, hosts[g], rows[groups.of(g)], bool(at_client[groups.of(g)[0]]), int(peaks[g]), int(at[g])
        ),
    )


KIND = Kind(
    "time-wait-pressure",
    "TIME_WAIT pressure",
    "The host that closes first holds so many connections in TIME_WAIT that ephemeral ports may run out.",
    detect,
    {
        "time_wait_peak": Metric(int, "Peak number of sockets in TIME_WAIT at the same time, for the worst pair."),
        "time_wait_peak_at_ns": Metric(int, "When that was, since the epoch.", "ns"),
        "ephemeral_ports": Metric(int, "Ephemeral ports that a client is assumed to have."),
        "ephemeral_ratio": Metric(float | None, "`time_wait_peak` of `ephemeral_ports`.", "ratio"),
        "closed_first_by": Metric(str, "Who closed first: `client` or `server`."),
        "connections": Metric(int, "Connections of the pair that entered TIME_WAIT."),
        "two_msl_ns": Metric(int, "2 MSL as assumed (`--time-wait`).", "ns"),
    },
    size="time_wait_peak",
    steps=STEPS,
    at_target=(HostEvidence(("tcp_time_wait_overflow",), ("tcp_max_tw_buckets",)),),
    at_client=(HostEvidence(("tcp_time_wait_overflow",), PORT_SETTINGS),),
)


def holders(trace: Attempts, rows: ConnectionRows) -> NDArray[np.int8]:
    """Return the side in TIME-WAIT, else the side that closed first; -1 for none."""
    states = trace.endpoints["state"].reshape(-1, 2)[rows] == int(TcpState.TIME_WAIT)
    c = trace.connections
    first = np.where(c["fin_frame"][rows] > 0, c["fin_side"][rows].astype(np.int8), -1)
    return np.select([states[:, 0] & ~states[:, 1], states[:, 1] & ~states[:, 0]], [0, 1], first).astype(np.int8)


def peak(begun: Times, groups: grouping.Groups[Rows], lasts_ns: int) -> tuple[NDArray[np.intp], Times]:
    """Return the peak number of concurrent sockets per group, and its time; `begun` ascends within each group.

    All sockets last equally long, so the count at the start of one is the number that began within that time before it.
    """
    number = groups.number
    spread = int(begun.max() - begun.min()) + lasts_ns + 1
    line = (begun - begun.min() + lasts_ns) // 1000 + number * (spread // 1000 + 1)
    oldest = np.searchsorted(line, line - lasts_ns // 1000, side="right")
    alive = np.arange(len(line)) - np.maximum(oldest, groups.starts[number]) + 1
    most = np.maximum.reduceat(alive, groups.starts)
    where = np.flatnonzero(alive == most[number])
    _, first = np.unique(number[where], return_index=True)
    return most.astype(np.intp), begun[where[first]]


def host_finding(
    trace: Attempts,
    key: tuple[tuple[int, int], int | None],
    rows: ConnectionRows,
    at_client: bool,
    most: int,
    when: int,
) -> Finding:
    """Return the finding for one host and its worst pair."""
    host, port = key
    other, other_port = endpoint(trace, int(rows[0]), int(trace.connections["client"][rows[0]]) ^ int(at_client))
    part = most / EPHEMERAL_PORTS
    towards = addr(other, other_port if at_client else None)
    begun = trace.connections["time_wait_ns"][rows]
    return Finding(
        KIND,
        "critical" if part >= FULL else "warning" if part >= HIGH else "info",
        f"{addr(host, port)} held {most:,} sockets in TIME-WAIT towards {towards}: "
        f"{share(most, EPHEMERAL_PORTS)} of the ephemeral ports",
        host,
        port,
        int(begun.min()),
        int(begun.max()) + trace.limits.time_wait_ns,
        {
            "time_wait_peak": most,
            "time_wait_peak_at_ns": when,
            "ephemeral_ports": EPHEMERAL_PORTS,
            "ephemeral_ratio": ratio(most, EPHEMERAL_PORTS),
            "closed_first_by": "client" if at_client else "server",
            "connections": len(rows),
            "two_msl_ns": trace.limits.time_wait_ns,
        },
        sentence(STEPS),
        connections=tuple(earliest(trace, rows).tolist()),
    )
