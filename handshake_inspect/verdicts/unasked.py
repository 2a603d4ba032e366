"""Hosts that do nothing but answer: backscatter even where the capture holds one direction only.

In a one-sided capture a SYN-ACK without a SYN is the far half of an ordinary handshake.  But who serves shows data or a
FIN sooner or later.  A host that sends SYN-ACKs and RSTs to `MIN_ADDRESSES` addresses or more, never data or a FIN, and
to which the capture holds no segment at all, answers SYNs with forged sources: what a network telescope sees.
"""

import numpy as np

from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_MIDSTREAM,
    FACT_RST,
    FACT_SERVER_PROVED,
    FACT_SYN,
    FACT_SYNACK_FIRST,
    TRAIT_FIN,
)
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import batches
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import distinct, host_key, places, run_starts

MIN_ADDRESSES = 20


def is_unasked(trace: Attempts) -> Bools:
    """Connections that a SYN-ACK or a RST begins, of which nothing shows that the other end asked for it."""
    facts = trace.facts
    unasked: Bools = facts & (FACT_SYN | FACT_MIDSTREAM | FACT_ACKED | FACT_SERVER_PROVED) == 0
    unasked &= facts & (FACT_SYNACK_FIRST | FACT_RST) != 0
    return unasked


def senders(trace: Attempts, rows: ConnectionRows) -> Keys:
    """Who sent the first frame of each of these connections."""
    c = trace.connections
    return host_key(c["hi0"][rows], c["lo0"][rows])


def only_answering(trace: Attempts) -> Keys:
    """The hosts that do nothing but answer, sorted."""
    rows = trace.tracked_where(is_unasked(trace) & ~trace.seen_ends[:, 1])
    none = np.zeros(0, dtype=np.uint64)
    if len(rows) < MIN_ADDRESSES:
        return none
    hosts = widely(trace, rows)
    return hosts[~shows_more(trace, hosts)] if len(hosts) else none


def widely(trace: Attempts, rows: ConnectionRows) -> Keys:
    """The senders of these connections that reach enough addresses, sorted."""
    c = trace.connections
    sender, address = senders(trace, rows), host_key(c["hi1"][rows], c["lo1"][rows])
    order = np.lexsort((address, sender))
    sender, address = sender[order], address[order]
    fresh = run_starts(sender) | run_starts(address)
    hosts = distinct(sender)
    reached = np.bincount(places(sender[fresh], hosts)[0], minlength=len(hosts))
    return hosts[reached >= MIN_ADDRESSES]


def shows_more(trace: Attempts, hosts: Keys) -> Bools:
    """Which of these hosts (sorted keys) send data or FIN on any connection, or are sent anything."""
    more = np.zeros(len(hosts), dtype=bool)
    e = trace.endpoints
    lively = ((e["bytes"] > 0) | (e["traits"] & TRAIT_FIN != 0)).reshape(-1, 2)
    for keys, side in (
        (trace.client_host, trace.connections["client"]),
        (trace.server_host, trace.connections["client"] ^ 1),
    ):
        at, known = places(trace.of_connections(keys), hosts)
        rows = trace.tracked_where(known)
        rows = rows[lively[rows, side[rows]] | trace.seen_ends[rows, side[rows] ^ 1]]
        more[at[rows]] = True
    asked = trace.of_lone(trace.server_host)
    for some in batches(len(asked)):
        at, known = places(asked[some], hosts)
        more[at[known]] = True
    return more
