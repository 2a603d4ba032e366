"""pcapng: sections, interfaces, every packet block, times to the nanosecond."""

import json
import os
import struct
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.captures import (
    block,
    interface,
    old_packet,
    option,
    packet,
    pcapng,
    read,
    section,
    simple_packet,
    statistics,
)

CORPUS = Path(os.environ.get("HSI_CORPUS", "-"))
ORDERS = pytest.mark.parametrize("big", [False, True])


def corpus():
    if not (CORPUS / "pcapng" / "expected.json").exists():
        return [pytest.param(None, None, marks=pytest.mark.skip("HSI_CORPUS names no folder"))]
    expected = json.loads((CORPUS / "pcapng" / "expected.json").read_text())
    return [pytest.param(CORPUS / name, shown["frames"], id=name) for name, shown in expected.items()]


@pytest.mark.parametrize(("path", "shown"), corpus())
@pytest.mark.parametrize("block_size", [1, 7, 1 << 18])
def test_corpus_frames_are_those_that_wireshark_finds(path, shown, block_size):
    seen, source = read(path.read_bytes(), block_size)
    packets = [frame for frame in shown if frame["interface_id"] is not None]
    assert [(s.number, s.ns, len(s.data), s.wire_len, s.interface) for s in seen] == [
        (
            frame["number"],
            None if frame["time_epoch"] is None else int(Decimal(frame["time_epoch"]) * 10**9),
            frame["captured_length"],
            frame["original_length"],
            frame["interface_id"],
        )
        for frame in packets
    ]
    assert source.reader.frames == len(shown)
    assert source.reader.events == len(shown) - len(packets)
    assert source.problems == []
    assert source.complete


@ORDERS
def test_all_packet_blocks(big):
    data = section(big=big) + interface(big=big, link_type=101, snap_len=4)
    data += packet(b"abcde", 0x9000_0001_F000_0002 >> 12, big=big, wire_len=900)
    data += old_packet(b"abc", 7, big=big) + old_packet(b"full", 8, big=big)
    data += simple_packet(b"abcdefgh", big=big, wire_len=1500)
    seen, source = read(data)
    assert [(s.data, s.wire_len, s.ns) for s in seen] == [
        (b"abcde", 900, (0x9000_0001_F000_0002 >> 12) * 1000),
        (b"abc", 3, 7000),
        (b"full", 4, 8000),
        (b"abcd", 1500, None),
    ]
    assert {s.link_type for s in seen} == {101}
    assert source.problems == []


def test_a_frame_without_time_keeps_the_time_before():
    _, source = read(section() + interface() + packet(b"a", 5) + simple_packet(b"b"))
    assert source.reader.ts_ns == 5000
    assert not source.reader.has_time


def test_sections_of_either_order_have_interfaces_of_their_own():
    data = section() + interface(link_type=1) + interface(link_type=113) + packet(b"a", number=1)
    data += section(big=True) + interface(big=True, link_type=276) + packet(b"b", big=True)
    seen, source = read(data + section() + packet(b"c"))
    assert [s.link_type for s in seen] == [113, 276]
    assert source.link_types == [1, 113, 276]
    assert source.reader.section == 3
    assert "interface 0" in source.problems[0].message


def test_many_interfaces_with_names():
    data = section() + b"".join(interface(link_type=n, name=f"eth{n}") for n in range(40))
    seen, source = read(data + b"".join(packet(b"x", number=n) for n in range(40)))
    assert [s.link_type for s in seen] == list(range(40))
    assert source.reader.names[39] == "eth39"


@ORDERS
@pytest.mark.parametrize(
    ("resolution", "raw", "ns"),
    [
        (None, 1, 1_000),
        (0, 1_700_000_000, 1_700_000_000_000_000_000),
        (3, 1, 1_000_000),
        (6, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
        (9, 2**63 - 1, 2**63 - 1),
        (10, 19, 1),
        (12, 2**64 - 1, (2**64 - 1) // 1000),
        (19, 2**64 - 1, 1_844_674_407),
        (28, 2**64 - 1, 1),
        (127, 2**64 - 1, 0),
        (0x80, 3, 3_000_000_000),
        (0x80 | 10, 1, 976_562),
        (0x80 | 31, 2**31 - 1, 999_999_999),
        (0x80 | 32, 2**64 - 1, 2**32 * 10**9 - 1),
        (0x80 | 33, 2**64 - 1, 2**31 * 10**9 - 1),
        (0x80 | 63, 2**64 - 1, 1_999_999_999),
        (0x80 | 64, 2**63, 500_000_000),
        (0x80 | 93, 2**64 - 1, 1),
        (0x80 | 127, 2**64 - 1, 0),
    ],
)
def test_resolutions(big, resolution, raw, ns):
    data = section(big=big) + interface(big=big, resolution=resolution) + packet(b"x", raw, big=big)
    seen, source = read(data)
    assert (seen[0].ns, source.problems) == (ns, [])


@given(st.integers(0, 255), st.integers(0, 2**64 - 1), st.integers(-(10**9), 10**9))
def test_every_time_is_exact_or_refused(resolution, raw, offset_s):
    seen, source = read(section() + interface(resolution=resolution, offset_s=offset_s) + packet(b"x", raw))
    base = 2 if resolution & 0x80 else 10
    ns = int(Fraction(raw, base ** (resolution & 0x7F)) * 10**9) + offset_s * 10**9
    if seen[0].ns is None:
        assert max(ns, ns - offset_s * 10**9) > 2**63 - 1
        assert source.problems[0].kind == "damaged"
    else:
        assert seen[0].ns == ns


@ORDERS
def test_offset_moves_times_both_ways(big):
    data = section(big=big) + interface(big=big, offset_s=1_700_000_000) + interface(big=big, offset_s=-1)
    seen, _ = read(data + packet(b"a", 1, big=big) + packet(b"b", 1, big=big, number=1))
    assert [s.ns for s in seen] == [1_700_000_000_000_001_000, -999_999_000]


def test_a_time_centuries_ahead_is_no_time():
    seen, source = read(section() + interface(resolution=9) + packet(b"a", 5) + packet(b"b", 2**63) + packet(b"c", 6))
    assert [s.ns for s in seen] == [5, None, 6]
    assert (source.problems[0].kind, source.problems[0].frame) == ("damaged", 2)
    assert source.complete


@ORDERS
def test_frame_check_sequences_are_taken_off(big):
    flags = option(2, struct.pack(">I" if big else "<I", 2 << 5), big=big)
    data = section(big=big) + interface(big=big, fcs=4) + packet(b"abcdefgh", big=big)
    data += packet(b"abcdefgh", big=big, wire_len=10) + packet(b"abcdefgh", big=big, options=flags)
    seen, _ = read(data + simple_packet(b"abcdefgh", big=big))
    assert [(s.data, s.wire_len) for s in seen] == [(b"abcd", 4), (b"abcdef", 6), (b"abcdef", 6), (b"abcd", 4)]


@ORDERS
def test_drops_of_statistics_are_totals_per_interface(big):
    data = section(big=big) + interface(big=big) + interface(big=big)
    data += statistics(big=big, ifdrop=5) + statistics(big=big, ifdrop=7, osdrop=1)
    data += statistics(big=big, number=1, osdrop=2) + section(big=big) + interface(big=big)
    _, source = read(data + statistics(big=big, ifdrop=100))
    assert source.dropped == 110


@pytest.mark.parametrize(
    ("blocks", "dropped"),
    [
        (packet(b"a"), None),
        (statistics(), None),
        (statistics(ifdrop=0), 0),
        (old_packet(b"a", drops=0xFFFF), None),
        (old_packet(b"a", drops=3) + old_packet(b"b", drops=4), 7),
        (packet(b"a", options=option(1, b"hm") + option(4, struct.pack("<Q", 9)) + option(0, b"")), 9),
        (statistics(ifdrop=2) + old_packet(b"a", drops=3), 2),
    ],
)
def test_drops_are_known_only_when_recorded(blocks, dropped):
    _, source = read(section() + interface() + blocks)
    assert source.dropped == dropped


SECOND = 1_000_000_000
ABSURD = (1 << 64) - 1


@ORDERS
@pytest.mark.parametrize(
    ("said", "until"),
    [
        ([{"end": 9 * SECOND, "usrdeliv": 2}], 9 * SECOND),
        ([{"end": 9 * SECOND, "ifrecv": 2, "ifdrop": 0}], 9 * SECOND),  # as dumpcap writes it
        ([{"end": 9 * SECOND, "ifrecv": 5, "ifdrop": 1, "osdrop": 2}], 9 * SECOND),
        ([{"end": 9 * SECOND, "ifrecv": 5, "usrdeliv": 2}], 9 * SECOND),
        ([{"end": 9 * SECOND, "usrdeliv": 3}], None),  # somebody cut a frame out
        ([{"end": 9 * SECOND, "ifrecv": 3, "ifdrop": 0}], None),
        ([{"end": 9 * SECOND}], None),  # nobody can tell
        ([{"usrdeliv": 2}], None),
        ([{"end": 0, "usrdeliv": 2}], None),
        ([{"end": ABSURD, "usrdeliv": 2}], None),
        ([{"end": 8 * SECOND, "usrdeliv": 1}, {"end": 9 * SECOND, "usrdeliv": 2}], 9 * SECOND),  # the last one holds
        ([{"end": 9 * SECOND, "usrdeliv": 1}, {"number": 1, "end": 8 * SECOND, "usrdeliv": 1}], 8 * SECOND),
        ([{"number": 7, "end": 9 * SECOND, "usrdeliv": 2}], None),  # nobody describes that interface
    ],
)
def test_the_end_of_a_capture_is_believed_of_the_whole_of_it(said, until, big):
    data = section(big=big) + interface(big=big, resolution=9) + interface(big=big, resolution=9)
    data += packet(b"a", SECOND, big=big) + packet(b"b", 2 * SECOND, big=big)
    data += b"".join(statistics(big=big, **each) for each in said)
    seen, source = read(data)
    assert source.seen_until_ns == until
    assert [each.ns for each in seen] == [SECOND, 2 * SECOND]
    assert source.problems == []


def test_the_end_is_that_of_the_last_section():
    one = section() + interface() + packet(b"a", 1_000_000) + statistics(end=9_000_000, usrdeliv=1)
    assert read(one)[1].seen_until_ns == 9 * SECOND  # in microseconds
    assert read(one + section() + interface())[1].seen_until_ns is None
    assert read(one + one.replace(packet(b"a", 1_000_000), packet(b"b", 5_000_000)))[1].seen_until_ns == 9 * SECOND


@ORDERS
def test_dumpcap_writes_the_end_in_microseconds(big):
    now = 1_795_000_000 * SECOND
    data = section(big=big) + interface(big=big, resolution=9) + packet(b"a", now, big=big)
    data += statistics(big=big, end=now // 1000 + 4_000_000, ifrecv=1, ifdrop=0)
    assert read(data)[1].seen_until_ns == now + 4 * SECOND


def test_no_time_of_a_frame_is_that_of_statistics():
    data = section() + interface() + packet(b"a", 1_000_000) + statistics(end=9_000_000, usrdeliv=1)
    seen, _ = read(data + simple_packet(b"b"))
    assert [each.ns for each in seen] == [SECOND, None]


@ORDERS
def test_other_blocks_are_skipped_and_some_use_up_a_frame_number(big):
    silent = [4, 7, 10, 0x8000_0001, 0x7777_7777]
    numbered = [0x0BAD, 0x4000_0BAD, 9, 0x204]
    data = section(big=big) + interface(big=big)
    data += b"".join(block(kind, b"\xff" * 50, big=big) for kind in silent + numbered)
    seen, source = read(data + packet(b"x", big=big))
    assert [s.number for s in seen] == [5]
    assert source.reader.events == 4


def test_a_skipped_block_is_not_held_in_memory():
    seen, source = read(section() + interface() + block(4, bytes(3_000_000)) + packet(b"x"), 4096)
    assert len(seen) == 1
    assert len(source.reader.buffer) == 4096


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (struct.pack("<II", 6, 0) + bytes(40), "an impossible 0 bytes"),
        (struct.pack("<II", 6, 33) + bytes(40), "an impossible 33 bytes"),
        (struct.pack("<II", 6, 0xF000_0000) + bytes(40), "an impossible 4026531840 bytes"),
        (struct.pack("<II", 0x99, 8) + bytes(40), "an impossible 8 bytes"),
        (packet(b"abcd")[:-4] + bytes(4), "lengths differ"),
        (packet(b"x", number=1), "interface 1"),
        (block(6, struct.pack("<IIIII", 0, 0, 0, 400, 400) + b"abcd"), "400 bytes"),
        (section(version=9), "version 9"),
        (struct.pack("<IIII", 0x0A0D0D0A, 28, 7, 1) + bytes(16), "byte-order magic"),
    ],
)
def test_damage_ends_the_reading_and_says_where(bad, word):
    good = section() + interface() + packet(b"one")
    seen, source = read(good + bad + packet(b"two"))
    assert [s.data for s in seen] == [b"one"]
    (problem,) = source.problems
    assert (problem.kind, problem.frame, problem.offset) == ("damaged", 1, len(good))
    assert word in problem.message
    assert not source.complete
    assert source.reader.advance() == 2


def test_a_section_alone_is_an_empty_capture():
    seen, source = read(section())
    assert (seen, source.problems, source.format, source.complete) == ([], [], "pcapng", True)


@ORDERS
def test_high_bits_everywhere(big):
    ns = 0x7FFF_FFFF_FFFF_FFFE
    seen, _ = read(pcapng([(ns, b"\xff" * 200)], big=big))
    assert (seen[0].ns, seen[0].data) == (ns, b"\xff" * 200)


@ORDERS
@pytest.mark.parametrize(
    ("value", "known"),
    [
        (b"\0tcp port 80", ["tcp port 80"]), (b"\0tcp port 80\0", ["tcp port 80"]), (b"\0", [None]), (b"", [None]),
        (b"\1\x28\0\0\0", [None]), (b"tcp", [None]), (b"\0\xff", ["�"]),
    ],
)  # fmt: skip
def test_the_filter_of_an_interface(big, value, known):
    _, source = read(section(big=big) + interface(big=big, filter_text=value) + packet(b"x", big=big))
    assert source.filters == known


def test_filters_of_several_interfaces_and_of_very_many():
    several = section() + interface(filter_text=b"\0udp") + interface() + interface(filter_text=b"\0udp")
    assert read(several + packet(b"x"))[1].filters == ["udp", None]
    many = section() + b"".join(interface(filter_text=b"\0port %d" % n) for n in range(100))
    filters = read(many + packet(b"x"))[1].filters
    assert len(filters) == 17
    assert filters[-1] is None
