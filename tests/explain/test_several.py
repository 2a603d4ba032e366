"""The stories of several connections in one pass more: those that `explain` gives of each alone."""

import msgspec
import pytest

from handshake_inspect import engine
from handshake_inspect.engine.explain import explain, stories
from handshake_inspect.engine.selection import ConnectionQuery

SAMPLES = [
    "healthy-burst.pcap",
    "port-scan-connect.pcap",
    "syn-flood-hping3.pcap",
    "closed-by-client-ipv6.pcap",
    "http-to-tls.pcap",
]


def bare(story):
    return msgspec.structs.replace(story, matches=[])


@pytest.mark.parametrize("sample", SAMPLES)
def test_they_are_those_of_each_alone(pcaps, sample):
    paths = [str(pcaps / sample)]
    report = engine.analyze(paths)
    ids = sorted({0, len(report.connections) // 2, len(report.connections) - 1}, reverse=True)
    chosen = [report.connections[i] for i in ids]
    shown = stories(paths, chosen, report)
    assert [story.connection.id for story in shown] == ids
    assert [bare(story) for story in shown] == [bare(explain(paths, ConnectionQuery(number=i))) for i in ids]


@pytest.mark.parametrize("sample", ["quic-early-data.pcap", "quic-blocked.pcap"])
def test_of_quic_too(pcaps, sample):
    paths = [str(pcaps / sample)]
    report = engine.analyze(paths)
    shown = stories(paths, [*report.quic_connections, *report.connections], report)
    alone = [explain(paths, ConnectionQuery(number=each.id)) for each in report.connections]
    alone += [explain(paths, ConnectionQuery(number=each.id, quic=True)) for each in report.quic_connections]
    assert [bare(each) for each in shown] == [bare(each) for each in alone]


def test_none_asks_for_no_pass(pcaps):
    report = engine.analyze([pcaps / "handshake.pcap"])
    assert stories(["/nowhere"], [], report) == []


def test_as_many_segments_as_the_limit_says(pcaps):
    paths = [str(pcaps / "closed-by-client.pcap")]
    report = engine.analyze(paths)
    (story,) = stories(paths, [report.connections[0]], report, limit=3)
    assert len(story.steps) == 3 < story.segments
