"""Decode link layers: from the start of a frame to its IP packet."""

from typing import Any

from handshake_inspect.decode import ip, nested, tcp_header
from handshake_inspect.wire import big_endian
from handshake_inspect.wire.const import KIND_DAMAGED, KIND_DECLINED, KIND_NONE, NOTE_BAD_HEADER_LENGTH
from handshake_inspect.wire.encapsulation import (
    ETHERTYPE_LAYERS,
    FRAMING_COUNT,
    FRAMING_ETHERNET,
    FRAMING_FAMILY,
    FRAMING_IP,
    FRAMING_SLL,
    FRAMING_SLL2,
    FRAMINGS,
    LAYER_IPV4,
    LAYER_IPV6,
    LAYER_OPAQUE,
    LAYER_OTHER,
    LAYER_VLAN,
    UNREAD_ETHERTYPE,
)

_IPV4 = 228  # LINKTYPE_IPV4, LINKTYPE_IPV6
_IPV6 = 229


def decode_link(data: bytes, at: int, end: int, wire_end: int, link_type: int, out: Any) -> int:
    """Decode the frame at `at`; return KIND_DECLINED for link types that the fast decoder does not know."""
    framing = FRAMINGS[link_type] if link_type < FRAMING_COUNT else 0
    if framing == FRAMING_ETHERNET:
        if end - at < 14:
            return tcp_header.truncated_header(end, wire_end, out)
        return decode_by_ethertype(data, at + 14, end, wire_end, big_endian.be16(data, at + 12), out)
    if framing == FRAMING_SLL:
        if end - at < 16:
            return tcp_header.truncated_header(end, wire_end, out)
        return decode_by_ethertype(data, at + 16, end, wire_end, big_endian.be16(data, at + 14), out)
    if framing == FRAMING_SLL2:
        if end - at < 20:
            return tcp_header.truncated_header(end, wire_end, out)
        return decode_by_ethertype(data, at + 20, end, wire_end, big_endian.be16(data, at), out)
    if framing == FRAMING_IP:
        return decode_raw_ip(data, at, end, wire_end, link_type, out)
    if framing == FRAMING_FAMILY:
        return decode_by_family(data, at, end, wire_end, out)
    return KIND_DECLINED


def decode_by_ethertype(data: bytes, at: int, end: int, wire_end: int, ethertype: int, out: Any) -> int:
    """Skip any VLAN tags and decode the packet after them."""
    while ETHERTYPE_LAYERS[ethertype] == LAYER_VLAN:
        if end - at < 4:
            return tcp_header.truncated_header(end, wire_end, out)
        ethertype = big_endian.be16(data, at + 2)
        at += 4
    layer = ETHERTYPE_LAYERS[ethertype]
    if layer == LAYER_IPV4:
        return ip.decode_ipv4(data, at, end, wire_end, out)
    if layer == LAYER_IPV6:
        return ip.decode_ipv6(data, at, end, wire_end, out)
    if layer > LAYER_OPAQUE:
        return nested.nested_packet(layer, at, wire_end, out)
    if layer == LAYER_OPAQUE:
        return nested.unread_packet(UNREAD_ETHERTYPE, ethertype, out)
    return KIND_DECLINED if layer == LAYER_OTHER or ethertype <= 1500 else KIND_NONE  # a length: LLC follows


def decode_raw_ip(data: bytes, at: int, end: int, wire_end: int, link_type: int, out: Any) -> int:
    """Decode a packet without link-layer header by its IP version."""
    if end <= at:
        return tcp_header.truncated_header(end, wire_end, out)
    version = data[at] >> 4
    if version == 4 and link_type != _IPV6:
        return ip.decode_ipv4(data, at, end, wire_end, out)
    if version == 6 and link_type != _IPV4:
        return ip.decode_ipv6(data, at, end, wire_end, out)
    out.notes |= NOTE_BAD_HEADER_LENGTH
    return KIND_DAMAGED


def decode_by_family(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Decode a packet after its address family, which has the byte order and the AF_INET6 of the capturing host."""
    if end - at < 4:
        return tcp_header.truncated_header(end, wire_end, out)
    family = big_endian.be16(data, at + 2)
    if family == 0:
        family = data[at] | data[at + 1] << 8
    if family == 2:
        return ip.decode_ipv4(data, at + 4, end, wire_end, out)
    if family in (10, 24, 28, 30):
        return ip.decode_ipv6(data, at + 4, end, wire_end, out)
    return KIND_NONE
