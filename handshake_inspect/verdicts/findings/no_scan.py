"""What only looks like a scan: outages, monitoring, health checks, peers that were used elsewhere.

Used by `port_scan.py`, whose docstring has the rules.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_CLIENT_DATA, FACT_RST, FACT_SERVER_DATA
from handshake_inspect.verdicts.arrays import Bools, Keys, Times
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.findings.expired_failures import past_of
from handshake_inspect.verdicts.findings.expired_services import is_used
from handshake_inspect.verdicts.findings.keys import count_distinct, counts, distinct, is_member, run_starts
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
from handshake_inspect.verdicts.syn_offers import is_poor
from handshake_inspect.verdicts.visibility import blind, sees_both
from handshake_inspect.verdicts.words import ABORTED, CAUSE, ESTABLISHED, HALF_OPEN, PENDING, REJECTED, TIMED_OUT

MAX_USED = 0.2
MAX_USED_PEERS = 0.1  # most peers that others know of are gone
FEW_TRIES = 2
MOSTLY = 0.8  # of the services, where a rule asks something of most
AGAIN_NS = 5_000_000_000  # who asks a silent target again later than this polls it; retries of scanners come sooner
EVEN = 0.05
LEAST_EVERY_NS = 1_000_000_000  # nobody checks health more often
REPEATED = 0.1  # the share of probes that must be repeated, to show without any other answer that nothing answers
RACE_NS = 2_000_000_000  # RFC 8305 section 5: the other family is tried after at most this long
UNPRIVILEGED = 1024
# Services that send their clients on to other ports: FTP (passive mode), portmapper, the endpoint mapper of MS-RPC.
GUIDES = np.array([21, 111, 135, 990], dtype=np.uint16)
# ICMP errors that a firewall answers with, port by port; others say that a host or a network is gone.
FORBIDDEN = np.array(
    [
        CAUSE[word]
        for word in ("port-unreachable", "admin-prohibited", "host-prohibited", "net-prohibited", "policy-failed")
    ]
)
LEAST_RESET = {ACK_SCAN: 0.0, MAIMON_SCAN: 0.5}  # the share of probes that drew a RST is more than this
LEAST_RESET_OF_FEW = 0.5


@dataclass(frozen=True, eq=False, repr=False)
class Use:
    """The services that one source really used, column by column; one that was used twice is there twice."""

    service: Keys
    host: Keys
    port: NDArray[np.uint16]

    @classmethod
    def of(cls, case: Case, source: int, *, raw: bool = False) -> "Use":
        """What this client used, in rows that are kept and in those that are gone.

        Of a source whose probes no kernel sent (`raw`), its kernel's connections say nothing: a scanner that asks what
        it found open which version it has uses the kernel for that.
        """
        trace = case.attempts
        mine = of_host(used_by_client(case), source)
        if raw:
            mine = mine[is_poor(trace.end("client", "options", mine))]
        kept = cls(trace.server_key[mine], trace.server_host[mine], target_ports(case, mine))
        past = past_of(case)
        if past is None:
            return kept
        gone = past.used.by(source)
        pairs = ((kept.service, gone["service"]), (kept.host, gone["host"]), (kept.port, gone["port"]))
        return cls(*(np.concatenate(both) for both in pairs))

    def on(self, hosts: Keys) -> Bools:
        """Which of them are on one of these hosts, which are sorted."""
        return is_member(self.host, hosts)

    @property
    def guides(self) -> Keys:
        """The hosts that may have sent the client on to other ports, sorted."""
        return distinct(self.host[np.isin(self.port, GUIDES)])


@once
def used_rows(case: Case) -> ConnectionRows:
    """The connections that carried payload, other than a greeting that its client did not want."""
    rows = case.attempts.tracked_where(case.attempts.facts & (FACT_CLIENT_DATA | FACT_SERVER_DATA) != 0)
    return rows[is_used(case, rows)]


@once
def used_by_client(case: Case) -> tuple[Keys, ConnectionRows]:
    """The clients of these connections, sorted, and the connections in that order."""
    return by_host(case.attempts.client_host, used_rows(case))


@once
def used_by_server(case: Case) -> tuple[Keys, ConnectionRows]:
    """The servers of these connections, sorted, and the connections in that order."""
    return by_host(case.attempts.server_host, used_rows(case))


def by_host(hosts: Keys, rows: ConnectionRows) -> tuple[Keys, ConnectionRows]:
    """The hosts of these rows, sorted, and the rows in that order."""
    mine = hosts[rows]
    order = np.argsort(mine, kind="stable")
    return mine[order], rows[order]


def of_host(ordered: tuple[Keys, ConnectionRows], host: int) -> ConnectionRows:
    """The rows of one host."""
    hosts, rows = ordered
    start, end = np.searchsorted(hosts, np.uint64(host), side="left"), np.searchsorted(hosts, np.uint64(host), "right")
    return rows[start:end]


def confirmed(case: Case, scan: Scan) -> Scan | None:
    """The scan that a suspect is, if it is one."""
    if scan.kind != SYN_SCAN:
        return None if is_end_of_connections(case, scan) else scan
    by_kernel = not is_raw(case, scan.rows)
    use = Use.of(case, int(scan.probes.source[0]), raw=not by_kernel)
    scan = without_guided(case, scan, use)
    if not scan.is_large_enough or is_in_use(case, scan, use, by_kernel=by_kernel):
        return None
    if scan.is_small and np.mean(scan.tries <= FEW_TRIES) < MOSTLY:
        return None
    if is_health_check(case, scan) or (by_kernel and (is_polled(case, scan) or is_outage(case, scan))):
        return None
    return scan


# -- segments that no handshake begins with


def is_end_of_connections(case: Case, scan: Scan) -> bool:
    """Whether these ACKs or FIN ACKs belong to connections from before the capture: they draw few RSTs."""
    if scan.kind not in LEAST_RESET:
        return False
    few = scan.ports < MIN_PORTS and scan.hosts < MIN_HOSTS
    least = LEAST_RESET_OF_FEW if few else LEAST_RESET[scan.kind]
    drew = np.mean(case.attempts.facts[scan.rows] & FACT_RST != 0)
    return bool(drew <= least) and not is_from_one_port(case, scan)


def is_from_one_port(case: Case, scan: Scan) -> bool:
    """Whether a client asks many services from one port, and perhaps a second one: a kernel takes another for each."""
    clients = case.attempts.connections["client"][scan.rows] == 0
    ports, often = counts(source_ports(case, scan.rows))
    main = np.sort(often)[-2:].sum()
    return bool(np.mean(clients) >= MOSTLY and main >= MOSTLY * len(scan.rows) and len(ports) < len(scan.starts) / 2)


# -- SYNs


def is_raw(case: Case, rows: AttemptRows) -> bool:
    """Whether no kernel sent most of these SYNs."""
    return bool(np.count_nonzero(is_poor(case.attempts.end("client", "options", rows))) * 2 >= len(rows))


def without_guided(case: Case, scan: Scan, use: Use) -> Scan:
    """The scan without the ports that a service may have named: FTP, passive and active, and remote procedures."""
    guides = distinct(np.concatenate([use.guides, guided_callers(case, int(scan.probes.source[0]))]))
    if not len(guides):
        return scan
    guided = is_member(scan.probes.host, guides) & (target_ports(case, scan.rows) >= UNPRIVILEGED)
    if guided.all() or not guided.any():
        return Scan(scan.probes, scan.order, scan.starts, 0, 0, scan.kind) if guided.any() else scan
    return arranged(case, scan.probes.some(~guided))


def guided_callers(case: Case, source: int) -> Keys:
    """The hosts that used such a service of this source, as active FTP: they named their ports themselves."""
    rows = of_host(used_by_server(case), source)
    return case.attempts.client_host[rows[np.isin(target_ports(case, rows), GUIDES)]]


def is_in_use(case: Case, scan: Scan, use: Use, *, by_kernel: bool) -> bool:
    """Whether this source really uses what it asked for, or its like."""
    hosts, ports = distinct(scan.probes.host), target_ports(case, scan.rows)
    on_hosts = use.on(hosts)
    if scan.is_small and by_kernel and (on_hosts & ~is_member(use.service, distinct(scan.probes.service))).any():
        return True
    mine = on_hosts | np.isin(use.port, ports)
    most = MAX_USED
    if np.mean(ports >= UNPRIVILEGED) >= MOSTLY:  # peers have ports of their own
        mine |= use.port >= UNPRIVILEGED
        most = MAX_USED_PEERS if by_kernel else MAX_USED
    used = count_distinct(use.service[mine]) + count_distinct(callers(case, int(scan.probes.source[0]), hosts))
    return used > most * len(scan.starts)


def callers(case: Case, source: int, hosts: Keys) -> Keys:
    """Those of these hosts that called on their part, and were served."""
    clients = case.attempts.client_host[of_host(used_by_server(case), source)]
    return clients[is_member(clients, hosts)]


def is_health_check(case: Case, scan: Scan) -> bool:
    """Whether most of it was opened in full and closed in order, or by a kernel that then had no use for it."""
    outcome = case.outcomes.outcome[scan.rows]
    answered = (outcome == ABORTED) & (case.outcomes.cause[scan.rows] == CAUSE["reset-by-client"])
    answered |= outcome == HALF_OPEN
    unwanted = np.flatnonzero(answered)
    answered[unwanted] = ~is_poor(case.attempts.end("client", "options", scan.rows[unwanted]))
    return bool(np.count_nonzero((outcome == ESTABLISHED) | answered) * 2 > len(scan.rows))


def is_silent(case: Case, rows: AttemptRows) -> Bools:
    """Which of these attempts got no answer, or only word that the host or its network is gone."""
    outcome = case.outcomes.outcome[rows]
    silent: Bools = (outcome == TIMED_OUT) | (outcome == PENDING)
    return silent | ((outcome == REJECTED) & ~np.isin(case.outcomes.cause[rows], FORBIDDEN))


def is_polled(case: Case, scan: Scan) -> bool:
    """Whether the same services are asked again and again, or twice at even intervals."""
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
    """Whether a timer made these intervals."""
    middle = np.median(gaps)
    return bool(middle >= LEAST_EVERY_NS and np.mean(np.abs(gaps - middle) <= EVEN * middle) >= 0.9)


def is_outage(case: Case, scan: Scan) -> bool:
    """Whether a kernel tried to connect and nobody was there, and that was all."""
    if not is_silent(case, scan.rows).all():
        return False
    many = (scan.ports >= MIN_PORTS or scan.hosts >= MIN_HOSTS) and np.mean(scan.tries <= FEW_TRIES) >= MOSTLY
    return not many or not is_proved_silent(case, scan) or is_slower_family(case, scan)


def is_proved_silent(case: Case, scan: Scan) -> bool:
    """Whether the capture would show answers.

    It shows some, or what no filter on flags lets through, or a kernel asked again as it does only without an answer.
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
    """Attempts whose answers the capture does not hold."""
    return blind(case.attempts)


def is_slower_family(case: Case, scan: Scan) -> bool:
    """Whether another address, of the other family, used the same port right after most of these attempts.

    That is one client with two addresses whose IPv6 (or IPv4) leads nowhere: happy eyeballs (RFC 8305).
    """
    trace, ports = case.attempts, distinct(target_ports(case, scan.rows))
    rows = used_rows(case)
    rows = rows[np.isin(target_ports(case, rows), ports)]
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
