"""The rules of `hsi check` on connection set-up and server names: parsing their text."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase

from handshake_inspect.checks import patterns
from handshake_inspect.checks.limits import STATISTIC, TimeLimit
from handshake_inspect.errors import UsageError
from handshake_inspect.expression.language import parse
from handshake_inspect.expression.predicates import Predicate

# The names of spans in rules, and their fields.
SPANS = {
    **{
        name: f"setup.spans.{name}"
        for name in ("lookup", "before_connect", "tcp", "before_tls", "tls", "before_request", "response", "first_byte")
    },
    "server.hello": "setup.server.hello",
    "server.response": "setup.server.response",
    "client.finished": "setup.client.finished",
}
QUIC = "quic"  # a span of QUIC connections only; they share the spans with the same meaning
VERSIONS = ("SSL 2.0", "SSL 3.0", "1.0", "1.1", "1.2", "1.3")
TLS_BEGUN = 'tls.outcome in {"established", "failed", "no-answer", "not-tls"}'
TLS_FAILED = 'tls.outcome in {"failed", "no-answer", "not-tls"}'
TLS_ESTABLISHED = 'tls.outcome == "established"'

_SETUP = re.compile(r"(?:(?P<server>\S+) +)?(?P<span>[a-z_]+(?:\.[a-z_]+)?)" + STATISTIC)
_VERSION = re.compile(r"(?:(?P<server>\S+) +)?(?P<version>1\.[0-3])")
_SHARE = re.compile(r"(?:(?P<server>\S+) +)?(?P<number>[0-9]{1,3}(?:\.[0-9]{1,6})?) ?%")


def span_limit(text: str) -> TimeLimit:
    """Parse `tls.p95<100ms`, `*:443 first_byte.median<300ms` or `server.hello.max<=50 ms`."""
    match = _SETUP.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"setup: {text!r} is not a valid rule: write span.statistic<limit, such as tls.p95<100ms"
            " or '*:443 first_byte.median<300ms'"
        )
    if match["span"] not in (*SPANS, QUIC):
        raise UsageError(f"setup: {text!r}: no span {match['span']}; choose from {', '.join((*SPANS, QUIC))}")
    return TimeLimit.of("setup", text, match, match["span"])


@dataclass(frozen=True)
class MinTlsVersion:
    """The minimum TLS version of established TLS connections."""

    text: str
    version: str
    server: Predicate | None = None

    @classmethod
    def of(cls, text: str) -> MinTlsVersion:
        """Parse `1.2` or `10.0.0.2:443 1.3`."""
        match = _VERSION.fullmatch(text.strip())
        if match is None:
            raise UsageError(f"min-tls: {text!r} is not a version of TLS: write 1.2, 1.3, or '*:443 1.3'")
        return cls(f"min-tls {text.strip()}", match["version"], patterns.server_of(match))

    @property
    def older(self) -> tuple[str, ...]:
        """The versions that break the rule."""
        return VERSIONS[: VERSIONS.index(self.version)]


@dataclass(frozen=True)
class MinResumedShare:
    """The minimum percentage of established TLS connections that resumed a session."""

    text: str
    percent: Decimal
    server: Predicate | None = None

    @classmethod
    def of(cls, text: str) -> MinResumedShare:
        """Parse `50%` or `10.0.0.2:443 80 %`."""
        match = _SHARE.fullmatch(text.strip())
        if match is None or Decimal(match["number"]) > 100:
            raise UsageError(f"min-resumed: {text!r} is not a percentage (such as 50%, or '*:443 80%')")
        return cls(f"min-resumed {text.strip()}", Decimal(match["number"]), patterns.server_of(match))


@dataclass(frozen=True)
class AllowedServer:
    """A name (with `*` wildcards) or network that clients may connect to."""

    text: str
    name: str | None
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None

    @classmethod
    def of(cls, text: str) -> AllowedServer:
        """Parse `*.example.org`, `api.example.org`, `10.0.0.0/8` or `2001:db8::1`."""
        try:
            return cls(text, None, ipaddress.ip_network(text, strict=False))
        except ValueError:
            pass
        if not re.fullmatch(r"[A-Za-z0-9_*?-]+(?:\.[A-Za-z0-9_*?-]+)*\.?", text):
            raise UsageError(
                f"allow: {text!r} is neither a name nor a network: write *.example.org, api.example.org or 10.0.0.0/8"
            )
        return cls(text, text.lower().rstrip("."), None)

    def holds(self, name: str | None, address: str) -> bool:
        """Whether a connection to this name and address is allowed."""
        if self.network is not None:
            return ipaddress.ip_address(address) in self.network
        return name is not None and self.name is not None and fnmatchcase(name.lower().rstrip("."), self.name)


begun, failed, established = (parse(text) for text in (TLS_BEGUN, TLS_FAILED, TLS_ESTABLISHED))
