"""IPv4 (RFC 791) and IPv6 (RFC 8200): where the packet ends, who sent it, and what it carries."""

from typing import Any

from handshake_inspect.decode import extensions, icmp, onward, payload, tcp_header
from handshake_inspect.wire import big_endian, checksum, fourtuple
from handshake_inspect.wire.const import (
    IPV4_MAPPED,
    KIND_DAMAGED,
    KIND_FRAGMENT,
    KIND_NONE,
    KIND_TCP,
    KIND_UDP,
    LARGEST_MTU,
    MASK32,
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
    BEHIND_SEALED,
    CARRIED,
    LAYER_UDP,
    TUNNEL_FROM,
    TUNNEL_SEALED,
    TUNNELS,
    UNREAD_PROTOCOL,
)

_TEREDO = 0x2001_0000  # the first half of the prefix (RFC 4380 section 2.6)


def decode_ipv4(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Read the IPv4 packet at `at`; the capture holds up to `end`, the frame had up to `wire_end`."""
    if end - at < 20:
        return tcp_header.ended_early(end, wire_end, out)
    header_len = (data[at] & 15) * 4
    total_len = big_endian.be16(data, at + 2)
    ip_end = at + total_len
    if total_len == 0:  # too long for the field, or to be filled in by the card
        out.notes |= NOTE_OFFLOADED
        ip_end = wire_end
    elif total_len > LARGEST_MTU:
        out.notes |= NOTE_OFFLOADED
    if data[at] >> 4 != 4 or header_len < 20 or header_len > ip_end - at:
        out.notes |= NOTE_BAD_HEADER_LENGTH
        return KIND_DAMAGED
    fragment = big_endian.be16(data, at + 6)
    protocol = data[at + 9]
    out.ip_version = 4
    out.ip_id = big_endian.be16(data, at + 4)
    out.dont_fragment = fragment >> 14 & 1
    out.ttl = data[at + 8]
    out.src_lo = IPV4_MAPPED | big_endian.be32(data, at + 12)
    out.dst_lo = IPV4_MAPPED | big_endian.be32(data, at + 16)
    if fragment & 0x3FFF:
        if fragment & 0x1FFF:
            return KIND_FRAGMENT if protocol == PROTO_TCP else KIND_NONE
        out.notes |= NOTE_FIRST_FRAGMENT
    if protocol == PROTO_TCP:
        if ip_end <= end and not checksum.is_right(data, at, at + header_len, 0) and big_endian.be16(data, at + 10):
            out.notes |= NOTE_BAD_CHECKSUM | NOTE_BAD_IP_CHECKSUM
        kind = tcp_header.decode_tcp(data, at + header_len, end, ip_end, out)
        if kind == KIND_TCP and ip_end <= end:
            tcp_header.judge_checksum(data, at + header_len, ip_end, out)
        return kind
    return upper_layer(data, at + header_len, end, ip_end, protocol, out)


def decode_ipv6(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Read the IPv6 packet at `at`; the capture holds up to `end`, the frame had up to `wire_end`."""
    if end - at < 40:
        return tcp_header.ended_early(end, wire_end, out)
    if data[at] >> 4 != 6:
        out.notes |= NOTE_BAD_HEADER_LENGTH
        return KIND_DAMAGED
    payload_len = big_endian.be16(data, at + 4)
    ip_end = at + 40 + payload_len
    if payload_len == 0:  # a jumbogram (RFC 2675), or BIG TCP, which need not say so
        ip_end = wire_end
    out.ip_version = 6
    out.ttl = data[at + 7]
    out.src_hi = big_endian.be64(data, at + 8)
    out.src_lo = big_endian.be64(data, at + 16)
    out.dst_hi = big_endian.be64(data, at + 24)
    out.dst_lo = big_endian.be64(data, at + 32)
    if ip_end - at > LARGEST_MTU or payload_len == 0:
        out.notes |= NOTE_OFFLOADED
    if data[at + 6] == PROTO_TCP:
        kind = tcp_header.decode_tcp(data, at + 40, end, ip_end, out)
        if kind == KIND_TCP and ip_end <= end:
            tcp_header.judge_checksum(data, at + 40, ip_end, out)
        return kind
    return upper_layer(data, at + 40, end, ip_end, data[at + 6], out)


def upper_layer(data: bytes, at: int, end: int, ip_end: int, protocol: int, out: Any) -> int:
    """Go on with what is not plainly TCP: extension headers, ICMP, tunnels.

    Checksums are not verified from here: a Home Address option or a routing header would put other
    addresses into the sum than those of the IP header.
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
        if udp_tunnel(data, at, end, ip_end):
            return onward.go_on(LAYER_UDP, at, ip_end, out)
        return udp_datagram(data, at, end, ip_end, out)
    layer = CARRIED[protocol]
    if layer == BEHIND_SEALED:
        return onward.unread(UNREAD_PROTOCOL, protocol, out)
    if layer:
        out.notes |= NOTE_TUNNELED
        return onward.go_on(layer, at, ip_end, out)
    return KIND_NONE


def udp_tunnel(data: bytes, at: int, end: int, ip_end: int) -> bool:
    """Whether a UDP datagram may be that of a tunnel: its ports are no proof, `tunnels.udp` looks closer."""
    if min(end, ip_end) - at < 16:
        return False
    source = big_endian.be16(data, at)
    target = big_endian.be16(data, at + 2)
    if TUNNELS[target] or TUNNELS[source] & (TUNNEL_FROM | TUNNEL_SEALED):
        return True
    if data[at + 8] >> 4 != 6 or min(end, ip_end) - at < 48:
        return False
    # Between Teredo's clients, on ports of their own.
    return big_endian.be32(data, at + 16) == _TEREDO or big_endian.be32(data, at + 32) == _TEREDO


def udp_datagram(data: bytes, at: int, end: int, ip_end: int, out: Any) -> int:
    """Read a UDP header (RFC 768); the first fragment of a datagram is not a datagram."""
    limit = min(end, ip_end)
    if limit - at < 9 or out.notes & NOTE_FIRST_FRAGMENT:
        return KIND_NONE
    length = big_endian.be16(data, at + 4)
    if length > 8 and length < ip_end - at:  # 0 stands for more than the field can say (RFC 2675)
        ip_end = at + length
        limit = min(end, ip_end)
    out.src_port = big_endian.be16(data, at)
    out.dst_port = big_endian.be16(data, at + 2)
    out.payload_len = (ip_end - at - 8) & MASK32
    payload.place(data, at + 8, max(limit - at - 8, 0), out)
    out.hash = fourtuple.hash_four_tuple(out.src_hi, out.src_lo, out.src_port, out.dst_hi, out.dst_lo, out.dst_port)
    return KIND_UDP
