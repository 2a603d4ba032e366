"""Patterns that only look like a scan: outages, monitoring, health checks, peers that were used elsewhere.

Used by `port_scan.py`, whose docstring has the rules.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_CLIENT_DATA, FACT_RST, FACT_SERVER_DATA
from handshake_inspect.verdicts.arrays import Bools, Keys, Times
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.findings.expired_failures import expired_attempts
from handshake_inspect.verdicts.findings.expired_services import is_used
from handshake_inspect.verdicts.findings.probes import ACK_SCAN, MAIMON_SCAN, SYN_SCAN
from handshake_inspect.verdicts.findings.suspects import (
    FEW_PORTS,
    MIN_HOSTS,
    MIN_PORTS,
    Scan,
    arranged,
    source_ports,
    target_ports,
)
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows
from handshake_inspect.verdicts.sets import count_distinct, counts, distinct, is_member, is_port_of, run_starts
from handshake_inspect.verdicts.syn_offers import is_poor
from handshake_inspect.verdicts.visibility import blind, sees_both
from handshake_inspect.verdicts.words import ABORTED, CAUSE, ESTABLISHED, HALF_OPEN, PENDING, REJECTED, TIMED_OUT

MAX_USED = 0.2
MAX_USED_PEERS = 0.1  # most peers that a tracker lists are gone
FEW_TRIES = 2
MOSTLY = 0.8  # share of services that counts as most of them
AGAIN_NS = 5_000_000_000  # a silent target probed again after more than this is polled; scanners retry sooner
MAX_JITTER = 0.05
LEAST_EVERY_NS = 1_000_000_000  # nobody checks health more often
REPEATED = 0.1  # share of repeated probes that proves that nothing answers, if the capture holds no answers
RACE_NS = 2_000_000_000  # RFC 8305 section 5: the other family is tried after at most this long
UNPRIVILEGED = 1024
# Services that direct their clients to other ports: FTP (passive mode), portmapper, the endpoint mapper of MS-RPC.
GUIDES = np.array([21, 111, 135, 990], dtype=np.uint16)
# ICMP errors that a firewall sends per port; others mean that a host or network is unreachable.
FORBIDDEN = np.array(
    [
        CAUSE[word]
        for word in ("port-unreachable", "admin-prohibited", "host-prohibited", "net-prohibited", "policy-failed")
    ]
)
LEAST_RESET = {ACK_SCAN: 0.0, MAIMON_SCAN: 0.5}  # a scan draws a RST with more than this share of its probes
LEAST_RESET_OF_FEW = 0.5


@dataclass(frozen=True, eq=False, repr=False)
class SourceUse:
    """The services that one source really used, as parallel columns; services used twice appear twice."""

    service: Keys
    host: Keys
    port: NDArray[np.uint16]

    @classmethod
    def of(cls, case: Case, source: int, *, raw: bool = False) -> "SourceUse":
        """Return what this client used, in current and in expired rows.

        With `raw` (no kernel sent the source's probes), connections of its kernel do not count: a scanner uses the
        kernel to ask open ports for their version.
        """
        trace = case.attempts
        mine = of_host(used_by_client(case), source)
        if raw:
            mine = mine[is_poor(trace.end("client", "options", mine))]
        kept = cls(trace.server_key[mine], trace.server_host[mine], target_ports(case, mine))
        past = expired_attempts(case)
        if past is None:
            return kept
        gone = past.used.by(source)
        pairs = ((kept.service, gone["service"]), (kept.host, gone["host"]), (kept.port, gone["port"]))
        return cls(*(np.concatenate(both) for both in pairs))

    def on(self, hosts: Keys) -> Bools:
        """Return a mask over the services: on one of these hosts (sorted keys)."""
        return is_member(self.host, hosts)

    @property
    def guides(self) -> Keys:
        """Return the hosts that may have directed the client to other ports, sorted."""
        return distinct(self.host[is_port_of(self.port, GUIDES)])


@once
def used_rows(case: Case) -> ConnectionRows:
    """Return the connections that exchanged payload, other than a greeting that the client did not want."""
    rows = case.attempts.tracked_where(case.attempts.facts & (FACT_CLIENT_DATA | FACT_SERVER_DATA) != 0)
    return rows[is_used(case, rows)]


@once
def used_by_client(case: Case) -> tuple[Keys, ConnectionRows]:
    """Return the clients of `used_rows`, sorted, and the connections in that order."""
    return by_host(case.attempts.client_host, used_rows(case))


@once
def used_by_server(case: Case) -> tuple[Keys, ConnectionRows]:
    """Return the servers of `used_rows`, sorted, and the connections in that order."""
    return by_host(case.attempts.server_host, used_rows(case))


def by_host(hosts: Keys, rows: ConnectionRows) -> tuple[Keys, ConnectionRows]:
    """Return the hosts of these rows, sorted, and the rows in that order."""
    mine = hosts[rows]
    order = np.argsort(mine, kind="stable")
    return mine[order], rows[order]


def of_host(ordered: tuple[Keys, ConnectionRows], host: int) -> ConnectionRows:
    """Return the rows of one host."""
    hosts, rows = ordered
    start, end = np.searchsorted(hosts, np.uint64(host), side="left"), np.searchsorted(hosts, np.uint64(host), "right")
    return rows[start:end]


def confirmed(case: Case, scan: Scan) -> Scan | None:
    """Return the scan if it is one, without ports that do not count, else None."""
    if scan.kind != SYN_SCAN:
        return None if is_end_of_connections(case, scan) else scan
    by_kernel = not is_raw(case, scan.rows)
    use = SourceUse.of(case, int(scan.probes.source[0]), raw=not by_kernel)
    scan = without_guided(case, scan, use)
    if not scan.is_large_enough or is_in_use(case, scan, use, by_kernel=by_kernel):
        return None
    if scan.is_small and np.mean(scan.tries <= FEW_TRIES) < MOSTLY:
        return None
    if is_health_check(case, scan) or (by_kernel and (is_polled(case, scan) or is_outage(case, scan))):
        return None
    return scan


# -- probes other than SYNs


def is_end_of_connections(case: Case, scan: Scan) -> bool:
    """Return whether these ACKs or FIN ACKs belong to connections from before the capture: few of them draw a RST."""
    if scan.kind not in LEAST_RESET:
        return False
    few = scan.ports < MIN_PORTS and scan.hosts < MIN_HOSTS
    least = LEAST_RESET_OF_FEW if few else LEAST_RESET[scan.kind]
    drew = np.mean(case.attempts.facts[scan.rows] & FACT_RST != 0)
    return bool(drew <= least) and not is_from_one_port(case, scan)


def is_from_one_port(case: Case, scan: Scan) -> bool:
    """Return whether a client probes many services from one or two ports: a kernel uses another port for each."""
    clients = case.attempts.connections["client"][scan.rows] == 0
    ports, often = counts(source_ports(case, scan.rows))
    main = np.sort(often)[-2:].sum()
    return bool(np.mean(clients) >= MOSTLY and main >= MOSTLY * len(scan.rows) and len(ports) < len(scan.starts) / 2)


# -- SYNs


def is_raw(case: Case, rows: AttemptRows) -> bool:
    """Return whether most of these SYNs were not sent by a kernel."""
    return bool(np.count_nonzero(is_poor(case.attempts.end("client", "options", rows))) * 2 >= len(rows))


def without_guided(case: Case, scan: Scan, use: SourceUse) -> Scan:
    """Return the scan without ports that a service may have named: FTP (passive and active) and remote procedures."""
    guides = distinct(np.concatenate([use.guides, guided_callers(case, int(scan.probes.source[0]))]))
    if not len(guides):
        return scan
    guided = is_member(scan.probes.host, guides) & (target_ports(case, scan.rows) >= UNPRIVILEGED)
    if guided.all() or not guided.any():
        return Scan(scan.probes, scan.order, scan.starts, 0, 0, scan.kind) if guided.any() else scan
    return arranged(case, scan.probes.some(~guided))


def guided_callers(case: Case, source: int) -> Keys:
    """Return the hosts that used such a service of this source, as with active FTP: they chose their ports."""
    rows = of_host(used_by_server(case), source)
    return case.attempts.client_host[rows[is_port_of(target_ports(case, rows), GUIDES)]]


def is_in_use(case: Case, scan: Scan, use: SourceUse, *, by_kernel: bool) -> bool:
    """Return whether the source really uses the services that it probed, or similar ones."""
    hosts, ports = distinct(scan.probes.host), target_ports(case, scan.rows)
    on_hosts = use.on(hosts)
    if scan.is_small and by_kernel and (on_hosts & ~is_member(use.service, distinct(scan.probes.service))).any():
        return True
    mine = on_hosts | is_port_of(use.port, ports)
    most = MAX_USED
    if np.mean(ports >= UNPRIVILEGED) >= MOSTLY:  # peers choose their own ports
        mine |= use.port >= UNPRIVILEGED
        most = MAX_USED_PEERS if by_kernel else MAX_USED
    used = count_distinct(use.service[mine]) + count_distinct(callers(case, int(scan.probes.source[0]), hosts))
    return used > most * len(scan.starts)


def callers(case: Case, source: int, hosts: Keys) -> Keys:
    """Return those of these hosts that connected to the source and were served."""
    clients = case.attempts.client_host[of_host(used_by_server(case), source)]
    return clients[is_member(clients, hosts)]


def is_health_check(case: Case, scan: Scan) -> bool:
    """Return whether most attempts were established and closed in order, or reset by a kernel with no use for them."""
    outcome = case.outcomes.outcome[scan.rows]
    answered = (outcome == ABORTED) & (case.outcomes.cause[scan.rows] == CAUSE["reset-by-client"])
    answered |= outcome == HALF_OPEN
    unwanted = np.flatnonzero(answered)
    answered[unwanted] = ~is_poor(case.attempts.end("client", "options", scan.rows[unwanted]))
    return bool(np.count_nonzero((outcome == ESTABLISHED) | answered) * 2 > len(scan.rows))


def is_silent(case: Case, rows: AttemptRows) -> Bools:
    """Return a mask over `rows`: no answer, or an ICMP error that the host or network is unreachable."""
    outcome = case.outcomes.outcome[rows]
    silent: Bools = (outcome == TIMED_OUT) | (outcome == PENDING)
    return silent | ((outcome == REJECTED) & ~np.isin(case.outcomes.cause[rows], FORBIDDEN))


def is_polled(case: Case, scan: Scan) -> bool:
    """Return whether the same services are probed again and again, or twice at even intervals."""
    tries = scan.tries
    if np.mean(tries > FEW_TRIES) > 0.5:
        return True
    ordered = scan.rows[scan.order]
    silent = np.logical_and.reduceat(is_silent(case, ordered), scan.starts)
    same = ~run_starts(np.repeat(np.arange(len(tries)), tries))[1:]
    gaps = np.diff(case.attempts.connection("first_ns", ordered))[same]
    of_silent = np.repeat(silent, tries - 1)
    later = np.repeat(np.arange(len(tries)), tries - 1)[of_silent & (gaps > AGAIN_NS)]
    if count_distinct(later) > MAX_USED * len(tries):
        return True
    answered = ~silent
    return bool(np.count_nonzero(answered & (tries > 1)) * 2 > len(tries)) and is_even(gaps[~of_silent])


def is_even(gaps: Times) -> bool:
    """Return whether a timer made these intervals."""
    middle = np.median(gaps)
    return bool(middle >= LEAST_EVERY_NS and np.mean(np.abs(gaps - middle) <= MAX_JITTER * middle) >= 0.9)


def is_outage(case: Case, scan: Scan) -> bool:
    """Return whether a kernel tried to connect, nothing answered, and that was all."""
    if not is_silent(case, scan.rows).all():
        return False
    many = (scan.ports >= MIN_PORTS or scan.hosts >= MIN_HOSTS) and np.mean(scan.tries <= FEW_TRIES) >= MOSTLY
    return not many or not is_proved_silent(case, scan) or is_slower_family(case, scan)


def is_proved_silent(case: Case, scan: Scan) -> bool:
    """Return whether the capture would show answers.

    It does if it holds some, or frames that a flag filter drops, or if a kernel retransmitted as it does only without
    an answer.
    """
    trace = case.attempts
    if np.any(case.outcomes.outcome[scan.rows] == REJECTED):
        return True
    repeated = np.count_nonzero(trace.connection("syn_count", scan.rows) > 1)
    if repeated + np.count_nonzero(scan.tries > 1) >= REPEATED * len(scan.starts):
        return True
    return (sees_both(trace) or not trace.filtered) and not blinded(case)[scan.rows].any()


@once
def blinded(case: Case) -> Bools:
    """Return a mask over attempts whose answers the capture does not hold."""
    return blind(case.attempts)


def is_slower_family(case: Case, scan: Scan) -> bool:
    """Return whether a host's address of the other family used the same port right after most of these attempts.

    That is one client whose IPv6 (or IPv4) does not work, with happy eyeballs (RFC 8305).
    """
    trace, ports = case.attempts, distinct(target_ports(case, scan.rows))
    rows = used_rows(case)
    rows = rows[is_port_of(target_ports(case, rows), ports)]
    rows = rows[trace.is_ipv4(rows) != trace.is_ipv4(scan.rows[:1])[0]]
    rows = rows[np.argsort(trace.connection("first_ns", rows), kind="stable")]
    begun, asked = trace.connection("first_ns", rows), np.sort(trace.connection("first_ns", scan.rows))
    clients = group(trace.client_host[rows], np.arange(len(rows)), at_least=FEW_PORTS)
    for g in range(len(clients)):
        mine = begun[np.sort(clients.of(g))]
        after = np.searchsorted(mine, asked)
        soon = mine[np.minimum(after, len(mine) - 1)] - asked
        if np.mean((soon >= 0) & (soon <= RACE_NS)) >= MOSTLY:
            return True
    return False
