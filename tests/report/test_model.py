"""The lazy sequence of connections, and what counts as trouble."""

from collections import Counter

import msgspec
import pytest
from support.reports import Flood, connection, troubled

from handshake_inspect.errors import Problem as Remark
from handshake_inspect.report.event import line, lines
from handshake_inspect.report.model import (
    OUTCOMES,
    ListedConnections,
    Outcomes,
    Problem,
    Target,
    fair_shares,
)


def test_connections_are_a_sequence():
    listed = ListedConnections([connection(number) for number in range(7)])
    assert len(listed) == 7
    assert [c.id for c in listed] == list(range(7))
    assert listed[-1].id == 6
    assert [c.id for c in listed[2:4]] == [2, 3]
    assert listed[3] in listed
    assert [[c.id for c in chunk] for chunk in listed.chunks(3)] == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize("index", [7, -8])
def test_beyond_the_end_is_an_index_error(index):
    with pytest.raises(IndexError, match="of 7"):
        ListedConnections([connection(number) for number in range(7)])[index]


def test_only_what_is_asked_for_is_made():
    flood = Flood()
    assert len(flood) == 3_000_000
    assert flood[2_999_999].id == 2_999_999
    assert len(next(flood.chunks(10))) == 10
    assert flood.made == 11


def test_every_kind_of_trouble_is_among_the_few():
    connections = [connection(n, "half-open") for n in range(1_000)] + [connection(1_000, "refused")]
    listed = ListedConnections(connections)
    assert listed.trouble_count == 1_001
    few = listed.trouble(5)
    assert [c.id for c in few] == [0, 1, 2, 3, 1_000]
    assert len(listed.trouble()) == 1_001
    assert listed.trouble(0) == []


@pytest.mark.parametrize(
    ("counts", "limit", "shares"),
    [
        ({}, 20, {}),
        ({"refused": 3}, 20, {"refused": 3}),
        ({"refused": 30, "half-open": 30}, 21, {"refused": 11, "half-open": 10}),
        ({"refused": 1, "half-open": 2, "timed-out": 900}, 20, {"refused": 1, "half-open": 2, "timed-out": 17}),
        ({"refused": 9, "half-open": 9, "timed-out": 9}, 2, {"refused": 1, "half-open": 0, "timed-out": 1}),
    ],
)
def test_places_are_shared_fairly(counts, limit, shares):
    assert fair_shares(counts, limit) == shares


def test_outcomes_count_in_the_order_of_the_specification():
    counted = Counter(c.outcome for c in troubled().connections)
    outcomes = Outcomes.of(counted)
    assert tuple(outcomes.as_dict()) == OUTCOMES
    assert outcomes.timed_out == counted["timed-out"] == outcomes.as_dict()["timed-out"]
    assert sum(outcomes.as_dict().values()) == len(troubled().connections)


def test_a_reader_s_remark_becomes_a_problem():
    assert Problem.of(Remark("cut", "the end is missing", 3, 120)) == Problem("cut", "the end is missing", 3, 120)


def test_events_are_the_same_lines_together_and_one_by_one():
    ends = [Target("10.0.0.1", 80), Target("host-\udc80", None), Target("10.0.0.2", 443)]  # one is not UTF-8
    together = lines("connection", ends)
    assert together == b"".join(line("connection", end) for end in ends)
    events = [msgspec.json.decode(each) for each in together.splitlines()]
    assert [(event["event"], event["ip"]) for event in events] == [
        ("connection", "10.0.0.1"),
        ("connection", "host-\\udc80"),
        ("connection", "10.0.0.2"),
    ]
    assert lines("connection", []) == b""
