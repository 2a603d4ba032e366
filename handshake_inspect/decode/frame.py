"""One frame in, one segment record out: the entry to the fast decoder, and the short way through it.

Nearly every frame is Ethernet, IPv4 or IPv6, and a TCP header that was captured whole.  The first two are read in one
pass here; what is anything else, or may be damaged, goes through `link.py` and `ip.py`, which say what each field
means.  A test holds the two ways to the same records.
"""

from typing import Any

from handshake_inspect.decode import link, payload, segment, tcp_header, tunnels
from handshake_inspect.wire import big_endian, checksum
from handshake_inspect.wire.const import (
    IPV4_MAPPED,
    KIND_ONWARD,
    KIND_TCP,
    LARGEST_MTU,
    NOTE_SNAPPED,
    PROTO_TCP,
)

_ETHERNET = 1


def decode_frame(data: bytes, start: int, end: int, wire_len: int, link_type: int, out: Any) -> int:
    """Fill the record `out` from the frame `data[start:end]`, which was `wire_len` bytes on the wire.

    Returns the KIND_* that is now `out.kind`.  Everything in the record is rewritten except
    `ts_ns` and `frame`; addresses, ports and numbers mean something for KIND_TCP and
    KIND_ICMP_ERROR, `notes` for every kind.
    """
    segment.clear(out)
    wire_end = start + wire_len
    if wire_end > end:
        out.notes = NOTE_SNAPPED
    else:
        wire_end = end
    if link_type == _ETHERNET and end - start >= 54 and decode_plain(data, start + 12, end, out):
        out.kind = KIND_TCP
        return KIND_TCP
    kind = link.decode_link(data, start, end, wire_end, link_type, out)
    if kind == KIND_ONWARD:
        kind = tunnels.follow(data, end, out)
    out.kind = kind
    return kind


def decode_plain(data: bytes, at: int, end: int, out: Any) -> bool:
    """Read TCP over IPv4 without options, or over IPv6 without extension headers, behind the ethertype at `at`.

    False for all else, and where anything is damaged or cut; the record has not changed then.
    """
    ethertype = big_endian.be16(data, at)
    if ethertype == 0x0800:
        total_len = big_endian.be16(data, at + 4)
        ip_end = at + 2 + total_len
        tcp_at = at + 22
        if (
            data[at + 2] != 0x45
            or data[at + 11] != PROTO_TCP
            or big_endian.be16(data, at + 8) & 0x3FFF  # a fragment
            or not 40 <= total_len <= LARGEST_MTU
            or (ip_end <= end and checksum.ones_sum(data, at + 2, at + 22) != 0xFFFF)
        ):
            return False
    elif ethertype == 0x86DD and end - at >= 62:
        total_len = 40 + big_endian.be16(data, at + 6)
        ip_end = at + 2 + total_len
        tcp_at = at + 42
        if data[at + 2] >> 4 != 6 or data[at + 8] != PROTO_TCP or not 60 <= total_len <= LARGEST_MTU:
            return False
    else:
        return False
    header_len = (data[tcp_at + 12] >> 4) * 4
    limit = min(end, ip_end)
    if header_len < 20 or header_len > limit - tcp_at:
        return False
    if ethertype == 0x0800:
        out.ip_version = 4
        out.ip_id = big_endian.be16(data, at + 6)
        out.dont_fragment = data[at + 8] >> 6 & 1
        out.ttl = data[at + 10]
        out.src_lo = IPV4_MAPPED | big_endian.be32(data, at + 14)
        out.dst_lo = IPV4_MAPPED | big_endian.be32(data, at + 18)
    else:
        out.ip_version = 6
        out.ttl = data[at + 9]
        out.src_hi = big_endian.be64(data, at + 10)
        out.src_lo = big_endian.be64(data, at + 18)
        out.dst_hi = big_endian.be64(data, at + 26)
        out.dst_lo = big_endian.be64(data, at + 34)
    tcp_header.read_header(data, tcp_at, header_len, header_len, out)
    out.payload_len = ip_end - tcp_at - header_len
    payload.place(data, tcp_at + header_len, limit - tcp_at - header_len, out)
    if ip_end <= end:
        tcp_header.judge_checksum(data, tcp_at, ip_end, out)
    return True


def decode_bytes(frame: bytes, wire_len: int, link_type: int, records: Any, i: int) -> int:
    """Decode one frame that is alone in `frame` into record `i` of the array `records`: the door for plain Python."""
    kind = decode_frame(frame, 0, len(frame), wire_len, link_type, segment.segment_at(segment.segments_of(records), i))
    records[i].spare = i
    records.owners[i] = frame
    return kind
