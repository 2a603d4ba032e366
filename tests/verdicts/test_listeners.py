"""Handshakes that a listener resets: its accept queue is full, or it was closed."""

import pytest
from support.detected import MS, SECOND, chance, crowd, found, merged
from support.wire import START, Wire


def reset(wire, number=0):
    """The server answers the final ACK with a RST."""
    wire.handshake()
    wire.server.rst(seq=wire.server.isn + 1)


def served(wire, number=0):
    wire.handshake().exchange().close()


def unserved(wire, number=0):
    """It waits in the queue: nothing comes from the server."""
    wire.handshake().client.data(80)
    wire.server.ack()


def at(ns, act, port):
    wire = Wire(
        delay=MS, client=("192.0.2.9", port), client_isn=chance(port), server_isn=chance(-port), start=START + ns
    )
    act(wire)
    return wire


def overflows(*wires):
    return [one["metrics"]["reset"] for one in found(merged(*wires), "accept-queue-overflow")]


def test_a_listener_that_served_the_handshake_before_and_then_no_other_was_closed():
    """`kill` of a server; a client completes its handshake in that moment."""
    assert overflows(*crowd(5, served, delay=MS), at(2 * SECOND, reset, 50_000)) == []


def test_handshakes_that_are_reset_together():
    last = [at(2 * SECOND + number * MS, reset, 50_000 + number) for number in range(3)]
    assert overflows(*crowd(5, served, delay=MS), *last) == []


@pytest.mark.parametrize("before", [unserved, lambda wire: wire.handshake()])
def test_a_handshake_that_was_not_served_fills_the_queue(before):
    assert overflows(*crowd(5, served, delay=MS), at(SECOND, before, 49_999), at(2 * SECOND, reset, 50_000)) == [1]


def test_a_connection_that_goes_on_may_not_have_been_served_yet():
    def goes_on(wire):
        wire.handshake()
        wire.wait(3 * SECOND)
        wire.exchange()

    assert overflows(*crowd(5, served, delay=MS), at(SECOND, goes_on, 49_999), at(2 * SECOND, reset, 50_000)) == [1]


@pytest.mark.parametrize("after", [served, reset, lambda wire: wire.client.syn() and wire.server.syn_ack()])
def test_a_listener_that_still_answers_was_not_closed(after):
    (count,) = overflows(*crowd(5, served, delay=MS), at(2 * SECOND, reset, 50_000), at(3 * SECOND, after, 50_001))
    assert count == 1 + (after is reset)


def test_without_a_handshake_before_nothing_shows_that_the_queue_was_empty():
    assert overflows(at(SECOND, reset, 50_000)) == [1]
