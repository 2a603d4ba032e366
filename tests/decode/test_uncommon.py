"""The slow path: rare layers come back as the same segment."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import frames
from support.frames import CLIENT, CLIENT6, SERVER, SERVER6, raw

from handshake_inspect.decode import segment
from handshake_inspect.decode.uncommon import decode_uncommon
from handshake_inspect.wire import const, encapsulation
from tests.support.described import describe, frame_fields

V4 = frames.data(b"four", CLIENT, SERVER, link=raw)
V6 = frames.data(b"six", CLIENT6, SERVER6, link=raw)
PPP = {4: b"\0\x21", 6: b"\0\x57"}
LINK_TYPES = [0, 1, 9, 12, 14, 50, 51, 101, 104, 105, 108, 113, 127, 228, 229, 239, 276]


def slow(frame, link_type=1, wire_len=None):
    records = segment.segments(3)
    records[1].ts_ns, records[1].frame, records[1].mss = 5, 6, 7
    kind = decode_uncommon(frame, len(frame) if wire_len is None else wire_len, link_type, records, 1)
    assert (records[1].ts_ns, records[1].frame, records[1].kind) == (5, 6, kind)
    assert bytes(records[0]) == bytes(records[2]) == bytes(len(bytes(records[0])))
    return frame_fields(records[1])


def ppp(packet):
    return PPP[packet[0] >> 4] + packet


def pppoe(packet, code=0):
    return struct.pack(">BBHH", 0x11, code, 1, len(packet) + 2) + ppp(packet)


def msdu(packet):
    """A subframe of an A-MSDU."""
    return b"\0" * 12 + struct.pack(">H", len(packet)) + packet


def family(packet, order, v6=24):
    return struct.pack(f"{order}I", 2 if packet[0] >> 4 == 4 else v6)


def pflog(packet, length):
    head = bytes([length, 2 if packet[0] >> 4 == 4 else 28, 1]) + b"em0" + b"\0" * (length - 6)
    return head + b"\0" * (-length % 4) + packet


def pktap(frame, link_type, length=108, kind=1):
    return struct.pack("<III", length, kind, link_type) + b"en0".ljust(length - 12, b"\0") + frame


def mpls(packet, labels=2):
    stack = [struct.pack(">I", (100 + i) << 12 | (i == labels - 1) << 8 | 64) for i in range(labels)]
    return b"".join(stack) + packet


def llc_snap(packet):
    return b"\xaa\xaa\x03\0\0\0" + struct.pack(">H", frames.ethertype_of(packet)) + packet


def gre(packet, flags=0, options=b"", protocol=None):
    return struct.pack(">HH", flags, protocol or frames.ethertype_of(packet)) + options + packet


def over_ip(protocol, body, version=4):
    if version == 4:
        return frames.ipv4("10.9.9.1", "10.9.9.2", protocol, body)
    return frames.ipv6("2001:db8:9::1", "2001:db8:9::2", protocol, body)


def over_udp(port, body, source=50_000, version=4):
    return over_ip(17, struct.pack(">HHHH", source, port, 8 + len(body), 0) + body, version)


def vxlan(packet, flags=0x08, following=0):
    return bytes([flags, 0, 0, following]) + b"\0\0\x07\0" + packet


def geneve(packet, protocol=0x6558, options=b""):
    return struct.pack(">BBHI", len(options) // 4, 0, protocol, 7 << 8) + options + packet


def gtp(packet, flags=0x30, optional=b""):
    return struct.pack(">BBHI", flags, 255, len(optional) + len(packet), 1) + optional + packet


def nsh(packet):
    return struct.pack(">HBBI", 0x0FC2, 2, 1 if packet[0] >> 4 == 4 else 2, 0x1FF) + packet


def nflog(packet, order="<"):
    attributes = struct.pack(order + "HH4s", 8, 1, b"\x08\0\0\0") + struct.pack(order + "HH", 9, 10) + b"input\0\0\0"
    return b"\x02\0\0\0" + attributes + struct.pack(order + "HH", 4 + len(packet), 9) + packet


def wifi(body, control=0x0801, length=24):
    return struct.pack(">H", control) + b"\0" * (length - 2) + body


def radiotap(frame):
    return b"\0\0" + struct.pack("<HI", 8, 0) + frame


def trill(frame, words=0):
    return struct.pack(">HHH", words << 6 | 5, 1, 2) + b"\0" * 4 * words + frame


def arcnet(packet, addresses, exception=b""):
    kind = 212 if packet[0] >> 4 == 4 else 196
    again = bytes([kind]) + exception if exception else b""
    return addresses + again + bytes([kind]) + b"\0\0\x07" + packet


def tagged(packet, length):
    """Ethernet with a tag of a switch's chip behind the addresses."""
    frame = frames.ethernet(packet)
    return frame[:12] + b"\x40" + bytes(length - 1) + frame[12:]


def capwap(frame, header, wireless=b""):
    """A data message whose header is `header` (24 bits), a fragment's number, and what the radio says."""
    return b"\0" + header.to_bytes(3, "big") + b"\0" * 4 + wireless + frame


NOT_TUNNELS = {
    "pppoe": (1, lambda p: frames.ethernet(pppoe(p), ethertype=0x8864)),
    "pppoe in vlan": (1, lambda p: frames.ethernet(b"", tags=[0x8100], ethertype=0x8864) + pppoe(p)),
    "pppoe alone": (51, pppoe),
    "pppoe, protocol compressed": (51, lambda p: pppoe(p)[:6] + ppp(p)[1:]),
    "mpls": (1, lambda p: frames.ethernet(mpls(p), ethertype=0x8847)),
    "mpls, one label": (1, lambda p: frames.ethernet(mpls(p, 1), ethertype=0x8847)),
    "mpls, deep": (1, lambda p: frames.ethernet(mpls(p, 30), ethertype=0x8848)),
    "pseudowire": (1, lambda p: frames.ethernet(mpls(b"\0\0\0\0" + frames.ethernet(p)), ethertype=0x8847)),
    "pseudowire, cisco hdlc": (104, lambda p: b"\x0f\0\x88\x47" + mpls(b"\0\0\0\0" + frames.ethernet(p))),
    "mpls, cooked": (113, lambda p: frames.sll(p)[:14] + b"\x88\x47" + mpls(p)),
    "mpls, cooked v2": (276, lambda p: b"\x88\x47" + frames.sll2(p)[2:20] + mpls(p)),
    "snap": (1, lambda p: frames.ethernet(llc_snap(p), ethertype=len(llc_snap(p)))),
    "ppp": (9, ppp),
    "ppp, framed": (9, lambda p: b"\xff\x03" + ppp(p)),
    "ppp, serial": (50, lambda p: b"\xff\x03" + ppp(p)),
    "ppp, serial, cisco": (50, lambda p: b"\x0f\0" + struct.pack(">H", frames.ethertype_of(p)) + p),
    "cisco hdlc": (104, lambda p: b"\x0f\0" + struct.pack(">H", frames.ethertype_of(p)) + p),
    "wifi": (105, lambda p: wifi(llc_snap(p))),
    "wifi, qos": (105, lambda p: wifi(llc_snap(p), control=0x8802, length=26)),
    "wifi, qos with a priority": (105, lambda p: wifi(b"\x05\0" + llc_snap(p), control=0x8802)),
    "wifi, aggregated": (105, lambda p: wifi(b"\x80\0" + msdu(llc_snap(p)), control=0x8802)),
    "enc, little-endian": (109, lambda p: family(p, "<") + b"\0" * 8 + p),
    "enc, big-endian": (109, lambda p: family(p, ">") + b"\0" * 8 + p),
    "pflog": (117, lambda p: pflog(p, 61)),
    "pflog of today's OpenBSD": (117, lambda p: pflog(p, 100)),
    "pktap": (258, lambda p: pktap(frames.ethernet(p), 1)),
    "pktap of a tunnel": (258, lambda p: pktap(p, 12)),
    "pktap in user2": (149, lambda p: pktap(frames.vlan(p), 1, length=160)),
    "wifi, bridge": (105, lambda p: wifi(llc_snap(p), control=0x0803, length=30)),
    "vn-tag": (
        1,
        lambda p: frames.ethernet(
            b"\0\0\0\x01" + struct.pack(">H", frames.ethertype_of(p)) + p, tags=[0x8100], ethertype=0x8926
        ),
    ),
    "e-tag": (
        1,
        lambda p: frames.ethernet(b"\0" * 6 + struct.pack(">H", frames.ethertype_of(p)) + p, ethertype=0x893F),
    ),
    "fabric path": (1, lambda p: frames.ethernet(b"\0\x01" + frames.ethernet(p), ethertype=0x8903)),
    "provider backbone": (1, lambda p: frames.ethernet(b"\0\0\0\x01" + frames.vlan(p), ethertype=0x88E7)),
    "trill": (1, lambda p: frames.ethernet(trill(frames.ethernet(p)), ethertype=0x22F3)),
    "trill, options": (1, lambda p: frames.ethernet(trill(frames.vlan(p), 2), ethertype=0x22F3)),
    "nsh": (1, lambda p: frames.ethernet(nsh(p), ethertype=0x894F)),
    "netfilter log": (239, nflog),
    "netfilter log, other order": (239, lambda p: nflog(p, ">")),
    "fddi": (10, lambda p: b"\x50" + bytes(12) + llc_snap(p)),
    "infiniband": (242, lambda p: bytes(40) + struct.pack(">HH", frames.ethertype_of(p), 0) + p),
    "arcnet": (7, lambda p: arcnet(p, b"\x01\x02")),
    "arcnet of linux": (129, lambda p: arcnet(p, b"\x01\x02\0\0")),
    "arcnet, exception": (7, lambda p: arcnet(p, b"\x01\x02", b"\xff\xff\xff")),
    "broadcom tag": (281, lambda p: tagged(p, 4)),
    "broadcom tag in front": (282, lambda p: bytes(4) + frames.ethernet(p)),
    "dsa tag": (284, lambda p: tagged(p, 4)),
    "edsa tag": (285, lambda p: tagged(p, 8)),
    "erf": (197, lambda p: bytes(8) + b"\x02" + bytes(7) + b"\0\0" + frames.ethernet(p)),
    "erf, extended": (197, lambda p: bytes(8) + b"\x82" + bytes(7) + b"\x85" + bytes(7) + bytes(10) + frames.vlan(p)),
    "erf, ip": (197, lambda p: bytes(8) + bytes([22 if p[0] >> 4 == 4 else 23]) + bytes(7) + p),
    "juniper ethernet": (178, lambda p: b"MGC\x01" + frames.ethernet(p)),
    "juniper ethernet, extended": (178, lambda p: b"MGC\x81\0\x06\x01\x01\x01\x02\x01\x02" + frames.vlan(p)),
    "juniper, no link layer": (178, lambda p: b"MGC\x03" + bytes([2 if p[0] >> 4 == 4 else 6, 0, 0, 0]) + p),
    "juniper ppp": (179, lambda p: b"MGC\x01" + b"\xff\x03" + ppp(p)),
    "juniper hdlc": (181, lambda p: b"MGC\x01" + b"\x0f\0" + struct.pack(">H", frames.ethertype_of(p)) + p),
    "radiotap": (127, lambda p: radiotap(wifi(llc_snap(p)))),
}
TUNNELS = {
    "ip in ip": (1, lambda p: frames.ethernet(over_ip(4 if p[0] >> 4 == 4 else 41, p))),
    "ip in ip, raw": (101, lambda p: over_ip(4 if p[0] >> 4 == 4 else 41, p)),
    "ip in ip, null": (0, lambda p: frames.null(over_ip(4 if p[0] >> 4 == 4 else 41, p))),
    "ip in ipv6": (1, lambda p: frames.ethernet(over_ip(4 if p[0] >> 4 == 4 else 41, p, 6))),
    "ip in ip in ip": (101, lambda p: over_ip(4, over_ip(4 if p[0] >> 4 == 4 else 41, p))),
    "gre": (1, lambda p: frames.ethernet(over_ip(47, gre(p)))),
    "gre over ipv6": (1, lambda p: frames.ethernet(over_ip(47, gre(p), 6))),
    "gre, key, sum and number": (101, lambda p: over_ip(47, gre(p, 0xB000, b"\0" * 12))),
    "gre, ethernet": (101, lambda p: over_ip(47, gre(frames.vlan(p), protocol=0x6558))),
    "pptp": (101, lambda p: over_ip(47, gre(ppp(p), 0x3081, b"\0" * 12, protocol=0x880B))),
    "authenticated": (101, lambda p: over_ip(51, bytes([4 if p[0] >> 4 == 4 else 41, 4]) + b"\0" * 22 + p)),
    "authenticated capwap": (
        101,
        lambda p: over_ip(
            51, bytes([17, 4]) + b"\0" * 22 + over_udp(5247, capwap(wifi(llc_snap(p)), 0x184320, b"\0" * 4))[20:]
        ),
    ),
    "authenticated, ipv6": (101, lambda p: over_ip(51, bytes([4 if p[0] >> 4 == 4 else 41, 4]) + b"\0" * 22 + p, 6)),
    "erspan I": (101, lambda p: over_ip(47, gre(frames.ethernet(p), protocol=0x88BE))),
    "erspan II": (101, lambda p: over_ip(47, gre(b"\0" * 8 + frames.vlan(p), 0x1000, b"\0" * 4, protocol=0x88BE))),
    "erspan III": (
        101,
        lambda p: over_ip(47, gre(b"\0" * 12 + frames.ethernet(p), 0x1000, b"\0" * 4, protocol=0x22EB)),
    ),
    "vxlan": (1, lambda p: frames.ethernet(over_udp(4789, vxlan(frames.ethernet(p))))),
    "vxlan over ipv6": (101, lambda p: over_udp(4789, vxlan(frames.vlan(p)), version=6)),
    "vxlan, flannel": (113, lambda p: frames.sll(over_udp(8472, vxlan(frames.ethernet(p))))),
    "vxlan in vxlan": (
        101,
        lambda p: over_udp(4789, vxlan(frames.ethernet(over_udp(4789, vxlan(frames.ethernet(p)))))),
    ),
    "vxlan-gpe": (101, lambda p: over_udp(4790, vxlan(p, 0x0C, 1 if p[0] >> 4 == 4 else 2))),
    "geneve": (101, lambda p: over_udp(6081, geneve(frames.ethernet(p)))),
    "geneve, options": (101, lambda p: over_udp(6081, geneve(p, frames.ethertype_of(p), b"\0" * 64))),
    "gtp-u": (101, lambda p: over_udp(2152, gtp(p))),
    "gtp-u, numbered": (101, lambda p: over_udp(2152, gtp(p, 0x32, b"\0\x07\0\0"))),
    "gtp-u, 5G": (101, lambda p: over_udp(2152, gtp(p, 0x34, b"\0\0\0\x85" + b"\x01\0\x09\0"))),
    "teredo": (101, lambda p: over_udp(3544, over_ip(4 if p[0] >> 4 == 4 else 41, p, 6))),
    "teredo, from its server": (
        101,
        lambda p: over_udp(
            5000, b"\0\x01" + b"\0" * 11 + b"\0" * 8 + over_ip(4 if p[0] >> 4 == 4 else 41, p, 6), source=3544
        ),
    ),
    "ayiya": (101, lambda p: over_udp(5072, b"\x44\x52\x11" + bytes([4 if p[0] >> 4 == 4 else 41]) + b"\0" * 40 + p)),
    "l2tp": (101, lambda p: over_udp(1701, b"\x40\x02" + b"\0" * 6 + b"\xff\x03" + ppp(p))),
    "l2tp, with all there is": (101, lambda p: over_udp(1701, b"\x4a\x02" + b"\0" * 11 + b"\x02" + b"\0\0" + ppp(p))),
    "gre in udp": (101, lambda p: over_udp(4754, gre(p))),
    "mpls in udp": (101, lambda p: over_udp(6635, mpls(p))),
    "gre, wifi": (101, lambda p: over_ip(47, gre(wifi(llc_snap(p)), protocol=0x8240))),
    "gre, pppoe": (101, lambda p: over_ip(47, gre(pppoe(p), protocol=0x8864))),
    "mpls in ip": (101, lambda p: over_ip(137, mpls(p))),
    "ethernet in ip": (101, lambda p: over_ip(97, b"\x30\0" + frames.ethernet(p))),
    "ethernet behind segment routing": (101, lambda p: over_ip(143, frames.ethernet(p), 6)),
    "capwap": (101, lambda p: over_udp(5247, capwap(frames.ethernet(p), 0x104200))),
    "capwap, of a radio": (101, lambda p: over_udp(5247, capwap(wifi(llc_snap(p)), 0x184320, b"\0" * 4))),
    "capwap, from a controller": (
        101,
        lambda p: over_udp(4000, capwap(b"\x02\x08" + wifi(llc_snap(p))[2:], 0x104300), source=5247),
    ),
    "gre, mpls": (101, lambda p: over_ip(47, gre(mpls(p), protocol=0x8847))),
}


# What the fast decoder leaves to the slow one: link types that it does not know, and these.
FAST = {number for number in encapsulation.LINK_TYPES if encapsulation.FRAMINGS[number]}
LEFT = {
    "snap", "vn-tag", "e-tag", "fabric path", "provider backbone", "nsh", "trill", "trill, options", "vxlan-gpe",
    "teredo", "teredo, from its server", "ayiya", "l2tp", "l2tp, with all there is", "capwap", "capwap, of a radio",
    "capwap, from a controller", "gre, wifi", "authenticated capwap",
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
def test_what_only_the_slow_decoder_comes_to_is_named_as_well(link_type, frame, name):
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


@pytest.mark.parametrize("link_type", [178, 179, 181])
def test_what_should_begin_as_junipers_frames_do_is_damaged(link_type):
    assert slow(frames.ethernet(V4), link_type)["kind"] == const.KIND_DAMAGED


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
    assert slow(packet, 101)["kind"] == describe(packet, 101)["kind"] == const.KIND_UNREAD


def test_capwap_in_capwap_without_end():
    packet = V4
    for _ in range(40):
        packet = over_udp(5247, capwap(frames.ethernet(packet), 0x104200))
    assert slow(packet, 101)["kind"] == const.KIND_UNREAD


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
