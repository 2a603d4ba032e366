"""Walk the chain of IPv6 extension headers to the upper layer (RFC 8200 section 4)."""

from typing import Any

from handshake_inspect.decode import tcp_header
from handshake_inspect.wire import big_endian
from handshake_inspect.wire.const import (
    KIND_FRAGMENT,
    KIND_NONE,
    NOTE_FIRST_FRAGMENT,
    PROTO_AUTHENTICATION,
    PROTO_DESTINATION,
    PROTO_FRAGMENT,
    PROTO_HOP_BY_HOP,
    PROTO_ROUTING,
    PROTO_TCP,
)

_MAX_HEADERS = 16  # a regular chain has at most seven (RFC 8200 section 4.1); bounds hostile ones


def find_upper_layer(data: bytes, at: int, end: int, ip_end: int, protocol: int, out: Any) -> int:
    """Walk from the extension header `protocol` at `at` to the first other header.

    Returns `position << 8 | protocol`, or, if there is no upper layer to decode, the negated KIND_* (0 or less).
    From a routing header with segments left, the record gets the final destination, which is the address that replies.
    """
    for _ in range(_MAX_HEADERS):
        length = 8
        if protocol == PROTO_AUTHENTICATION:
            if end - at >= 2:
                length = (data[at + 1] + 2) * 4
        elif protocol in (PROTO_HOP_BY_HOP, PROTO_DESTINATION, PROTO_ROUTING):
            if end - at >= 2:
                length = (data[at + 1] + 1) * 8
        elif protocol != PROTO_FRAGMENT:
            return at << 8 | protocol
        if length > ip_end - at:
            return -tcp_header.truncated_header(end, end, out)
        if length > end - at:
            return -tcp_header.truncated_header(end, ip_end, out)
        following = data[at]
        if protocol == PROTO_FRAGMENT:
            field = big_endian.be16(data, at + 2)
            if field >> 3:
                return -KIND_FRAGMENT if following == PROTO_TCP else -KIND_NONE
            if field & 1:
                out.notes |= NOTE_FIRST_FRAGMENT
        elif protocol == PROTO_ROUTING:
            take_final_destination(data, at, length, out)
        protocol = following
        at += length
    return -tcp_header.truncated_header(end, end, out)


def take_final_destination(data: bytes, at: int, length: int, out: Any) -> None:
    """Set the destination to the last address of a routing header, if segments are left."""
    kind = data[at + 2]
    if data[at + 3] == 0 or length < 24:
        return
    if kind == 4:  # segment list, last segment first (RFC 8754 section 2)
        address = at + 8
    elif kind in (0, 2):
        address = at + 8 + (length - 8) // 16 * 16 - 16
    else:
        return
    out.dst_hi = big_endian.be64(data, address)
    out.dst_lo = big_endian.be64(data, address + 8)
