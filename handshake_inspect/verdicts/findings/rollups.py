"""`refused`, `rejected`, `timed-out`, `half-open`: failed attempts per reason, with clients and ports.

One finding per reason (outcome, cause and server address), from one attempt: a host that is down is one finding, on
however many ports. Attempts that another finding explains are left out (see `explained`); if it explains all of
them, there is no roll-up. `pending` attempts have not failed.

The severity depends on the share of the attempts on these ports that failed for this reason:

- `critical` if `DOWN` attempts or more were made, none was established, and `MANY` of them failed for this reason: the
  ports are down for these clients. (Health checks that reset whatever answers are not established either.)
- `info` below `NOISE`, a share that ordinary packet loss explains, and if the end of the capture leaves all of them
  undecided;
- `warning` otherwise; SYNs from impossible sources are never `critical`.
"""

from typing import Any

import numpy as np

from handshake_inspect.verdicts.arrays import Bools, Indices, Keys
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings import accept_queue, rst_injection
from handshake_inspect.verdicts.findings.base import Host, addr, capped, largest, ratio, target
from handshake_inspect.verdicts.findings.expired_failures import ExpiredAttempts, expired_attempts, reasons
from handshake_inspect.verdicts.findings.failure_advice import advice, place
from handshake_inspect.verdicts.findings.port_scan import scan_rows
from handshake_inspect.verdicts.findings.syn_flood import flood_rows, floods, within
from handshake_inspect.verdicts.findings.tally import REPORTERS, Tally
from handshake_inspect.verdicts.flag_filter import hidden_resets
from handshake_inspect.verdicts.grouping import group
from handshake_inspect.verdicts.host import QUEUE_SETTINGS, HostEvidence
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.verdicts.resets import two_hosts
from handshake_inspect.verdicts.sets import places
from handshake_inspect.verdicts.words import (
    CAUSE,
    CAUSES,
    ESTABLISHED,
    HALF_OPEN,
    MIDSTREAM,
    REFUSED,
    REJECTED,
    TIMED_OUT,
    UNSOLICITED,
)
from handshake_inspect.wire.address import address_text
from handshake_inspect.wire.text import duration, plural

DOWN = 20
NOISE = 0.01
MANY = 0.25
PORTS = 20  # a finding lists at most so many ports, the lowest

VERBS = {REFUSED: "refused", REJECTED: "rejected", TIMED_OUT: "timed out", HALF_OPEN: "half-open"}
VERBS_OF_ONE = {REFUSED: "was refused", REJECTED: "was rejected", TIMED_OUT: "timed out", HALF_OPEN: "is half-open"}


@once
def explained(case: Case) -> Bools:
    """Return a mask over attempts that a more specific finding explains, which a roll-up would only repeat.

    Attempts of a SYN flood or port scan state nothing about the service (the flood's `legitimate_clients` counts
    the clients that it kept out). A full accept queue, a middlebox that resets in the server's name, and two hosts
    with one address have findings with better advice.
    """
    mask: Bools = flood_rows(case) | scan_rows(case)
    for rows in (beside_floods(case), accept_queue.explained_rows(case), rst_injection.injected_rows(case)):
        mask[rows] = True
    case.attempts.of_connections(mask)[:] |= two_hosts(case.attempts)
    return mask


def beside_floods(case: Case) -> AttemptRows:
    """Return other attempts on a flood's target: from impossible sources at any time, or dropped during the flood."""
    cause = case.outcomes.cause
    forged, dropped = cause == CAUSE["bogon-source"], cause == CAUSE["syn-dropped"]
    parts = [
        flood.others[forged[flood.others] | (within(case, flood) & dropped[flood.others])] for flood in floods(case)
    ]
    return AttemptRows(np.concatenate([np.zeros(0, dtype=np.intp), *parts]))


@once
def excluded(case: Case) -> Bools:
    """Return a mask over attempts not to roll up: explained by others, not failed here, or with uncaptured answers."""
    outcome = case.outcomes.outcome
    mask: Bools = (outcome == UNSOLICITED) | (outcome == MIDSTREAM)
    mask |= ~case.outcomes.decided & (case.attempts.filtered | (outcome == TIMED_OUT))
    return mask | maybe_reset(case) | explained(case)


def maybe_reset(case: Case) -> Bools:
    """Return a mask over half-open attempts that their clients may have reset, and those that are too young to say."""
    trace, mask = case.attempts, case.attempts.mask()
    waiting = trace.tracked_where(trace.of_connections(case.outcomes.outcome) == HALF_OPEN)
    hidden = hidden_resets(trace, waiting)
    if hidden.any():
        mask[waiting[hidden | ~case.outcomes.decided[waiting]]] = True
    return mask


def detect(case: Case) -> list[Finding]:
    """Return one finding per reason."""
    return [finding for outcome in VERBS for finding in roll_up(case, outcome)]


COUNTED = {
    "connections": Metric(int, "Attempts that failed for this reason."),
    "attempts": Metric(int, "All attempts on these ports of the host that no other finding explains."),
    "established": Metric(int, "Connections to these ports that were established."),
    "failed_ratio": Metric(float | None, "`connections` of `attempts`.", "ratio"),
    "cause": Metric(str | None, "The cause that the attempts have in common."),
    "ports": Metric(list[int], f"The ports of the host, the lowest {PORTS}."),
    "port_count": Metric(int, "How many ports there are."),
    "clients": Metric(int, "Addresses that tried."),
    "undecided": Metric(int, "Attempts whose outcome the end of the capture leaves open."),
    "top_clients": Metric(
        list[dict[str, Any]],
        "The clients with the most of these attempts.",
        keys={"ip": Metric(str, "Address of the client."), "connections": Metric(int, "Its attempts.")},
    ),
    "answered_from": Metric(list[str], "Addresses and ports that answered in place of the server."),
}
DELAY = {"reject_p50_ns": Metric(int | None, "Time from the SYN to the refusal, the median.", "ns")}
WAITED = {
    "repeated_syns": Metric(int, "Copies of SYNs beyond the first of each attempt."),
    "waited_max_ns": Metric(int, "Longest time from the first to the last segment of an attempt.", "ns"),
    "signed_syns": Metric(int, "Attempts whose SYN is signed with a key (TCP MD5 or TCP-AO)."),
    "older_timestamps": Metric(int, "Attempts whose timestamp is older than one that their address sent before."),
}
RETRIES = HostEvidence((), ("tcp_syn_retries",))  # counters of retransmissions to all hosts are no evidence for one

# By outcome code.
KINDS = {
    REFUSED: Kind(
        "refused",
        "Connections were refused",
        "A RST answered the SYN: nothing listens there, or a device says so.",
        detect,
        COUNTED | DELAY,
        whole_run=True,
    ),
    REJECTED: Kind(
        "rejected",
        "Connections were rejected",
        "An ICMP or ICMPv6 error answered the SYN; its cause names the error.",
        detect,
        COUNTED | DELAY | {"reporters": Metric(list[str], "Addresses that sent the ICMP errors.")},
        whole_run=True,
    ),
    TIMED_OUT: Kind(
        "timed-out",
        "Connections timed out",
        "SYNs went without any answer until the client gave up.",
        detect,
        COUNTED | WAITED,
        whole_run=True,
        at_target=(
            HostEvidence(
                ("listen_overflows", "tcp_req_q_full_drop", "listen_drops"), QUEUE_SETTINGS, causes=("syn-dropped",)
            ),
        ),
        at_client=(RETRIES,),
    ),
    HALF_OPEN: Kind(
        "half-open",
        "Handshakes stayed half-open",
        "The server sent a SYN-ACK and the handshake never completed.",
        detect,
        COUNTED | WAITED,
        whole_run=True,
        at_target=(
            HostEvidence(
                ("listen_overflows", "listen_drops"),
                ("somaxconn", "tcp_abort_on_overflow"),
                causes=("accept-queue-overflow", "reset-by-server"),
            ),
            HostEvidence(
                ("tcp_syn_retrans",),
                ("tcp_synack_retries",),
                causes=("accept-queue-overflow", "no-final-ack", "final-ack-lost"),
            ),
        ),
    ),
}


def roll_up(case: Case, outcome: int) -> list[Finding]:
    """Return the findings of one outcome, over current and expired rows, for the reasons with the most failures."""
    rows = failed(case, outcome)
    parted = group(reasons(case, rows), rows)
    past = expired_attempts(case)
    what = f"servers with connections {VERBS[outcome]}"
    if past is None:
        groups = np.arange(len(parted))
        return largest(KINDS[outcome], what, groups, parted.sizes, lambda g: of_rows(case, outcome, parted.of(g)))
    mine = {int(reasons(case, parted.of(g)[:1])[0]): parted.of(g) for g in range(len(parted))}
    keys, sizes = together(past.sizes(outcome), np.array([*mine], dtype=np.uint64), parted.sizes)
    ordered = keys[np.argsort(-sizes, kind="stable")].tolist()
    return capped(KINDS[outcome], what, ordered, lambda key: of_all(case, past, outcome, key, mine.get(key, rows[:0])))


def failed(case: Case, outcome: int) -> AttemptRows:
    """Return the attempts with this outcome that no other finding explains."""
    return case.attempts.where((case.outcomes.outcome == outcome) & ~excluded(case))


def together(past: tuple[Keys, Indices], keys: Keys, sizes: Indices) -> tuple[Keys, Indices]:
    """Merge two lists of reasons with their failure counts."""
    every, at = np.unique(np.concatenate([past[0], keys]), return_inverse=True)
    return every, np.bincount(at, weights=np.concatenate([past[1], sizes])).astype(np.int64)


def of_rows(case: Case, outcome: int, rows: AttemptRows) -> Finding:
    """Return the finding for these attempts, which share one reason."""
    tally = Tally.of(case, outcome, rows)
    return describe(target(case.attempts, int(rows[0]))[0], outcome, tally, *numbers(case, tally))


def of_all(case: Case, past: ExpiredAttempts, outcome: int, key: int, rows: AttemptRows) -> Finding:
    """Return the finding for the reason with this key: these attempts, and those whose rows have expired."""
    before = past.of(outcome, key)
    if before is None:
        host, tally = target(case.attempts, int(rows[0]))[0], Tally.of(case, outcome, rows)
    else:
        host, tally = before
        tally = tally.plus(Tally.of(case, outcome, rows)) if len(rows) else tally
    kept, gone = numbers(case, tally), [past.numbers(service) for service in tally.services]
    attempts, served = (now + sum(each[at] for each in gone) for at, now in enumerate(kept))
    return describe(host, outcome, tally, attempts, served)


def absorb(past: ExpiredAttempts, case: Case, rows: AttemptRows) -> None:
    """Add the failures among these rows, which are about to expire, to `past`."""
    leaving = np.zeros(len(case.attempts), dtype=bool)
    leaving[rows] = True
    failures = {}
    for outcome in VERBS:
        mine = failed(case, outcome)
        failures[outcome] = mine[leaving[mine]]
    counted = (~excluded(case)).astype(np.int64) | (case.outcomes.outcome == ESTABLISHED).astype(np.int64) << 1
    past.absorb(case, rows, failures, counted[rows])


def numbers(case: Case, tally: Tally) -> tuple[int, int]:
    """Return how many attempts the services of a tally had, and how many were established."""
    if not len(case.attempts):
        return 0, 0
    keys = np.fromiter(tally.services, dtype=np.uint64, count=len(tally.services))
    at, there = places(keys, case.attempts.services)
    attempts, served = tallies(case)
    return int(attempts[at[there]].sum()), int(served[at[there]].sum())


@once
def tallies(case: Case) -> tuple[Indices, Indices]:
    """Return per service the number of attempts that no other finding explains, and of established connections."""
    service, services = case.attempts.service, len(case.attempts.services)
    attempts = np.bincount(service[~excluded(case)], minlength=services)
    return attempts, np.bincount(service[case.outcomes.outcome == ESTABLISHED], minlength=services)


def describe(host: Host, outcome: int, tally: Tally, attempts: int, served: int) -> Finding:
    """Return the finding for one reason."""
    clients, ports, cause = len(tally.clients), sorted({*tally.services.values()}), CAUSES[tally.cause]
    metrics: dict[str, Any] = {
        "connections": tally.connections,
        "attempts": attempts,
        "established": served,
        "failed_ratio": ratio(tally.connections, attempts),
        "cause": cause,
        "ports": ports[:PORTS],
        "port_count": len(ports),
        "clients": clients,
        "undecided": tally.undecided,
        "top_clients": tally.top_clients,
    }
    if outcome in (REFUSED, REJECTED):
        metrics["reject_p50_ns"] = tally.delay_p50_ns
    else:
        metrics |= {
            "repeated_syns": tally.repeated_syns,
            "waited_max_ns": tally.waited_max_ns,
            "signed_syns": tally.signed_syns,
        }
    others = [addr(*each) for each in sorted(tally.answered_from)]
    if others:
        metrics["answered_from"] = others
    if cause == "syn-dropped":
        metrics["older_timestamps"] = tally.older_timestamps
    reporters = [address_text(*each) for each in sorted(tally.reporters)[:REPORTERS]]
    if outcome == REJECTED:
        metrics["reporters"] = reporters
    port = ports[0] if len(ports) == 1 else None
    reasons = [f"{cause}: {others[0]}", *others[1:]] if others else [cause] if cause else []
    if outcome in (TIMED_OUT, HALF_OPEN) and tally.is_signed:
        reasons.append("SYNs signed with a key")
    why = f" ({', '.join(reasons)})" if reasons else ""
    return Finding(
        KINDS[outcome],
        severity(tally.connections, attempts, served, tally.undecided, forged=cause == "bogon-source"),
        title(tally, outcome, attempts, place(host, ports), why),
        host,
        port,
        tally.start_ns,
        tally.end_ns,
        metrics,
        advice(tally, outcome, host, ports, others or reporters),
        tally.frames,
        tally.rows,
    )


def severity(failed: int, attempts: int, served: int, undecided: int, *, forged: bool = False) -> str:
    """Return the severity; forged SYNs say nothing about the service that real clients get."""
    if failed == undecided or failed < NOISE * attempts:
        return "info"
    down = served == 0 and attempts >= DOWN and failed >= MANY * attempts
    return "critical" if down and not forged else "warning"


def title(tally: Tally, outcome: int, attempts: int, where: str, why: str) -> str:
    """Format how many attempts failed, from how many clients and after how long; one attempt is not counted."""
    waited = tally.waited_max_ns if outcome in (TIMED_OUT, HALF_OPEN) else 0
    if attempts == 1:
        late = f" after {duration(waited)}" if waited else ""
        return f"The connection to {where} {VERBS_OF_ONE[outcome]}{why}{late}"
    text = f"{tally.connections:,} of {attempts:,} connections to {where} {VERBS[outcome]}{why}"
    if tally.connections == 1:
        return f"{text} after {duration(waited)}" if waited else text
    late = f", after waiting up to {duration(waited)}" if waited else ""
    return f"{text}, from {plural(len(tally.clients), 'client')}{late}"
