"""Decode ICMP (RFC 792) and ICMPv6 (RFC 4443) errors that quote a TCP segment or a UDP datagram."""

from typing import Any

from handshake_inspect.decode import extensions, tcp_header
from handshake_inspect.wire import big_endian, fourtuple
from handshake_inspect.wire.const import (
    IPV4_MAPPED,
    KIND_DAMAGED,
    KIND_ICMP_ERROR,
    KIND_NONE,
    KIND_UDP_ERROR,
    MASK16,
    MASK32,
    MULTICAST_LISTENER_QUERY,
    PROTO_ICMP,
    PROTO_TCP,
    PROTO_UDP,
)


def decode_icmp(data: bytes, at: int, end: int, ip_end: int, protocol: int, out: Any) -> int:
    """Decode the ICMP message at `at`; return KIND_NONE unless it is an error that quotes TCP or UDP.

    The record gets the addresses, ports and sequence numbers of the quoted packet, and the sender of the error in
    `reporter_*`.  TTL and IP ID remain those of the packet that carries the error.
    """
    limit = min(end, ip_end)
    if limit - at < 2:
        return tcp_header.truncated_header(end, ip_end, out)
    kind = data[at]
    if protocol == PROTO_ICMP:
        if kind not in (3, 11, 12):  # unreachable, time exceeded, parameter problem
            return KIND_NONE
    elif kind < 1 or kind > 4:  # unreachable, too big, time exceeded, parameter problem
        if kind >= MULTICAST_LISTENER_QUERY:  # link-local traffic, as ARP: ignore its sender
            out.src_hi = out.src_lo = 0
        return KIND_NONE
    out.icmp_type = kind
    out.icmp_code = data[at + 1]
    out.reporter_hi = out.src_hi
    out.reporter_lo = out.src_lo
    if protocol == PROTO_ICMP and kind == 3 and out.icmp_code == 4 and limit - at >= 8:
        out.mtu = big_endian.be16(data, at + 6)  # RFC 1191 section 4
    elif protocol != PROTO_ICMP and kind == 2 and limit - at >= 8:
        mtu = big_endian.be32(data, at + 4)  # RFC 4443 section 3.2
        out.mtu = min(MASK16, mtu)
    if limit - at < 9:
        return tcp_header.truncated_header(end, ip_end, out)
    if data[at + 8] >> 4 == 4:
        return quoted_ipv4(data, at + 8, end, ip_end, out)
    if data[at + 8] >> 4 == 6:
        return quoted_ipv6(data, at + 8, end, ip_end, out)
    return KIND_NONE


def quoted_ipv4(data: bytes, at: int, end: int, ip_end: int, out: Any) -> int:
    """Read the quoted IPv4 header and what follows it."""
    limit = min(end, ip_end)
    if limit - at < 20:
        return tcp_header.truncated_header(end, ip_end, out)
    if data[at + 9] not in (PROTO_TCP, PROTO_UDP) or big_endian.be16(data, at + 6) & 0x1FFF:
        return KIND_NONE
    header_len = (data[at] & 15) * 4
    if header_len < 20:
        return tcp_header.truncated_header(end, end, out)
    out.src_hi = 0
    out.src_lo = IPV4_MAPPED | big_endian.be32(data, at + 12)
    out.dst_hi = 0
    out.dst_lo = IPV4_MAPPED | big_endian.be32(data, at + 16)
    if data[at + 9] == PROTO_UDP:
        return quoted_udp(data, at + header_len, end, ip_end, out)
    return quoted_tcp(data, at + header_len, end, ip_end, at + big_endian.be16(data, at + 2), out)


def quoted_ipv6(data: bytes, at: int, end: int, ip_end: int, out: Any) -> int:
    """Read the quoted IPv6 header and what follows it."""
    limit = min(end, ip_end)
    if limit - at < 40:
        return tcp_header.truncated_header(end, ip_end, out)
    out.src_hi = big_endian.be64(data, at + 8)
    out.src_lo = big_endian.be64(data, at + 16)
    out.dst_hi = big_endian.be64(data, at + 24)
    out.dst_lo = big_endian.be64(data, at + 32)
    found = extensions.find_upper_layer(data, at + 40, end, ip_end, data[at + 6], out)
    if found <= 0:
        # A quoted later fragment must not count as a fragment of this capture.
        return KIND_DAMAGED if found == -KIND_DAMAGED else KIND_NONE
    if found & 0xFF == PROTO_UDP:
        return quoted_udp(data, found >> 8, end, ip_end, out)
    if found & 0xFF != PROTO_TCP:
        return KIND_NONE
    return quoted_tcp(data, found >> 8, end, ip_end, at + 40 + big_endian.be16(data, at + 4), out)


def quoted_udp(data: bytes, at: int, end: int, ip_end: int, out: Any) -> int:
    """Read the ports of a quoted UDP datagram; return KIND_NONE if the quote is too short for them."""
    if min(end, ip_end) - at < 4:
        return KIND_NONE
    out.src_port = big_endian.be16(data, at)
    out.dst_port = big_endian.be16(data, at + 2)
    out.hash = fourtuple.hash_four_tuple(out.src_hi, out.src_lo, out.src_port, out.dst_hi, out.dst_lo, out.dst_port)
    return KIND_UDP_ERROR


def quoted_tcp(data: bytes, at: int, end: int, ip_end: int, quoted_end: int, out: Any) -> int:
    """Read the quoted part of a TCP header: at least 8 bytes, often no more (RFC 792).

    `quoted_end` is where the quoted packet would end if it were not truncated.
    """
    limit = min(end, ip_end)
    if limit - at < 8:
        return tcp_header.truncated_header(end, ip_end, out)
    src_port = big_endian.be16(data, at)
    dst_port = big_endian.be16(data, at + 2)
    out.src_port = src_port
    out.dst_port = dst_port
    out.seq = big_endian.be32(data, at + 4)
    out.hash = fourtuple.hash_four_tuple(out.src_hi, out.src_lo, src_port, out.dst_hi, out.dst_lo, dst_port)
    if limit - at >= 14:
        out.ack = big_endian.be32(data, at + 8)
        out.flags = (data[at + 12] & 1) << 8 | data[at + 13]
        payload_len = quoted_end - at - (data[at + 12] >> 4) * 4
        if payload_len > 0:
            out.payload_len = payload_len & MASK32
    return KIND_ICMP_ERROR
