"""What no two verdicts may say of one connection: every pair of findings that cites it, and its outcome and cause.

Each explanation excludes the others of its set.  What may stand together does not appear: trouble that was overcome
(`accept-queue-overflow` that recovered, `syn-retransmission`, a slow handshake) beside how the connection ended, and
what is said of a host's habits (`predictable-isn`, `syn-cookies`, `connection-churn`, `time-wait-pressure`).
"""

import pkgutil
import sys
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from handshake_inspect.verdicts import findings

ROLL_UPS = ("refused", "rejected", "timed-out", "half-open")

# Of each set, one at most explains a connection.
EXCLUSIVE = [
    # who ended it, or did not take it: the application, another host, a box on the path, nobody behind the port
    {"accept-queue-overflow", "address-conflict", "rst-injection", "early-reset"},
    {"address-conflict", "rst-injection", "early-reset", "stale-peer", "keep-alive-race", "idle-timeout"},
    # why it is silent
    {"path-mtu", "stalled", "accept-queue-overflow"},
    {"path-mtu", "early-reset"},
    # an attempt belongs to a flood, a scan, or a user whose failure is rolled up
    {"syn-flood", "port-scan", *ROLL_UPS},
    {"accept-queue-overflow", "port-scan", "syn-flood"},
    *({each, *ROLL_UPS} for each in ("accept-queue-overflow", "address-conflict", "rst-injection", "early-reset")),
    *({each, *ROLL_UPS} for each in ("path-mtu", "stalled", "idle-timeout", "keep-alive-race")),
    {"backscatter", "syn-flood", "port-scan"},
    {"backscatter", "reflection", "stale-peer"},
]

# The outcomes that a finding may be about.
OUTCOMES = {
    **{word: {word} for word in ROLL_UPS},
    "accept-queue-overflow": {"established", "half-open"},
    "early-reset": {"established"},
    "path-mtu": {"established", "midstream"},
    "stalled": {"established", "midstream"},
    "keep-alive-race": {"established", "midstream"},
    "idle-timeout": {"established", "midstream"},
    "slow-client-ack": {"established", "half-open", "aborted"},
}

# What the cause of a connection leaves no room for.
FORBIDDEN = {
    "accept-queue-overflow": {"address-conflict", "rst-injection", "path-mtu", "stalled", "early-reset"},
    "address-conflict": {"accept-queue-overflow", "rst-injection", "early-reset", "stale-peer"},
    "final-ack-lost": {"accept-queue-overflow", "address-conflict", "rst-injection", "early-reset"},
    "reset-by-middlebox": {"accept-queue-overflow", "address-conflict", "early-reset", "stale-peer", "half-open"},
    "middlebox-reset": {"refused", "address-conflict"},
    "closed-port": {"rst-injection"},
    "deferred-accept": {"accept-queue-overflow"},
    "no-final-ack": {"accept-queue-overflow"},
}

# What the cause of a connection asks for, unless a flood or a scan explains it: some finding that says so.
ASKS_FOR = {
    "reset-by-middlebox": {"rst-injection"},
    "middlebox-reset": {"rst-injection"},
    "address-conflict": {"address-conflict"},
    "final-ack-lost": {"half-open"},
}


def cite_all(monkeypatch: Any) -> None:
    """Have findings cite all their connections, not only the first few."""
    for module in pkgutil.iter_modules(findings.__path__, f"{findings.__name__}."):
        if hasattr(sys.modules[module.name], "CITED"):
            monkeypatch.setattr(f"{module.name}.CITED", 1 << 30)


def contradictions(report: dict[str, Any]) -> Iterator[str]:
    """What contradicts itself in a report whose findings cite all their connections."""
    said: dict[int, set[str]] = {}
    for finding in report["findings"]:
        for number in finding["evidence"]["connections"]:
            said.setdefault(number, set()).add(finding["id"])
    for connection in report["connections"]:
        mine = said.get(connection["id"], set())
        for what in _of(connection, mine):
            yield f"connection {connection['id']} ({connection['outcome']}, {connection['cause']}): {what}"


def _of(connection: dict[str, Any], said: set[str]) -> Iterator[str]:
    for one, other in combinations(sorted(said), 2):
        if any({one, other} <= each for each in EXCLUSIVE):
            yield f"{one} and {other}"
    for one in sorted(said):
        if connection["outcome"] not in OUTCOMES.get(one, {connection["outcome"]}):
            yield f"{one} is not about such an outcome"
    cause = connection["cause"]
    for one in sorted(said & FORBIDDEN.get(cause, set())):
        yield f"{one} is another cause"
    wanted = ASKS_FOR.get(cause, said)
    if connection["decided"] and not said & (wanted | {"syn-flood", "port-scan"}) and wanted:
        yield f"no finding of {sorted(wanted)}"
