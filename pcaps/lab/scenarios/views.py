"""The same ordinary connection, seen by captures that are late, one-eyed, doubled, out of order or cut."""

from __future__ import annotations

import struct

from lab.kernel import Attempt, connect
from lab.namespace import Host
from lab.sample import Sample, acquaint, address_interface, close_to, link, scenario, sentences, undisturbed
from lab.scenarios.closing import close, exchange


def whole_life(sample: Sample, client: Host, server: Host, at: Host, **how: object) -> Attempt:
    """Capture a connection from SYN to the last ACK; the client closes first."""
    listener = server.listen(80)
    with sample.capture(at, **how) as capture:
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        exchange(attempt.sock, accepted)
        attempt.sock.close()
        accepted.recv(1)
        accepted.close()
        capture.settle(quiet=0.15)
    return attempt


@scenario()
def midstream(sample: Sample) -> None:
    """The capture starts after the handshake: data only, and the roles must be inferred."""
    client, server = sample.pair()
    listener = server.listen(80)
    attempt = connect(client, server, 80)
    accepted, _ = listener.accept()
    with sample.capture(client):
        for _ in range(3):
            exchange(attempt.sock, accepted)
    sample.expect(attempt, "midstream", roles="inferred", decided=..., close={"how": "open"},
                  rtt={"synack": {"method": "none"}, "total": {"method": "none"}})  # fmt: skip
    sample.finding("capture-quality")


@scenario("one-sided-client", "one-sided-server", "one-sided-syn-ack")
@sentences(
    one_sided_client=(
        "Only what the client sends is captured: its ACK and data prove the handshake, and the RTT as a sum."
    ),
    one_sided_server="Only what the server sends is captured: its data proves that the handshake completed.",
    one_sided_syn_ack="Only what the server sends is captured, and that is a SYN-ACK without a SYN.",
)
def one_sided(sample: Sample) -> None:
    client, server = sample.pair(delay=0.02)
    listener = server.listen(80)
    whom = client if sample.name == "one-sided-client" else server
    with sample.capture(client, expression=f"tcp and src host {whom.ip}"):
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        if sample.name != "one-sided-syn-ack":
            exchange(attempt.sock, accepted)
            exchange(attempt.sock, accepted)
    undisturbed(attempt.info["rtt_us"] < 50_000, "the path was slow")
    if sample.name == "one-sided-client":
        rtt = {"total": {**close_to(attempt.info, "one-sided"), "max_ns": 55_000_000}}
        sample.expect(attempt, "established", rtt=rtt, decided=..., state={"client": "ESTABLISHED"})
    elif sample.name == "one-sided-server":
        sample.expect(attempt, "established", decided=..., state={"server": "ESTABLISHED"})
    else:
        sample.expect(attempt, "unsolicited", decided=..., state=...)
    sample.finding("capture-quality")
    sample.maybe("backscatter")


@scenario()
def router_any(sample: Sample) -> None:
    """A router captures on all of its interfaces: every packet twice, the second time with a TTL one lower."""
    client, router, server = sample.routed()
    attempt = whole_life(sample, client, server, router, interface="any")
    sample.expect(attempt, "established", close=close("fin", "client"), syn_count=1, synack_count=1,
                  client_to_server={"bytes": 5, "retransmissions": 0},
                  server_to_client={"bytes": 5, "retransmissions": 0})  # fmt: skip
    sample.finding("capture-quality")


@scenario()
def syn_proxy_any(sample: Sample) -> None:
    """A router with a SYN proxy captures on all of its interfaces: each packet twice, with other sequence numbers."""
    client, router, server = sample.routed()
    router.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)
    offers = "mss 1460 wscale 7 timestamp sack-perm"
    for rule in (
        "add table ip lab",
        "add chain ip lab early { type filter hook prerouting priority -300; }",
        "add rule ip lab early tcp dport 80 tcp flags syn notrack",
        "add chain ip lab forward { type filter hook forward priority 0; }",
        f"add rule ip lab forward tcp dport 80 ct state invalid,untracked synproxy {offers}",
    ):
        router.run("nft", rule)
    attempt = whole_life(sample, client, server, router, interface="any")
    sample.expect(attempt, "established", close=close("fin", "client"), syn_count=2, synack_count=...,
                  client_to_server={"bytes": 5}, server_to_client={"bytes": 5})  # fmt: skip
    sample.finding("capture-quality", renumbered=1)
    sample.maybe("syn-retransmission")


@scenario()
def bridge_any(sample: Sample) -> None:
    """A bridge captures on all of its ports: every frame twice, byte for byte."""
    client, bridge, server = sample.host("client"), sample.host("bridge"), sample.host("server")
    link(client, bridge)
    link(server, bridge, "eth0", "eth1")
    bridge.run("ip", "link", "add", "br0", "type", "bridge")
    for port in ("eth0", "eth1"):
        bridge.run("ip", "link", "set", port, "master", "br0")
        bridge.run("ip", "link", "set", port, "up")
    bridge.run("ip", "link", "set", "br0", "up")
    address_interface(client, "eth0", "10.0.0.1")
    address_interface(server, "eth0", "10.0.0.2")
    acquaint(client, server)
    attempt = whole_life(sample, client, server, bridge, interface="any")
    sample.expect(attempt, "established", close=close("fin", "client"), syn_count=1, synack_count=1,
                  client_to_server={"bytes": 5, "retransmissions": 0},
                  server_to_client={"bytes": 5, "retransmissions": 0})  # fmt: skip
    sample.finding("capture-quality")


@scenario("cooked", "cooked-v1")
@sentences(
    cooked="An ordinary connection captured on `-i any`: Linux cooked frames, version 2.",
    cooked_v1="An ordinary connection captured on `-i any -y LINUX_SLL`: Linux cooked frames, version 1.",
)
def cooked(sample: Sample) -> None:
    client, server = sample.pair()
    options = ("-y", "LINUX_SLL") if sample.name == "cooked-v1" else ()
    attempt = whole_life(sample, client, server, client, interface="any", options=options, precision="micro")
    sample.expect(attempt, "established", close=close("fin", "client"), rtt={"synack": close_to(attempt.info)},
                  client_to_server={"bytes": 5, "retransmissions": 0})  # fmt: skip


@scenario()
def cut_by_snap_length(sample: Sample) -> None:
    """A snap length of 54 bytes keeps the TCP header and cuts off its options."""
    client, server = sample.pair()
    attempt = whole_life(sample, client, server, client, snap=54)
    sample.expect(attempt, "established", close=close("fin", "client"), rtt={"synack": close_to(attempt.info)},
                  client_to_server={"bytes": 5, "retransmissions": 0})  # fmt: skip
    sample.finding("capture-quality")


def records(data: bytes) -> list[bytes]:
    """The packet records of a pcap file."""
    found, at = [], 24
    while at < len(data):
        size = 16 + struct.unpack_from("=I", data, at + 8)[0]
        found.append(data[at : at + size])
        at += size
    return found


@scenario("reordered-capture", "reordered-capture-clock")
@sentences(
    reordered_capture=(
        "The capture stored the SYN-ACK before the SYN, each with its own time: the roles stay, the RTT is not claimed."
    ),
    reordered_capture_clock=(
        "The same with the times in the order of storage: the SYN-ACK seems to be earlier than the SYN."
    ),
)
def reordered_capture(sample: Sample) -> None:
    client, server = sample.pair()
    attempt = whole_life(sample, client, server, client)
    data = sample.file.read_bytes()
    syn, syn_ack, *rest = records(data)
    if sample.name == "reordered-capture-clock":
        syn, syn_ack = syn_ack[:8] + syn[8:], syn[:8] + syn_ack[8:]
    sample.file.write_bytes(data[:24] + b"".join([syn_ack, syn, *rest]))
    sample.expect(attempt, "established", close=close("fin", "client"), rtt={"synack": {"method": "none"}})
    sample.finding("capture-quality")
