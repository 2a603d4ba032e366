"""`idle-timeout`: RSTs and losses after idle periods that agree, or that at least give an interval."""

import re

import pytest
from support import frames
from support.detected import MS, SECOND, crowd, found, merged, only, repeats

from handshake_inspect.verdicts.findings.idle_timeout import TABLES

UNITS = {"s": 1, "minutes": 60, "hour": 3600, "hours": 3600, "days": 86_400}


@pytest.mark.parametrize("seconds", TABLES)
def test_a_known_time_is_the_one_that_its_text_says(seconds):
    said = re.findall(r"(\d+) (s|minutes|hours?|days)\b", TABLES[seconds])
    assert {int(number) * UNITS[unit] for number, unit in said} == {seconds}


def reset_after(seconds, *, by="server", jitter=30 * MS):
    """A device on the path, or the peer, resets a connection that was idle for this long."""

    def act(wire, number):
        wire.handshake().exchange()
        for _ in range(number % 3):
            wire.wait(30 * SECOND)
            wire.exchange()
        wire.wait(int(seconds * SECOND) + number * jitter)
        getattr(wire, by).rst_ack()

    return act


@pytest.mark.parametrize(
    ("seconds", "whose"), [(60, "AWS"), (240, "Azure"), (300, "5 minutes"), (350, "AWS Network"), (900, "IPVS"),
                           (3600, "1 hour"), (437, None)]
)  # fmt: skip
def test_a_table_with_a_timeout(seconds, whose):
    report = merged(*crowd(8, reset_after(seconds), every=7 * SECOND))
    finding = only(report, "idle-timeout")
    assert finding["severity"] == "warning"
    assert finding["target"] == {"ip": "198.51.100.2", "port": 443}
    metrics = finding["metrics"]
    assert (metrics["connections"], metrics["rst_from_server"]) == (8, 8)
    assert abs(metrics["idle_timeout_ns"] - seconds * SECOND) < SECOND
    assert 30 * SECOND <= metrics["longest_survived_ns"] < 31 * SECOND
    table = "" if whose is None else f": {metrics['likely']}"
    assert finding["title"] == (
        f"8 idle connections to 198.51.100.2:443 were reset after {seconds} s without a packet{table}"
    )
    assert metrics["idle_timeout_ns"] - metrics["idle_min_ns"] == 3 * 30 * MS  # the median of 0 to 7 times 30 ms
    assert metrics["idle_max_ns"] - metrics["idle_min_ns"] == 7 * 30 * MS
    assert (metrics["lost_in_silence"], metrics["drawn_by_data"]) == (0, 0)
    assert finding["evidence"]["connections"] == list(range(8))
    assert (metrics["likely"] is None) == (whose is None)
    assert whose is None or whose in metrics["likely"]
    assert found(report, "stale-peer") == found(report, "rst-injection") == []


def test_over_ipv6_and_captured_beside_the_server():
    """There the device resets in the client's name."""
    words = {"address": frames.CLIENT6[0], "server": frames.SERVER6, "at": "server"}
    metrics = only(merged(*crowd(5, reset_after(350, by="client"), **words)), "idle-timeout")["metrics"]
    assert (metrics["rst_from_client"], metrics["rst_from_server"]) == (5, 0)


def test_a_pause_that_the_connection_survived_before():
    """Heartbeats every 20 s, and a restart shortly before the next: no table's timeout."""

    def beats(wire, number, last=19):
        wire.handshake()
        for _ in range(4):
            wire.client.data(60)
            wire.server.ack()
            wire.wait(20 * SECOND)
        wire.client.data(60)
        wire.server.ack()
        wire.wait(last * SECOND + number * MS)
        wire.server.rst_ack()

    assert found(merged(*crowd(6, beats, every=100 * MS)), "idle-timeout") == []
    longer = only(merged(*crowd(6, lambda wire, n: beats(wire, n, 60), every=100 * MS)), "idle-timeout")
    assert longer["metrics"]["idle_timeout_ns"] // SECOND == 60


def test_four_prove_nothing():
    assert found(merged(*crowd(4, reset_after(240))), "idle-timeout") == []


def test_pauses_that_do_not_agree():
    assert found(merged(*crowd(8, reset_after(100, jitter=3 * SECOND))), "idle-timeout") == []


def test_a_few_that_agree_by_chance_among_many():
    wires = crowd(5, reset_after(100, jitter=0), every=SECOND)
    wires += crowd(60, lambda wire, n: reset_after(10 * 1.06**n)(wire, 0), every=SECOND, address="192.0.2.9")
    assert found(merged(*wires), "idle-timeout") == []


def test_connections_that_were_closed():
    def closed(wire, number):
        wire.handshake().exchange()
        wire.wait(60 * SECOND)
        wire.server.fin()
        wire.client.fin()
        wire.server.ack()

    assert found(merged(*crowd(8, closed)), "idle-timeout") == []


def test_a_rst_that_answers_something_was_not_unprompted():
    """The server takes a request, and resets a minute later: the client was waiting for an answer, not idle."""

    def crashed(wire, number):
        wire.handshake().exchange()
        wire.client.data(100)
        wire.wait(60 * SECOND)
        wire.server.rst_ack()

    report = merged(*crowd(8, crashed))
    assert found(report, "idle-timeout") == []


def drawn(wire, number):
    """The entry is gone, and the first data after the pause draws a RST."""
    wire.handshake().exchange()
    wire.wait(100 * SECOND)
    wire.exchange()
    wire.wait((400 + 50 * number) * SECOND)
    wire.client.data(100)
    wire.server.rst_ack()


def test_rsts_that_data_drew_give_an_interval():
    finding = only(merged(*crowd(6, drawn)), "idle-timeout")
    metrics = finding["metrics"]
    assert 100 * SECOND <= metrics["longest_survived_ns"] < 101 * SECOND
    assert 400 * SECOND <= metrics["shortest_lost_ns"] < 401 * SECOND
    assert (metrics["likely"], metrics["drawn_by_data"], metrics["lost_in_silence"]) == (None, 6, 0)
    assert finding["title"] == (
        "6 connections to 198.51.100.2:443 were lost while idle: a device on the path drops their state between 100 s"
        " and 400 s"
    )
    assert finding["advice"] == (
        "Let both ends keep alive more often than every 100 s (`sysctl net.ipv4.tcp_keepalive_time` with SO_KEEPALIVE,"
        " or the pool's own), and look for the NAT, balancer or firewall on the path with such a timeout."
    )
    assert finding["evidence"]["connections"] == list(range(6))
    assert finding["end_ns"] - finding["start_ns"] > 400 * SECOND


def test_rsts_that_keep_alives_drew_are_as_good():
    def probed(wire, number):
        wire.handshake().exchange()
        wire.wait((600 + 10 * number) * SECOND)
        wire.client.ack(seq=wire.client.snd_nxt - 1)
        wire.server.rst(seq=wire.server.snd_nxt)

    report = merged(*crowd(6, probed, every=200 * SECOND))  # one restart cannot have lost all of them
    assert found(report, "stale-peer") == []
    metrics = only(report, "idle-timeout")["metrics"]
    assert 600 * SECOND <= metrics["shortest_lost_ns"] < 601 * SECOND
    assert metrics["drawn_by_data"] == 6


def forgot(wire, number):
    wire.handshake().exchange()
    wire.wait((400 + 50 * number) * SECOND)
    wire.client.data(100)
    wire.server.rst(seq=wire.server.snd_nxt)


def test_a_restart_that_all_pauses_have_in_common():
    report = merged(*crowd(6, forgot))
    assert found(report, "idle-timeout") == []
    assert only(report, "stale-peer")["metrics"]["connections"] == 6


def test_a_connection_that_lived_through_it():
    """Then the host was not restarted: a device on the path forgot the connections and answers for it."""

    def lived(wire, number):
        wire.handshake()
        for _ in range(80):
            wire.exchange()
            wire.wait(10 * SECOND)

    report = merged(*crowd(6, forgot), *crowd(1, lived, address="192.0.2.9"))
    assert found(report, "stale-peer") == []
    assert only(report, "idle-timeout")["metrics"]["drawn_by_data"] == 6


def test_losses_in_silence_give_an_interval():
    def lost(wire, number):
        wire.handshake().exchange()
        wire.wait((400 + 50 * number) * SECOND)
        repeats(wire.client, 90, 6)

    assert found(merged(*crowd(6, lost)), "idle-timeout") == []  # for all that is known, the server is gone

    def later(wire, number):
        wire.wait(500 * SECOND)
        wire.handshake().exchange()

    def half_open(wire, number):
        wire.wait(500 * SECOND)
        wire.client.syn()
        wire.server.syn_ack()

    report = merged(*crowd(6, lost), *crowd(1, half_open, address="192.0.2.9"))
    assert found(report, "idle-timeout") == []  # nor does a SYN-ACK that nobody acknowledges prove more

    report = merged(*crowd(6, lost), *crowd(1, later, address="192.0.2.9"))
    finding = only(report, "idle-timeout")
    metrics = finding["metrics"]
    assert (metrics["longest_survived_ns"], metrics["lost_in_silence"]) == (None, 6)
    assert finding["title"].endswith("a device on the path drops their state after at most 400 s")
    assert "more often than every 400 s" in finding["advice"]
    assert 400 * SECOND <= metrics["shortest_lost_ns"] < 401 * SECOND
    assert len(found(report, "stalled")) == 1


def test_a_server_that_died():
    """It answered until then, and nobody afterwards: the idle periods are not the reason."""

    def cut(wire, number):
        wire.handshake()
        for _ in range(20 - number):
            wire.exchange()
            wire.wait(9 * SECOND)
        wire.wait(20 * SECOND + number * 9 * SECOND)
        repeats(wire.client, 90, 6)

    report = merged(*crowd(6, cut))
    assert found(report, "idle-timeout") == []
    assert len(found(report, "stalled")) == 1


def test_connections_that_survive_longer_pauses():
    """Idleness is not the reason."""

    def survived(wire, number):
        wire.handshake().exchange()
        wire.wait(900 * SECOND)
        wire.exchange()
        wire.close()

    wires = [*crowd(6, drawn), *crowd(2, survived, address="192.0.2.9")]
    assert found(merged(*wires), "idle-timeout") == []


def test_a_balancer_that_resets_in_the_name_of_the_server():
    """Its TTL differs, which is no forgery: it dropped the connection."""

    def balanced(wire, number):
        wire.handshake().exchange()
        wire.wait(350 * SECOND)
        wire.server.rst_ack(ttl=250)

    report = merged(*crowd(8, balanced))
    assert only(report, "idle-timeout")["metrics"]["rst_ttl_differs"] == 8
    assert found(report, "rst-injection") == []


def test_a_client_that_stops_waiting():
    """The server took its request and does not answer for half a minute."""

    def tired(wire, number):
        wire.handshake().exchange()
        wire.client.data(100)
        wire.server.ack()
        wire.wait(30 * SECOND)
        wire.client.rst_ack()

    assert found(merged(*crowd(8, tired)), "idle-timeout") == []


def test_a_server_that_is_cut_off_while_it_works():
    """The same, but a device resets in the server's name: a long query outlives the table entry."""

    def cut_off(wire, number):
        wire.handshake().exchange()
        wire.client.data(100)
        wire.server.ack()
        wire.wait(350 * SECOND)
        wire.server.rst_ack()

    assert only(merged(*crowd(8, cut_off)), "idle-timeout")["metrics"]["connections"] == 8


def test_probes_that_hang_up():
    def probed(wire, number):
        wire.handshake()
        wire.wait(2 * SECOND)
        wire.client.rst_ack()

    assert found(merged(*crowd(8, probed)), "idle-timeout") == []


def test_half_a_close_is_no_idle_connection():
    def closing(wire, number):
        wire.handshake().exchange()
        wire.client.fin()
        wire.server.ack()
        wire.wait(60 * SECOND)
        wire.server.rst_ack()

    assert found(merged(*crowd(8, closing)), "idle-timeout") == []


@pytest.mark.parametrize(("second", "times"), [(350, [60, 350]), (63, [60])])
def test_a_service_behind_two_tables(second, times):
    wires = crowd(7, reset_after(60)) + crowd(6, reset_after(second), address="192.0.2.9")
    findings = found(merged(*wires), "idle-timeout")
    assert [round(each["metrics"]["idle_timeout_ns"] / SECOND) for each in findings] == times
