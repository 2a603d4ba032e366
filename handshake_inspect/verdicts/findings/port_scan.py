"""`port-scan`: one source asks many ports of a host, or one port of many hosts, and makes nothing of the answers.

A *probe* is an attempt that led to no exchange: refused, rejected, unanswered, left half-open, reset by its own client,
or established and closed without a byte of payload; or, without any handshake, a first segment of FIN, FIN PSH URG,
nothing, ACK alone, or FIN ACK, without payload, to which at most a RST or an ICMP error came back.  A source scans

- vertically when it probes `MIN_PORTS` ports of one host,
- horizontally when it probes one port of `MIN_HOSTS` hosts (both are the thresholds of Zeek's scan detection),

and really used at most `MAX_USED` as many services on these hosts and ports.  A crawler, a monitor or a passive FTP
client opens as many but uses them; a NAT gateway is many clients that use what they open.  More look alike:

- clients of hosts that are down: SYNs of a kernel (see `flood_signs.is_poor`) of which none was answered are no scan,
  nor are more than `MAX_TRIES` attempts for each service: who polls dead targets comes again, a scanner goes on;
- health checks, which open and close: a scan with whole handshakes finds less than half of its targets open;
- happy eyeballs (RFC 8305), whose losers a kernel resets when their SYN-ACK comes: likewise;
- a flood: it stays on one service, or has many sources;
- a capture that starts midstream: its first segments are ACKs of connections that go on, and no RST answers them, or
  FIN ACKs of connections that end, which a RST answers now and then: of probes (Maimon scan), it answers most.

`direction` is that in which more was probed.  `kind` is `fin` (with ACK too), `null`, `xmas` or `ack` by the flags; of
SYN scans `connect` when a kernel opened the connections (established ones, or SYNs with all options), else `syn`.  What
a silent port means differs: `filtered` after SYN and ACK, `open_or_filtered` after FIN, NULL and Xmas, which LISTEN
drops (RFC 9293 section 3.10.7.2).  Where more than `MOST_JUDGED` sources may be scanners, those that probed most are
judged.

Severity: `warning`, and `info` when nothing open was found.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_CLIENT_DATA,
    FACT_ICMP,
    FACT_RST,
    FACT_SERVER_DATA,
    FACT_SYN,
)
from handshake_inspect.verdicts.finding import Case, Finding
from handshake_inspect.verdicts.findings.evidence import Host, endpoint, target, write
from handshake_inspect.verdicts.findings.flood_signs import is_poor, of_client
from handshake_inspect.verdicts.findings.keys import (
    Bools,
    Indices,
    Keys,
    cite,
    client_of,
    count_distinct,
    counts,
    distinct,
    frequent,
    is_member,
    once_per_case,
    rest,
    run_starts,
)
from handshake_inspect.verdicts.findings.probes import (
    ACK_SCAN,
    KINDS,
    MAIMON_SCAN,
    SYN_SCAN,
    Probes,
    all_probes,
)
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.words import ABORTED, CAUSE, ESTABLISHED, HALF_OPEN, REFUSED

MIN_PORTS = 15
MIN_HOSTS = 25
MAX_USED = 0.2
MAX_TRIES = 4
MOST = 100  # findings
LISTED = 100  # ports and hosts named in the metrics; the counts are of all
MOST_JUDGED = 2000
LEAST_RESET = {ACK_SCAN: 0.0, MAIMON_SCAN: 0.5}  # the share of probes that drew a RST is more than this
FEW = 100  # sources that may be judged one by one without a closer look
PAIR = np.uint64(0x9E3779B97F4A7C15)

OPEN, CLOSED, FILTERED, UNCLEAR, UNFILTERED = ("open", "closed", "filtered", "open_or_filtered", "unfiltered")


@dataclass(frozen=True)
class Scan:
    """The probes of one kind from one source."""

    probes: Probes
    order: Indices  # of probes, by service
    starts: Indices  # where in `order` the probes of another service begin
    ports: int  # the most on one host
    hosts: int  # the most on one port
    kind: int


def detect(case: Case) -> list[Finding]:
    """One finding for each source and kind of scan."""
    found = sorted(scans(case), key=lambda scan: (-len(scan.probes.rows), int(scan.probes.rows[0])))
    return [describe(case, scan) for scan in found[:MOST]] + rest("port-scan", "sources that scan", found[MOST:])


@once_per_case
def scans(case: Case) -> tuple[Scan, ...]:
    """The scans of a case."""
    probes = all_probes(case)
    suspects = busy_sources(probes)
    if not len(suspects):
        return ()
    used = used_by(case, suspects)
    return tuple(scan for part in by_source(probes, suspects) if (scan := judge(case, part, used)))


@once_per_case
def scan_rows(case: Case) -> Bools:
    """Attempts that are part of some scan."""
    mask = np.zeros(len(case.trace), dtype=bool)
    for scan in scans(case):
        mask[scan.probes.rows] = True
    return mask


# -- scans


def busy_sources(probes: Probes) -> Keys:
    """Sources that probed enough services, of any kind."""
    busy = frequent(probes.source, MIN_PORTS)
    if len(busy) <= FEW:
        return busy
    chosen = np.flatnonzero(is_member(probes.source, busy))
    pairs = probes.source[chosen] * PAIR ^ probes.service[chosen]
    order = np.argsort(pairs)
    sources, services = counts(probes.source[chosen[order[run_starts(pairs[order])]]])
    enough = np.flatnonzero(services >= MIN_PORTS)
    busiest = enough[np.argsort(-services[enough], kind="stable")[:MOST_JUDGED]]
    return np.sort(sources[busiest])


def used_by(case: Case, suspects: Keys) -> dict[int, Indices]:
    """The connections of each suspect that carried payload."""
    count = len(case.trace.connections)
    clients = case.trace.client_host[:count]
    used = case.trace.facts & (FACT_CLIENT_DATA | FACT_SERVER_DATA) != 0
    rows = np.flatnonzero(used & is_member(clients, suspects))
    parted = group(clients[rows], rows)
    return {int(clients[parted.of(g)[0]]): parted.of(g) for g in range(len(parted))}


def by_source(probes: Probes, suspects: Keys) -> Iterator[Probes]:
    """The probes of each suspect, kind by kind."""
    if len(suspects) == 1 and (probes.source == suspects[0]).all() and (probes.kind == probes.kind[0]).all():
        yield probes  # one scanner and nothing else
        return
    chosen = np.flatnonzero(is_member(probes.source, suspects))
    parted = group(probes.source[chosen] ^ probes.kind[chosen], chosen, at_least=MIN_PORTS)
    for g in range(len(parted)):
        mine = parted.of(g)
        yield Probes(probes.rows[mine], probes.source[mine], probes.service[mine], probes.host[mine], probes.kind[mine])


def judge(case: Case, probes: Probes, used: dict[int, Indices]) -> Scan | None:
    """The scan that these probes of one source are, if they are one."""
    order = np.argsort(probes.service)
    starts = np.flatnonzero(run_starts(probes.service[order]))
    if len(starts) < MIN_PORTS or len(probes.rows) > MAX_TRIES * len(starts):
        return None
    ports, hosts = reach(case, probes, order[starts])
    if ports < MIN_PORTS and hosts < MIN_HOSTS:
        return None
    kind = int(probes.kind[0])
    if kind == SYN_SCAN:
        if used_services(case, probes, used) > MAX_USED * len(starts):
            return None
        if is_outage(case, probes) or is_health_check(case, probes):
            return None
    if kind in LEAST_RESET and share_reset(case, probes) <= LEAST_RESET[kind]:
        return None
    return Scan(probes, order, starts, ports, hosts, kind)


def reach(case: Case, probes: Probes, first: Indices) -> tuple[int, int]:
    """The most ports on one host, and the most hosts on one port; `first` has one probe of each service."""
    _, ports = counts(probes.host[first])
    _, hosts = counts(target_ports(case, probes.rows[first]))
    return int(ports.max()), int(hosts.max())


def target_ports(case: Case, rows: Indices) -> NDArray[np.uint16]:
    """The port that each of these probes asked for."""
    trace = case.trace
    count = len(trace.connections)
    ports = np.empty(len(rows), dtype=np.uint16)
    mine = rows < count
    c = trace.connections[rows[mine]]
    ports[mine] = np.where(probed_side(c) == 1, c["port1"], c["port0"])
    ports[~mine] = trace.embryos["server_port"][rows[~mine] - count]
    return ports


def probed_side(connections: Any) -> Any:
    """Which side was probed: whoever did not send the first segment, where there was no SYN."""
    return np.where(connections["facts"] & FACT_SYN != 0, connections["client"] ^ 1, 1)


def used_services(case: Case, probes: Probes, used: dict[int, Indices]) -> int:
    """How many services on the probed hosts and ports this source really used."""
    source, hosts, ports = int(probes.source[0]), distinct(probes.host), target_ports(case, probes.rows)
    services = []
    if source in used:
        mine = used[source]
        near = is_member(case.trace.server_host[mine], hosts) | np.isin(target_ports(case, mine), ports)
        services.append(case.trace.server_key[mine[near]])
    if case.past is not None:
        services.append(case.past.used.near(source, hosts, ports))
    return count_distinct(np.concatenate(services)) if services else 0


def is_outage(case: Case, probes: Probes) -> bool:
    """Whether a kernel tried to connect and nobody was there: no answer but silence or ICMP errors."""
    rows = probes.rows
    count = len(case.trace.connections)
    answered = rows[rows < count]
    outcome = case.outcomes.outcome[answered]
    if np.isin(outcome, (REFUSED, ABORTED, HALF_OPEN, ESTABLISHED)).any():
        return False
    return bool(np.count_nonzero(is_poor(of_client(case.trace, rows, "options"))) < len(rows) / 2)


def is_health_check(case: Case, probes: Probes) -> bool:
    """Whether most of it was opened in full and closed in order, or by a kernel that then had no use for it."""
    outcome = case.outcomes.outcome[probes.rows]
    answered = (outcome == ABORTED) & (case.outcomes.cause[probes.rows] == CAUSE["reset-by-client"])
    unwanted = np.flatnonzero(answered)
    answered[unwanted] = ~is_poor(of_client(case.trace, probes.rows[unwanted], "options"))
    return bool(np.count_nonzero((outcome == ESTABLISHED) | answered) * 2 > len(probes.rows))


def share_reset(case: Case, probes: Probes) -> float:
    """How many of the probes drew a RST: what belongs to a connection does not."""
    return float(np.mean(case.trace.facts[probes.rows] & FACT_RST != 0))


# -- what is said


def describe(case: Case, scan: Scan) -> Finding:
    """Numbers and words of one scan."""
    trace, rows = case.trace, scan.probes.rows
    kind = kind_word(case, scan)
    vertical = scan.ports >= scan.hosts
    source = source_of(case, int(rows[0]))
    found = states_of(case, scan)
    times = trace.first_times[rows]
    metrics: dict[str, Any] = {
        "kind": kind,
        "direction": "vertical" if vertical else "horizontal",
        "ports": scan.ports,
        "hosts": count_distinct(scan.probes.host),
        "probes": len(rows),
        "duration_ns": int(times.max() - times.min()),
        "targets": named(case, scan, vertical),
        **{f"{state}_count": len(services) for state, services in found.items()},
        **listed(case, found, vertical),
    }
    first = metrics["targets"][0]
    what = f"{scan.ports} ports of {first}" if vertical else f"port {first} of {scan.hosts} hosts"
    more = f" and {metrics['hosts'] - 1} more hosts" if vertical and metrics["hosts"] > 1 else ""
    told = ", ".join(f"{len(services)} {state.replace('_', ' ')}" for state, services in found.items() if len(services))
    is_open = bool(len(found.get(OPEN, ())))
    return Finding(
        "port-scan",
        "warning" if is_open else "info",
        f"{write(source)} scanned {what}{more} ({kind} scan): {told}",
        source,
        None,
        int(times.min()),
        int(times.max()),
        metrics,
        f"If this scan is not your own, drop {write(source)} at the firewall (nft add rule inet filter input "
        f"{'ip6' if ':' in write(source) else 'ip'} saddr {write(source)} drop), and close what need not be open.",
        *cite(case, rows),
    )


def kind_word(case: Case, scan: Scan) -> str:
    """The kind of a scan; a connect() scan shows by the options of a kernel, and by completed handshakes."""
    if scan.kind != SYN_SCAN:
        return KINDS[scan.kind]
    rows = scan.probes.rows
    count = len(case.trace.connections)
    if np.any(case.trace.facts[rows[rows < count]] & FACT_ACKED):
        return "connect"
    return "syn" if np.count_nonzero(is_poor(of_client(case.trace, rows, "options"))) >= len(rows) / 2 else "connect"


def source_of(case: Case, row: int) -> Host:
    """Who sent a probe."""
    trace = case.trace
    if row < len(trace.connections) and not trace.facts[row] & FACT_SYN:
        return endpoint(trace, row, 0)[0]
    return client_of(trace, row)


def states_of(case: Case, scan: Scan) -> dict[str, Indices]:
    """One probe of each service, by the state that the scan learned; the best answer of a service counts."""
    silent = {ACK_SCAN: FILTERED, SYN_SCAN: FILTERED}.get(scan.kind, UNCLEAR)
    reset = UNFILTERED if scan.kind == ACK_SCAN else CLOSED
    trace, rows = case.trace, scan.probes.rows
    count = len(trace.connections)
    facts = np.zeros(len(rows), dtype=np.uint64)
    facts[rows < count] = trace.facts[rows[rows < count]]
    rank = np.zeros(len(rows), dtype=np.int8)
    rank[facts & FACT_ICMP != 0] = 1
    if scan.kind == SYN_SCAN:
        outcome = case.outcomes.outcome[rows]
        rank[outcome == REFUSED] = 2
        answered = np.isin(outcome, (ESTABLISHED, HALF_OPEN))
        answered |= (outcome == ABORTED) & (synack_time(case, rows) > 0)
        rank[answered] = 3
    else:
        rank[facts & FACT_RST != 0] = 2
    one = rows[scan.order[scan.starts]]
    best = np.maximum.reduceat(rank[scan.order], scan.starts)
    by_rank = {3: OPEN, 2: reset, 1: FILTERED, 0: silent}
    found: dict[str, list[Indices]] = {}
    for number, state in by_rank.items():
        if number < 3 or scan.kind == SYN_SCAN:
            found.setdefault(state, []).append(one[best == number])
    return {state: np.sort(np.concatenate(parts)) for state, parts in found.items()}


def synack_time(case: Case, rows: Indices) -> NDArray[np.int64]:
    """When the SYN-ACK came, 0 for never."""
    count = len(case.trace.connections)
    times = np.zeros(len(rows), dtype=np.int64)
    times[rows < count] = case.trace.connections["synack_ns"][rows[rows < count]]
    return times


def named(case: Case, scan: Scan, vertical: bool) -> list[Any]:
    """The hosts of a vertical scan or the ports of a horizontal one, most probed first."""
    rows = scan.probes.rows
    if not vertical:
        ports, often = counts(target_ports(case, rows))
        return [int(port) for port in ports[np.argsort(-often, kind="stable")][:LISTED]]
    parted = group(scan.probes.host, rows)
    most = sorted(range(len(parted)), key=lambda g: (-int(parted.sizes[g]), int(parted.of(g)[0])))
    return [write(probed_end(case, int(parted.of(g)[0]))[0]) for g in most[:LISTED]]


def probed_end(case: Case, row: int) -> tuple[Host, int]:
    """Address and port that a probe asked for."""
    trace = case.trace
    if row < len(trace.connections) and not trace.facts[row] & FACT_SYN:
        return endpoint(trace, row, 1)
    return target(trace, row)


def listed(case: Case, found: dict[str, Indices], vertical: bool) -> dict[str, Any]:
    """The ports (or hosts) of each state; of the one that most scans mostly find, closed, only the count."""
    lists: dict[str, Any] = {}
    for state, rows in found.items():
        if state in (CLOSED, UNFILTERED):
            continue
        ends = [probed_end(case, int(row)) for row in rows[:LISTED]]
        lists[state] = sorted({port for _, port in ends}) if vertical else [write(host) for host, _ in sorted(ends)]
    return lists
