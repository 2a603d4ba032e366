"""Totals of expired attempts: they add up, and the median stays right."""

import numpy as np
import pytest

from handshake_inspect.verdicts.findings.tally import Tally

NONE = np.zeros(0, dtype=np.int64)


def tally(**words):
    plain = {"connections": 1, "undecided": 0, "cause": 0, "services": {}, "clients": NONE.astype(np.uint64),
             "attempts": NONE, "named": {}, "start_ns": 0, "end_ns": 0, "frames": (), "rows": ()}  # fmt: skip
    return Tally(**plain | words)


def test_two_add_up():
    one = tally(
        connections=3,
        undecided=1,
        repeated_syns=5,
        older_timestamps=1,
        signed_syns=1,
        waited_max_ns=7,
        start_ns=20,
        end_ns=30,
    )
    two = tally(
        connections=4,
        undecided=2,
        repeated_syns=2,
        older_timestamps=2,
        signed_syns=3,
        waited_max_ns=9,
        start_ns=10,
        end_ns=25,
    )
    both = one.plus(two)
    assert (both.connections, both.undecided, both.repeated_syns, both.older_timestamps) == (7, 3, 7, 3)
    assert (both.signed_syns, both.is_signed) == (4, True)
    assert (both.waited_max_ns, both.start_ns, both.end_ns) == (9, 10, 30)


def test_frames_are_cited_once_and_in_order():
    assert tally(frames=(4, 9)).plus(tally(frames=(2, 9))).frames == (2, 4, 9)


def test_who_tried_twice_is_one_client():
    one, two, three = (np.uint64(key) for key in (11, 22, 33))
    both = tally(clients=np.array([one, two]), attempts=np.array([5, 1])).plus(
        tally(clients=np.array([three, two]), attempts=np.array([2, 3]))
    )
    assert dict(zip(both.clients.tolist(), both.attempts.tolist(), strict=True)) == {11: 5, 22: 4, 33: 2}
    assert both.clients[0] == one


@pytest.mark.parametrize(
    ("delays", "weights", "middle"),
    [
        ([], [], None),
        ([5], [], 5),
        ([2, 1], [], 1),  # the lower one of two
        ([3, 1, 2], [], 2),
        ([10, 20], [1, 3], 20),
        ([10, 20], [2, 2], 10),
        ([30, 10, 20], [2, 1, 1], 20),
    ],
)
def test_the_middle_delay(delays, weights, middle):
    found = tally(delays=np.array(delays, dtype=np.int64), weights=np.array(weights, dtype=np.int64))
    assert found.delay_p50_ns == middle
