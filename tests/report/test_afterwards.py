"""What became of open connections: counted alike from rows and from connections, and of those that are chosen alone."""

import msgspec
import pytest
from support.reports import connection
from support.samples import LIVES as SAMPLES
from support.wire import SECOND, START, Wire, merged

from handshake_inspect import analyze
from handshake_inspect.expression.language import parse
from handshake_inspect.expression.select import filtered
from handshake_inspect.report import afterwards_counts
from handshake_inspect.report.afterwards import Ended, Holder, Tally
from handshake_inspect.report.afterwards_counts import added, of_connections
from handshake_inspect.report.model import Close, Direction, States
from handshake_inspect.verdicts.columns import batches


@pytest.mark.parametrize("name", SAMPLES)
def test_rows_count_as_connections_do(pcaps, name):
    report = analyze(pcaps / f"{name}.pcap")
    assert report.summary.afterwards == of_connections(report.connections)


@pytest.mark.parametrize("name", SAMPLES)
def test_rows_are_counted_in_pieces_as_at_once(pcaps, name, monkeypatch):
    whole = analyze(pcaps / f"{name}.pcap").summary.afterwards
    monkeypatch.setattr(afterwards_counts, "batches", lambda count: batches(count, 3))
    assert analyze(pcaps / f"{name}.pcap").summary.afterwards == whole


def test_chosen_connections_are_counted_alone(pcaps):
    report = analyze(pcaps / "refused-while-serving.pcap")
    chosen = filtered(report, parse("id > 2"))
    assert chosen.summary.afterwards == of_connections(chosen.connections)
    assert chosen.summary.afterwards != report.summary.afterwards


def test_nothing_of_what_was_never_open():
    assert of_connections([connection(0, "refused"), connection(1, "half-open")]) is None


def test_endings_by_how_and_by_whom_most_frequent_first():
    closes = [Close("fin", "client"), Close("rst", "client", "server"), Close("fin", "client"), Close("open")]
    lives = of_connections([connection(number, close=close) for number, close in enumerate(closes)])
    assert lives.endings == [Ended("fin", "client", 2, 0), Ended("rst", "server", 1, 1), Ended("open", None, 1, 3)]


def test_an_end_that_a_rst_follows_is_by_who_sent_it():
    lives = of_connections([connection(0, close=Close("rst-after-fin", "client", "server"))])
    assert [(each.how, each.by) for each in lives.endings] == [("rst-after-fin", "server")]


@pytest.mark.parametrize("name", ["retransmissions", "zero_windows", "keep_alives", "out_of_order", "duplicates"])
def test_segments_of_both_ends_are_counted_and_the_worst_is_named(name):
    ways = [{}, {name: 1}, {name: 4}]
    lives = of_connections(
        [
            connection(number, client_to_server=Direction(9, **way), server_to_client=Direction(1, **way))
            for number, way in enumerate(ways)
        ]
    )
    assert lives.segments == 30
    counted = msgspec.structs.asdict(lives)
    assert {key: value for key, value in counted.items() if isinstance(value, Tally)} == {name: Tally(10, 2, 2)}


def test_who_holds_time_wait():
    lives = of_connections([connection(number, state=States("TIME_WAIT", "CLOSED")) for number in range(3)])
    assert lives.time_wait == [Holder("10.0.0.1", 3)]


def test_what_is_gone_is_added_to_what_is_kept():
    ways = [
        {"close": Close("fin", "client"), "client_to_server": Direction(5, keep_alives=2)},
        {"close": Close("rst", "server", "server"), "client_to_server": Direction(5, zero_windows=1)},
        {"close": Close("fin", "client"), "state": States("TIME_WAIT", "CLOSED")},
        {"close": Close("open"), "client_to_server": Direction(9, keep_alives=1)},
    ]
    connections = [connection(number, **way) for number, way in enumerate(ways)]
    whole = of_connections(connections)
    gone, kept = of_connections(connections[:2]), of_connections(connections[2:])
    together = added(kept, gone)
    assert (together.connections, together.segments) == (whole.connections, whole.segments)
    counts = {(each.how, each.by): each.connections for each in whole.endings}
    assert {(each.how, each.by): each.connections for each in together.endings} == counts
    assert (together.keep_alives.segments, together.keep_alives.connections) == (3, 2)
    assert together.zero_windows == gone.zero_windows
    assert together.time_wait == kept.time_wait
    assert (added(None, gone), added(kept, None), added(None, None)) == (gone, kept, None)


def test_those_who_hold_the_most_come_first_and_then_by_their_addresses():
    talks = []
    for place, host in enumerate((9, 7, 30, 10, 8, 9, 20, 30)):
        talk = Wire(client=(f"10.0.0.{host}", 40_000 + place), start=START + place * SECOND)
        talk.handshake()
        talk.close()
        talks.append(talk)
    held = merged(*talks)["summary"]["afterwards"]["time_wait"]
    assert [(each["ip"], each["connections"]) for each in held] == [
        ("10.0.0.30", 2), ("10.0.0.9", 2), ("10.0.0.10", 1), ("10.0.0.20", 1), ("10.0.0.7", 1),
    ]  # fmt: skip
