"""Segments that a path of 40 ms loses, doubles or overtakes, chosen one by one."""

from __future__ import annotations

import time

from lab.kernel import connect, start_connect, tcp_info
from lab.packet import ACK, SYN
from lab.path import nth
from lab.sample import Sample, close_to, scenario, sentences, undisturbed

DELAY = 0.020
PATH_NS = 40_000_000


@scenario("lost-syn", "lost-syn-no-timestamps")
@sentences(
    lost_syn=(
        "The path loses the first SYN; the second is answered, and the timestamp echo proves it: the RTT is known."
    ),
    lost_syn_no_timestamps=(
        "The same without timestamps: nothing shows which SYN was answered, so the answer is an interval."
    ),
)
def lost_syn(sample: Sample) -> None:
    client, server = sample.pair(delay=DELAY)
    plain = sample.name.endswith("no-timestamps")
    if plain:
        client.sysctl("net.ipv4.tcp_timestamps", 0)
    server.listen(80)
    sample.the_path().rules.append(nth("client", SYN, [], 1))
    with sample.capture(client):
        attempt = connect(client, server, 80)
    if plain:
        rtt = {"method": "ambiguous", "true_ns": PATH_NS}
    else:
        undisturbed(attempt.info["rtt_us"] < 50_000, "the path was slow")
        rtt = {"method": "tsecr", "min_ns": 38_000_000, "max_ns": 52_000_000, "true_ns": PATH_NS}
    close = {"how": "open", "first": None, "reset_by": None}
    sample.expect(attempt, "established", syn_count=2, synack_count=1, rtt={"synack": rtt}, close=close)
    sample.finding("syn-retransmission")


@scenario("lost-synack", "lost-synack-server-side")
@sentences(
    lost_synack=(
        "The path loses the first SYN-ACK: the later one echoes the first SYN's timestamp though it answers the second."
    ),
    lost_synack_server_side="The same seen by the server, whose first SYN-ACK gets no answer.",
)
def lost_synack(sample: Sample) -> None:
    client, server = sample.pair(delay=DELAY)
    listener = server.listen(80)
    sample.the_path().rules.append(nth("server", SYN | ACK, [], 1))
    at_client = sample.name == "lost-synack"
    with sample.capture(client if at_client else server):
        attempt = connect(client, server, 80)
        listener.accept()
    leg = {"synack": {"method": "ambiguous", "true_ns": PATH_NS}} if at_client else {"ackdat": {"true_ns": PATH_NS}}
    sample.expect(attempt, "established", rtt=leg, close={"how": "open", "first": None, "reset_by": None})
    sample.finding("syn-retransmission")


@scenario("lost-final-ack", "lost-final-ack-server-side")
@sentences(
    lost_final_ack=(
        "The path loses the ACK that ends the handshake: the server repeats its SYN-ACK once, then all is well."
    ),
    lost_final_ack_server_side="The same seen by the server, who gets the ACK only after the second SYN-ACK.",
)
def lost_final_ack(sample: Sample) -> None:
    client, server = sample.pair(delay=DELAY)
    listener = server.listen(80)
    sample.the_path().rules.append(nth("client", ACK, [], 1))
    at_client = sample.name == "lost-final-ack"
    with sample.capture(client if at_client else server):
        attempt = connect(client, server, 80)
        listener.accept()
    rtt = {"synack": close_to(attempt.info)} if at_client else {"ackdat": {"true_ns": PATH_NS}}
    # The client cannot know yet whether its second ACK was taken: a full accept queue would look the same.
    sample.expect(attempt, "established", rtt=rtt, syn_count=1, synack_count=2, decided=... if at_client else True,
                  close={"how": "open", "first": None, "reset_by": None})  # fmt: skip
    sample.maybe("syn-retransmission", "slow-client-ack")


@scenario()
def data_completes_the_handshake(sample: Sample) -> None:
    """The bare ACK is lost on the way, and the client's first data completes the handshake in the server's capture."""
    client, server = sample.pair(delay=DELAY)
    listener = server.listen(80)
    sample.the_path().rules.append(nth("client", ACK, [], 1))
    with sample.capture(server):
        attempt = connect(client, server, 80)
        attempt.sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        accepted, _ = listener.accept()
        accepted.recv(100)
    sample.expect(attempt, "established", rtt={"ackdat": {"method": "data-ack", "true_ns": PATH_NS}},
                  close={"how": "open", "first": None, "reset_by": None}, synack_count=1)  # fmt: skip


@scenario()
def lost_data(sample: Sample) -> None:
    """The path loses one segment of data, and the client retransmits it: one retransmission, says TCP_INFO."""
    client, server = sample.pair(delay=DELAY)
    listener = server.listen(80)
    sample.the_path().rules.append(nth("client", ACK, [], 2, payload=True))
    with sample.capture(client):
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        for line in (b"one\n", b"two\n", b"three\n"):
            attempt.sock.sendall(line)
            accepted.recv(100)
            accepted.sendall(line)
            attempt.sock.recv(100)
    resent = tcp_info(attempt.sock)["total_retrans"]
    assert resent >= 1
    sample.expect(attempt, "established", close={"how": "open", "first": None, "reset_by": None},
                  client_to_server={"retransmissions": resent}, server_to_client={"retransmissions": 0},
                  rtt={"synack": close_to(attempt.info)})  # fmt: skip


@scenario("doubled-syn", "doubled-data")
@sentences(
    doubled_syn="The network doubles the SYN, captured at the server: one SYN was sent, though two arrive.",
    doubled_data="The network doubles a segment of data, captured at the server: nobody retransmitted, says TCP_INFO.",
)
def doubled(sample: Sample) -> None:
    client, server = sample.pair(delay=DELAY)
    listener = server.listen(80)
    with_data = sample.name == "doubled-data"
    rule = nth("client", ACK, [0.0, 0.0003], 1, payload=True) if with_data else nth("client", SYN, [0.0, 0.0003], 1)
    sample.the_path().rules.append(rule)
    with sample.capture(server):
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        attempt.sock.sendall(b"hello")
        accepted.recv(100)
    assert tcp_info(attempt.sock)["total_retrans"] == 0
    sample.expect(attempt, "established", syn_count=1, synack_count=1 if with_data else ...,
                  client_to_server={"retransmissions": 0},
                  close={"how": "open", "first": None, "reset_by": None})  # fmt: skip
    sample.maybe("capture-quality")


@scenario()
def overtaken_data(sample: Sample) -> None:
    """One segment overtakes another on the path, captured at the server: late, not lost, and nobody retransmitted."""
    client, server = sample.pair(delay=DELAY)
    listener = server.listen(80)
    sample.the_path().rules.append(nth("client", ACK, [0.004], 1, payload=True))
    with sample.capture(server):
        attempt = connect(client, server, 80)
        attempt.sock.setsockopt(6, 1, 1)  # TCP_NODELAY: two segments
        accepted, _ = listener.accept()
        attempt.sock.sendall(b"first ")
        attempt.sock.sendall(b"second")
        while len(accepted.recv(100, 2)) < 12:  # MSG_PEEK
            time.sleep(0.005)
    undisturbed(tcp_info(attempt.sock)["total_retrans"] == 0, "the client retransmitted")
    sample.expect(attempt, "established", client_to_server={"retransmissions": 0, "bytes": 12})


@scenario()
def half_open_no_final_ack(sample: Sample) -> None:
    """The client's own firewall drops the SYN-ACKs: both ends repeat themselves and the handshake never completes."""
    client, server = sample.pair()
    server.listen(80)
    client.firewall("input", "tcp flags syn,ack / syn,ack drop")
    with sample.capture(server) as capture:
        attempt = start_connect(client, server, 80)
        capture.wait_for("Flags [S]", 5)
    sample.expect(attempt, "half-open", cause="no-final-ack")
    sample.finding("half-open", attempt.server)
    sample.maybe("syn-retransmission")
