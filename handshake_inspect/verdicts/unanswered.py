"""Why nothing answered a SYN: whether its source can exist, and what else of the server was seen.

- `bogon-source`: the source is impossible (`impossible.py`), so no answer can reach it.
- `syn-dropped`: the port shows life anywhere in the capture: one segment that it sends, on any connection, as server or
  as client. A filtered port sends none. Single SYNs to a live port are dropped by, most likely first, a full SYN or
  accept queue, a NAT without free ports or a full connection table, timestamps older than the newest from that address
  (PAWS), a rate limit. Also if the capturing host reports a full accept queue of that listener.
- `port-filtered`: only other ports of the host show life, or the host sends something other than TCP: a datagram, an
  answer to a ping, an ICMP error. ARP and neighbour discovery only show that the address is in use.
- `host-silent`: nothing shows life.
"""

from collections.abc import Sequence

import numpy as np

from handshake_inspect.tcp.facts import TRAIT_SEEN
from handshake_inspect.verdicts.arrays import Bools, Codes, Keys
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import batches, take_column
from handshake_inspect.verdicts.impossible import bogons
from handshake_inspect.verdicts.numbering import AttemptRows, chained
from handshake_inspect.verdicts.sets import distinct, host_key, places
from handshake_inspect.verdicts.sockets import End
from handshake_inspect.verdicts.words import CAUSE


def silence_causes(trace: Attempts, rows: AttemptRows, full: Sequence[End] = ()) -> Codes:
    """Return the cause of each of these unanswered attempts; `full` are listeners with a full accept queue."""
    is_asked = np.zeros(len(trace.services), dtype=bool)
    for some in batches(len(rows)):
        is_asked[take_column(trace.service, rows[some])] = True
    asked = np.flatnonzero(is_asked)
    of_asked = trace.service_hosts[asked]
    hosts = distinct(of_asked)
    seen, alive = lively(trace, hosts, trace.services[asked])
    alive |= are_at(full, trace.services[asked])
    named = np.where(seen[places(of_asked, hosts)[0]], CAUSE["port-filtered"], CAUSE["host-silent"])
    of_service = np.zeros(len(trace.services), dtype=np.uint8)
    of_service[asked] = np.where(alive, CAUSE["syn-dropped"], named)
    cause: Codes = of_service.take(take_column(trace.service, rows))
    cause[bogons(trace, rows)] = CAUSE["bogon-source"]
    return cause


def are_at(ends: Sequence[End], services: Keys) -> Bools:
    """Return a mask over services (sorted keys): at one of these endpoints."""
    found = np.zeros(len(services), dtype=bool)
    if ends:
        hi, lo, port = np.array(ends, dtype=np.uint64).T
        mark(found, services, host_key(hi, lo, port.astype(np.uint16)))
    return found


def lively(trace: Attempts, hosts: Keys, services: Keys) -> tuple[Bools, Bools]:
    """Return masks over these hosts and these services (sorted keys): it sent any segment."""
    answering = trace.endpoints["traits"][trace.server_rows] & TRAIT_SEEN != 0
    asking = clients_at(trace, hosts)
    seen, alive = np.zeros(len(hosts), dtype=bool), np.zeros(len(services), dtype=bool)
    mark(seen, hosts, trace.of_connections(trace.server_host)[answering])
    mark(seen, hosts, trace.client_host[asking])
    if trace.senders is not None:
        mark(seen, hosts, trace.senders)
    mark(alive, services, trace.of_connections(trace.server_key)[answering])
    mark(alive, services, trace.client_ends(asking))
    return seen, alive


def mark(found: Bools, members: Keys, keys: Keys) -> None:
    """Mark the members that occur in `keys`, in place."""
    for some in batches(len(keys)):
        at, known = places(keys[some], members)
        found[at[known]] = True


def clients_at(trace: Attempts, hosts: Keys) -> AttemptRows:
    """Return the attempts with a client at one of these addresses that sent a segment."""
    mine = [some.start + np.flatnonzero(places(trace.client_host[some], hosts)[1]) for some in batches(len(trace))]
    rows = AttemptRows(np.concatenate([np.zeros(0, dtype=np.intp), *mine]))
    tracked = trace.tracked(rows)
    seen = trace.endpoints["traits"][trace.client_rows[tracked]] & TRAIT_SEEN != 0
    return chained(tracked[seen], rows[len(tracked) :])
