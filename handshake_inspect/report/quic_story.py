"""The story of a QUIC connection for `hsi explain`, made from unencrypted headers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from handshake_inspect.about import version
from handshake_inspect.quic.const import EARLY_DATA, HANDSHAKE, INITIAL, NEGOTIATION, RETRIED, SHORT, UNKNOWN
from handshake_inspect.report.model import Capture, Finding, Tool
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.report.story import Mark
from handshake_inspect.report.words import Count, DurationNs, FrameNumber, Side, TimeNs, Word
from handshake_inspect.verdicts.outcome import icmp_cause
from handshake_inspect.verdicts.words import CAUSES
from handshake_inspect.wire.text import duration, listing

Packet = Literal["initial", "0-rtt", "handshake", "retry", "version-negotiation", "1-rtt", "unknown"]
# In their order within a datagram.
PACKETS: dict[int, Packet] = {
    NEGOTIATION: "version-negotiation", RETRIED: "retry", INITIAL: "initial", EARLY_DATA: "0-rtt",
    HANDSHAKE: "handshake", SHORT: "1-rtt", UNKNOWN: "unknown",
}  # fmt: skip


AGAIN_NS = 10_000_000  # longer than the gaps between datagrams of one flight
_AGAIN = Mark("again", "The Initial again: nothing has answered.", "RFC 9002 section 6.2")


class QuicStep(Struct, frozen=True, kw_only=True):
    """One datagram: the kinds of packets in it, `unknown` for what the capture cut or what cannot be read.

    `length` is in bytes, without the UDP header.  `icmp` is the cause of an ICMP error that quotes a datagram of
    `sender`.
    """

    frame: FrameNumber
    ts_ns: TimeNs
    since_first_ns: int
    since_previous_ns: int
    sender: Side
    packets: list[Packet]
    version: Annotated[str, Meta(description="As in the headers of the datagram.")] | None
    length: Count
    icmp: Word | None = None
    events: list[Mark] = []
    anomalies: list[Mark] = []


class QuicStory(Struct, frozen=True, kw_only=True):
    """One QUIC connection, datagram by datagram, and the verdict.

    `matches` are the ids of all QUIC connections that were asked for, of which this is one; `datagrams` are all that it
    has, listed or not.
    """

    schema: Literal["hsi-explain-quic/1"] = "hsi-explain-quic/1"
    tool: Tool
    capture: Capture
    matches: list[Count]
    connection: QuicConnection
    datagrams: Count
    duration_ns: DurationNs
    steps: list[QuicStep]
    findings: list[Finding]


def quic_story(
    connection: QuicConnection, log: Iterable[Any], capture: Capture, findings: Sequence[Finding],
    matches: Sequence[int], *, limit: int,
) -> QuicStory:  # fmt: skip
    """Return the story of a connection; `log` are the rows of its first datagrams in order."""
    steps = list(_steps(connection, list(log)[:limit]))
    frames = {step.frame for step in steps} | set(connection.evidence)
    server = connection.server
    return QuicStory(
        tool=Tool("hsi", version()),
        capture=capture,
        matches=list(matches),
        connection=connection,
        datagrams=connection.client_to_server.frames + connection.server_to_client.frames,
        duration_ns=connection.last_ns - connection.first_ns,
        steps=steps,
        findings=[
            finding for finding in findings
            if finding.id.startswith(("quic-", "tls-extra")) and finding.target is not None
            and finding.target.ip in (server.ip, connection.client.ip) and frames & set(finding.evidence.frames)
        ],
    )  # fmt: skip


def _steps(connection: QuicConnection, log: Sequence[Any]) -> Iterator[QuicStep]:
    marks = _marks(connection)
    before = connection.first_ns
    moved = answered = False
    for entry in log:
        frame, at = int(entry.frame), int(entry.ts_ns)
        events, anomalies = marks.get(frame, ([], []))
        answered |= bool(entry.from_server or entry.is_error)
        if not answered and at - before >= AGAIN_NS:
            anomalies = [*anomalies, _AGAIN]
        sender: Side = "server" if entry.from_server else "client"
        if entry.moved and not moved:
            moved = True
            events = [*events, Mark("moved", "The client sends from another address now.", "RFC 9000 section 9")]
        yield QuicStep(
            frame=frame,
            ts_ns=at,
            since_first_ns=at - connection.first_ns,
            since_previous_ns=at - before,
            sender=sender,
            packets=[word for bit, word in PACKETS.items() if entry.kinds & bit],
            version=f"0x{int(entry.version):08x}" if entry.version else None,
            length=int(entry.length),
            icmp=_cause(entry) if entry.is_error else None,
            events=[] if entry.is_error else events,
            anomalies=anomalies,
        )
        before = at


def _cause(entry: Any) -> str:
    """Return the cause of an ICMP error."""
    return CAUSES[icmp_cause({name: getattr(entry, name) for name in ("icmp_type", "icmp_code", "ip_version")})] or ""


def _marks(connection: QuicConnection) -> Mapping[int, tuple[list[Mark], list[Mark]]]:
    """Return events and anomalies by frame."""
    found: dict[int, tuple[list[Mark], list[Mark]]] = {}
    for frame, mark in _events(connection):
        found.setdefault(frame, ([], []))[0].append(mark)
    for frame, mark in _anomalies(connection):
        found.setdefault(frame, ([], []))[1].append(mark)
    return found


def _events(connection: QuicConnection) -> Iterator[tuple[int, Mark]]:
    yield connection.first_frame, Mark("client-hello", _hello(connection))
    moments = None if connection.setup is None else connection.setup.milestones
    if moments is None:
        return
    texts = {
        "client_hello_2": "The client begins again.",
        "early_data": f"0-RTT: early data{', which the server took' if connection.early_data == 'accepted' else ''}.",
        "server_hello": "The server's first Initial.",
        "server_finished": "The last Handshake packet of the server before the client's Finished.",
        "client_finished": "The client's Finished: it may send its request.",
        "request": "The request begins here at the earliest.",
        "response": "The answer begins here at the earliest: what the server says first may be on its own account.",
    }
    for name, text in texts.items():
        moment = getattr(moments, name)
        if moment is not None:
            yield moment.frame, Mark(name.replace("_", "-"), text)


def _hello(connection: QuicConnection) -> str:
    name = f" for {connection.server_name}" if connection.server_name else ""
    offered = f", offers {listing(connection.alpn_offered)}" if connection.alpn_offered else ""
    return f"The client's first Initial: ClientHello{name}{offered}."


def _anomalies(connection: QuicConnection) -> Iterator[tuple[int, Mark]]:
    texts = {
        "retry": ("Retry: the server checks the client's address, which costs a round trip", "RFC 9000 section 8.1.2"),
        "version-negotiation": ("Version Negotiation: the server does not speak this version", "RFC 9000 section 6"),
        "hello-retry": (
            "HelloRetryRequest: the server wants another key share, one more round trip",
            "RFC 8446 section 4.1.4",
        ),
        "loss": ("This is sent again: nothing acknowledged what was sent before", "RFC 9002 section 6.2"),
        "amplification": ("The server had to wait until the client's address was proved", "RFC 9000 section 8.1"),
    }
    answer = None if connection.setup is None else connection.setup.milestones.server_hello
    for extra in () if connection.setup is None else connection.setup.extra_round_trips:
        if extra.frame is None or extra.reason not in texts:
            continue
        if extra.reason == "loss" and (answer is None or answer.frame is None or extra.frame < answer.frame):
            continue  # an unanswered Initial has its own mark
        text, reference = texts[extra.reason]
        cost = "" if extra.cost_ns is None else f": {duration(extra.cost_ns)}"
        yield extra.frame, Mark(extra.reason, f"{text}{cost}.", reference)
