"""Many files: what is named, which of them follow each other, and how few are open."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.captures import (
    block,
    drain,
    interface,
    packet,
    pcap,
    pcapng,
    read_files,
    section,
    simple_packet,
    statistics,
)

from handshake_inspect.capture.path_patterns import DiscoveredPath, expand_inputs
from handshake_inspect.capture.sensor import TraceFile
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.errors import CaptureError

NS = 1_000_000_000
EPOCH = 1_700_000_000 * NS


def at(*seconds):
    """A classic capture with a frame for each of these times; a frame is its time."""
    return pcap([(EPOCH + s * NS, b"%d" % s) for s in seconds])


def write(directory, **captures):
    paths = [directory / f"{name.replace('__', '.')}" for name in captures]
    for path, data in zip(paths, captures.values(), strict=True):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return paths


def order(*paths):
    return [int(s.data) for s in read_files(*paths)[0]]


# --- what is named ----------------------------------------------------------------------------------------------------


def test_a_directory_is_what_is_in_it_and_below_it(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    for name, data in {"a10.pcap": at(4), "a9.pcap": at(1), "b/x": at(2), ".hidden": b"?", ".git/c": b"?"}.items():
        (tmp_path / name).write_bytes(data)
    assert expand_inputs([str(tmp_path)]) == [str(tmp_path / name) for name in ("a9.pcap", "a10.pcap", "b/x")]
    assert order(tmp_path) == [1, 2, 4]


def test_what_a_directory_holds_and_is_no_capture_is_left_out_and_reported(tmp_path):
    write(tmp_path, a__pcap=at(1), notes__txt=b"remember the milk", empty__pcap=b"")
    seen, trace = read_files(tmp_path)
    assert [s.data for s in seen] == [b"1"]
    (problem,) = trace.problems
    assert problem.kind == "left-out"
    assert "2 files are no captures" in problem.message
    assert "notes.txt" in problem.message
    assert trace.complete
    assert trace.names == [str(tmp_path / "a.pcap")]


def test_a_file_that_was_named_must_be_a_capture(tmp_path):
    paths = write(tmp_path, a__pcap=at(1), notes__txt=b"remember the milk")
    with pytest.raises(CaptureError, match=r"notes\.txt"):
        open_trace(paths)


def test_a_directory_without_captures_is_refused(tmp_path):
    with pytest.raises(CaptureError, match="without files"):
        open_trace([tmp_path])
    write(tmp_path, a__txt=b"some text", b__txt=b"more text")
    with pytest.raises(CaptureError, match="none of the 2 files is a capture"):
        open_trace([tmp_path])
    (tmp_path / "b.txt").unlink()
    with pytest.raises(CaptureError, match="text"):
        open_trace([tmp_path])


def test_a_pattern_that_no_shell_expanded(tmp_path):
    write(tmp_path, a1__pcap=at(1), a2__pcap=at(2), b__pcap=at(3))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a3.pcap").write_bytes(at(4))
    assert order(tmp_path / "a*.pcap") == [1, 2]
    assert order(str(tmp_path / "**" / "a?.pcap")) == [1, 2, 4]
    assert order(str(tmp_path / "s*")) == [4]
    with pytest.raises(CaptureError, match="none fits this pattern"):
        open_trace([str(tmp_path / "c*.pcap")])


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path):
    (path,) = write(tmp_path, **{"a[1].pcap": at(1)})
    assert expand_inputs([str(path)]) == [str(path)]
    assert order(str(path)) == [1]


def test_a_file_that_is_found_twice_is_read_once(tmp_path):
    (path,) = write(tmp_path, a__pcap=at(1))
    assert expand_inputs([str(tmp_path), str(path)]) == [str(path)]
    assert expand_inputs([str(path), str(path)]) == [str(path)] * 2  # as it was asked for


def test_pipes_in_a_directory_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "live")
    write(tmp_path, a__pcap=at(1))
    assert order(tmp_path) == [1]
    assert isinstance(expand_inputs([tmp_path])[0], DiscoveredPath)


# --- which follow each other ------------------------------------------------------------------------------------------


def sensors(*paths):
    with open_trace(paths) as trace:
        return [[file.name for file in sensor.files] for sensor in trace.sensors]


def names(*paths):
    return [str(path) for path in paths]


def test_the_files_of_a_ring_follow_each_other_whatever_their_order(tmp_path):
    a, b, c = write(tmp_path, cap__pcap2=at(1, 2), cap__pcap=at(5, 6), cap__pcap1=at(3, 4, 4))
    assert sensors(a, b, c) == sensors(c, b, a) == [names(a, c, b)]
    assert order(c, a, b) == [1, 2, 3, 4, 4, 5, 6]


def test_times_that_overlap_are_of_two_sensors(tmp_path):
    a, b = write(tmp_path, node1__pcap=at(1, 3), node2__pcap=at(2, 4))
    assert sensors(a, b) == [names(a), names(b)]
    assert order(a, b) == [1, 2, 3, 4]


def test_several_rings_at_once(tmp_path):
    a1, a2, b1, b2 = write(tmp_path, a1=at(1, 4), a2=at(5, 8), b1=at(2, 5), b2=at(6, 7))
    assert sensors(b2, a1, b1, a2) == [names(b1, b2), names(a1, a2)]
    assert order(b2, a1, b1, a2) == [1, 2, 4, 5, 5, 6, 7, 8]


def test_a_capture_stored_out_of_order_stays_in_its_order(tmp_path):
    parts = write(
        tmp_path,
        cut_00000_20260101000000__pcap=at(7, 1),
        cut_00001_20260101000000__pcap=at(9, 3),
        cut_00002_20260101000000__pcap=at(2),
    )
    assert order(*reversed(parts)) == [7, 1, 9, 3, 2]
    a, b = write(tmp_path, r1=at(1, 9, 5), r2=at(6, 7))
    assert order(b, a) == [1, 9, 5, 6, 7]


def test_numbers_with_a_gap_do_not_say_the_order(tmp_path):
    late, early = write(tmp_path, a_00001_20260101120000__pcap=at(50, 60), a_00005_20260101110000__pcap=at(1, 2))
    assert order(late, early) == [1, 2, 50, 60]


def test_other_containers_links_interfaces_and_folders_are_other_sensors(tmp_path):
    def on(name, second):
        return section() + interface(resolution=9, name=name) + packet(b"%d" % second, EPOCH + second * NS)

    a, b, c, d = write(
        tmp_path, x1=on("eth0", 1), x2=on("eth1", 2), x3=at(3), x4=pcap([(EPOCH + 4 * NS, b"4")], link_type=113)
    )
    (tmp_path / "y").mkdir()
    (e,) = write(tmp_path / "y", x5=at(5))
    assert sensors(a, b, c, d, e) == [names(each) for each in (a, b, c, d, e)]
    assert order(a, b, c, d, e) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("tail", [b"", statistics(ifdrop=1), statistics() + block(0x0BAD, b"\0" * 8)])
@pytest.mark.parametrize("big", [False, True])
def test_the_last_time_of_a_pcapng(tmp_path, big, tail):
    tail = tail if not big else b""
    (path,) = write(tmp_path, a=pcapng([(EPOCH, b"x"), (EPOCH + 5, b"y" * 70)], big=big) + tail)
    assert TraceFile(path, 1 << 16).last_ns == EPOCH + 5


@pytest.mark.parametrize("last", [b"", b"x", bytes(64), bytes(1500), b"y" * 65_000, b"\xff" * 60])
@pytest.mark.parametrize("how", [{}, {"big": True}, {"nano": True}, {"big": True, "nano": True}])
def test_the_last_time_of_a_pcap(tmp_path, how, last):
    (path,) = write(tmp_path, a=pcap([(EPOCH, b"x" * 60), (EPOCH + 2000, last)], **how))
    assert TraceFile(path, 1 << 16).last_ns == EPOCH + 2000


@pytest.mark.parametrize("end", [b"\0" * 4096, b"cut"])
def test_a_last_time_that_cannot_be_found_is_not_guessed(tmp_path, end):
    (path,) = write(tmp_path, a=at(1, 2) + end)
    assert TraceFile(path, 1 << 16).last_ns is None


@given(st.binary(max_size=200), st.booleans())
def test_looking_at_any_bytes_is_no_error(tmp_path_factory, data, classic):
    (path,) = write(tmp_path_factory.mktemp("look"), a=(at(1, 2) if classic else pcapng([(EPOCH, b"x")])) + data)
    file = TraceFile(path, 1 << 16)
    assert file.first_ns is not None


# --- how they are read ------------------------------------------------------------------------------------------------


def opened():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("rings", [1, 3])
def test_few_files_are_open_at_a_time(tmp_path, rings):
    parts = {f"s{chr(97 + ring)}_{n}": at(10 * n + ring, 10 * n + 9) for n in range(40) for ring in range(rings)}
    paths = write(tmp_path, **parts)
    before = opened()
    most = 0
    with open_trace(paths) as trace:
        assert opened() == before
        while trace.fill():
            most = max(most, opened())
            while trace.reader.advance() == 1:
                pass
        assert opened() == before
    assert most - before <= 2 * rings


def test_records_that_use_a_number_also_do_so_in_many_files(tmp_path):
    event = block(0x0009, b"\0" * 8)
    head = section() + interface(resolution=9)
    parts = [head + packet(b"1", 10) + event, head + event + packet(b"2", 20) + event, head + packet(b"3", 30)]
    whole = head + b"".join(part[len(head) :] for part in parts)
    (one,) = write(tmp_path, one=whole)
    ring = write(tmp_path, **{f"r{n}": part for n, part in enumerate(parts)})
    apart = write(tmp_path, **{f"{name}__pcapng": part for name, part in zip("abc", parts, strict=True)})
    numbers = [s.number for s in read_files(one)[0]]
    assert numbers == [1, 4, 6]
    assert [s.number for s in read_files(*ring)[0]] == numbers
    assert [s.number for s in read_files(*apart)[0]] == numbers


def test_frames_without_time_have_that_of_the_frame_before_in_the_file_before(tmp_path):
    head = section() + interface(resolution=9)
    a, b = write(
        tmp_path,
        a_00001_20260101000000=head + packet(b"1", EPOCH),
        a_00002_20260101000000=head + simple_packet(b"2") + packet(b"3", EPOCH + 9),
    )
    with open_trace([a, b]) as trace:
        times = []
        while trace.fill():
            while trace.reader.advance() == 1:
                times.append(trace.reader.ts_ns)
    assert times == [EPOCH, EPOCH, EPOCH + 9]


def test_problems_count_frames_as_the_file_does(tmp_path):
    parts = write(tmp_path, r1=at(1, 2, 3), r2=at(4, 5)[:-1], r3=at(6))
    seen, trace = read_files(*parts)
    assert [s.number for s in seen] == [1, 2, 3, 4, 5]
    (problem,) = trace.problems
    assert (problem.kind, problem.frame) == ("cut", 1)
    assert "after frame 1," in problem.message


@given(st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=5), min_size=2, max_size=30), st.data())
def test_many_sensors_merge_like_a_stable_sort(tmp_path_factory, times, data):
    """A heap chooses: whatever overlaps, it is all frames sorted by time, ties in the order of the arguments."""
    tmp_path = tmp_path_factory.mktemp("heap")
    captures = {
        f"{chr(97 + i)}": [(EPOCH + t, b"%d.%d" % (i, n)) for n, t in enumerate(sorted(one))]
        for i, one in enumerate(times)
    }
    paths = write(tmp_path, **{f"{name}x": pcap(frames, nano=True) for name, frames in captures.items()})
    seen, _ = read_files(*paths, block_size=data.draw(st.integers(1, 100)))
    frames = [frame for one in captures.values() for frame in one]
    assert [s.data for s in seen] == [frame for _, frame in sorted(frames, key=lambda frame: frame[0])]


def numbers_alone(path):
    return {s.number: s.data for s in read_files(path)[0]}


@given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8), min_size=2, max_size=8), st.booleans())
def test_every_number_leads_back_to_its_file(tmp_path_factory, times, rings):
    """Whatever overlaps, the place of a number has the frame that was given with it."""
    tmp_path = tmp_path_factory.mktemp("places")
    event = block(0x0009, b"\0" * 8)
    paths = []
    for i, one in enumerate(times):
        path = tmp_path / (f"ring_{i:05d}_20260101000000" if rings else f"{chr(97 + i)}x")
        frames = b"".join(packet(b"%d.%d" % (i, n), EPOCH + t) + event * (t % 3 == 0) for n, t in enumerate(one))
        path.write_bytes(section() + interface(resolution=9) + frames)
        paths.append(path)
    seen, trace = read_files(*reversed(paths))
    files, numbers = trace.frame_locator.of(np.array([s.number for s in seen]))
    for frame, file, number in zip(seen, files.tolist(), numbers.tolist(), strict=True):
        assert numbers_alone(trace.names[file])[number] == frame.data


def test_the_numbers_of_many_pages_lead_back(tmp_path):
    a, b = write(tmp_path, a=at(*range(20_000)), b=at(*range(1, 30_000, 3)))
    seen, trace = read_files(a, b)
    files, numbers = trace.frame_locator.of(np.array([s.number for s in seen]))
    assert [s.data for s in seen] == [
        (b"%d" % (n - 1) if not f else b"%d" % (3 * n - 2))
        for f, n in zip(files.tolist(), numbers.tolist(), strict=True)
    ]


def test_what_is_piped_in_is_merged_as_it_comes(tmp_path):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stream:
        stream.write(at(2, 4))
    (path,) = write(tmp_path, a=at(1, 3))
    with os.fdopen(reading, "rb", buffering=0) as pipe, open_trace([pipe, path]) as trace:
        assert [int(s.data) for s in drain(trace)] == [1, 2, 3, 4]
        assert trace.size is None
