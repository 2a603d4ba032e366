"""Final ACKs that a listener with SYN cookies dropped: it has no SYN-ACK to retransmit, and stays silent.

A server without state for a SYN drops the final ACK silently while the accept queue is full. The client believes it is
connected, and retransmits its first data (or its FIN) without an answer. A broken path looks the same, so all of this
must hold:

- the timestamps of the service prove cookies (`cookies.py`), and its SYN-ACK had a window, so it is no SYN proxy;
- the client retransmitted `REPEATS` times or more, over `REPEATED_NS` or longer after the final ACK, and the server
  never acknowledged anything. A slow application is no explanation, because the kernel acknowledges by itself;
- only this listener is silent: no other listener of the host is, and at that time or later the host took segments as
  long from the same client on another connection, or from anybody if `CLIENTS` or more clients wait. Otherwise the path
  may pass only shorter segments.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_MIDSTREAM,
    FACT_RST,
    FACT_SERVER_DATA,
    FACT_SERVER_PROVED,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
    FACT_SYNACK_AFTER_ACK,
    FACT_TFO,
    SHORT,
    TRAIT_FIN,
)
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.cookies import proofs
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.sets import counts, distinct, is_member, pair_key

REPEATS = 4
REPEATED_NS = 3_000_000_000
CLIENTS = 2


_WHOLE = FACT_SYN | FACT_SYNACK | FACT_ACKED
_OTHER = FACT_SERVER_PROVED | FACT_SERVER_DATA | FACT_SYNACK_AFTER_ACK | FACT_TFO | FACT_MIDSTREAM | FACT_SIMULTANEOUS


@once
def dropped_acks(trace: Attempts) -> ConnectionRows:
    """Return connections whose final ACK was dropped by a listener with SYN cookies and a full accept queue."""
    rows = silent(trace)
    if not len(rows):
        return rows
    service, host = trace.of_connections(trace.server_key), trace.of_connections(trace.server_host)
    services = distinct(service[rows])
    _, first = np.unique(service[rows], return_index=True)
    hosts, listeners = counts(host[rows[first]])
    proven = np.array(sorted(set(services.tolist()) & proofs(trace).keys()), dtype=np.uint64)
    rows = rows[is_member(service[rows], proven) & is_member(host[rows], hosts[listeners == 1])]
    return rows[is_alone(trace, rows)] if len(rows) else rows


def silent(trace: Attempts) -> ConnectionRows:
    """Return connections whose client retransmits after the final ACK, and whose server sent nothing more."""
    c, ends, facts = trace.connections, trace.endpoints, trace.facts
    rows = trace.tracked_where(facts & (_WHOLE | _OTHER) == _WHOLE)
    own_syns = np.maximum(c["syn_count"][rows].astype(np.int64) - 1, 0)
    repeated = ends["retransmissions"][trace.client_rows[rows]] - own_syns >= REPEATS
    repeated &= c["last_ns"][rows] - c["ack_ns"][rows] >= REPEATED_NS
    rows = rows[repeated]
    client, server = trace.client_rows[rows], trace.server_rows[rows]
    reset = (facts[rows] & FACT_RST != 0) & (c["rst_side"][rows] != c["client"][rows])
    quiet = ends["last_ack"][server] == ends["iss"][client] + np.uint32(1)
    quiet &= (ends["traits"][server] & TRAIT_FIN == 0) & (ends["syn_window"][server] != 0)
    return rows[quiet & ~reset]


def is_alone(trace: Attempts, rows: ConnectionRows) -> Bools:
    """Return a mask over `rows`: the host still takes segments on that path (from anybody if several clients wait)."""
    host = trace.of_connections(trace.server_host)
    path = pair_key(trace.of_connections(trace.client_host), host)
    living = taking(trace, host, rows)
    size = trace.endpoints["largest"][trace.client_rows[rows]].astype(np.int64)
    since = trace.connections["ack_ns"][rows]
    alone = serves(trace, living, path, rows, since, size)
    _, first = np.unique(path[rows], return_index=True)
    crowded, clients = counts(host[rows[first]])
    several = is_member(host[rows], crowded[clients >= CLIENTS])
    return alone | (several & serves(trace, living, host, rows, since, size))


def taking(trace: Attempts, host: Keys, rows: ConnectionRows) -> ConnectionRows:
    """Return connections to the same hosts whose server acknowledged everything that its client sent."""
    ends = trace.endpoints
    living = trace.tracked_where(trace.facts & (FACT_SERVER_PROVED | FACT_SERVER_DATA) != 0)
    living = living[is_member(host[living], distinct(host[rows]))]
    client, server = trace.client_rows[living], trace.server_rows[living]
    return living[ends["last_ack"][server] == ends["snd_nxt"][client]]


def serves(trace: Attempts, living: ConnectionRows, keys: Keys, rows: ConnectionRows, since: Any, size: Any) -> Bools:
    """Return a mask over `rows`: a connection with the same key outlived `since`, and one had segments of that size."""
    latest = most(keys[living], trace.connections["last_ns"][living], keys[rows])
    longest = most(keys[living], trace.endpoints["largest"][trace.client_rows[living]].astype(np.int64), keys[rows])
    lived: Bools = (latest >= since) & (size <= np.maximum(longest, SHORT))
    return lived


def most(keys: Keys, values: NDArray[np.int64], wanted: Keys) -> NDArray[np.int64]:
    """Return the largest value with each wanted key, -1 for none."""
    if not len(keys):
        return np.full(len(wanted), -1, dtype=np.int64)
    order = np.lexsort((values, keys))
    at = np.maximum(np.searchsorted(keys[order], wanted, side="right") - 1, 0)
    found: NDArray[np.int64] = np.where(keys[order[at]] == wanted, values[order[at]], -1)
    return found
