"""The legs of the handshake RTT: bounds that agree name a value, sums are as weak as their parts, refusals are none."""

import io

import numpy as np
import pytest
from support.wire import MS, SECOND, Wire

from handshake_inspect import analyze
from handshake_inspect.tcp.facts import (
    METHOD_AMBIGUOUS,
    METHOD_DATA_ACK,
    METHOD_EXACT,
    METHOD_NONE,
    METHOD_ONE_SIDED,
    METHOD_TSECR,
)
from handshake_inspect.verdicts.legs import NAMEABLE, combined, leg, named


def times(*values):
    return np.array(values, dtype=np.int64)


def methods(*values):
    return np.array(values, dtype=np.uint8)


@pytest.mark.parametrize(
    ("low", "high", "value"),
    [(100, 100, 100), (95, 100, 97), (94, 100, -1), (0, 0, 0), (0, 100, -1), (-1, -1, -1)],
)
def test_a_value_is_named_where_the_bounds_agree(low, high, value):
    assert NAMEABLE == 0.05
    found = named(times(low), times(high), methods(METHOD_EXACT))
    assert found.value.tolist() == [value]
    assert found.measured.tolist() == [high >= 0]


def test_a_leg_is_measured_where_its_answer_was_seen():
    kinds = (METHOD_NONE, METHOD_EXACT, METHOD_TSECR, METHOD_DATA_ACK, METHOD_ONE_SIDED)
    half = leg(times(*[90] * 5), times(*[90] * 5), methods(*kinds), np.ones(5, dtype=bool))
    assert half.measured.tolist() == [False, True, True, True, False]
    assert not leg(times(90), times(90), methods(METHOD_EXACT), np.zeros(1, dtype=bool)).measured.any()


@pytest.mark.parametrize(
    ("one", "other", "sum_"),
    [
        (METHOD_EXACT, METHOD_EXACT, METHOD_EXACT),
        (METHOD_EXACT, METHOD_TSECR, METHOD_TSECR),
        (METHOD_TSECR, METHOD_DATA_ACK, METHOD_DATA_ACK),
        (METHOD_AMBIGUOUS, METHOD_DATA_ACK, METHOD_AMBIGUOUS),
        (METHOD_EXACT, METHOD_AMBIGUOUS, METHOD_AMBIGUOUS),
    ],
)
def test_a_sum_is_as_weak_as_its_weaker_part(one, other, sum_):
    assert combined(methods(one), methods(other)).tolist() == [sum_]


def legs_of(wire):
    return analyze(io.BytesIO(wire.pcap())).connections.case.legs


@pytest.mark.parametrize("at", ["client", "middle", "server"])
def test_the_halves_are_the_ways_to_the_ends_and_the_total_is_the_round_trip(at):
    synack, ackdat, total = legs_of(Wire(delay=20 * MS, at=at).handshake().exchange()).values
    share = {"client": 1.0, "middle": 0.5, "server": 0.0}[at]
    assert abs(int(synack[0]) - 40 * MS * share) < MS
    assert abs(int(ackdat[0]) - 40 * MS * (1 - share)) < MS
    assert int(total[0]) == int(synack[0]) + int(ackdat[0])


def test_a_refusal_has_a_delay_and_no_round_trip():
    wire = Wire(delay=20 * MS)
    wire.client.syn()
    wire.server.refuse()
    legs = legs_of(wire)
    assert legs.values[0].tolist() == [-1]
    assert legs.reject_ns.tolist() == [40 * MS]


def test_a_refusal_is_of_the_latest_syn_before_it():
    wire = Wire(delay=20 * MS)
    wire.client.syn(lost="after")
    wire.wait(SECOND)
    wire.client.syn()
    wire.server.refuse()
    assert legs_of(wire).reject_ns.tolist() == [40 * MS]


def test_some_legs_are_those_of_all():
    wire = Wire(delay=10 * MS).handshake().exchange()
    legs = legs_of(wire)
    assert [each.tolist() for each in legs.of(np.array([0, 0])).values] == [2 * each.tolist() for each in legs.values]
