"""Carpet floods: attempts spread over so many hosts of a network that no single one reaches the numbers.

Used by `syn_flood.py`.  Networks are /24 of IPv4 and /64 of IPv6, the smallest that are routed and handed out as one.
The numbers are those of any flood (`flooding.py`), applied to the whole network, which counts when

- `CARPETED` hosts or more are hit, from at least `MIN_UNFINISHED` sources: one scanner has one address;
- each host of an IPv4 network is asked `EACH` times in the mean, and there are `AT_ONCE` unfinished attempts for each
  host at the busiest moment: scanners, together too, leave each host alone after a try, and what reaches an unused
  network day and night from all of them is a few attempts a minute for each address.  Nobody scans a /64, so its hosts
  may be asked once each.

Where `CARPETED` hosts of a network are flooded one by one, the network is flooded: one finding takes their place.
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
from handshake_inspect.verdicts.findings.keys import count_distinct, frequent, is_member
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.numbering import AttemptRows, ascending, chained
from handshake_inspect.wire.address import is_ipv4

CARPETED = 4
EACH = 2
AT_ONCE = 0.5
IPV4_BITS, IPV6_BITS = 24, 64


def carpets(case: Case, bogus: Bools, retried: Bools, found: list[Flood]) -> tuple[Flood, ...]:
    """The floods with those on networks, which take the place of those on their hosts; `bogus` is used up."""
    for flood in found:
        bogus[flood.rows] = False
    left = narrow(bogus)
    together = found_together(found)
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


def found_together(found: list[Flood]) -> list[Flood]:
    """Floods on hosts of a network of which CARPETED are flooded."""
    hosts: dict[Host, set[Host]] = {}
    for flood in found:
        hosts.setdefault(network_of(flood.target.host).host, set()).add(flood.target.host)
    return [flood for flood in found if len(hosts[network_of(flood.target.host).host]) >= CARPETED]


def judged(case: Case, rows: AttemptRows, bogus: Bools, retried: Bools) -> Flood | None:
    """The flood on a network that these attempts are, if they are one."""
    trace = case.attempts
    hosts = count_distinct(trace.server_host[rows])
    network = network_of(target(trace, int(rows[0]))[0])
    each = EACH if network.prefix == IPV4_BITS else 1
    if hosts < CARPETED or len(rows) < each * hosts:
        return None
    if count_distinct(trace.client_host[rows]) < MIN_UNFINISHED:
        return None
    flood = judge(case, rows, others_in(trace, network, bogus), retried, network)
    if flood and network.prefix == IPV4_BITS and flood.peak_unfinished < AT_ONCE * hosts:
        return None
    return flood


def network_of(host: Host) -> Target:
    """The network of a host."""
    hi, lo = host
    if is_ipv4(hi, lo):
        return Target((hi, lo & ~0xFF), prefix=IPV4_BITS)
    return Target((hi, 0), prefix=IPV6_BITS)


def networks_of(trace: Attempts, rows: AttemptRows) -> Keys:
    """A name for the network of each of these attempts' servers."""
    names = np.empty(len(rows), dtype=np.uint64)
    hi, lo = trace.server("hi"), trace.server("lo")
    for some in batches(len(rows)):
        high, low = hi[rows[some]], lo[rows[some]]
        names[some] = np.where(high == 0, low >> np.uint64(8), high)
    return names


def others_in(trace: Attempts, network: Target, bogus: Bools) -> AttemptRows:
    """The attempts on a network that are not bogus."""
    hi, lo = (np.uint64(half) for half in network.host)
    there: Bools = trace.server("hi") == hi
    if network.prefix == IPV4_BITS:
        there &= trace.server("lo") >> np.uint64(8) == lo >> np.uint64(8)
    return trace.where(there & ~bogus)
