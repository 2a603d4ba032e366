"""Decode the TCP header and verify its checksum (RFC 9293 section 3.1), with a fast path for common frames.

Nearly every frame is Ethernet with IPv4 or IPv6 and a complete TCP header: `decode_plain` reads those in one pass.
Everything else, and anything that may be damaged, goes through `link.py` and `ip.py`.  A test checks that both paths
give the same records.
"""

from typing import Any

from handshake_inspect.decode import payload, segment, tcp_options
from handshake_inspect.wire import big_endian, checksum, fourtuple
from handshake_inspect.wire.const import (
    AE,
    CWR,
    ECE,
    IPV4_MAPPED,
    KIND_DAMAGED,
    KIND_TCP,
    MASK16,
    MASK32,
    MAX_MTU,
    NOTE_BAD_CHECKSUM,
    NOTE_BAD_HEADER_LENGTH,
    NOTE_BAD_OPTIONS,
    NOTE_CHECKSUM_GOOD,
    NOTE_CHECKSUM_OFFLOADED,
    NOTE_CUT_HEADER,
    NOTE_CUT_OPTIONS,
    NOTE_FIRST_FRAGMENT,
    NOTE_OFFLOADED,
    NOTE_SNAPPED,
    OPT_CUT,
    OPT_MSS,
    OPT_SACK_PERMITTED,
    OPT_TIMESTAMPS,
    OPT_WINDOW_SCALE,
    PROTO_TCP,
    SYN,
)

# Option layouts of most stacks: any segment (RFC 7323 appendix A), and a SYN or SYN-ACK of Linux.
_STAMPS = 0x0101_080A  # NOP, NOP, Timestamps
_MSS = 0x0204
_SACK_AND_STAMPS = 0x0402_080A  # SACK-permitted, Timestamps
_SCALE = 0x01_0303  # NOP, window scale


def truncated_header(end: int, wire_end: int, out: Any) -> int:
    """Note why a header is incomplete, a short capture or a short packet; return KIND_DAMAGED."""
    out.notes |= NOTE_CUT_HEADER if end < wire_end else NOTE_BAD_HEADER_LENGTH
    return KIND_DAMAGED


def decode_tcp(data: bytes, at: int, end: int, ip_end: int, out: Any) -> int:
    """Decode the TCP header at `at` of an IP packet that ends at `ip_end` and was captured up to `end`.

    Ports, sequence numbers and flags are enough for a handshake: a header truncated after them (14 bytes) still counts
    as a segment, without window and options.
    """
    captured = min(end, ip_end) - at
    if captured < 14:
        return truncated_header(end, ip_end, out)
    header_len = (data[at + 12] >> 4) * 4
    if header_len < 20 or header_len > ip_end - at:
        out.notes |= NOTE_BAD_HEADER_LENGTH
        return KIND_DAMAGED
    out.payload_len = (ip_end - at - header_len) & MASK32
    read_header(data, at, header_len, min(captured, header_len), out)
    if captured >= header_len:
        payload.set_payload(data, at + header_len, captured - header_len, out)
    return KIND_TCP


def read_header(data: bytes, at: int, header_len: int, captured: int, out: Any) -> None:
    """Read a header of which `captured` bytes are available: all, or at least 14."""
    flags = (data[at + 12] & 1) << 8 | data[at + 13]
    src_port = big_endian.be16(data, at)
    dst_port = big_endian.be16(data, at + 2)
    out.src_port = src_port
    out.dst_port = dst_port
    out.seq = big_endian.be32(data, at + 4)
    out.ack = big_endian.be32(data, at + 8)
    out.flags = flags
    out.options_len = header_len - 20
    out.hash = fourtuple.hash_four_tuple(out.src_hi, out.src_lo, src_port, out.dst_hi, out.dst_lo, dst_port)
    if captured == header_len:
        out.window = big_endian.be16(data, at + 14)
        if header_len > 20:
            read_options(data, at, header_len, out)
    else:
        out.window = big_endian.be16(data, at + 14) if captured >= 16 else MASK16  # unknown, but hardly 0
        if tcp_options.decode_options(data, at + 20, at + captured, out) and header_len > 20:
            out.options |= OPT_CUT
        out.notes = out.notes & ~NOTE_BAD_OPTIONS | NOTE_CUT_OPTIONS  # a truncated option is not malformed
    if flags & SYN and flags & (AE | CWR | ECE):
        out.options |= tcp_options.ecn_setup(flags)


def read_options(data: bytes, at: int, header_len: int, out: Any) -> None:
    """Read the options of a complete header, with a fast path for the common layouts."""
    if header_len == 32 and big_endian.be32(data, at + 20) == _STAMPS:
        out.options = OPT_TIMESTAMPS
        out.tsval = big_endian.be32(data, at + 24)
        out.tsecr = big_endian.be32(data, at + 28)
    elif (
        header_len == 40
        and big_endian.be16(data, at + 20) == _MSS
        and big_endian.be32(data, at + 24) == _SACK_AND_STAMPS
        and big_endian.be32(data, at + 36) >> 8 == _SCALE
    ):
        out.options = OPT_MSS | OPT_SACK_PERMITTED | OPT_TIMESTAMPS | OPT_WINDOW_SCALE
        out.mss = big_endian.be16(data, at + 22)
        out.tsval = big_endian.be32(data, at + 28)
        out.tsecr = big_endian.be32(data, at + 32)
        out.window_scale = data[at + 39]
    else:
        tcp_options.decode_options(data, at + 20, at + header_len, out)


def verify_checksum(data: bytes, at: int, ip_end: int, out: Any) -> None:
    """Verify the checksum of a completely captured segment, with the record's addresses, and note the result.

    With checksum offload, a capture at the sender shows what the driver wrote, not what was sent: the pseudo-header sum
    with or without the length, or 0.
    """
    if out.notes & (NOTE_FIRST_FRAGMENT | NOTE_OFFLOADED):
        return
    addresses = (out.src_lo & MASK32) + (out.dst_lo & MASK32)
    if out.ip_version == 6:
        addresses += (out.src_lo >> 32) + (out.src_hi >> 32) + (out.src_hi & MASK32)
        addresses += (out.dst_lo >> 32) + (out.dst_hi >> 32) + (out.dst_hi & MASK32)
    bare = addresses + PROTO_TCP
    pseudo = bare + (ip_end - at)
    if checksum.is_valid(data, at, ip_end, pseudo):
        if not out.notes & NOTE_BAD_CHECKSUM:  # of the IP header
            out.notes |= NOTE_CHECKSUM_GOOD
        return
    field = big_endian.be16(data, at + 16)
    if field == 0 or field == checksum.fold(pseudo) or field == checksum.fold(bare):
        out.notes |= NOTE_CHECKSUM_OFFLOADED
    else:
        out.notes |= NOTE_BAD_CHECKSUM


def decode_plain(data: bytes, start: int, end: int, wire_len: int, out: Any) -> bool:
    """Fill `out` from an Ethernet frame with TCP over IPv4 without options, or over IPv6 without extension headers.

    Returns False, and leaves the record unchanged, for any other frame and for any damage or truncation.
    """
    if end - start < 54:
        return False
    ethertype = big_endian.be16(data, start + 12)
    if ethertype == 0x0800:
        return plain_ipv4(data, start + 14, end, start + wire_len, out)
    return ethertype == 0x86DD and end - start >= 74 and plain_ipv6(data, start + 14, end, start + wire_len, out)


def plain_ipv4(data: bytes, at: int, end: int, wire_end: int, out: Any) -> bool:
    """Fill `out` from the IPv4 packet at `at`; return False if `decode_plain` does not handle it."""
    total_len = big_endian.be16(data, at + 2)
    ip_end = at + total_len
    if (
        data[at] != 0x45
        or data[at + 9] != PROTO_TCP
        or big_endian.be16(data, at + 6) & 0x3FFF  # a fragment
        or not 40 <= total_len <= MAX_MTU
        or not header_fits(data, at + 20, min(end, ip_end))
        or (ip_end <= end and not checksum.is_valid(data, at, at + 20, 0))
    ):
        return False
    segment.clear(out)
    out.ip_version = 4
    out.ip_id = big_endian.be16(data, at + 4)
    out.ttl = data[at + 8]
    out.src_lo = IPV4_MAPPED | big_endian.be32(data, at + 12)
    out.dst_lo = IPV4_MAPPED | big_endian.be32(data, at + 16)
    plain_tcp(data, at + 20, end, ip_end, wire_end, out)
    return True


def plain_ipv6(data: bytes, at: int, end: int, wire_end: int, out: Any) -> bool:
    """Fill `out` from the IPv6 packet at `at`; return False if `decode_plain` does not handle it."""
    payload_len = big_endian.be16(data, at + 4)
    ip_end = at + 40 + payload_len
    if (
        data[at] >> 4 != 6
        or data[at + 6] != PROTO_TCP
        or not 20 <= payload_len <= MAX_MTU - 40
        or not header_fits(data, at + 40, min(end, ip_end))
    ):
        return False
    segment.clear(out)
    out.ip_version = 6
    out.ttl = data[at + 7]
    out.src_hi = big_endian.be64(data, at + 8)
    out.src_lo = big_endian.be64(data, at + 16)
    out.dst_hi = big_endian.be64(data, at + 24)
    out.dst_lo = big_endian.be64(data, at + 32)
    plain_tcp(data, at + 40, end, ip_end, wire_end, out)
    return True


def header_fits(data: bytes, at: int, limit: int) -> bool:
    """Return True if the TCP header at `at` has a valid length and ends by `limit`."""
    header_len = (data[at + 12] >> 4) * 4
    return 20 <= header_len <= limit - at


def plain_tcp(data: bytes, at: int, end: int, ip_end: int, wire_end: int, out: Any) -> None:
    """Read the complete TCP header at `at`; the record already has the addresses."""
    header_len = (data[at + 12] >> 4) * 4
    out.kind = KIND_TCP
    if wire_end > end:
        out.notes = NOTE_SNAPPED
    read_header(data, at, header_len, header_len, out)
    out.payload_len = ip_end - at - header_len
    payload.set_payload(data, at + header_len, min(end, ip_end) - at - header_len, out)
    if ip_end <= end:
        verify_checksum(data, at, ip_end, out)
