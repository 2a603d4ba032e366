"""Segments that belong to no connection of the host that they reach: reflected answers, and floods of strays."""

from __future__ import annotations

import random

from lab.kernel import connect
from lab.packet import ACK, RST, SYN, Segment, mss_option
from lab.sample import Sample, scenario, sentences
from lab.scenarios.closing import exchange
from lab.scenarios.load import SNAP, flood, flooded

RESPONDERS = 24
STRAYS = 300


@scenario()
def reflection(sample: Sample) -> None:
    """SYNs in the client's name to 24 servers, half of which have the port open: their answers hit the client."""
    client, router, server = sample.routed()
    for name in ("all", "eth0"):
        server.sysctl(f"net.ipv4.conf.{name}.rp_filter", 0)
    network = server.ip.rpartition(".")[0]
    addresses = [f"{network}.{last}" for last in range(100, 100 + RESPONDERS)]
    for address in addresses:
        server.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
    listener = server.listen(80)
    own = server.ip
    for address in addresses[::2]:
        server.ip = address
        server.listen(80)
    server.ip = own
    dice = random.Random(9293)
    forged = [
        Segment(client.ip, dice.randrange(1024, 65536), address, 80, SYN, seq=dice.getrandbits(32),
                options=mss_option(1460))
        for address in addresses
    ]  # fmt: skip
    with sample.capture(client, snap=SNAP) as capture:
        attempt = connect(client, server, 80)
        exchange(attempt.sock, listener.accept()[0])
        flood(router, forged, seconds=1)
        capture.settle(quiet=0.5)
    sample.expect_outcomes(established=1, unsolicited=RESPONDERS)
    sample.finding(
        "reflection", (client.ip, None), responders=RESPONDERS, syn_acks=RESPONDERS // 2, resets=RESPONDERS // 2
    )
    sample.maybe("predictable-isn")


@scenario("ack-flood", "rst-flood")
@sentences(
    ack_flood="300 ACKs from anywhere, as `hping3 -A --rand-source` makes them: the server answers each with a RST.",
    rst_flood="300 RSTs from anywhere, as `hping3 -R --rand-source` makes them.",
)
def stray_flood(sample: Sample) -> None:
    client, router, server = flooded(sample)
    listener = server.listen(80)
    flags = {"ack-flood": ACK, "rst-flood": RST}[sample.name]
    dice = random.Random(9293)
    forged = [
        Segment(client_address(dice), 1024 + number, server.ip, 80, flags, seq=dice.getrandbits(32),
                ack=dice.getrandbits(32) if flags == ACK else 0, window=512)
        for number in range(STRAYS)
    ]  # fmt: skip
    with sample.capture(server, snap=SNAP) as capture:
        attempt = connect(client, server, 80)
        exchange(attempt.sock, listener.accept()[0])
        flood(router, forged, seconds=2)
        capture.settle(quiet=0.5)
    sample.expect_outcomes(established=1, **{"midstream" if flags == ACK else "unsolicited": STRAYS})
    sample.finding(sample.name, (server.ip, None), segments=STRAYS)


def client_address(dice: random.Random) -> str:
    """Any address at all that may send."""
    return f"{dice.randrange(11, 127)}.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(1, 255)}"
