"""From the IPv6 header along the chain of extension headers to the upper layer (RFC 8200 section 4)."""

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

_MAX_HEADERS = 16  # a sane chain has at most seven (RFC 8200 section 4.1); a hostile one never ends


def find_upper_layer(data: bytes, at: int, end: int, ip_end: int, protocol: int, out: Any) -> int:
    """Walk from the extension header `protocol` at `at` to the first header that is none.

    Returns `position << 8 | protocol`, or the negated KIND_* if there is no upper layer to be read
    here (not above 0, for no packet has one at byte 0).  A routing header that is still being
    worked off gives the record its final destination, which is the one the peer answers from.
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
            return -tcp_header.ended_early(end, end, out)
        if length > end - at:
            return -tcp_header.ended_early(end, ip_end, out)
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
    return -tcp_header.ended_early(end, end, out)


def take_final_destination(data: bytes, at: int, length: int, out: Any) -> None:
    """Put the last address of a routing header into the record, if the packet is not there yet."""
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
