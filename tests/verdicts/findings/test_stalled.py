"""`stalled` and `dead-peer`: data and keep-alives to an end that no longer answers."""

import pytest
from support import captures, frames
from support.detected import MS, SECOND, crowd, found, merged, only, repeats
from support.wire import Wire, report_of


def forgotten(wire, number=0, *, idle=2400 * SECOND, copies=6, size=90):
    """A pool takes a connection after a pause, and the path has forgotten it."""
    wire.handshake().exchange()
    wire.wait(idle)
    repeats(wire.client, size, copies)


def test_a_pool_whose_connections_were_forgotten():
    finding = only(merged(*crowd(3, forgotten)), "stalled")
    assert finding["severity"] == "warning"
    assert finding["target"] == {"ip": "198.51.100.2", "port": 443}
    metrics = finding["metrics"]
    assert (metrics["connections"], metrics["client_waits"], metrics["server_waits"], metrics["open"]) == (3, 3, 0, 3)
    assert metrics["repeats_max"] == 6
    assert 2400 * SECOND <= metrics["idle_before_min_ns"] < 2401 * SECOND
    assert "keep-alives" in finding["advice"]


def test_one_connection_is_info():
    wire = Wire()
    forgotten(wire)
    report = wire.report()
    assert only(report, "stalled")["severity"] == "info"
    connection = report["connections"][0]
    assert (connection["outcome"], connection["close"]["how"], connection["close"]["reset_by"]) == (
        "established", "open", None,
    )  # fmt: skip


def test_over_ipv6_and_from_the_server():
    def pushed(wire, number):
        wire.handshake().exchange()
        wire.wait(700 * SECOND)
        repeats(wire.server, 90, 6)

    clients = {"address": frames.CLIENT6[0], "server": frames.SERVER6, "at": "server"}
    metrics = only(merged(*crowd(3, pushed, **clients)), "stalled")["metrics"]
    assert (metrics["client_waits"], metrics["server_waits"]) == (0, 3)


def test_connections_that_were_open_before_the_capture():
    def midstream(wire, number):
        wire.client.rcv_nxt, wire.server.rcv_nxt = wire.server.isn, wire.client.isn
        wire.exchange()
        wire.wait(300 * SECOND)
        repeats(wire.client, 90, 6)

    finding = only(merged(*crowd(3, midstream)), "stalled")
    assert finding["metrics"]["connections"] == 3


@pytest.mark.parametrize("copies", [1, 3])
def test_loss_is_no_stall(copies):
    """Three copies are not four; and what is acknowledged in the end is only late."""
    assert found(merged(*crowd(3, lambda wire, n: forgotten(wire, n, copies=copies))), "stalled") == []


def test_data_acknowledged_at_last_is_no_stall():
    def late(wire, number):
        forgotten(wire, number)
        wire.client.data(90, seq=wire.client.snd_nxt - 90)
        wire.server.ack()

    assert found(merged(*crowd(3, late)), "stalled") == []


def test_a_short_burst_of_copies_is_no_stall():
    def hasty(wire, number):
        wire.handshake().exchange()
        repeats(wire.client, 90, 6, rto=20 * MS)  # 1.3 s altogether

    assert found(merged(*crowd(3, hasty)), "stalled") == []


def test_a_closed_window_is_no_stall():
    def full(wire, number):
        wire.handshake().exchange()
        wire.client.data(1000)
        wire.server.ack(window=0)
        for pause in (200, 400, 800, 1600, 3200, 6400):
            wire.wait(pause * MS)
            wire.client.ack(seq=wire.client.snd_nxt - 1)
            wire.server.ack(window=0)
        repeats(wire.client, 1, 6)

    assert found(merged(*crowd(3, full)), "stalled") == []


def test_one_direction_cannot_tell():
    """Where answers are not captured, copies may be of a lossy path and acknowledged all the same."""
    wires = crowd(3, forgotten)
    assert found(merged(*wires), "stalled")
    taken = [each for wire in wires for each in wire.frames(only="client")]
    report = report_of(captures.pcap(sorted(taken, key=lambda each: each[0]), nano=True))
    assert found(report, "stalled") == []


def kept_alive(wire, number=0, *, probes=5, rst=False, every=75 * SECOND):
    wire.handshake().exchange()
    wire.wait(7200 * SECOND)
    for _ in range(probes):
        wire.client.ack(seq=wire.client.snd_nxt - 1, lost="after")
        wire.wait(every)
    if rst:
        wire.client.rst_ack(lost="after")


def test_keep_alives_without_an_answer():
    metrics = only(merged(*crowd(3, kept_alive)), "stalled")["metrics"]
    assert (metrics["keep_alives_unanswered"], metrics["open"]) == (3, 3)
    assert metrics["idle_before_min_ns"] >= 7200 * SECOND
    assert found(merged(*crowd(3, lambda wire, n: kept_alive(wire, n, probes=4))), "stalled") == []


def test_a_kernel_that_gives_up_found_its_peer_dead():
    report = merged(*crowd(3, lambda wire, n: kept_alive(wire, n, probes=3, rst=True)))
    assert only(report, "stalled")["metrics"]["ended_as_peer_was_dead"] == 3
    for connection in report["connections"]:
        assert (connection["outcome"], connection["cause"]) == ("established", "dead-peer")
        assert connection["close"] == {"how": "timeout", "first": None, "reset_by": None}
        assert "gave up" in connection["why"]
    assert found(report, "stale-peer") == found(report, "idle-timeout") == found(report, "rst-injection") == []


def test_answered_keep_alives_are_healthy():
    def healthy(wire, number):
        wire.handshake().exchange()
        for _ in range(8):
            wire.wait(75 * SECOND)
            wire.client.ack(seq=wire.client.snd_nxt - 1)
            wire.server.ack()
        wire.client.rst_ack()

    report = merged(*crowd(3, healthy))
    assert found(report, "stalled") == []
    assert {connection["cause"] for connection in report["connections"]} == {"reset-by-client"}


def test_a_client_that_gives_up_on_silence_did_not_reset_a_living_peer():
    def timed_out(wire, number):
        forgotten(wire, number)
        wire.client.rst_ack(lost="after")

    report = merged(*crowd(3, timed_out))
    assert {connection["cause"] for connection in report["connections"]} == {"dead-peer"}
    assert only(report, "stalled")["metrics"]["ended_as_peer_was_dead"] == 3


def test_a_peer_that_is_seen_meanwhile_is_not_dead():
    def answering(wire, number):
        forgotten(wire, number)
        wire.server.data(50)
        wire.client.rst_ack()

    assert {c["cause"] for c in merged(*crowd(3, answering))["connections"]} == {"reset-by-client"}
