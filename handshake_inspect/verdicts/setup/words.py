"""The words of set-ups, in the order of their codes in columns."""

from typing import Literal

Protocol = Literal["plain", "tls", "quic"]
PROTOCOLS: tuple[Protocol, ...] = ("plain", "tls", "quic")

Question = Literal["A", "AAAA", "HTTPS"]
Upgrade = Literal[
    "smtp", "imap", "pop3", "ftp", "xmpp", "ldap", "postgresql", "mysql", "rdp", "socks", "http-connect", "other"
]

SpanName = Literal["lookup", "before_connect", "tcp", "before_tls", "tls", "quic", "before_request", "response", "first_byte"]  # fmt: skip  # noqa: E501
SPANS: tuple[SpanName, ...] = (
    "lookup", "before_connect", "tcp", "before_tls", "tls", "quic", "before_request", "response", "first_byte",
)  # fmt: skip

SpanMethod = Literal["exact", "lost", "cut", "tickets-skipped", "ambiguous", "none"]
SPAN_METHODS: tuple[SpanMethod, ...] = ("exact", "lost", "cut", "tickets-skipped", "ambiguous", "none")
EXACT, LOST, CUT, TICKETS_SKIPPED, AMBIGUOUS, NONE = range(6)

# Why a span that began has no bounds.
SpanReason = Literal["no-opening", "one-sided", "not-finished", "no-response", "unknown"]
SPAN_REASONS: tuple[SpanReason, ...] = ("no-opening", "one-sided", "not-finished", "no-response", "unknown")
NO_OPENING, ONE_SIDED, NOT_FINISHED, NO_RESPONSE, UNREAD = range(5)

TlsOutcome = Literal["established", "failed", "no-answer", "not-tls", "pending", "unknown"]
TLS_OUTCOMES: tuple[TlsOutcome, ...] = ("established", "failed", "no-answer", "not-tls", "pending", "unknown")
TLS_ESTABLISHED, TLS_FAILED, TLS_NO_ANSWER, TLS_NOT_TLS, TLS_PENDING, TLS_UNKNOWN = range(6)

TlsKind = Literal["full", "resumed"]
TLS_KINDS: tuple[TlsKind, ...] = ("full", "resumed")

EarlyData = Literal["accepted", "rejected", "offered"]
EARLY_DATA: tuple[EarlyData, ...] = ("accepted", "rejected", "offered")

ClientCertificate = Literal["sent", "withheld"]
CLIENT_CERTIFICATES: tuple[ClientCertificate, ...] = ("sent", "withheld")

ExtraReason = Literal["hello-retry", "retry", "version-negotiation", "window", "amplification", "loss", "nagle"]

MILESTONES = (
    "client_hello", "hello_retry", "client_hello_2", "server_hello", "server_finished", "client_finished",
    "early_data", "greeting", "request", "response",
)  # fmt: skip

SAVEABLE = ("reuse_ns", "tls13_ns", "resumption_ns", "early_data_ns", "quic_ns", "quic_early_data_ns")
