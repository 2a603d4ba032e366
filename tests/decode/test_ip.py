"""IPv4 and IPv6: lengths, fragments, extension headers, what is not TCP."""

import struct

import pytest
from support import frames
from support.frames import CLIENT, CLIENT6, LINK_RAW, SERVER, SERVER6, raw

from handshake_inspect.wire import const
from handshake_inspect.wire.address import address_halves
from tests.support.described import describe


def seen(packet, wire_len=None):
    return describe(packet, LINK_RAW, wire_len)


def ipv4_tcp(payload=b"data", **words):
    return frames.data(payload, link=raw, **words)


def ipv6_tcp(payload=b"data", **words):
    return frames.data(payload, CLIENT6, SERVER6, link=raw, **words)


def test_ipv4_fields():
    segment = seen(ipv4_tcp(ident=0xFEDC, ttl=3))
    assert (segment["ip_version"], segment["ip_id"], segment["ttl"]) == (4, 0xFEDC, 3)
    segment = seen(ipv6_tcp())
    assert (segment["ip_version"], segment["ip_id"]) == (6, 0)


@pytest.mark.parametrize("size", [4, 40])
def test_ipv4_options(size):
    segment = seen(ipv4_tcp(ip_options=b"\x01" * size))
    assert (segment["kind"], segment["payload_len"]) == (const.KIND_TCP, 4)
    assert segment["notes"] == const.NOTE_CHECKSUM_GOOD


@pytest.mark.parametrize("size", [10, 70000])
def test_total_length_0_is_a_frame_that_the_card_will_cut(size):
    packet = ipv4_tcp(b"x" * size, total_length=0)
    segment = seen(packet)
    assert segment["payload_len"] == size
    assert segment["notes"] == const.NOTE_OFFLOADED
    assert seen(packet[:60], len(packet))["payload_len"] == size


@pytest.mark.parametrize("total_length", [1, 19, 20, 39])
def test_total_lengths_that_cannot_be(total_length):
    segment = seen(ipv4_tcp(total_length=total_length))
    assert segment["kind"] == const.KIND_DAMAGED
    assert segment["notes"] & const.NOTE_BAD_HEADER_LENGTH


@pytest.mark.parametrize("first", [0x40, 0x44, 0x55, 0x05])
def test_first_bytes_that_cannot_be(first):
    packet = bytes([first]) + ipv4_tcp()[1:]
    segment = describe(frames.ethernet(packet, ethertype=0x0800), frames.LINK_ETHERNET)
    assert segment["kind"] == const.KIND_DAMAGED
    assert segment["notes"] & const.NOTE_BAD_HEADER_LENGTH


def test_a_version_that_is_not_the_ethertypes():
    for packet, ethertype in ((ipv6_tcp(), 0x0800), (ipv4_tcp(), 0x86DD)):
        segment = describe(frames.ethernet(packet, ethertype=ethertype), frames.LINK_ETHERNET)
        assert segment["kind"] == const.KIND_DAMAGED


def test_that_a_frame_was_snapped_is_noted_with_other_damage():
    both = const.NOTE_BAD_HEADER_LENGTH | const.NOTE_SNAPPED
    for packet, ethertype in ((ipv6_tcp(), 0x0800), (ipv4_tcp(b"x" * 40), 0x86DD)):
        frame = frames.ethernet(packet, ethertype=ethertype)
        found = describe(frame, frames.LINK_ETHERNET, len(frame) + 500)
        assert (found["kind"], found["notes"] & both) == (const.KIND_DAMAGED, both)


def test_payload_is_what_the_wire_had():
    packet = ipv4_tcp(b"x" * 1400)
    assert seen(packet[:64], len(packet))["payload_len"] == 1400
    # Even where the container forgot how long the frame was.
    assert seen(packet[:64], 64)["payload_len"] == 1400


def test_a_frame_above_any_mtu_was_never_one_packet():
    assert seen(ipv4_tcp(b"x" * 20000))["notes"] == const.NOTE_OFFLOADED
    assert seen(ipv6_tcp(b"x" * 20000))["notes"] == const.NOTE_OFFLOADED
    assert seen(ipv4_tcp(b"x" * 8960))["notes"] == const.NOTE_CHECKSUM_GOOD
    for packet, head in ((ipv4_tcp, 40), (ipv6_tcp, 60)):
        assert seen(packet(bytes(const.MAX_MTU - head)))["notes"] == const.NOTE_CHECKSUM_GOOD
        assert seen(packet(bytes(const.MAX_MTU - head + 1)))["notes"] == const.NOTE_OFFLOADED


def test_ipv4_fragments():
    first = seen(ipv4_tcp(b"x" * 24, more_fragments=True, dont_fragment=False))
    assert (first["kind"], first["payload_len"]) == (const.KIND_TCP, 24)
    assert first["notes"] == const.NOTE_FIRST_FRAGMENT
    later = frames.ipv4(CLIENT[0], SERVER[0], 6, b"x" * 100, fragment_offset=48)
    assert seen(later)["kind"] == const.KIND_FRAGMENT
    other = frames.ipv4(CLIENT[0], SERVER[0], 17, b"x" * 100, fragment_offset=48)
    assert seen(other)["kind"] == const.KIND_NONE


def test_ipv6_fragments():
    first = seen(ipv6_tcp(b"x" * 24, extensions=[frames.fragment_header(0, more=True)]))
    assert (first["kind"], first["payload_len"]) == (const.KIND_TCP, 24)
    assert first["notes"] == const.NOTE_FIRST_FRAGMENT
    later = frames.ipv6(CLIENT6[0], SERVER6[0], 6, b"x" * 100, extensions=[frames.fragment_header(48, more=False)])
    assert seen(later)["kind"] == const.KIND_FRAGMENT
    other = frames.ipv6(CLIENT6[0], SERVER6[0], 17, b"x" * 100, extensions=[frames.fragment_header(48, more=True)])
    assert seen(other)["kind"] == const.KIND_NONE
    whole = seen(ipv6_tcp(extensions=[frames.fragment_header(0, more=False)]))
    assert (whole["kind"], whole["notes"]) == (const.KIND_TCP, 0)


@pytest.mark.parametrize(
    "extensions",
    [
        [frames.hop_by_hop()],
        [frames.hop_by_hop(b"\x01\x0c" + b"\0" * 12)],
        [frames.routing()],
        [frames.destination_options()],
        [frames.authentication()],
        [frames.authentication(b"\0" * 20)],
        [
            frames.hop_by_hop(),
            frames.destination_options(),
            frames.routing(),
            frames.fragment_header(0, more=False),
            frames.authentication(),
            frames.destination_options(),
        ],
    ],
    ids=["hop-by-hop", "longer", "routing", "destination", "authentication", "long ICV", "all"],
)
def test_extension_headers(extensions):
    packet = ipv6_tcp(extensions=extensions)
    segment = seen(packet)
    assert segment["kind"] == const.KIND_TCP
    assert (segment["seq"], segment["payload_len"], segment["src_port"]) == (1001, 4, 40000)
    for kept in range(len(packet) - 10):
        assert seen(packet[:kept], len(packet))["kind"] == const.KIND_DAMAGED


def test_a_chain_that_never_ends():
    endless = [frames.destination_options()] * 17
    assert seen(ipv6_tcp(extensions=endless))["kind"] == const.KIND_DAMAGED
    assert seen(ipv6_tcp(extensions=endless[:15]))["kind"] == const.KIND_TCP


def test_an_extension_header_longer_than_its_packet():
    segment = seen(frames.ipv6(CLIENT6[0], SERVER6[0], 0, b"\x06\xff" + b"\0" * 30))
    assert segment["kind"] == const.KIND_DAMAGED
    assert segment["notes"] == const.NOTE_BAD_HEADER_LENGTH


@pytest.mark.parametrize(("kind", "index"), [(0, 1), (2, 1), (4, 0)])
def test_the_final_destination_of_a_routing_header(kind, index):
    hops = ["2001:db8:1::1", "2001:db8:2::2"]
    body = bytes([4, kind, 1]) + b"\0" * 4 + b"".join(frames.address(hop) for hop in hops)
    segment = seen(ipv6_tcp(extensions=[(43, body)]))
    assert (segment["dst_hi"], segment["dst_lo"]) == address_halves(hops[index])
    arrived = seen(ipv6_tcp(extensions=[(43, body[:2] + b"\0" + body[3:])]))
    assert (arrived["dst_hi"], arrived["dst_lo"]) == address_halves(SERVER6[0])
    alone = seen(ipv6_tcp(extensions=[(43, b"\x02" + body[1:23])]))
    assert (alone["dst_hi"], alone["dst_lo"]) == address_halves(hops[0])


@pytest.mark.parametrize("extensions", [[], [frames.jumbo(70020)]], ids=["BIG TCP", "jumbo"])
def test_ipv6_payload_length_0(extensions):
    packet = ipv6_tcp(b"x" * 70000, length=0, extensions=extensions)
    segment = seen(packet)
    assert (segment["kind"], segment["payload_len"]) == (const.KIND_TCP, 70000)
    assert segment["notes"] == const.NOTE_OFFLOADED
    assert seen(packet[:100], len(packet))["payload_len"] == 70000


def test_a_packet_in_a_packet_is_what_the_protocol_says():
    assert seen(frames.ipv4(CLIENT[0], SERVER[0], 4, ipv4_tcp()))["kind"] == const.KIND_TCP
    assert seen(frames.ipv6(CLIENT6[0], SERVER6[0], 4, ipv4_tcp()))["kind"] == const.KIND_TCP
    assert seen(frames.ipv4(CLIENT[0], SERVER[0], 41, ipv4_tcp()))["kind"] == const.KIND_DAMAGED


@pytest.mark.parametrize("protocol", [2, 59, 89, 132, 255])
def test_what_is_not_tcp(protocol):
    for packet in (
        frames.ipv4(CLIENT[0], SERVER[0], protocol, b"x" * 30),
        frames.ipv6(CLIENT6[0], SERVER6[0], protocol, b"x" * 30),
    ):
        segment = seen(packet)
        assert (segment["kind"], segment["notes"]) == (const.KIND_NONE, 0)


@pytest.mark.parametrize("ends", [(CLIENT, SERVER), (CLIENT6, SERVER6)])
@pytest.mark.parametrize(("size", "length", "payload"), [(30, 38, 30), (30, 20, 12), (30, 0, 30), (30, 9000, 30)])
def test_a_udp_datagram_ends_where_it_says(ends, size, length, payload):
    src, dst = ends
    body = struct.pack(">HHHH", src[1], dst[1], length, 0) + b"x" * size
    segment = seen(frames.packet(src[0], dst[0], 17, body))
    assert (segment["kind"], segment["src_port"], segment["dst_port"]) == (const.KIND_UDP, src[1], dst[1])
    assert segment["payload_len"] == payload


def test_authentication_over_ipv4():
    tcp = frames.tcp(CLIENT, SERVER, seq=77, flags=frames.SYN)
    body = bytes([6]) + frames.authentication()[1] + tcp
    segment = seen(frames.ipv4(CLIENT[0], SERVER[0], 51, body))
    assert (segment["kind"], segment["seq"]) == (const.KIND_TCP, 77)


def test_a_first_fragment_too_small_for_its_header():
    tiny = struct.pack(">HHI", 1, 2, 3)
    segment = seen(frames.ipv4(CLIENT[0], SERVER[0], 6, tiny, more_fragments=True, dont_fragment=False))
    assert segment["kind"] == const.KIND_DAMAGED
    assert segment["notes"] == const.NOTE_FIRST_FRAGMENT | const.NOTE_BAD_HEADER_LENGTH
