"""Parsing steps for tunnels over UDP: VXLAN, Geneve, GTP-U, Teredo, AYIYA, L2TP, CAPWAP, MPLS and GRE in UDP.

Any application may use a tunnel's port.  So the tunnel header must be valid and an IP packet must begin with its
version; otherwise the datagram is not decoded.
"""

from collections.abc import Callable

from handshake_inspect.wire.encapsulation import (
    PIECES_OF_CAPWAP,
    TUNNEL_PORTS,
    UNREAD_PIECE,
    UNREAD_PORT,
    UNREAD_RADIO,
)

Step = tuple[str, bytes]  # name of the next layer ("" if unknown) and its bytes

_NONE: Step = ("", b"")
_ETHERTYPES = {0x0800: "ipv4", 0x86DD: "ipv6", 0x6558: "ethernet", 0x8847: "mpls"}
_VXLAN_NEXT = {1: "ipv4", 2: "ipv6", 3: "ethernet"}
_AYIYA_NEXT = {4: "ipv4", 41: "ipv6"}
_TEREDO = b"\x20\x01\0\0"  # the prefix of Teredo addresses; clients use any port
_GPDU = 255  # GTP message type of a user packet
_CAPWAP = 5247
UNREAD = "unread"  # in place of a layer: an encapsulation that is not decoded, named by the bytes


def unread(what: int, number: int) -> Step:
    """Return the step for an encapsulation that is not decoded: its `UNREAD_*` kind and protocol number."""
    return UNREAD, (what << 16 | number).to_bytes(4, "big")


def step(data: bytes) -> Step:
    """Step from a UDP header into the tunnel that its ports indicate."""
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
    """VXLAN (RFC 7348): only the valid-VNI flag counts."""
    return ("ethernet", data[8:]) if data[0] & 0x08 else _NONE


def _vxlan_gpe(data: bytes) -> Step:
    """VXLAN-GPE, whose header names the next protocol."""
    if not data[0] & 0x08:
        return _NONE
    return (_VXLAN_NEXT.get(data[3], "") if data[0] & 0x04 else "ethernet"), data[8:]


def _geneve(data: bytes) -> Step:
    """Geneve (RFC 8926), with options of any length."""
    if data[0] >> 6:
        return _NONE
    return _ETHERTYPES.get(int.from_bytes(data[2:4], "big"), ""), data[8 + (data[0] & 0x3F) * 4 :]


def _gtp(data: bytes) -> Step:
    """GTP-U version 1 (3GPP TS 29.281), with any extension headers."""
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
    """Teredo (RFC 4380): an IPv6 packet, possibly after authentication and origin indications."""
    if data[:2] == b"\0\x01":
        data = data[13 + data[2] + data[3] :]
    if data[:2] == b"\0\0":
        data = data[8:]
    return "ipv6", data


def _ayiya(data: bytes) -> Step:
    """AYIYA ("anything in anything"): a packet after an identity and a signature of variable length."""
    if data[2] & 15 != 1:  # to be forwarded
        return _NONE
    return _AYIYA_NEXT.get(data[3], ""), data[8 + (1 << (data[0] >> 4)) + (data[1] >> 4) * 4 :]


def _l2tp(data: bytes) -> Step:
    """L2TP version 2 data message (RFC 2661): PPP after a header of variable length."""
    flags = int.from_bytes(data[:2], "big")
    if flags & 0x8000 or flags & 15 != 2:
        return _NONE
    at = 6 + (2 if flags & 0x4000 else 0) + (4 if flags & 0x0800 else 0)
    if flags & 0x0200:
        at += 2 + int.from_bytes(data[at : at + 2], "big")
    return "ppp", data[at:]


def _mpls(data: bytes) -> Step:
    """MPLS in UDP (RFC 7510)."""
    return "mpls", data


def _gre(data: bytes) -> Step:
    """GRE in UDP (RFC 8086): GRE version 0 (RFC 2784, RFC 2890) without reserved bits."""
    return _NONE if data[0] & 0x4F or data[1] else ("gre", data)


def _capwap(data: bytes) -> Step:
    """CAPWAP data message (RFC 5415 section 4.3), which carries 802.3 or radio frames."""
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
    if radio != 1:  # not 802.11
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
