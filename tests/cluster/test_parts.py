"""A trace analysed in parts gives the report of one pass, byte for byte, whatever it holds and however it is cut."""

import itertools
import json
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import captures, frames, quic
from support.captures import block, interface, packet, pcap, section, simple_packet, statistics
from support.dns import CLIENT as DNS_CLIENT
from support.dns import Talk
from support.parts import APART, HEADER, SENSORS, check, cut, dealt, each_apart, named, syns
from support.samples import DIRECTORY, SAMPLES
from support.wire import MS, SECOND, START, Wire

from handshake_inspect.cluster import analysis, sharing, tracking
from handshake_inspect.cluster.analysis import InlineRunner, analyze
from handshake_inspect.cluster.parts import Sizes
from handshake_inspect.cluster.scanning import PATH
from handshake_inspect.errors import CaptureError

CLIENT, SERVER = ("192.0.2.1", 40000), ("198.51.100.2", 80)


class Sharded(InlineRunner):
    """Use several shards, as with several workers."""

    shards = 3


@pytest.mark.wide_table
@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_sample_in_three_parts(name, tmp_path):
    content = (DIRECTORY / f"{name}.pcap").read_bytes()
    count = len(captures.records(content)) - 1
    check(cut(content, [count // 3, 2 * count // 3], tmp_path))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(SAMPLES)),
    sensors=st.integers(1, 3),
    seed=st.integers(0, 1 << 16),
    places=st.lists(st.integers(0, 1 << 20), max_size=8),
    sizes=st.sampled_from([APART, APART, Sizes(4000), Sizes(0, 700)]),
    runner=st.sampled_from([InlineRunner(), Sharded()]),
)
def test_parts_of_several_sensors(tmp_path_factory, name, sensors, seed, places, sizes, runner):
    content = (DIRECTORY / f"{name}.pcap").read_bytes()
    directory, random = tmp_path_factory.mktemp("parts"), Random(seed)
    paths = [
        path
        for sensor, part in zip(SENSORS, dealt(content, sensors, random), strict=False)
        for path in cut(part, places, directory, sensor)
    ]
    random.shuffle(paths)
    check(paths, runner, sizes)


def test_a_single_file_is_a_part(tmp_path):
    path = tmp_path / "cut.pcap"
    path.write_bytes((DIRECTORY / "healthy-burst.pcap").read_bytes()[:-3])
    assert b'"cut"' in check([path])


# -- what is known beyond one 4-tuple ----------------------------------------------------------------------------------


def spoiled(taken):
    """Return the same segments with bad checksums."""
    return [(ns, frame[:50] + bytes([frame[50] ^ 0x5A]) + frame[51:]) for ns, frame in taken]


def test_a_bad_checksum_is_judged_by_a_good_one_in_another_part(tmp_path, monkeypatch):
    """A connection has good checksums in one file, another between the same hosts bad ones in the next."""
    right = Wire(client=("192.0.2.77", 3999)).handshake().frames()
    wrong = spoiled(Wire(client=("192.0.2.77", 4000), start=START + SECOND).handshake().frames())
    paths = []
    for number, taken in enumerate((right, wrong)):
        paths.append(named(tmp_path, number))
        paths[-1].write_bytes(pcap(taken, nano=True))
    check(paths, Sharded())
    monkeypatch.setattr(sharing, "with_paths", lambda tuples, *_: tuples)
    with pytest.raises(AssertionError):
        check(paths)


def test_progress_during_the_additional_pass_for_checksums(tmp_path):
    """With three passes: half is done after the first, and half of the rest after the second."""
    right, wrong = syns(2), spoiled(syns(2, START + SECOND))
    paths = each_apart([*right, *wrong], tmp_path)
    seen = []
    analyze(paths, InlineRunner(), sizes=APART, progress=lambda done, total: seen.append(done / total))
    shares = [0.125, 0.25, 0.375, 0.5, 0.562, 0.625, 0.688, 0.75, 0.812, 0.875, 0.938, 1.0]
    assert seen == pytest.approx(shares, abs=0.01)


def test_paths_that_share_a_connection_are_tracked_together():
    """A doubtful path moves a connection, and with it those on the path of its other direction."""
    rows = {number: sharing.np.array([(path, connection)], dtype=PATH)
            for number, path, connection in ((0, 1, 10), (1, 1, 11), (2, 2, 11), (3, 2, 12))}  # fmt: skip
    none = rows[0][:0]
    tuples = sharing.np.zeros(0, dtype=sharing.np.uint64)
    # Path 1 is in both parts; path 2 in the second alone, where connection 11 has both.
    rights, wrongs = [rows[0], rows[2]], [none, sharing.np.concatenate([rows[1], rows[3]])]
    assert sharing.with_paths(tuples, rights, wrongs).tolist() == [10, 11, 12]
    assert sharing.with_paths(tuples, [none, rows[2]], [none, rows[3]]).tolist() == []


def fragments(at_each, *, ident=7):
    """A segment with data, split into fragments of `size` bytes."""
    whole = frames.segment(CLIENT, SERVER, frames.ACK, seq=101, ack=501, payload=b"x" * 200, link=frames.raw)[20:]
    places = range(0, len(whole), at_each)
    return [
        frames.ethernet(
            frames.ipv4(
                "192.0.2.1", "198.51.100.2", 6, whole[place : place + at_each], ident=ident, dont_fragment=False,
                more_fragments=place + at_each < len(whole), fragment_offset=place,
            )
        )
        for place in places
    ]  # fmt: skip


@pytest.mark.parametrize("size", [8, 64, 120])
def test_fragments_in_several_parts(tmp_path, monkeypatch, size):
    """Even if the TCP header itself is split."""
    opening = [
        frames.segment(CLIENT, SERVER, frames.SYN, seq=100),
        frames.segment(SERVER, CLIENT, frames.SYN | frames.ACK, seq=500, ack=101),
        frames.segment(CLIENT, SERVER, frames.ACK, seq=101, ack=501),
    ]
    taken = [(START + n * MS, frame) for n, frame in enumerate([*opening, *fragments(size)])]
    found = check(each_apart(taken, tmp_path))
    assert b'"bytes":200' in found.replace(b" ", b"")
    monkeypatch.setattr(analysis.scanning.ScanSieve, "takes_fragment", lambda *_: False)
    monkeypatch.setattr(tracking.TrackSieve, "takes_fragment", lambda *_: False)
    with pytest.raises(AssertionError):
        check(each_apart(taken, tmp_path))


def flow():
    """A QUIC connection whose client migrates to another address."""
    moved = "192.0.2.99", 5000
    made = quic.Flow().client(quic.initial(), least=1200).wait(MS)
    made.server(quic.initial(from_server=True, scid=quic.SERVER_CID), quic.handshake(), least=1200).wait(MS)
    made.client(quic.handshake(scid=b"")).wait(MS).client(quic.short()).wait(MS)
    made.client(quic.short(), src=moved).wait(MS).server(quic.short(dcid=b""), dst=moved).wait(MS)
    return made.error()


def test_a_quic_connection_in_several_parts(tmp_path, monkeypatch):
    paths = each_apart(flow().frames, tmp_path)
    assert b'"quic_connections": []' not in check(paths)
    monkeypatch.setattr(sharing, "shared_ends", lambda *_: (sharing._NONE, sharing._NONE))
    with pytest.raises(AssertionError):
        check(paths)


def test_a_datagram_between_a_shared_server_and_another(tmp_path, monkeypatch):
    """The client of a connection is itself a server: then all servers are tracked in one place."""
    taken = list(flow().frames)
    other = quic.Flow(client=quic.SERVER, server=("203.0.113.7", 443))
    other.now = taken[-1][0] + MS
    taken += other.client(quic.initial(), least=1200).wait(MS).client(quic.short()).frames
    paths = [*each_apart(taken[:3], tmp_path), file_of(tmp_path, 3, taken[3:])]
    check(paths)
    seen = []
    analyze(paths, InlineRunner(), sizes=APART, progress=lambda *each: seen.append(each))
    assert [done < total for done, total in seen] == [True] * (len(seen) - 1) + [False]
    assert len(seen) == 3 * len(paths)
    monkeypatch.setattr(sharing, "all_ends", lambda _: pytest.fail("nothing is mixed"))
    with pytest.raises(pytest.fail.Exception, match="mixed"):
        check([*each_apart(taken[:3], tmp_path), file_of(tmp_path, 3, taken[3:])])


def file_of(directory, number, taken):
    path = named(directory, number)
    path.write_bytes(pcap(taken, nano=True))
    return path


def test_lookups_in_several_parts(tmp_path, monkeypatch):
    """A query in one file, its answer in the next, and then the connection."""
    talk = Talk().look_up("www.example.org", "198.51.100.2", tries=2).wait(MS)
    taken = [*talk.taken, *Wire(client=(DNS_CLIENT, 4000), start=talk.now).handshake().frames()]
    assert b"www.example.org" in check(each_apart(taken, tmp_path))
    monkeypatch.setattr(tracking.Messages, "take", lambda *_: None)
    with pytest.raises(AssertionError):
        check(each_apart(taken, tmp_path))


def test_a_host_that_is_alive_in_another_part(tmp_path):
    """It answers DNS in the first file, and no SYN in the others."""
    wire = Wire()
    wire.taken.append((START, "other", frames.udp((frames.SERVER[0], 53), CLIENT, link=frames.raw)))
    for _ in range(3):
        wire.wait(2 * SECOND).client.syn(lost="after")
    assert b"port-filtered" in check(each_apart(wire.frames(), tmp_path))


# -- what containers hold besides frames -------------------------------------------------------------------------------


def test_records_that_are_no_frames_but_use_a_number(tmp_path):
    """Before, between and after frames, and in a file of their own."""
    journal, taken = block(9, b"x" * 4), syns(6)
    shown = [packet(frame, ns) for ns, frame in taken]
    files = {
        "a_00000_20260101000000": [journal, shown[0], journal, shown[2], journal],
        "a_00001_20260101000000": [journal, shown[4], journal],
        "bb_00000_20260101000000": [shown[1], journal, shown[3], journal, journal, shown[5]],
        "only": [journal, journal],
    }
    paths = []
    for name, blocks in files.items():
        paths.append(tmp_path / f"{name}.pcapng")
        paths[-1].write_bytes(b"".join([section(), interface(resolution=9), *blocks]))
    for order in itertools.permutations(paths):
        check(order)


def test_frames_without_a_timestamp(tmp_path):
    """They inherit that of the previous frame, even from another file."""
    taken = syns(6)
    shown = [packet(frame, ns) for ns, frame in taken]
    bare = [simple_packet(frame) for _, frame in syns(3, START + SECOND)]
    files = [[shown[0], bare[0]], [bare[1], shown[2]], [bare[2]], [shown[4]]]
    paths = []
    for number, blocks in enumerate(files):
        paths.append(named(tmp_path, number).with_suffix(".pcapng"))
        paths[-1].write_bytes(b"".join([section(), interface(resolution=9), *blocks]))
    check(paths)
    other = tmp_path / "other.pcapng"
    other.write_bytes(b"".join([section(), interface(resolution=9), shown[1], shown[3], shown[5]]))
    check([*paths, other])


def test_metadata_of_files(tmp_path):
    """Drops, end times, filters, link types, and damage in one of several files."""
    taken = syns(4)
    shown = [packet(frame, ns) for ns, frame in taken]
    first = [section(), interface(resolution=9, filter_text=b"\0tcp"), shown[0], statistics(ifdrop=3, usrdeliv=1)]
    second = [
        section(),
        interface(resolution=9),
        shown[1],
        statistics(end=START + 9 * SECOND, usrdeliv=1),
        b"\x06\0\0\0\1\0\0\0" * 4,
    ]
    paths = [tmp_path / "a_00000_20260101000000.pcapng", tmp_path / "a_00001_20260101000000.pcapng"]
    for path, blocks in zip(paths, (first, second), strict=True):
        path.write_bytes(b"".join(blocks))
    raw = tmp_path / "raw.pcap"
    raw.write_bytes(pcap([(ns, frame[14:]) for ns, frame in taken[2:]], nano=True, link_type=101)[:-2])
    capture = json.loads(check([*paths, raw]))["capture"]
    assert {problem["kind"] for problem in capture["problems"]} >= {"damaged", "cut"}
    assert (capture["dropped_by_kernel"], len(capture["link_types"]), capture["format"]) == (3, 2, "pcapng, pcap")


def test_a_clock_set_back_between_two_parts(tmp_path):
    taken = syns(3)
    paths = [file_of(tmp_path, 0, taken[1:]), file_of(tmp_path, 1, taken[:1])]
    assert b"clock-backwards" in check(paths)


@pytest.mark.parametrize("options", [{"setup": False}, {"names": False}, {"unanswered_ns": SECOND}])
def test_options_apply_as_in_one_pass(tmp_path, options):
    content = (DIRECTORY / "lookup.pcap").read_bytes()
    check(cut(content, [5, 20], tmp_path), **options)


def test_a_file_that_grows_while_it_is_read(tmp_path, monkeypatch):
    paths = cut((DIRECTORY / "healthy-burst.pcap").read_bytes(), [20], tmp_path)
    plain = tracking.track

    def grown(part, *rest):
        with paths[1].open("ab") as file:
            file.write(pcap(syns(1))[HEADER:])
        return plain(part, *rest)

    monkeypatch.setattr(tracking, "track", grown)
    with pytest.raises(CaptureError, match="changed while it was read"):
        analyze(paths, InlineRunner(), sizes=APART)
