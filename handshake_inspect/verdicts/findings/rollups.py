"""`refused`, `rejected`, `timed-out`, `half-open`: what failed, per service, with clients and causes.

One finding for each service (server address and port) and outcome, from one such attempt on.  Attempts that belong to a
SYN flood or a port scan are left to those findings: they say nothing of the service, and there may be millions.
Attempts that are `pending` have not failed.

Severity says what share of the attempts on the service failed in this way:

- `critical` when `DOWN` attempts or more were made and none was established: the service is down for these clients;
- `info` below `NOISE` of the attempts, a share that ordinary packet loss explains, and for half-open connections that
  the capture's end left undecided;
- `warning` otherwise.
"""

from typing import Any

import numpy as np

from handshake_inspect.verdicts.finding import Case, Finding
from handshake_inspect.verdicts.findings.evidence import brief, plural, target, write
from handshake_inspect.verdicts.findings.keys import (
    Bools,
    Indices,
    Times,
    cite,
    count_distinct,
    median,
    once_per_case,
    ratio,
    rest,
    top_clients,
)
from handshake_inspect.verdicts.findings.port_scan import scan_rows
from handshake_inspect.verdicts.findings.syn_flood import flood_rows
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.words import (
    CAUSES,
    ESTABLISHED,
    HALF_OPEN,
    MIDSTREAM,
    OUTCOMES,
    REFUSED,
    REJECTED,
    TIMED_OUT,
    UNSOLICITED,
)
from handshake_inspect.wire.address import address_text

DOWN = 20
NOISE = 0.01
MOST = 100  # findings of each outcome: the services with the most failures
REPORTERS = 5

VERBS = {REFUSED: "refused", REJECTED: "rejected", TIMED_OUT: "timed out", HALF_OPEN: "half-open"}

ADVICE = {
    "closed-port": "Start the service or correct the address: `ss -ltn 'sport = :{port}'` on {host} shows who listens.",
    "middlebox-reset": "Find the box that resets in the server's name by its TTL: `hsi explain`, `tracepath {host}`.",
    "host-silent": "Check that {host} is up and routed in both directions: `ping {host}`, `ip route get {host}`.",
    "port-filtered": "Find the rule that drops port {port}: `nft list ruleset` on {host} and the firewalls before it.",
    "syn-dropped": "Look for full queues on {host}: `nstat -az TcpExtListenDrops TcpExtListenOverflows` and `ss -ltn`.",
    "no-final-ack": "Find where the way back breaks: capture on the client whether {host}'s SYN-ACKs arrive, and check "
    "its firewall and reverse path (`sysctl net.ipv4.conf.all.rp_filter`).",
    "accept-queue-overflow": "Let the application accept faster, or raise its backlog and net.core.somaxconn: `ss -ltn "
    "'sport = :{port}'` shows Recv-Q against Send-Q.",
    "reset-by-server": "Check `sysctl net.ipv4.tcp_abort_on_overflow` and the backlog of port {port} on {host}: it "
    "resets what it cannot queue.",
}
REJECTED_ADVICE = (
    "Find the rule or route that answers with ICMP {cause}: `nft list ruleset` and `ip route get {host}` on {by}."
)
OTHER_ADVICE = "Follow one of the connections with `hsi explain`."


@once_per_case
def excluded(case: Case) -> Bools:
    """Attempts that other findings account for, or that are no attempts of this capture."""
    outcome = case.outcomes.outcome
    mask: Bools = (outcome == UNSOLICITED) | (outcome == MIDSTREAM)
    return mask | flood_rows(case) | scan_rows(case)


def detect(case: Case) -> list[Finding]:
    """One finding for each service and kind of failure."""
    return [finding for outcome in VERBS for finding in roll_up(case, outcome)]


def roll_up(case: Case, outcome: int) -> list[Finding]:
    """The findings of one outcome."""
    outcomes = case.outcomes.outcome
    rows = np.flatnonzero((outcomes == outcome) & ~excluded(case))
    if not len(rows):
        return []
    service = case.trace.service
    parted = group(service[rows], rows)
    largest = np.argsort(-parted.sizes, kind="stable")
    chosen = [parted.of(g) for g in largest[:MOST]]
    attempts, served = tallies(case)
    found = []
    for mine in chosen:
        number = service[mine[0]]
        found.append(describe(case, outcome, mine, int(attempts[number]), int(served[number])))
    return found + rest(OUTCOMES[outcome], f"services with connections {VERBS[outcome]}", list(largest[MOST:]))


@once_per_case
def tallies(case: Case) -> tuple[Indices, Indices]:
    """How many attempts each service had that are no other finding's, and how many connections were established."""
    service, services = case.trace.service, len(case.trace.services)
    attempts = np.bincount(service[~excluded(case)], minlength=services)
    return attempts, np.bincount(service[case.outcomes.outcome == ESTABLISHED], minlength=services)


def describe(case: Case, outcome: int, rows: Indices, attempts: int, served: int) -> Finding:
    """Numbers and words of one service."""
    trace = case.trace
    host, port = target(trace, int(rows[0]))
    clients = count_distinct(trace.client_host[rows])
    causes = causes_of(case, rows)
    undecided = int(np.count_nonzero(~case.outcomes.decided[rows]))
    metrics: dict[str, Any] = {
        "connections": len(rows),
        "attempts": attempts,
        "established": served,
        "failed_ratio": ratio(len(rows), attempts),
        "clients": clients,
        "undecided": undecided,
        "causes": causes,
        "top_clients": top_clients(trace, rows),
        **times_of(case, outcome, rows),
    }
    cause = max(causes, key=lambda word: causes[word]) if causes else None
    reporters = reporters_of(case, rows) if outcome == REJECTED else []
    if outcome == REJECTED:
        metrics["reporters"] = reporters
    why = f" ({cause})" if cause else ""
    title = f"{len(rows)} of {plural(attempts, 'connection')} to {write(host, port)} {VERBS[outcome]}{why}"
    return Finding(
        OUTCOMES[outcome],
        severity(len(rows), attempts, served, undecided),
        f"{title}, from {plural(clients, 'client')}{delay(metrics)}",
        host,
        port,
        int(trace.first_times[rows].min()),
        end_of(case, rows),
        metrics,
        advice(outcome, cause, address_text(*host), port, reporters),
        *cite(case, rows),
    )


def severity(failed: int, attempts: int, served: int, undecided: int) -> str:
    """How bad this is for the service."""
    if failed == undecided or failed < NOISE * attempts:
        return "info"
    return "critical" if served == 0 and attempts >= DOWN else "warning"


def causes_of(case: Case, rows: Indices) -> dict[str, int]:
    """How often each cause was named, the most frequent first."""
    often = np.bincount(case.outcomes.cause[rows], minlength=1)
    named = [(CAUSES[number], int(count)) for number, count in enumerate(often) if count]
    return {word: count for word, count in sorted(named, key=lambda one: -one[1]) if word}


def times_of(case: Case, outcome: int, rows: Indices) -> dict[str, int | None]:
    """What the failures cost: the delay of the refusal, or how often the SYN was repeated in vain."""
    tracked = rows[rows < len(case.trace.connections)]
    if outcome in (REFUSED, REJECTED):
        delays = reject_ns(case)[tracked]
        return {"reject_p50_ns": median(delays[delays >= 0])}
    syns = case.trace.connections["syn_count"][tracked]
    waited = case.trace.connections["last_ns"][tracked] - case.trace.connections["first_ns"][tracked]
    return {
        "repeated_syns": int(syns.sum(dtype=np.int64)) - len(tracked),
        "waited_max_ns": int(waited.max()) if len(waited) else 0,
    }


@once_per_case
def reject_ns(case: Case) -> Times:
    """The delay of every refusal."""
    return case.legs.reject_ns


def delay(metrics: dict[str, Any]) -> str:
    """The time that a failure took, if it is worth a word."""
    waited = metrics.get("waited_max_ns")
    return f", after up to {brief(waited)}" if waited else ""


def reporters_of(case: Case, rows: Indices) -> list[str]:
    """Who sent the ICMP errors."""
    c = case.trace.connections
    kept = c["retries"][rows[rows < len(c)]]
    reports = case.trace.retries[kept[kept > 0].astype(np.intp) - 1]
    found = {(int(one["reporter_hi"]), int(one["reporter_lo"])) for one in reports[: 100 * REPORTERS]}
    return [address_text(*each) for each in sorted(found) if each != (0, 0)][:REPORTERS]


def end_of(case: Case, rows: Indices) -> int:
    """When the last of these attempts showed a last sign of life."""
    c = case.trace.connections
    tracked = rows[rows < len(c)]
    return max(int(case.trace.first_times[rows].max()), int(c["last_ns"][tracked].max()) if len(tracked) else 0)


def advice(outcome: int, cause: str | None, host: str, port: int, reporters: list[str]) -> str:
    """What to do about the most frequent cause."""
    if outcome == REJECTED:
        return REJECTED_ADVICE.format(cause=cause, host=host, by=" and ".join(reporters) or "the routers before it")
    return ADVICE.get(cause or "", OTHER_ADVICE).format(host=host, port=port)
