"""`slow-handshake` and `slow-client-ack`: outliers, and what is none."""

import numpy as np
import pytest
from support.detected import MS, SECOND, crowd, found, merged, only

from handshake_inspect.verdicts import case as case_of_findings
from handshake_inspect.verdicts import grouping, position
from handshake_inspect.verdicts.findings.slow_handshake import DEVIATIONS, FACTOR, LEAST_EXCESS_NS, outliers


def slow_server(slow, late=400 * MS):
    def act(wire, number):
        wire.client.syn()
        wire.wait(late if number in slow else 0)
        wire.server.syn_ack()
        wire.client.ack()

    return act


def slow_client(slow, late=400 * MS):
    def act(wire, number):
        wire.client.syn()
        wire.server.syn_ack()
        wire.wait(late if number in slow else 0)
        wire.client.ack()

    return act


def test_the_server_half():
    report = merged(*crowd(30, slow_server({3, 9, 20})))
    finding = only(report, "slow-handshake")
    assert finding["severity"] == "warning"
    assert finding["evidence"]["connections"] == [3, 9, 20]
    assert finding["metrics"]["outliers"] == 3
    assert finding["metrics"]["usual_p50_ns"] == 40 * MS
    assert finding["metrics"]["outlier_max_ns"] == 440 * MS
    assert finding["metrics"]["capture_position"] == "client"
    assert "server or the path to it" in finding["title"]
    assert found(report, "slow-client-ack") == []


def test_beside_the_server_there_is_no_path_to_blame():
    def act(wire, number):
        wire.client.ttl, wire.server.ttl = 57, 64
        slow_server({3, 9, 20})(wire, number)

    report = merged(*crowd(30, act, at="server"))
    assert "the server itself" in only(report, "slow-handshake")["title"]


def test_the_client_half():
    report = merged(*crowd(30, slow_client({5, 6, 7}), at="server"))
    finding = only(report, "slow-client-ack")
    assert (finding["severity"], finding["metrics"]["outliers"]) == ("warning", 3)
    assert found(report, "slow-handshake") == []


def test_one_outlier_is_no_warning():
    assert only(merged(*crowd(30, slow_server({4}))), "slow-handshake")["severity"] == "info"


def test_few_measurements_have_no_distribution():
    assert found(merged(*crowd(12, slow_server({4}))), "slow-handshake") == []


def test_a_service_that_is_slow_every_third_time_is_its_own_distribution():
    assert found(merged(*crowd(30, slow_server(set(range(0, 30, 3))))), "slow-handshake") == []


def test_a_far_client_is_not_a_slow_one():
    near = crowd(30, slow_client(set()), at="server", delay=5 * MS)
    far = crowd(3, slow_client(set()), at="server", delay=150 * MS, address="203.0.113.9")
    assert found(merged(*near, *far), "slow-client-ack") == []


def test_beyond_any_path_a_client_is_slow_even_the_first_time():
    near = crowd(30, slow_client(set()), at="server", delay=5 * MS)
    far = crowd(1, slow_client({0}, late=2 * SECOND), at="server", delay=5 * MS, address="203.0.113.9")
    assert only(merged(*near, *far), "slow-client-ack")["metrics"]["outliers"] == 1


def test_what_a_lost_syn_cost_is_not_slowness():
    def act(wire, number):
        if number in {3, 9}:
            wire.client.syn(lost="after")
            wire.wait(980 * MS)
        wire.handshake()

    report = merged(*crowd(30, act))
    assert found(report, "slow-handshake") == []
    assert only(report, "syn-retransmission")["metrics"]["delayed"] == 2


def test_the_position_of_a_capture_is_found_once(monkeypatch):
    """Two services with outliers, and the report itself, ask for it."""
    asked = []
    monkeypatch.setattr(case_of_findings, "locate", lambda *given: asked.append(given) or position.locate(*given))
    wires = [wire for port in (443, 8443) for wire in crowd(30, slow_server({3, 9, 20}), server=("198.51.100.2", port))]
    assert len(found(merged(*wires), "slow-handshake")) == 2
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("values", "most"),
    [
        ([1, 1, 1, 1, 1], 1 + LEAST_EXCESS_NS),  # nobody feels less
        ([LEAST_EXCESS_NS] * 5, FACTOR * LEAST_EXCESS_NS),
        ([80 * MS, 90 * MS, 100 * MS, 110 * MS, 120 * MS], FACTOR * 100 * MS),
        ([1 * MS, 20 * MS, 40 * MS, 60 * MS, 80 * MS], 40 * MS + DEVIATIONS * 20 * MS),  # the median deviation is 20 ms
    ],
)
def test_an_outlier_is_above_all_three_bounds(values, most):
    """Of each group by itself: another group has other values."""
    ordered = np.array([*sorted([*values, most]), *sorted([*values, most + 1]), 5, 5], dtype=np.int64)
    names = np.repeat(np.array([1, 2, 3], dtype=np.uint64), [len(values) + 1, len(values) + 1, 2])
    usual, far = outliers(ordered, grouping.group(names, np.arange(len(ordered))))
    assert usual.tolist() == [sorted([*values, most])[(len(values)) // 2], sorted([*values, most])[len(values) // 2], 5]
    assert np.flatnonzero(far).tolist() == [2 * len(values) + 1]
