"""keep-alive-race: requests that cross the FIN of an idle connection."""

import pytest
from support import frames
from support.detected import MS, SECOND, crowd, found, merged, only


def raced(wire, number=0, *, idle=5 * SECOND, ahead=5 * MS, size=650):
    """The request leaves the client `ahead` of the FIN's arrival, and meets a socket that is gone."""
    wire.handshake().exchange()
    wire.wait(idle)
    wire.server.fin(stay=True)
    wire.wait(wire.delay - ahead)
    wire.client.data(size, stay=True)
    wire.wait(ahead)
    wire.client.ack(stay=True)
    wire.wait(wire.delay - ahead)
    wire.server.rst()


def healthy(wire, number=0):
    wire.handshake().exchange()
    wire.wait(5 * SECOND)
    wire.close(first="server")


def test_a_pool_that_keeps_connections_as_long_as_the_server():
    wires = [*crowd(3, raced), *crowd(100, healthy, address="192.0.2.9")]
    report = merged(*wires)
    finding = only(report, "keep-alive-race")
    assert finding["severity"] == "warning"
    assert finding["target"] == {"ip": "198.51.100.2", "port": 443}
    metrics = finding["metrics"]
    assert (metrics["connections"], metrics["of_connections"], metrics["closed_by_server"]) == (3, 103, 3)
    assert 5 * SECOND <= metrics["idle_p50_ns"] < 6 * SECOND
    assert found(report, "stale-peer") == found(report, "rst-injection") == found(report, "idle-timeout") == []
    first = report["connections"][finding["evidence"]["connections"][0]]
    assert first["close"] == {"how": "rst-after-fin", "first": "server", "reset_by": "server"}


def test_captured_beside_the_server_the_fin_comes_first():
    wires = crowd(3, raced, at="server", address=frames.CLIENT6[0], server=frames.SERVER6)
    assert only(merged(*wires), "keep-alive-race")["metrics"]["connections"] == 3


@pytest.mark.parametrize(("late", "count"), [(50 * MS, 1), (50 * MS + 1, 0)])
def test_a_request_behind_the_fin_is_a_race_for_one_rtt_and_10_ms(late, count):
    def asks_late(wire, number):
        wire.handshake().exchange()
        wire.wait(5 * SECOND)
        wire.server.fin(stay=True)
        wire.wait(wire.delay + late)
        wire.client.data(650, stay=True)
        wire.wait(wire.delay)
        wire.server.rst()

    assert len(found(merged(*crowd(3, asks_late, delay=20 * MS)), "keep-alive-race")) == count


def test_with_a_close_notify_before_the_fin():
    """TLS says goodbye in a record of its own, which goes just before the FIN."""

    def tls(wire, number):
        wire.handshake().exchange()
        wire.wait(5 * SECOND)
        wire.server.data(24, stay=True)
        wire.server.fin(stay=True)
        wire.wait(wire.delay - 5 * MS)
        wire.client.data(650, stay=True)
        wire.wait(wire.delay)
        wire.server.rst()

    for place in ("client", "server"):
        assert only(merged(*crowd(3, tls, at=place)), "keep-alive-race")["metrics"]["connections"] == 3


def test_a_request_of_many_segments():
    def posted(wire, number):
        wire.handshake().exchange()
        wire.wait(5 * SECOND)
        wire.server.fin(stay=True)
        wire.wait(wire.delay - 5 * MS)
        for _ in range(8):
            wire.client.data(1400, stay=True)
        wire.wait(wire.delay)
        wire.server.rst()

    assert only(merged(*crowd(3, posted)), "keep-alive-race")["metrics"]["connections"] == 3


def test_two_are_an_accident_and_three_of_many_are_few():
    assert found(merged(*crowd(2, raced)), "keep-alive-race") == []
    wires = [*crowd(3, raced), *crowd(298, healthy, address="192.0.2.9", every=10 * MS)]
    assert found(merged(*wires), "keep-alive-race") == []  # 3 of 301


def test_no_pause_no_race():
    assert found(merged(*crowd(3, lambda wire, n: raced(wire, n, idle=500 * MS))), "keep-alive-race") == []


def test_a_client_that_had_the_fin_long_ago():
    """It goes on sending into a connection that it knows to be closed: no race, a fault."""

    def blind(wire, number):
        wire.handshake().exchange()
        wire.wait(5 * SECOND)
        wire.server.fin()
        wire.client.ack()
        wire.wait(SECOND)
        wire.client.data(650)
        wire.server.rst()

    assert found(merged(*crowd(3, blind)), "keep-alive-race") == []


def test_a_request_that_was_taken():
    """The server acknowledges it, and resets for another reason."""

    def taken(wire, number):
        wire.handshake().exchange()
        wire.wait(5 * SECOND)
        wire.client.data(650)
        wire.server.fin()
        wire.server.rst()

    assert found(merged(*crowd(3, taken)), "keep-alive-race") == []


def test_two_fins_that_cross():
    """Nothing was asked."""

    def crossed(wire, number):
        wire.handshake().exchange()
        wire.wait(5 * SECOND)
        wire.server.fin(stay=True)
        wire.client.fin()
        wire.server.rst()

    assert found(merged(*crowd(3, crossed)), "keep-alive-race") == []
