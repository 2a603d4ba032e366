"""Several captures as one trace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.captures import (
    drain,
    interface,
    packet,
    pcap,
    pcap_header,
    pcapng,
    read_files,
    section,
    simple_packet,
    statistics,
)

from handshake_inspect.capture.source import Source
from handshake_inspect.capture.trace import MergedSource, open_trace
from handshake_inspect.errors import CaptureError


def files(tmp_path, *captures):
    paths = [tmp_path / f"{index}.cap" for index in range(len(captures))]
    for path, data in zip(paths, captures, strict=True):
        path.write_bytes(data)
    return paths


def test_one_capture_is_not_merged(tmp_path):
    with open_trace(files(tmp_path, pcap([]))) as trace:
        assert isinstance(trace, Source)


def test_rotated_files_follow_each_other_in_whatever_order_they_are_named(tmp_path):
    parts = [pcap([(1000 * n, bytes([n])) for n in range(start, start + 10)]) for start in (21, 1, 11)]
    seen, trace = read_files(*files(tmp_path, *parts), block_size=64)
    assert [s.data[0] for s in seen] == list(range(1, 31))
    assert [s.number for s in seen] == list(range(1, 31))
    assert trace.complete
    assert isinstance(trace, MergedSource)


def test_equal_times_keep_the_order_of_the_arguments(tmp_path):
    captures = [pcap([(1000, name), (1000, name + b"2"), (2000, name + b"3")]) for name in (b"a", b"b", b"c")]
    seen, _ = read_files(*files(tmp_path, *captures))
    assert [s.data for s in seen] == [b"a", b"a2", b"b", b"b2", b"c", b"c2", b"a3", b"b3", b"c3"]


def test_containers_and_link_types_mix(tmp_path):
    other = section() + interface(link_type=113, resolution=9) + packet(b"b", 1500) + statistics(ifdrop=4)
    seen, trace = read_files(*files(tmp_path, pcap([(1000, b"a"), (2000, b"c")]), other))
    assert [(s.data, s.link_type, s.ns) for s in seen] == [(b"a", 1, 1000), (b"b", 113, 1500), (b"c", 1, 2000)]
    assert trace.link_types == [1, 113]
    assert trace.format == "pcap, pcapng"
    assert trace.dropped == 4
    assert trace.size == trace.consumed > 0
    assert trace.name == ", ".join(trace.names)
    assert trace.compression is None


def test_frames_without_time_stay_behind_the_frame_before(tmp_path):
    timeless = section() + interface(resolution=9) + packet(b"p", 5) + simple_packet(b"q") + packet(b"r", 9)
    seen, _ = read_files(*files(tmp_path, pcap([(1000, b"z")]), timeless))
    assert [(s.data, s.ns) for s in seen] == [(b"p", 5), (b"q", None), (b"r", 9), (b"z", 1000)]


def test_a_file_that_goes_back_in_time_is_taken_as_it_is(tmp_path):
    seen, _ = read_files(*files(tmp_path, pcap([(3000, b"x"), (1000, b"y")]), pcap([(2000, b"m"), (4000, b"n")])))
    assert [s.data for s in seen] == [b"m", b"x", b"y", b"n"]


def test_empty_captures_do_not_matter(tmp_path):
    seen, trace = read_files(*files(tmp_path, pcap_header(), pcap([(1000, b"a")]), section()))
    assert [s.data for s in seen] == [b"a"]
    assert trace.complete
    assert trace.dropped is None
    assert read_files(*files(tmp_path, pcap_header(), section()))[0] == []


def test_a_cut_file_ends_alone_and_is_named(tmp_path):
    cut = pcap([(1000, b"a"), (3000, b"c")])[:-1]
    damaged = pcap([(1500, b"b")]) + b"\xff" * 30
    paths = files(tmp_path, cut, pcap([(2000, b"x"), (4000, b"y")]), damaged)
    seen, trace = read_files(*paths)
    assert [s.data for s in seen] == [b"a", b"b", b"x", b"y"]
    assert [(p.kind, p.frame) for p in trace.problems] == [("cut", 1), ("damaged", 1)]
    assert trace.problems[0].message.startswith(f"{paths[0]}: ")
    assert not trace.complete


def test_nothing_comes_after_the_end(tmp_path):
    with open_trace(files(tmp_path, pcap([(1000, b"a")]), pcap([]))) as trace:
        drain(trace)
        assert not trace.fill()
        assert drain(trace) == []


def test_one_that_cannot_be_read_refuses_all(tmp_path):
    good, bad = files(tmp_path, pcap([]), b"not a capture")
    with pytest.raises(CaptureError, match=r"1\.cap: "):
        open_trace([good, bad])


def test_no_capture_at_all_and_standard_input_twice():
    with pytest.raises(CaptureError, match="no capture given"):
        open_trace([])
    with pytest.raises(CaptureError, match="twice"):
        open_trace(["-", "a.pcap", "-"])


@given(st.lists(st.lists(st.integers(0, 30), max_size=8), min_size=2, max_size=6), st.integers(1, 80))
def test_sorted_captures_merge_like_a_stable_sort(tmp_path_factory, times, block_size):
    """Whatever overlaps, the merge is all frames sorted by time, ties in order of the arguments."""
    tmp_path = tmp_path_factory.mktemp("merge")
    captures = [[(ns, bytes([index, at])) for at, ns in enumerate(sorted(one))] for index, one in enumerate(times)]
    seen, _ = read_files(*files(tmp_path, *map(pcapng, captures)), block_size=block_size)
    together = [frame for one in captures for frame in one]
    assert [(s.ns, s.data) for s in seen] == sorted(together, key=lambda frame: frame[0])
    assert [s.number for s in seen] == list(range(1, len(together) + 1))
