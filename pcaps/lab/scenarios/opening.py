"""Handshakes that complete, in all the ways a handshake can."""

from __future__ import annotations

from lab.kernel import connect, tcp_info
from lab.sample import Sample, close_to, scenario, sentences, undisturbed


@scenario("handshake", "handshake-ipv6")
@sentences(
    handshake="A handshake and nothing after it: both ends are ESTABLISHED when the capture ends.",
    handshake_ipv6="The same over IPv6.",
)
def handshake(sample: Sample) -> None:
    client, server = sample.pair(ipv6=sample.name.endswith("ipv6"))
    server.listen(80)
    with sample.capture(client):
        attempt = connect(client, server, 80)
    sample.expect(
        attempt,
        "established",
        cause=None,
        close={"how": "open", "first": None, "reset_by": None},
        rtt={"synack": close_to(attempt.info)},
    )


@scenario("handshake-40ms", "handshake-40ms-server-side", "handshake-40ms-between")
@sentences(
    handshake_40ms="A handshake over a path of 40 ms, captured at the client: the whole RTT lies in SYN to SYN-ACK.",
    handshake_40ms_server_side="The same path captured at the server: the whole RTT lies in SYN-ACK to ACK.",
    handshake_40ms_between="The same path captured at a VLAN-tagged mirror port a quarter of the way from the client.",
)
def handshake_40ms(sample: Sample) -> None:
    client, server = sample.pair(delay=0.020)
    listener = server.listen(80)
    point = {"handshake-40ms": client, "handshake-40ms-server-side": server}.get(sample.name)
    if point is None:
        point = sample.host("mirror")
        sample.the_path().mirror(point, 0.25, vlan=42)
        point.run("ip", "link", "set", "eth0", "up")
    with sample.capture(point, expression="vlan and tcp" if point.label == "mirror" else "tcp"):
        attempt = connect(client, server, 80)
        accepted, _ = listener.accept()
        seen_by_server = tcp_info(accepted)
    for info in (attempt.info, seen_by_server):
        undisturbed(40_000 <= info["rtt_us"] < 50_000, f"{info['rtt_us']} us instead of 40 ms")
    if point is client:
        rtt = {"synack": close_to(attempt.info)}
    elif point is server:
        rtt = {"ackdat": close_to(seen_by_server)}
    else:
        rtt = {
            "synack": {"method": "exact", "min_ns": 29_000_000, "max_ns": 38_000_000},
            "ackdat": {"method": "exact", "min_ns": 9_500_000, "max_ns": 18_000_000},
        }
    rtt["total"] = {"method": "exact", "min_ns": 39_000_000, "max_ns": close_to(attempt.info)["max_ns"] + 4_000_000}
    sample.expect(attempt, "established", close={"how": "open", "first": None, "reset_by": None}, rtt=rtt)
