"""nmap at work on a host with open, closed and filtered ports."""

from __future__ import annotations

from lab.capture import read
from lab.kernel import connect
from lab.sample import Sample, scenario, sentences

_KINDS = {"syn": "-sS", "connect": "-sT", "fin": "-sF", "null": "-sN", "xmas": "-sX", "ack": "-sA"}
OPEN, FILTERED = (22, 53), (25, 26, 27)
PORTS = 60


@scenario(*(f"port-scan-{kind}" for kind in _KINDS))
@sentences(**{
    f"port_scan_{kind}": f"`nmap {option}` of 60 ports of one host: 2 open, 3 filtered, 55 closed."
    for kind, option in _KINDS.items()
})  # fmt: skip
def port_scan(sample: Sample) -> None:
    kind = sample.name.removeprefix("port-scan-")
    client, server = sample.pair()
    for port in OPEN:
        server.listen(port)
    server.firewall("input", f"tcp dport {{ {', '.join(map(str, FILTERED))} }} drop")
    with sample.capture(client, snap=96):
        client.run("nmap", _KINDS[kind], "-n", "-Pn", "-T4", "--max-retries", "1", "-p", f"1-{PORTS}", server.ip)
    closed = PORTS - len(OPEN) - len(FILTERED)
    if kind in ("syn", "connect"):
        done = {"aborted": len(OPEN)} if kind == "syn" else {"established": len(OPEN)}
        sample.expect_outcomes(refused=closed, **done)
    else:
        sample.expect_outcomes()
    facts: dict[str, object] = {"ports": PORTS}
    if kind == "ack":  # distinguishes filtered ports from the others
        facts |= {"filtered": list(FILTERED), "unfiltered": closed + len(OPEN)}
    elif kind in ("syn", "connect"):
        facts |= {"open": list(OPEN), "filtered": list(FILTERED), "closed": closed}
    else:  # silence means open or filtered
        facts |= {"closed": closed, "open_or_filtered": len(OPEN) + len(FILTERED)}
    sample.finding("port-scan", (client.ip, None), kind=kind, direction="vertical", **facts)
    sample.maybe("refused", "timed-out", "syn-retransmission", "predictable-isn", "connection-churn", "capture-quality")
    sample.maybe("port-reuse", "time-wait-pressure")


@scenario()
def port_scan_horizontal(sample: Sample) -> None:
    """`nmap -sS` of one port on 40 hosts: some have it open, the rest refuse."""
    client, server = sample.pair()
    for last in range(3, 42):
        server.run("ip", "address", "add", f"10.0.0.{last}/24", "dev", "eth0")
    for last in (5, 17, 33):
        server.ip = f"10.0.0.{last}"
        server.listen(22)
    with sample.capture(client, snap=96):
        client.run("nmap", "-sS", "-n", "-Pn", "-T4", "--max-retries", "1", "-p", "22", "10.0.0.2-41")
    sample.expect_outcomes(refused=len(read(sample.file, "tcp[13] == 20")), aborted=3)
    sample.finding("port-scan", (client.ip, None), kind="syn", direction="horizontal", hosts=40)
    sample.maybe("refused", "timed-out", "syn-retransmission", "predictable-isn", "capture-quality")


_FEW = {
    **{f"port-scan-few-{kind}": _KINDS[kind] for kind in ("syn", "connect", "fin", "ack")},
    **{f"port-scan-few-{kind}-ipv6": _KINDS[kind] for kind in ("syn", "connect", "null", "xmas")},
}


@scenario(*_FEW)
@sentences(**{
    name.replace("-", "_"): f"`nmap {option}` of a few ports of one host{' over IPv6' if 'ipv6' in name else ''}: "
    "1 open, 1 filtered, the rest closed."
    for name, option in _FEW.items()
})  # fmt: skip
def port_scan_few(sample: Sample) -> None:
    kind, ipv6 = sample.name.removeprefix("port-scan-few-").removesuffix("-ipv6"), sample.name.endswith("ipv6")
    client, server = sample.pair(ipv6=ipv6)
    server.listen(22)
    server.firewall("input", "tcp dport 25 drop")
    last = 31 if kind in ("syn", "connect") else 25
    with sample.capture(client, snap=96) as capture:
        client.run("nmap", *("-6",) * ipv6, _FEW[sample.name], "-n", "-Pn", "-p", f"20-{last}", server.ip)
        capture.settle(quiet=0.5)
    ports = last - 19
    if kind in ("syn", "connect"):
        done = {"aborted": 1} if kind == "syn" else {"established": 1}
        sample.expect_outcomes(refused=ports - 2, **done)
        facts = {"open": [22], "filtered": [25], "closed": ports - 2}
    elif kind == "ack":
        sample.expect_outcomes()
        facts = {"filtered": [25], "unfiltered": ports - 1}
    else:
        sample.expect_outcomes()
        facts = {"closed": ports - 2, "open_or_filtered": 2}
    sample.finding("port-scan", (client.ip, None), kind=kind, direction="vertical", ports=ports, **facts)
    sample.maybe("syn-retransmission", "predictable-isn", "capture-quality", "port-reuse")


@scenario("port-scan-filtered", "port-scan-filtered-ipv6")
@sentences(
    port_scan_filtered="`nmap -sT` of 20 ports of a host whose firewall drops all of it: no answer at all.",
    port_scan_filtered_ipv6="`nmap -sT` of 20 ports over IPv6 of a host whose firewall drops all of it: no answer.",
)
def port_scan_filtered(sample: Sample) -> None:
    ipv6 = sample.name.endswith("ipv6")
    client, server = sample.pair(ipv6=ipv6)
    server.firewall("input", "tcp dport 1-1000 drop")
    with sample.capture(client, snap=96) as capture:
        client.run("nmap", *("-6",) * ipv6, "-sT", "-n", "-Pn", "-p", "81-100", server.ip)
        capture.settle(quiet=0.5)
    sample.expect_outcomes()
    sample.finding(
        "port-scan", (client.ip, None), kind="connect", direction="vertical", ports=20, filtered=list(range(81, 101))
    )
    sample.maybe("predictable-isn", "capture-quality")


@scenario()
def port_scan_dark(sample: Sample) -> None:
    """A program connects to one port of 30 addresses that nobody has, as worms do: no answer at all."""
    client, server = sample.pair()
    server.listen(80)
    client.run("ip", "route", "add", "10.9.0.0/16", "via", server.ip)
    with sample.capture(client, snap=96) as capture:
        attempt = connect(client, server, 80)
        attempt.sock.sendall(b"?")
        client.run("nmap", "-sT", "-n", "-Pn", "-T4", "--max-retries", "0", "-p", "445", "10.9.0.1-30")
        capture.settle(quiet=0.5)
        attempt.sock.close()
    sample.expect_outcomes(established=1)
    sample.finding("port-scan", (client.ip, None), kind="connect", direction="horizontal", hosts=30)
    sample.maybe("predictable-isn", "capture-quality")
