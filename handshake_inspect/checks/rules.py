"""The rules of `hsi check`: parsing their text and what they assert."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, get_args

from handshake_inspect.checks import patterns
from handshake_inspect.checks.limits import STATISTIC, CountLimit, TimeLimit
from handshake_inspect.checks.setup_rules import (
    AllowedServer,
    MinResumedShare,
    MinTlsVersion,
)
from handshake_inspect.errors import UsageError
from handshake_inspect.expression.language import parse
from handshake_inspect.expression.predicates import Predicate
from handshake_inspect.report.words import OUTCOMES, FindingId, Severity

# The connections that each `max-…` rule counts.
COUNT_EXPRESSIONS = {
    "refused": "outcome == refused",
    "rejected": "outcome == rejected",
    "timed-out": "outcome == timed-out",
    "half-open": "outcome == half-open",
    "aborted": "outcome == aborted",
    "failed": "outcome in {refused, rejected, timed-out, half-open}",
    "retransmitted": (
        "handshake.syn_count > 1 or handshake.synack_count > 1"
        " or client_to_server.retransmissions > 0 or server_to_client.retransmissions > 0"
    ),
}
Undecided = Literal["fail", "ignore"]

_RTT = re.compile(r"(?:(?P<server>\S+) +)?(?P<leg>synack|ackdat|total)" + STATISTIC)
# Shorthands for limits on the total handshake RTT, and the statistic that each limits.
RTT_SHORTHANDS = {"max-rtt": "max", "max-p50": "p50", "max-p90": "p90", "max-p95": "p95", "max-p99": "p99"}
_LIMIT = re.compile(r"(?:(?P<server>\S+) +)?(?P<limit>[0-9.]+ ?[a-zµμ]+)")
_EXPECT = re.compile(
    r"(?P<server>\S+) +(?P<outcomes>[a-z-]+(?:\|[a-z-]+)*)"
    r"(?: +(?P<count>all|none|>=?[0-9]+|<=?[0-9]+|[0-9]*\.\.[0-9]*|[0-9]+))?"
)


@cache
def counted(rule: str) -> Predicate:
    """Return the connections that a rule such as `max-refused` counts."""
    return parse(COUNT_EXPRESSIONS[rule.removeprefix("max-")])


def rtt_limit(text: str) -> TimeLimit:
    """Parse `total.p95<50ms` or `10.0.0.2:443 synack.max <= 5 ms`."""
    match = _RTT.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"rtt: {text!r} is not a valid rule: write leg.statistic<limit, such as total.p95<50ms"
            " or '10.0.0.2:443 synack.max<5ms'"
        )
    return TimeLimit.of("rtt", text, match, match["leg"])


def total_rtt_limit(rule: str, text: str) -> TimeLimit:
    """Parse `50ms` or `10.0.0.2:443 5ms` for a shorthand such as `max-p95`: an inclusive limit on the total RTT."""
    match = _LIMIT.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{rule}: {text!r} is not a time: write 50ms, or '10.0.0.2:443 5ms'")
    return TimeLimit.of(rule, text, match, "total", RTT_SHORTHANDS[rule], inclusive=True)


@dataclass(frozen=True)
class Expectation:
    """A required number of connections to a server with one of some outcomes; `least` None means all of them."""

    text: str
    server: Predicate
    outcomes: tuple[str, ...]
    least: int | None
    most: int | None

    @classmethod
    def of(cls, text: str) -> Expectation:
        """Parse `10.0.0.2:443 established`, `10.0.0.0/24:80,443 refused|rejected 2..5` or `*:22 established none`."""
        match = _EXPECT.fullmatch(text.strip())
        if match is None:
            raise UsageError(
                f"expect: {text!r} is not a valid rule: write server, outcome and count,"
                " such as '10.0.0.2:443 established 3..5'"
            )
        outcomes = tuple(match["outcomes"].split("|"))
        unknown = [word for word in outcomes if word not in OUTCOMES]
        if unknown:
            raise UsageError(f"expect: {text!r}: no outcome {unknown[0]}; choose from {', '.join(OUTCOMES)}")
        least, most = _bounds(match["count"])
        if least is not None and most is not None and least > most:
            raise UsageError(f"expect: {text!r}: the range ends before it begins")
        return cls(f"expect {text.strip()}", patterns.server(match["server"]), outcomes, least, most)


def _bounds(count: str | None) -> tuple[int | None, int | None]:
    if count is None:
        return 1, None
    if count in ("all", "none"):
        return (None, None) if count == "all" else (0, 0)
    if ".." in count:
        low, _, high = count.partition("..")
        return int(low or 0), int(high) if high else None
    number = int(count.lstrip("<>="))
    if count.startswith(">"):
        return number + ("=" not in count), None
    if count.startswith("<"):
        return 0, number - ("=" not in count)
    return number, number


@dataclass(frozen=True)
class Rules:
    """All rules of one run of `hsi check`."""

    count_limits: tuple[CountLimit, ...] = ()
    rtt: tuple[TimeLimit, ...] = ()
    setup: tuple[TimeLimit, ...] = ()
    min_tls: tuple[MinTlsVersion, ...] = ()
    min_resumed: tuple[MinResumedShare, ...] = ()
    max_tls_failed: tuple[CountLimit, ...] = ()
    max_extra_round_trips: tuple[CountLimit, ...] = ()
    allow: tuple[AllowedServer, ...] = ()
    expect: tuple[Expectation, ...] = ()
    no_finding: tuple[str, ...] = ()
    fail_on: str | None = None
    min_connections: int = 1
    ignore: tuple[tuple[str, Predicate], ...] = ()
    strict: bool = False
    undecided: Undecided = "ignore"
    given: frozenset[str] = field(default_factory=frozenset)  # names of the rules that were set explicitly


def finding_id(text: str) -> str:
    """Return `text` if it is the id of a finding; UsageError otherwise."""
    known = get_args(FindingId)
    if text not in known:
        raise UsageError(f"no-finding: there is no finding {text!r}; choose from {', '.join(known)}")
    return text


def severity(text: str) -> str:
    """Return `text` if it is a severity; UsageError otherwise."""
    known = get_args(Severity)
    if text not in known:
        raise UsageError(f"fail-on: {text!r} is not a severity; choose from {', '.join(known)}")
    return text


def ignored(text: str) -> tuple[str, Predicate]:
    """Parse the expression of an `ignore` rule; return its text and predicate."""
    try:
        return text, parse(text)
    except UsageError as error:
        error.args = (f"ignore: {error.args[0]}",)
        raise
