"""Many connections at once: floods of SYNs, and crowds that only look like one."""

from __future__ import annotations

import random
import socket
import threading
import time
from dataclasses import replace

from lab.capture import read
from lab.kernel import Attempt, connect, start_connect
from lab.namespace import Host
from lab.packet import SYN, Segment, mss_option
from lab.sample import Sample, acquaint, address_interface, link, scenario, sentences
from lab.scenarios.closing import exchange

FLOOD = 1000
BATCH = 10
SNAP = 80


def flood(attacker: Host, segments: list[Segment], seconds: float) -> None:
    """Send forged segments evenly over a time."""
    with attacker.inside():
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    start = time.monotonic()
    with raw:
        for number, segment in enumerate(segments):
            if number % BATCH == 0:
                time.sleep(max(0.0, start + seconds * number / len(segments) - time.monotonic()))
            raw.sendto(segment.packet(), (segment.dst, 0))


def random_syns(target: str, count: int) -> list[Segment]:
    """SYNs as hping3 --rand-source makes them: any address at all, no options, one TTL, one window."""
    dice = random.Random(9293)  # the same sources every time
    found = []
    for number in range(count):
        source = socket.inet_ntoa(dice.randbytes(4))
        found.append(Segment(source, 1024 + number, target, 80, SYN, seq=dice.getrandbits(32), window=512,
                             ip_id=dice.getrandbits(16)))  # fmt: skip
    return found


def flooded(sample: Sample) -> tuple[Host, Host, Host]:
    """A network where answers to forged sources vanish at the router."""
    client, router, server = sample.routed()
    router.run("ip", "route", "add", "blackhole", "default")
    for host in (router, server):  # martians must not be logged by the kernel, and forged sources must pass
        for name in ("all", "eth0"):
            host.sysctl(f"net.ipv4.conf.{name}.rp_filter", 0)
    return client, router, server


FLOODS = {
    # name: tcp_syncookies, backlog, legitimate clients in between, what happens to a SYN
    "syn-flood-answered": (0, 4096, False),
    "syn-flood-unanswered": (0, 4096, False),
    "syn-flood-fixed-source": (0, 4096, False),
    "syn-flood-no-cookies": (0, 64, True),
    "syn-flood-cookies": (1, 64, True),
    "syn-flood-cookies-always": (2, 64, True),
}


@scenario(*FLOODS)
@sentences(
    syn_flood_answered="1000 SYNs from random sources: the server answers each and repeats its SYN-ACKs.",
    syn_flood_unanswered="1000 SYNs from random sources to a host that answers none.",
    syn_flood_fixed_source="1000 SYNs from one forged address: answered, never completed.",
    syn_flood_no_cookies=(
        "1000 SYNs from random sources fill the SYN queue, and real clients in between suffer (tcp_syncookies=0)."
    ),
    syn_flood_cookies="The same with tcp_syncookies=1: the queue runs over into cookies, and real clients get through.",
    syn_flood_cookies_always="The same with tcp_syncookies=2: cookies only, no SYN-ACK is ever repeated.",
)
def syn_flood(sample: Sample) -> None:
    cookies, backlog, real_clients = FLOODS[sample.name]
    client, router, server = flooded(sample)
    server.sysctl("net.ipv4.tcp_syncookies", cookies)
    server.sysctl("net.ipv4.tcp_max_syn_backlog", backlog)
    server.sysctl("net.ipv4.tcp_synack_retries", 1)
    listener = server.listen(80, backlog)
    if sample.name == "syn-flood-unanswered":
        server.firewall("input", "tcp dport 80 drop")
    syns = random_syns(server.ip, FLOOD)
    if sample.name == "syn-flood-fixed-source":
        syns = [Segment("10.0.0.66", s.sport, s.dst, 80, SYN, s.seq, window=512, options=mss_option()) for s in syns]
    attack = threading.Thread(target=flood, args=(router, syns, 1.6))
    attempts: list[Attempt] = []

    def visit(times: int, pause: float) -> None:
        for _ in range(times):
            attempt = connect(client, server, 80, timeout=0.1 if cookies == 0 else 2)
            attempts.append(attempt)
            if attempt.error is None and cookies:  # a kept-out client may connect later, and would be accepted first
                accepted, _ = listener.accept()
                exchange(attempt.sock, accepted)
            time.sleep(pause)

    with sample.capture(server, snap=SNAP) as capture:
        if real_clients:
            visit(5, 0.02)
        attack.start()
        if real_clients:
            time.sleep(0.3)
            visit(8, 0.1)
        attack.join()
        capture.settle(quiet=1.3)
        if real_clients:
            visit(3, 0.02)
        late = [each for each in attempts if each.error is not None]
        for each in late:  # those that the flood kept out: do they get in afterwards?
            each.wait(4)
    for each in attempts:
        sample.saw(each)
    answered = len({line.split(" > ")[1].split(":")[0] for line in read(sample.file, "tcp[13] == 18")})
    facts = {"syns": FLOOD, "answered": answered, "cookies": cookies}
    facts["real_clients"] = len(attempts)
    facts["real_clients_served_at_once"] = len(attempts) - len(late)
    if not real_clients and sample.name != "syn-flood-unanswered":
        sample.expect_outcomes(half_open=answered)
    else:
        sample.expect_outcomes()
    sample.finding("syn-flood", (server.ip, 80), **facts)
    if cookies:
        sample.finding("syn-cookies", (server.ip, 80))
    sample.maybe("half-open", "timed-out", "syn-retransmission", "predictable-isn", "slow-handshake", "capture-quality")
    sample.maybe("connection-churn")


@scenario()
def syn_flood_carpet(sample: Sample) -> None:
    """240 SYNs from random sources to 40 hosts of one network: no single one gets enough for a flood."""
    _, router, server = flooded(sample)
    network = server.ip.rpartition(".")[0]
    addresses = [f"{network}.{last}" for last in range(100, 140)]
    own = server.ip
    for address in addresses:
        server.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
        server.ip = address
        server.listen(80)
    server.ip = own
    server.sysctl("net.ipv4.tcp_synack_retries", 1)
    syns = random_syns(server.ip, 240)
    spread = [replace(syn, dst=addresses[number % len(addresses)]) for number, syn in enumerate(syns)]
    with sample.capture(server, snap=SNAP) as capture:
        flood(router, spread, seconds=1)
        capture.settle(quiet=1.3)
    answered = {line.split(" > ")[1].split(":")[0] for line in read(sample.file, "tcp[13] == 18")}
    sample.expect_outcomes(half_open=len(answered))
    sample.finding("syn-flood", (f"{network}.0/24", None), syns=240, hosts=len(addresses), answered=len(answered))
    sample.maybe("timed-out", "syn-retransmission", "predictable-isn", "capture-quality")


@scenario()
def syn_flood_hping3(sample: Sample) -> None:
    """`hping3 -S --rand-source` at work: 600 SYNs from any address at all, in one second."""
    client, router, server = flooded(sample)
    server.listen(80, 4096)
    server.sysctl("net.ipv4.tcp_syncookies", 0)
    server.sysctl("net.ipv4.tcp_max_syn_backlog", 4096)
    with sample.capture(server, snap=SNAP) as capture:
        before = connect(client, server, 80)
        router.run(
            "hping3", "-q", "-S", "-p", "80", "--rand-source", "-i", "u1700", "-c", "600", server.ip, check=False
        )
        during = connect(client, server, 80)
        capture.settle(quiet=1.2)
    for attempt in (before, during):
        sample.saw(attempt)
    answered = {line.split(" > ")[1].split(":")[0] for line in read(sample.file, "tcp[13] == 18")}
    sample.expect_outcomes(half_open=len(answered) - 2, established=2)
    sample.finding("syn-flood", (server.ip, 80), syns=600, answered=len(answered) - 2, real_clients=2)
    sample.maybe("half-open", "timed-out", "syn-retransmission", "predictable-isn", "slow-handshake", "capture-quality")


@scenario()
def syn_cookies(sample: Sample) -> None:
    """A quiet server that always answers with SYN cookies: the TSvals of its SYN-ACKs encode the clients' options."""
    client, server = sample.pair()
    server.sysctl("net.ipv4.tcp_syncookies", 2)
    listener = server.listen(80)
    attempts = []
    with sample.capture(client):
        for _ in range(12):
            attempt = connect(client, server, 80)
            accepted, _ = listener.accept()
            exchange(attempt.sock, accepted)
            attempts.append(attempt)
    for attempt in attempts:
        sample.expect(attempt, "established", syn_count=1, synack_count=1)
    sample.finding("syn-cookies", (server.ip, 80))
    sample.maybe("connection-churn")


@scenario()
def healthy_burst(sample: Sample) -> None:
    """400 real clients connect at the same moment and are all served: a crowd, not a flood."""
    client, server = sample.pair()
    listener = server.listen(80, 4096)
    attempts = []
    with sample.capture(client, snap=SNAP):
        attempts = [start_connect(client, server, 80) for _ in range(400)]
        for attempt in attempts:
            attempt.wait(5)
            accepted, _ = listener.accept()
            attempt.sock.close()
            accepted.close()
    for attempt in attempts:
        sample.saw(attempt)
    sample.expect_outcomes(established=400)
    sample.maybe("connection-churn", "time-wait-pressure", "slow-handshake", "slow-client-ack")


@scenario()
def dead_server_retried(sample: Sample) -> None:
    """60 real clients keep trying a server that is dead: full options, one ISN per attempt, repeated: not a flood."""
    client, server = sample.pair()
    server.firewall("input", "drop")
    with sample.capture(client, snap=SNAP) as capture:
        attempts = []
        for _ in range(60):
            attempts.append(start_connect(client, server, 80))
            time.sleep(0.02)
        capture.wait_for("Flags [S]", 60 * 6)
    for attempt in attempts:
        sample.saw(attempt)
    sample.expect_outcomes(timed_out=60)
    sample.finding("timed-out", (server.ip, 80), clients=1, connections=60)
    sample.maybe("syn-retransmission")


@scenario()
def refused_storm(sample: Sample) -> None:
    """300 attempts within a second at a port that is closed: refused, every one, and no flood."""
    client, server = sample.pair()
    with sample.capture(client, snap=SNAP):
        attempts = [connect(client, server, 81) for _ in range(300)]
    for attempt in attempts:
        sample.saw(attempt)
    sample.expect_outcomes(refused=300)
    sample.finding("refused", (server.ip, 81), connections=300)
    sample.maybe("connection-churn")


@scenario()
def connection_churn(sample: Sample) -> None:
    """150 short connections in a row between the same pair, one request each: a pool would save the handshakes."""
    client, server = sample.pair()
    listener = server.listen(80)
    with sample.capture(client, snap=SNAP):
        for _ in range(150):
            attempt = connect(client, server, 80)
            accepted, _ = listener.accept()
            exchange(attempt.sock, accepted)
            attempt.sock.close()
            accepted.recv(1)
            accepted.close()
            sample.saw(attempt)
    sample.expect_outcomes(established=150)
    sample.finding("connection-churn", connections=150)
    sample.maybe("time-wait-pressure", "slow-handshake", "slow-client-ack")


@scenario()
def backscatter(sample: Sample) -> None:
    """A host under attack elsewhere: its SYN-ACKs and RSTs arrive at addresses that never sent a SYN."""
    attacker, server, telescope = sample.host("attacker"), sample.host("server"), sample.host("telescope")
    link(server, attacker, "eth1", "eth0")
    link(server, telescope)
    address_interface(attacker, "eth0", "10.0.1.1")
    address_interface(server, "eth1", "10.0.1.2")
    address_interface(telescope, "eth0", "10.0.0.1")
    address_interface(server, "eth0", "10.0.0.2")
    acquaint(server, telescope)
    acquaint(server, attacker, "eth1", "eth0")
    attacker.run("ip", "route", "add", "10.0.0.0/24", "via", "10.0.1.2")
    server.run("ip", "route", "add", "default", "via", "10.0.0.1")
    for name in ("all", "eth0", "eth1"):
        server.sysctl(f"net.ipv4.conf.{name}.rp_filter", 0)
    server.sysctl("net.ipv4.tcp_synack_retries", 1)
    server.listen(80, 4096)
    dice = random.Random(4987)
    sources = [f"{dice.randrange(11, 100)}.{dice.randrange(256)}.{dice.randrange(256)}.7" for _ in range(200)]
    syns = [Segment(source, 1024 + number, "10.0.0.2", 80 if number % 2 else 81, SYN, dice.getrandbits(32), window=512)
            for number, source in enumerate(sources)]  # fmt: skip
    with sample.capture(telescope, snap=SNAP) as capture:
        healthy = connect(telescope, server, 80)
        flood(attacker, syns, 0.5)
        capture.settle(quiet=1.4)
    sample.saw(healthy)
    sample.expect_outcomes(unsolicited=200, established=1)
    sample.finding("backscatter", (server.ip, None), addresses=200)
    sample.maybe("capture-quality")
