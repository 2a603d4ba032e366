"""Connections caught in the states that pass quickly, because the path went dead at the right moment."""

from __future__ import annotations

import time

from lab.kernel import connect, start_connect
from lab.packet import ACK, SYN, Segment
from lab.path import Rule
from lab.sample import Sample, scenario, sentences, undisturbed
from lab.scenarios.closing import close, exchange

OPEN = {"how": "open", "first": None, "reset_by": None}


def lose(source: str) -> Rule:
    """A rule that loses everything that one side sends."""

    def rule(sender: str, _segment: Segment) -> list[float] | None:
        return [] if sender == source else None

    return rule


@scenario()
def fin_wait_1(sample: Sample) -> None:
    """The client closes and its FIN is lost again and again: FIN_WAIT_1, and the server knows of nothing."""
    client, server = sample.pair(delay=0.01)
    listener = server.listen(80)
    with sample.capture(client) as capture:
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        exchange(attempt.sock, accepted)
        capture.settle(quiet=0.15)
        sample.the_path().rules.append(lose("client"))
        attempt.sock.close()
        capture.wait_for("Flags [F.]", 3)
    sample.expect(attempt, "established", close={"first": "client"})


@scenario()
def last_ack(sample: Sample) -> None:
    """The client's last ACK is lost: the server repeats its FIN in LAST_ACK, the client is in TIME_WAIT."""
    client, server = sample.pair(delay=0.01)
    listener = server.listen(80)
    with sample.capture(client) as capture:
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        exchange(attempt.sock, accepted)
        attempt.sock.close()
        accepted.recv(1)
        capture.settle(quiet=0.15)
        sample.the_path().rules.append(lose("client"))
        accepted.close()
        capture.wait_for("10.0.0.2.80 > 10.0.0.1.40001: Flags [F.]", 3)
    sample.expect(attempt, "established", close={"first": "client"})


@scenario()
def soft_icmp_error(sample: Sample) -> None:
    """ICMP host unreachable for the data of an established connection: a soft error that ends nothing."""
    client, server = sample.pair()
    listener = server.listen(80)
    with sample.capture(client) as capture:
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        exchange(attempt.sock, accepted)
        server.firewall("input", "tcp dport 80 reject with icmp type host-unreachable")
        attempt.sock.sendall(b"can you hear me?\n")
        capture.wait_for("unreachable", 2)
        server.firewall("input")
        accepted.recv(100)
        exchange(attempt.sock, accepted)
    sample.expect(attempt, "established", cause=None, close=OPEN)


@scenario("one-way-path", "one-way-path-server-side")
@sentences(
    one_way_path="All that the server sends is lost, captured at the client: SYNs without an answer.",
    one_way_path_server_side=(
        "All that the server sends is lost, captured at the server: its SYN-ACKs get no ACK, the SYN comes again."
    ),
)
def one_way_path(sample: Sample) -> None:
    client, server = sample.pair(delay=0.01)
    server.listen(80)
    sample.the_path().rules.append(lose("server"))
    at_client = sample.name == "one-way-path"
    with sample.capture(client if at_client else server) as capture:
        attempt = start_connect(client, server, 80)
        capture.wait_for("Flags [S]", 5)
    if at_client:
        sample.expect(attempt, "timed-out", cause="host-silent", state={"client": "SYN_SENT"})
        sample.finding("timed-out", attempt.server)
    else:
        sample.expect(attempt, "half-open", cause="no-final-ack")
        sample.finding("half-open", attempt.server)
    sample.maybe("syn-retransmission")


@scenario()
def gave_up_silently(sample: Sample) -> None:
    """The client closes its socket during SYN-SENT, which sends nothing; a later connection shows that time passed."""
    client, server = sample.pair()
    server.listen(443)
    server.firewall("input", "tcp dport 80 drop")
    with sample.capture(client) as capture:
        attempt = start_connect(client, server, 80)
        capture.wait_for("Flags [S]", 2)
        attempt.sock.close()
        time.sleep(3.2)
        later = connect(client, server, 443)
    sample.expect(attempt, "timed-out", cause="port-filtered", state=...)
    sample.expect(later, "established", close=OPEN)
    sample.finding("timed-out", attempt.server)
    sample.maybe("syn-retransmission")


@scenario()
def two_capture_points(sample: Sample) -> None:
    """Two capture points in one file: each packet twice, the copies a good part of the path's delay apart."""
    client, server = sample.pair(delay=0.02)
    mirror = sample.host("mirror")
    sample.the_path().mirror(mirror, 0.2, 0.8)
    mirror.run("ip", "link", "set", "eth0", "up")
    listener = server.listen(80)
    with sample.capture(mirror) as capture:
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        exchange(attempt.sock, accepted)
        attempt.sock.close()
        accepted.recv(1)
        accepted.close()
        capture.settle(quiet=0.25)
    undisturbed(attempt.info["rtt_us"] < 50_000, "the path was slow")
    sample.expect(attempt, "established", close=close("fin", "client"), syn_count=1, synack_count=1,
                  client_to_server={"bytes": 5, "retransmissions": 0},
                  server_to_client={"bytes": 5, "retransmissions": 0})  # fmt: skip
    sample.finding("capture-quality")


@scenario("slow-handshake", "slow-client-ack")
@sentences(
    slow_handshake=(
        "40 connections over a path of 10 ms; three SYN-ACKs take 400 ms longer: the server's half is to blame."
    ),
    slow_client_ack=(
        "40 connections over a path of 10 ms; three final ACKs take 400 ms longer: the client's half is to blame."
    ),
)
def slow(sample: Sample) -> None:
    client, server = sample.pair(delay=0.005)
    listener = server.listen(80)
    by_server = sample.name == "slow-handshake"
    hit = {40010, 40020, 40030}

    def hold(source: str, segment: Segment) -> list[float] | None:
        if by_server and source == "server" and segment.flags == SYN | ACK and segment.dport in hit:
            return [0.4]
        if not by_server and source == "client" and segment.flags == ACK and segment.sport in hit:
            return [0.4]
        return None

    sample.the_path().rules.append(hold)
    attempts = []
    with sample.capture(client if by_server else server):
        for _ in range(40):
            attempts.append(connect(client, server, 80))
            listener.accept()
    for attempt in attempts:
        sample.expect(attempt, "established", close=OPEN, syn_count=1, synack_count=1)
    sample.finding(sample.name, attempts[0].server, outliers=3)
    sample.maybe("connection-churn")


@scenario()
def syn_retransmission(sample: Sample) -> None:
    """20 connects of which 6 lose their first SYN: 30 % of the connects were delayed by one second."""
    client, server = sample.pair(delay=0.01)
    server.listen(80)
    lost: set[int] = set()

    def rule(source: str, segment: Segment) -> list[float] | None:
        unlucky = source == "client" and segment.flags == SYN and segment.sport % 10 in (2, 5, 8)
        if not unlucky or segment.sport in lost:
            return None
        lost.add(segment.sport)
        return []

    sample.the_path().rules.append(rule)
    with sample.capture(client):
        attempts = [start_connect(client, server, 80) for _ in range(20)]
        for attempt in attempts:
            attempt.wait(5)
    for attempt in attempts:
        again = attempt.client[1] in lost
        rtt = {
            "synack": {"method": "tsecr" if again else "exact", "true_ns": 20_000_000} if again else {"method": "exact"}
        }
        sample.expect(attempt, "established", close=OPEN, syn_count=1 + again, synack_count=1, rtt=rtt)
    sample.finding("syn-retransmission", attempts[0].server, connections=20, delayed=len(lost))
    sample.maybe("slow-handshake")


@scenario()
def predictable_isn(sample: Sample) -> None:
    """An old device whose initial sequence numbers grow by 64000 with every connection; the clients are real."""
    client, server = sample.pair(delay=0.003)
    server.listen(22)
    path = sample.the_path()
    answered = 0

    def device(source: str, segment: Segment) -> list[float] | None:
        nonlocal answered
        if source != "client" or segment.dport != 80:
            return None
        if segment.flags == SYN:
            answered += 1
            path.inject("client", segment.answer(SYN | ACK, seq=1_000_000 + 64000 * answered, window=8192), after=0.006)
        return []

    path.rules.append(device)
    with sample.capture(client):
        healthy = connect(client, server, 22)
        attempts = [connect(client, server, 80) for _ in range(24)]
    sample.expect(healthy, "established", close=OPEN)
    for attempt in attempts:
        assert attempt.error is None
        sample.expect(attempt, "established", close=OPEN, state={"client": "ESTABLISHED"}, syn_count=1, synack_count=1)
    sample.finding("predictable-isn", (server.ip, None))
    sample.maybe("connection-churn")
