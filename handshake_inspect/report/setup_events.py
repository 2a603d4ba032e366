"""Marks for the milestones and extra round trips of a set-up, for the ladder of `hsi explain`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from handshake_inspect.report.connection import Connection
from handshake_inspect.report.setup import ExtraRoundTrip, Milestones, Setup, Tls
from handshake_inspect.report.story import Mark
from handshake_inspect.wire.text import duration, listing

# The sections of RFC 8446 (TLS 1.3) and RFC 5246 (TLS 1.2 and older) by message.
_SECTIONS = {
    "client-hello": ("4.1.2", "7.4.1.2"), "client-hello-2": ("4.1.2", ""), "server-hello": ("4.1.3", "7.4.1.3"),
    "hello-retry": ("4.1.4", ""), "early-data": ("2.3", ""), "server-finished": ("4.4.4", "7.4.9"),
    "client-finished": ("4.4.4", "7.4.9"), "alert": ("6", "7.2"),
}  # fmt: skip
_NAGLE = "Nagle's algorithm held this segment back until the one before was acknowledged"
_ODD = {
    "window": Mark("setup-window", "The sender had to wait for acknowledgments in the middle of its flight"),
    "loss": Mark("setup-loss", "This was lost or overtaken, which delayed the set-up"),
    "nagle": Mark("setup-nagle", _NAGLE, "RFC 9293 section 3.7.4"),
}


def _mark(name: str, text: str, tls: Tls) -> Mark:
    new, old = _SECTIONS[name]
    older = tls.version in ("1.2", "1.1", "1.0", "SSL 3.0")
    return Mark(name, text, f"RFC 5246 section {old}" if older and old else f"RFC 8446 section {new}")


class Marks:
    """Events and anomalies of a set-up by frame."""

    def __init__(self, connection: Connection) -> None:
        self.events: Mapping[int, list[Mark]] = _by_frame(_events(connection))
        self.anomalies: Mapping[int, list[Mark]] = _by_frame(_anomalies(connection.setup))

    def of(self, frame: int) -> tuple[Sequence[Mark], Sequence[Mark]]:
        """Return events and anomalies of a frame."""
        return self.events.get(frame, ()), self.anomalies.get(frame, ())


def _by_frame(marks: Iterator[tuple[int | None, Mark]]) -> dict[int, list[Mark]]:
    found: defaultdict[int, list[Mark]] = defaultdict(list)
    for frame, mark in marks:
        if frame is not None:
            found[frame].append(mark)
    return found


def _events(connection: Connection) -> Iterator[tuple[int | None, Mark]]:
    setup, tls = connection.setup, connection.tls
    if setup is None:
        return
    moments = setup.milestones
    if moments.greeting:
        yield moments.greeting.frame, Mark("greeting", "The server speaks first.")
    if tls is not None:
        yield from _of_tls(moments, tls)
        if tls.alert is not None:
            yield tls.alert.frame, _alert(tls)
        yield from _request_and_answer(setup)


def _request_and_answer(setup: Setup) -> Iterator[tuple[int | None, Mark]]:
    moments, answer = setup.milestones, setup.spans.response
    if answer is None or (setup.protocol == "plain" and setup.speaks_first == "client"):
        return  # plain data has its own events
    if moments.request:
        yield moments.request.frame, Mark("request", "The request begins.")
    if moments.response:
        doubt = {
            "ambiguous": "The answer begins here, or with an earlier record that may be a session ticket.",
            "tickets-skipped": "The answer begins: what came before looks like session tickets.",
        }
        yield moments.response.frame, Mark("response", doubt.get(answer.method, "The answer begins."))


def _of_tls(moments: Milestones, tls: Tls) -> Iterator[tuple[int | None, Mark]]:
    if moments.client_hello:
        yield moments.client_hello.frame, _mark("client-hello", _hello(tls), tls)
    if moments.client_hello_2:
        text = "The second ClientHello, with the key share that the server asked for."
        yield moments.client_hello_2.frame, _mark("client-hello-2", text, tls)
    if moments.server_hello:
        yield moments.server_hello.frame, _mark("server-hello", _server_hello(tls), tls)
    if moments.early_data:
        text = f"Early data{f', which the server {tls.early_data}' if tls.early_data != 'offered' else ''}."
        yield moments.early_data.frame, _mark("early-data", text, tls)
    if moments.server_finished:
        yield moments.server_finished.frame, _mark("server-finished", "The server's Finished.", tls)
    if moments.client_finished:
        yield moments.client_finished.frame, _mark("client-finished", _finished(tls), tls)


def _hello(tls: Tls) -> str:
    name = f" for {tls.server_name}" if tls.server_name else ""
    offered = [*(tls.versions_offered or ()), *(tls.alpn_offered or ())]
    ech = ", encrypted for another name perhaps" if tls.ech_offered else ""
    return f"ClientHello{name}{f', offers {listing(offered)}' if offered else ''}{ech}."


_KINDS = {"full": "full handshake", "resumed": "resumed session", None: ""}


def _server_hello(tls: Tls) -> str:
    chosen = [f"TLS {tls.version}" if tls.version else "", tls.cipher or "", tls.group or "", _KINDS[tls.kind]]
    return f"ServerHello: {', '.join(filter(None, chosen))}."


def _finished(tls: Tls) -> str:
    certificate = {"sent": ", with its certificate", "withheld": ", with no certificate though one was asked for"}
    return f"The client's Finished{certificate.get(tls.client_certificate or '', '')}."


def _alert(tls: Tls) -> Mark:
    alert = tls.alert
    assert alert is not None  # noqa: S101
    what = "An encrypted alert" if alert.encrypted else f"Alert {alert.description} ({alert.code})"
    return _mark("alert", f"{what} of the {alert.from_}.", tls)


def _anomalies(setup: Setup | None) -> Iterator[tuple[int | None, Mark]]:
    if setup is None:
        return
    if setup.milestones.hello_retry:
        text = "HelloRetryRequest: one more round trip, since the server takes none of the key shares."
        yield setup.milestones.hello_retry.frame, Mark("hello-retry", text, "RFC 8446 section 4.1.4")
    for extra in setup.extra_round_trips:
        if extra.reason in _ODD:
            yield extra.frame, _wait(extra)


def _wait(extra: ExtraRoundTrip) -> Mark:
    mark = _ODD[extra.reason]
    by = " by " if extra.reason == "loss" else ": "
    cost = "" if extra.cost_ns is None else f"{by}{duration(extra.cost_ns)}"
    delayed = ", for the other end delayed that acknowledgment" if extra.delayed_ack else ""
    return Mark(mark.id, f"{mark.text}{delayed}{cost}.", mark.reference)
