"""Small and silent scans, from frames, and what only looks like them.  Real scanners: pcaps/port-scan-*."""

import io
import zlib

import msgspec
import pytest
from support import frames as wire
from support.captures import pcap

from handshake_inspect import engine

SECOND = 1_000_000_000
MS = 1_000_000
START = 1_700_000_000 * SECOND
ME, HOST = "10.0.0.1", "198.51.100.2"
ME6, HOST6 = "2001:db8::1", "2001:db8:ffff::2"
RICH = wire.linux_syn_options()


def found(timed, *ids):
    report = engine.analyze([io.BytesIO(pcap(sorted(timed), nano=True))])
    return [one for one in map(msgspec.to_builtins, report.findings) if one["id"] in ids]


def scans(*parts):
    return found([frame for part in parts for frame in part], "port-scan")


def isn_of(*parts):
    return zlib.crc32(repr(parts).encode())


def end(at):
    return [(START + at, wire.udp())]


def syn(at, here, dst, *, again=(), options=RICH):
    """A SYN, and its repetitions after so long."""
    return [(START + at + later, wire.syn(here, dst, seq=isn_of(here, dst), options=options)) for later in (0, *again)]


def refused(at, here, dst, *, options=RICH):
    isn = isn_of(here, dst)
    return [*syn(at, here, dst, options=options), (START + at + MS, wire.rst(dst, here, ack=isn + 1))]


def opened(at, here, dst):
    isn, iss = isn_of(here, dst), isn_of(dst, here)
    return [
        *syn(at, here, dst),
        (START + at + MS, wire.syn_ack(dst, here, seq=iss, ack=isn + 1, options=RICH)),
        (START + at + 2 * MS, wire.ack(here, dst, seq=isn + 1, ack=iss + 1)),
    ]


def used(at, here, dst):
    isn, iss = isn_of(here, dst), isn_of(dst, here)
    return [
        *opened(at, here, dst),
        (START + at + 3 * MS, wire.data(b"?", here, dst, seq=isn + 1, ack=iss + 1)),
        (START + at + 4 * MS, wire.data(b"!", dst, here, seq=iss + 1, ack=isn + 2)),
    ]


def each(count, act, *, every=10 * MS, source=50000, **words):
    """`act` on so many ports of one host."""
    return [f for n in range(count) for f in act(n * every, (ME, source + n), (HOST, 1 + n), **words)]


def sweep(count, act, *, port=445, at=0, every=10 * MS, source=50000, **words):
    """`act` on one port of so many hosts."""
    return [f for n in range(count) for f in act(at + n * every, (ME, source + n), (f"203.0.113.{n}", port), **words)]


ELSEWHERE = used(0, (ME, 40000), ("192.0.2.80", 8))  # shows that the capture holds answers


# -- no answer at all --------------------------------------------------------------------------------------------


def test_fifteen_silent_ports_of_one_host_are_a_scan():
    (one,) = scans(each(15, syn), ELSEWHERE, end(9 * SECOND))
    metrics = one["metrics"]
    assert (one["severity"], metrics["direction"], metrics["ports"], metrics["hosts"]) == ("info", "vertical", 15, 1)
    assert metrics["filtered"] == list(range(1, 16))
    assert "scanned 15 ports of 198.51.100.2 (connect scan): 15 filtered" in one["title"]
    assert scans(each(14, syn), ELSEWHERE, end(9 * SECOND)) == []


def test_fifteen_silent_ports_over_ipv6_in_a_capture_of_nothing_else():
    timed = [f for n in range(15) for f in syn(n * MS, (ME6, 5000 + n), (HOST6, 80 + n), again=[SECOND])]
    (one,) = scans(timed, end(9 * SECOND))
    assert (one["target"]["ip"], one["metrics"]["targets"]) == (ME6, [HOST6])


def test_one_port_of_25_silent_hosts_asked_once_is_a_scan():
    (one,) = scans(sweep(25, syn, again=[SECOND, 3 * SECOND]), ELSEWHERE, end(30 * SECOND))
    metrics = one["metrics"]
    assert (metrics["direction"], metrics["ports"], metrics["hosts"], metrics["targets"]) == (
        "horizontal",
        1,
        25,
        [445],
    )
    assert "scanned port 445 of 25 hosts" in one["title"]
    assert found([*sweep(25, syn), *ELSEWHERE, *end(30 * SECOND)], "timed-out", "syn-flood") == []
    assert scans(sweep(24, syn), ELSEWHERE, end(30 * SECOND)) == []


def test_dark_addresses_of_which_a_router_says_so():
    timed = []
    for n in range(25):
        here, dst = (ME, 50000 + n), (f"203.0.113.{n}", 445)
        when = START + n * 10 * MS
        quoted = wire.syn(here, dst, seq=isn_of(here, dst), options=RICH, link=wire.raw)
        timed += [
            *syn(n * 10 * MS, here, dst),
            (when + 3 * SECOND, wire.icmp_error(quoted, type=3, code=1, reporter="10.0.0.254")),
        ]
    (one,) = scans(timed)
    assert one["metrics"]["hosts"] == 25


def polled(rounds, act=syn, every=15 * SECOND, hosts=30):
    return [f for t in range(rounds) for f in sweep(hosts, act, at=t * every, source=20000 + 100 * t)]


def without_answers():
    return [*each(20, syn), *sweep(40, syn, port=443)]


def one_direction():
    """Only what the clients send was captured: here is one that goes on to talk."""
    here, dst = (ME, 40000), ("192.0.2.80", 8)
    sent = [frame for at, frame in enumerate(used(0, here, dst)) if at in (0, 2, 3)]
    more = [(START + n * SECOND, wire.data(b"?", here, dst, seq=isn_of(here, dst) + 2 + n, ack=9)) for n in (1, 2, 3)]
    return [*sweep(40, syn, port=443), *sent, *more]


def broken_ipv6():
    """A browser: each host is asked over IPv6 first, which leads nowhere, and a moment later used over IPv4."""
    timed = []
    for n in range(30):
        timed += syn(n * SECOND, (ME6, 5000 + n), (f"2001:db8:{n}::1", 443), again=[SECOND])
        timed += used(n * SECOND + 250 * MS, (ME, 6000 + n), (f"203.0.113.{n}", 443))
    return timed


def passive_ftp_behind_a_firewall():
    timed = used(0, (ME, 40001), (HOST, 21))
    return [*timed, *(f for n in range(20) for f in syn(n * SECOND, (ME, 50000 + n), (HOST, 30000 + 7 * n)))]


def active_ftp_to_a_client_behind_a_firewall():
    timed = used(0, (HOST, 40001), (ME, 21))
    return [*timed, *(f for n in range(20) for f in refused(n * SECOND, (ME, 20), (HOST, 30000 + 7 * n)))]


def half_of_a_crawl():
    """The other hosts on this port are used."""
    return [*sweep(30, syn, port=443), *(f for n in range(10) for f in used(n, (ME, 700 + n), (f"192.0.2.{n}", 443)))]


def swarm(*, calling):
    """BitTorrent: most peers that others know of are gone; some are used, or call on their part."""
    timed = sweep(40, syn, port=6881)
    for n in range(6):
        if calling:
            timed += used(n * SECOND, (f"203.0.113.{n}", 50000), (ME, 51413))
        else:
            timed += used(n * SECOND, (ME, 7000 + n), (f"192.0.2.{n}", 20000 + 911 * n))
    return timed


@pytest.mark.parametrize(
    "timed",
    [
        pytest.param(polled(2), id="silent hosts, polled twice"),
        pytest.param(polled(4), id="silent hosts, polled"),
        pytest.param(polled(2, refused), id="hosts that refuse, asked twice at even intervals"),
        pytest.param(polled(4, refused), id="hosts that refuse, asked at even intervals"),
        pytest.param([f for t in range(4) for f in sweep(30, refused, at=(3**t) * SECOND, source=100 * t + 200)],
                     id="hosts that refuse, asked again and again"),
        pytest.param(one_direction(), id="one direction"),
        pytest.param(broken_ipv6(), id="happy eyeballs"),
        pytest.param(passive_ftp_behind_a_firewall(), id="passive FTP"),
        pytest.param(active_ftp_to_a_client_behind_a_firewall(), id="active FTP"),
        pytest.param(half_of_a_crawl(), id="crawler"),
        pytest.param(swarm(calling=False), id="peers that are used"),
        pytest.param(swarm(calling=True), id="peers that call"),
    ],
)  # fmt: skip
def test_no_scan(timed):
    assert scans(timed, end(200 * SECOND)) == []


def test_syns_alone_are_no_scan_where_a_filter_may_have_kept_nothing_else():
    """One frame that no filter on flags lets through shows that nothing answered."""
    assert scans(without_answers()) == []
    assert [one["metrics"]["probes"] for one in scans(without_answers(), end(200 * SECOND))] == [60]


@pytest.mark.parametrize("act", [syn, refused])
def test_what_a_program_without_a_kernel_asks_twice_is_a_scan(act):
    timed = [f for t in range(2) for f in sweep(30, act, at=t * 9 * SECOND, source=100 * t + 200, options=wire.mss(9))]
    assert len(scans(timed, ELSEWHERE, end(60 * SECOND))) == 1


# -- few ports ---------------------------------------------------------------------------------------------------


def test_ten_ports_are_a_scan_and_its_title_names_what_is_open():
    closed = [f for n in range(8) for f in refused(n * MS, (ME, 50000 + n), (HOST, 1 + n))]
    closing = [f for n, port in enumerate((22, 80)) for f in opened(n * MS, (ME, 51000 + n), (HOST, port))]
    for n, port in enumerate((22, 80)):
        here, dst = (ME, 51000 + n), (HOST, port)
        closing.append((START + 9 * MS, wire.rst(here, dst, seq=isn_of(here, dst) + 1, ack=isn_of(dst, here) + 1)))
    timed = [*closed, *closing]
    (one,) = scans(timed)
    assert one["severity"] == "warning"
    assert "10.0.0.1 scanned 10 ports of 198.51.100.2 (connect scan): 2 open (22, 80), 8 closed" in one["title"]
    assert (one["metrics"]["open"], one["metrics"]["open_count"], one["metrics"]["ports"]) == ([22, 80], 2, 10)
    assert found(timed, "refused") == []


@pytest.mark.parametrize(
    "timed",
    [
        pytest.param(each(9, refused), id="nine ports"),
        pytest.param([*each(12, refused), *used(0, (ME, 1), (HOST, 8080))], id="a host that is used"),
        pytest.param(
            [f for t in range(3) for f in each(12, refused, every=(7 + t) * MS, source=40000 + 50 * t)],
            id="three tries",
        ),
        pytest.param(each(12, syn), id="an outage"),
        pytest.param(each(12, opened), id="connections that stay open"),
    ],
)
def test_few_ports_are_no_scan(timed):
    assert scans(timed, end(9 * SECOND)) == []


def test_raw_syns_to_ten_silent_ports_are_a_scan():
    (one,) = scans(each(10, syn, options=wire.mss(1460)), end(9 * SECOND))
    assert one["metrics"]["kind"] == "syn"


def greeted(at, here, dst, *, length=40):
    """The server speaks first, and the client, which wanted to know no more, resets."""
    isn, iss = isn_of(here, dst), isn_of(dst, here)
    return [
        *opened(at, here, dst),
        (START + at + 3 * MS, wire.data(b"!" * length, dst, here, seq=iss + 1, ack=isn + 1)),
        (START + at + 4 * MS, wire.rst(here, dst, seq=isn + 1, ack=iss + 1 + length)),
    ]


def test_a_port_that_greets_a_scanner_is_open_and_not_used():
    timed = [*each(11, refused), *greeted(MS, (ME, 51000), (HOST, 22))]
    (one,) = scans(timed)
    assert one["metrics"]["open"] == [22]
    timed = [*each(12, refused), *greeted(MS, (ME, 51000), (HOST, 2222), length=1200)]
    assert scans(timed) == []  # passive FTP, or a service that needs no question


def test_a_scanner_that_asks_what_is_open_for_its_version_is_one():
    """Its own SYNs, and connections of its kernel to what it found."""
    probes = each(9, refused, options=wire.mss(1460))
    for n, port in enumerate((22, 80, 443)):
        here, dst = (ME, 47000), (HOST, port)
        probes += syn(n, here, dst, options=wire.mss(1460))
        probes.append((START + n + MS, wire.syn_ack(dst, here, seq=5, ack=isn_of(here, dst) + 1)))
        probes.append((START + n + 2 * MS, wire.rst(here, dst, seq=isn_of(here, dst) + 1, ack=None)))
        probes += used(SECOND, (ME, 48000 + n), dst)
    (one,) = scans(probes)
    assert (one["metrics"]["kind"], one["metrics"]["open"]) == ("syn", [22, 80, 443])


ODD = {"fin": wire.FIN, "null": 0, "xmas": wire.FIN | wire.PSH | wire.URG, "ack": wire.ACK}


def odd(flags, count, *, resets, options=b"", source=lambda n: 50000):
    timed = []
    for n in range(count):
        here, dst = (ME, source(n)), (HOST, 20 + n)
        timed.append((START + n * MS, wire.segment(here, dst, flags, seq=7, ack=9, options=options)))
        if n < resets:
            timed.append((START + n * MS + 1000, wire.rst(dst, here, seq=9, ack=None)))
    return timed


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("resets", [0, 5])
def test_five_ports_are_a_scan_by_segments_that_no_handshake_begins_with(kind, resets):
    (one,) = scans(odd(ODD[kind], 5, resets=resets), end(9 * SECOND))
    assert (one["metrics"]["kind"], one["metrics"]["ports"]) == (kind, 5)
    assert scans(odd(ODD[kind], 4, resets=min(resets, 4)), end(9 * SECOND)) == []


def many_ports(n):
    return 50000 + 7 * n


@pytest.mark.parametrize(
    "timed",
    [
        pytest.param(odd(wire.ACK, 9, resets=0, source=many_ports), id="connections that go on"),
        pytest.param(odd(wire.ACK, 9, resets=3, source=many_ports), id="some of which were lost"),
        pytest.param(odd(wire.ACK, 9, resets=9, source=many_ports, options=wire.timestamps(5, 6)), id="after a reboot"),
        pytest.param(odd(wire.FIN | wire.ACK, 9, resets=4, source=many_ports), id="connections that end"),
    ],
)
def test_segments_of_connections_from_before_the_capture_are_no_scan(timed):
    assert scans(timed, end(9 * SECOND)) == []


# -- what is said ------------------------------------------------------------------------------------------------


def test_titles_and_metrics_agree_where_many_ports_of_many_hosts_are_probed():
    timed = [
        f
        for h in range(3)
        for n in range(20)
        for f in refused(n * MS, (ME, 50000 + 30 * h + n), (f"203.0.113.{h}", 1 + n))
    ]
    (one,) = scans(timed)
    metrics = one["metrics"]
    assert (metrics["ports"], metrics["hosts"], len(metrics["targets"]), metrics["probes"]) == (20, 3, 3, 60)
    assert "scanned 20 ports of 3 hosts" in one["title"]
    assert metrics["closed_count"] == 60


def test_titles_and_metrics_agree_where_two_ports_of_many_hosts_are_probed():
    timed = [*sweep(30, refused, port=22), *sweep(20, refused, port=23, source=52000, every=11 * MS)]
    timed += [f for n in range(5) for f in refused(n, (ME, 900 + n), (f"192.0.2.{n}", 23))]
    (one,) = scans(timed)
    metrics = one["metrics"]
    assert (metrics["direction"], metrics["ports"], metrics["hosts"], metrics["targets"]) == (
        "horizontal", 2, 35, [22, 23],
    )  # fmt: skip
    assert "scanned 2 ports of 35 hosts" in one["title"]
