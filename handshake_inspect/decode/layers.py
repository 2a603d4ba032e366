"""One parsing step for each header that the slow decoder knows, based on dpkt's header classes.

A step takes the bytes of a layer and returns the name and the bytes of the next layer.  dpkt's own parsers decode down
to the innermost packet and return rebuilt objects; here the captured bytes are needed, so only dpkt's header parsing is
used.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Literal

from dpkt import ethernet, gre, ieee80211, ip, ip6, llc, ppp, pppoe, radiotap, sll, sll2
from dpkt.dpkt import Packet, UnpackError

from handshake_inspect.decode import bsd_layers, udp_tunnels
from handshake_inspect.wire.encapsulation import (
    GRE_PROTOCOLS,
    IP_PROTOCOLS,
    MAX_LAYERS,
    OPAQUE_ETHERTYPES,
    OPAQUE_PPP,
    OPAQUE_PROTOCOLS,
    PIECES_OF_ARCNET,
    PPP_PROTOCOLS,
    UNREAD_ETHERTYPE,
    UNREAD_GRE,
    UNREAD_PIECE,
    UNREAD_PPP,
    UNREAD_PROTOCOL,
    UNREAD_WIFI,
)

Step = udp_tunnels.Step

_NONE: Step = ("", b"")
_TUNNELS = {**IP_PROTOCOLS, 17: "udp"}
_NSH_NEXT = {1: "ipv4", 2: "ipv6", 3: "ethernet", 5: "mpls"}
_AUTHENTICATION = 51
_NFLOG_PAYLOAD = 9
# HDLC or PPP; Ethernet, plain, colored and from a multiplexer; IP.
_ERF_KINDS = {1: "ppp", 2: "ethernet", 11: "ethernet", 16: "ethernet", 20: "ethernet", 22: "ipv4", 23: "ipv6"}
_JUNIPER_FAMILIES = {2: "ipv4", 5: "mpls", 6: "ipv6"}


def _header_of(packet_class: type) -> type:
    """Derive a class that parses only its header and leaves the rest as bytes."""
    return type(
        f"{packet_class.__name__}Header",
        (packet_class,),
        {"unpack": Packet.unpack, "_unpack_data": lambda self, rest: None},
    )


_Ethernet = _header_of(ethernet.Ethernet)
_Sll = _header_of(sll.SLL)
_Sll2 = _header_of(sll2.SLL2)
_Llc = _header_of(llc.LLC)
_PppoeHeader = _header_of(pppoe.PPPoE)
_Gre = _header_of(gre.GRE)
_Ip = _header_of(ip.IP)
_Ip6 = _header_of(ip6.IP6)
_Radiotap = _header_of(radiotap.Radiotap)
_Wifi = _header_of(ieee80211.IEEE80211)


class _Ppp(ppp.PPP):  # type: ignore[misc]
    _protosw: dict[int, type] = {}  # noqa: RUF012  stops dpkt from parsing further


class _PppInPppoe(pppoe.PPP):  # type: ignore[misc]
    _protosw: dict[int, type] = {}  # noqa: RUF012


def _by_ethertype(ethertype: int, rest: bytes) -> Step:
    if ethertype <= 1500:
        return "llc", rest
    if ethertype in OPAQUE_ETHERTYPES:
        return udp_tunnels.unread(UNREAD_ETHERTYPE, ethertype)
    return GRE_PROTOCOLS.get(ethertype, ""), rest


def _ethernet(data: bytes) -> Step:
    header = _Ethernet(data)
    return _by_ethertype(header.type, header.data)


def _sll(data: bytes) -> Step:
    header = _Sll(data)
    return _by_ethertype(header.ethtype, header.data)


def _sll2(data: bytes) -> Step:
    header = _Sll2(data)
    return _by_ethertype(header.ethtype, header.data)


def _vlan(data: bytes) -> Step:
    tag = ethernet.VLANtag8021Q(data)
    return _by_ethertype(tag.type, data[4:])


def _llc(data: bytes) -> Step:
    header = _Llc(data)
    if header.is_snap:
        if len(header.data) < 5:
            raise UnpackError("SNAP header cut")
        return _by_ethertype(int.from_bytes(header.data[3:5], "big"), header.data[5:])
    return ("ipv4", header.data) if header.dsap == 0x06 else _NONE


def _mpls(data: bytes) -> Step:
    """Pop the label stack; the first nibble after it shows what follows (RFC 4928 section 3)."""
    at = 0
    while not ethernet.MPLSlabel(data[at : at + 4]).s:
        at += 4
        if at == 4 * MAX_LAYERS:
            raise UnpackError("no stack has so many labels")
    rest = data[at + 4 :]
    if not rest:
        raise UnpackError("nothing below the label stack")
    if rest[0] >> 4 in (4, 6):
        return ("ipv4" if rest[0] >> 4 == 4 else "ipv6"), rest
    # A pseudowire's control word begins with nibble 0 and precedes an Ethernet frame.
    return "ethernet", rest[4:] if rest[0] >> 4 == 0 else rest


def _pppoe(data: bytes) -> Step:
    header = _PppoeHeader(data)
    if header.code != pppoe.PPPoE_SESSION:
        return _NONE
    inner = _PppInPppoe(header.data)
    return _by_ppp(inner.p, inner.data)


def _by_ppp(protocol: int, rest: bytes) -> Step:
    if protocol in OPAQUE_PPP:
        return udp_tunnels.unread(UNREAD_PPP, protocol)
    return PPP_PROTOCOLS.get(protocol, ""), rest


def _ppp(data: bytes) -> Step:
    """Read PPP in HDLC framing, in Cisco's variant of it, or without framing."""
    if data[:2] in (b"\x0f\x00", b"\x8f\x00"):
        return _chdlc(data)
    header = _Ppp(data) if data[:2] == b"\xff\x03" else _PppInPppoe(data)
    return _by_ppp(header.p, header.data)


def _chdlc(data: bytes) -> Step:
    if len(data) < 4:
        raise UnpackError("Cisco HDLC header cut")
    return _by_ethertype(int.from_bytes(data[2:4], "big"), data[4:])


def _radiotap(data: bytes) -> Step:
    return "wifi", data[_Radiotap(data).length :]


def _wifi(data: bytes) -> Step:
    """Read an unencrypted 802.11 data frame."""
    header = _Wifi(data)
    if header.type != ieee80211.DATA_TYPE or header.subtype & 4:
        return _NONE
    if header.wep:
        return udp_tunnels.unread(UNREAD_WIFI, 0)
    length = 24 + (6 if header.to_ds and header.from_ds else 0)
    if header.subtype & 8:  # QoS control, possibly followed by HT control
        aggregated = data[length] & 0x80
        length += 6 if header.order else 2
        if aggregated:
            return "amsdu", data[length:]
    return "llc", data[length:]


def subframes(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the MSDUs of an A-MSDU (IEEE 802.11 section 9.3.2.2.2), each with its length: the last may be truncated."""
    at = 0
    while at + 14 < len(data):
        length = int.from_bytes(data[at + 12 : at + 14], "big")
        yield data[at + 14 : at + 14 + length], length
        at += (14 + length + 3) & ~3


def _gre(data: bytes) -> Step:
    header = _Gre(data)
    if header.flags & gre.GRE_RP:  # source routing, obsolete since RFC 2784
        return udp_tunnels.unread(UNREAD_GRE, header.p)
    optional = struct.calcsize("!" + "".join(header.opt_fields_fmts()[1]))
    if optional > len(header.data):
        raise UnpackError("GRE header cut")
    rest = header.data[optional:]
    layer = GRE_PROTOCOLS.get(header.p, "")
    if layer == "erspan" and not header.flags & gre.GRE_SP:  # type I has no sequence number
        return "ethernet", rest
    if layer or header.p <= 1500:
        return layer, rest
    return udp_tunnels.unread(UNREAD_GRE, header.p)


def _wccp(data: bytes) -> Step:
    """Read a packet that WCCP redirects: IPv4, in version 2 after a 4-byte header."""
    return "ipv4", data if data[0] >> 4 == 4 else data[4:]


def _trill(data: bytes) -> Step:
    """Read a TRILL header (RFC 6325 section 3), with options of any length."""
    options = int.from_bytes(data[:2], "big") >> 6 & 31
    return "ethernet", data[6 + options * 4 :]


def _after_tag(length: int, layer: str) -> Callable[[bytes], Step]:
    """Return a step over a tag of `length` bytes; layer `ethertype` continues by the tag's last two bytes."""

    def step(data: bytes) -> Step:
        if len(data) < length:
            raise UnpackError("tag cut")
        if layer != "ethertype":
            return layer, data[length:]
        return _by_ethertype(int.from_bytes(data[length - 2 : length], "big"), data[length:])

    return step


def _erspan3(data: bytes) -> Step:
    return "ethernet", data[20 if data[11] & 1 else 12 :]


def _ipoib(data: bytes) -> Step:
    """Read the header of IP over InfiniBand (RFC 4391 section 6): an ethertype and 2 reserved bytes."""
    return _by_ethertype(int.from_bytes(data[:2], "big"), data[4:])


def _arcnet(data: bytes) -> Step:
    """Read an ARCNET packet from its type on: IP follows at once (RFC 1051) or after a sequence number (RFC 1201)."""
    if data[0] == 240:  # RFC 1051
        return "ipv4", data[1:]
    layer = {212: "ipv4", 196: "ipv6"}.get(data[0], "")
    if data[1] == 255:  # an exception packet repeats the flag and the number
        return layer, data[8:]
    if layer and data[1]:
        return udp_tunnels.unread(UNREAD_PIECE, PIECES_OF_ARCNET)
    return layer, data[4:]


def _erf(data: bytes) -> Step:
    """Read an Endace record: a header with the frame type, and extensions of 8 bytes each."""
    kind, at, more = data[8] & 0x7F, 16, data[8] & 0x80
    while more:
        more = data[at] & 0x80
        at += 8
    layer = _ERF_KINDS.get(kind, "")
    return layer, data[at + (2 if layer == "ethernet" else 0) :]  # Ethernet is padded by 2 bytes


def _juniper(layer: str) -> Callable[[bytes], Step]:
    """Return a step over Juniper's header: magic number, flags, extensions; then a frame, or family and packet."""

    def step(data: bytes) -> Step:
        if data[:3] != b"MGC":
            raise UnpackError("no header of Juniper's")
        rest = data[6 + int.from_bytes(data[4:6], "big") if data[3] & 0x80 else 4 :]
        if data[3] & 0x02:  # no link layer
            return _JUNIPER_FAMILIES.get(rest[0], ""), rest[4:]
        return layer, rest

    return step


def _nsh(data: bytes) -> Step:
    """Read a network service header (RFC 8300)."""
    return _NSH_NEXT.get(data[3], ""), data[max((data[1] & 0x3F) * 4, 8) :]


def _nflog(data: bytes) -> Step:
    """Read a netfilter log message: attributes in host byte order, one of which is the packet."""
    order: Literal["little", "big"] = "little" if data[4:6] != b"\0\0" and data[5] == 0 else "big"
    at = 4
    while at + 4 <= len(data):
        length = int.from_bytes(data[at : at + 2], order)
        if length < 4:
            return _NONE
        if int.from_bytes(data[at + 2 : at + 4], order) == _NFLOG_PAYLOAD:
            return "ip", data[at + 4 : at + length]
        at += (length + 3) & ~3
    return _NONE


def tunnel(layer: str, data: bytes) -> Step:
    """Step from an IP header to the packet tunneled in it."""
    if layer == "ipv4":
        header = _Ip(data)
        following, rest = header.p, data[max(header.hl * 4, 20) :]
        if following == _AUTHENTICATION and len(rest) > 1:
            following, rest = rest[0], rest[(rest[1] + 2) * 4 :]
        return _carried(following, rest)
    header = _Ip6(data)
    following, rest = header.nxt, header.data
    for _ in range(16):
        if following not in (0, 43, _AUTHENTICATION, 60) or len(rest) < 8:
            break
        length = (rest[1] + 2) * 4 if following == _AUTHENTICATION else (rest[1] + 1) * 8
        following, rest = rest[0], rest[length:]
    return _carried(following, rest)


def _carried(protocol: int, rest: bytes) -> Step:
    if protocol in OPAQUE_PROTOCOLS:
        return udp_tunnels.unread(UNREAD_PROTOCOL, protocol)
    return _TUNNELS.get(protocol, ""), rest


STEPS: dict[str, Callable[[bytes], Step]] = {
    "ethernet": _ethernet,
    "sll": _sll,
    "sll2": _sll2,
    "vlan": _vlan,
    "llc": _llc,
    "mpls": _mpls,
    "pppoe": _pppoe,
    "ppp": _ppp,
    "chdlc": _chdlc,
    "radiotap": _radiotap,
    "wifi": _wifi,
    "gre": _gre,
    "udp": udp_tunnels.step,
    "vntag": _after_tag(6, "ethertype"),
    "etag": _after_tag(8, "ethertype"),
    "fabricpath": _after_tag(2, "ethernet"),
    "pbb": _after_tag(4, "ethernet"),
    "nsh": _nsh,
    "erspan": _after_tag(8, "ethernet"),
    "erspan3": _erspan3,
    "wccp": _wccp,
    "etherip": _after_tag(2, "ethernet"),
    "trill": _trill,
    "ethertype": _after_tag(2, "ethertype"),
    "ipoib": _ipoib,
    "arcnet": _arcnet,
    "erf": _erf,
    "juniper-ethernet": _juniper("ethernet"),
    "juniper-ppp": _juniper("ppp"),
    "juniper-chdlc": _juniper("chdlc"),
    "control": lambda _: _NONE,
    "nflog": _nflog,
    "enc": bsd_layers.enc,
    "pflog": bsd_layers.pflog,
}
