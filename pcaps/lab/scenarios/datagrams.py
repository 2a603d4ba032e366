"""QUIC as aioquic does it over a path of 40 ms, and lookups of names: what clients do over UDP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from lab.kernel import connect
from lab.namespace import Host, run
from lab.sample import Sample, scenario, sentences, undisturbed
from lab.scenarios.secured import DELAY, NAME, Site, replies

ANY = "udp or tcp or icmp"
End = tuple[str, int]  # an address and a port


class Certified:
    """A certificate that is its own CA, in files, as aioquic wants it."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.key, self.certificate = (str(Path(self.folder.name, name)) for name in ("key.pem", "certificate.pem"))
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", self.key, "-out",
            self.certificate)  # fmt: skip


class QuicSite:
    """A server of HTTP/3 in a thread of its own, which answers after it has thought."""

    def __init__(self, server: Host, certified: Certified, think: float = 0.03, **how: Any) -> None:
        self.server, self.certified, self.think, self.how = server, certified, think, how
        self.ready = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()
        undisturbed(self.ready.wait(10), "the QUIC server did not start")

    def _serve(self) -> None:
        with self.server.inside():
            asyncio.run(self._main())

    async def _main(self) -> None:
        from aioquic.asyncio import QuicConnectionProtocol, serve  # noqa: PLC0415 - only QUIC needs it
        from aioquic.h3.connection import H3Connection  # noqa: PLC0415
        from aioquic.h3.events import HeadersReceived  # noqa: PLC0415
        from aioquic.quic.configuration import QuicConfiguration  # noqa: PLC0415
        from aioquic.quic.events import ProtocolNegotiated  # noqa: PLC0415

        think = self.think

        class Protocol(QuicConnectionProtocol):
            http: H3Connection | None = None

            def quic_event_received(self, event: Any) -> None:
                if isinstance(event, ProtocolNegotiated):
                    self.http = H3Connection(self._quic)
                for each in () if self.http is None else self.http.handle_event(event):
                    if isinstance(each, HeadersReceived):
                        asyncio.get_running_loop().call_later(think, self.answer, each.stream_id)

            def answer(self, stream: int) -> None:
                assert self.http is not None
                self.http.send_headers(stream, [(b":status", b"200")])
                self.http.send_data(stream, b"x" * 300, True)
                self.transmit()

        configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
        configuration.load_cert_chain(self.certified.certificate, self.certified.key)
        tickets: dict[bytes, Any] = {}
        await serve(
            "0.0.0.0", 443, configuration=configuration, create_protocol=Protocol,
            session_ticket_handler=lambda ticket: tickets.update({ticket.ticket: ticket}),
            session_ticket_fetcher=lambda label: tickets.pop(label, None), **self.how,
        )  # fmt: skip
        self.ready.set()
        await asyncio.Future()


def browse(client: Host, server: Host, certified: Certified, port: int, **how: Any) -> list[Any]:
    """One request over QUIC from this port; the session tickets that came."""
    with client.inside():
        return asyncio.run(_browse(server.ip, certified, port, **how))


async def _browse(
    ip: str, certified: Certified, port: int, ticket: Any = None, idle: float = 10.0, then: int | None = None
) -> list[Any]:
    from aioquic.asyncio import QuicConnectionProtocol, connect  # noqa: PLC0415
    from aioquic.h3.connection import H3Connection  # noqa: PLC0415
    from aioquic.quic.configuration import QuicConfiguration  # noqa: PLC0415

    class Protocol(QuicConnectionProtocol):
        def quic_event_received(self, event: Any) -> None:
            for each in http[0].handle_event(event) if http else ():
                if getattr(each, "stream_ended", False):
                    answered.set()

    async def ask() -> None:
        stream = protocol._quic.get_next_available_stream_id()
        asked = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", NAME.encode()), (b":path", b"/")]
        http[0].send_headers(stream, asked, True)
        protocol.transmit()
        await asyncio.wait_for(answered.wait(), 5)
        answered.clear()

    http: list[H3Connection] = []
    kept: list[Any] = []
    answered = asyncio.Event()
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=["h3"], server_name=NAME, session_ticket=ticket, idle_timeout=idle
    )
    configuration.load_verify_locations(certified.certificate)
    with contextlib.suppress(ConnectionError):
        async with connect(
            ip, 443, configuration=configuration, create_protocol=Protocol, session_ticket_handler=kept.append,
            wait_connected=ticket is None, local_port=port,
        ) as protocol:  # fmt: skip
            http.append(H3Connection(protocol._quic))
            await ask()
            if then is not None:
                await _move(protocol, then)
                await ask()
    return kept


async def _move(protocol: Any, port: int) -> None:
    """Let the client send from another port, as behind a NAT that forgot it: it keeps its connection IDs."""
    moved = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)  # as aioquic's own, which takes IPv4 as well
    moved.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    moved.bind(("::", port))
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: protocol, sock=moved)


def visit(sample: Sample, then: int | None = None, **how: Any) -> tuple[End, End]:
    """Capture one visit to a site: the ends of its connection, the client's first."""
    client, server = sample.pair(delay=DELAY)
    certified = Certified()
    QuicSite(server, certified, **how)
    with sample.capture(client, expression=ANY):
        browse(client, server, certified, 41001, then=then)
    return (client.ip, 41001), (server.ip, 443)


@scenario()
def quic(sample: Sample) -> None:
    """QUIC over a path of 40 ms: one round trip for the handshake, and an answer after 30 ms of thought."""
    sample.expect_quic(*visit(sample), "established", retry=False, setup={"round_trips": 2})


@scenario()
def quic_retry(sample: Sample) -> None:
    """The server has the client prove its address first: Retry costs a round trip."""
    sample.expect_quic(*visit(sample, retry=True), "established", retry=True, setup={"round_trips": 3})
    sample.maybe("quic-retry")


@scenario()
def quic_early_data(sample: Sample) -> None:
    """The second visit sends its request with its first packet, and the answer comes before the handshake is over."""
    client, server = sample.pair(delay=DELAY)
    certified = Certified()
    QuicSite(server, certified, think=0.02)
    with sample.capture(client, expression=ANY):
        tickets = browse(client, server, certified, 41001)
        browse(client, server, certified, 41002, ticket=tickets[0])
    ends = (client.ip, 41001), (server.ip, 443)
    sample.expect_quic(*ends, "established", early_data=None, setup={"round_trips": 2})
    accepted = {"early_data": "accepted", "setup": {"round_trips": 1}}
    sample.expect_quic((client.ip, 41002), ends[1], "established", **accepted)


@scenario()
def quic_moved(sample: Sample) -> None:
    """A NAT forgets the client between two requests: the same connection goes on from another port."""
    sample.expect_quic(*visit(sample, then=41002), "established", moved=1, setup={"round_trips": 2})


@scenario()
def quic_blocked(sample: Sample) -> None:
    """A firewall drops UDP: the client's Initials are never answered, and 300 ms later it takes TCP."""
    client, server = sample.pair(delay=DELAY)
    certified = Certified()
    server.firewall("input", "udp dport 443 drop")
    site = Site(server, None, replies())
    with sample.capture(client, expression=ANY) as capture:
        trying = threading.Thread(
            target=browse, args=(client, server, certified, 41001), kwargs={"idle": 1.5}, daemon=True
        )
        trying.start()
        capture.wait_for("UDP", 1)
        time.sleep(0.3)
        attempt = connect(client, server, 443)
        attempt.sock.sendall(b"GET / HTTP/1.1\r\nHost: lab.example\r\n\r\n")
        attempt.sock.recv(1000)
        attempt.sock.close()
        capture.wait_for("UDP", 3)
        trying.join(10)
        time.sleep(3)
        connect(client, server, 443).sock.close()  # the capture goes on long enough to decide
    site.listener.close()
    sample.expect_outcomes(established=2)
    sample.expect_quic((client.ip, 41001), (server.ip, 443), "timed-out", setup=None)
    sample.finding("quic-blocked", (server.ip, 443), connections=1)


# -- lookups -------------------------------------------------------------------------------------------------------


def question(name: str, kind: int, number: int) -> bytes:
    """A query for a name (RFC 1035 section 4.1)."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


def answer_to(query: bytes, address: str) -> bytes:
    """An answer with one address, or with none where IPv6 was asked for."""
    is_a = query[-4:-2] == b"\0\x01"
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address) if is_a else b""
    return query[:2] + struct.pack(">5H", 0x8180, 1, int(is_a), 0, 0) + query[12:] + record


@scenario("lookup", "lookup-slow")
@sentences(
    lookup="A lookup of A and AAAA before each of three connections, which it names.",
    lookup_slow="The same with a resolver that takes 150 ms to answer.",
)
def lookup(sample: Sample) -> None:
    """Lookups before connections."""
    client, server = sample.pair(delay=DELAY)
    resolver = server.socket(socket.SOCK_DGRAM)
    resolver.bind((server.ip, 53))
    think = 0.15 if sample.name == "lookup-slow" else 0.0

    def resolve() -> None:
        with contextlib.suppress(OSError):
            while True:
                query, where = resolver.recvfrom(512)
                time.sleep(think / 2)  # of each of the two queries
                resolver.sendto(answer_to(query, server.ip), where)

    threading.Thread(target=resolve, daemon=True).start()
    site = Site(server, None, replies(), port=80)
    attempts = []
    with sample.capture(client, expression=ANY) as capture:
        for number in range(3):
            with contextlib.closing(client.socket(socket.SOCK_DGRAM)) as asking:
                asking.settimeout(5)
                for kind in (1, 28):
                    asking.sendto(question("www.lab.example", kind, 100 * number + kind), (server.ip, 53))
                for _ in range(2):
                    asking.recv(512)
            attempt = connect(client, server, 80)
            attempt.sock.sendall(b"GET / HTTP/1.1\r\nHost: lab.example\r\n\r\n")
            attempt.sock.recv(1000)
            attempt.sock.close()
            attempts.append(attempt)
        capture.settle(quiet=0.3)
    site.listener.close()
    resolver.close()
    for attempt in attempts:
        named = {"name": "www.lab.example", "name_basis": "dns"}
        sample.expect(attempt, "established", state=..., named=named)
    if think:
        sample.finding("slow-lookup")
