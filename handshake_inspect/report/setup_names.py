"""Names and lists from ClientHello and ServerHello, which rows refer to by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from handshake_inspect.report.setup_columns import Coded, of_tls
from handshake_inspect.verdicts.setup.tls_words import version_text
from handshake_inspect.verdicts.setup.words import TLS_ESTABLISHED
from handshake_inspect.wire.text import printable

named: Coded = of_tls(lambda seen: np.where(seen["hello"] > 0, seen["hello"], -1))


def chosen_protocol(setup: Any) -> Any:
    """Return a code for the ALPN protocol: 2 n for protocol n in ServerHello, 2 n + 1 for ClientHello n, else -1.

    TLS 1.3 encrypts the server's choice, so the protocol is known only if the ClientHello offers a single one.
    """
    seen = setup.seen
    hidden = seen.is_13 & (setup.outcomes == TLS_ESTABLISHED) & (seen["hello"] > 0)
    return np.where(seen.tls & (seen["alpn"] > 0), 2 * seen["alpn"], np.where(hidden, 2 * seen["hello"] + 1, -1))


def protocol_text(trace: Any, number: int) -> str:
    """Return the chosen protocol, or for TLS 1.3 the only one offered."""
    if not visible(trace):
        return ""
    if number % 2 == 0:
        return text(trace.names.text(number // 2))
    offered = trace.names.facts(number // 2)[1]
    return text(offered[0]) if len(offered) == 1 else ""


def server_name(trace: Any, number: int) -> str:
    """Return the SNI of a ClientHello."""
    return text(trace.names.facts(number)[0] or b"") if visible(trace) else ""


def protocols_offered(trace: Any, number: int) -> list[str] | None:
    """Return the ALPN protocols that a ClientHello offers."""
    return [text(each) for each in trace.names.facts(number)[1]] if visible(trace) else None


def versions_offered(trace: Any, number: int) -> list[str]:
    """Return the TLS versions that a ClientHello offers."""
    return [version_text(each) for each in trace.names.facts(number)[2]]


def visible(trace: Any) -> bool:
    """Whether names may be shown; the sites that somebody visits are personal data."""
    return trace.names is not None and trace.limits.names


def text(data: bytes) -> str:
    """Decode untrusted bytes as text without control characters."""
    return printable(data.decode("ascii", "backslashreplace"))
