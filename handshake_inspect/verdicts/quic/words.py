"""The words of QUIC verdicts, in the order of their codes in columns."""

from typing import Literal

QuicOutcome = Literal["established", "rejected", "timed-out", "pending", "failed"]
QUIC_OUTCOMES: tuple[QuicOutcome, ...] = ("established", "rejected", "timed-out", "pending", "failed")
ESTABLISHED, REJECTED, TIMED_OUT, PENDING, FAILED = range(5)

# Why a connection failed; those rejected by an ICMP error have TCP's causes.
FAILURES = ("closed-by-server", "closed-by-client", "no-common-version", "stuck")
CLOSED_BY_SERVER, CLOSED_BY_CLIENT, NO_COMMON_VERSION, STUCK = range(4)
NOT_FAILED = -1

QuicEarlyData = Literal["accepted", "rejected", "offered"]
