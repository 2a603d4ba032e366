"""IP fragments: which frame is one, and the segments that they make up."""

import pytest
from support import frames
from support.encapsulations import NOT_TUNNELS, TUNNELS, gre, over_ip
from support.frames import ACK, CLIENT, CLIENT6, FIN, SERVER, SERVER6, SYN, raw

from handshake_inspect.decode import fragments, segment, uncommon
from handshake_inspect.decode import frame as fast
from handshake_inspect.wire import const

ENDS = {4: (CLIENT, SERVER), 6: (CLIENT6, SERVER6)}
SECOND = 1_000_000_000
FIRST = 40  # bytes of a first fragment: a header and 20 bytes of payload, or a header with options


def cut(packet, size, ident=77, extensions=()):
    """The fragments of a segment, each with `size` bytes of it."""
    version = packet[0] >> 4
    (src, _), (dst, _) = ENDS[version]
    body = packet[20 if version == 4 else 40 :]
    return [
        piece_of(version, src, dst, body[at : at + size], at, at + size < len(body), ident, extensions)
        for at in range(0, len(body), size)
    ]


def piece_of(version, src, dst, body, at, more, ident=77, extensions=()):
    if version == 6:
        chain = [*extensions, frames.fragment_header(at, more=more, ident=ident)]
        return frames.ipv6(src, dst, 6, body, extensions=chain)
    return frames.ipv4(
        src, dst, 6, body, ident=ident, fragment_offset=at, dont_fragment=False, more_fragments=more
    )  # fmt: skip


def found_in(frame, link_type=101):
    return fragments.find_fragment(*uncommon.outer_layer(frame, len(frame), link_type))


def key_of(version, ident=77):
    src, dst = (frames.address(end[0]) for end in ENDS[version])
    return src + dst, ident


MIDDLE = {
    version: piece_of(version, src[0], dst[0], b"of many fragments, one: ", 48, more=True)
    for version, (src, dst) in ENDS.items()
}


@pytest.mark.parametrize("version", ENDS)
@pytest.mark.parametrize("name", NOT_TUNNELS | TUNNELS)
def test_a_fragment_is_found_behind_whatever_is_read(name, version):
    link_type, wrap = (NOT_TUNNELS | TUNNELS)[name]
    piece = found_in(wrap(MIDDLE[version]), link_type)
    assert piece == fragments.Fragment(key_of(version), version, 48, True, 24, b"of many fragments, one: ")


@pytest.mark.parametrize("header", [b"\0\x05\0\0", b""], ids=["version 2", "version 1"])
def test_a_fragment_that_a_router_redirects_to_a_cache(header):
    assert found_in(over_ip(47, gre(header + MIDDLE[4], protocol=0x883E))) == found_in(MIDDLE[4])


@pytest.mark.parametrize("version", ENDS)
@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("at", [0, 8, 65_528])
def test_where_a_fragment_belongs(version, more, at):
    (src, _), (dst, _) = ENDS[version]
    piece = found_in(frames.ethernet(piece_of(version, src, dst, b"x" * 8, at, more), pad=True), 1)
    if at or more:
        assert piece == fragments.Fragment(key_of(version), version, at, more, 8, b"x" * 8)
    else:  # RFC 6946: an atomic fragment is a whole packet
        assert piece is None


@pytest.mark.parametrize(
    "extensions",
    [[frames.hop_by_hop()], [frames.hop_by_hop(), frames.destination_options(), frames.routing()]],
    ids=["one", "three"],
)
def test_a_fragment_behind_extension_headers(extensions):
    (src, _), (dst, _) = ENDS[6]
    piece = found_in(piece_of(6, src, dst, b"x" * 16, 24, True, 0x0102_0304, extensions))
    assert piece == fragments.Fragment(key_of(6, 0x0102_0304), 6, 24, True, 16, b"x" * 16)


def test_a_fragment_with_options_of_ip():
    (src, _), (dst, _) = ENDS[4]
    packet = frames.ipv4(
        src, dst, 6, b"x" * 16, ident=77, fragment_offset=8, dont_fragment=False, ip_options=b"\x94\x04\0\0"
    )
    assert found_in(packet) == fragments.Fragment(key_of(4), 4, 8, False, 16, b"x" * 16)


def test_no_more_is_kept_of_a_fragment_than_the_longest_header():
    (src, _), (dst, _) = ENDS[4]
    piece = found_in(piece_of(4, src, dst, b"x" * 1480, 0, True))
    assert (piece.length, piece.data) == (1480, b"x" * 64)


@pytest.mark.parametrize(
    "packet",
    [
        frames.data(link=raw),
        frames.data(src=CLIENT6, dst=SERVER6, link=raw),
        frames.ipv4(CLIENT[0], SERVER[0], 17, b"x" * 16, fragment_offset=8, dont_fragment=False),
        frames.ipv6(CLIENT6[0], SERVER6[0], 17, b"x" * 16, extensions=[frames.fragment_header(8, more=True)]),
        frames.ipv4(CLIENT[0], SERVER[0], 6, b"", fragment_offset=8, dont_fragment=False),
        frames.ipv6(CLIENT6[0], SERVER6[0], 6, b"", extensions=[frames.fragment_header(8, more=True)]),
        over_ip(4, frames.data(link=raw)),
        over_ip(50, bytes(40)),
    ],
    ids=["whole", "whole of IPv6", "UDP", "UDP over IPv6", "empty", "empty of IPv6", "whole in a tunnel", "ESP"],
)
def test_what_is_no_fragment_of_tcp(packet):
    assert found_in(packet) is None


class Trace:
    """The frames of a trace, one after the other, as the reader of frames takes them."""

    def __init__(self):
        self.reassembler, self.now, self.frames = fragments.Reassembler(), 0, 0

    def take(self, packet, link_type=101):
        """What becomes of a fragment: its kind, and the record."""
        self.frames += 1
        records = segment.segments(3)
        kind = fast.decode_bytes(packet, len(packet), link_type, records, 1)
        part = uncommon.outer_layer(packet, len(packet), link_type)
        records[1].kind = self.reassembler.take(part, self.now, records, 1) if is_piece(kind, records[1]) else kind
        return records[1].kind, records[1]

    def all_of(self, packets):
        return [self.take(packet) for packet in packets]


def is_piece(kind, record):
    return kind == const.KIND_FRAGMENT or record.notes & const.NOTE_FIRST_FRAGMENT


def segment_of(version, size, flags=ACK, **words):
    return frames.segment(*ENDS[version], flags, seq=7000, ack=9000, payload=bytes(size), link=raw, **words)


def told(kind, record):
    if kind != const.KIND_TCP:
        return kind
    return record.seq, record.payload_len, record.flags, bool(record.notes & const.NOTE_CONTINUED)


@pytest.mark.parametrize("version", ENDS)
@pytest.mark.parametrize("flags", [ACK, SYN, FIN | ACK])
def test_the_rest_of_a_segment_is_reported_with_its_last_fragment(version, flags):
    """A SYN takes a number and is in the first part."""
    trace = Trace()
    first, middle, last = trace.all_of(cut(segment_of(version, 100, flags), FIRST))
    assert told(*first) == (7000, 20, flags, False)
    assert told(*middle) == const.KIND_FRAGMENT
    assert told(*last) == (7020 + (flags == SYN), 80, flags & ~SYN, True)
    assert trace.reassembler.reassembled == 2
    assert last[1].src_port == CLIENT[1]


@pytest.mark.parametrize("version", ENDS)
def test_a_first_fragment_that_comes_last_has_all_of_the_segment(version):
    trace = Trace()
    *later, first = trace.all_of(reversed(cut(segment_of(version, 100), FIRST)))
    assert [told(*one) for one in later] == [const.KIND_FRAGMENT] * 2
    assert told(*first) == (7000, 100, ACK, False)
    assert trace.reassembler.reassembled == 2


def test_fragments_of_a_tunnel_make_up_a_segment_of_that_tunnel():
    trace = Trace()
    *_, (kind, last) = trace.all_of(over_ip(4, one) for one in cut(segment_of(4, 100), FIRST))
    assert told(kind, last) == (7020, 80, ACK, True)
    assert last.notes & const.NOTE_TUNNELED


def test_a_last_fragment_whose_bytes_came_before_adds_nothing():
    """It only says where the datagram ends."""
    first, _, _ = cut(segment_of(4, 100), FIRST)
    trace = Trace()
    trace.take(piece(FIRST - 8, 8, more=False))
    assert told(*trace.take(first)) == (7000, 20, ACK, False)


@pytest.mark.parametrize("version", ENDS)
def test_options_are_no_payload(version):
    trace = Trace()
    pieces = cut(segment_of(version, 100, options=frames.timestamps(1, 2)), FIRST)
    assert [told(*one) for one in trace.all_of(pieces)][0::3] == [(7000, 8, ACK, False), (7008, 92, ACK, True)]
    assert told(*Trace().all_of(reversed(pieces))[-1]) == (7000, 100, ACK, False)


@pytest.mark.parametrize("version", ENDS)
@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.parametrize("order", [1, -1])
def test_a_segment_whose_header_is_split(version, size, order):
    packet = segment_of(version, 21, SYN, options=frames.linux_syn_options())
    trace = Trace()
    *before, whole = trace.all_of(cut(packet, size)[::order])
    assert {kind for kind, _ in before} <= {const.KIND_FRAGMENT}
    kind, record = whole
    assert told(kind, record) == (7000, 21, SYN, False)
    assert record.notes & const.NOTE_FIRST_FRAGMENT
    plain = Trace().take(packet)[1]
    same = ("ip_version", "src_hi", "src_lo", "dst_hi", "dst_lo", "src_port", "dst_port", "ack", "window", "mss",
            "window_scale", "tsval", "options", "options_len", "ttl", "hash")  # fmt: skip
    assert {name: getattr(record, name) for name in same} == {name: getattr(plain, name) for name in same}
    if version == 4:
        assert record.ip_id == 77


@pytest.mark.parametrize("version", ENDS)
def test_a_fragment_seen_twice_counts_once(version):
    trace = Trace()
    first, middle, last = cut(segment_of(version, 100), FIRST)
    kinds = [told(*one) for one in trace.all_of([first, first, middle, middle, last, last])]
    assert kinds == [
        (7000, 20, ACK, False), (7000, 20, ACK, False), const.KIND_FRAGMENT, const.KIND_FRAGMENT,
        (7020, 80, ACK, True), const.KIND_FRAGMENT,
    ]  # fmt: skip


def piece(at, length, more=True, ident=77):
    return piece_of(4, CLIENT[0], SERVER[0], bytes(length), at, more, ident)


@pytest.mark.parametrize(
    ("added", "ranges"),
    [
        ([(0, 0)], [(0, 0)]),  # an empty one, which only hostile senders make
        ([(0, 8)], [(0, 8)]),
        ([(0, 8), (16, 24)], [(0, 8), (16, 24)]),
        ([(16, 24), (0, 8)], [(0, 8), (16, 24)]),
        ([(0, 8), (8, 16)], [(0, 16)]),
        ([(8, 16), (0, 8)], [(0, 16)]),
        ([(0, 8), (16, 24), (8, 16)], [(0, 24)]),
        ([(0, 16), (8, 24)], [(0, 24)]),
        ([(8, 24), (0, 16)], [(0, 24)]),
        ([(8, 16), (0, 32)], [(0, 32)]),
        ([(0, 8), (16, 24), (32, 40)], [(0, 8), (16, 24), (32, 40)]),
    ],
)
def test_ranges_that_touch_are_one(added, ranges):
    datagram = fragments.Datagram(0)
    for start, end in added:
        assert datagram.add(fragments.Fragment((b"", 0), 4, start, True, end - start, b""))
    assert datagram.ranges == ranges
    assert not datagram.is_whole()  # the last one is missing


@pytest.mark.parametrize(("start", "end"), [(0, 8), (0, 24), (8, 24), (8, 16)])
def test_bytes_that_were_received_are_no_news(start, end):
    datagram = fragments.Datagram(0)
    datagram.add(fragments.Fragment((b"", 0), 4, 0, True, 24, b""))
    assert not datagram.add(fragments.Fragment((b"", 0), 4, start, True, end - start, b""))


@pytest.mark.parametrize(("start", "kept"), [(0, 64), (56, 8), (64, 0), (72, 0)])
def test_only_the_header_of_a_datagram_is_kept(start, kept):
    datagram = fragments.Datagram(0)
    datagram.add(fragments.Fragment((b"", 0), 4, start, True, 64, b"x" * 64))
    assert bytes(datagram.header) == (b"\0" * min(start, 64) + b"x" * kept)


@pytest.mark.parametrize(("late", "kind"), [(30 * SECOND, const.KIND_TCP), (30 * SECOND + 1, const.KIND_FRAGMENT)])
def test_a_datagram_expires_after_30_s(late, kind):
    trace = Trace()
    first, *middle, last = cut(segment_of(4, 100), FIRST)
    trace.all_of([first, *middle])
    trace.now = late
    assert trace.take(last)[0] == kind


def test_beyond_1024_datagrams_the_oldest_is_dropped():
    trace = Trace()
    trace.all_of(piece(0, 8, ident=ident) for ident in range(1024))
    assert [ident for _, ident in trace.reassembler.waiting] == list(range(1024))
    trace.take(piece(0, 8, ident=5000))
    assert [ident for _, ident in trace.reassembler.waiting] == [*range(1, 1024), 5000]


def test_a_datagram_in_more_than_256_ranges_is_dropped():
    trace = Trace()
    trace.all_of(piece(at * 16, 8) for at in range(256))
    assert len(trace.reassembler.waiting) == 1
    assert trace.take(piece(256 * 16, 8))[0] == const.KIND_FRAGMENT
    assert not trace.reassembler.waiting


def test_an_identification_used_again_is_another_datagram():
    trace = Trace()
    first, _, _ = cut(segment_of(4, 100), FIRST)
    trace.take(first)
    pieces = cut(frames.segment(CLIENT, SERVER, ACK, seq=8000, ack=9000, payload=bytes(100), link=raw), FIRST)
    assert [told(*one) for one in trace.all_of(pieces)][0::2] == [(8000, 20, ACK, False), (8020, 80, ACK, True)]


@pytest.mark.parametrize(("length", "kept"), [(15, 1), (16, 0)])
def test_a_datagram_longer_than_any_is_none(length, kept):
    """RFC 791: 65535 bytes.  The last fragment begins at 65520."""
    trace = Trace()
    assert trace.take(piece(65_520, length, more=False))[0] == const.KIND_FRAGMENT
    assert len(trace.reassembler.waiting) == kept


@pytest.mark.parametrize("frame", [b"", b"\x45", bytes(14)])
def test_of_what_is_cut_nothing_is_known(frame):
    records = segment.segments(1)
    records[0].kind = const.KIND_FRAGMENT
    reassembler = fragments.Reassembler()
    assert reassembler.take(("ip", frame, 1000), 0, records, 0) == const.KIND_FRAGMENT
    assert reassembler.take(None, 0, records, 0) == const.KIND_FRAGMENT
    assert not reassembler.waiting
