"""Compressed captures: every codec, whole, in several members, cut, damaged, in a pipe, and expanding enormously."""

import bz2
import gzip
import lzma
import os
import random
import threading

import lz4.frame
import pytest
import zstandard
from support.captures import drain, pcap, pcap_header, pcap_record, read

from handshake_inspect.capture.codecs import CODECS
from handshake_inspect.capture.frames import NEED_MORE
from handshake_inspect.capture.source import open_source

FRAMES = [(1_000 * n, bytes([n]) * (n % 90)) for n in range(1, 200)]
WHOLE = pcap(FRAMES)
PACKERS = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "lz4": lz4.frame.compress,
}
MANY = [(1_000 * n, random.Random(n).randbytes(1_000)) for n in range(1, 4_000)]  # more than any codec has in a block
PADDED = {"gzip": bytes(100), "xz": bytes(100)}
SKIPPED = b"\x53\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"words"


def bytes_of(seen):
    return [(each.ns, each.data) for each in seen]


def test_every_codec_is_tested():
    assert list(PACKERS) == [codec.name for codec in CODECS]


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("block_size", [1, 100, 1 << 18])
def test_several_members_and_what_may_be_between_them(name, block_size):
    pack = PACKERS[name]
    between = SKIPPED if name in ("zstd", "lz4") else PADDED.get(name, b"")
    packed = pack(WHOLE[:1000]) + pack(b"") + between + pack(WHOLE[1000:]) + between
    seen, source = read(packed, block_size)
    assert bytes_of(seen) == FRAMES
    assert (source.problems, source.compression, source.format) == ([], name, "pcap")
    assert source.consumed == len(packed)


@pytest.mark.parametrize("name", PACKERS)
def test_more_than_a_block(name):
    seen, source = read(PACKERS[name](pcap(MANY)))
    assert bytes_of(seen) == MANY
    assert source.complete


@pytest.mark.parametrize("name", PACKERS)
def test_what_is_behind_the_data_is_not_ours(name):
    seen, source = read(PACKERS[name](WHOLE) + b"trailing words")
    assert bytes_of(seen) == FRAMES
    assert source.problems == []


@pytest.mark.parametrize("name", PACKERS)
def test_a_cut_file_yields_what_could_be_decompressed(name):
    packed = PACKERS[name](pcap(MANY))
    counts = []
    for tenths in (5, 9):
        seen, source = read(packed[: len(packed) * tenths // 10])
        (problem,) = source.problems
        assert (problem.kind, problem.frame, problem.offset) == ("cut", len(seen), 24 + 1016 * len(seen))
        assert problem.message.startswith(f"the {name} data ends early")
        assert bytes_of(seen) == MANY[: len(seen)]
        assert not source.complete
        counts.append(len(seen))
    assert len(MANY) // 5 < counts[0] < counts[1] < len(MANY)


@pytest.mark.parametrize("name", PACKERS)
def test_a_damaged_file_yields_what_is_before_the_damage(name):
    packed = bytearray(PACKERS[name](pcap(MANY)))
    middle = len(packed) * 6 // 10
    packed[middle : middle + 2_000] = b"\xff" * 2_000
    seen, source = read(bytes(packed))
    assert len(seen) > len(MANY) // 5
    assert bytes_of(seen)[: len(MANY) // 5] == MANY[: len(MANY) // 5]
    assert source.problems[-1].kind == "damaged"
    assert not source.complete


def test_a_wrong_checksum_costs_no_frame():
    packed = bytearray(gzip.compress(WHOLE))
    packed[-6] ^= 1
    seen, source = read(bytes(packed))
    assert bytes_of(seen) == FRAMES
    assert [problem.kind for problem in source.problems] == ["damaged"]
    assert not source.complete


def test_gzip_data_is_salvaged_to_the_byte():
    packed = gzip.compress(pcap([(1000 * n, os.urandom(100)) for n in range(1, 50)]))
    counts = set()
    for cut in range(200, len(packed), 101):
        seen, source = read(packed[:cut])
        assert source.problems[0].offset == 24 + 116 * len(seen)
        counts.add(len(seen))
    assert len(counts) > 30


@pytest.mark.parametrize("name", PACKERS)
def test_what_expands_enormously_is_never_held_whole(name):
    seen, source = read(PACKERS[name](pcap([(1000, b"x")]) + bytes(30_000_000)), 1 << 14)
    assert len(seen) == 1
    assert len(source.reader.buffer) == 1 << 14
    assert source.problems[0].kind == "damaged"


@pytest.mark.parametrize("pack", [bytes, *PACKERS.values()], ids=["plain", *PACKERS])
def test_frames_of_an_endless_pipe_come_as_they_arrive(pack):
    """The reader sees the first frame while the writer waits for that before it writes the second."""
    out, into = os.pipe()
    seen_first = threading.Event()
    first, second = pcap_header() + pcap_record(1000, b"first"), pcap_record(2000, b"second")
    shown = []

    def write():
        os.write(into, pack(first))
        shown.append(seen_first.wait(20))
        os.write(into, pack(second))
        os.close(into)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(out, "rb", buffering=0) as pipe:
        source = open_source(pipe)
        while source.reader.advance() == NEED_MORE:
            assert source.fill()
        assert source.reader.frames == 1
        seen_first.set()
        assert [each.data for each in drain(source)] == [b"second"]
    writer.join()
    assert shown == [True]
