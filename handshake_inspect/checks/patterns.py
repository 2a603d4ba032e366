"""Parsers that rules share: server patterns, statistics and time limits.  Examples of server patterns:

10.0.0.2:443   10.0.0.0/24:80,443   [2001:db8::/32]:8000-8100   *:443   10.0.0.2
"""

from __future__ import annotations

import ipaddress
import re
from decimal import Decimal

from handshake_inspect.errors import UsageError
from handshake_inspect.expression.literals import duration_ns
from handshake_inspect.expression.predicates import And, IsKnown, Membership, Predicate
from handshake_inspect.report.fields import find
from handshake_inspect.wire.address import address_halves

_BRACKETED_IPV6 = re.compile(r"\[([0-9A-Fa-f:./]+)\](?::(.+))?")
_PORTS = re.compile(r"\{?([0-9]{1,5}(?:(?:-|\.\.)[0-9]{1,5})?(?:,[0-9]{1,5}(?:(?:-|\.\.)[0-9]{1,5})?)*)\}?")


def server(text: str) -> Predicate:
    """Parse a server pattern into a predicate; UsageError if it is invalid."""
    host, ports = _split(text)
    parts: list[Predicate] = []
    if host != "*":
        parts.append(_host(text, host))
    if ports not in (None, "*"):
        parts.append(_ports(text, str(ports)))
    return And(tuple(parts)) if parts else IsKnown(find("id"))


def server_of(match: re.Match[str]) -> Predicate | None:
    """Return the predicate for the server named in a rule, or None."""
    return server(match["server"]) if match["server"] else None


def names(test: Predicate | None, ip: str, port: int) -> bool:
    """Whether a server pattern matches an endpoint that is not in the columns, such as that of a QUIC connection."""
    if isinstance(test, And):
        return all(names(part, ip, port) for part in test.parts)
    if not isinstance(test, Membership):
        return True
    value = address_halves(ip) if test.field == find("server.ip") else port
    return any(low <= value <= high for low, high in test.ranges)


def statistic_of(rule: str, text: str, match: re.Match[str]) -> str:
    """Return the statistic (`min`, `max` or a percentile such as `p95`); UsageError if out of range."""
    statistic = "p50" if match["statistic"] == "median" else match["statistic"]
    if statistic.startswith("p") and not 0 < Decimal(statistic[1:]) <= 100:
        raise UsageError(f"{rule}: {text!r}: a percentile is above 0 and at most 100")
    return statistic


def limit_ns(rule: str, text: str, match: re.Match[str]) -> int:
    """Return the time limit of a rule in nanoseconds."""
    try:
        return duration_ns(match["limit"])
    except ValueError as error:
        raise UsageError(f"{rule}: {text!r}: {error}") from None


def _split(text: str) -> tuple[str, str | None]:
    bracketed = _BRACKETED_IPV6.fullmatch(text)
    if bracketed:
        return bracketed[1], bracketed[2]
    host, colon, ports = text.rpartition(":")
    if text.count(":") > 1:  # a bare IPv6 address
        return text, None
    return (host, ports) if colon else (text, None)


def _host(text: str, host: str) -> Predicate:
    try:
        network = ipaddress.ip_network(host, strict=False)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a server: write address:port, network/length:ports or *:port ([v6]:port for IPv6)"
        ) from None
    return Membership(
        find("server.ip"), ((address_halves(str(network[0])), address_halves(str(network.broadcast_address))),)
    )


def _ports(text: str, ports: str) -> Predicate:
    match = _PORTS.fullmatch(ports)
    if match is None:
        raise UsageError(f"{text!r}: {ports!r} are not ports: write 443, 80,443 or 8000-8100")
    ranges = []
    for item in match[1].split(","):
        low, _, high = item.replace("..", "-").partition("-")
        ranges.append((int(low), int(high or low)))
        if not ranges[-1][0] <= ranges[-1][1] <= 0xFFFF:
            raise UsageError(f"{text!r}: {item} is not a range of ports")
    return Membership(find("server.port"), tuple(ranges))
