"""The entries of the fields of a set-up and its TLS handshake."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handshake_inspect.report import server_names
from handshake_inspect.report import setup_columns as c
from handshake_inspect.report.entry import Entry
from handshake_inspect.report.setup_names import chosen_protocol, named, protocol_text, server_name
from handshake_inspect.tcp.setup.facts import (
    SETUP_ALERT_ENCRYPTED,
    SETUP_ECH,
    UPGRADES,
)
from handshake_inspect.verdicts.setup import tls
from handshake_inspect.verdicts.setup import words as w
from handshake_inspect.verdicts.setup.setups import MEASURED
from handshake_inspect.verdicts.setup.tls_words import (
    ALERT_LEVELS,
    alert_text,
    cipher_text,
    group_text,
    version_text,
)

Entries = dict[str, Entry]


def _inside(path: str, entries: Entries) -> Entries:
    return {f"{path}.{name}": entry for name, entry in entries.items()}


def _span(name: str) -> Entries:
    seen = name in MEASURED
    return {
        "start_ns": Entry("When this part began, counted from the first SYN.", c.start(name) if seen else c.never),
        "value_ns": Entry(
            "How long it took, where its bounds agree enough to name one number.",
            c.length(name, "value") if seen else c.never,
        ),
        "min_ns": Entry("Lower bound of how long it took.", c.length(name, "low") if seen else c.never),
        "max_ns": Entry("Upper bound of how long it took.", c.length(name, "high") if seen else c.never),
        "round_trips": Entry(
            "How often the client waited for the server, by the messages.", c.round_trips(name) if seen else c.never
        ),
        "method": Entry("How its length is known.", c.word(c.method(name), w.SPAN_METHODS) if seen else c.wordless),
        "reason": Entry(
            "Why it was not measured; null where it was.",
            c.word(c.reason(name), w.SPAN_REASONS) if seen else c.wordless,
        ),
    }


BEFORE = ("lookup", "before_connect")  # spans that precede the first SYN


def _before(name: str) -> Entries:
    return {
        **_span(name),
        **{part: Entry(_span(name)[part].help, server_names.lookup_span(name, part)) for part in (
            "value_ns", "min_ns", "max_ns", "round_trips",
        )},
        "method": Entry("How its length is known.", server_names.lookup_method(name)),
    }  # fmt: skip


def _own_time(name: str) -> Entries:
    return {
        "value_ns": Entry("How long one end took itself, without the network.", c.own_time(name, "value")),
        "min_ns": Entry("Lower bound of how long one end took itself.", c.own_time(name, "low")),
        "max_ns": Entry("Upper bound of how long one end took itself.", c.own_time(name, "high")),
    }


def _milestones() -> Iterator[tuple[str, Entry]]:
    for name in w.MILESTONES:
        yield f"{name}.ns", Entry("When it passed the capture point.", c.moment(name, 0))
        yield f"{name}.frame", Entry("The frame that held it.", c.moment(name, 1))


_SAVEABLE = {
    "reuse_ns": "What a connection that was kept open would have saved.",
    "tls13_ns": "What TLS 1.3 would have saved, about.",
    "resumption_ns": "What a resumed session would have saved, about.",
    "early_data_ns": "What early data (0-RTT) would have saved, about.",
    "quic_ns": "What QUIC would have saved, about.",
    "quic_early_data_ns": "What QUIC with early data (0-RTT) would have saved, about.",
}


def _saveable(name: str) -> c.Make:
    return c.measured(lambda setup: setup.saveable[name])


SETUP: Entries = {
    "protocol": Entry(
        "Whether the client began TLS.", c.word(lambda setup: setup.seen.tls.astype(np.intp), w.PROTOCOLS)
    ),
    "speaks_first": Entry(
        "The end that sent the first data; null where the capture lacks it.",
        c.word(lambda setup: setup.seen.speaker, c.SIDES),
    ),
    "upgrade": Entry(
        "The protocol in plain text that came before TLS.",
        c.word(lambda setup: setup.seen["upgrade"] - 1, tuple(filter(None, UPGRADES))),
    ),
    **{
        key: entry
        for name in w.SPANS
        for key, entry in _inside(f"spans.{name}", _before(name) if name in BEFORE else _span(name)).items()
    },
    "with_lookup_ns": Entry("From the first DNS query to the first byte of the answer.", server_names.with_lookup),
    "waited_for": Entry(
        "The question of the other answer of DNS that came before the client connected.", server_names.awaited
    ),
    "round_trips": Entry(
        "How often the client waited for the server before the first byte.",
        c.measured(lambda setup: setup.spans.round_trips),
    ),
    **_inside("server.hello", _own_time("server_hello")),
    **_inside("server.response", _own_time("server_answer")),
    **_inside("client.finished", _own_time("client_finished")),
    "extra_round_trips": Entry("Waits on top of those that every such set-up needs."),
    **{f"saveable.{name}": Entry(text, _saveable(name)) for name, text in _SAVEABLE.items()},
    **_inside("milestones", dict(_milestones())),
}

TLS: Entries = {
    "outcome": Entry(
        "What became of the TLS handshake.",
        c.word(lambda setup: np.where(setup.seen.tls, setup.outcomes.astype(np.intp), -1), w.TLS_OUTCOMES),
    ),
    "version": Entry("The version that was agreed on.", c.written(c.agreed("version"), lambda _, n: version_text(n))),
    "kind": Entry("Whether a session was resumed.", c.word(c.of_tls(tls.kinds), w.TLS_KINDS)),
    "false_start": Entry(
        "Whether the client sent data before the server had finished (RFC 7918); null for unknown.",
        c.tls_flag(tls.starts_early),
    ),
    "early_data": Entry(
        "What became of early data (0-RTT); null where none was offered.",
        c.word(c.of_tls(tls.early_data), w.EARLY_DATA),
    ),
    "hello_retry": Entry(
        "Whether the server asked for another ClientHello; null where frames are missing.",
        c.tls_flag(tls.asks_again),
    ),
    "client_certificate": Entry(
        "Whether the client sent the certificate that it was asked for.",
        c.word(c.of_tls(tls.client_certificates), w.CLIENT_CERTIFICATES),
    ),
    "server_name": Entry("The name that the client asked for (SNI).", c.written(named, server_name)),
    "ech_offered": Entry(
        "Whether an encrypted ClientHello was offered.",
        c.flag(lambda setup: (setup.seen.flag(SETUP_ECH), setup.seen.tls & (setup.seen["hello"] > 0))),
    ),
    "alpn_offered": Entry("The application protocols that the client offered."),
    "alpn": Entry("The application protocol that was agreed on.", c.written(chosen_protocol, protocol_text)),
    "cipher": Entry(
        "The cipher suite that was agreed on.", c.written(c.agreed("cipher"), lambda _, number: cipher_text(number))
    ),
    "group": Entry(
        "The group of the key exchange that was agreed on.",
        c.written(c.agreed("group"), lambda _, number: group_text(number)),
    ),
    "versions_offered": Entry("The versions that the client offered."),
    "alert.from": Entry("Who sent the alert.", c.word(c.alert_from, c.SIDES)),
    "alert.level": Entry(
        "Its level.", c.written(c.alert_number("alert_level"), lambda _, level: ALERT_LEVELS.get(level, str(level)))
    ),
    "alert.description": Entry(
        "Its name (RFC 8446 section 6).", c.written(c.alert_number("alert_code"), lambda _, code: alert_text(code))
    ),
    "alert.code": Entry("Its number.", c.measured(c.alert_number("alert_code"))),
    "alert.encrypted": Entry(
        "Whether it was encrypted, so that no more than its sender is known.",
        c.flag(lambda setup: (setup.seen.flag(SETUP_ALERT_ENCRYPTED), c.alerted(setup))),
    ),
    "alert.frame": Entry("The frame that held it.", c.number(c.alert_frame)),
    "client_hello_bytes": Entry(
        "Size of the first ClientHello, with the headers of its records.",
        c.tls_size("client_hello_bytes"),
        "bytes",
    ),
    "server_flight_bytes": Entry(
        "What the server sent from its ServerHello to the end of its flight.",
        c.number(c.flight_size),
        "bytes",
    ),
}
