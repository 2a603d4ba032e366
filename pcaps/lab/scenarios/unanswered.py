"""What goes wrong after a good handshake: dead peers, paths that take only short packets, idle timeouts, races."""

from __future__ import annotations

import socket
import time

from lab.kernel import Attempt, connect
from lab.namespace import Host, Listener, Socket
from lab.packet import Segment
from lab.sample import Sample, scenario, sentences
from lab.scenarios.closing import close, exchange, reset

Pool = list[tuple[Attempt, Socket]]


def pool(client: Host, server: Host, listener: Listener, size: int) -> Pool:
    """So many connections on which a request was answered."""
    made = []
    for _ in range(size):
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        exchange(attempt.sock, accepted)
        made.append((attempt, accepted))
    return made


@scenario()
def stalled(sample: Sample) -> None:
    """A pool of three connections is used again after the path has forgotten them: all that is sent vanishes."""
    client, server = sample.pair()
    listener = server.listen(80)
    with sample.capture(client) as capture:
        connections = pool(client, server, listener, 3)
        time.sleep(1.2)
        server.firewall("input", "drop")
        for attempt, _ in connections:
            attempt.sock.sendall(b"anybody there?\n")
        capture.wait_for("length 15", 18)  # five copies each: 6.2 s
    for attempt, _ in connections:
        sample.expect(attempt, "established", cause=None, close=close("open"), stage="later")
    sample.finding("stalled", connections[0][0].server, connections=3, open=3)


@scenario()
def dead_peer(sample: Sample) -> None:
    """The server is gone without a word; the client's keep-alives find out, and its kernel gives up with a RST."""
    client, server = sample.pair()
    listener = server.listen(80)
    with sample.capture(client) as capture:
        connections = pool(client, server, listener, 3)
        server.firewall("input", "drop")
        for attempt, _ in connections:
            attempt.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2)
            attempt.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
            attempt.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
            attempt.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        capture.wait_for("Flags [R", 3)
    for attempt, _ in connections:
        state = {"client": "CLOSED"}  # the server knows nothing of it
        sample.expect(attempt, "established", cause="dead-peer", close=close("timeout"), state=state)
    sample.finding("stalled", connections[0][0].server, connections=3, ended_as_peer_was_dead=3)


@scenario("path-mtu", "path-mtu-answers")
@sentences(
    path_mtu="Requests of 1900 bytes in two packets; the path drops the longer one, without ICMP, again and again.",
    path_mtu_answers="The same with answers, captured at the server: the client never sees the first 1448 bytes.",
)
def path_mtu(sample: Sample) -> None:
    client, server = sample.pair(delay=0.01)
    listener = server.listen(80)
    by_server = sample.name == "path-mtu-answers"

    def narrow(_sender: str, segment: Segment) -> list[float] | None:
        return [] if len(segment.payload) > 1348 else None

    sample.the_path().rules.append(narrow)
    with sample.capture(server if by_server else client) as capture:
        connections = pool(client, server, listener, 2)
        for attempt, accepted in connections:
            (accepted if by_server else attempt.sock).sendall(bytes(1900))
        capture.wait_for("length 1448", 10)  # and the first times: four copies each, 3 s
    for attempt, _ in connections:
        sample.expect(attempt, "established", cause=None, close=close("open"))
    target = connections[0][0].client if by_server else connections[0][0].server
    sample.finding("path-mtu", (target[0], None), connections=2, smallest_failed_bytes=1448, icmp_too_big=0)


@scenario()
def idle_timeout(sample: Sample) -> None:
    """Six connections are reset after two seconds without a packet, as a balancer or a careless server does."""
    client, server = sample.pair()
    listener = server.listen(80)
    with sample.capture(client) as capture:
        connections = []
        for _ in range(6):
            connections += pool(client, server, listener, 1)
            time.sleep(0.1)
        begun = time.monotonic()
        for number, (_, accepted) in enumerate(connections):
            time.sleep(max(0.0, begun - 0.6 + number * 0.1 + 2 - time.monotonic()))
            reset(accepted)
        capture.wait_for("Flags [R", 6)
    for attempt, _ in connections:
        sample.expect(attempt, "established", cause="reset-by-server", close=close("rst", "server", "server"))
    sample.finding("idle-timeout", connections[0][0].server, connections=6, rst_from_server=6)


@scenario()
def keep_alive_race(sample: Sample) -> None:
    """The server closes idle connections while requests are on their way, over a path of 100 ms: RSTs."""
    client, server = sample.pair(delay=0.05)
    listener = server.listen(80)
    with sample.capture(client) as capture:
        connections = pool(client, server, listener, 3)
        time.sleep(1.3)
        for attempt, accepted in connections:
            accepted.close()
            attempt.sock.sendall(b"another request\n")
        capture.wait_for("Flags [R", 3)
    for attempt, _ in connections:
        sample.expect(attempt, "established", cause="reset-by-server",
                      close=close("rst-after-fin", "server", "server"))  # fmt: skip
    sample.finding("keep-alive-race", connections[0][0].server, connections=3, closed_by_server=3)
