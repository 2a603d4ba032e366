"""Connections by client and service, and clients by number: sorted once for all rules."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.arrays import Keys
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.grouping import Groups, group, numbers_of
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows, chained
from handshake_inspect.verdicts.sets import FEW, are_few, distinct, places

HOSTS = 1 << 16  # hosts that 16-bit numbers can tell apart
PLACE = 31  # bits of a connection's index, next to the 32 bits of a pair


@dataclass(frozen=True, eq=False, repr=False)
class Clients:
    """The distinct client keys of connections (sorted), and the index of each connection's client."""

    names: Keys
    numbers: NDArray[np.uint16]


@once
def clients_of(trace: Attempts) -> Clients | None:
    """Return the clients of all connections, or None if there are many, as in a scan or flood."""
    keys = trace.of_connections(trace.client_host)
    if not len(keys) or not are_few(keys) or len(different := distinct(keys)) > FEW:
        return None
    return Clients(different, numbers_of(keys, different))


@once
def by_pair(trace: Attempts) -> Groups[ConnectionRows]:
    """Group all connections by client and service, each group sorted by first frame."""
    rows = in_order(trace)
    service, clients = trace.of_connections(trace.service), clients_of(trace)
    if clients is None or service.dtype != np.uint16:
        return group(trace.pair[rows], rows, np.arange(len(rows)))
    # Sorting plain integers takes half the time of computing an order, so the index is packed behind each pair.
    both = clients.numbers[rows].astype(np.int64) << 16
    both |= service[rows]
    both <<= PLACE
    both |= np.arange(len(rows))
    both.sort()
    rows = ConnectionRows(rows[both & ((1 << PLACE) - 1)])
    both >>= PLACE
    starts = np.flatnonzero(np.diff(both, prepend=-1))
    return Groups(rows, starts, np.append(starts[1:], len(rows)))


def in_order(trace: Attempts) -> ConnectionRows:
    """Return all connections sorted by first frame."""
    if len(trace) > 2 * len(trace.connections):
        return ConnectionRows(np.argsort(trace.connections["first_frame"], kind="stable"))
    return ConnectionRows(trace.order[trace.is_tracked(trace.order)])


def hosts_of(trace: Attempts, served: ConnectionRows, opened: ConnectionRows) -> NDArray[Any]:
    """Return the server of each `served` connection, then the client of each `opened` one: as numbers, or keys if many.

    Numbers sort like the keys.
    """
    clients = clients_of(trace)
    known = trace.service_hosts if clients is None else np.concatenate([trace.service_hosts, clients.names])
    if clients is None or len(known) > HOSTS:
        return np.concatenate([trace.server_host[served], trace.client_host[opened]])
    at = places(known, distinct(known))[0].astype(np.uint16)
    of_services, of_clients = at[: len(trace.services)], at[len(trace.services) :]
    return chained(of_services[trace.service[served]], of_clients[clients.numbers[opened]])
