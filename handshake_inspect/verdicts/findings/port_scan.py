"""`port-scan`: one source probes many ports of a host, or one port of many hosts, and does not use what it finds.

A *probe* is an attempt without an exchange: refused, rejected, unanswered, left half-open, reset by its client, or
established and closed without payload or with no more than a server's greeting (`expired_services.GREETING`). Or,
without a handshake, a first segment with FIN, FIN PSH URG, no flag, ACK alone, or FIN ACK, without payload, that drew
at most a RST or an ICMP error. A source scans

- vertically if it probes `MIN_PORTS` ports of one host. `FEW_PORTS` suffice if nearly each was probed at most
  `FEW_TRIES` times and, if a kernel sent the SYNs, the source uses nothing else of that host. `FEW_ODD` suffice of
  probes without a handshake, which only scanners send;
- horizontally if it probes one port of `MIN_HOSTS` hosts (15 and 25 are the thresholds of Zeek's scan detection),

and the services that it really used on these hosts and ports are at most `MAX_USED` of those probed. A crawler, a
monitor or a passive FTP client opens as many but uses them; a NAT gateway is many clients that use what they open.

Not reported are (`no_scan.py`), in part only if a kernel sent the SYNs (see `syn_offers.is_poor`), as it does for all
programs:

- *monitoring*, which probes the same services repeatedly: more than half of them three times or more, or twice at even
  intervals (`MAX_JITTER`), or silent ones again after more than `AGAIN_NS`. A scanner moves on after `MAX_TRIES`;
- *an outage*: none of a kernel's SYNs was answered. It is a scan nevertheless if `MIN_PORTS` ports of one host, or one
  port of `MIN_HOSTS` hosts, were probed once or twice, and the capture would show answers: it holds some, or frames
  that a flag filter drops (`flag_filter.py`), or SYNs were retransmitted;
- *health checks*, which open and close: a scan with full handshakes finds less than half of its targets open;
- *happy eyeballs* (RFC 8305), whose losers a kernel resets when their SYN-ACK arrives: likewise. If one address family
  does not work, an address of the other uses the same port within `RACE_NS`;
- *peers* (BitTorrent and the like), which choose their own ports: if ports from `UNPRIVILEGED` up are probed, use of
  any such port counts, and so do hosts that connected to the source; `MAX_USED_PEERS` of use is enough;
- *FTP and remote procedures*: the service names the port, or with active FTP its client does. Ports from `UNPRIVILEGED`
  up do not count between two hosts of which one uses one of the other's `GUIDES`;
- *a flood*, which stays on one service or has many sources;
- *a capture that starts midstream*: its first segments are ACKs of open connections, which draw no RST, or FIN ACKs of
  closing ones, which draw a RST now and then (a Maimon scan: mostly). They carry timestamps if the kernel's connections
  do, and come from one port per connection; scanners use one or two.

`direction` is the one with more probed. `kind` is `fin` (also with ACK), `null`, `xmas` or `ack` by the flags; SYN
scans are `connect` if a kernel opened the connections (established ones, or SYNs with all options), else `syn`. A
silent port is `filtered` after SYN and ACK, and `open_or_filtered` after FIN, NULL and Xmas, which LISTEN drops (RFC
9293 section 3.10.7.2). Of more than `MOST_JUDGED` suspect sources, those with the most probes are judged. `ports` and
`hosts` count all that was probed, as in the title.

Severity: `warning`; `info` if nothing open was found.
"""

from typing import Any

import numpy as np

from handshake_inspect.tcp.facts import FACT_ACKED, FACT_ICMP, FACT_RST, FACT_SYN
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import (
    Host,
    addr,
    capped,
    cite,
    client,
    endpoint,
    target,
)
from handshake_inspect.verdicts.findings.no_scan import confirmed, is_raw
from handshake_inspect.verdicts.findings.probes import ACK_SCAN, SCAN_WORDS, SYN_SCAN
from handshake_inspect.verdicts.findings.suspects import Scan, candidates, target_ports
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import AttemptRows, ascending, chained
from handshake_inspect.verdicts.sets import count_distinct, counts
from handshake_inspect.verdicts.words import ABORTED, ESTABLISHED, HALF_OPEN, REFUSED
from handshake_inspect.wire.text import plural

LISTED = 100  # ports and hosts listed in the metrics, the first ones probed; the counts cover all
NAMED = 10  # open services named in the title

OPEN, CLOSED, FILTERED, UNCLEAR, UNFILTERED = ("open", "closed", "filtered", "open_or_filtered", "unfiltered")


SCANS = {"syn": "SYN", "fin": "FIN", "null": "NULL", "xmas": "Xmas", "ack": "ACK"}  # as written in prose


def detect(case: Case) -> list[Finding]:
    """Return one finding per source and kind of scan."""
    ids = case.attempts.ids
    found = sorted(scans(case), key=lambda scan: (-len(scan.rows), int(ids[scan.rows].min())))
    return capped(KIND, "sources that scan", found, lambda scan: describe(case, scan))


LEARNED = {
    OPEN: "open",
    CLOSED: "closed: a RST answered",
    FILTERED: "filtered: nothing but an ICMP error answered, or nothing",
    UNCLEAR: "open or filtered: nothing answered a probe that only closed ports answer",
    UNFILTERED: "unfiltered: a RST answered an ACK",
}
KIND = Kind(
    "port-scan",
    "Port scan",
    "One source tried many ports or hosts, as a scanner does.",
    detect,
    {
        "kind": Metric(str, "How it scans: `syn`, `connect`, `fin`, `null`, `xmas` or `ack`."),
        "direction": Metric(str, "`vertical` (many ports) or `horizontal` (many hosts)."),
        "ports": Metric(int, "Ports that were probed."),
        "hosts": Metric(int, "Hosts that were probed."),
        "probes": Metric(int, "Attempts of the scan."),
        "duration_ns": Metric(int, "Time from the first probe to the last.", "ns"),
        "targets": Metric(
            list[int | str], f"Hosts of a vertical scan, ports of a horizontal one: the {LISTED} with the most probes."
        ),
        **{f"{state}_count": Metric(int, f"Services that the scan found {words}.") for state, words in LEARNED.items()},
        **{
            state: Metric(list[int | str], f"Which of them, at most {LISTED}: ports, hosts or both.")
            for state in (OPEN, FILTERED, UNCLEAR)
        },
    },
    size="probes",
)


@once
def scans(case: Case) -> tuple[Scan, ...]:
    """Return the scans of a case."""
    return tuple(scan for suspect in candidates(case) if (scan := confirmed(case, suspect)))


@once
def scan_rows(case: Case) -> Bools:
    """Return a mask over attempts that are part of a scan."""
    return case.attempts.mask(*(scan.rows for scan in scans(case)))


# -- the finding


def describe(case: Case, scan: Scan) -> Finding:
    """Return the finding for one scan."""
    trace, rows = case.attempts, scan.rows
    source, kind = addr(source_of(case, int(rows[0]))), kind_word(case, scan)
    found = states_of(case, scan)
    times = trace.connection("first_ns", rows)
    reached = reach(case, scan)
    lists = listed(case, found, reached)
    metrics: dict[str, Any] = {
        "kind": kind,
        **reached,
        "probes": len(rows),
        "duration_ns": int(times.max() - times.min()),
        "targets": named(case, scan, vertical=reached["direction"] == "vertical"),
        **{f"{state}_count": len(services) for state, services in found.items()},
        **lists,
    }
    return Finding(
        KIND,
        "warning" if lists.get(OPEN) else "info",
        f"{source} scanned {whereof(metrics)} ({SCANS.get(kind, kind)} scan): {learned(found, lists)}",
        source_of(case, int(rows[0])),
        None,
        int(times.min()),
        int(times.max()),
        metrics,
        f"If this scan is not your own, drop {source} at the firewall (`nft add rule inet filter input "
        f"{'ip6' if ':' in source else 'ip'} saddr {source} drop`), and close what need not be open.",
        *cite(case, rows),
    )


def reach(case: Case, scan: Scan) -> dict[str, Any]:
    """Return how many ports and hosts were probed, and the direction with more."""
    return {
        "direction": "vertical" if scan.ports >= scan.hosts else "horizontal",
        "ports": count_distinct(target_ports(case, scan.rows)),
        "hosts": count_distinct(scan.probes.host),
    }


def whereof(metrics: dict[str, Any]) -> str:
    """Format what was scanned, with the numbers of the metrics."""
    ports, hosts, first = metrics["ports"], metrics["hosts"], metrics["targets"][0]
    if metrics["direction"] == "vertical":
        return f"{plural(ports, 'port')} of {first if hosts == 1 else plural(hosts, 'host')}"
    return f"{f'port {first}' if ports == 1 else plural(ports, 'port')} of {plural(hosts, 'host')}"


def learned(found: dict[str, AttemptRows], lists: dict[str, Any]) -> str:
    """Format how many services were found in which state, with the open ones by name."""
    parts = []
    for state, services in found.items():
        if len(services):
            names = [str(name) for name in lists[state][:NAMED]] if state == OPEN else []
            more = [f"{len(lists[OPEN]) - NAMED:,} more"] if names and len(lists[OPEN]) > NAMED else []
            parts.append(
                f"{len(services):,} {state.replace('_', ' ')}" + (f" ({', '.join(names + more)})" if names else "")
            )
    return ", ".join(parts)


def kind_word(case: Case, scan: Scan) -> str:
    """Return the kind of a scan; completed handshakes or a kernel's options show a connect() scan."""
    if scan.kind != SYN_SCAN:
        return SCAN_WORDS[scan.kind]
    rows = scan.probes.rows
    if np.any(case.attempts.connection("facts", rows) & FACT_ACKED):
        return "connect"
    return "syn" if is_raw(case, rows) else "connect"


def source_of(case: Case, row: int) -> Host:
    """Return the sender of a probe."""
    trace = case.attempts
    if not trace.connection("facts", AttemptRows(np.array([row])))[0] & FACT_SYN:
        return endpoint(trace, row, 0)[0]
    return client(trace, row)[0]


def states_of(case: Case, scan: Scan) -> dict[str, AttemptRows]:
    """Return one probe per service, by the state that the scan learned; the best answer of a service counts."""
    silent = {ACK_SCAN: FILTERED, SYN_SCAN: FILTERED}.get(scan.kind, UNCLEAR)
    reset = UNFILTERED if scan.kind == ACK_SCAN else CLOSED
    trace, rows = case.attempts, scan.probes.rows
    facts = trace.connection("facts", rows)
    rank = np.zeros(len(rows), dtype=np.int8)
    rank[facts & FACT_ICMP != 0] = 1
    if scan.kind == SYN_SCAN:
        outcome = case.outcomes.outcome[rows]
        rank[outcome == REFUSED] = 2
        answered = np.isin(outcome, (ESTABLISHED, HALF_OPEN))
        answered |= (outcome == ABORTED) & (trace.connection("synack_ns", rows) > 0)
        rank[answered] = 3
    else:
        rank[facts & FACT_RST != 0] = 2
    one = rows[scan.order[scan.starts]]
    best = np.maximum.reduceat(rank[scan.order], scan.starts)
    by_rank = {3: OPEN, 2: reset, 1: FILTERED, 0: silent}
    found: dict[str, list[AttemptRows]] = {}
    for number, state in by_rank.items():
        if number < 3 or scan.kind == SYN_SCAN:
            found.setdefault(state, []).append(one[best == number])
    return {state: ascending(chained(*parts)) for state, parts in found.items()}


def named(case: Case, scan: Scan, *, vertical: bool) -> list[Any]:
    """Return the hosts of a vertical scan or the ports of a horizontal one, most probed first."""
    rows = scan.probes.rows
    if not vertical:
        ports, often = counts(target_ports(case, rows))
        return [int(port) for port in ports[np.argsort(-often, kind="stable")][:LISTED]]
    parted = group(scan.probes.host, rows)
    first = np.minimum.reduceat(case.attempts.ids[parted.rows], parted.starts)
    most = np.lexsort((first, -parted.sizes)).tolist()
    return [addr(probed_end(case, int(parted.of(g)[0]))[0]) for g in most[:LISTED]]


def probed_end(case: Case, row: int) -> tuple[Host, int]:
    """Return the address and port that a probe was sent to."""
    trace = case.attempts
    if not trace.connection("facts", AttemptRows(np.array([row])))[0] & FACT_SYN:
        return endpoint(trace, row, 1)
    return target(trace, row)


def listed(case: Case, found: dict[str, AttemptRows], reached: dict[str, Any]) -> dict[str, Any]:
    """Return the services of each state: ports if there is one host, hosts if there is one port, otherwise both.

    Closed ports, which are most of what scans find, are only counted.
    """
    lists: dict[str, Any] = {}
    for state, rows in found.items():
        if state in (CLOSED, UNFILTERED):
            continue
        ends = sorted(probed_end(case, int(row)) for row in case.attempts.earliest(rows, LISTED))
        if reached["hosts"] == 1:
            lists[state] = [port for _, port in ends]
        else:
            lists[state] = [addr(host, None if reached["ports"] == 1 else port) for host, port in ends]
    return lists
