"""The set-up of a connection as rows of a waterfall chart, with time attributed to network, server and client."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from handshake_inspect.report.connection import Connection
from handshake_inspect.report.setup import OwnTime, Saveable, Setup, Span
from handshake_inspect.wire.text import duration, listing

Whose = Literal["network", "prologue", "server", "client", "either"]

# Label of each span, and who its time is attributed to, except for the ends' own times within it.
_ROWS: dict[str, tuple[str, Whose]] = {
    "lookup": ("lookup", "network"),
    "before_connect": ("client waits", "client"),
    "tcp": ("TCP", "network"),
    "before_tls": ("client waits", "client"),
    "tls": ("TLS", "network"),
    "quic": ("QUIC", "network"),
    "before_request": ("client waits", "client"),
    "response": ("answer", "network"),
}
_SAVED = {
    "tls13_ns": "TLS 1.3", "resumption_ns": "a resumed session", "early_data_ns": "early data", "quic_ns": "QUIC",
    "quic_early_data_ns": "QUIC with early data",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One span: durations in ns, and its parts in order with their attribution."""

    label: str
    start_ns: int
    value_ns: int | None
    min_ns: int
    max_ns: int
    round_trips: int | None
    parts: tuple[tuple[Whose, int], ...]
    beside: bool  # the request did not wait for its end


def rows(setup: Setup) -> list[Row]:
    """Return the measured spans, from the first SYN on."""
    return list(_rows(setup))


def _rows(setup: Setup) -> Iterator[Row]:
    shaken = setup.spans.tls or setup.spans.quic
    early = shaken is not None and shaken.round_trips == 0
    for name in _ROWS:
        span: Span | None = getattr(setup.spans, name)
        if span is None or span.min_ns is None or not span.max_ns or span.start_ns is None:
            continue
        label, whose = _row(setup, name)
        parts = tuple(_parts(setup, name, span, whose))
        beside = early and name in ("tls", "quic")
        yield Row(label, span.start_ns, span.value_ns, span.min_ns, span.max_ns, span.round_trips, parts, beside)


def _row(setup: Setup, name: str) -> tuple[str, Whose]:
    """Return the label of a span and its attribution, except for the ends' own times within it."""
    if name == "before_tls" and setup.upgrade is not None:
        return f"{setup.upgrade} first", "prologue"
    if name == "before_request" and setup.speaks_first == "server" and setup.upgrade is None:
        return "greeting", "prologue"
    return _ROWS[name]


def _parts(setup: Setup, name: str, span: Span, whose: Whose) -> Iterator[tuple[Whose, int]]:
    """Split a span: network first, then the ends' own times; undecidable time comes last."""
    total = span.value_ns if span.value_ns is not None else span.min_ns or 0
    left = total - min(_held(setup, name), total)
    taken: list[tuple[Whose, int]] = []
    for end, own in _own(setup, name, whose):
        taken.append((end, min(own, left)))
        left -= taken[-1][1]
    first: Whose = "prologue" if whose == "prologue" else "network"
    yield first, total - sum(part for _, part in taken)
    yield from taken
    if span.value_ns is None:
        yield "either", (span.max_ns or 0) - total


def _own(setup: Setup, name: str, whose: Whose) -> Iterator[tuple[Whose, int]]:
    """Yield each end's own time within a span, at most."""
    if whose == "client":
        yield "client", 1 << 62
    elif name in ("tls", "quic"):
        yield "server", _least(setup.server.hello)
        yield "client", _least(setup.client.finished)
    elif name == "response":
        yield "server", _least(setup.server.response)


def _held(setup: Setup, name: str) -> int:
    """Return how long Nagle's algorithm delayed the request or response (ns); the network accounts for it."""
    ended = {"before_request": setup.milestones.request, "response": setup.milestones.response}.get(name)
    if ended is None:
        return 0
    waits = (each for each in setup.extra_round_trips if each.reason == "nagle" and each.frame == ended.frame)
    return sum(each.cost_ns or 0 for each in waits)


def _least(own: OwnTime | None) -> int:
    if own is None:
        return 0
    return own.value_ns if own.value_ns is not None else own.min_ns or 0


def totals(drawn: list[Row]) -> dict[Whose, int]:
    """Return the total time by attribution."""
    parts = [part for row in drawn if not row.beside for part in row.parts]
    sums = {whose: sum(length for who, length in parts if who == whose) for whose in get_args(Whose)}
    return {whose: total for whose, total in sums.items() if total}


def headline(connection: Connection, micro: str = "µ") -> str:
    """Return protocol, server and network RTT: `TLS 1.3, full handshake, to lab.test`."""
    setup, tls = connection.setup, connection.tls
    words = [_protocol(connection)]
    if tls is not None and tls.outcome == "established":
        words.append({"full": "full handshake", "resumed": "resumed", None: ""}[tls.kind])
        words.append("false start" if tls.false_start else "")
        words.append(f"early data {tls.early_data}" if tls.early_data else "")
        words.append("after HelloRetryRequest" if tls.hello_retry else "")
        words.append(f"client certificate {tls.client_certificate}" if tls.client_certificate else "")
    elif tls is not None:
        words.append(failure(connection))
    if setup is not None and setup.upgrade is not None:
        words.append(f"after {setup.upgrade}")
    if tls is not None and tls.server_name is not None:
        words.append(f"to {tls.server_name}")
    text = ", ".join(filter(None, words))
    total = connection.rtt.total.value_ns
    return text if total is None else f"{text}; round trip {duration(total, micro)}"


def _protocol(connection: Connection) -> str:
    if connection.tls is None:
        return "plain"
    version = connection.tls.version
    return "TLS" if version is None else version if version.startswith("SSL") else f"TLS {version}"


def failure(connection: Connection) -> str:
    """Return why TLS was not established."""
    tls = connection.tls
    if tls is None:
        return ""
    if tls.outcome == "failed" and tls.alert is not None:
        alert = tls.alert
        what = "encrypted alert" if alert.encrypted else f"alert {alert.description} ({alert.code})"
        return f"failed: {what} from the {alert.from_}"
    return {
        "failed": "failed: closed before it was complete", "no-answer": "no answer to the ClientHello",
        "not-tls": "the server does not speak TLS", "pending": "not complete when the capture ended",
        "unknown": "what became of it is not in the capture",
    }.get(tls.outcome, tls.outcome)  # fmt: skip


def before(setup: Setup, micro: str = "µ") -> str:
    """Return a sentence about the lookup before the connection; empty if there was none."""
    lookup, waited = setup.spans.lookup, setup.spans.before_connect
    if lookup is None or waited is None:
        return ""
    took, after = (duration(span.value_ns or 0, micro) for span in (lookup, waited))
    other = f", in which the answer for {setup.waited_for} came" if setup.waited_for else ""
    return f"Before that: {took} for the lookup of the name, then {after} until the client connected{other}."


def savings(saveable: Saveable, micro: str = "µ") -> str:
    """Return a sentence about possible savings; empty if none are known."""
    saved = {words: getattr(saveable, name) for name, words in _SAVED.items()}
    others = [f"{words} about {duration(ns, micro)}" for words, ns in saved.items() if ns and "with" not in words]
    if not saveable.reuse_ns:
        return ""
    kept = f"A connection kept open would have saved {duration(saveable.reuse_ns, micro)}"
    return listing([kept, *others]) + " (hsi help setup.saveable)."
