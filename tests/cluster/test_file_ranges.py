"""Stretches of a large file give the report of one pass, wherever it is cut and whatever the guesses."""

import gzip
import itertools
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.captures import block, interface, packet, pcap, section, simple_packet, statistics
from support.parts import HEADER, check, named, syns
from support.samples import DIRECTORY, SAMPLES
from support.servers import Handler, http_server
from support.wire import MS, SECOND, START

from handshake_inspect.capture import sensor
from handshake_inspect.cluster import parts
from handshake_inspect.cluster.analysis import InlineRunner
from handshake_inspect.cluster.parts import Sizes

JOURNAL = block(9, b"x" * 4)


class Counting(InlineRunner):
    """Counts scans of parts."""

    def __init__(self):
        self.scans = 0

    def submit(self, stage, function, *given):
        self.scans += function.__name__ == "scan"
        return super().submit(stage, function, *given)


@pytest.mark.wide_table
@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_sample_in_ranges(name):
    path = DIRECTORY / f"{name}.pcap"
    runner = Counting()
    check([path], runner, Sizes(0, path.stat().st_size // 3 + 1))
    assert runner.scans == 3 or path.stat().st_size < 10_000


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(SAMPLES)), bounds=st.lists(st.integers(1, 1 << 16), max_size=8), data=st.data())
def test_ranges_and_guesses_of_any_size(tmp_path_factory, name, bounds, data):
    """Even if ranges are smaller than records, and guesses are wrong."""
    path = DIRECTORY / f"{name}.pcap"
    size = path.stat().st_size
    places = [0, *sorted({bound % size or 1 for bound in bounds}), None]

    def in_ranges(part, *_):
        for begin, stop in itertools.pairwise(places):
            yield replace(part, file_range=parts.FileRange(begin, stop))

    def border(source, file_range):
        guess = plain(source, file_range)
        return data.draw(st.sampled_from([guess, guess, guess + 1, file_range.begin]))

    plain = sensor._find_boundary
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(parts, "_in_ranges", in_ranges)
        patched.setattr(sensor, "_find_boundary", border)
        check([path])


def test_payloads_that_contain_a_capture(tmp_path, monkeypatch):
    """A chain of records inside a frame is not a record boundary: the range is read again."""
    inner = pcap(syns(30), nano=True)[HEADER:]
    path = tmp_path / "nested.pcap"
    path.write_bytes(pcap([*syns(5), (START + SECOND, b"\0" * 14 + inner), *syns(5, START + 2 * SECOND)], nano=True))
    runner = Counting()
    check([path], runner, Sizes(0, path.stat().st_size // 2))
    assert runner.scans == 3  # of two ranges
    monkeypatch.setattr("handshake_inspect.cluster.file_ranges._is_wrong", lambda *_: False)
    with pytest.raises(AssertionError):
        check([path], runner, Sizes(0, path.stat().st_size // 2))


def sizes_of(path):
    return [Sizes(0, most) for most in (60, 100, 170, 400, path.stat().st_size // 2 + 1)]


def stretches_of(path, content):
    path.write_bytes(content)
    for sizes in sizes_of(path):
        check([path], sizes=sizes)
    return path


def pcapng(*blocks):
    return b"".join([section(), interface(resolution=9), *blocks])


def test_pcapng_metadata_between_packets(tmp_path):
    """Sections with other interfaces or byte order, several statistics blocks, and drop counts of packets."""
    shown = [packet(frame, ns) for ns, frame in syns(12)]
    more = interface(resolution=6, filter_text=b"\0tcp")
    content = b"".join(
        [
            pcapng(*shown[:3], statistics(ifdrop=3, usrdeliv=3), JOURNAL, more, *shown[3:5]),
            section(big=True),
            interface(resolution=9, big=True, filter_text=b"\0udp"),
            *(packet(frame, ns, big=True) for ns, frame in syns(3, START + SECOND)),
            statistics(ifdrop=4, big=True, usrdeliv=3, end=START + 9 * SECOND),
            pcapng(*shown[5:], JOURNAL, statistics(ifdrop=1, end=START + 5 * SECOND, usrdeliv=7)),
        ]
    )  # fmt: skip
    stretches_of(tmp_path / "said.pcapng", content)


def test_frames_without_a_timestamp(tmp_path):
    """The first one of a range inherits the time of the previous frame, and is ranked by it."""
    taken = syns(6)
    blocks = []
    for ns, frame in taken:
        blocks += [packet(frame, ns), simple_packet(frame), simple_packet(frame)]
    path = stretches_of(tmp_path / "bare.pcapng", pcapng(*blocks))
    other = tmp_path / "other.pcap"
    other.write_bytes(pcap([(ns + MS // 2, frame) for ns, frame in syns(6)], nano=True))
    for sizes in sizes_of(path):
        check([path, other], sizes=sizes)


@pytest.mark.parametrize("behind", [b"", b"\xff" * 40, b"\0" * 64])
def test_damage_and_truncation_in_a_stretch(tmp_path, behind):
    """As in one pass, nothing after damage is read, except further files."""
    content = pcap(syns(9), nano=True)
    ends = len(pcap(syns(4), nano=True))
    path = stretches_of(tmp_path / "damaged.pcap", content[:ends] + behind + content[ends:-3])
    other = named(tmp_path, 1)
    other.write_bytes(pcap(syns(9, START + SECOND), nano=True))
    for sizes in sizes_of(path):
        check([path, other], sizes=sizes)


def test_concatenated_files(tmp_path):
    """Byte order and resolution change at some offset."""
    content = pcap(syns(5), nano=True) + pcap(syns(5, START + SECOND), big=True) + pcap(syns(5, START + 2 * SECOND))
    stretches_of(tmp_path / "joined.pcap", content)


def test_impossible_timestamps_are_reported_once(tmp_path):
    record = bytearray(pcap(syns(1))[HEADER:])
    record[4:8] = b"\xff" * 4
    content = pcap(syns(3)) + bytes(record) * 3 + pcap(syns(2, START + SECOND))[HEADER:] + bytes(record)
    found = check([stretches_of(tmp_path / "odd.pcap", content)])
    assert found.count(b"fraction is a second or more") == 1


def test_compressed_files_are_one_part(tmp_path):
    path = tmp_path / "packed.pcap.gz"
    path.write_bytes(gzip.compress(pcap(syns(50), nano=True)))
    runner = Counting()
    check([path], runner, Sizes(0, 100))
    assert runner.scans == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_files_on_an_http_server_are_one_part(ranges):
    """The server may not support range requests."""
    pytest.importorskip("aiohttp")
    content = pcap(syns(50), nano=True)
    served = type("Served", (Handler,), {"files": {"/large.pcap": content}, "ranges": ranges})
    runner = Counting()
    with http_server(served) as base:
        check([f"{base}/large.pcap"], runner, Sizes(0, len(content) // 2 + 1))
    assert runner.scans == 1
