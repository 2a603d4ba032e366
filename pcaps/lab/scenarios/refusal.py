"""Attempts that something answers with a no: a RST, or an ICMP error."""

from __future__ import annotations

from lab.kernel import connect
from lab.sample import Sample, scenario, sentences


@scenario("refused", "refused-ipv6")
@sentences(
    refused="A connect to a port that nothing listens on: the kernel answers the SYN with RST,ACK.",
    refused_ipv6="The same over IPv6.",
)
def refused(sample: Sample) -> None:
    client, server = sample.pair(ipv6=sample.name.endswith("ipv6"))
    with sample.capture(client):
        attempt = connect(client, server, 81)
    assert attempt.error == "ECONNREFUSED", attempt.error
    sample.expect(attempt, "refused", cause="closed-port", rtt={"synack": {"method": "none"}})
    sample.finding("refused", attempt.server)


# nft's word, the cause that hsi must name, errno of connect()
REJECTIONS = {
    "rejected-host-unreachable": ("icmp type host-unreachable", "host-unreachable", "EHOSTUNREACH"),
    "rejected-net-unreachable": ("icmp type net-unreachable", "net-unreachable", "ENETUNREACH"),
    "rejected-port-unreachable": ("icmp type port-unreachable", "port-unreachable", "ECONNREFUSED"),
    "rejected-admin-prohibited": ("icmp type admin-prohibited", "admin-prohibited", "EHOSTUNREACH"),
    "rejected-port-unreachable-ipv6": ("icmpv6 type port-unreachable", "port-unreachable", "ECONNREFUSED"),
    "rejected-admin-prohibited-ipv6": ("icmpv6 type admin-prohibited", "admin-prohibited", "EACCES"),
    "rejected-no-route-ipv6": ("icmpv6 type no-route", "net-unreachable", "ENETUNREACH"),
    "rejected-address-unreachable-ipv6": ("icmpv6 type addr-unreachable", "host-unreachable", "EHOSTUNREACH"),
}


@scenario(*REJECTIONS)
@sentences(**{
    name.replace("-", "_"): f"A firewall rejects the SYN with an {how.split()[0].upper().replace('V6', 'v6')} error "
    f"({how.split()[-1]}): connect() gives {errno}."
    for name, (how, _, errno) in REJECTIONS.items()
})  # fmt: skip
def rejected(sample: Sample) -> None:
    how, cause, errno = REJECTIONS[sample.name]
    client, server = sample.pair(ipv6=sample.name.endswith("ipv6"))
    server.firewall("input", f"tcp dport 80 reject with {how}")
    with sample.capture(client):
        attempt = connect(client, server, 80)
    assert attempt.error == errno, attempt.error
    sample.expect(attempt, "rejected", cause=cause)
    sample.finding("rejected", attempt.server)
    sample.maybe("syn-retransmission")


@scenario()
def rejected_ttl_exceeded(sample: Sample) -> None:
    """A SYN that runs out of hops: the router in between says time exceeded, and connect() gives EHOSTUNREACH."""
    client, _, server = sample.routed()
    server.listen(80)
    client.sysctl("net.ipv4.ip_default_ttl", 1)
    with sample.capture(client):
        attempt = connect(client, server, 80)
    assert attempt.error == "EHOSTUNREACH", attempt.error
    sample.expect(attempt, "rejected", cause="ttl-exceeded")
    sample.finding("rejected", attempt.server)
    sample.maybe("syn-retransmission")


@scenario()
def refused_while_serving(sample: Sample) -> None:
    """One address with two backends, one of them dead: every other connect is refused, all the time."""
    client, server = sample.pair()
    server.listen(8080)
    backends = "numgen inc mod 2 map { 0 : 8080, 1 : 8081 }"
    server.run("nft", "add table ip lab")
    server.run("nft", "add chain ip lab prerouting { type nat hook prerouting priority -100; }")
    server.run("nft", f"add rule ip lab prerouting tcp dport 80 redirect to :{backends}")
    with sample.capture(client):
        attempts = [connect(client, server, 80) for _ in range(6)]
    assert [attempt.error for attempt in attempts] == [None, "ECONNREFUSED"] * 3, attempts
    for attempt in attempts[::2]:
        sample.expect(attempt, "established", state=...)
    for attempt in attempts[1::2]:
        sample.expect(attempt, "refused", cause="refused-while-serving", state=...)
    sample.finding("refused", attempts[1].server)
