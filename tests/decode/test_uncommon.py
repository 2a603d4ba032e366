"""The slow path: rare layers come back as the same segment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import frames
from support.encapsulations import (
    NOT_TUNNELS,
    TUNNELS,
    capwap,
    gre,
    gtp,
    llc_snap,
    mpls,
    msdu,
    over_ip,
    over_udp,
    pktap,
    pppoe,
    vxlan,
    wifi,
)
from support.frames import CLIENT, CLIENT6, SERVER, SERVER6, raw

from handshake_inspect.decode import layers, segment
from handshake_inspect.decode.uncommon import decode_from_layer, decode_uncommon
from handshake_inspect.wire import const, encapsulation
from tests.support.described import describe, frame_fields

V4 = frames.data(b"four", CLIENT, SERVER, link=raw)
V6 = frames.data(b"six", CLIENT6, SERVER6, link=raw)
TOO_DEEP = f"packets in more than {encapsulation.MAX_LAYERS} layers of tunnels", False
LINK_TYPES = [0, 1, 9, 12, 14, 50, 51, 101, 104, 105, 108, 113, 127, 228, 229, 239, 276]


def slow(frame, link_type=1, wire_len=None):
    records = segment.segments(3)
    records[1].ts_ns, records[1].frame, records[1].mss = 5, 6, 7
    kind = decode_uncommon(frame, len(frame) if wire_len is None else wire_len, link_type, records, 1)
    assert (records[1].ts_ns, records[1].frame, records[1].kind) == (5, 6, kind)
    assert bytes(records[0]) == bytes(records[2]) == bytes(len(bytes(records[0])))
    return frame_fields(records[1])


# What the fast decoder leaves to the slow one: link types that it does not know, and these.
FAST = {number for number in encapsulation.LINK_TYPES if encapsulation.FRAMINGS[number]}
LEFT = {
    "snap", "vn-tag", "e-tag", "fabric path", "provider backbone", "nsh", "trill", "trill, options", "vxlan-gpe",
    "vxlan-gpe, ethernet",
    "teredo", "teredo, from its server", "ayiya", "l2tp", "l2tp, with all there is", "capwap", "capwap, of a radio",
    "capwap, from a controller", "gre, wifi", "authenticated capwap", "l2tp, as short as can be", "pptp, cisco hdlc",
}  # fmt: skip


@pytest.mark.parametrize("packet", [V4, V6], ids=["v4", "v6"])
@pytest.mark.parametrize("name", NOT_TUNNELS | TUNNELS)
def test_the_same_segment(name, packet):
    link_type, wrap = (NOT_TUNNELS | TUNNELS)[name]
    plain = describe(packet, 101)
    if name in TUNNELS:
        plain["notes"] |= const.NOTE_TUNNELED
    assert slow(wrap(packet), link_type) == plain
    fast = describe(wrap(packet), link_type)
    assert fast["kind"] == const.KIND_DECLINED if name in LEFT or link_type not in FAST else fast == plain


@pytest.mark.parametrize("packet", [V4, V6], ids=["v4", "v6"])
@pytest.mark.parametrize("name", NOT_TUNNELS | TUNNELS)
def test_every_cut(name, packet):
    link_type, wrap = (NOT_TUNNELS | TUNNELS)[name]
    whole = wrap(packet)
    behind = len(packet) - (34 if packet is V4 else 54)  # the flags
    for kept in range(len(whole)):
        found = slow(whole[:kept], link_type, len(whole))
        if kept >= len(whole) - behind:
            assert found["kind"] == const.KIND_TCP
            assert found["payload_len"] == describe(packet, 101)["payload_len"]
        elif link_type == 149 and kept < 108:  # nobody can know it for what it is
            assert found["kind"] == const.KIND_DECLINED
        else:
            assert found["kind"] in {const.KIND_DAMAGED, const.KIND_NONE, const.KIND_UDP}


def test_link_types_that_nobody_knows():
    assert slow(V4, 147)["kind"] == const.KIND_DECLINED


@pytest.mark.parametrize(
    ("link_type", "frame"),
    [
        (1, frames.ethernet(pppoe(V4, code=0x09), ethertype=0x8863)),
        (1, frames.ethernet(pppoe(V4, code=0xA7), ethertype=0x8864)),
        (9, b"\xff\x03\xc0\x21" + V4),
        (1, frames.ethernet(b"\x42\x42\x03" + b"\0" * 35, ethertype=38)),
        (105, wifi(V4, control=0x8000, length=24)),
        (105, wifi(llc_snap(V4), control=0x8000)),  # of management
        (105, wifi(llc_snap(V4), control=0x4801)),  # of data without any
        (101, over_ip(47, b"\0\0\x08\x06" + V4)),
        (101, over_udp(5247, capwap(V4, 0x104208))),
        (101, frames.udp(link=raw)),
    ],
)
def test_what_holds_no_tcp(link_type, frame):
    assert slow(frame, link_type)["kind"] in {const.KIND_NONE, const.KIND_UDP}


@pytest.mark.parametrize("decode", [slow, describe], ids=["slow", "fast"])
@pytest.mark.parametrize(
    ("link_type", "frame", "name", "encrypted"),
    [
        (101, over_ip(47, gre(V4, 0x4000, b"\0" * 8)), "GRE with protocol 0x0800", False),
        (101, over_ip(47, b"\0\0\x99\x99" + V4), "GRE with protocol 0x9999", False),
        (101, over_ip(50, bytes(40)), "ESP", True),
        (101, over_ip(50, bytes(40), 6), "ESP", True),
        (101, over_ip(115, bytes(40)), "L2TPv3", False),
        (1, frames.ethernet(bytes(40), ethertype=0x88E5), "MACsec", True),
        (1, frames.ethernet(pppoe(V4)[:6] + b"\0\xfd" + V4, ethertype=0x8864), "PPP with protocol 0x00fd", False),
        (101, over_udp(4500, b"\x01" * 40), "ESP in UDP", True),
        (101, over_udp(9, b"\x04\0\0\0" + bytes(40), source=51820), "WireGuard", True),
        (101, over_udp(4755, b"\x17\xfe\xfd" + bytes(40)), "GRE in DTLS", True),
        (101, over_udp(5247, b"\x01" + bytes(40)), "CAPWAP in DTLS", True),
    ],
)
def test_what_is_not_looked_into_is_named(decode, link_type, frame, name, encrypted):
    found = decode(frame, link_type)
    assert found["kind"] == const.KIND_UNREAD
    assert encapsulation.unread_name(found["seq"]) == (name, encrypted)


def test_encrypted_frames_of_a_radio_are_named():
    found = slow(wifi(llc_snap(V4), control=0x0841), 105)
    assert (found["kind"], encapsulation.unread_name(found["seq"])) == (const.KIND_UNREAD, ("802.11", True))


@pytest.mark.parametrize(
    ("link_type", "frame", "name"),
    [
        (7, b"\x01\x02\xd4\x03\0\x07" + V4, "fragments of ARCNET"),
        (129, b"\x01\x02\0\0\xc4\x02\0\x07" + V6[400:], "fragments of ARCNET"),
        (101, over_udp(5247, b"\0\x10\x42\x80\0\x07\0\x08" + V4), "fragments of CAPWAP"),
        (101, over_udp(5247, capwap(V4, 0x104500)), "CAPWAP of a radio of type 2"),
    ],
)
def test_what_only_the_slow_decoder_reaches_is_also_named(link_type, frame, name):
    found = slow(frame, link_type)
    assert (found["kind"], encapsulation.unread_name(found["seq"])) == (const.KIND_UNREAD, (name, False))


@pytest.mark.parametrize("kept", [14 + 20 + 20, 14 + 20 + 20 + 700])
def test_the_first_fragment_of_a_capwap_message_has_the_header(kept):
    packet = frames.segment(CLIENT, SERVER, frames.ACK, seq=7, ack=9, payload=b"x" * 1000, link=raw)
    found = slow(over_udp(5247, capwap(frames.ethernet(packet)[:kept], 0x104280)), 101)
    assert (found["kind"], found["seq"], found["payload_len"]) == (const.KIND_TCP, 7, 1000)


@pytest.mark.parametrize("length", [0, 1])
def test_a_capwap_header_shorter_than_any_is_none(length):
    assert slow(over_udp(5247, capwap(frames.ethernet(V4), length << 19 | 0x200)), 101)["kind"] == const.KIND_NONE


@pytest.mark.parametrize(
    "body",
    [b"\0\0\x02\0" + frames.ethernet(V4)[4:], b"\0\x08\x02\0" + frames.ethernet(V4)],
    ids=["no word", "one word"],
)
def test_a_frame_right_behind_such_a_header_is_none_either(body):
    """RFC 5415 section 4.3: the header has at least two words."""
    assert slow(over_udp(5247, body), 101)["kind"] == const.KIND_NONE


@pytest.mark.parametrize("link_type", [178, 179, 181])
def test_what_should_begin_as_junipers_frames_do_is_damaged(link_type):
    assert slow(frames.ethernet(V4), link_type)["kind"] == const.KIND_DAMAGED


@pytest.mark.parametrize(("length", "kind"), [(1499, const.KIND_TCP), (1500, const.KIND_TCP), (1501, const.KIND_NONE)])
def test_up_to_1500_it_is_a_length_and_no_ethertype(length, kind):
    """IEEE 802.3: the longest frame has 1500 bytes."""
    assert slow(frames.ethernet(llc_snap(V4), ethertype=length))["kind"] == kind


def test_a_pktap_header_in_a_pktap_header_is_no_link_type():
    assert slow(pktap(pktap(frames.ethernet(V4), 1), 258), 258)["kind"] == const.KIND_DECLINED


@pytest.mark.parametrize("bits", [b"\x40\0", b"\x01\0", b"\0\x01", b"\0\x80", b"\x08\0"])
def test_gre_in_udp_has_no_other_bits_than_those_of_the_options(bits):
    """RFC 8086 section 6.1: version 0 without reserved bits; anybody may use the port for another thing."""
    assert describe(over_udp(4754, bits + b"\x08\0" + V4), 101)["kind"] == const.KIND_UDP
    assert slow(over_udp(4754, bits + b"\x08\0" + V4), 101)["kind"] in {const.KIND_NONE, const.KIND_UDP}


@pytest.mark.parametrize(
    ("port", "body"),
    [
        (4789, bytes(8) + frames.ethernet(V4)),  # no VNI is valid
        (2152, gtp(b"")),
        (2152, gtp(V4, 0x50)),  # version 2
        (2152, b"\x30\x01" + gtp(V4)[2:]),  # an echo request
        (2152, gtp(V4, 0x34, b"\0\0\0\x85" + bytes(4))),  # an extension header of no words
        (2152, gtp(b"", 0x34, b"\0\0\0\x85" + b"\x09\0\0\0")),  # of more than there are
        (6081, b"\x40" + bytes(7) + frames.ethernet(V4)),  # version 1
    ],
    ids=["vxlan", "gtp without a packet", "gtp 2", "gtp echo", "gtp, no words", "gtp, too many words", "geneve"],
)
def test_what_is_no_tunnel_is_the_datagram_that_it_is(port, body):
    found = describe(over_udp(port, body), 101)
    assert (found["kind"], found["notes"] & const.NOTE_TUNNELED) == (const.KIND_UDP, 0)


def test_ip_behind_llc_alone():
    """RFC 948, before RFC 1042 had SNAP: the service access point of IP is 6."""
    frame = frames.ethernet(b"\x06\x06\x03" + V4, ethertype=3 + len(V4))
    assert slow(frame) == describe(V4, 101)


def test_a_stack_of_more_labels_than_any_router_pushes():
    frame = frames.ethernet(mpls(V4, 40), ethertype=0x8847)
    assert describe(frame, 1)["kind"] == slow(frame, 1)["kind"] == const.KIND_DAMAGED


@pytest.mark.parametrize("header", [b"\0\x05\0\0", b""], ids=["version 2", "version 1"])
def test_what_a_router_redirects_to_a_cache(header):
    frame = over_ip(47, gre(header + V4, protocol=0x883E))
    assert describe(frame, 101) == slow(frame, 101) == {**describe(V4, 101), "notes": describe(V4, 101)["notes"] | 0x80}


@pytest.mark.parametrize("port", encapsulation.OPAQUE_PORTS)
def test_a_datagram_that_only_uses_the_port_of_an_encrypted_tunnel_is_a_datagram(port):
    assert describe(over_udp(port, b"\0" * 40), 101)["kind"] in {const.KIND_UDP, const.KIND_DECLINED}


TEREDO6 = frames.data(b"six", ("2001::1", 4000), SERVER6, link=raw)


def test_teredo_between_clients_on_their_own_ports():
    assert slow(over_udp(3797, TEREDO6, source=32_900), 101)["kind"] == const.KIND_TCP
    assert describe(over_udp(3797, TEREDO6, source=32_900), 101)["kind"] == const.KIND_DECLINED
    assert describe(over_udp(3797, V6, source=32_900), 101)["kind"] == const.KIND_UDP


@pytest.mark.parametrize("port", [1701, 2152, 3544, 4789, 4790, 5072, 6081, 6635, 8472])
@pytest.mark.parametrize(
    "body",
    [
        b"\0" * 200,
        b"\xff" * 200,
        b"GET / HTTP/1.1",
        bytes(range(200)),
        b"\x08" + b"\0" * 7 + b"\x08\0" * 90,
        b"\x0b" * 9,
    ],
    ids=["zeros", "ones", "text", "count", "looks like vxlan", "short"],
)
def test_a_port_alone_is_no_tunnel(port, body):
    """Somebody uses the port for something else: that is no damage."""
    assert slow(over_udp(port, body), 101)["kind"] in {const.KIND_NONE, const.KIND_UDP}
    assert describe(over_udp(port, body), 101)["kind"] in {const.KIND_NONE, const.KIND_UDP, const.KIND_DECLINED}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda p: over_ip(4, p),
        lambda p: over_ip(47, gre(p)),
        lambda p: over_ip(47, gre(b"\0" * 4 + p, protocol=0x883E)),
        lambda p: over_udp(4754, gre(p)),
        lambda p: over_udp(6635, mpls(p)),
        lambda p: over_udp(4789, vxlan(frames.ethernet(p))),
    ],
    ids=["ip", "gre", "wccp", "gre in udp", "mpls in udp", "vxlan"],
)
def test_a_packet_in_a_packet_without_end(wrap):
    packet = V4
    for _ in range(40):
        packet = wrap(packet)
    for found in (slow(packet, 101), describe(packet, 101)):
        assert (found["kind"], encapsulation.unread_name(found["seq"])) == (const.KIND_UNREAD, TOO_DEEP)


def test_capwap_in_capwap_without_end():
    packet = V4
    for _ in range(40):
        packet = over_udp(5247, capwap(frames.ethernet(packet), 0x104200))
    found = slow(packet, 101)
    assert (found["kind"], encapsulation.unread_name(found["seq"])) == (const.KIND_UNREAD, TOO_DEEP)


@pytest.mark.parametrize(("wire_len", "note"), [
    (60, const.NOTE_SNAPPED | const.NOTE_CUT_HEADER), (6, const.NOTE_BAD_HEADER_LENGTH),
])  # fmt: skip
def test_a_header_that_is_cut_was_snapped_or_is_wrong(wire_len, note):
    """0x8864 is PPPoE, whose header has six bytes."""
    records = segment.segments(1)
    assert decode_from_layer(("pppoe", b"\x11\0\0\x01\0\x20", wire_len), records, 0) == const.KIND_DAMAGED
    assert records[0].notes == note


def test_the_subframes_of_an_aggregate_begin_at_whole_words():
    """IEEE 802.11 section 9.3.2.2.2: each but the last is padded; the last may be cut."""
    data = msdu(b"12345") + b"\0" + msdu(b"of eight") + b"\0\0" + msdu(b"a cut one")[:-4]
    assert list(layers.subframes(data)) == [(b"12345", 5), (b"of eight", 8), (b"a cut", 9)]


@pytest.mark.parametrize("captured", [60, 90])
def test_how_long_a_packet_was_behind_the_headers(captured):
    """BIG TCP writes no length: the packet ends where its frame did."""
    packet = frames.data(bytes(70_000), CLIENT6, SERVER6, length=0, link=raw)
    frame = frames.ethernet(llc_snap(packet), ethertype=1500)
    kept = len(frame) - len(packet) + captured
    assert slow(frame[:kept], 1, len(frame))["payload_len"] == 70_000


@given(st.sampled_from(LINK_TYPES), st.binary(max_size=120), st.integers(0, 200))
def test_any_bytes(link_type, data, wire_len):
    assert slow(data, link_type, wire_len)["kind"] in range(9)


@given(st.sampled_from(list((NOT_TUNNELS | TUNNELS).values())), st.data())
def test_damaged_frames(case, data):
    link_type, wrap = case
    frame = bytearray(wrap(V4))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    assert slow(bytes(frame), link_type)["kind"] in range(9)


def test_every_link_type_that_is_not_read_fast_has_a_frame_here():
    tried = {link_type for link_type, _ in (NOT_TUNNELS | TUNNELS).values()}
    assert {number for number in encapsulation.LINK_TYPES if not encapsulation.FRAMINGS[number]} <= tried
