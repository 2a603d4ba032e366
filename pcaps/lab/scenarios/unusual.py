"""Handshakes that do not look like the textbook, and are perfectly right."""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
from pathlib import Path

from lab.kernel import Attempt, connect, next_port, start_connect
from lab.namespace import run
from lab.sample import Sample, close_to, scenario, undisturbed

OPEN = {"how": "open", "first": None, "reset_by": None}


@scenario()
def simultaneous_open(sample: Sample) -> None:
    """Two connect()s cross on a path of 100 ms: both send SYN, both send SYN-ACK, and one connection comes of it."""
    client, server = sample.pair(delay=0.05)
    with sample.capture(client):
        other = start_connect(server, client, 40001, source=40002)
        attempt = start_connect(client, server, 40002, source=40001)
        undisturbed(attempt.wait(5).error is None and other.wait(5).error is None, "they did not cross")
    sample.expect(attempt, "established", close=OPEN, syn_count=..., synack_count=...)


@scenario()
def self_connect(sample: Sample) -> None:
    """A socket that connects to its own port on the loopback: client and server are the same endpoint."""
    host = sample.host("client")
    host.ip = "127.0.0.1"
    with sample.capture(host, interface="lo"):
        attempt = connect(host, host, 40001, source=40001)
        assert attempt.error is None
    sample.expect(attempt, "established", close=OPEN)


@scenario()
def loopback(sample: Sample) -> None:
    """An ordinary connection on the loopback interface, closed by the client."""
    host = sample.host("client")
    host.ip = "127.0.0.1"
    listener = host.listen(80)
    with sample.capture(host, interface="lo", precision="micro"):
        attempt = connect(host, host, 80)
        accepted, _ = listener.accept()
        attempt.sock.sendall(b"hello\n")
        accepted.recv(10)
        attempt.sock.close()
        accepted.recv(10)
        accepted.close()
    sample.expect(attempt, "established", close={"how": "fin", "first": "client", "reset_by": None})


@scenario()
def tls_40ms(sample: Sample) -> None:
    """A TLS handshake and an exchange over a path of 40 ms: the TCP handshake is one of the three round trips."""
    client, server = sample.pair(delay=0.02)
    listener = server.listen(443)
    with tempfile.TemporaryDirectory() as scratch:
        key, certificate = Path(scratch, "key.pem"), Path(scratch, "certificate.pem")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=lab.example", "-addext", "subjectAltName=DNS:lab.example",
            "-keyout", str(key), "-out", str(certificate))  # fmt: skip
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(certificate, key)
        asking = ssl.create_default_context(cafile=str(certificate))

    def serve() -> None:
        accepted, _ = listener.accept()
        with serving.wrap_socket(accepted, server_side=True) as secure:
            secure.recv(100)
            secure.sendall(b"hello yourself\n")
            secure.recv(100)

    thread = threading.Thread(target=serve)
    thread.start()
    with sample.capture(client) as capture:
        attempt = connect(client, server, 443)
        secure = asking.wrap_socket(attempt.sock, server_hostname="lab.example")
        secure.sendall(b"hello\n")
        secure.recv(100)
        secure.close()
        thread.join(10)
        capture.settle(quiet=0.25)
    undisturbed(attempt.info["rtt_us"] < 50_000, "the path was slow")
    sample.expect(attempt, "established", rtt={"synack": close_to(attempt.info)}, close={"first": "client"})


@scenario()
def fast_open(sample: Sample) -> None:
    """TCP Fast Open: the first connection fetches a cookie, the second carries its request in the SYN."""
    client, server = sample.pair(delay=0.005)
    for host in (client, server):
        host.sysctl("net.ipv4.tcp_fastopen", 3)
    listener = server.listen(80)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
    attempts = []
    with sample.capture(client) as capture:
        for _ in range(2):
            sock = client.socket()
            sock.bind((client.ip, next_port()))
            sock.sendto(b"GET / HTTP/1.0\r\n\r\n", socket.MSG_FASTOPEN, (server.ip, 80))
            accepted, _ = listener.accept()
            accepted.recv(100)
            accepted.sendall(b"200 OK\r\n")
            sock.recv(100)
            capture.settle()
            attempts.append(Attempt(sock, (client.ip, sock.getsockname()[1]), (server.ip, 80), None))
    for attempt in attempts:
        sample.expect(attempt, "established", close=OPEN, client_to_server={"bytes": 18, "retransmissions": 0})


@scenario()
def defer_accept(sample: Sample) -> None:
    """TCP_DEFER_ACCEPT: the server repeats its SYN-ACK until the client has something to say, and takes it."""
    client, server = sample.pair()
    listener = server.listen(80)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 10)
    with sample.capture(client) as capture:
        attempt = connect(client, server, 80)
        capture.wait_for("Flags [S.]", 2)
        capture.settle()
        attempt.sock.sendall(b"at last\n")
        accepted, _ = listener.accept()
        accepted.recv(100)
    sample.expect(attempt, "established", close=OPEN, rtt={"synack": close_to(attempt.info)})
    sample.maybe("syn-retransmission")


@scenario()
def mptcp(sample: Sample) -> None:
    """A Multipath TCP handshake (MP_CAPABLE) with an exchange."""
    client, server = sample.pair()
    listener = server.listen(80, protocol=socket.IPPROTO_MPTCP)
    with sample.capture(client):
        attempt = start_connect(client, server, 80, sock=client.socket(protocol=socket.IPPROTO_MPTCP))
        attempt.wait(5)
        accepted, _ = listener.accept()
        attempt.sock.sendall(b"many paths\n")
        accepted.recv(100)
    sample.expect(attempt, "established", close=OPEN, client_options={"mptcp": True}, server_options={"mptcp": True})


@scenario()
def ecn(sample: Sample) -> None:
    """A handshake that negotiates ECN: the SYN carries ECE and CWR, the SYN-ACK ECE."""
    client, server = sample.pair()
    client.sysctl("net.ipv4.tcp_ecn", 1)
    server.listen(80)
    with sample.capture(client):
        attempt = connect(client, server, 80)
    sample.expect(attempt, "established", close=OPEN, client_options={"ecn": True}, server_options={"ecn": True})


@scenario()
def no_options(sample: Sample) -> None:
    """A handshake without timestamps, window scale and SACK: only the maximum segment size is offered."""
    client, server = sample.pair()
    for name in ("timestamps", "window_scaling", "sack"):
        client.sysctl(f"net.ipv4.tcp_{name}", 0)
    server.listen(80)
    with sample.capture(client):
        attempt = connect(client, server, 80)
    plain = {"mss": 1460, "window_scale": None, "sack_permitted": False, "timestamps": False}
    sample.expect(attempt, "established", close=OPEN, client_options=plain, server_options=plain)


@scenario()
def aborted_connect(sample: Sample) -> None:
    """The client gives up during SYN-SENT on a path of 600 ms: the SYN-ACK finds nobody and draws a RST."""
    client, server = sample.pair(delay=0.3)
    server.listen(80)
    with sample.capture(client) as capture:
        attempt = start_connect(client, server, 80)
        capture.wait_for("Flags [S]")
        attempt.sock.close()
        capture.wait_for("Flags [R")
        capture.settle(quiet=0.4)
    sample.expect(attempt, "aborted")


@scenario()
def keep_alive(sample: Sample) -> None:
    """An idle connection with keep-alives every second: neither data nor retransmissions."""
    client, server = sample.pair()
    listener = server.listen(80)
    with sample.capture(client) as capture:
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        attempt.sock.sendall(b"hello\n")
        accepted.recv(10)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
            attempt.sock.setsockopt(socket.IPPROTO_TCP, option, 1)
        attempt.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        capture.wait_for("10.0.0.1.40001 > 10.0.0.2.80: Flags [.]", 4)
        capture.settle()
    sample.expect(attempt, "established", close=OPEN, client_to_server={"bytes": 6, "retransmissions": 0})


@scenario()
def zero_window(sample: Sample) -> None:
    """The server does not read: its window closes, the client probes it, and it opens again."""
    client, server = sample.pair()
    listener = server.listen(80)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with sample.capture(client, snap=96) as capture:
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        attempt.sock.setblocking(False)
        sent = attempt.sock.send(b"x" * 20000)
        capture.wait_for("win 0,")
        capture.settle(quiet=0.7)
        accepted.settimeout(5)
        while sent > 0:
            sent -= len(accepted.recv(65536))
    sample.expect(attempt, "established", close=OPEN)
