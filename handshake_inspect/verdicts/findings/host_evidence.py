"""Counters and settings of the capturing host, put to the findings that they bear on.

Only findings about this host are given its evidence: those whose target is an address of this host, and some of which
all clients that are cited are.  A capture on a router or on a mirror port is of others, who count for themselves.

And only findings that it can explain: a queue that overflowed drops the SYNs of a port that lives, or a final ACK; it
makes no host silent, filters no port, and loses nothing on the way to the client.  What this host is set to already is
not recommended to it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from handshake_inspect.verdicts.finding import Case, Finding
from handshake_inspect.verdicts.findings.evidence import client
from handshake_inspect.verdicts.findings.steps import STEPS, left, sentence
from handshake_inspect.verdicts.host import WORDS, counted, set_to


class Evidence(NamedTuple):
    """What bears on a kind of finding: counters and settings by the keys of a report, the most telling first."""

    counters: tuple[str, ...]
    settings: tuple[str, ...]
    denies: bool = False  # a listener of this namespace would have moved the first of the counters
    causes: tuple[str, ...] = ()  # that it can explain, where that is not all: of a roll-up, or of what was lost

    def explains(self, metrics: Mapping[str, Any]) -> bool:
        """Whether it can explain a finding with these metrics."""
        found = {metrics.get("cause"), *(what for what, count in metrics.get("lost", {}).items() if count)}
        return not self.causes or not found.isdisjoint(self.causes)


QUEUES = ("somaxconn", "tcp_max_syn_backlog", "tcp_syncookies")
PORTS = ("ip_local_port_range", "tcp_tw_reuse")

# Of findings whose target is this host.
AT_TARGET = {
    "accept-queue-overflow": (
        Evidence(("listen_overflows", "listen_drops"), ("somaxconn", "tcp_abort_on_overflow"), denies=True),
    ),
    "syn-cookies": (
        Evidence(
            ("syncookies_sent", "syncookies_recv", "syncookies_failed", "tcp_req_q_full_do_cookies"),
            QUEUES,
            denies=True,
        ),
    ),
    "syn-flood": (
        Evidence(
            ("syncookies_sent", "tcp_req_q_full_do_cookies", "tcp_req_q_full_drop", "listen_overflows", "listen_drops"),
            (*QUEUES, "tcp_synack_retries"),
        ),
    ),
    "timed-out": (
        Evidence(("listen_overflows", "tcp_req_q_full_drop", "listen_drops"), QUEUES, causes=("syn-dropped",)),
    ),
    "half-open": (
        Evidence(
            ("listen_overflows", "listen_drops"),
            ("somaxconn", "tcp_abort_on_overflow"),
            causes=("accept-queue-overflow", "reset-by-server"),
        ),
        Evidence(
            ("tcp_syn_retrans",),
            ("tcp_synack_retries",),
            causes=("accept-queue-overflow", "no-final-ack", "final-ack-lost"),
        ),
    ),
    "syn-retransmission": (
        Evidence(
            ("listen_overflows", "tcp_req_q_full_drop", "listen_drops"),
            QUEUES,
            causes=("syn_after_capture", "unknown"),
        ),
        Evidence(("tcp_syn_retrans",), ("tcp_synack_retries",)),
    ),
    "time-wait-pressure": (Evidence(("tcp_time_wait_overflow",), ("tcp_max_tw_buckets",)),),
}
# Of findings whose clients are this host.
AT_CLIENT = {
    "timed-out": (Evidence(("tcp_syn_retrans",), ("tcp_syn_retries",)),),
    "syn-retransmission": (Evidence(("tcp_syn_retrans",), ("tcp_syn_retries",)),),
    "time-wait-pressure": (Evidence(("tcp_time_wait_overflow",), PORTS),),
    "connection-churn": (Evidence((), PORTS),),
    "port-reuse": (Evidence((), PORTS),),
}


def with_host(case: Case, found: Finding) -> Finding:
    """The finding with this host's own numbers, where it is about this host."""
    host = case.host
    given = evidence_for(case, found)
    if host is None or not given:
        return found
    counters = known(host.counters, (key for each in given for key in each.counters))
    settings = known(host.settings, (key for each in given for key in each.settings))
    steps = STEPS.get(found.id, ())
    advice = sentence(left(steps, settings)) if steps and found.advice == sentence(steps) else found.advice
    return replace(
        found,
        title=found.title + remark(counters, denied=is_denied(given[0], counters)),
        metrics=found.metrics | {f"host_{key}": value for key, value in (counters | settings).items()},
        advice=advice.removesuffix(".") + f"; here {set_to(settings)}." if settings else advice,
    )


def evidence_for(case: Case, found: Finding) -> list[Evidence]:
    """What of this host bears on the finding."""
    host = case.host
    if host is None or found.host is None:
        return []
    given = list(AT_TARGET.get(found.id, ())) if host.has(found.host) else []
    if found.id in AT_CLIENT and found.connections:
        clients = {client(case.trace, row)[0] for row in found.connections}
        given += AT_CLIENT[found.id] if all(map(host.has, clients)) else ()
    return [each for each in given if each.explains(found.metrics)]


def known(numbers: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Those of the numbers that this kernel has, each once."""
    return {key: numbers[key] for key in dict.fromkeys(keys) if numbers.get(key) is not None}


def is_denied(evidence: Evidence, counters: dict[str, int]) -> bool:
    """Whether this host counted nothing of what the wire shows."""
    return evidence.denies and counters.get(evidence.counters[0]) == 0


def remark(counters: dict[str, int], *, denied: bool) -> str:
    """What this host counted, to follow a title."""
    words = counted(counters)
    if denied:
        nothing = f"no {WORDS[next(iter(counters))][0]}"
        return f"; this host counted {nothing} meanwhile: is the listener in another network namespace?"
    return f"; this host counted {words} meanwhile" if words else ""
