"""Hosts that send nothing but answers: backscatter, even if the capture holds only one direction.

In a one-sided capture a SYN-ACK without a SYN is half of an ordinary handshake. But a real server sends data or a FIN
sooner or later. A host that sends SYN-ACKs and RSTs to `MIN_ADDRESSES` addresses or more, never data or a FIN, and to
which the capture holds no segment, answers SYNs from forged sources, as seen by a network telescope.
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


def is_unsolicited(trace: Attempts) -> Bools:
    """Return a mask over connections that begin with a SYN-ACK or RST, and were not solicited as far as seen."""
    facts = trace.facts
    unasked: Bools = facts & (FACT_SYN | FACT_MIDSTREAM | FACT_ACKED | FACT_SERVER_PROVED) == 0
    unasked &= facts & (FACT_SYNACK_FIRST | FACT_RST) != 0
    return unasked


def senders(trace: Attempts, rows: ConnectionRows) -> Keys:
    """Return the key of the sender of each connection's first frame."""
    c = trace.connections
    return host_key(c["hi0"][rows], c["lo0"][rows])


def only_answering(trace: Attempts) -> Keys:
    """Return the hosts that send nothing but answers (sorted keys)."""
    rows = trace.tracked_where(is_unsolicited(trace) & ~trace.seen_ends[:, 1])
    none = np.zeros(0, dtype=np.uint64)
    if len(rows) < MIN_ADDRESSES:
        return none
    hosts = widely(trace, rows)
    return hosts[~shows_more(trace, hosts)] if len(hosts) else none


def widely(trace: Attempts, rows: ConnectionRows) -> Keys:
    """Return the senders of these connections that reach `MIN_ADDRESSES` addresses (sorted keys)."""
    c = trace.connections
    sender, address = senders(trace, rows), host_key(c["hi1"][rows], c["lo1"][rows])
    order = np.lexsort((address, sender))
    sender, address = sender[order], address[order]
    fresh = run_starts(sender) | run_starts(address)
    hosts = distinct(sender)
    reached = np.bincount(places(sender[fresh], hosts)[0], minlength=len(hosts))
    return hosts[reached >= MIN_ADDRESSES]


def shows_more(trace: Attempts, hosts: Keys) -> Bools:
    """Return a mask over hosts (sorted keys): it sends data or FIN on any connection, or receives anything."""
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
