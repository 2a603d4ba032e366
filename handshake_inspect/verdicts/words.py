"""Outcome and cause words, and their codes in columns."""

from typing import Literal

Outcome = Literal[
    "established", "refused", "rejected", "timed-out", "pending", "half-open", "aborted", "unsolicited", "midstream"
]
OUTCOMES: tuple[Outcome, ...] = (
    "established",
    "refused",
    "rejected",
    "timed-out",
    "pending",
    "half-open",
    "aborted",
    "unsolicited",
    "midstream",
)
ESTABLISHED, REFUSED, REJECTED, TIMED_OUT, PENDING, HALF_OPEN, ABORTED, UNSOLICITED, MIDSTREAM = range(9)

# Code 0 is "no cause".
CAUSES = (
    None,
    "closed-port",
    "middlebox-reset",
    "host-silent",
    "port-filtered",
    "syn-dropped",
    "no-final-ack",
    "deferred-accept",
    "accept-queue-overflow",
    "reset-by-server",
    "closed",
    "reset-by-client",
    "half-closed",
    "cancelled",
    "backscatter",
    "one-sided",
    "stray-answer",
    "net-unreachable",
    "host-unreachable",
    "protocol-unreachable",
    "port-unreachable",
    "source-route-failed",
    "net-unknown",
    "host-unknown",
    "net-prohibited",
    "host-prohibited",
    "admin-prohibited",
    "ttl-exceeded",
    "reassembly-timeout",
    "parameter-problem",
    "beyond-scope",
    "policy-failed",
    "reject-route",
    "icmp-error",
    "reset-by-middlebox",
    "dead-peer",
    "address-conflict",
    "final-ack-lost",
    "refused-while-serving",
    "answered-from-elsewhere",
    "bogon-source",
)
CAUSE = {cause: number for number, cause in enumerate(CAUSES) if cause}

# Version, type and code of ICMP (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1) and ICMPv6 (RFC 4443).
ICMP_CAUSES = {
    (4, 3, 0): "net-unreachable",
    (4, 3, 1): "host-unreachable",
    (4, 3, 2): "protocol-unreachable",
    (4, 3, 3): "port-unreachable",
    (4, 3, 5): "source-route-failed",
    (4, 3, 6): "net-unknown",
    (4, 3, 7): "host-unknown",
    (4, 3, 8): "host-unreachable",
    (4, 3, 9): "net-prohibited",
    (4, 3, 10): "host-prohibited",
    (4, 3, 11): "net-unreachable",
    (4, 3, 12): "host-unreachable",
    (4, 3, 13): "admin-prohibited",
    (4, 3, 14): "admin-prohibited",
    (4, 3, 15): "admin-prohibited",
    (4, 11, 0): "ttl-exceeded",
    (4, 11, 1): "reassembly-timeout",
    (4, 12, 0): "parameter-problem",
    (6, 1, 0): "net-unreachable",
    (6, 1, 1): "admin-prohibited",
    (6, 1, 2): "beyond-scope",
    (6, 1, 3): "host-unreachable",
    (6, 1, 4): "port-unreachable",
    (6, 1, 5): "policy-failed",
    (6, 1, 6): "reject-route",
    (6, 3, 0): "ttl-exceeded",
    (6, 3, 1): "reassembly-timeout",
    (6, 4, 0): "parameter-problem",
    (6, 4, 1): "parameter-problem",
    (6, 4, 2): "parameter-problem",
}
ICMP_OTHER = "icmp-error"
