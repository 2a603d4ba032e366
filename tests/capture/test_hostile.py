"""Captures that are cut anywhere, fed in any portion, or damaged on purpose."""

import contextlib
import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.captures import (
    block,
    interface,
    old_packet,
    packet,
    pcap,
    pcap_header,
    pcapng,
    read,
    section,
    simple_packet,
    statistics,
)

from handshake_inspect.capture.frames import DAMAGED, FRAME
from handshake_inspect.capture.pcap import PcapReader
from handshake_inspect.capture.pcapng import PcapngReader
from handshake_inspect.errors import CaptureError

frames = st.lists(st.tuples(st.integers(1, 2**40).map(lambda us: us * 1000), st.binary(max_size=60)), max_size=6)


def mixed(big):
    """One block of each kind that the reader knows, in the order given."""
    return [
        section(big=big),
        interface(big=big, resolution=9, name="eth0"),
        packet(b"first frame", 1, big=big),
        block(4, bytes(40), big=big),
        simple_packet(b"second", big=big),
        block(0x0BAD, bytes(40), big=big),
        statistics(big=big, ifdrop=3),
        old_packet(b"fourth", 2, big=big),
        section(big=not big),
        interface(big=not big),
        packet(b"fifth", 3, big=not big),
    ]


captures = st.one_of(
    st.builds(pcap, frames, big=st.booleans(), nano=st.booleans(), modified=st.just(False)),
    st.builds(pcapng, frames, big=st.booleans()),
    st.booleans().map(lambda big: b"".join(mixed(big))),
)


def story(data, block_size):
    seen, source = read(data, block_size)
    return seen, source.problems, source.complete, source.dropped, source.link_types


@given(captures, st.integers(1, 300), st.booleans())
def test_the_size_of_blocks_changes_nothing(data, block_size, packed):
    if packed:
        data = gzip.compress(data, mtime=0)
    assert story(data, block_size) == story(data, 1) == story(data, 1 << 18)


@pytest.mark.parametrize("block_size", [1, 1 << 16])
@pytest.mark.parametrize("dialect", [{}, {"big": True}, {"nano": True}, {"modified": True}])
def test_pcap_cut_at_every_byte(block_size, dialect):
    written = [(1000, b"one"), (2000, b""), (3000, b"three")]
    data = pcap(written, **dialect)
    ends = [len(pcap(written[:count], **dialect)) for count in range(4)]
    for cut in range(ends[0], len(data)):
        seen, source = read(data[:cut], block_size)
        whole = sum(1 for end in ends[1:] if end <= cut)
        assert [s.data for s in seen] == [frame for _, frame in written[:whole]]
        if cut in ends:
            assert source.problems == []
            continue
        (problem,) = source.problems
        start = max((end for end in ends if end <= cut), default=0)
        assert (problem.kind, problem.frame, problem.offset) == ("cut", whole, start)
        assert f"byte {start}" in problem.message
        assert not source.complete


@pytest.mark.parametrize("block_size", [1, 1 << 16])
@pytest.mark.parametrize("big", [False, True])
def test_pcapng_cut_at_every_byte(block_size, big):
    blocks = mixed(big)
    data = b"".join(blocks)
    ends = [sum(map(len, blocks[:count])) for count in range(len(blocks) + 1)]
    numbered = [0, 0, 0, 1, 1, 2, 3, 3, 4, 4, 4, 5]  # frame numbers used up by so many blocks
    for cut in range(ends[1], len(data)):
        seen, source = read(data[:cut], block_size)
        whole = max(count for count, end in enumerate(ends) if end <= cut)
        assert [s.number for s in seen] == [n for n in (1, 2, 4, 5) if n <= numbered[whole]]
        if cut in ends:
            assert source.problems == []
            continue
        (problem,) = source.problems
        assert (problem.kind, problem.frame, problem.offset) == ("cut", numbered[whole], ends[whole])
        assert not source.complete


@given(st.binary(max_size=200), st.sampled_from([1, 64, 1 << 16]))
def test_random_bytes(data, block_size):
    with contextlib.suppress(CaptureError):
        seen, _ = read(data, block_size)
        assert len(seen) <= len(data) // 12


@given(st.binary(max_size=300), st.booleans(), st.sampled_from([b"", section(), section() + interface()]))
def test_random_bytes_behind_a_good_beginning(data, packed, beginning):
    data = (beginning or pcap_header()) + data
    seen, source = read(gzip.compress(data) if packed else data)
    assert len(seen) <= len(data) // 12
    for problem in source.problems:
        assert 0 <= problem.offset <= len(data)
        assert problem.frame <= source.reader.frames + 1


def feed_exactly(reader, data, portion):
    """Feed what is there and not a byte more, so that the pure build finds any read behind the end."""
    end = min(portion, len(data))
    reader.feed(data[:end], 0, end, 0)
    frames = 0
    while True:
        outcome = reader.advance()
        if outcome == FRAME:
            frames += 1
            assert 0 <= reader.frame_start <= reader.frame_end <= reader.limit
        elif outcome == DAMAGED or end == len(data):
            return frames
        else:
            start = reader.offset + reader.position
            end = min(end + portion, len(data))
            reader.feed(data[start:end], 0, end - start, start)


@settings(max_examples=300)
@given(captures, st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6), st.integers(1, 90))
def test_no_reader_looks_behind_what_it_was_fed(data, changes, portion):
    changed = bytearray(data)
    for at, byte in changes:
        changed[at % len(changed)] = byte
    for reader in (PcapReader(), PcapngReader()):
        frames = feed_exactly(reader, bytes(changed), portion)
        assert frames == reader.frames - reader.events


@settings(max_examples=300)
@given(captures, st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6), st.booleans())
def test_mutated_captures(data, changes, packed):
    if packed:
        data = gzip.compress(data, mtime=0)
    changed = bytearray(data)
    for at, byte in changes:
        changed[at % len(changed)] = byte
    try:
        seen, source = read(bytes(changed), 512)
    except CaptureError:
        return
    for one in seen:
        assert len(one.data) <= one.wire_len
    assert source.complete or source.problems
