"""Decode common encapsulations of mirror ports, overlays and access networks: GRE, ERSPAN, MPLS, PPPoE, VXLAN …

Each step reads one header and continues with the next layer.  Rarer encapsulations are declined, and left to
`layers.py`.
"""

from typing import Any

from handshake_inspect.decode import ip, link, nested, segment, tcp_header
from handshake_inspect.wire import big_endian
from handshake_inspect.wire.const import (
    ETHERNET,
    KIND_DAMAGED,
    KIND_DECLINED,
    KIND_NESTED,
    KIND_NONE,
    NOTE_SNAPPED,
    NOTE_TUNNELED,
)
from handshake_inspect.wire.encapsulation import (
    GRE_LAYERS,
    LAYER_CONTROL,
    LAYER_ERSPAN,
    LAYER_ERSPAN3,
    LAYER_ETHERIP,
    LAYER_ETHERNET,
    LAYER_GENEVE,
    LAYER_GRE,
    LAYER_GTP,
    LAYER_IPV4,
    LAYER_IPV6,
    LAYER_MPLS,
    LAYER_OPAQUE,
    LAYER_OTHER,
    LAYER_PPP,
    LAYER_PPPOE,
    LAYER_UDP,
    LAYER_VXLAN,
    LAYER_WCCP,
    MAX_LAYERS,
    PPP_LAYERS,
    TUNNEL_FROM,
    TUNNEL_LAYERS,
    TUNNEL_OPAQUE,
    TUNNELS,
    UNREAD_DEPTH,
    UNREAD_ETHERTYPE,
    UNREAD_GRE,
    UNREAD_PORT,
    UNREAD_PPP,
)

_GRE_ROUTING = 0x4000
_GRE_VERSION = 7
_GPDU = 255  # GTP message type of a user packet
_ESP_PORT = 4500
_DTLS_PORT = 4755
_CAPWAP_PORT = 5247
_WIREGUARD_PORT = 51820
_WIREGUARD_DATA = 0x0400_0000


def decode_nested(data: bytes, end: int, out: Any) -> int:
    """Decode the encapsulated packet at the position in the record (see `nested.py`); return the innermost KIND_*."""
    whole = not out.notes & NOTE_SNAPPED
    datagram = False
    kind = KIND_NESTED
    for _ in range(MAX_LAYERS):
        layer = out.options
        at = out.reporter_hi
        wire_end = out.reporter_lo
        out.options = 0
        datagram = datagram or layer == LAYER_UDP
        kind = step(layer, data, at, min(end, wire_end), wire_end, out)
        if kind != KIND_NESTED:
            return KIND_NONE if kind == KIND_DAMAGED and datagram and whole else kind  # not a tunnel after all
    return nested.unread_packet(UNREAD_DEPTH, 0, out)


def step(layer: int, data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Decode one encapsulation header and continue with the next layer."""
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
        return decode_layer(LAYER_ETHERNET, data, at + 2, end, wire_end, out)
    return decode_layer(layer, data, at, end, wire_end, out)


def decode_layer(layer: int, data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Reset the record and decode the layer at `at`."""
    notes = out.notes & NOTE_TUNNELED
    segment.clear(out)
    out.notes = notes | NOTE_SNAPPED if wire_end > end else notes
    if end < at:
        return tcp_header.truncated_header(end, wire_end, out)
    if layer == LAYER_IPV4:
        return ip.decode_ipv4(data, at, end, wire_end, out)
    if layer == LAYER_IPV6:
        return ip.decode_ipv6(data, at, end, wire_end, out)
    if layer == LAYER_ETHERNET:
        return link.decode_link(data, at, end, wire_end, ETHERNET, out)
    if layer in (LAYER_MPLS, LAYER_PPPOE, LAYER_PPP, LAYER_GRE):
        return nested.nested_packet(layer, at, wire_end, out)
    return KIND_NONE if layer == LAYER_CONTROL else KIND_DECLINED


def gre(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Decode GRE (RFC 2784, RFC 2890) and the enhanced GRE of PPTP (RFC 2637), with its acknowledgment field."""
    if end - at < 4:
        return tcp_header.truncated_header(end, wire_end, out)
    flags = big_endian.be16(data, at)
    protocol = big_endian.be16(data, at + 2)
    if flags & _GRE_ROUTING:  # source routing, obsolete since RFC 2784
        return nested.unread_packet(UNREAD_GRE, protocol, out)
    at += 4 + gre_fields(flags)
    if protocol <= 1500:
        return KIND_DECLINED
    layer = GRE_LAYERS[protocol]
    if layer == LAYER_ERSPAN:  # type II has an 8-byte header, type I (no sequence number) none
        return decode_layer(LAYER_ETHERNET, data, at + 8 if flags & 0x1000 else at, end, wire_end, out)
    if layer == LAYER_ERSPAN3:
        if end - at < 12:
            return tcp_header.truncated_header(end, wire_end, out)
        return decode_layer(LAYER_ETHERNET, data, at + (20 if data[at + 11] & 1 else 12), end, wire_end, out)
    if layer == LAYER_WCCP:
        return wccp(data, at, end, wire_end, out)
    if layer == LAYER_OPAQUE:
        return nested.unread_packet(UNREAD_ETHERTYPE, protocol, out)
    return (
        decode_layer(layer, data, at, end, wire_end, out) if layer else nested.unread_packet(UNREAD_GRE, protocol, out)
    )


def gre_fields(flags: int) -> int:
    """Return the length in bytes of a GRE header's optional fields."""
    length = 0
    if flags & _GRE_VERSION == 0:
        length = 4 if flags & 0xC000 else 0
    if flags & 0x2000 or flags & _GRE_VERSION:  # version 1 always has a key
        length += 4
    if flags & 0x1000:
        length += 4
    if flags & _GRE_VERSION and flags & 0x80:
        length += 4
    return length


def wccp(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Decode a packet that WCCP redirects to a cache: IPv4, in version 2 after a 4-byte header."""
    if end - at < 1:
        return tcp_header.truncated_header(end, wire_end, out)
    return decode_layer(LAYER_IPV4, data, at if data[at] >> 4 == 4 else at + 4, end, wire_end, out)


def mpls(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Pop the label stack; the first nibble after it shows what follows (RFC 4928 section 3)."""
    bottom = 0
    for _ in range(MAX_LAYERS):
        if end - at < 5:
            return tcp_header.truncated_header(end, wire_end, out)
        bottom = data[at + 2] & 1
        at += 4
        if bottom:
            break
    if not bottom:
        return tcp_header.truncated_header(end, end, out)
    version = data[at] >> 4
    if version == 4:
        return decode_layer(LAYER_IPV4, data, at, end, wire_end, out)
    if version == 6:
        return decode_layer(LAYER_IPV6, data, at, end, wire_end, out)
    # A pseudowire's control word begins with nibble 0 and precedes an Ethernet frame.
    return decode_layer(LAYER_ETHERNET, data, at + 4 if version == 0 else at, end, wire_end, out)


def pppoe(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Decode a PPPoE session frame (RFC 2516); the PPP protocol may be compressed to one byte."""
    if end - at < 8:
        return tcp_header.truncated_header(end, wire_end, out)
    return KIND_NONE if data[at + 1] else decode_by_ppp(data, at + 6, end, wire_end, out)


def ppp(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Decode PPP (RFC 1661) with or without HDLC framing; Cisco's framing is left to the slow decoder."""
    if end - at < 4:
        return tcp_header.truncated_header(end, wire_end, out)
    if data[at] & 0x7F == 0x0F and data[at + 1] == 0:
        return KIND_DECLINED
    return decode_by_ppp(data, at + 2 if data[at] == 0xFF and data[at + 1] == 3 else at, end, wire_end, out)


def decode_by_ppp(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Continue by the PPP protocol field at `at`, where two bytes are available."""
    if data[at] & 1:
        protocol = data[at] + 0
        at += 1
    else:
        protocol = big_endian.be16(data, at)
        at += 2
    layer = PPP_LAYERS[protocol]
    if layer == LAYER_OPAQUE:
        return nested.unread_packet(UNREAD_PPP, protocol, out)
    return decode_layer(layer, data, at, end, wire_end, out) if layer else KIND_NONE


def udp(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Decode a datagram to or from a tunnel port.

    Any application may use such a port, so the tunnel header must be valid and an IP packet must begin with its
    version; otherwise it is an ordinary datagram.
    """
    source = big_endian.be16(data, at)
    target = big_endian.be16(data, at + 2)
    if (TUNNELS[target] | TUNNELS[source]) & TUNNEL_OPAQUE:
        port = target if TUNNELS[target] & TUNNEL_OPAQUE else source + 0
        if is_opaque(port, data, at + 8):
            return nested.unread_packet(UNREAD_PORT, port, out)
        if TUNNELS[target] | TUNNELS[source] == TUNNEL_OPAQUE:
            return ip.udp_datagram(data, at, end, wire_end, out)
    layer = TUNNEL_LAYERS[target]
    if layer in (0, LAYER_OTHER) or TUNNELS[source] & TUNNEL_FROM:
        return KIND_DECLINED
    found = find_tunneled(layer, data, at + 8, end, out)
    if found == 0:
        return ip.udp_datagram(data, at, end, wire_end, out)
    out.notes |= NOTE_TUNNELED
    return decode_layer(found & 0xFF, data, found >> 8, end, wire_end, out)


def is_opaque(port: int, data: bytes, at: int) -> bool:
    """Return True if a datagram of an encrypted tunnel begins at `at`, where 8 bytes are available."""
    if port == _ESP_PORT:
        return big_endian.be32(data, at) != 0  # zeros mark the key exchange (RFC 3948 section 2.2)
    if port == _WIREGUARD_PORT:
        return big_endian.be32(data, at) == _WIREGUARD_DATA
    if port == _CAPWAP_PORT:
        return data[at] == 1  # a DTLS header follows (RFC 5415 section 4.2)
    return port == _DTLS_PORT and data[at] == 23  # application data


def find_tunneled(layer: int, data: bytes, at: int, end: int, out: Any) -> int:
    """Return `position << 8 | layer` of a tunnel's payload, 0 if it is no tunnel; 8 bytes must be available."""
    if layer == LAYER_VXLAN:  # RFC 7348: only the valid-VNI flag counts
        return (at + 8) << 8 | LAYER_ETHERNET if data[at] & 8 else 0
    if layer == LAYER_GENEVE:
        return geneve(data, at, end)
    if layer == LAYER_GTP:
        return gtp(data, at, end)
    if layer == LAYER_GRE:  # RFC 8086: version 0, no reserved bits set
        return 0 if data[at] & 0x4F or data[at + 1] else at << 8 | LAYER_GRE
    return at << 8 | LAYER_MPLS  # RFC 7510


def geneve(data: bytes, at: int, end: int) -> int:
    """Find the payload of Geneve (RFC 8926), with options of any length; see `find_tunneled`."""
    if data[at] >> 6:
        return 0
    layer = GRE_LAYERS[big_endian.be16(data, at + 2)]
    at += 8 + (data[at] & 0x3F) * 4
    if layer in (LAYER_ETHERNET, LAYER_MPLS):
        return at << 8 | layer
    return at << 8 | layer if is_packet(layer, data, at, end) else 0


def gtp(data: bytes, at: int, end: int) -> int:
    """Find the payload of GTP-U version 1 (3GPP TS 29.281), after any extension headers; see `find_tunneled`."""
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
    if is_packet(LAYER_IPV6, data, at, end):
        return at << 8 | LAYER_IPV6
    return at << 8 | LAYER_IPV4 if is_packet(LAYER_IPV4, data, at, end) else 0


def is_packet(layer: int, data: bytes, at: int, end: int) -> bool:
    """Return True if the byte at `at` has the IP version of the layer."""
    if end <= at:
        return False
    return data[at] >> 4 == (4 if layer == LAYER_IPV4 else 6) and layer in (LAYER_IPV4, LAYER_IPV6)
