"""TLS as OpenSSL does it over a path of 40 ms: what a client waits for until the first byte, by its own clock."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.kernel import Attempt, connect
from lab.namespace import Host, run
from lab.sample import Sample, scenario, sentences, undisturbed

NAME = "lab.example"
DELAY = 0.02  # seconds each way
LATEST_NS = 800_000  # that connect() may return after the kernel has its answer
REQUEST, ANSWER = b"GET / HTTP/1.1\r\nHost: lab.example\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Dialog = Callable[[Any], None]


class Contexts:
    """What both ends know: a certificate that is its own CA, and contexts that may be changed."""

    def __init__(self, version: ssl.TLSVersion, *, algorithm: str = "prime256v1") -> None:
        with tempfile.TemporaryDirectory() as scratch:
            key, certificate = Path(scratch, "key.pem"), Path(scratch, "certificate.pem")
            run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{algorithm}", "-nodes",
                "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
                "-keyout", str(key), "-out", str(certificate))  # fmt: skip
            self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.server.load_cert_chain(certificate, key)
            self.server.load_verify_locations(certificate)
            self.client = ssl.create_default_context(cafile=str(certificate))
        self.client.minimum_version = self.client.maximum_version = version


class Site:
    """A server whose thread takes connections one after the other and speaks TLS after an optional prologue."""

    def __init__(
        self,
        server: Host,
        context: ssl.SSLContext | None,
        answer: Dialog,
        prologue: Dialog | None = None,
        port: int = 443,
    ) -> None:
        self.listener = server.listen(port)
        self.context, self.answer, self.prologue = context, answer, prologue
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        while True:
            try:
                accepted, _ = socket.socket.accept(self.listener)
            except OSError:
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(OSError), accepted:
                if self.prologue is not None:
                    self.prologue(accepted)
                if self.context is None:
                    self.answer(accepted)
                    continue
                with self.context.wrap_socket(accepted, server_side=True) as secure:
                    self.answer(secure)


def replies(think: float = 0) -> Dialog:
    """Read a request, think, answer, and wait for the end."""

    def answer(secure: Any) -> None:
        secure.recv(1000)
        time.sleep(think)
        secure.sendall(ANSWER)
        secure.recv(1000)

    return answer


def connected(client: Host, server: Host, port: int) -> tuple[Attempt, dict[str, int]]:
    """Connect, with a thread that other work on the machine does not delay, and the client's clock."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    sys.setswitchinterval(0.0001)
    clock = {"start": time.time_ns()}
    attempt = connect(client, server, port)
    clock["connected"] = time.time_ns()
    late = clock["connected"] - clock["start"] - attempt.info["rtt_us"] * 1000
    undisturbed(late < LATEST_NS, "the client's clock is late")
    return attempt, clock


def visit(
    sample: Sample, client: Host, server: Host, context: ssl.SSLContext, *, port: int = 443, nodelay: bool = True,
    prologue: Dialog | None = None, session: Any = None, keep: list[Any] | None = None,
) -> Attempt:  # fmt: skip
    """Connect, handshake, ask and read, with the client's own clock before and after each."""
    attempt, clock = connected(client, server, port)
    attempt.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(nodelay))
    if prologue is not None:
        prologue(attempt.sock)
    with contextlib.suppress(OSError):
        secure = context.wrap_socket(attempt.sock, server_hostname=NAME, session=session)
        clock["tls"] = time.time_ns()
        secure.sendall(REQUEST)
        secure.recv(1000)
        clock["first_byte"] = time.time_ns()
        if keep is not None:
            keep.append(secure.session)
        secure.close()
    attempt.sock.close()
    sample.clock(attempt, clock)
    return attempt


def negotiated(version: str, kind: str | None = "full", outcome: str = "established", **more: Any) -> dict[str, Any]:
    """What hsi must say of TLS."""
    return {"outcome": outcome, "version": version, "kind": kind, "server_name": NAME, **more}


def secured(
    version: ssl.TLSVersion,
    sample: Sample,
    *,
    at: str = "client",
    think: float = 0,
    change: Callable[[Contexts], None] | None = None,
    visits: int = 1,
    **how: Any,
) -> list[Attempt]:
    """Some visits, captured at the client, at the server or between the two."""
    client, server = sample.pair(delay=DELAY)
    watcher = {"client": client, "server": server}.get(at) or sample.host("mirror")
    if at == "between":
        sample.the_path().mirror(watcher, 0.5)
        watcher.run("ip", "link", "set", "eth0", "up")
    contexts = Contexts(version)
    if change is not None:
        change(contexts)
    site = Site(server, contexts.server, replies(think))
    with sample.capture(watcher) as capture:
        attempts = [visit(sample, client, server, contexts.client, **how) for _ in range(visits)]
        capture.settle(quiet=0.3)
    site.listener.close()
    undisturbed(all(attempt.info["rtt_us"] < 44_000 for attempt in attempts), "the path was slow")
    return attempts


@scenario("tls12-full", "tls12-full-server-side", "tls12-full-between")
def tls12_full(sample: Sample) -> None:
    """TLS 1.2 with a full handshake over a path of 40 ms: two round trips; the server answers after 30 ms."""
    at = {"tls12-full": "client", "tls12-full-server-side": "server", "tls12-full-between": "between"}[sample.name]
    (attempt,) = secured(ssl.TLSVersion.TLSv1_2, sample, at=at, think=0.03)
    sample.expect(attempt, "established", tls=negotiated("1.2"), state=...)
    sample.maybe("tls-extra-round-trip")


@scenario()
def tls13_hello_retry(sample: Sample) -> None:
    """TLS 1.3 with a server that takes P-384 alone: HelloRetryRequest costs one more round trip of 40 ms."""
    (attempt,) = secured(ssl.TLSVersion.TLSv1_3, sample, change=lambda both: both.server.set_ecdh_curve("secp384r1"))
    sample.expect(attempt, "established", tls=negotiated("1.3", hello_retry=True), state=...)
    sample.finding("tls-extra-round-trip", (attempt.server[0], 443), cause="hello-retry", connections=1)


@scenario()
def tls13_unknown_ca(sample: Sample) -> None:
    """The client does not trust the certificate: alert 48 from the client, in the clear or not."""

    def strangers(both: Contexts) -> None:
        both.client = ssl.create_default_context()

    (attempt,) = secured(ssl.TLSVersion.TLSv1_3, sample, change=strangers)
    sample.expect(
        attempt,
        "established",
        tls=negotiated("1.3", ..., "failed", alert={"from": "client"}),
        state=...,
        close=...,
        cause=...,
    )
    sample.finding("tls-failed", (attempt.server[0], 443))


@scenario()
def tls13_certificate_withheld(sample: Sample) -> None:
    """The server requires a client certificate and gets none: its alert comes after the handshake of the client."""

    def require(both: Contexts) -> None:
        both.server.verify_mode = ssl.CERT_REQUIRED

    (attempt,) = secured(ssl.TLSVersion.TLSv1_3, sample, at="server", change=require)
    more = {"client_certificate": "withheld", "alert": {"from": "server", "encrypted": True}}
    sample.expect(attempt, "established", tls=negotiated("1.3", "full", "failed", **more), state=...)
    sample.finding("tls-failed", (attempt.server[0], 443), stage="finished")


@scenario("tls12-resumed", "tls13-resumed")
def resumed(sample: Sample) -> None:
    """Two visits of which the second resumes the session of the first: with TLS 1.2 that saves a round trip."""
    client, server = sample.pair(delay=DELAY)
    version = ssl.TLSVersion.TLSv1_2 if sample.name == "tls12-resumed" else ssl.TLSVersion.TLSv1_3
    contexts = Contexts(version)
    site = Site(server, contexts.server, replies())
    kept: list[Any] = []
    with sample.capture(client) as capture:
        first = visit(sample, client, server, contexts.client, keep=kept)
        second = visit(sample, client, server, contexts.client, session=kept[0])
        capture.settle(quiet=0.3)
    site.listener.close()
    word = "1.2" if sample.name == "tls12-resumed" else "1.3"
    sample.expect(first, "established", tls=negotiated(word), state=...)
    sample.expect(second, "established", tls=negotiated(word, "resumed"), state=...)
    sample.maybe("tls-extra-round-trip")


@scenario()
def smtp_starttls(sample: Sample) -> None:
    """SMTP with STARTTLS: greeting, EHLO and STARTTLS in plain text, then TLS 1.3."""
    client, server = sample.pair(delay=DELAY)
    contexts = Contexts(ssl.TLSVersion.TLSv1_3)

    def greet(plain: Any) -> None:
        plain.sendall(b"220 lab.example ESMTP\r\n")
        plain.recv(1000)
        plain.sendall(b"250-lab.example\r\n250 STARTTLS\r\n")
        plain.recv(1000)
        plain.sendall(b"220 2.0.0 Ready to start TLS\r\n")

    def begin(plain: Any) -> None:
        plain.recv(1000)
        plain.sendall(b"EHLO client.example\r\n")
        plain.recv(1000)
        plain.sendall(b"STARTTLS\r\n")
        plain.recv(1000)

    site = Site(server, contexts.server, replies(), greet, 587)
    with sample.capture(client) as capture:
        attempt = visit(sample, client, server, contexts.client, port=587, prologue=begin)
        capture.settle(quiet=0.3)
    site.listener.close()
    setup = {"upgrade": "smtp", "speaks_first": "server"}
    sample.expect(attempt, "established", tls=negotiated("1.3"), setup=setup, state=...)


@scenario()
def tls_slow_server(sample: Sample) -> None:
    """Three visits to a server that takes 80 ms of its own before ServerHello: a callback looks the name up."""

    def callback(*_: Any) -> None:
        time.sleep(0.08)

    def slow(both: Contexts) -> None:
        both.server.sni_callback = callback

    attempts = secured(ssl.TLSVersion.TLSv1_3, sample, change=slow, visits=3)
    for attempt in attempts:
        sample.expect(attempt, "established", tls=negotiated("1.3"), state=...)
    sample.finding("tls-slow-server", (attempts[0].server[0], 443), connections=3)


@scenario()
def tls13_nagle(sample: Sample) -> None:
    """Three visits of a client with Nagle's algorithm: its request waits for the acknowledgment of its Finished."""

    def untold(both: Contexts) -> None:
        both.server.num_tickets = 0

    attempts = secured(ssl.TLSVersion.TLSv1_3, sample, change=untold, visits=3, nodelay=False)
    for attempt in attempts:
        sample.expect(attempt, "established", tls=negotiated("1.3"), state=...)
    sample.finding("nagle-stall", (attempts[0].server[0], 443), side="client", connections=3)


@scenario()
def http_to_tls(sample: Sample) -> None:
    """A visit in TLS 1.3, and one in plain HTTP to the same port, which the server ends."""
    client, server = sample.pair(delay=DELAY)
    contexts = Contexts(ssl.TLSVersion.TLSv1_3)
    site = Site(server, contexts.server, replies())
    with sample.capture(client) as capture:
        first = visit(sample, client, server, contexts.client)
        second = connect(client, server, 443)
        second.sock.sendall(REQUEST)
        with contextlib.suppress(OSError):
            second.sock.recv(1000)
        second.sock.close()
        capture.settle(quiet=0.3)
    site.listener.close()
    sample.expect(first, "established", tls=negotiated("1.3"), state=...)
    sample.expect(second, "established", tls=None, state=..., close=..., cause=...)
    sample.finding("protocol-mismatch", (first.server[0], 443), kind="plain-to-tls", connections=1)


@scenario()
def tls_to_http(sample: Sample) -> None:
    """A ClientHello to a server of plain HTTP, which answers with 400."""
    client, server = sample.pair(delay=DELAY)
    contexts = Contexts(ssl.TLSVersion.TLSv1_3)

    def refuse(plain: Any) -> None:
        plain.recv(1000)
        plain.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    site = Site(server, None, refuse, port=80)
    with sample.capture(client) as capture:
        attempt = visit(sample, client, server, contexts.client, port=80)
        capture.settle(quiet=0.3)
    site.listener.close()
    more = {"outcome": "not-tls", "version": None, "server_name": NAME}
    sample.expect(attempt, "established", tls=more, state=..., close=..., cause=...)
    sample.finding("protocol-mismatch", (attempt.server[0], 80), kind="tls-to-plain", connections=1)
    sample.finding("tls-failed", (attempt.server[0], 80))


@scenario()
def plain_slow_answer(sample: Sample) -> None:
    """A plain request over a path of 40 ms, which the server answers after it has thought for 60 ms."""
    client, server = sample.pair(delay=DELAY)
    site = Site(server, None, replies(0.06), port=80)
    with sample.capture(client) as capture:
        attempt, clock = connected(client, server, 80)
        attempt.sock.sendall(REQUEST)
        attempt.sock.recv(1000)
        clock["first_byte"] = time.time_ns()
        attempt.sock.close()
        capture.settle(quiet=0.3)
    site.listener.close()
    sample.clock(attempt, clock)
    sample.expect(attempt, "established", tls=None, setup={"protocol": "plain", "speaks_first": "client"}, state=...)


@scenario()
def tls_old_version(sample: Sample) -> None:
    """Two visits that agree on TLS 1.1, which the server still allows."""

    def old(both: Contexts) -> None:
        for context in (both.client, both.server):
            context.set_ciphers("ALL:@SECLEVEL=0")
        both.server.minimum_version = ssl.TLSVersion.TLSv1_1

    attempts = secured(ssl.TLSVersion.TLSv1_1, sample, change=old, visits=2)
    for attempt in attempts:
        sample.expect(attempt, "established", tls=negotiated("1.1"), state=...)
    sample.finding("tls-old-version", (attempts[0].server[0], 443), connections=2)


@scenario("tls-no-resumption", "tls-resumption")
@sentences(
    tls_no_resumption="Ten visits of TLS 1.3, each with a full handshake, though the server gives tickets out.",
    tls_resumption="Eleven visits of TLS 1.3 of which all but the first resume the session: nothing is wrong.",
)
def resumption(sample: Sample) -> None:
    """Many visits of one client."""
    client, server = sample.pair(delay=DELAY)
    contexts = Contexts(ssl.TLSVersion.TLSv1_3)
    site = Site(server, contexts.server, replies())
    kept: list[Any] = []
    attempts = []
    resumes = sample.name == "tls-resumption"
    with sample.capture(client) as capture:
        for number in range(11 if resumes else 10):
            session = kept[-1] if resumes and number else None
            attempts.append(visit(sample, client, server, contexts.client, session=session, keep=kept))
        capture.settle(quiet=0.3)
    site.listener.close()
    for number, attempt in enumerate(attempts):
        kind = "resumed" if resumes and number else "full"
        sample.expect(attempt, "established", tls=negotiated("1.3", kind), state=...)
    sample.maybe("connection-churn")
    if not resumes:
        sample.finding("tls-no-resumption", (attempts[0].server[0], 443), connections=10)


@scenario()
def tls_slow_client(sample: Sample) -> None:
    """Three visits of a client that takes 90 ms of its own after it has connected, before it says anything."""
    attempts = secured(ssl.TLSVersion.TLSv1_3, sample, visits=3, prologue=lambda _: time.sleep(0.09))
    for attempt in attempts:
        sample.expect(attempt, "established", tls=negotiated("1.3"), state=...)
    sample.finding("tls-slow-client", (attempts[0].server[0], 443), connections=3)


@scenario()
def tls_health_check(sample: Sample) -> None:
    """Three clients that close after the handshake and ask nothing: the server's encrypted alert is no failure."""
    client, server = sample.pair(delay=DELAY)
    contexts = Contexts(ssl.TLSVersion.TLSv1_3)
    site = Site(server, contexts.server, lambda secure: secure.recv(1000))
    attempts = []
    with sample.capture(client) as capture:
        for _ in range(3):
            attempt, _ = connected(client, server, 443)
            contexts.client.wrap_socket(attempt.sock, server_hostname=NAME).close()
            attempts.append(attempt)
        capture.settle(quiet=0.3)
    site.listener.close()
    for attempt in attempts:
        sample.expect(attempt, "established", tls=negotiated("1.3"), state=..., close=..., cause=...)
