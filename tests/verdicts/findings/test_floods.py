"""SYN floods and what only looks like one, from frames; scaled down."""

import io
import ipaddress
import random
import zlib

import msgspec
import pytest
from support import frames as wire
from support.captures import pcap

from handshake_inspect import engine
from handshake_inspect.render import FORMATS, Options

SECOND = 1_000_000_000
MS = 1_000_000
START = 1_700_000_000 * SECOND
SERVER = ("198.51.100.2", 443)
RICH = wire.linux_syn_options()


def found(timed, *ids):
    """The findings of a capture of these frames, those with these ids."""
    report = engine.analyze([io.BytesIO(pcap(sorted(timed), nano=True))])
    everything = [msgspec.to_builtins(finding) for finding in report.findings]
    return [one for one in everything if one["id"] in ids] if ids else everything


def ids(timed):
    return {one["id"] for one in found(timed)}


def client(number, net=10):
    return f"{net}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def isn_of(src, port, dst=SERVER):
    """An ISN as good kernels choose it: fixed for the 4-tuple here, and looking random."""
    return zlib.crc32(f"{src} {port} {dst}".encode())


def syn(at, src, port, *, dst=SERVER, isn=None, options=RICH, **words):
    isn = isn_of(src, port, dst) if isn is None else isn
    return START + at, wire.syn((src, port), dst, seq=isn, options=options, **words)


def handshake(at, src, port, *, rtt=20 * MS, dst=SERVER):
    """A healthy connection: opened, a request and an answer, closed."""
    here = (src, port)
    isn, iss = isn_of(src, port, dst), isn_of("server", port, (src, dst))
    yield syn(at, src, port, dst=dst)
    yield START + at + rtt // 2, wire.syn_ack(dst, here, seq=iss, ack=isn + 1, options=RICH)
    yield START + at + rtt, wire.ack(here, dst, seq=isn + 1, ack=iss + 1)
    yield START + at + rtt + MS, wire.data(b"?", here, dst, seq=isn + 1, ack=iss + 1)
    yield START + at + 2 * rtt, wire.data(b"!", dst, here, seq=iss + 1, ack=isn + 2)
    yield START + at + 3 * rtt, wire.fin(here, dst, seq=isn + 2, ack=iss + 2)
    yield START + at + 4 * rtt, wire.fin(dst, here, seq=iss + 2, ack=isn + 3)
    yield START + at + 5 * rtt, wire.ack(here, dst, seq=isn + 3, ack=iss + 3)


def answered(at, src, port, *, repeats=2, isn=1000, dst=SERVER, **words):
    """A SYN of a flood, its SYN-ACK and the repetitions of that."""
    iss = isn_of("server", port, (src, dst))
    yield syn(at, src, port, isn=isn, dst=dst, **words)
    for copy in range(repeats):
        when = START + at + MS + ((1 << copy) - 1) * SECOND
        yield when, wire.syn_ack(dst, (src, port), seq=iss, ack=isn + 1)


def end(at):
    """A frame that lets time pass."""
    return START + at, wire.udp()


@pytest.fixture
def dice():
    return random.Random(4)


def random_flood(dice, count, every=2 * MS, options=b"", **words):
    for number in range(count):
        source = client(dice.getrandbits(24), dice.randrange(11, 200))
        isn = dice.getrandbits(31)
        yield from answered(number * every, source, dice.randrange(1024, 65535), isn=isn, options=options, **words)


def test_a_flood_is_counted_exactly(dice):
    one, *others = found([*random_flood(dice, 400), end(9 * SECOND)], "syn-flood")
    assert not others
    assert one["severity"] == "critical"
    assert one["target"] == {"ip": "198.51.100.2", "port": 443}
    assert (one["start_ns"], one["end_ns"]) == (START, START + 399 * 2 * MS)
    metrics = one["metrics"]
    assert metrics["syns"] == metrics["answered"] == metrics["peak_unfinished"] == 400
    assert metrics["peak_syns_per_s"] == 400
    assert metrics["sources"] == 400
    assert metrics["completion_ratio"] == 0
    assert metrics["spoofing_signs"]["no_options_ratio"] == 1
    assert metrics["spoofing_signs"]["looks_forged"] is True
    assert metrics["legitimate_clients"]["inside"]["connections"] == 0


def test_a_flood_with_the_options_of_a_kernel_shows_by_the_repeated_syn_acks(dice):
    one, *_ = found([*random_flood(dice, 200, options=RICH, ttl=40), end(9 * SECOND)], "syn-flood")
    assert one["metrics"]["syns"] == 200
    assert one["metrics"]["spoofing_signs"]["poor_options_ratio"] == 0


@pytest.mark.parametrize(("every", "flooded"), [(8, True), (99, True), (0, False)])
def test_one_impossible_source_in_a_hundred_shows_that_they_are_forged(every, flooded):
    """Whole options, TTLs of every kind, ISNs at random, one network: nothing else speaks for it, and no SYN-ACK."""
    timed = [end(20 * SECOND)]
    for n in range(400):
        source = f"240.0.{n // 250}.{n % 250 + 1}" if every and n % every == 0 else f"10.3.{n // 250}.{n % 250 + 1}"
        ttl = 40 + n % 24
        timed.append(syn(n * MS, source, 2000 + n % 7 * 31, isn=isn_of(source, n), options=RICH, ttl=ttl))
    flood = found(timed, "syn-flood")
    assert bool(flood) == flooded
    if flooded:
        signs = flood[0]["metrics"]["spoofing_signs"]
        assert signs["impossible_sources_ratio"] >= 0.01
        assert signs["looks_forged"]
        late = [syn(15 * SECOND + n * SECOND, "240.9.9.9", 9000 + n, isn=n, options=RICH) for n in range(3)]
        assert found([*timed, *late], "timed-out") == []


def unanswered(dice, count, *, prefix=None, served=10):
    """SYNs as kernels make them, of every TTL, that nobody answers; `served` clients are, meanwhile."""
    for n in range(count):
        source = client(dice.getrandbits(24), dice.randrange(11, 200)) if prefix is None else f"{prefix}.{n % 250 + 1}"
        yield syn(n * 10 * MS, source, 2000 + n, isn=dice.getrandbits(32), ttl=40 + n % 24)
    for n in range(served):
        yield from handshake(n * 300 * MS, client(n, 9), 50000)
    yield end(20 * SECOND)


def test_of_a_hundred_kernels_all_over_the_world_some_would_have_repeated_a_syn(dice):
    """A firewall drops the flood, and serves others: what follows a SYN-ACK is in the capture."""
    one, *others = found([*unanswered(dice, 300)], "syn-flood", "timed-out")
    assert (one["id"], one["metrics"]["syns"], one["metrics"]["answered"], others) == ("syn-flood", 300, 0, [])
    assert one["metrics"]["spoofing_signs"]["looks_forged"] is False
    assert one["severity"] == "warning"


def test_an_overloaded_server_in_a_capture_that_begins_late_is_no_flood(dice):
    """Of older clients a single copy is left; new ones repeat theirs, and some get in."""
    timed = [*unanswered(dice, 300)]
    for n in range(60):
        source = client(dice.getrandbits(24), dice.randrange(11, 200))
        timed += [syn(n * 100 * MS + at * SECOND, source, 3000, isn=n, ttl=40 + n % 24) for at in (0, 1, 3, 7)]
    said = {one["id"] for one in found(timed)}
    assert "syn-flood" not in said
    assert "timed-out" in said


def test_a_host_that_is_flooded_here_is_no_source_of_backscatter(dice):
    """The capture begins amid the flood: what the server answers first are SYNs from before."""
    timed = [*random_flood(dice, 400, every=10 * MS), end(9 * SECOND)]
    begun = sorted(timed)[len(timed) // 3 :]
    assert [one["id"] for one in found(begun, "syn-flood", "backscatter")] == ["syn-flood"]


@pytest.mark.parametrize("words", [{"served": 0}, {"prefix": "10.3.0"}])
def test_silence_without_that_proof_is_no_flood(dice, words):
    """Nothing shows that the capture holds more than SYNs; or one network asks, which may have one habit."""
    assert {one["id"] for one in found([*unanswered(dice, 300, **words)])} & {"syn-flood", "timed-out"} == {"timed-out"}


def test_arithmetic_isns_and_counted_ports_are_signs():
    timed = [frame for n in range(200) for frame in answered(n * MS, "10.9.9.9", 2000 + n, isn=7 + 64 * n, options=b"")]
    one, *_ = found([*timed, end(9 * SECOND)], "syn-flood")
    signs = one["metrics"]["spoofing_signs"]
    assert (signs["isn_pattern"], signs["source_port_pattern"]) == ("arithmetic", "sequential")
    assert one["metrics"]["sources"] == 1


def test_real_clients_inside_and_outside_are_distinguished(dice):
    timed = [*random_flood(dice, 500, every=10 * MS), end(20 * SECOND)]
    for number in range(10):
        timed += handshake(number * 400 * MS, client(number, 9), 50000)
        timed += handshake(10 * SECOND + number * 100 * MS, client(number, 9), 50001)
    one, *_ = found(timed, "syn-flood")
    assert one["severity"] == "warning"  # they all got in at once
    clients = one["metrics"]["legitimate_clients"]
    assert clients["inside"]["connections"] == clients["inside"]["served_at_once"] == 10
    assert clients["outside"]["established"] == 10
    assert clients["inside"]["rtt_p50_ns"] == 20 * MS
    assert one["metrics"]["syns"] == 500


def test_a_stray_syn_long_before_is_no_part_of_the_window(dice):
    timed = [(when + 3600 * SECOND, frame) for when, frame in random_flood(dice, 300)]
    timed += [syn(0, "10.0.0.7", 4000, options=b""), end(3610 * SECOND)]
    one, *_ = found(timed, "syn-flood")
    assert one["start_ns"] == START + 3600 * SECOND
    assert one["metrics"]["syns"] == 300


def test_a_flood_leaves_its_attempts_out_of_the_roll_ups(dice):
    timed = [*random_flood(dice, 200), end(9 * SECOND)]
    assert found(timed, "half-open") == []
    timed += [syn(60 * SECOND, "10.0.0.1", 4000), syn(61 * SECOND, "10.0.0.1", 4000), end(70 * SECOND)]
    (one,) = found(timed, "timed-out")
    assert one["metrics"]["connections"] == 1


def test_a_flood_explains_what_its_target_drops_meanwhile(dice):
    """They are in its metrics; a host that never answers is another matter."""
    timed = [*random_flood(dice, 200), end(9 * SECOND)]
    timed += [syn(at * MS, "10.0.0.1", 4000) for at in (100, 1100)]
    flood, *others = found(timed, "syn-flood", "timed-out")
    assert flood["metrics"]["legitimate_clients"]["inside"]["connections"] == 1
    assert others == []
    timed += [syn(at * MS, "10.0.0.1", 4001, dst=("198.51.100.77", 80)) for at in (100, 1100)]
    assert [one["id"] for one in found(timed, "syn-flood", "timed-out")] == ["syn-flood", "timed-out"]


def test_syns_to_many_ports_of_one_host_from_anywhere_are_a_flood_on_the_host(dice):
    timed = [
        syn(n * MS, client(dice.getrandbits(24), 77), 3000, dst=("198.51.100.2", dice.randrange(1, 65535)), options=b"")
        for n in range(300)
    ]
    (one,) = found([*timed, end(9 * SECOND)], "syn-flood")
    assert one["target"] == {"ip": "198.51.100.2", "port": None}
    assert one["metrics"]["syns"] == 300


# -- what only looks like one ------------------------------------------------------------------------------------


def healthy_burst():
    return [frame for n in range(1000) for frame in handshake(n * 10_000, client(n), 40000 + n)]


def cut_in_the_middle_of_a_burst():
    """The last 800 have no final ACK yet."""
    return [frame for frame in healthy_burst() if frame[0] < START + 12 * MS]


def load_test_without_keep_alive():
    return [frame for n in range(1000) for frame in handshake(n * MS, "10.1.1.1", 10000 + n, rtt=MS // 2)]


def nat_gateway():
    return [frame for n in range(600) for frame in handshake(n * MS, "192.0.2.77", 1024 + n)]


def crawler():
    hosts = [(client(n, 203), 443) for n in range(300)]
    return [frame for n, dst in enumerate(hosts) for frame in handshake(n * MS, "10.1.1.1", 10000 + n, dst=dst)]


def dead_server_retried():
    tries = (0, 1, 3, 7)
    return [
        syn(n * MS + at * SECOND, client(n), 40000) for n in range(300) for at in tries
    ] + [end(12 * SECOND)]  # fmt: skip


def dead_server_just_now():
    """Nobody had the time to retry."""
    return [syn(n * MS, client(n % 30), 40000 + n, ttl=40 + n % 9) for n in range(300)]


def dead_server_with_impatient_clients():
    """Each try has a new port and gives up before the kernel would repeat its SYN."""
    return [syn((n * 50 + r * 400) * MS, client(n), 40000 + r) for n in range(20) for r in range(20)] + [
        end(20 * SECOND)
    ]


def overloaded_server_retried():
    timed = dead_server_retried()
    for n in range(100):
        timed += handshake(n * 40 * MS, client(n, 12), 40000)
    return timed


def vertical_scan():
    return [syn(n * MS, "10.6.6.6", 50000, dst=("198.51.100.2", n + 1), options=wire.mss(1460)) for n in range(900)] + [
        end(5 * SECOND)
    ]


def horizontal_scan():
    return [
        syn(n * MS, "10.6.6.6", 50000, dst=(client(n, 203), 443), options=wire.mss(1460)) for n in range(900)
    ] + [end(5 * SECOND)]  # fmt: skip


def refused_storm():
    timed = []
    for n in range(500):
        timed.append(syn(n * MS, client(n % 9), 40000 + n))
        here = (client(n % 9), 40000 + n)
        timed.append((START + n * MS + 1000, wire.rst(SERVER, here, ack=isn_of(*here) + 1)))
    return timed


def backscatter():
    return [
        (START + n * MS, wire.syn_ack(SERVER, (client(n), 4000), seq=n * 977, ack=n * 991)) for n in range(300)
    ] + list(handshake(0, "10.250.0.1", 4000))  # fmt: skip


def starts_midstream():
    return [frame for frame in healthy_burst() if frame[0] > START + 15 * MS]


def only_syns_kept_by_a_filter():
    return [frame for n in range(500) for frame in list(handshake(n * MS, client(n % 50), 40000 + n))[:2]] + [
        end(9 * SECOND)
    ]


LOOK_ALIKES = (
    healthy_burst,
    cut_in_the_middle_of_a_burst,
    load_test_without_keep_alive,
    nat_gateway,
    crawler,
    dead_server_retried,
    dead_server_just_now,
    dead_server_with_impatient_clients,
    overloaded_server_retried,
    vertical_scan,
    horizontal_scan,
    refused_storm,
    backscatter,
    starts_midstream,
    only_syns_kept_by_a_filter,
)
SAID_INSTEAD = {
    "dead_server_retried": "timed-out",
    "dead_server_with_impatient_clients": "timed-out",
    "overloaded_server_retried": "timed-out",
    "vertical_scan": "port-scan",
    "horizontal_scan": "port-scan",
    "refused_storm": "refused",
    "backscatter": "backscatter",
}


@pytest.mark.parametrize("scene", LOOK_ALIKES, ids=lambda scene: scene.__name__)
def test_no_flood(scene):
    said = ids(scene())
    assert "syn-flood" not in said
    assert SAID_INSTEAD.get(scene.__name__) in said | {None}
    for other in {"port-scan", "backscatter", "accept-queue-overflow", "syn-cookies"} - {
        SAID_INSTEAD.get(scene.__name__)
    }:
        assert other not in said


@pytest.mark.parametrize("scene", [healthy_burst, load_test_without_keep_alive, nat_gateway, crawler])
def test_a_healthy_crowd_draws_no_warning(scene):
    assert [one["id"] for one in found(scene()) if one["severity"] != "info"] == []


# -- carpet floods -----------------------------------------------------------------------------------------------


def carpet(dice, hosts, each, *, answer=True, sources=None, **words):
    """SYNs from anywhere to ports of all of these hosts, in random order; no host gets more than `each`."""
    order = [host for host in hosts for _ in range(each)]
    dice.shuffle(order)
    for number, host in enumerate(order):
        src = ipaddress.ip_address(dice.getrandbits(120) | 0x20 << 120) if ":" in host else None
        source = str(src) if src else client(dice.getrandbits(24), dice.randrange(11, 200))
        source = source if sources is None else sources[number % len(sources)]
        port, dst = dice.randrange(1024, 65535), (host, 80)
        isn = dice.getrandbits(31)
        if answer:
            yield from answered(number * 2 * MS, source, port, isn=isn, dst=dst, **{"options": b""} | words)
        else:
            yield syn(number * 2 * MS, source, port, isn=isn, dst=dst, **{"options": b""} | words)


NET = [f"203.0.113.{n}" for n in range(1, 41)]


@pytest.mark.parametrize("answer", [True, False])
def test_a_carpet_flood_is_one_finding_about_the_network(dice, answer):
    timed = [*carpet(dice, NET, 8, answer=answer), *handshake(0, "10.0.0.1", 4000, dst=("203.0.113.7", 80))]
    (one,) = found([*timed, end(9 * SECOND)], "syn-flood", "half-open", "timed-out")
    assert (one["id"], one["target"]) == ("syn-flood", {"ip": "203.0.113.0/24", "port": None})
    metrics = one["metrics"]
    assert (metrics["syns"], metrics["hosts"], metrics["ports"], metrics["port_count"]) == (320, 40, [80], 1)
    assert metrics["legitimate_clients"]["inside"]["connections"] == 1
    assert "on 203.0.113.0/24: 320 SYNs to 40 hosts from" in one["title"]


def test_a_carpet_flood_on_ipv6_asks_each_host_once(dice):
    hosts = [f"2001:db8:0:7::{n:x}" for n in range(1, 200)]
    (one,) = found([*carpet(dice, hosts, 1), end(9 * SECOND)], "syn-flood")
    assert one["target"] == {"ip": "2001:db8:0:7::/64", "port": None}


def test_a_network_whose_hosts_are_all_flooded_is_one_finding(dice):
    (one,) = found([*carpet(dice, NET[:4], 150), end(9 * SECOND)], "syn-flood")
    assert one["target"]["ip"] == "203.0.113.0/24"
    assert one["metrics"]["syns"] == 600


def test_a_network_that_is_flooded_here_is_no_source_of_backscatter(dice):
    begun = sorted([*carpet(dice, NET[:4], 300), end(9 * SECOND)])[300:]
    assert [one["id"] for one in found(begun, "syn-flood", "backscatter")] == ["syn-flood"]


def test_three_flooded_hosts_are_three_findings(dice):
    every = found([*carpet(dice, NET[:3], 150), end(9 * SECOND)], "syn-flood")
    assert sorted(one["target"]["ip"] for one in every) == NET[:3]


@pytest.mark.parametrize(("hosts", "targets"), [(4, ["203.0.113.0/24"]), (3, [])])
def test_four_hosts_of_which_none_is_flooded_alone_are_a_carpet(dice, hosts, targets):
    every = found([*carpet(dice, NET[:hosts], 60), end(9 * SECOND)], "syn-flood")
    assert [one["target"]["ip"] for one in every] == targets


def dark_network_scanned_by_many(dice):
    """Scanners of a botnet: each address is asked once."""
    return carpet(dice, [f"203.0.113.{n}" for n in range(250)], 1, answer=False)


def what_reaches_an_unused_network(dice):
    """Scanners from everywhere, all day: 30 SYNs a second for 250 addresses."""
    for number in range(1500):
        source, dst = client(dice.getrandbits(24), dice.randrange(11, 200)), f"203.0.113.{dice.randrange(250)}"
        yield syn(
            number * 33 * MS, source, 4000, isn=dice.getrandbits(31), options=b"", dst=(dst, dice.choice((23, 80)))
        )


def network_that_lost_its_way_back(dice):
    """Real clients repeat their SYNs."""
    for n in range(300):
        for again in (0, SECOND, 3 * SECOND):
            yield syn(n * MS + again, client(n), 40000, dst=(NET[n % 40], 80))


def scanner_of_a_network(dice):
    return carpet(dice, NET, 8, answer=False, sources=["10.6.6.6"])


@pytest.mark.parametrize(
    "scene",
    [
        dark_network_scanned_by_many,
        what_reaches_an_unused_network,
        network_that_lost_its_way_back,
        scanner_of_a_network,
    ],
)
def test_no_carpet_flood(dice, scene):
    assert found([*scene(dice), end(9 * SECOND)], "syn-flood") == []


@pytest.mark.parametrize("form", ["sarif", "junit", "markdown", "github", "text", "ndjson"])
def test_a_network_is_named_in_every_format(dice, form):
    report = engine.analyze([io.BytesIO(pcap(sorted([*carpet(dice, NET, 8), end(9 * SECOND)]), nano=True))])
    out = io.BytesIO()
    FORMATS[form].render(report, out, Options())
    assert b"203.0.113.0/24" in out.getvalue()
