"""Sources that probed enough services to be scanners.

Used by `port_scan.py`, whose docstring has the rules; `no_scan.py` removes what only looks like a scan.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_SYN
from handshake_inspect.verdicts.arrays import Bools, Indices, Keys
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.findings.probes import SYN_SCAN, Probes, all_probes
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.verdicts.sets import counts, frequent, is_member, pair_key, run_starts

MIN_PORTS = 15
MIN_HOSTS = 25
FEW_PORTS = 10  # enough if attempts are hardly repeated
FEW_ODD = 5  # enough for probes other than SYNs
MAX_TRIES = 4
MOST_JUDGED = 2000
FEW = 100  # so few sources are judged without counting their services first


@dataclass(frozen=True, eq=False, repr=False)
class Scan:
    """The probes of one kind from one source."""

    probes: Probes
    order: Indices  # sorts probes by service, then by time
    starts: Indices  # index into `order` of each service's first probe
    ports: int  # the largest number on one host
    hosts: int  # the largest number on one port
    kind: int

    @property
    def rows(self) -> AttemptRows:
        """Return the probes as attempts."""
        return self.probes.rows

    @property
    def tries(self) -> NDArray[np.intp]:
        """Return how often each service was probed."""
        return np.diff(np.append(self.starts, len(self.order)))

    @property
    def is_small(self) -> bool:
        """Return whether there are too few ports and hosts to exclude other explanations."""
        return self.ports < MIN_PORTS and self.hosts < MIN_HOSTS

    @property
    def is_large_enough(self) -> bool:
        """Return whether there are enough ports or hosts for a scan of this kind."""
        return self.ports >= (FEW_PORTS if self.kind == SYN_SCAN else FEW_ODD) or self.hosts >= MIN_HOSTS


def candidates(case: Case) -> list[Scan]:
    """Return the probes of each source that probed enough services without repeating them too often."""
    probes = all_probes(case)
    suspects = busy_sources(probes)
    if not len(suspects):
        return []
    every = (arranged(case, part) for part in by_source(probes, suspects))
    return [scan for scan in every if scan.is_large_enough and len(scan.rows) <= MAX_TRIES * len(scan.starts)]


def busy_sources(probes: Probes) -> Keys:
    """Return the sources that probed enough services, as keys of source and kind."""
    odd = probes.kind != SYN_SCAN
    return np.sort(np.concatenate([busiest(probes, ~odd, FEW_PORTS), busiest(probes, odd, FEW_ODD)]))


def busiest(probes: Probes, mine: Bools, least: int) -> Keys:
    """Return the sources that probed at least `least` services; at most `MOST_JUDGED`, those with the most services."""
    keys = probes.source_and_kind[mine]
    busy = frequent(keys, least)
    if len(busy) <= FEW:
        return busy
    chosen = np.flatnonzero(is_member(keys, busy))
    pairs = pair_key(keys[chosen], probes.service[mine][chosen])
    order = np.argsort(pairs)
    sources, services = counts(keys[chosen[order[run_starts(pairs[order])]]])
    enough = np.flatnonzero(services >= least)
    return sources[enough[np.argsort(-services[enough], kind="stable")[:MOST_JUDGED]]]


def by_source(probes: Probes, suspects: Keys) -> Iterator[Probes]:
    """Yield the probes of each suspect, per kind."""
    keys = probes.source_and_kind
    if len(suspects) == 1 and (keys == suspects[0]).all():
        yield probes  # one scanner and nothing else
        return
    chosen = np.flatnonzero(is_member(keys, suspects))
    parted = group(keys[chosen], chosen, at_least=FEW_ODD)
    for g in range(len(parted)):
        yield probes.some(parted.of(g))


def arranged(case: Case, probes: Probes) -> Scan:
    """Return the probes of one source sorted by service, with the counts of ports and hosts."""
    trace = case.attempts
    order = np.lexsort((trace.ids[probes.rows], trace.connection("first_ns", probes.rows), probes.service))
    starts = np.flatnonzero(run_starts(probes.service[order]))
    _, ports = counts(probes.host[order[starts]])
    _, hosts = counts(target_ports(case, probes.rows[order[starts]]))
    return Scan(probes, order, starts, int(ports.max()), int(hosts.max()), int(probes.kind[0]))


def target_ports(case: Case, rows: AttemptRows) -> NDArray[np.uint16]:
    """Return the destination port of each of these probes."""
    return end_ports(case, rows, 0)


def source_ports(case: Case, rows: AttemptRows) -> NDArray[np.uint16]:
    """Return the source port of each of these probes."""
    return end_ports(case, rows, 1)


def end_ports(case: Case, rows: AttemptRows, flip: int) -> NDArray[np.uint16]:
    """Return the ports of the probed ends, or with `flip` of the probing ends."""
    trace = case.attempts
    ports: NDArray[np.uint16] = trace.address("client" if flip else "server", "port", rows)
    odd = np.flatnonzero(trace.connection("facts", rows) & FACT_SYN == 0)
    ports[odd] = trace.connections["port0" if flip else "port1"][rows[odd]]
    return ports
