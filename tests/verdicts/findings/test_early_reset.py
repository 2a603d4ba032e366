"""`early-reset`: servers that accept connections and end them before they send a byte."""

import pytest
from support.detected import MS, SECOND, crowd, found, merged, only


def turned_away(wire, number=0):
    """The server takes a request, and resets."""
    wire.handshake()
    wire.client.data(80)
    wire.server.rst_ack()


def greeted(wire, number=0):
    """A normal connection."""
    wire.handshake().exchange()
    wire.client.fin()
    wire.server.fin()
    wire.client.ack()


def test_a_proxy_without_backend():
    finding = only(merged(*crowd(3, turned_away)), "early-reset")
    assert finding["severity"] == "warning"
    assert finding["target"] == {"ip": "198.51.100.2", "port": 443}
    metrics = finding["metrics"]
    assert (metrics["connections"], metrics["established"], metrics["early_ratio"]) == (3, 3, 1.0)
    assert (metrics["reset"], metrics["closed"], metrics["after_request"]) == (3, 0, 3)


def test_a_service_that_is_down_behind_its_port():
    assert only(merged(*crowd(20, turned_away)), "early-reset")["severity"] == "critical"
    mixed = [*crowd(20, turned_away), *crowd(3, greeted, address="192.0.2.9")]
    assert only(merged(*mixed), "early-reset")["severity"] == "warning"  # 20 of 23 are 87 %


def test_two_are_too_few_and_so_are_few_of_many():
    assert found(merged(*crowd(2, turned_away)), "early-reset") == []
    mixed = [*crowd(3, turned_away), *crowd(28, greeted, address="192.0.2.9")]
    assert found(merged(*mixed), "early-reset") == []  # 3 of 31
    mixed = [*crowd(3, turned_away), *crowd(27, greeted, address="192.0.2.9")]
    assert only(merged(*mixed), "early-reset")["metrics"]["early_ratio"] == 0.1


def test_a_fin_before_any_answer_counts_too():
    """TLS to a plain port, or a proxy that waits for its backend before it gives up; the client may be silent."""

    def closed(wire, number):
        wire.handshake()
        wire.wait(5 * SECOND)
        wire.server.fin()
        wire.client.fin()
        wire.server.ack()

    metrics = only(merged(*crowd(3, closed)), "early-reset")["metrics"]
    assert (metrics["reset"], metrics["closed"], metrics["after_request"]) == (0, 3, 0)
    assert metrics["life_p50_ns"] >= 5 * SECOND


def test_a_client_that_closes_first_was_not_turned_away():
    """A health check: connect, then close."""

    def checked(wire, number):
        wire.handshake()
        wire.client.fin()
        wire.server.fin()
        wire.client.ack()

    assert found(merged(*crowd(10, checked)), "early-reset") == []


def test_a_protocol_that_only_takes():
    def shipped(wire, number, pause):
        wire.handshake()
        wire.client.data(500)
        wire.server.ack()
        wire.wait(pause)
        wire.server.fin()
        wire.client.fin()
        wire.server.ack()

    assert found(merged(*crowd(5, lambda wire, n: shipped(wire, n, 2 * SECOND))), "early-reset") == []
    assert len(found(merged(*crowd(5, lambda wire, n: shipped(wire, n, 100 * MS))), "early-reset")) == 1


def test_a_request_that_comes_late_and_is_refused_at_once():
    """What counts is the time since the server took the data, not since the handshake."""

    def late(wire, number):
        wire.handshake()
        wire.wait(5 * SECOND)
        wire.client.data(80)
        wire.server.ack()
        wire.wait(10 * MS)
        wire.server.rst_ack()

    assert len(found(merged(*crowd(3, late)), "early-reset")) == 1


def test_a_log_shipper_whose_server_restarts():
    def shipped(wire, number):
        wire.handshake()
        for _ in range(8):
            wire.wait(SECOND)
            wire.client.data(500)
            wire.server.ack()
        wire.server.rst_ack()

    assert found(merged(*crowd(5, shipped)), "early-reset") == []


def test_a_browsers_spare_connections():
    """No request came, and the server closes: that is its timeout only if it answers clients that do send one."""

    def spare(wire, number):
        wire.handshake()
        wire.wait(60 * SECOND)
        wire.server.fin()
        wire.client.fin()
        wire.server.ack()

    assert found(merged(*crowd(5, spare), *crowd(5, greeted, address="192.0.2.9")), "early-reset") == []
    assert len(found(merged(*crowd(5, spare)), "early-reset")) == 1


def test_an_answer_that_the_capture_lacks_is_an_answer():
    """Captured with a flag filter: the sequence numbers of the FINs show how much was sent."""

    def unseen(wire, number):
        wire.handshake()
        wire.client.data(80)
        wire.server.data(300, lost="before")
        wire.server.fin()
        wire.client.fin()
        wire.server.ack()

    assert found(merged(*crowd(5, unseen)), "early-reset") == []


def test_forged_resets_do_not_count():
    def forged(wire, number):
        wire.handshake()
        wire.client.data(80)
        wire.server.rst_ack(ttl=243)

    report = merged(*crowd(5, forged))
    assert found(report, "early-reset") == []
    assert len(found(report, "rst-injection")) == 1


def test_a_server_that_forgot_long_open_connections_is_stale():
    """Data after a long pause draws a bare RST: an entry that expired, not a proxy without backend."""

    def forgotten(wire, number, pause=60 * SECOND):
        wire.handshake()
        wire.wait(pause)
        wire.client.data(80)
        wire.server.rst(seq=wire.server.isn + 1)

    report = merged(*crowd(3, forgotten))
    assert found(report, "early-reset") == []
    assert only(report, "stale-peer")["metrics"]["connections"] == 3
    report = merged(*crowd(3, lambda wire, number: forgotten(wire, number, SECOND)))
    assert found(report, "stale-peer") == []
    assert only(report, "early-reset")["metrics"]["connections"] == 3


@pytest.mark.parametrize(
    ("how", "asked", "after", "silent"),
    [
        ("rst", True, 31 * SECOND, True),
        ("rst", True, 29 * SECOND, False),
        ("rst_ack", True, 31 * SECOND, False),  # of a socket that was there
        ("fin", True, 31 * SECOND, False),
        ("rst", False, 31 * SECOND, False),  # which answers nothing
    ],
)
def test_a_bare_rst_that_answers_data_half_a_minute_later_is_of_a_host_that_forgot(how, asked, after, silent):
    def late(wire, _):
        wire.handshake()
        wire.wait(after)
        if asked:
            wire.client.data(80)
        getattr(wire.server, how)()

    assert (found(merged(*crowd(3, late)), "early-reset") == []) == silent


@pytest.mark.parametrize(
    ("resets", "closes", "said"), [(3, 0, "reset 3"), (0, 3, "closed 3"), (2, 1, "reset or closed 3")]
)
def test_the_title_says_how_they_ended(resets, closes, said):
    def closed(wire, _):
        wire.handshake()
        wire.client.data(80)
        wire.server.fin()

    wires = [*crowd(resets, turned_away), *crowd(closes, closed, address="192.0.2.9")]
    assert f"connections and {said} before sending a byte" in only(merged(*wires), "early-reset")["title"]
