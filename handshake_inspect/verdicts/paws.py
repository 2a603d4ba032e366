"""SYNs with a timestamp older than the newest from their address, which some hosts and devices drop (PAWS).

RFC 7323 section 5.3 rejects a segment whose TSval is below the newest from that peer. Hosts that store the newest value
per address (Linux before 4.12 with tcp_tw_recycle, some balancers and firewalls) apply it to SYNs of all clients that
share the address: several behind one NAT, or one whose clock a restart reset.
"""

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.numbering import AttemptRows, chained
from handshake_inspect.verdicts.sets import distinct, places, run_starts
from handshake_inspect.wire.const import OPT_TIMESTAMPS

Numbers = NDArray[np.int64]

HALF = 1 << 31
REORDERED_TICKS = 100  # ticks, mostly of 1 ms: SYNs reordered by so little are not dropped


def older(trace: Attempts, rows: AttemptRows) -> int:
    """Count the attempts on one server with a SYN whose TSval is older than one that their address sent before."""
    near = trace.in_order(between(trace, distinct(trace.client_host[rows]), trace.server_host[rows[0]]))
    syns = near[trace.end("client", "options", near) & OPT_TIMESTAMPS != 0]
    tracked = trace.tracked(near)
    newest = trace.endpoints["tsval"][trace.client_rows[tracked]]
    tracked, newest = tracked[newest != 0], newest[newest != 0]
    who = trace.client_host[chained(syns, tracked)]
    times = np.concatenate([trace.connection("first_ns", syns), trace.connections["last_ns"][tracked]])
    values = np.concatenate([trace.end("client", "syn_tsval", syns), newest]).astype(np.int64)
    order = np.lexsort((times, who))
    behind = is_behind(who[order], values[order])
    stale = np.zeros(len(trace), dtype=bool)
    stale[syns[order[behind & (order < len(syns))]]] = True
    return int(np.count_nonzero(stale[rows]))


def between(trace: Attempts, clients: Keys, server: np.uint64) -> AttemptRows:
    """Return the attempts of these clients (sorted keys) on this server."""
    on_server = trace.service_hosts == server
    tracked = trace.on_services(np.flatnonzero(on_server)).rows
    found = [tracked[places(trace.client_host[tracked], clients)[1]]]
    for some, _ in trace.lone_batches():
        near = some.start + np.flatnonzero(on_server[trace.service[some]])
        found.append(near[places(trace.client_host[near], clients)[1]])
    return AttemptRows(np.concatenate(found))


def is_behind(who: NDArray[np.uint64], values: Numbers) -> Bools:
    """Return a mask over `values`, sorted by address and time: well below an earlier one of the same address.

    TSvals wrap modulo 2^32.
    """
    starts = run_starts(who)
    group = np.cumsum(starts) - 1
    first = values[starts][group]
    unwrapped = (values - first + HALF) % (2 * HALF) - HALF
    shifted = unwrapped + group * (4 * HALF)  # keeps the running maximum within one address
    behind: Bools = shifted < np.maximum.accumulate(shifted) - REORDERED_TICKS
    return behind
