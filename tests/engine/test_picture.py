"""The lists of the screen: newest connections, trouble by kind, and counts of the whole run."""

import io
import itertools
from collections import Counter

import pytest
from live.test_run import SECOND, START, refused
from support import captures, frames
from support.samples import DIRECTORY, SAMPLES

from handshake_inspect.engine import analyze, picture, trouble
from handshake_inspect.engine.export import Observer
from handshake_inspect.engine.live import LiveOptions, LiveRun
from handshake_inspect.expression.language import parse
from handshake_inspect.live.session import open_file


class Watched(Observer):
    wants_picture = True


def last(source, shown=None, **options):
    """Return the last snapshot of a run."""
    clock = itertools.count(0, 2.0)
    with open_file(source) as opened:
        run = LiveRun(opened, LiveOptions(**options), Watched(), clock=lambda: next(clock))
        run.shown = shown
        run.run()
    return run.latest


@pytest.mark.parametrize("name", SAMPLES[::3])
def test_groups_include_all_connections_in_trouble(name):
    path = str(DIRECTORY / f"{name}.pcap")
    snapshot, report = last(path), analyze([path])
    kinds = Counter((each.outcome, each.cause, each.server.service) for each in report.connections.trouble())
    shown = {(group.outcome, group.cause, group.server): group.count for group in snapshot.groups}
    assert len(shown) == len(snapshot.groups) == min(len(kinds), picture.SHOWN)
    assert shown.items() <= kinds.items()
    ids = [each.id for each in snapshot.newest]
    total = len(report.connections)
    assert ids == list(range(total - 1, max(total - 1 - picture.SHOWN, -1), -1))
    for group in snapshot.groups:
        kind = (group.outcome, group.cause, group.server)
        members = [each for each in snapshot.trouble if (each.outcome, each.cause, each.server.service) == kind]
        assert len(members) >= min(group.count, picture.OF_EACH)
    assert {each.id for each in (*snapshot.newest, *snapshot.trouble)} == snapshot.logs.keys()


def test_an_expression_is_applied_beyond_the_listed_connections():
    packets = [packet for number in range(200) for packet in refused(number, START + number * SECOND // 10)]
    data = captures.pcap(packets, nano=True)
    snapshot = last(io.BytesIO(data), parse("id < 3"))
    assert [each.id for each in snapshot.newest] == [2, 1, 0]
    assert [group.count for group in snapshot.groups] == [3]


def test_services_count_the_whole_run():
    packets = [packet for number in range(1500) for packet in refused(number, START + number * SECOND // 10)]
    snapshot = last(io.BytesIO(captures.pcap(packets, nano=True)), keep=32)
    assert snapshot.connections == 1500
    assert [each.connections for each in snapshot.services] == [1500]
    assert snapshot.outcomes["refused"] == 1500


@pytest.mark.parametrize(("where", "count"), [(None, 300), ("client.port < 1124", 100), ("server.port == 81", 0)])
def test_groups_include_expired_connections(where, count):
    """With few connections kept; with -Y, only those that pass."""
    packets = [p for number in range(300) for p in refused(number, START + number * SECOND // 100)]
    data = captures.pcap(packets, nano=True)
    clocked = {"where": None if where is None else parse(where)}
    kept, every = (last(io.BytesIO(data), keep=keep, **clocked) for keep in (8, 1000))
    assert kept.tracked < every.tracked
    counts = [{(each.cause, each.server): each.count for each in snapshot.groups} for snapshot in (kept, every)]
    assert counts[0] == counts[1]
    assert sum(counts[1].values()) == count


def test_the_rarest_kinds_of_expired_connections_are_dropped(monkeypatch):
    monkeypatch.setattr(trouble, "MAX_KINDS", 4)
    ports = [81, *range(1000, 1100), 81, *range(2000, 2100), 81, *range(3000, 3100)]  # one of them again and again
    packets = []
    for number, port in enumerate(ports):
        (ns, _), (later, _) = refused(number, START + number * SECOND // 100)
        client, server = ("10.0.0.1", 1024 + number), ("10.9.0.1", port)
        packets += [(ns, frames.syn(src=client, dst=server))]
        packets += [(later, frames.rst(seq=0, ack=frames.CLIENT_ISN + 1, src=server, dst=client))]
    snapshot = last(io.BytesIO(captures.pcap(packets, nano=True)), keep=8)
    counts = {group.server.port: group.count for group in snapshot.groups}
    assert snapshot.tracked < len(ports)
    assert len(counts) <= snapshot.tracked + 4
    assert counts[81] == 3
