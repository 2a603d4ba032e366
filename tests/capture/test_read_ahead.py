"""Reading ahead: a thread reads the blocks, and the frames are the same."""

import gzip
import io
import threading

import pytest
from support.captures import drain, pcap, pcapng, read

from handshake_inspect.capture import read_ahead
from handshake_inspect.capture.source import open_source

FRAMES = [(1_000_000 * at, bytes([at % 251]) * (40 + at * 7 % 900)) for at in range(1, 3000)]


def ahead_of(data, **more):
    """All frames of a capture, read ahead, and its source."""
    with open_source(io.BytesIO(data), **more) as source:
        source.read_ahead()
        return drain(source), source


@pytest.fixture(params=[(1 << 10, 1 << 8), (1 << 14, 1 << 11), (1 << 19, 1 << 16)], autouse=True)
def sizes(request, monkeypatch):
    """Blocks that hold a frame or two, some, or all; room before them for some of what is left, or for all."""
    block, head = request.param
    monkeypatch.setattr(read_ahead, "BLOCK", block)
    monkeypatch.setattr(read_ahead, "HEADROOM", head)


@pytest.mark.parametrize("make", [pcap, pcapng, lambda frames: gzip.compress(pcap(frames))])
def test_the_frames_are_the_same(make):
    data = make(FRAMES)
    seen, source = ahead_of(data)
    assert (seen, source.problems, source.consumed) == (read(data)[0], [], len(data))
    assert len(seen) == len(FRAMES)


@pytest.mark.parametrize("less", [1, 17, 5000])
def test_a_cut_is_reported_at_the_same_place(less):
    data = pcap(FRAMES)[:-less]
    assert ahead_of(data)[1].problems == read(data)[1].problems != []


def test_damage_is_reported_at_the_same_place():
    whole = pcap(FRAMES)
    data = whole[:9000] + b"\xff" * 40 + whole[9000:]
    seen, source = ahead_of(data)
    assert (seen, source.problems) == (read(data)[0], read(data)[1].problems)
    assert source.problems


def test_a_frame_longer_than_blocks():
    data = pcap([*FRAMES[:50], (10**9, b"long" * 60_000), *FRAMES[50:60]])
    assert ahead_of(data)[0] == read(data)[0]


def test_a_block_stays_until_the_next_one_is_requested():
    with open_source(io.BytesIO(pcap(FRAMES))) as source:
        source.read_ahead()
        while source.fill():
            reader = source.reader
            block = memoryview(reader.buffer)[reader.position : reader.limit]
            copy = bytes(block)
            while reader.advance():
                pass
            while source._ahead._thread.is_alive() and source._ahead._ready.qsize() < read_ahead.BLOCKS - 1:
                pass  # until the thread has filled all blocks it may
            assert bytes(block) == copy


def test_what_fails_in_the_thread_is_raised_where_the_block_is_asked_for():
    class Failing(io.RawIOBase):
        def readinto(self, view):
            raise MemoryError

    source = open_source(io.BytesIO(pcap(FRAMES)))
    source._stream._read = Failing().readinto
    source._stream._head = b""
    source.read_ahead()
    with source, pytest.raises(MemoryError):
        drain(source)


def test_the_thread_ends_with_the_source():
    before = threading.active_count()
    with open_source(io.BytesIO(pcap(FRAMES * 3))) as source:  # more than all blocks hold
        source.read_ahead()
        assert source.fill()
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    assert not source.fill()


def test_without_threads_nothing_changes(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with open_source(io.BytesIO(pcap(FRAMES))) as source:
        with pytest.raises(RuntimeError):
            source.read_ahead()
        assert len(drain(source)) == len(FRAMES)
