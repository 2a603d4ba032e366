"""Captures of more than 2^32 frames: twelve hours at 100,000 frames per second."""

import io
import ssl

import msgspec
import pytest
from support import frames as wire
from support.captures import pcap
from support.tls import Talk, client, server
from support.tls import handshake as said_in_tls

from handshake_inspect.capture.source import open_source
from handshake_inspect.engine import Options
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.reporting import conclude
from handshake_inspect.tcp.tracker import Tracker

MS = 1_000_000
SECOND = 1_000 * MS
START = 1_700_000_000 * SECOND
RICH = wire.linux_syn_options()
SERVER = ("198.51.100.2", 443)
STARTS = [0, 2**32 - 4, 2**32 - 40, 2**32 + 100, 5 * 2**32 - 3, 2**40]


def report_from(start, timed):
    """Return the report of frames numbered from `start` + 1."""
    pump = Pump(Tracker(1 << 12))
    with open_source(io.BytesIO(pcap(sorted(timed), nano=True))) as source:
        source.reader.frames = start
        while pump.drain(source.reader) == 0 and source.fill():
            pass
        return conclude(source, pump, Options().limits)


def numbers(value, start):
    """Return a report as plain values, with frame numbers relative to the first frame."""
    if isinstance(value, list):
        return [numbers(each, start) for each in value]
    if not isinstance(value, dict):
        return value
    counted = {}
    for key, each in value.items():
        if key in ("evidence", "frames") and isinstance(each, list):
            counted[key] = [frame - start for frame in each]
        elif key in ("first_frame", "frame") or (key.endswith("_frame") and each is not None):
            counted[key] = each - start
        else:
            counted[key] = numbers(each, start)
    return counted


def plain(report, start):
    connections = [msgspec.to_builtins(each) for each in report.connections]
    findings = [msgspec.to_builtins(each) for each in report.findings]
    return numbers(connections, start), numbers(findings, start)


def handshake(at, port, isn=1000, iss=5000, again=0):
    here = ("192.0.2.1", port)
    for copy in range(again + 1):
        yield START + at + copy * SECOND, wire.syn(here, SERVER, seq=isn, options=RICH)
    at += again * SECOND
    yield START + at + 10 * MS, wire.syn_ack(SERVER, here, seq=iss, ack=isn + 1, options=RICH)
    yield START + at + 20 * MS, wire.ack(here, SERVER, seq=isn + 1, ack=iss + 1)
    yield START + at + 30 * MS, wire.data(b"?", here, SERVER, seq=isn + 1, ack=iss + 1)
    yield START + at + 40 * MS, wire.fin(SERVER, here, seq=iss + 1, ack=isn + 2)
    yield START + at + 50 * MS, wire.rst(here, SERVER, seq=isn + 2, ack=None)


def lone_syns(count, every=MS):
    for number in range(count):
        here = (f"{11 + number % 80}.{number >> 8 & 255}.3.{number & 255}", 1024 + number * 7)
        yield START + number * every, wire.syn(here, SERVER, seq=number * 7919, options=b"")


def refusals():
    for number in range(20):
        here, at = ("192.0.2.7", 30000 + number), START + number * 20 * MS
        yield at, wire.syn(here, ("198.51.100.2", 81), seq=1000, options=RICH)
        yield at + MS, wire.rst(("198.51.100.2", 81), here, ack=1001)


def scan():
    here = ("192.0.2.9", 40000)
    for port in range(1, 60):
        yield START + port * MS, wire.syn(here, ("198.51.100.2", port), seq=1000, options=b"")
        yield START + port * MS + MS // 2, wire.rst(("198.51.100.2", port), here, ack=1001)


def overflow():
    for number in range(8):
        here, at = ("192.0.2.8", 30000 + number), START + number * 20 * MS
        yield at, wire.syn(here, SERVER, seq=1000, options=RICH)
        yield at + MS, wire.syn_ack(SERVER, here, seq=5000, ack=1001, options=RICH)
        yield at + 2 * MS, wire.ack(here, SERVER, seq=1001, ack=5001)
        yield at + SECOND, wire.syn_ack(SERVER, here, seq=5000, ack=1001, options=RICH)
        yield at + SECOND + MS, wire.ack(here, SERVER, seq=1001, ack=5001)


def repeated():
    for number in range(12):
        yield from handshake(number * 30 * MS, 31000 + number, again=1)


TRAFFIC = {
    "handshakes": lambda: [each for n in range(3) for each in handshake(n * SECOND, 30000 + n)],
    "lone SYNs": lambda: [*lone_syns(12, 10 * MS), (START + 9 * SECOND, wire.udp())],
    "flood": lambda: [*lone_syns(600), (START + 9 * SECOND, wire.udp())],
    "refusals": lambda: list(refusals()),
    "scan": lambda: list(scan()),
    "overflow": lambda: list(overflow()),
    "repeated": lambda: list(repeated()),
}


@pytest.mark.parametrize("start", STARTS[1:])
@pytest.mark.parametrize("traffic", TRAFFIC)
def test_frame_numbers_are_not_truncated(traffic, start):
    """The report is the same as with small numbers, except for the offset."""
    timed = TRAFFIC[traffic]()
    usual, later = report_from(0, timed), report_from(start, timed)
    (connections, findings), (others, found) = plain(usual, 0), plain(later, start)
    assert others == connections
    assert found == findings
    assert usual.findings or traffic in ("handshakes", "lone SYNs", "overflow")


@pytest.mark.parametrize("start", STARTS)
def test_a_reused_row_has_the_new_number(start):
    """An answered SYN frees its row, which the next lone SYN reuses."""
    timed = [*handshake(0, 30000), *((at + SECOND, frame) for at, frame in lone_syns(3))]
    first = [connection.first_frame - start for connection in report_from(start, timed).connections]
    assert first == [1, 7, 8, 9]
    assert [connection["id"] for connection in plain(report_from(start, timed), start)[0]] == [0, 1, 2, 3]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
def test_every_milestone_of_a_set_up_at_a_number_whose_low_bits_are_0(version):
    """Each frame of a connection in turn has number 2^32, whose low 32 bits, kept in rows, are 0."""
    timed = list(Talk(said_in_tls(client(version), server())).frames())
    usual = report_from(0, timed)
    reached = usual.connections[0].setup.milestones
    assert reached.server_finished.frame < reached.request.frame < reached.response.frame
    for place in range(len(timed)):
        start = 2**32 - 1 - place
        assert plain(report_from(start, timed), start) == plain(usual, 0)
