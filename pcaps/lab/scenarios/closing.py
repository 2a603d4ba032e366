"""How connections end: by FIN from either side or from both at once, by RST, or by halves."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

from lab.kernel import connect
from lab.namespace import Host
from lab.sample import Sample, close_to, scenario, sentences

LINGER_ZERO = struct.pack("ii", 1, 0)


def exchange(client_end: socket.socket, server_end: socket.socket) -> None:
    """A request and its answer."""
    client_end.sendall(b"ping\n")
    server_end.recv(100)
    server_end.sendall(b"pong\n")
    client_end.recv(100)


def close(how: str, first: str | None = None, reset_by: str | None = None) -> dict[str, Any]:
    """The way a connection ended."""
    return {"how": how, "first": first, "reset_by": reset_by}


def reset(sock: socket.socket) -> None:
    """Close with a RST instead of a FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    sock.close()


@scenario("closed-by-client", "closed-by-server", "closed-by-client-ipv6")
@sentences(
    closed_by_client="Request, answer, and the client closes first: it holds TIME_WAIT, the server nothing.",
    closed_by_server="Request, answer, and the server closes first: it holds TIME_WAIT, the client nothing.",
    closed_by_client_ipv6="Request, answer and a close by the client over IPv6.",
)
def closed(sample: Sample) -> None:
    client, server = sample.pair(ipv6=sample.name.endswith("ipv6"))
    listener = server.listen(80)
    with sample.capture(client) as capture:
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        exchange(attempt.sock, accepted)
        by_server = sample.name == "closed-by-server"
        first, second = (accepted, attempt.sock) if by_server else (attempt.sock, accepted)
        first.close()
        assert second.recv(1) == b""
        capture.settle()
        second.close()
        capture.wait_for("Flags [F.]", 2)
    sample.expect(attempt, "established", close=close("fin", "server" if by_server else "client"),
                  client_to_server={"bytes": 5, "retransmissions": 0},
                  server_to_client={"bytes": 5, "retransmissions": 0},
                  rtt={"synack": close_to(attempt.info)})  # fmt: skip


@scenario()
def half_closed(sample: Sample) -> None:
    """The client shuts down its direction and the server goes on sending: FIN_WAIT_2 against CLOSE_WAIT."""
    client, server = sample.pair()
    listener = server.listen(80)
    with sample.capture(client):
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        attempt.sock.sendall(b"everything\n")
        attempt.sock.shutdown(socket.SHUT_WR)
        while accepted.recv(100):
            pass
        accepted.sendall(b"still talking\n")
        attempt.sock.recv(100)
    sample.expect(attempt, "established", close=close("half-closed", "client"))


@scenario()
def simultaneous_close(sample: Sample) -> None:
    """Both ends close at the same time over a path of 100 ms: the FINs cross, and both ends hold TIME_WAIT."""
    client, server = sample.pair(delay=0.05)
    listener = server.listen(80)
    with sample.capture(client) as capture:
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        exchange(attempt.sock, accepted)
        time.sleep(0.15)  # the last acknowledgment must be through
        attempt.sock.close()
        accepted.close()
        capture.wait_for("Flags [F.]", 2)
        time.sleep(0.15)
    sample.expect(attempt, "established", close=close("fin", "client"))


@scenario("reset-by-client", "reset-by-server")
@sentences(
    reset_by_client="The client ends the connection with a RST (SO_LINGER 0) after an exchange.",
    reset_by_server="The server ends the connection with a RST (SO_LINGER 0) after an exchange.",
)
def reset_after_data(sample: Sample) -> None:
    client, server = sample.pair()
    listener = server.listen(80)
    with sample.capture(client) as capture:
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        exchange(attempt.sock, accepted)
        capture.settle()
        by_client = sample.name == "reset-by-client"
        reset(attempt.sock if by_client else accepted)
        capture.wait_for("Flags [R")
    who = "client" if by_client else "server"
    sample.expect(attempt, "established", close={"how": "rst", "reset_by": who})


@scenario()
def reset_with_unread_data(sample: Sample) -> None:
    """The server closes while data waits unread in its buffer, so its kernel sends RST and not FIN."""
    client, server = sample.pair()
    listener = server.listen(80)
    with sample.capture(client) as capture:
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        attempt.sock.sendall(b"nobody reads this\n")
        capture.wait_for("length 18")
        capture.settle()
        accepted.close()
        capture.wait_for("Flags [R")
    sample.expect(attempt, "established", close={"how": "rst", "reset_by": "server"})


@scenario()
def reset_after_fin(sample: Sample) -> None:
    """The client closes with FIN, the server sends more, and the client's kernel answers with RST."""
    client, server = sample.pair()
    listener = server.listen(80)
    with sample.capture(client) as capture:
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        exchange(attempt.sock, accepted)
        attempt.sock.close()
        assert accepted.recv(1) == b""
        capture.settle()
        accepted.sendall(b"too late\n")
        capture.wait_for("Flags [R")
    sample.expect(attempt, "established", close=close("rst-after-fin", "client", "client"))


def kill_silently(host: Host, *ends: socket.socket) -> None:
    """Let a host lose its connections without a word, as a crash or a power cut does."""
    host.firewall("output", "drop")
    for end in ends:
        reset(end)
    host.firewall("output")


@scenario()
def stale_peer_server(sample: Sample) -> None:
    """The server loses its state as in a reboot: the client's next data draws a bare RST."""
    client, server = sample.pair()
    listener = server.listen(80)
    with sample.capture(client) as capture:
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        exchange(attempt.sock, accepted)
        capture.settle()
        kill_silently(server, accepted)
        attempt.sock.sendall(b"still there?\n")
        capture.wait_for("Flags [R")
    sample.expect(attempt, "established", close={"how": "rst", "reset_by": "server"})
    sample.finding("stale-peer")


@scenario()
def stale_peer_client(sample: Sample) -> None:
    """The client loses its state and connects again from the same port: challenge ACK, RST, and the SYN again."""
    client, server = sample.pair()
    listener = server.listen(80)
    with sample.capture(client):
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        exchange(attempt.sock, accepted)
        kill_silently(client, attempt.sock)
        again = connect(client, server, 80, source=attempt.client[1])
        listener.accept()
    gone = {"client": "CLOSED", "server": "CLOSED"}
    sample.expect(attempt, "established", state=gone, syn_count=..., synack_count=1,
                  close={"how": "rst", "reset_by": "client"})  # fmt: skip
    sample.expect(again, "established", syn_count=..., synack_count=1, close=close("open"))
    sample.finding("stale-peer")
    sample.maybe("port-reuse", "syn-retransmission")


@scenario("port-reuse", "port-reuse-server-time-wait")
@sentences(
    port_reuse=(
        "A client bound to one port closes and connects again a second later: two connections with the same 4-tuple."
    ),
    port_reuse_server_time_wait=(
        "The same with TIME_WAIT at the server, which takes the new SYN because its ISN is higher."
    ),
)
def port_reuse(sample: Sample) -> None:
    client, server = sample.pair()
    listener = server.listen(80)
    by_server = sample.name != "port-reuse"
    with sample.capture(client) as capture:
        attempts = []
        for number in (1, 2):
            attempt = connect(client, server, 80, source=42000)
            accepted, _ = listener.accept()
            exchange(attempt.sock, accepted)
            attempts.append(attempt)
            if number == 1:
                first, second = (accepted, attempt.sock) if by_server else (attempt.sock, accepted)
                first.close()
                second.recv(1)
                second.close()
                capture.wait_for("Flags [F.]", 2)
                time.sleep(1.1)  # the timestamp clock must have moved on
    who = "server" if by_server else "client"
    sample.expect(attempts[0], "established", close=close("fin", who), state=..., syn_count=1, synack_count=1)
    sample.expect(attempts[1], "established", close=close("open"), syn_count=1, synack_count=1)
    sample.finding("port-reuse")
    sample.maybe("connection-churn")
