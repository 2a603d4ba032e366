"""`connection-churn`: short connections that a pool would have saved, and those that it would not."""

import numpy as np
import pytest
from support import captures
from support.detected import MS, SECOND, START, chance, crowd, found, merged, only
from support.wire import report_of

from handshake_inspect.verdicts import grouping
from handshake_inspect.verdicts.findings.connection_churn import PAUSE_NS, are_soon


def request(wire, number=0):
    wire.handshake().exchange().close()


def test_short_connections_one_after_another():
    report = merged(*crowd(60, request, every=500 * MS))
    finding = only(report, "connection-churn")
    assert finding["severity"] == "info"
    metrics = finding["metrics"]
    assert (metrics["connections"], metrics["open_at_once"], metrics["handshakes_saved"]) == (60, 1, 59)
    assert metrics["client"] == "192.0.2.1"
    assert metrics["handshake_mean_ns"] == 40 * MS
    assert metrics["handshake_saved_ns"] == 59 * 40 * MS


def test_a_crowd_behind_one_address_that_comes_at_once():
    assert found(merged(*crowd(60, request, every=0)), "connection-churn") == []


def test_too_few():
    assert found(merged(*crowd(40, request, every=500 * MS)), "connection-churn") == []


def test_one_a_minute_would_have_been_closed_anyway():
    assert found(merged(*crowd(60, request, every=60 * SECOND)), "connection-churn") == []


def test_connections_that_stay_open_are_a_pool():
    report = merged(*crowd(60, lambda wire, _: wire.handshake().exchange(), every=500 * MS))
    assert found(report, "connection-churn") == []


def test_many_clients_once_each_are_not_one_that_comes_back():
    wires = [crowd(1, request, address=f"192.0.2.{n}")[0] for n in range(1, 61)]
    assert found(merged(*wires), "connection-churn") == []


def uneven(count, act, *, every):
    """Like `crowd`, at irregular times."""
    wires, now = [], START
    for number in range(count):
        wires += crowd(1, act, start=now, client=("192.0.2.1", 30000 + number), client_isn=chance(number))
        now += every // 2 + chance(number) % every
    return wires


def test_a_client_at_irregular_times():
    assert only(merged(*uneven(60, request, every=2 * SECOND)), "connection-churn")


@pytest.mark.parametrize("every", [1 * SECOND, 2 * SECOND, 5 * SECOND])
def test_health_checks_are_no_churn(every):
    assert found(merged(*crowd(60, request, every=every)), "connection-churn") == []


def test_health_checks_of_two_that_share_an_address():
    one = crowd(40, request, every=3 * SECOND)
    other = []
    for number in range(40):
        words = {"client": ("192.0.2.1", 50000 + number), "start": START + 700 * MS + number * 3 * SECOND}
        other += crowd(1, request, client_isn=chance(number + 500), **words)
    assert found(merged(*one, *other), "connection-churn") == []


def test_a_regular_client_that_waits_for_answers_is_no_health_check():
    def slow(wire, number):
        wire.handshake()
        wire.client.data(100)
        wire.wait(SECOND)
        wire.server.data(100)
        wire.close()

    assert only(merged(*crowd(60, slow, every=1200 * MS)), "connection-churn")


def guess(size, first="server"):
    def act(wire, _):
        wire.handshake().exchange(size).close(first)

    return act


def test_guessing_of_passwords_is_no_churn():
    assert found(merged(*crowd(60, guess(2000), every=600 * MS, server=("198.51.100.2", 22))), "connection-churn") == []


@pytest.mark.parametrize(
    "act", [guess(2000, first="client"), guess(9000)], ids=["the client closes", "the server sends much"]
)
def test_a_client_that_is_served_and_returns_could_use_a_pool(act):
    assert only(merged(*crowd(60, act, every=600 * MS)), "connection-churn")


@pytest.mark.parametrize(
    ("delay", "every", "little"),
    [
        (10_000, 2 * MS, True),  # 20 µs of 2 ms
        (10_000, 200_000, False),  # of 200 µs
        (510_000, 100 * MS, False),  # more than a millisecond each, if seldom
    ],
)
def test_a_pool_that_saves_little_is_not_advised_for_speed(delay, every, little):
    finding = only(merged(*crowd(60, request, every=every, delay=delay)), "connection-churn")
    assert ("save little time" in finding["advice"], "only " in finding["title"]) == (little, little)
    assert ("Use a connection pool" in finding["advice"]) is not little
    assert "of waiting" in finding["title"]


def test_where_clients_are_not_captured_the_first_frames_are_cited():
    wires = crowd(60, lambda wire, _: wire.handshake().exchange(5000).close(), every=300 * MS)
    taken = sorted((each for wire in wires for each in wire.frames(only="server")), key=lambda each: each[0])
    report = report_of(captures.pcap(taken, nano=True))
    finding = only(report, "connection-churn")
    firsts = [report["connections"][number]["first_frame"] for number in finding["evidence"]["connections"]]
    assert finding["evidence"]["frames"] == firsts
    assert finding["title"].endswith("pooling would have saved 59 handshakes")  # what they cost nobody saw
    assert "Use a connection pool" in finding["advice"]


@pytest.mark.parametrize(
    ("pauses", "soon"),
    [
        ([1], True),
        ([PAUSE_NS + 1], False),
        ([1, 1, 9 * PAUSE_NS], True),
        ([1, 9 * PAUSE_NS, 9 * PAUSE_NS], False),
        ([0, 2 * PAUSE_NS], True),  # the median of an even number lies between two
        ([0, 2 * PAUSE_NS + 1], False),
        ([0, PAUSE_NS, PAUSE_NS, 9 * PAUSE_NS], True),
        ([0, PAUSE_NS, PAUSE_NS + 2, 9 * PAUSE_NS], False),
        ([-5, -5, PAUSE_NS + 1, PAUSE_NS + 1], True),  # overlapping ones do not wait at all
    ],
)
def test_the_median_pause_decides(pauses, soon):
    """Per group: the pause between the last connection of one group and the first of the next does not count."""
    rows = np.arange(2 * len(pauses) + 2)
    groups = grouping.group(np.repeat(np.array([7, 8], dtype=np.uint64), len(pauses) + 1), rows)
    between = np.array([*pauses, 0, *([9 * PAUSE_NS] * len(pauses))], dtype=np.int64)
    assert are_soon(between, groups).tolist() == [soon, False]
