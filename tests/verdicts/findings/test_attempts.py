"""Roll-ups, full accept queues, SYN cookies, scans and backscatter, from frames."""

import io
import zlib

import msgspec
import numpy as np
import pytest
from support import frames as wire
from support.captures import pcap

from handshake_inspect import engine
from handshake_inspect.verdicts import sets

SECOND = 1_000_000_000
MS = 1_000_000
START = 1_700_000_000 * SECOND
SERVER = ("198.51.100.2", 443)
RICH = wire.linux_syn_options()


def found(timed, *ids):
    report = engine.analyze([io.BytesIO(pcap(sorted(timed), nano=True))])
    return [one for one in map(msgspec.to_builtins, report.findings) if one["id"] in ids]


def isn_of(*parts):
    return zlib.crc32(repr(parts).encode())


def end(at):
    return START + at, wire.udp()


def opened(at, here, dst=SERVER, *, stamp=0, options=RICH, **server):
    """SYN, SYN-ACK, final ACK."""
    isn, iss = isn_of(here, dst), isn_of(dst, here, 1)
    return [
        (START + at, wire.syn(here, dst, seq=isn, options=options)),
        (START + at + MS, wire.syn_ack(dst, here, seq=iss, ack=isn + 1, **{"options": RICH, **server})),
        (START + at + 2 * MS, wire.ack(here, dst, seq=isn + 1, ack=iss + 1)),
    ]


def used(at, here, dst=SERVER, **server):
    isn, iss = isn_of(here, dst), isn_of(dst, here, 1)
    return [
        *opened(at, here, dst, **server),
        (START + at + 3 * MS, wire.data(b"?", here, dst, seq=isn + 1, ack=iss + 1)),
        (START + at + 4 * MS, wire.data(b"!", dst, here, seq=iss + 1, ack=isn + 2)),
    ]


def refused(at, here, dst=SERVER, options=RICH):
    isn = isn_of(here, dst)
    return [
        (START + at, wire.syn(here, dst, seq=isn, options=options)),
        (START + at + MS, wire.rst(dst, here, ack=isn + 1)),
    ]


# -- roll-ups ----------------------------------------------------------------------------------------------------


def test_refusals_are_rolled_up_per_server():
    timed = [frame for n in range(3) for frame in refused(n * SECOND, ("10.0.0.1", 4000 + n))]
    timed += refused(0, ("10.0.0.2", 4000)) + refused(0, ("10.0.0.2", 4000), ("198.51.100.3", 80))
    timed += used(0, ("10.0.0.3", 4000))
    one, other = sorted(found(timed, "refused"), key=lambda each: each["target"]["ip"])
    assert (one["target"]["port"], other["target"]) == (443, {"ip": "198.51.100.3", "port": 80})
    assert one["severity"] == "warning"
    assert one["metrics"] == {
        "connections": 4,
        "attempts": 5,
        "established": 1,
        "failed_ratio": 0.8,
        "cause": "closed-port",
        "ports": [443],
        "port_count": 1,
        "clients": 2,
        "undecided": 0,
        "top_clients": [{"ip": "10.0.0.1", "connections": 3}, {"ip": "10.0.0.2", "connections": 1}],
        "reject_p50_ns": MS,
    }
    assert (one["start_ns"], one["end_ns"]) == (START, START + 2 * SECOND + MS)
    assert "sport = :443" in one["advice"]


def test_a_service_that_refuses_everyone_is_critical_and_one_refusal_of_many_is_noise():
    timed = [frame for n in range(20) for frame in refused(n * SECOND, ("10.0.0.1", 4000 + n))]
    assert [one["severity"] for one in found(timed, "refused")] == ["critical"]
    timed = [frame for n in range(150) for frame in used(n * SECOND, ("10.0.0.1", 4000 + n))]
    timed += refused(0, ("10.0.0.1", 3000))
    assert [one["severity"] for one in found(timed, "refused")] == ["info"]


@pytest.mark.parametrize(("failed", "severity"), [(1, "warning"), (9, "warning"), (10, "critical")])
def test_checks_that_reset_what_answers_establish_nothing_either(failed, severity):
    """Of 40 probes of a balancer, most were answered: the port is not down."""
    timed = []
    for n in range(40 - failed):
        here = ("10.0.0.1", 4000 + n)
        timed += [
            *opened(n * SECOND, here)[:2],
            (START + n * SECOND + 2 * MS, wire.rst(here, SERVER, seq=isn_of(here, SERVER) + 1, ack=None)),
        ]
    timed += [frame for n in range(failed) for frame in refused(n * SECOND, ("10.0.0.1", 3000 + n))]
    assert [one["severity"] for one in found(timed, "refused")] == [severity]


def test_the_ports_of_a_host_that_refuse_are_one_finding():
    timed = [frame for n in range(5) for frame in refused(n * SECOND, ("10.0.0.1", 4000 + n), (SERVER[0], 440 + n))]
    timed += used(0, ("10.0.0.3", 4000), (SERVER[0], 441)) + used(0, ("10.0.0.3", 4001), (SERVER[0], 22))
    (one,) = found(timed, "refused")
    assert one["target"] == {"ip": SERVER[0], "port": None}
    assert (one["metrics"]["ports"], one["metrics"]["port_count"]) == ([440, 441, 442, 443, 444], 5)
    assert (one["metrics"]["connections"], one["metrics"]["attempts"], one["metrics"]["established"]) == (5, 6, 1)
    assert "5 of 6 connections to 5 ports of 198.51.100.2 refused (closed-port)" in one["title"]
    assert "`ss -ltn` on" in one["advice"]


@pytest.mark.parametrize(
    ("ports", "those"), [(1, ("port 8000 ", "ss -ltn 'sport = :8000'")), (3, ("these 3 ports ", "ss -ltn"))]
)
def test_the_advice_names_the_one_port_or_says_how_many(ports, those):
    """A firewall rule comes first; then the listener's queue, which looks the same on the wire."""
    timed = used(0, ("10.0.0.1", 4000))
    for n in range(ports):
        timed += [(START + SECOND, wire.syn(("10.0.0.1", 5000 + n), (SERVER[0], 8000 + n), options=RICH))]
    (one,) = found([*timed, end(20 * SECOND)], "timed-out")
    rule, queue = one["advice"].split(", and ")
    assert f"a rule that drops {those[0]}" in rule
    assert f"accept queue stays full (`{those[1]}` there" in queue


def test_the_longest_wait_is_in_the_title():
    """As far as SYNs show it: the last one is sent 7 s after the first."""
    timed = used(0, ("10.0.0.3", 4001))
    for n in range(2):
        here = ("10.0.0.1", 5000 + n)
        timed += [(START + at * SECOND, wire.syn(here, SERVER, seq=n, options=RICH)) for at in (0, 1, 3, 7)]
    (one,) = found([*timed, end(60 * SECOND)], "timed-out")
    assert one["title"].endswith("from 1 client, after waiting up to 7 s")


def test_a_single_failure_has_one_wait():
    """One of several attempts failed: one client, which waited once."""
    served = used(0, ("10.0.0.3", 4001))
    here = ("10.0.0.1", 5000)
    lost = [(START + at * SECOND, wire.syn(here, SERVER, seq=1, options=RICH)) for at in (0, 1, 3, 7)]
    (one,) = found([*served, *lost, end(60 * SECOND)], "timed-out")
    assert one["title"].startswith("1 of 2 connections to ")
    assert one["title"].endswith(" after 7 s")


def test_a_single_attempt_is_not_counted():
    (one,) = found(refused(0, ("10.0.0.1", 4000)), "refused")
    assert one["title"] == "The connection to 198.51.100.2:443 was refused (closed-port)"
    assert one["metrics"]["clients"] == 1


def test_another_cause_is_another_finding():
    """One port of the host is live and drops a SYN, another one never answers."""
    timed = [*used(0, ("10.0.0.3", 4001)), end(60 * SECOND)]
    for n, port in enumerate((443, 8443)):
        here, there = ("10.0.0.1", 5000 + n), (SERVER[0], port)
        timed += [(START + at * SECOND, wire.syn(here, there, seq=n, options=RICH)) for at in (0, 1, 3, 7)]
    causes = {one["metrics"]["cause"]: one["target"]["port"] for one in found(timed, "timed-out")}
    assert causes == {"syn-dropped": 443, "port-filtered": 8443}


def test_refusals_by_a_middlebox_are_not_also_rolled_up():
    timed = used(0, ("10.0.0.3", 4001)) + used(0, ("10.0.0.3", 4002), (SERVER[0], 22))
    for n in range(3):
        here, at = ("10.0.0.1", 5000 + n), START + n * SECOND
        isn = isn_of(here, SERVER)
        timed += [(at, wire.syn(here, SERVER, seq=isn)), (at + MS, wire.rst(SERVER, here, ack=isn + 1, ttl=30))]
    assert [one["id"] for one in found(timed, "refused", "rst-injection")] == ["rst-injection"]


def test_a_full_accept_queue_is_reported_once():
    timed = ignored(0, ("10.0.0.1", 4000), 3) + used(0, ("10.0.0.1", 4001))
    assert [one["id"] for one in found(timed, "half-open", "accept-queue-overflow")] == ["accept-queue-overflow"]


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_full_accept_queue_is_found_if_the_capture_began_amid_the_handshake(missing):
    timed = ignored(0, ("10.0.0.1", 4000), 4)[missing:] + used(5 * SECOND, ("10.0.0.1", 4001))
    assert [one["id"] for one in found(timed, "half-open", "accept-queue-overflow")] == ["accept-queue-overflow"]


def test_attempts_undecided_at_the_end_are_no_warning():
    timed = [*opened(0, ("10.0.0.1", 4000))[:2], end(SECOND)]
    (one,) = found(timed, "half-open")
    assert one["severity"] == "info"
    assert one["metrics"]["undecided"] == 1


# -- accept queue ------------------------------------------------------------------------------------------------


def ignored(at, here, copies, *, window=65535):
    """The server retransmits its SYN-ACK although the client acknowledges it each time."""
    isn, iss = isn_of(here, SERVER), isn_of(SERVER, here, 1)
    timed = opened(at, here, window=window)
    for copy in range(copies):
        when = START + at + ((2 << copy) - 1) * SECOND
        timed.append((when, wire.syn_ack(SERVER, here, seq=iss, ack=isn + 1, options=RICH, window=window)))
        timed.append((when + MS, wire.ack(here, SERVER, seq=isn + 1, ack=iss + 1, window=500 + copy)))
    return timed


def test_repeated_syn_acks_after_the_ack_are_an_overflow():
    timed = ignored(0, ("10.0.0.1", 4000), 3) + used(0, ("10.0.0.2", 4000))
    (one,) = found([*timed, end(12 * SECOND)], "accept-queue-overflow")
    assert one["target"] == {"ip": "198.51.100.2", "port": 443}
    metrics = one["metrics"]
    assert (metrics["connections"], metrics["handshakes"], metrics["hit_ratio"]) == (1, 2, 0.5)
    assert (metrics["recovered"], metrics["synacks_repeated"]) == (0, 3)


@pytest.mark.parametrize(
    "timed",
    [
        pytest.param(ignored(0, ("10.0.0.1", 4000), 1), id="one lost ACK"),
        pytest.param(ignored(0, ("10.0.0.1", 4000), 3, window=0), id="SYN proxy"),
        pytest.param(opened(0, ("10.0.0.1", 4000)), id="idle"),
    ],
)
def test_no_overflow(timed):
    assert found([*timed, end(12 * SECOND)], "accept-queue-overflow") == []


def test_a_half_open_connection_whose_syn_is_not_captured():
    timed = ignored(0, ("10.0.0.1", 4000), 3, window=0)[1:]
    (one,) = found([*timed, end(12 * SECOND)], "half-open")
    assert one["metrics"]["repeated_syns"] == 0


@pytest.mark.parametrize(("again", "accused"), [(3 * SECOND, 0), (SECOND, 1)], ids=["deferral", "as a full queue does"])
def test_a_listener_that_defers_is_not_accused(again, accused):
    """TCP_DEFER_ACCEPT retransmits its SYN-ACK at the end of its period, a full queue after 1 s."""
    here = ("10.0.0.9", 4000)
    isn, iss = isn_of(here, SERVER), isn_of(SERVER, here, 1)
    deferred = [
        *opened(0, here),
        (START + again, wire.syn_ack(SERVER, here, seq=iss, ack=isn + 1, options=RICH)),
        (START + again + MS, wire.ack(here, SERVER, seq=isn + 1, ack=iss + 1, window=501)),
        (START + again + SECOND, wire.data(b"?", here, SERVER, seq=isn + 1, ack=iss + 1)),
        (START + again + SECOND + MS, wire.ack(SERVER, here, seq=iss + 1, ack=isn + 2)),
    ]
    timed = ignored(0, ("10.0.0.1", 4000), 3)
    assert len(found([*timed, *deferred, end(12 * SECOND)], "accept-queue-overflow")) == accused


# -- cookies -----------------------------------------------------------------------------------------------------

OFFERED = 7 | 1 << 4  # what `RICH` offers: window scale 7, SACK


def stamped(n, offset, *, cookie, later=True, pause=137):
    """A connection to a server whose clock counts milliseconds from an offset."""
    here = (f"10.0.0.{n % 3}", 4000 + n)
    isn, iss = isn_of(here, SERVER), isn_of(SERVER, here, 1)
    at = n * pause * MS
    clock = at // MS + 1
    value = clock
    if cookie:
        value = clock & ~63 | OFFERED
        value -= 64 if value > clock else 0
    timed = opened(at, here, options=wire.linux_syn_options(value=n + 1))
    timed[1] = START + at + MS, wire.syn_ack(
        SERVER, here, seq=iss, ack=isn + 1, options=wire.linux_syn_options(value=1000 + offset + value)
    )  # fmt: skip
    if later:
        stamp = wire.timestamps(1000 + offset + clock + 3, 1)
        timed.append((START + at + 3 * MS, wire.data(b"?", here, SERVER, seq=isn + 1, ack=iss + 1)))
        timed.append((START + at + 4 * MS, wire.data(b"!", SERVER, here, seq=iss + 1, ack=isn + 2, options=stamp)))
    return timed


def cookies(count, *, cookie=True, later=True, offset_of=lambda n: 0, pause=137):
    timed = [
        frame
        for n in range(count)
        for frame in stamped(n, offset_of(n), cookie=cookie, later=later, pause=pause)
    ]  # fmt: skip
    return found([*timed, end(600 * SECOND)], "syn-cookies")


def test_the_clock_proves_cookies_with_any_offset():
    (one,) = cookies(12, offset_of=lambda n: isn_of(n) >> 2)
    assert one["metrics"]["method"] == "clock"
    assert one["severity"] == "info"
    assert one["metrics"]["timestamps_agreeing"] >= 8
    assert 0 < one["metrics"]["chance"] < 1e-6


def test_the_bits_prove_cookies_if_the_offset_is_the_hosts():
    (one,) = cookies(12, later=False, offset_of=lambda n: 5000 * (n % 3))
    assert one["metrics"]["method"] == "bits"
    assert one["metrics"]["chance"] < 1e-6


@pytest.mark.parametrize("later", [True, False])
@pytest.mark.parametrize("pause", [1, 64, 137, 1000, 8000])
def test_ordinary_timestamps_are_no_cookies(later, pause):
    assert cookies(40, cookie=False, later=later, pause=pause) == []


def test_few_are_no_proof():
    assert cookies(3, offset_of=isn_of) == []


# -- scans -------------------------------------------------------------------------------------------------------


def test_a_vertical_scan_lists_open_closed_and_filtered():
    source = ("10.6.6.6", 50000)
    timed = []
    for port in range(1, 31):
        dst = ("198.51.100.2", port)
        probe = refused(port * MS, source, dst, options=wire.mss(1460))
        if port == 22:
            probe[1] = START + port * MS + 1000, wire.syn_ack(dst, source, seq=77, ack=isn_of(source, dst) + 1)
            probe.append((START + port * MS + 2000, wire.rst(source, dst, seq=isn_of(source, dst) + 1, ack=None)))
        timed += probe[:1] if port in (25, 26) else probe
    (one,) = found([*timed, end(9 * SECOND)], "port-scan")
    assert one["target"] == {"ip": "10.6.6.6", "port": None}
    metrics = one["metrics"]
    assert (metrics["kind"], metrics["direction"], metrics["ports"]) == ("syn", "vertical", 30)
    assert (metrics["open"], metrics["filtered"], metrics["closed_count"]) == ([22], [25, 26], 27)
    assert found(timed, "refused", "timed-out") == []


def test_a_user_of_many_ports_is_no_scanner():
    timed = used(0, ("10.0.0.1", 4000), ("198.51.100.2", 22))
    timed += [frame for n in range(16) for frame in refused(0, ("10.0.0.1", 5000 + n), ("198.51.100.2", 20000 + n))]
    assert found(timed, "port-scan") != []
    timed += [frame for n in range(8) for frame in used(n * MS, ("10.0.0.1", 6000 + n), ("198.51.100.2", 40000 + n))]
    assert found(timed, "port-scan") == []


def monitored(times, hosts=40):
    """A monitor polls hosts that are down."""
    timed = []
    for t in range(times):
        for n in range(hosts):
            here, dst = ("10.0.0.1", 4000 + 50 * t + n), (f"203.0.113.{n}", 9100)
            timed.append((START + t * 15 * SECOND + n * MS, wire.syn(here, dst, options=RICH, seq=isn_of(t, n))))
    return timed


def health_checks():
    timed = []
    for n in range(40):
        here, dst = ("10.0.0.1", 4000 + n), (f"203.0.113.{n}", 80)
        isn, iss = isn_of(here, dst), isn_of(dst, here, 1)
        timed += opened(n * MS, here, dst)
        timed.append((START + n * MS + 3 * MS, wire.fin(here, dst, seq=isn + 1, ack=iss + 1)))
        timed.append((START + n * MS + 4 * MS, wire.fin(dst, here, seq=iss + 1, ack=isn + 2)))
        timed.append((START + n * MS + 5 * MS, wire.ack(here, dst, seq=isn + 2, ack=iss + 2)))
    return timed


def eyeballs_losers():
    """One client loads pages from 40 hosts; the other address family wins each race (RFC 8305)."""
    timed = []
    for n in range(40):
        here, dst = ("10.0.0.1", 4000 + n), (f"203.0.113.{n}", 443)
        isn = isn_of(here, dst)
        timed.append((START + n * MS, wire.syn(here, dst, seq=isn, options=RICH)))
        timed.append((START + n * MS + MS, wire.syn_ack(dst, here, seq=isn_of(dst), ack=isn + 1, options=RICH)))
        timed.append((START + n * MS + 2 * MS, wire.rst(here, dst, seq=isn + 1, ack=None)))
    return timed


@pytest.mark.parametrize(
    "timed",
    [monitored(2), monitored(6), health_checks(), eyeballs_losers()],
    ids=["polled outage", "outage polled often", "health checks", "happy eyeballs"],
)
def test_no_scan(timed):
    assert found([*timed, end(200 * SECOND)], "port-scan") == []


@pytest.mark.parametrize(
    ("flags", "kind"),
    [(wire.FIN, "fin"), (0, "null"), (wire.ACK, "ack"), (wire.FIN | wire.ACK, "fin")],
    ids=["fin", "null", "ack", "maimon"],
)
def test_odd_probes(flags, kind):
    source = ("10.6.6.6", 50000)
    timed = []
    for port in range(1, 31):
        dst = ("198.51.100.2", port)
        timed.append((START + port * MS, wire.segment(source, dst, flags, seq=7 * port)))
        if port > 3:
            timed.append((START + port * MS + 1000, wire.rst(dst, source, ack=7 * port + (flags & 1))))
    (one,) = found([*timed, end(9 * SECOND)], "port-scan")
    assert one["metrics"]["kind"] == kind
    silent = "filtered" if kind == "ack" else "open_or_filtered"
    assert one["metrics"][silent] == [1, 2, 3]


@pytest.mark.parametrize("resets", [4, 30])
def test_connections_that_end_at_the_start_of_the_capture_are_no_scan(resets):
    """A server closes idle connections of one gateway, which forgot some or all of them."""
    timed = []
    for n in range(30):
        client = ("203.0.113.9", 40_000 + n)
        timed.append((START + n * MS, wire.fin(SERVER, client, seq=7 * n, ack=n)))
        if n < resets:
            timed.append((START + n * MS + 1000, wire.rst(client, SERVER, seq=n, ack=None)))
    assert found([*timed, end(9 * SECOND)], "port-scan") == []


def test_a_client_that_closes_what_it_had_open_is_no_scanner():
    """A proxy stops: the services acknowledge its FINs, and RSTs are the exception."""
    timed = []
    for n in range(30):
        client, service = ("203.0.113.9", 40_000 + n), ("198.51.100.2", 1000 + n)
        timed.append((START + n * MS, wire.fin(client, service, seq=7 * n, ack=n)))
        if n < 10:
            timed.append((START + n * MS + 1000, wire.rst(service, client, seq=n, ack=None)))
    assert found([*timed, end(9 * SECOND)], "port-scan") == []


# -- backscatter -------------------------------------------------------------------------------------------------


def unasked(count):
    return [(START + n * MS, wire.syn_ack(SERVER, (f"203.0.{n % 250}.7", 9), seq=n * n, ack=n)) for n in range(count)]


def test_backscatter_needs_many_addresses():
    (one,) = found([*unasked(40), *used(0, ("10.0.0.1", 4000))], "backscatter")
    assert one["severity"] == "info"
    assert one["target"] == {"ip": "198.51.100.2", "port": None}
    assert (one["metrics"]["addresses"], one["metrics"]["syn_acks"], one["metrics"]["resets"]) == (40, 40, 0)
    assert found([*unasked(19), *used(0, ("10.0.0.1", 4000))], "backscatter") == []


def resets(count, first):
    answered = ((f"203.0.{first + n}.7", 2000 + n) for n in range(count))
    return [(START + n * MS, wire.rst(SERVER, who, seq=0, ack=n + 5)) for n, who in enumerate(answered)]


def causes(timed):
    return {one.cause for one in engine.analyze([io.BytesIO(pcap(sorted(timed), nano=True))]).connections}


def test_a_host_that_only_answers_is_backscatter_in_a_one_sided_capture():
    timed = [*unasked(12), *resets(8, 12), end(9 * SECOND)]
    (one,) = found(timed, "backscatter")
    assert (one["metrics"]["addresses"], one["metrics"]["syn_acks"], one["metrics"]["resets"]) == (20, 12, 8)
    assert found(timed, "capture-quality") == []
    assert "backscatter" in causes(timed)
    assert found([*unasked(12), *resets(7, 12)], "backscatter") == []


def serves(n=99):
    """Data to one client and a FIN to another: it is a server, captured in one direction."""
    one, other = ("192.0.2.1", 4000 + n), ("192.0.2.2", 4000 + n)
    return {
        "data": [(START + n * MS, wire.data(b"x" * 100, seq=9, ack=3, src=SERVER, dst=one))],
        "fin": [(START + n * MS, wire.fin(SERVER, other, seq=9, ack=3))],
        "acknowledges": [(START + n * MS, wire.data(b"x" * 100, seq=9, ack=3, src=one, dst=SERVER))],
        "is asked": [(START + n * MS, wire.syn(src=one, dst=SERVER))],
    }


def test_clients_that_reset_what_they_never_asked_for_show_it_in_one_direction_too():
    """Each answers with a RST: the capture holds both directions, and nobody asked."""
    denied = [
        (ns + MS, wire.rst((f"203.0.{n % 250}.7", 9), SERVER, seq=n, ack=None)) for n, (ns, _) in enumerate(unasked(20))
    ]
    (one,) = found([*unasked(20), *denied, end(9 * SECOND)], "backscatter")
    assert (one["metrics"]["addresses"], one["metrics"]["syn_acks"]) == (20, 20)


@pytest.mark.parametrize("shown", serves())
def test_a_server_captured_in_one_direction_is_no_backscatter(shown):
    timed = [*unasked(40), *serves()[shown]]
    assert found(timed, "backscatter") == []
    assert "backscatter" not in causes(timed)


def test_a_server_captured_in_one_direction_is_no_backscatter_beside_two_sided_ones():
    """Three segments of data with new acknowledgments are no backscatter, whatever else the capture holds."""
    half = [
        (START + n * MS, wire.data(b"x" * 100, seq=9 + 100 * n, ack=3 + 100 * n, src=SERVER, dst=("192.0.2.1", 4000)))
        for n in range(4)
    ]
    assert found([*unasked(40), *half, *used(0, ("10.0.0.1", 4000))], "backscatter") == []


# -- keys --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [0, 5, 5000])
def test_membership_is_exact(members):
    dice = np.random.default_rng(7)
    pool = dice.integers(0, 2**64, 20_000, dtype=np.uint64)
    wanted = np.sort(pool[:members])
    assert (sets.is_member(pool, wanted) == np.isin(pool, wanted)).all()


def test_frequent_and_distinct():
    values = np.array([5, 1, 5, 9, 5, 9, 2], dtype=np.uint64)
    assert sets.frequent(values, 2).tolist() == [5, 9]
    assert sets.frequent(values, 8).tolist() == []
    assert sets.distinct(values).tolist() == [1, 2, 5, 9]
    assert sets.count_distinct(values) == 4
    assert sets.count_distinct(values, np.array([0, 2, 3])) == 2
