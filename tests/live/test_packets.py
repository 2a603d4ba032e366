"""`--packets`: the segments that it reads from the log, and the lines that it writes."""

import io
import itertools

import pytest
from live.test_run import run_of
from support import captures, frames
from support.samples import SAMPLES

from handshake_inspect.engine import packet_exports
from handshake_inspect.engine.explain import explain
from handshake_inspect.engine.export import Observer
from handshake_inspect.engine.selection import ConnectionQuery
from handshake_inspect.render import FORMATS, Options
from handshake_inspect.report.setup_events import Marks

LARGE_CAPTURE = 2_000_000  # bytes: larger samples hold thousands of connections alike
START = 1_700_000_000_000_000_000
ENDLESS = 1 << 20


class Passing(Observer):
    """Records exported packets."""

    wants_packets = True

    def __init__(self):
        self.shown = []
        self.skipped = 0

    def packets(self, packets, skipped):
        self.shown += packets
        self.skipped += skipped


def passing(data, **options):
    shown = Passing()
    run_of(data, shown, **options).run()
    return shown


def lines(data, width=ENDLESS, **looks):
    out = io.BytesIO()
    run_of(data, FORMATS["text"].event_writer(out, Options(width=width, packets=True, **looks))).run()
    return out.getvalue().decode().splitlines()


@pytest.mark.wide_table
@pytest.mark.parametrize("name", SAMPLES)
def test_notable_segments_are_exported_once_and_in_order(name, pcaps):
    path = pcaps / f"{name}.pcap"
    if path.stat().st_size > LARGE_CAPTURE:
        pytest.skip("too large for a story")
    passed = passing(path.read_bytes())
    numbers = [packet.step.frame for packet in passed.shown]
    assert numbers == sorted(set(numbers))
    assert not passed.skipped
    if not passed.shown:
        return  # there is nothing of TCP in it
    story = explain([path], ConnectionQuery(number=0), limit=10_000)
    by_frame = {packet.step.frame: packet for packet in passed.shown}
    setup = Marks(story.connection)  # what only a judged set-up knows
    for step in story.steps:
        events, anomalies = setup.of(step.frame)
        if len(step.events) > len(events) or len(step.anomalies) > len(anomalies):
            shown = by_frame[step.frame]
            assert shown.step.flags == step.flags
            assert {shown.client.ip, shown.server.ip} == {story.connection.client.ip, story.connection.server.ip}


def test_the_lines_of_a_handshake(pcaps):
    shown = lines((pcaps / "handshake.pcap").read_bytes())
    assert [line.split("  • ")[1].split(" (")[0] for line in shown[:3]] == [
        "The client opens a connection.", "The server accepts the connection.",
        "The final ACK: the handshake is complete.",
    ]  # fmt: skip
    assert " > " in shown[0]
    assert " < " in shown[1]
    assert "[S] seq " in shown[0]
    assert "SYN_SENT  CLOSED" in shown[0]
    assert "(ESTABLISHED)  SYN_RECEIVED" in shown[1]  # nothing of the client has shown so yet
    assert " ESTABLISHED  ESTABLISHED" in shown[2]
    assert "to the server and back: " in shown[1]
    assert "open after " in shown[2]


def test_anomalies_are_marked(pcaps):
    shown = "\n".join(lines((pcaps / "lost-syn.pcap").read_bytes()))
    assert "▲ The client sends its SYN for the 2nd time" in shown
    assert "connect RTT 41.2 ms; open 1.07 s after the first SYN" in shown  # waiting is no round trip
    assert "[R.]" in "\n".join(lines((pcaps / "refused.pcap").read_bytes()))
    icmp = lines((pcaps / "rejected-admin-prohibited.pcap").read_bytes())[1]
    assert " < " in icmp
    assert "ICMP admin-prohibited from " in icmp


@pytest.mark.parametrize("width", range(80, 201, 10))
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_lines_are_as_wide_as_the_terminal(width, encoding, pcaps):
    shown = lines((pcaps / "accept-queue-overflow.pcap").read_bytes(), width, encoding=encoding)
    assert max(map(len, shown)) <= width
    assert max(map(len, lines((pcaps / "handshake-ipv6.pcap").read_bytes(), width, encoding=encoding))) <= width
    words = " ".join(" ".join(shown).split())
    for each in ("SYN_RECEIVED", "it did not accept", "open after", "ack 1"):
        assert each in words
    if encoding == "ascii":
        assert words.isascii()


def many(count):
    return captures.pcap([(START + n * 1000, frames.syn(src=("10.0.0.1", 1024 + n))) for n in range(count)], nano=True)


def test_exports_from_an_interface_are_limited_by_time(monkeypatch):
    """The lines state how many segments were skipped."""
    monkeypatch.setattr("handshake_inspect.live.pipe.PipeSource.pending", lambda _: False)
    monkeypatch.setattr(packet_exports, "BATCH_SIZE", 8)
    clock = itertools.count(0, packet_exports.MAX_EXPORT_S)
    shown = Passing()
    run_of(many(100), shown, block_size=1 << 20, clock=lambda: next(clock)).run()
    assert shown.skipped
    assert len(shown.shown) + shown.skipped == 100
    out = io.BytesIO()
    FORMATS["text"].event_writer(out, Options(packets=True)).packets([], 1)
    assert out.getvalue() == b"1 segment not shown: more came than could be written\n"


def test_all_segments_of_a_stream_are_exported():
    assert len(passing(many(3000), block_size=1 << 20).shown) == 3000
