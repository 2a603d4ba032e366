"""Encapsulations as bytes: a packet in, a frame of the link type out."""

import struct

from support import frames

PPP = {4: b"\0\x21", 6: b"\0\x57"}


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
    "ppp, serial, cisco, to all": (50, lambda p: b"\x8f\0" + struct.pack(">H", frames.ethertype_of(p)) + p),
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
    "vxlan-gpe, ethernet": (101, lambda p: over_udp(4790, vxlan(frames.ethernet(p)))),
    "geneve": (101, lambda p: over_udp(6081, geneve(frames.ethernet(p)))),
    "geneve, options": (101, lambda p: over_udp(6081, geneve(p, frames.ethertype_of(p), b"\0" * 64))),
    "gtp-u": (101, lambda p: over_udp(2152, gtp(p))),
    "gtp-u, numbered": (101, lambda p: over_udp(2152, gtp(p, 0x32, b"\0\x07\0\0"))),
    "gtp-u, 5G": (101, lambda p: over_udp(2152, gtp(p, 0x34, b"\0\0\0\x85" + b"\x01\0\x09\0"))),
    "gtp-u, two extensions": (
        101,
        lambda p: over_udp(2152, gtp(p, 0x34, b"\0\0\0\x85" + b"\x02" + b"\x09" * 6 + b"\x40" + b"\x01\0\x09\0")),
    ),
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
    "l2tp, as short as can be": (101, lambda p: over_udp(1701, b"\0\x02" + b"\0" * 4 + ppp(p))),
    "pptp, cisco hdlc": (
        101,
        lambda p: over_ip(47, gre(b"\x0f\0" + gre(p)[2:], 0x3081, b"\0" * 12, protocol=0x880B)),
    ),
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
