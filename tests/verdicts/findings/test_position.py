"""Where a capture was made, by TTLs and RTT halves."""

import pytest
from support.detected import MS, crowd, merged

from handshake_inspect.verdicts import position


def located(monkeypatch, *wires):
    said = []
    original = position.locate
    monkeypatch.setattr(
        "handshake_inspect.verdicts.case.locate",
        lambda trace, legs: said.append(original(trace, legs)) or said[-1],
    )
    merged(*wires)
    return said[0]


def slow(wire, number):
    wire.client.syn()
    wire.wait(300 * MS if number == 3 else 0)
    wire.server.syn_ack()
    wire.client.ack()


# The one slow SYN-ACK makes the server's half long beside the server too: there its two witnesses disagree.
@pytest.mark.parametrize(("at", "ttls", "agreed"), [("client", (64, 57), 25), ("server", (57, 64), 24)])
def test_beside_an_end(monkeypatch, at, ttls, agreed):
    def beside(wire, number):
        wire.client.ttl, wire.server.ttl = ttls
        slow(wire, number)

    place = located(monkeypatch, *crowd(25, beside, at=at))
    assert (place.place, place.share, place.connections) == (at, 1, agreed)


def test_votes_that_contradict_each_other_do_not_count(monkeypatch):
    def odd(wire, number):
        wire.client.ttl, wire.server.ttl = 57, 64
        slow(wire, number)

    place = located(monkeypatch, *crowd(25, odd, at="client"))
    assert (place.place, place.share, place.connections) == (None, None, 0)


def test_in_between(monkeypatch):
    def middle(wire, number):
        wire.client.ttl, wire.server.ttl = 60, 60
        slow(wire, number)

    assert located(monkeypatch, *crowd(25, middle, at="middle")).place == "between"


def test_on_one_switch_only_the_slow_one_shows_it(monkeypatch):
    def near(wire, number):
        wire.server.ttl = 64
        slow(wire, number)

    # 24 handshakes of 40 µs between neighbours are silent.
    assert located(monkeypatch, *crowd(25, near, delay=20_000)).connections == 1
