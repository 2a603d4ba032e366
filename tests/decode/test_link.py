"""Every link type that the fast decoder knows, and what it says of the others."""

import struct

import pytest
from support import frames
from support.frames import CLIENT, CLIENT6, SERVER, SERVER6, raw

from handshake_inspect.wire import const
from tests.support.described import describe

V4 = frames.data(b"four", CLIENT, SERVER, link=raw)
V6 = frames.data(b"six", CLIENT6, SERVER6, link=raw)


def tagged(*tags):
    return lambda packet: frames.ethernet(packet, tags=tags)


def family(order, number):
    return lambda packet: frames.null(packet, order=order, family=number)


def cooked_with_tag(packet):
    return frames.sll(packet)[:14] + struct.pack(">HHH", 0x8100, 5, frames.ethertype_of(packet)) + packet


def cooked2_with_tag(packet):
    head = frames.sll2(packet)[:20]
    return struct.pack(">H", 0x88A8) + head[2:] + struct.pack(">HH", 5, frames.ethertype_of(packet)) + packet


BOTH = [
    (1, frames.ethernet),
    (1, frames.vlan),
    (1, frames.qinq),
    (1, tagged(0x9100, 0x8100)),
    (1, tagged(0x88A8, 0x88A8, 0x8100, 0x8100)),
    (1, tagged(*[0x8100] * 40)),
    (113, frames.sll),
    (113, cooked_with_tag),
    (276, frames.sll2),
    (276, cooked2_with_tag),
    (12, raw),
    (14, raw),
    (101, raw),
    (0, frames.null),
    (108, frames.loop),
]
V4_ONLY = [(228, raw), (0, family("<", 2)), (0, family(">", 2)), (108, family(">", 2)), (108, family("<", 2))]
V6_ONLY = [(229, raw)] + [
    (link_type, family(order, number)) for link_type in (0, 108) for order in "<>" for number in (10, 24, 28, 30)
]
CASES = (
    [(link_type, link, packet) for link_type, link in BOTH for packet in (V4, V6)]
    + [(link_type, link, V4) for link_type, link in V4_ONLY]
    + [(link_type, link, V6) for link_type, link in V6_ONLY]
)


@pytest.mark.parametrize(("link_type", "link", "packet"), CASES)
def test_the_packet_is_the_same_behind_every_link(link_type, link, packet):
    assert describe(link(packet), link_type) == describe(packet, 101)
    assert describe(packet, 101)["notes"] == const.NOTE_CHECKSUM_GOOD


@pytest.mark.parametrize(("link_type", "link", "packet"), CASES)
def test_every_cut(link_type, link, packet):
    whole = link(packet)
    header_and_flags = len(whole) - len(packet) + (34 if packet is V4 else 54)
    for kept in range(len(whole)):
        segment = describe(whole[:kept], link_type, len(whole))
        assert segment["notes"] & const.NOTE_SNAPPED
        assert segment["kind"] == (const.KIND_TCP if kept >= header_and_flags else const.KIND_DAMAGED)


@pytest.mark.parametrize(("link_type", "link", "packet"), CASES)
def test_frames_that_were_that_short_on_the_wire(link_type, link, packet):
    whole = link(packet)
    for kept in range(len(whole) - len(packet) + 20):
        segment = describe(whole[:kept], link_type)
        assert segment["kind"] == const.KIND_DAMAGED
        assert segment["notes"] == const.NOTE_BAD_HEADER_LENGTH


@pytest.mark.parametrize(
    ("ethertype", "kind"),
    [
        (0x0806, const.KIND_NONE),  # ARP
        (0x88CC, const.KIND_NONE),  # LLDP
        (0x8863, const.KIND_NONE),  # PPPoE discovery
        (0x0040, const.KIND_DECLINED),  # a length: LLC
        (1500, const.KIND_DECLINED),
    ],
)
def test_ethertypes(ethertype, kind):
    for tags in ([], [0x8100]):
        frame = frames.ethernet(V4, ethertype=ethertype) if not tags else None
        if frame is None:
            frame = frames.ethernet(b"", tags=tags, ethertype=ethertype) + V4
        assert describe(frame, 1)["kind"] == kind


@pytest.mark.parametrize(
    ("link_type", "link", "length", "at"),
    [(1, frames.ethernet, 14, 12), (113, frames.sll, 16, 14), (276, frames.sll2, 20, 0)],
)
def test_a_frame_that_ends_with_its_link_header(link_type, link, length, at):
    """What it would hold is known from there: only of IP is something missing."""
    head = link(V4)[:length]
    assert describe(head, link_type)["kind"] == const.KIND_DAMAGED
    assert describe(head[:at] + b"\x08\x06" + head[at + 2 :], link_type)["kind"] == const.KIND_NONE  # ARP


@pytest.mark.parametrize("link_type", [9, 104, 105, 127, 147, 192, 253, 65535, 0xFFFFFFFF])
def test_other_link_types_are_declined(link_type):
    assert describe(V4, link_type)["kind"] == const.KIND_DECLINED


@pytest.mark.parametrize(
    ("link_type", "packet"), [(228, V6), (229, V4), (101, b"\x50" + V4[1:]), (101, b"\0" + V4[1:])]
)
def test_raw_packets_of_another_version(link_type, packet):
    assert describe(packet, link_type)["kind"] == const.KIND_DAMAGED


def test_other_families_are_not_ip():
    assert describe(frames.null(V4, family=7), 0)["kind"] == const.KIND_NONE
