"""`predictable-isn`: ISNs that follow a rule, and those that may."""

import pytest
from support.detected import MS, SECOND, START, Wire, chance, crowd, found, merged, only


def guessable(isn, count=12, *, every=100 * MS, side="server_isn"):
    wires = []
    for number in range(count):
        other = {"client_isn": "server_isn", "server_isn": "client_isn"}[side]
        isns = {side: isn(number) & 0xFFFFFFFF, other: chance(number)}
        wires.append(Wire(client=("192.0.2.1", 30000 + number), start=START + number * every, **isns).handshake())
    return merged(*wires)


def test_a_fixed_step():
    finding = only(guessable(lambda n: 0xFFFFFF00 + n * 64000), "predictable-isn")
    assert finding["target"] == {"ip": "198.51.100.2", "port": None}
    assert (finding["severity"], finding["metrics"]["step"]) == ("warning", 64000)
    assert finding["metrics"]["same_step_ratio"] == 1


def test_one_number_for_all():
    finding = only(guessable(lambda n: 4711), "predictable-isn")
    assert finding["metrics"]["step"] == 0
    assert "the same" in finding["title"]


def test_small_steps():
    finding = only(guessable(lambda n: n * 100_000 + (n * n * 37) % 5000), "predictable-isn")
    assert finding["metrics"]["step"] is None
    assert finding["metrics"]["small_step_ratio"] == 1


def test_a_bare_clock():
    report = guessable(lambda n: n * 60 * 250_000 + (n * n * 37) % 5000, every=60 * SECOND)
    assert only(report, "predictable-isn")["metrics"]["clock_ratio"] == 1


def test_a_client_is_a_host_too():
    report = guessable(lambda n: n * 128_000, side="client_isn")
    assert only(report, "predictable-isn")["target"] == {"ip": "192.0.2.1", "port": None}


@pytest.mark.parametrize("count", [12, 60])
def test_numbers_that_look_random(count):
    assert found(merged(*crowd(count, lambda wire, _: wire.handshake())), "predictable-isn") == []


def test_too_few_to_tell():
    assert found(guessable(lambda n: n * 64000, count=6), "predictable-isn") == []


def test_incarnations_of_one_4_tuple_may_grow():
    wires = [
        Wire(start=START + n * SECOND, client_isn=n * 70_000 + 5, server_isn=n * 65_000 + 9).handshake().close()
        for n in range(15)
    ]
    assert found(merged(*wires), "predictable-isn") == []


def test_a_scanner_says_nothing_of_a_stack():
    def probe(wire, _):
        wire.client.syn()
        wire.server.syn_ack()
        wire.client.rst()

    assert found(merged(*crowd(12, probe, client_isn=5555)), "predictable-isn") == []
