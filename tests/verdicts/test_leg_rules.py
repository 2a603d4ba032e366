"""The handshake RTT as columns: where it is measured, which value can be named, and what a refusal took."""

import numpy as np
import pytest
from support.attempts import MS, START, attempts

from handshake_inspect.tcp import facts as f
from handshake_inspect.verdicts.legs import Legs, combined, named

SHAKEN = f.FACT_SYN | f.FACT_SYNACK | f.FACT_ACKED
EXACT, TSECR, AMBIGUOUS = f.METHOD_EXACT, f.METHOD_TSECR, f.METHOD_AMBIGUOUS
DATA_ACK, ONE_SIDED, NONE = f.METHOD_DATA_ACK, f.METHOD_ONE_SIDED, f.METHOD_NONE


def legs_of(row, **fields):
    """Bounds, value and method of the three legs of one connection."""
    return [
        [int(part[0]) for part in (leg.low, leg.high, leg.value, leg.method)]
        for leg in Legs(attempts(row, **fields)).all
    ]


def measured(known=SHAKEN, synack=(40, 40, EXACT), ackdat=(2, 2, EXACT), **more):
    names = ("min_ns", "max_ns", "method")
    columns = {f"{leg}_{name}": value for leg, values in {"synack": synack, "ackdat": ackdat}.items()
               for name, value in zip(names, values, strict=True)}  # fmt: skip
    return {"facts": known} | columns | more


def test_the_total_is_the_sum():
    assert legs_of(measured()) == [[40, 40, 40, EXACT], [2, 2, 2, EXACT], [42, 42, 42, EXACT]]


@pytest.mark.parametrize("method", [EXACT, TSECR, AMBIGUOUS, DATA_ACK])
def test_what_is_a_measurement(method):
    assert legs_of(measured(synack=(40, 40, method)))[0] == [40, 40, 40, method]


@pytest.mark.parametrize("method", [NONE, f.METHOD_REORDERED, ONE_SIDED])
def test_what_is_no_measurement(method):
    synack, ackdat, _ = legs_of(measured(synack=(40, 40, method)))
    assert synack == [-1, -1, -1, method]
    assert ackdat == [2, 2, 2, EXACT]


@pytest.mark.parametrize(
    ("known", "legs"),
    [
        (f.FACT_SYN | f.FACT_SYNACK, (True, False, False)),
        (f.FACT_SYN | f.FACT_ACKED, (False, True, False)),
        (SHAKEN, (True, True, True)),
        (f.FACT_SYN, (False, False, False)),
        (SHAKEN | f.FACT_UNTIMED, (False, False, False)),
    ],
)
def test_a_leg_needs_its_answer_and_its_time(known, legs):
    assert tuple(high >= 0 for _, high, _, _ in legs_of(measured(known))) == legs


def test_one_direction_alone_gives_the_sum():
    row = measured(f.FACT_SYN | f.FACT_ACKED, synack=(40, 41, ONE_SIDED), ackdat=(0, 0, NONE))
    assert legs_of(row)[2] == [40, 41, 40, ONE_SIDED]
    assert legs_of(row | {"facts": row["facts"] | f.FACT_UNTIMED})[2][:3] == [-1, -1, -1]
    unknown = measured(f.FACT_SYN, synack=(-1, -1, ONE_SIDED), ackdat=(0, 0, NONE))
    assert legs_of(unknown)[2] == [-1, -1, -1, ONE_SIDED]


def test_a_filter_on_flags_leaves_an_upper_bound():
    synack, ackdat, total = legs_of(measured(), filtered=True)
    assert synack == [40, 40, 40, EXACT]
    assert ackdat == [0, 2, -1, DATA_ACK]
    assert total == [40, 42, 41, DATA_ACK]
    assert legs_of(measured(f.FACT_SYN | f.FACT_SYNACK), filtered=True)[1] == [-1, -1, -1, EXACT]


@pytest.mark.parametrize(
    ("low", "high", "value"), [(95, 100, 97), (94, 100, -1), (100, 100, 100), (0, 0, 0), (-1, -1, -1), (0, 1, -1)]
)
def test_bounds_within_5_percent_name_a_value(low, high, value):
    leg = named(np.array([low]), np.array([high]), np.array([AMBIGUOUS], dtype=np.uint8))
    assert leg.value.tolist() == [value]
    assert leg.measured.tolist() == [high >= 0]


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (EXACT, EXACT, EXACT), (TSECR, EXACT, TSECR), (EXACT, TSECR, TSECR), (AMBIGUOUS, EXACT, AMBIGUOUS),
        (EXACT, AMBIGUOUS, AMBIGUOUS), (TSECR, DATA_ACK, DATA_ACK), (AMBIGUOUS, DATA_ACK, AMBIGUOUS),
        (EXACT, DATA_ACK, DATA_ACK), (TSECR, TSECR, TSECR),
    ],
)  # fmt: skip
def test_a_sum_is_as_weak_as_its_weaker_half(one, other, both):
    codes = [np.array([each], dtype=np.uint8) for each in (one, other)]
    assert combined(*codes).tolist() == [both]


def test_some_rows_have_the_legs_that_all_have():
    trace = attempts(*(measured(synack=(each, each, EXACT)) for each in (10, 20, 30)))
    some = Legs(trace).of(np.array([2, 0]))
    assert some.synack.value.tolist() == [30, 10]
    assert [column.tolist() for column in some.values] == [[30, 10], [2, 2], [32, 12]]
    assert [column.tolist() for column in Legs(trace).values] == [[10, 20, 30], [2, 2, 2], [12, 22, 32]]
    assert some.total.value.tolist() == [32, 12]


REFUSED = f.FACT_SYN | f.FACT_REFUSED | f.FACT_RST
REJECTED = f.FACT_SYN | f.FACT_ICMP
REJECTIONS = {
    # facts, times from the SYN in ms -> delay in ms, None where there is none
    "a RST": (REFUSED, {"rst_ns": 7}, 7),
    "an error": (REJECTED, {"icmp_ns": 9}, 9),
    "a RST at the same time": (REFUSED, {"rst_ns": 0}, 0),
    "a RST stored before the SYN": (REFUSED, {"rst_ns": -1}, 0),
    "a RST that refused nothing": (f.FACT_SYN | f.FACT_RST, {"rst_ns": 7}, None),
    "a RST after an error": (REFUSED | f.FACT_ICMP, {"rst_ns": 7, "icmp_ns": 3}, 7),
    "an error for an answered SYN": (REJECTED | f.FACT_SYNACK, {"icmp_ns": 9}, None),
    "an error for an open connection": (REJECTED | f.FACT_ACKED, {"icmp_ns": 9}, None),
    "an error before the client's RST": (REJECTED | f.FACT_ABORTED, {"icmp_ns": 9, "rst_ns": 9}, 9),
    "an error after the client's RST": (REJECTED | f.FACT_ABORTED, {"icmp_ns": 9, "rst_ns": 8}, None),
    "no SYN": (f.FACT_REFUSED, {"rst_ns": 7}, None),
    "one that lived": (REFUSED | f.FACT_SERVER_PROVED, {"rst_ns": 7}, None),
    "one that lived before": (REFUSED | f.FACT_MIDSTREAM, {"rst_ns": 7}, None),
    "without times": (REFUSED | f.FACT_UNTIMED, {"rst_ns": 7}, None),
    "nothing": (f.FACT_SYN, {}, None),
}


@pytest.mark.parametrize("what", REJECTIONS)
def test_the_delay_of_a_refusal(what):
    known, times, delay = REJECTIONS[what]
    row = {"facts": known} | {name: ms * MS for name, ms in times.items()}
    assert Legs(attempts(row)).reject_ns.tolist() == [-1 if delay is None else delay * MS]


@pytest.mark.parametrize(
    ("copies", "rst", "delay"), [((100, 200), 207, 7), ((100, 200), 200, 0), ((100, 200), 199, 99)]
)
def test_a_refusal_answers_the_newest_syn_before_it(copies, rst, delay):
    row = {
        "facts": REFUSED, "rst_ns": rst * MS, "syn_count": 1 + len(copies),
        "retries": {"syn_ns": [START + each * MS for each in copies]},
    }  # fmt: skip
    assert Legs(attempts({"facts": f.FACT_SYN}, row)).reject_ns.tolist() == [-1, delay * MS]


def test_a_copy_left_from_another_connection_is_not_read():
    row = {
        "facts": REFUSED, "rst_ns": 300 * MS, "syn_count": 2,
        "retries": {"syn_ns": [START + 100 * MS, START + 290 * MS]},
    }  # fmt: skip
    assert Legs(attempts(row)).reject_ns.tolist() == [200 * MS]
