"""Classic pcap, in all its dialects."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.captures import pcap, pcap_header, pcap_record, pcapng, read

DIALECTS = [
    {"big": big, "nano": nano, "modified": modified}
    for big in (False, True)
    for nano, modified in ((False, False), (True, False), (False, True))
]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_frames(dialect):
    frames = [(1_700_000_000_123_456_000, b"one"), (1_700_000_001_000_001_000, b"\xff" * 70_000), (2_000, b"")]
    seen, source = read(pcap(frames, **dialect))
    assert [(s.ns, s.data) for s in seen] == frames
    assert [s.number for s in seen] == [1, 2, 3]
    assert source.format == "pcap"
    assert source.link_types == [1]
    assert source.problems == []
    assert source.complete
    assert source.dropped is None


@pytest.mark.parametrize("big", [False, True])
def test_nanoseconds_are_exact_to_the_end_of_the_32_bit_second(big):
    ns = 0xFFFF_FFFF * 1_000_000_000 + 999_999_999
    seen, _ = read(pcap([(ns, b"x")], big=big, nano=True))
    assert seen[0].ns == ns


@pytest.mark.parametrize("big", [False, True])
def test_microseconds_with_the_high_bit_set(big):
    seen, _ = read(pcap([(0x8000_0001 * 1_000_000_000 + 999_999_000, b"x")], big=big))
    assert seen[0].ns == 0x8000_0001 * 1_000_000_000 + 999_999_000


def test_snapped_frame_keeps_its_length_on_the_wire():
    seen, _ = read(pcap_header(snap_len=4) + pcap_record(1000, b"abcd", wire_len=1500))
    assert (seen[0].data, seen[0].wire_len) == (b"abcd", 1500)


@pytest.mark.parametrize(
    ("wire_len", "left"), [(10, b"abcdef"), (12, b"abcdefgh"), (13, b"abcdefghi"), (90, b"abcdefghij")]
)
def test_the_frame_check_sequence_is_taken_off_as_far_as_it_was_captured(wire_len, left):
    seen, _ = read(pcap_header(fcs=4) + pcap_record(1000, b"abcdefghij", wire_len=wire_len))
    assert (seen[0].data, seen[0].wire_len) == (left, wire_len - 4)


def test_upper_bits_of_the_network_field_are_not_the_link_type():
    header = bytearray(pcap_header())
    header[20:24] = struct.pack("<I", 0x2400_0071)
    seen, source = read(bytes(header) + pcap_record(1000, b"abcdefgh"))
    assert source.link_types == [0x71]
    assert seen[0].data == b"abcd"


def test_a_length_on_the_wire_below_what_was_captured_is_raised_to_it():
    seen, _ = read(pcap_header() + pcap_record(1000, b"abcd", wire_len=0))
    assert seen[0].wire_len == 4


def test_frames_somewhat_above_the_snap_length_are_accepted():
    seen, source = read(pcap([(1000, b"x" * 200)], snap_len=96))
    assert len(seen[0].data) == 200
    assert source.problems == []


@pytest.mark.parametrize(("snap_len", "problems"), [(0, []), (262_145, []), (65_535, ["damaged"])])
def test_a_frame_is_as_long_as_the_snap_length_allows_and_0_allows_all(snap_len, problems):
    """libpcap takes 262,144 bytes whatever the snap length, and more only where it says so."""
    seen, source = read(pcap([(1000, b"x" * 262_145)], snap_len=snap_len))
    assert [problem.kind for problem in source.problems] == problems
    assert [len(frame.data) for frame in seen] == ([] if problems else [262_145])


@pytest.mark.parametrize("snap_len", [96, 0, 0xFFFF_FFFF])
def test_a_length_that_cannot_be_ends_the_reading_with_a_problem(snap_len):
    good = pcap([(1000, b"one")], snap_len=snap_len)
    seen, source = read(good + struct.pack("<IIII", 1, 0, 0xF000_0000, 60) + b"x" * 600)
    assert [s.data for s in seen] == [b"one"]
    (problem,) = source.problems
    assert (problem.kind, problem.frame, problem.offset) == ("damaged", 1, len(good))
    assert not source.complete


def test_zeros_behind_the_last_record_are_not_frames():
    good = pcap([(1000, b"one")])
    seen, source = read(good + bytes(4096))
    assert len(seen) == 1
    assert (source.problems[0].kind, source.problems[0].offset) == ("damaged", len(good))


def test_a_fraction_above_a_second_is_reported_once_and_added():
    bad = struct.pack("<IIII", 10, 1_000_000, 1, 1) + b"x"
    seen, source = read(pcap_header() + bad + bad)
    assert [s.ns for s in seen] == [11_000_000_000] * 2
    (problem,) = source.problems
    assert (problem.kind, problem.frame, problem.offset) == ("damaged", 1, 24)
    assert source.reader.bad_timestamps == 2


def test_a_header_alone_is_an_empty_capture():
    seen, source = read(pcap_header())
    assert (seen, source.problems, source.complete, source.link_types) == ([], [], True, [1])


@given(st.lists(st.tuples(st.integers(1, 2**31).map(lambda us: us * 1000), st.binary(max_size=40)), max_size=8))
def test_what_was_written_is_read(frames):
    seen, _ = read(pcap(frames, nano=True))
    assert [(s.ns, s.data) for s in seen] == frames


# -- files joined with cat ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", DIALECTS)
@pytest.mark.parametrize("second", DIALECTS)
@pytest.mark.parametrize("block_size", [1, 30, 1 << 16])
def test_a_file_header_begins_the_next_file(first, second, block_size):
    one = [(1_700_000_000_123_456_000, b"one"), (1_700_000_001_000_001_000, b"two")]
    other = [(1_700_000_100_123_456_000, b"three"), (2_000, b"")]
    seen, source = read(pcap(one, **first) + pcap(other, link_type=101, fcs=4, **second), block_size)
    assert [s.ns for s in seen] == [ns for ns, _ in [*one, *other]]
    assert [s.data for s in seen] == [b"one", b"two", b"t", b""]
    assert [s.number for s in seen] == [1, 2, 3, 4]
    assert [s.link_type for s in seen] == [1, 1, 101, 101]
    assert source.link_types == [1, 101]
    assert source.complete
    assert source.problems == []


def test_many_empty_files_in_a_row():
    seen, source = read(pcap([]) * 3000 + pcap([(5_000, b"x")]))
    assert [(s.ns, s.number) for s in seen] == [(5_000, 1)]
    assert source.complete


def test_the_next_file_may_be_cut_in_its_header():
    seen, source = read(pcap([(5_000, b"x")]) + pcap_header()[:20])
    assert [s.data for s in seen] == [b"x"]
    assert [problem.kind for problem in source.problems] == ["cut"]


@pytest.mark.parametrize(
    "ns", [0xA1B2C3D4 * 10**9, 0x4D3CB2A1 * 10**9 + 123_000, 0x0000_B2A1 * 10**9, 0xA1B2_0000 * 10**9 + 2_000]
)
@pytest.mark.parametrize("big", [False, True])
def test_times_that_look_like_a_magic_are_times(ns, big):
    seen, _ = read(pcap([(ns, b"x"), (ns, b"")], big=big))
    assert [(s.ns, s.data) for s in seen] == [(ns, b"x"), (ns, b"")]


def test_a_capture_of_the_other_kind_after_it_is_reported():
    seen, source = read(pcap([(5_000, b"x")]) + pcapng([(6_000, b"y")]))
    assert [s.data for s in seen] == [b"x"]
    assert "pcapng capture begins" in source.problems[0].message
    seen, source = read(pcapng([(6_000, b"y")]) + pcap([(5_000, b"x")]))
    assert [s.data for s in seen] == [b"y"]
    assert "pcap capture begins" in source.problems[0].message
