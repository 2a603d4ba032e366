"""Packets in packets, as mirror ports, overlays and access networks carry them: GRE, ERSPAN, MPLS, PPPoE, VXLAN …

Each step reads one header and goes on with what is behind it.  What is rarer is declined: `layers.py` knows it.
"""

from typing import Any

from handshake_inspect.decode import ip, link, onward, segment, tcp_header
from handshake_inspect.wire import big_endian
from handshake_inspect.wire.const import (
    ETHERNET,
    KIND_DAMAGED,
    KIND_DECLINED,
    KIND_NONE,
    KIND_ONWARD,
    NOTE_SNAPPED,
    NOTE_TUNNELED,
)
from handshake_inspect.wire.encapsulation import (
    BEHIND_IPV4,
    BEHIND_IPV6,
    BEHIND_OTHER,
    BEHIND_SEALED,
    GRE_LAYERS,
    LAYER_ALONE,
    LAYER_ERSPAN,
    LAYER_ERSPAN3,
    LAYER_ETHERIP,
    LAYER_ETHERNET,
    LAYER_GENEVE,
    LAYER_GRE,
    LAYER_GTP,
    LAYER_MPLS,
    LAYER_PPP,
    LAYER_PPPOE,
    LAYER_UDP,
    LAYER_VXLAN,
    LAYER_WCCP,
    MAX_LAYERS,
    PPP_LAYERS,
    TUNNEL_FROM,
    TUNNEL_LAYERS,
    TUNNEL_SEALED,
    TUNNELS,
    UNREAD_DEPTH,
    UNREAD_ETHERTYPE,
    UNREAD_GRE,
    UNREAD_PORT,
    UNREAD_PPP,
)

_GRE_ROUTING = 0x4000
_GRE_VERSION = 7
_GPDU = 255  # the message of GTP that carries a packet
_ESP_PORT = 4500
_DTLS_PORT = 4755
_CAPWAP_PORT = 5247
_WIREGUARD_PORT = 51820
_WIREGUARD_DATA = 0x0400_0000


def follow(data: bytes, end: int, out: Any) -> int:
    """Go on where the record says that a packet in the packet begins; the KIND_* of the innermost one."""
    whole = not out.notes & NOTE_SNAPPED
    datagram = False
    kind = KIND_ONWARD
    for _ in range(MAX_LAYERS):
        layer = out.options
        at = out.reporter_hi
        wire_end = out.reporter_lo
        out.options = 0
        datagram = datagram or layer == LAYER_UDP
        kind = step(layer, data, at, min(end, wire_end), wire_end, out)
        if kind != KIND_ONWARD:
            return KIND_NONE if kind == KIND_DAMAGED and datagram and whole else kind  # it only seemed to be a tunnel
    return onward.unread(UNREAD_DEPTH, 0, out)


def step(layer: int, data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Read one header of what lies around a packet."""
    if layer == LAYER_GRE:
        return gre(data, at, end, wire_end, out)
    if layer == LAYER_UDP:
        return udp(data, at, end, wire_end, out)
    if layer == LAYER_MPLS:
        return mpls(data, at, end, wire_end, out)
    if layer == LAYER_PPPOE:
        return pppoe(data, at, end, wire_end, out)
    if layer == LAYER_PPP:
        return ppp(data, at, end, wire_end, out)
    if layer == LAYER_ETHERIP:
        return inner(LAYER_ETHERNET, data, at + 2, end, wire_end, out)
    return inner(layer, data, at, end, wire_end, out)


def inner(layer: int, data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Start again with what is behind a header."""
    notes = out.notes & NOTE_TUNNELED
    segment.clear(out)
    out.notes = notes | NOTE_SNAPPED if wire_end > end else notes
    if end < at:
        return tcp_header.ended_early(end, wire_end, out)
    if layer == BEHIND_IPV4:
        return ip.decode_ipv4(data, at, end, wire_end, out)
    if layer == BEHIND_IPV6:
        return ip.decode_ipv6(data, at, end, wire_end, out)
    if layer == LAYER_ETHERNET:
        return link.decode_link(data, at, end, wire_end, ETHERNET, out)
    if layer in (LAYER_MPLS, LAYER_PPPOE, LAYER_PPP, LAYER_GRE):
        return onward.go_on(layer, at, wire_end, out)
    return KIND_NONE if layer == LAYER_ALONE else KIND_DECLINED


def gre(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """GRE (RFC 2784, RFC 2890), and that of PPTP (RFC 2637), whose acknowledgment comes last."""
    if end - at < 4:
        return tcp_header.ended_early(end, wire_end, out)
    flags = big_endian.be16(data, at)
    protocol = big_endian.be16(data, at + 2)
    if flags & _GRE_ROUTING:  # source routing, which nobody has used since RFC 2784
        return onward.unread(UNREAD_GRE, protocol, out)
    at += 4 + gre_fields(flags)
    if protocol <= 1500:
        return KIND_DECLINED
    layer = GRE_LAYERS[protocol]
    if layer == LAYER_ERSPAN:  # of type II behind a header; of type I, without a number, at once
        return inner(LAYER_ETHERNET, data, at + 8 if flags & 0x1000 else at, end, wire_end, out)
    if layer == LAYER_ERSPAN3:
        if end - at < 12:
            return tcp_header.ended_early(end, wire_end, out)
        return inner(LAYER_ETHERNET, data, at + (20 if data[at + 11] & 1 else 12), end, wire_end, out)
    if layer == LAYER_WCCP:
        return wccp(data, at, end, wire_end, out)
    if layer == BEHIND_SEALED:
        return onward.unread(UNREAD_ETHERTYPE, protocol, out)
    return inner(layer, data, at, end, wire_end, out) if layer else onward.unread(UNREAD_GRE, protocol, out)


def gre_fields(flags: int) -> int:
    """How many bytes the optional fields of a GRE header have."""
    length = 0
    if flags & _GRE_VERSION == 0:
        length = 4 if flags & 0xC000 else 0
    if flags & 0x2000 or flags & _GRE_VERSION:  # version 1 always has its key
        length += 4
    if flags & 0x1000:
        length += 4
    if flags & _GRE_VERSION and flags & 0x80:
        length += 4
    return length


def wccp(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """What a router redirects to a cache (WCCP): IPv4, in version 2 behind a header of 4 bytes."""
    if end - at < 1:
        return tcp_header.ended_early(end, wire_end, out)
    return inner(BEHIND_IPV4, data, at if data[at] >> 4 == 4 else at + 4, end, wire_end, out)


def mpls(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Pop the label stack; the first half-byte below shows what follows (RFC 4928 section 3)."""
    bottom = 0
    for _ in range(MAX_LAYERS):
        if end - at < 5:
            return tcp_header.ended_early(end, wire_end, out)
        bottom = data[at + 2] & 1
        at += 4
        if bottom:
            break
    if not bottom:
        return tcp_header.ended_early(end, end, out)
    version = data[at] >> 4
    if version == 4:
        return inner(BEHIND_IPV4, data, at, end, wire_end, out)
    if version == 6:
        return inner(BEHIND_IPV6, data, at, end, wire_end, out)
    # A pseudowire's control word begins with zeros and is followed by a whole Ethernet frame.
    return inner(LAYER_ETHERNET, data, at + 4 if version == 0 else at, end, wire_end, out)


def pppoe(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """PPP over Ethernet (RFC 2516): a session's frame, whose protocol may be compressed to one byte."""
    if end - at < 8:
        return tcp_header.ended_early(end, wire_end, out)
    return KIND_NONE if data[at + 1] else by_ppp(data, at + 6, end, wire_end, out)


def ppp(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """PPP (RFC 1661), perhaps in HDLC framing; Cisco's framing is left to the slow decoder."""
    if end - at < 4:
        return tcp_header.ended_early(end, wire_end, out)
    if data[at] & 0x7F == 0x0F and data[at + 1] == 0:
        return KIND_DECLINED
    return by_ppp(data, at + 2 if data[at] == 0xFF and data[at + 1] == 3 else at, end, wire_end, out)


def by_ppp(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Go on by the protocol of PPP at `at`, of which there are two bytes."""
    if data[at] & 1:
        protocol = data[at] + 0
        at += 1
    else:
        protocol = big_endian.be16(data, at)
        at += 2
    layer = PPP_LAYERS[protocol]
    if layer == BEHIND_SEALED:
        return onward.unread(UNREAD_PPP, protocol, out)
    return inner(layer, data, at, end, wire_end, out) if layer else KIND_NONE


def udp(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """A datagram to or from the port of a tunnel.

    A port alone is no proof, for anybody may use it: the header must look right too, and what is inside must begin as
    a packet does; else it is a datagram like any other.
    """
    source = big_endian.be16(data, at)
    target = big_endian.be16(data, at + 2)
    if (TUNNELS[target] | TUNNELS[source]) & TUNNEL_SEALED:
        port = target if TUNNELS[target] & TUNNEL_SEALED else source + 0
        if is_sealed(port, data, at + 8):
            return onward.unread(UNREAD_PORT, port, out)
        if TUNNELS[target] | TUNNELS[source] == TUNNEL_SEALED:
            return ip.udp_datagram(data, at, end, wire_end, out)
    layer = TUNNEL_LAYERS[target]
    if layer in (0, BEHIND_OTHER) or TUNNELS[source] & TUNNEL_FROM:
        return KIND_DECLINED
    found = behind_udp(layer, data, at + 8, end, out)
    if found == 0:
        return ip.udp_datagram(data, at, end, wire_end, out)
    out.notes |= NOTE_TUNNELED
    return inner(found & 0xFF, data, found >> 8, end, wire_end, out)


def is_sealed(port: int, data: bytes, at: int) -> bool:
    """Whether an encrypted tunnel's datagram begins at `at`, where there are 8 bytes."""
    if port == _ESP_PORT:
        return big_endian.be32(data, at) != 0  # zeros mark the key exchange (RFC 3948 section 2.2)
    if port == _WIREGUARD_PORT:
        return big_endian.be32(data, at) == _WIREGUARD_DATA
    if port == _CAPWAP_PORT:
        return data[at] == 1  # a DTLS header follows (RFC 5415 section 4.2)
    return port == _DTLS_PORT and data[at] == 23  # application data


def behind_udp(layer: int, data: bytes, at: int, end: int, out: Any) -> int:
    """`position << 8 | layer` of what a tunnel's datagram holds, 0 where it is none; 8 bytes of it are there."""
    if layer == LAYER_VXLAN:  # RFC 7348: only the flag that the VNI is valid counts
        return (at + 8) << 8 | LAYER_ETHERNET if data[at] & 8 else 0
    if layer == LAYER_GENEVE:
        return geneve(data, at, end)
    if layer == LAYER_GTP:
        return gtp(data, at, end)
    if layer == LAYER_GRE:  # RFC 8086: of version 0, with no reserved bit set
        return 0 if data[at] & 0x4F or data[at + 1] else at << 8 | LAYER_GRE
    return at << 8 | LAYER_MPLS  # RFC 7510


def geneve(data: bytes, at: int, end: int) -> int:
    """Geneve (RFC 8926), with options of any length."""
    if data[at] >> 6:
        return 0
    layer = GRE_LAYERS[big_endian.be16(data, at + 2)]
    at += 8 + (data[at] & 0x3F) * 4
    if layer in (LAYER_ETHERNET, LAYER_MPLS):
        return at << 8 | layer
    return at << 8 | layer if is_packet(layer, data, at, end) else 0


def gtp(data: bytes, at: int, end: int) -> int:
    """GTP-U version 1 (3GPP TS 29.281), whose optional part may begin a chain of extension headers."""
    if data[at] >> 4 != 3 or data[at + 1] != _GPDU:
        return 0
    flags = data[at]
    following = 0
    at += 8
    if flags & 7:
        if end - at < 4:
            return 0
        following = data[at + 3] if flags & 4 else 0
        at += 4
    for _ in range(MAX_LAYERS):
        if following == 0:
            break
        if end - at < 4 or data[at] == 0 or end - at < data[at] * 4:
            return 0
        at += data[at] * 4
        following = data[at - 1]
    if is_packet(BEHIND_IPV6, data, at, end):
        return at << 8 | BEHIND_IPV6
    return at << 8 | BEHIND_IPV4 if is_packet(BEHIND_IPV4, data, at, end) else 0


def is_packet(layer: int, data: bytes, at: int, end: int) -> bool:
    """Whether what begins at `at` has the IP version that the layer says."""
    if end <= at:
        return False
    return data[at] >> 4 == (4 if layer == BEHIND_IPV4 else 6) and layer in (BEHIND_IPV4, BEHIND_IPV6)
