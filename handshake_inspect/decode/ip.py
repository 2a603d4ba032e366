"""Decode IPv4 (RFC 791) and IPv6 (RFC 8200) headers: length, addresses and upper layer."""

from typing import Any

from handshake_inspect.decode import extensions, icmp, nested, payload, tcp_header
from handshake_inspect.wire import big_endian, checksum, fourtuple
from handshake_inspect.wire.const import (
    IPV4_MAPPED,
    KIND_DAMAGED,
    KIND_FRAGMENT,
    KIND_NONE,
    KIND_TCP,
    KIND_UDP,
    MASK32,
    MAX_MTU,
    NOTE_BAD_CHECKSUM,
    NOTE_BAD_HEADER_LENGTH,
    NOTE_BAD_IP_CHECKSUM,
    NOTE_FIRST_FRAGMENT,
    NOTE_OFFLOADED,
    NOTE_TUNNELED,
    PROTO_AUTHENTICATION,
    PROTO_ICMP,
    PROTO_ICMPV6,
    PROTO_TCP,
    PROTO_UDP,
)
from handshake_inspect.wire.encapsulation import (
    LAYER_OPAQUE,
    LAYER_UDP,
    PROTOCOL_LAYERS,
    TUNNEL_FROM,
    TUNNEL_OPAQUE,
    TUNNELS,
    UNREAD_PROTOCOL,
)

_TEREDO = 0x2001_0000  # the Teredo prefix 2001::/32 (RFC 4380 section 2.6)


def decode_ipv4(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Decode the IPv4 packet at `at`, captured up to `end`, in a frame that ended at `wire_end`."""
    if end - at < 20:
        return tcp_header.truncated_header(end, wire_end, out)
    header_len = (data[at] & 15) * 4
    total_len = big_endian.be16(data, at + 2)
    ip_end = at + total_len
    if total_len == 0:  # too long for the field, or left to the network card
        out.notes |= NOTE_OFFLOADED
        ip_end = wire_end
    elif total_len > MAX_MTU:
        out.notes |= NOTE_OFFLOADED
    if data[at] >> 4 != 4 or header_len < 20 or header_len > ip_end - at:
        out.notes |= NOTE_BAD_HEADER_LENGTH
        return KIND_DAMAGED
    fragment = big_endian.be16(data, at + 6)
    protocol = data[at + 9]
    out.ip_version = 4
    out.ip_id = big_endian.be16(data, at + 4)
    out.ttl = data[at + 8]
    out.src_lo = IPV4_MAPPED | big_endian.be32(data, at + 12)
    out.dst_lo = IPV4_MAPPED | big_endian.be32(data, at + 16)
    if fragment & 0x3FFF:
        if fragment & 0x1FFF:
            return KIND_FRAGMENT if protocol == PROTO_TCP else KIND_NONE
        out.notes |= NOTE_FIRST_FRAGMENT
    if protocol == PROTO_TCP:
        if ip_end <= end and not checksum.is_valid(data, at, at + header_len, 0) and big_endian.be16(data, at + 10):
            out.notes |= NOTE_BAD_CHECKSUM | NOTE_BAD_IP_CHECKSUM
        kind = tcp_header.decode_tcp(data, at + header_len, end, ip_end, out)
        if kind == KIND_TCP and ip_end <= end:
            tcp_header.verify_checksum(data, at + header_len, ip_end, out)
        return kind
    return upper_layer(data, at + header_len, end, ip_end, protocol, out)


def decode_ipv6(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Decode the IPv6 packet at `at`, captured up to `end`, in a frame that ended at `wire_end`."""
    if end - at < 40:
        return tcp_header.truncated_header(end, wire_end, out)
    if data[at] >> 4 != 6:
        out.notes |= NOTE_BAD_HEADER_LENGTH
        return KIND_DAMAGED
    payload_len = big_endian.be16(data, at + 4)
    ip_end = at + 40 + payload_len
    if payload_len == 0:  # a jumbogram (RFC 2675), or BIG TCP without jumbo option
        ip_end = wire_end
    out.ip_version = 6
    out.ttl = data[at + 7]
    out.src_hi = big_endian.be64(data, at + 8)
    out.src_lo = big_endian.be64(data, at + 16)
    out.dst_hi = big_endian.be64(data, at + 24)
    out.dst_lo = big_endian.be64(data, at + 32)
    if ip_end - at > MAX_MTU or payload_len == 0:
        out.notes |= NOTE_OFFLOADED
    if data[at + 6] == PROTO_TCP:
        kind = tcp_header.decode_tcp(data, at + 40, end, ip_end, out)
        if kind == KIND_TCP and ip_end <= end:
            tcp_header.verify_checksum(data, at + 40, ip_end, out)
        return kind
    return upper_layer(data, at + 40, end, ip_end, data[at + 6], out)


def upper_layer(data: bytes, at: int, end: int, ip_end: int, protocol: int, out: Any) -> int:
    """Decode what is not directly TCP: extension headers, ICMP, UDP, tunnels.

    TCP checksums are not verified on this path: with a Home Address option or a routing header, the pseudo-header has
    other addresses than the IP header.
    """
    if out.ip_version == 6 or protocol == PROTO_AUTHENTICATION:
        found = extensions.find_upper_layer(data, at, end, ip_end, protocol, out)
        if found <= 0:
            return -found
        at = found >> 8
        protocol = found & 0xFF
    if protocol == PROTO_TCP:
        return tcp_header.decode_tcp(data, at, end, ip_end, out)
    if protocol in (PROTO_ICMP, PROTO_ICMPV6):
        return icmp.decode_icmp(data, at, end, ip_end, protocol, out)
    if protocol == PROTO_UDP:
        if may_be_udp_tunnel(data, at, end, ip_end):
            return nested.nested_packet(LAYER_UDP, at, ip_end, out)
        return udp_datagram(data, at, end, ip_end, out)
    layer = PROTOCOL_LAYERS[protocol]
    if layer == LAYER_OPAQUE:
        return nested.unread_packet(UNREAD_PROTOCOL, protocol, out)
    if layer:
        out.notes |= NOTE_TUNNELED
        return nested.nested_packet(layer, at, ip_end, out)
    return KIND_NONE


def may_be_udp_tunnel(data: bytes, at: int, end: int, ip_end: int) -> bool:
    """Return True if the ports suggest a tunnel; `tunnels.udp` checks the header."""
    if min(end, ip_end) - at < 16:
        return False
    source = big_endian.be16(data, at)
    target = big_endian.be16(data, at + 2)
    if TUNNELS[target] or TUNNELS[source] & (TUNNEL_FROM | TUNNEL_OPAQUE):
        return True
    if data[at + 8] >> 4 != 6 or min(end, ip_end) - at < 48:
        return False
    # Between Teredo clients, on any ports.
    return big_endian.be32(data, at + 16) == _TEREDO or big_endian.be32(data, at + 32) == _TEREDO


def udp_datagram(data: bytes, at: int, end: int, ip_end: int, out: Any) -> int:
    """Decode a UDP header (RFC 768); return KIND_NONE for a fragment or an empty datagram."""
    limit = min(end, ip_end)
    if limit - at < 9 or out.notes & NOTE_FIRST_FRAGMENT:
        return KIND_NONE
    length = big_endian.be16(data, at + 4)
    if length > 8 and length < ip_end - at:  # 0: too long for the field (RFC 2675)
        ip_end = at + length
        limit = min(end, ip_end)
    out.src_port = big_endian.be16(data, at)
    out.dst_port = big_endian.be16(data, at + 2)
    out.payload_len = (ip_end - at - 8) & MASK32
    payload.set_payload(data, at + 8, max(limit - at - 8, 0), out)
    out.hash = fourtuple.hash_four_tuple(out.src_hi, out.src_lo, out.src_port, out.dst_hi, out.dst_lo, out.dst_port)
    return KIND_UDP
