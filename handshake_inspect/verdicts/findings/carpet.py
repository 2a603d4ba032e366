"""Carpet floods: attempts spread over many hosts of a network, so that no single host reaches the flood thresholds.

Used by `syn_flood.py`. Networks are IPv4 /24 and IPv6 /64, the smallest that are routed and assigned as one. The
thresholds of `flooding.py` apply to the network as a whole, and besides

- `MIN_CARPET_HOSTS` hosts or more are hit, from at least `MIN_UNFINISHED` sources (one scanner has one address);
- each host of an IPv4 network gets `ATTEMPTS_PER_HOST` attempts on average, and at the peak there are
  `UNFINISHED_PER_HOST` unfinished attempts per host. Scanners, even together, try each host once and move on; the
  background scanning of an unused network is a few attempts a minute per address. Nobody scans a /64, so one attempt
  per host is enough there.

If `MIN_CARPET_HOSTS` hosts of a network are flooded individually, one finding for the network replaces theirs.
"""

import numpy as np

from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.columns import batches
from handshake_inspect.verdicts.findings.base import Host, target
from handshake_inspect.verdicts.findings.flooding import (
    MIN_ATTEMPTS,
    MIN_UNFINISHED,
    Flood,
    Target,
    judge,
    narrow,
)
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.numbering import AttemptRows, ascending, chained
from handshake_inspect.verdicts.sets import count_distinct, frequent, is_member
from handshake_inspect.wire.address import is_ipv4

MIN_CARPET_HOSTS = 4
ATTEMPTS_PER_HOST = 2
UNFINISHED_PER_HOST = 0.5
IPV4_BITS, IPV6_BITS = 24, 64


def carpets(case: Case, bogus: Bools, retried: Bools, found: list[Flood]) -> tuple[Flood, ...]:
    """Return the floods, with floods on networks in place of those on their hosts. Overwrites `bogus`."""
    for flood in found:
        bogus[flood.rows] = False
    left = narrow(bogus)
    together = floods_of_carpets(found)
    rows = ascending(chained(left, *(flood.rows for flood in together))) if together else left
    if len(rows) < MIN_ATTEMPTS:
        return tuple(found)
    networks = networks_of(case.attempts, rows)
    chosen = is_member(networks, frequent(networks, MIN_ATTEMPTS))
    parted = group(networks[chosen], rows[chosen])
    taken = bogus
    for flood in found:
        taken[flood.rows] = True
    every = [judged(case, ascending(parted.of(g)), taken, retried) for g in range(len(parted))]
    wide = [flood for flood in every if flood]
    replaced = {flood.target.host for flood in wide}
    gone = {id(flood) for flood in together if network_of(flood.target.host).host in replaced}
    kept = [flood for flood in found if id(flood) not in gone]
    return (*kept, *sorted(wide, key=lambda flood: -len(flood.rows)))


def floods_of_carpets(found: list[Flood]) -> list[Flood]:
    """Return the floods on hosts of networks of which `MIN_CARPET_HOSTS` or more hosts are flooded."""
    hosts: dict[Host, set[Host]] = {}
    for flood in found:
        hosts.setdefault(network_of(flood.target.host).host, set()).add(flood.target.host)
    return [flood for flood in found if len(hosts[network_of(flood.target.host).host]) >= MIN_CARPET_HOSTS]


def judged(case: Case, rows: AttemptRows, bogus: Bools, retried: Bools) -> Flood | None:
    """Return the flood on a network that these attempts amount to, or None."""
    trace = case.attempts
    hosts = count_distinct(trace.server_host[rows])
    network = network_of(target(trace, int(rows[0]))[0])
    each = ATTEMPTS_PER_HOST if network.prefix == IPV4_BITS else 1
    if hosts < MIN_CARPET_HOSTS or len(rows) < each * hosts:
        return None
    if count_distinct(trace.client_host[rows]) < MIN_UNFINISHED:
        return None
    flood = judge(case, rows, others_in(trace, network, bogus), retried, network)
    if flood and network.prefix == IPV4_BITS and flood.peak_unfinished < UNFINISHED_PER_HOST * hosts:
        return None
    return flood


def network_of(host: Host) -> Target:
    """Return the network of a host as a target."""
    hi, lo = host
    if is_ipv4(hi, lo):
        return Target((hi, lo & ~0xFF), prefix=IPV4_BITS)
    return Target((hi, 0), prefix=IPV6_BITS)


def networks_of(trace: Attempts, rows: AttemptRows) -> Keys:
    """Return a 64-bit key of the server's network for each of these attempts."""
    names = np.empty(len(rows), dtype=np.uint64)
    hi, lo = trace.server("hi"), trace.server("lo")
    for some in batches(len(rows)):
        high, low = hi[rows[some]], lo[rows[some]]
        names[some] = np.where(high == 0, low >> np.uint64(8), high)
    return names


def others_in(trace: Attempts, network: Target, bogus: Bools) -> AttemptRows:
    """Return the attempts on a network that are not bogus."""
    hi, lo = (np.uint64(half) for half in network.host)
    there: Bools = trace.server("hi") == hi
    if network.prefix == IPV4_BITS:
        there &= trace.server("lo") >> np.uint64(8) == lo >> np.uint64(8)
    return trace.where(there & ~bogus)
