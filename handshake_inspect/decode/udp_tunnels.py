"""What runs over UDP and carries whole packets: VXLAN, Geneve, GTP-U, Teredo, AYIYA, L2TP, MPLS and GRE in UDP.

A port alone is no proof that a datagram is a tunnel's: anybody may use it.  So the header must look right too, and what
is inside must begin as a packet does; else the datagram is none of ours.
"""

from collections.abc import Callable

from handshake_inspect.wire.encapsulation import (
    PIECES_OF_CAPWAP,
    TUNNEL_PORTS,
    UNREAD_PIECE,
    UNREAD_PORT,
    UNREAD_RADIO,
)

Step = tuple[str, bytes]  # the layer that follows ("" for none of ours) and its bytes

_NONE: Step = ("", b"")
_ETHERTYPES = {0x0800: "ipv4", 0x86DD: "ipv6", 0x6558: "ethernet", 0x8847: "mpls"}
_VXLAN_NEXT = {1: "ipv4", 2: "ipv6", 3: "ethernet"}
_AYIYA_NEXT = {4: "ipv4", 41: "ipv6"}
_TEREDO = b"\x20\x01\0\0"  # the prefix of its addresses, which its clients use on any port
_GPDU = 255  # the message of GTP that carries a packet
_CAPWAP = 5247
UNREAD = "unread"  # in place of a layer: the bytes say what is not looked into


def unread(what: int, number: int) -> Step:
    """What is not looked into: an `UNREAD_*`, and a number of that kind."""
    return UNREAD, (what << 16 | number).to_bytes(4, "big")


def step(data: bytes) -> Step:
    """Step from a UDP header into the tunnel that its ports name."""
    source, target = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
    tunnel = TUNNEL_PORTS.get(target) or TUNNEL_PORTS.get(source)
    if tunnel is None:
        return ("ipv6", data[8:]) if _TEREDO in (data[16:20], data[32:36]) else _NONE
    layer, rest = STEPS[tunnel](data[8:])
    if layer in ("ip", "ipv4", "ipv6") and rest[:1] and not _is_ip(layer, rest):
        return _NONE
    return layer, rest


def _is_ip(layer: str, data: bytes) -> bool:
    version = data[0] >> 4
    return version in ((4, 6) if layer == "ip" else (int(layer[-1]),))


def _vxlan(data: bytes) -> Step:
    """RFC 7348: only the flag that the VNI is valid counts."""
    return ("ethernet", data[8:]) if data[0] & 0x08 else _NONE


def _vxlan_gpe(data: bytes) -> Step:
    """The generic protocol extension, which names what follows (RFC 9512 has its list)."""
    if not data[0] & 0x08:
        return _NONE
    return (_VXLAN_NEXT.get(data[3], "") if data[0] & 0x04 else "ethernet"), data[8:]


def _geneve(data: bytes) -> Step:
    """RFC 8926, with options of any length."""
    if data[0] >> 6:
        return _NONE
    return _ETHERTYPES.get(int.from_bytes(data[2:4], "big"), ""), data[8 + (data[0] & 0x3F) * 4 :]


def _gtp(data: bytes) -> Step:
    """GTP-U version 1 (3GPP TS 29.281), whose optional part may begin a chain of extension headers."""
    if data[0] >> 4 != 3 or data[1] != _GPDU:
        return _NONE
    at = 12 if data[0] & 7 else 8
    following = data[11] if data[0] & 4 else 0
    while following:
        if not data[at]:
            return _NONE
        at += data[at] * 4
        following = data[at - 1]
    return "ip", data[at:]


def _teredo(data: bytes) -> Step:
    """RFC 4380: an IPv6 packet, maybe behind an authentication and an origin indication."""
    if data[:2] == b"\0\x01":
        data = data[13 + data[2] + data[3] :]
    if data[:2] == b"\0\0":
        data = data[8:]
    return "ipv6", data


def _ayiya(data: bytes) -> Step:
    """Anything in anything: an identity and a signature of variable length before the packet."""
    if data[2] & 15 != 1:  # to be forwarded
        return _NONE
    return _AYIYA_NEXT.get(data[3], ""), data[8 + (1 << (data[0] >> 4)) + (data[1] >> 4) * 4 :]


def _l2tp(data: bytes) -> Step:
    """A data message of L2TP version 2 (RFC 2661): PPP behind a header of variable length."""
    flags = int.from_bytes(data[:2], "big")
    if flags & 0x8000 or flags & 15 != 2:
        return _NONE
    at = 6 + (2 if flags & 0x4000 else 0) + (4 if flags & 0x0800 else 0)
    if flags & 0x0200:
        at += 2 + int.from_bytes(data[at : at + 2], "big")
    return "ppp", data[at:]


def _mpls(data: bytes) -> Step:
    """RFC 7510."""
    return "mpls", data


def _gre(data: bytes) -> Step:
    """RFC 8086: GRE of version 0 (RFC 2784, RFC 2890), with no reserved bit set."""
    return _NONE if data[0] & 0x4F or data[1] else ("gre", data)


def _capwap(data: bytes) -> Step:
    """A data message (RFC 5415 section 4.3), which carries 802.3 frames or those of a radio."""
    if data[0] == 1:  # a DTLS header follows
        return unread(UNREAD_PORT, _CAPWAP)
    header = int.from_bytes(data[1:4], "big")
    length, radio = (header >> 19) * 4, header >> 9 & 31
    if data[0] or length < 8 or header & 8:  # no CAPWAP, or a keep-alive
        return _NONE
    if header & 0x80 and int.from_bytes(data[6:8], "big") >> 3:  # a fragment that is not the first
        return unread(UNREAD_PIECE, PIECES_OF_CAPWAP)
    rest = data[length:]
    if not header & 0x100:
        return "ethernet", rest
    if radio != 1:  # the frames of another radio than 802.11
        return unread(UNREAD_RADIO, radio)
    # Some access points swap the two bytes of the frame control: of a data frame, the first would be 8 or 0x88.
    return "wifi", rest if rest[0] & 15 == 8 else rest[1::-1] + rest[2:]


STEPS: dict[str, Callable[[bytes], Step]] = {
    "l2tp": _l2tp,
    "gtp": _gtp,
    "teredo": _teredo,
    "gre": _gre,
    "vxlan": _vxlan,
    "vxlan-gpe": _vxlan_gpe,
    "ayiya": _ayiya,
    "geneve": _geneve,
    "mpls": _mpls,
    "capwap": _capwap,
}
