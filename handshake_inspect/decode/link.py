"""Link layers: from the start of a frame to the IP packet in it."""

from typing import Any

from handshake_inspect.decode import ip, onward, tcp_header
from handshake_inspect.wire import big_endian
from handshake_inspect.wire.const import KIND_DAMAGED, KIND_DECLINED, KIND_NONE, NOTE_BAD_HEADER_LENGTH
from handshake_inspect.wire.encapsulation import (
    BEHIND,
    BEHIND_IPV4,
    BEHIND_IPV6,
    BEHIND_OTHER,
    BEHIND_SEALED,
    BEHIND_VLAN,
    FRAMING_COUNT,
    FRAMING_ETHERNET,
    FRAMING_FAMILY,
    FRAMING_IP,
    FRAMING_SLL,
    FRAMING_SLL2,
    FRAMINGS,
    UNREAD_ETHERTYPE,
)

_IPV4 = 228  # link types whose frames are packets of one version
_IPV6 = 229


def decode_link(data: bytes, at: int, end: int, wire_end: int, link_type: int, out: Any) -> int:
    """Read the link-layer header at `at`; KIND_DECLINED for link types that are not known here."""
    framing = FRAMINGS[link_type] if link_type < FRAMING_COUNT else 0
    if framing == FRAMING_ETHERNET:
        if end - at < 14:
            return tcp_header.ended_early(end, wire_end, out)
        return by_ethertype(data, at + 14, end, wire_end, big_endian.be16(data, at + 12), out)
    if framing == FRAMING_SLL:
        if end - at < 16:
            return tcp_header.ended_early(end, wire_end, out)
        return by_ethertype(data, at + 16, end, wire_end, big_endian.be16(data, at + 14), out)
    if framing == FRAMING_SLL2:
        if end - at < 20:
            return tcp_header.ended_early(end, wire_end, out)
        return by_ethertype(data, at + 20, end, wire_end, big_endian.be16(data, at), out)
    if framing == FRAMING_IP:
        return by_version(data, at, end, wire_end, link_type, out)
    if framing == FRAMING_FAMILY:
        return by_family(data, at, end, wire_end, out)
    return KIND_DECLINED


def by_ethertype(data: bytes, at: int, end: int, wire_end: int, ethertype: int, out: Any) -> int:
    """Step over VLAN tags, however many, and read the packet behind them."""
    while BEHIND[ethertype] == BEHIND_VLAN:
        if end - at < 4:
            return tcp_header.ended_early(end, wire_end, out)
        ethertype = big_endian.be16(data, at + 2)
        at += 4
    behind = BEHIND[ethertype]
    if behind == BEHIND_IPV4:
        return ip.decode_ipv4(data, at, end, wire_end, out)
    if behind == BEHIND_IPV6:
        return ip.decode_ipv6(data, at, end, wire_end, out)
    if behind > BEHIND_SEALED:
        return onward.go_on(behind, at, wire_end, out)
    if behind == BEHIND_SEALED:
        return onward.unread(UNREAD_ETHERTYPE, ethertype, out)
    return KIND_DECLINED if behind == BEHIND_OTHER or ethertype <= 1500 else KIND_NONE  # a length: LLC follows


def by_version(data: bytes, at: int, end: int, wire_end: int, link_type: int, out: Any) -> int:
    """Read a packet that has nothing in front of it: its first half-byte is the IP version."""
    if end <= at:
        return tcp_header.ended_early(end, wire_end, out)
    version = data[at] >> 4
    if version == 4 and link_type != _IPV6:
        return ip.decode_ipv4(data, at, end, wire_end, out)
    if version == 6 and link_type != _IPV4:
        return ip.decode_ipv6(data, at, end, wire_end, out)
    out.notes |= NOTE_BAD_HEADER_LENGTH
    return KIND_DAMAGED


def by_family(data: bytes, at: int, end: int, wire_end: int, out: Any) -> int:
    """Read a packet behind its address family, in the capturing host's byte order and with its AF_INET6."""
    if end - at < 4:
        return tcp_header.ended_early(end, wire_end, out)
    family = big_endian.be16(data, at + 2)
    if family == 0:
        family = data[at] | data[at + 1] << 8
    if family == 2:
        return ip.decode_ipv4(data, at + 4, end, wire_end, out)
    if family in (10, 24, 28, 30):
        return ip.decode_ipv6(data, at + 4, end, wire_end, out)
    return KIND_NONE
