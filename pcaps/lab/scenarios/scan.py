"""nmap at work on a host with open, closed and filtered ports."""

from __future__ import annotations

from lab.capture import read
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
    if kind == "ack":  # tells filtered ports from the others
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
