"""One pass from the record header to the segment gives what the steps one by one do.

A file of the other byte order goes step by step.
"""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import frames
from support.captures import pcap_header, pcap_record
from support.frames import CLIENT, CLIENT6, SERVER, SERVER6

from handshake_inspect.capture.pcap import PcapReader
from handshake_inspect.cluster.tracking import TrackSieve
from handshake_inspect.engine.pump import Pump
from handshake_inspect.tcp.tracker import Tracker

MS = 1_000_000
YEAR_1998 = 0x34CDB2A1  # seconds that look like a file's magic
FRAMES = {
    "SYN": frames.syn(CLIENT, SERVER, seq=1, options=frames.linux_syn_options()),
    "IPv6": frames.syn(CLIENT6, SERVER6, seq=0xFFFF_FFFF),
    "ACK": frames.ack(CLIENT, SERVER, seq=2, ack=3, options=frames.timestamps(7, 9)),
    "data": frames.data(b"hello", SERVER, CLIENT, seq=3, ack=2),
    "a name server": frames.data(b"\0\x02\0\0", CLIENT, (SERVER[0], 53), seq=3, ack=2),
    "other options": frames.ack(SERVER, CLIENT, seq=3, ack=9, options=frames.nop(2) + frames.sack((5, 6))),
    "bad options": frames.ack(SERVER, CLIENT, seq=3, ack=9, options=b"\x08\x01\0\0"),
    "wrong checksum": frames.data(b"hello", SERVER, CLIENT, seq=3, ack=2, tcp_checksum="bad"),
    "tagged": frames.data(b"hello", SERVER, CLIENT, seq=3, ack=2, link=frames.vlan),
    "UDP": frames.udp(CLIENT, SERVER),
    "ICMP": frames.icmp_error(frames.syn(CLIENT, SERVER, seq=1, link=frames.raw)),
    "fragment": frames.ethernet(frames.ipv4("192.0.2.1", "192.0.2.2", 6, b"x" * 40, fragment_offset=8)),
    "short": b"x" * 53,
    "empty": b"",
}  # fmt: skip
ONE = st.tuples(
    st.sampled_from(list(FRAMES)),
    st.sampled_from([0, 1, MS, -MS]),  # nanoseconds since the frame before
    st.none() | st.integers(0, 60),  # bytes captured
    st.sampled_from([0, 0, 0, 700, -1]),  # bytes more on the wire than in the frame; less where it is damaged
)


def file_of(listed, big):
    now = 1_700_000_000 * 1000 * MS
    content = pcap_header(big=big, nano=True)
    for name, later, cut, more in listed:
        now += later
        whole = FRAMES[name]
        content += pcap_record(now, whole[:cut], big=big, nano=True, wire_len=max(len(whole) + more, 0))
    return content


def read_by_pump(content, at=None, most=None):
    """Return everything a pump derives from a file that arrives in two blocks."""
    pump, reader = Pump(Tracker(64)), PcapReader()
    if most is not None:
        pump.max_frames = most
    pump.sieve = moves = TrackSieve(pump, None, 1)
    at = len(content) if at is None else min(at, len(content))
    reader.feed(content, 0, at, 0)
    got = [pump.drain(reader)]
    reader.feed(content, reader.position, len(content), 0)
    got.append(pump.drain(reader))
    counted = (
        pump.frames, pump.tcp_segments, pump.icmp_errors, pump.first_ns, pump.last_ns, pump.previous_ns, pump.backwards,
        pump.first_backwards, pump.fragments, pump.cut_headers, pump.damaged_headers, pump.cut_options,
        pump.bad_options, pump.datagrams, reader.frames, reader.position, reader.ts_ns, reader.problems,
    )  # fmt: skip
    (records,) = moves.segments()
    return (records.rows.tolist(), bytes(records.payloads)), got, counted


@given(st.lists(ONE, max_size=12), st.integers(0, 1000), st.none() | st.integers(1, 12))
def test_both_paths_give_the_same_result(listed, at, most):
    assert read_by_pump(file_of(listed, big=False), at, most) == read_by_pump(file_of(listed, big=True), at, most)


@pytest.mark.parametrize("name", FRAMES)
def test_more_than_a_batch(name):
    listed = [("ACK", MS, None, 0)] * 130 + [(name, MS, None, 0), ("data", MS, None, 0)]
    assert read_by_pump(file_of(listed, big=False)) == read_by_pump(file_of(listed, big=True))
    assert read_by_pump(file_of(listed, big=False))[2][0] == 132


@pytest.mark.parametrize("magic", [YEAR_1998, 0xA1B2C3D4])
def test_a_record_header_that_looks_like_a_file_header(magic):
    frame = FRAMES["data"]
    listed = [("SYN", 0, None, 0)]
    made = [
        read_by_pump(file_of(listed, big) + struct.pack("<>"[big] + "IIII", magic, 0, len(frame), len(frame)) + frame)
        for big in (False, True)
    ]
    assert made[0] == made[1]
    assert made[0][2][0] == 2


def test_concatenated_files():
    listed = [("SYN", 0, None, 0), ("ACK", MS, None, 0)]
    first, second = (file_of(listed, big) for big in (False, True))
    assert read_by_pump(first + first)[0] == read_by_pump(second + second)[0] == read_by_pump(first + second)[0]
    assert read_by_pump(first + second)[2][0] == 4


def two(big, *, without=0, more=0, **header):
    """A file of two frames `without` their first bytes, that were `more` bytes longer on the wire."""
    content = pcap_header(big=big, **header)
    modified = header.get("modified", False)
    for number, name in enumerate(("SYN", "data")):
        frame = FRAMES[name][without:] + bytes(without)
        content += pcap_record(number * MS, frame, big=big, modified=modified, wire_len=len(frame) + more)
    return content


def with_last(big, fraction, frame):
    """A file whose last record has this fraction of a second, in microseconds."""
    head = struct.pack("<>"[big] + "IIII", 1, fraction, len(frame), len(frame))
    return two(big) + head + frame


@pytest.mark.parametrize("make", [
    lambda big: two(big, modified=True, without=8),  # which the longer header has in their place
    lambda big: two(big, fcs=4, more=4),
    lambda big: two(big, link_type=101),
    lambda big: with_last(big, 1_000_000, FRAMES["data"]),
    lambda big: with_last(big, 0, FRAMES["data"] + bytes(262_144)),
], ids=["longer headers", "check sequences", "no Ethernet", "a second or more", "longer than plausible"])  # fmt: skip
def test_files_that_need_the_general_path(make):
    assert read_by_pump(make(False)) == read_by_pump(make(True))
