"""What may stand around an IP packet, by number: link types, ethertypes and the UDP ports of tunnels.

Both decoders read it: the fast one as bytes by number, the slow one (`decode.layers`, `decode.udp_tunnels`) by the
names of layers.  A name has its step in `layers.STEPS` or `udp_tunnels.STEPS`, but for IP packets and for what
`decode.uncommon` takes off itself.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class LinkType(NamedTuple):
    """What people call a link type, the layer that its frames begin with, and how many bytes stand before that."""

    name: str
    layer: str
    skipped: int = 0


# The LINKTYPE_ registry of tcpdump.org.
LINK_TYPES: dict[int, LinkType] = {
    0: LinkType("BSD loopback", "family", 4),
    1: LinkType("Ethernet", "ethernet"),
    7: LinkType("ARCNET of the BSDs", "arcnet", 2),
    9: LinkType("PPP", "ppp"),
    10: LinkType("FDDI", "llc", 13),
    12: LinkType("raw IP", "ip"),  # DLT_RAW differs between systems
    14: LinkType("raw IP", "ip"),
    50: LinkType("PPP in HDLC framing", "ppp"),
    51: LinkType("PPPoE", "pppoe"),
    101: LinkType("raw IP", "ip"),
    104: LinkType("Cisco HDLC", "chdlc"),
    105: LinkType("802.11", "wifi"),
    108: LinkType("OpenBSD loopback", "family", 4),
    109: LinkType("BSD enc", "enc"),
    113: LinkType("Linux cooked v1", "sll"),
    117: LinkType("BSD pflog", "pflog"),
    127: LinkType("802.11 radiotap", "radiotap"),
    129: LinkType("ARCNET of Linux", "arcnet", 4),
    149: LinkType("USER2 (Apple pktap)", "pktap"),  # as Apple wrote it before it had a number
    178: LinkType("Juniper Ethernet", "juniper-ethernet"),
    179: LinkType("Juniper PPP", "juniper-ppp"),
    181: LinkType("Juniper Cisco HDLC", "juniper-chdlc"),
    197: LinkType("ERF", "erf"),
    228: LinkType("raw IPv4", "ip"),
    229: LinkType("raw IPv6", "ip"),
    239: LinkType("netfilter log", "nflog"),
    242: LinkType("IP over InfiniBand", "ipoib", 40),  # behind a global routing header
    258: LinkType("Apple pktap", "pktap"),
    276: LinkType("Linux cooked v2", "sll2"),
    281: LinkType("Ethernet with a Broadcom tag", "ethertype", 16),  # of a switch's chip, behind the addresses
    282: LinkType("Ethernet behind a Broadcom tag", "ethernet", 4),
    284: LinkType("Ethernet with a DSA tag", "ethertype", 16),
    285: LinkType("Ethernet with an EDSA tag", "ethertype", 20),
}

# The layer behind an ethertype (IEEE 802 numbers of IANA).
ETHERTYPES: dict[int, str] = {
    0x0800: "ipv4",
    0x86DD: "ipv6",
    0x8100: "vlan",
    0x88A8: "vlan",
    0x9100: "vlan",
    0x9200: "vlan",
    0x8847: "mpls",
    0x8848: "mpls",
    0x8864: "pppoe",
    0x880B: "ppp",
    0x8926: "vntag",
    0x893F: "etag",
    0x8903: "fabricpath",
    0x88E7: "pbb",
    0x894F: "nsh",
    0x22F3: "trill",
}
SEALED_ETHERTYPES = {0x88E5: "MACsec"}
BEHIND_GRE: dict[int, str] = {
    **ETHERTYPES,
    0x6558: "ethernet",
    0x88BE: "erspan",
    0x22EB: "erspan3",
    0x883E: "wccp",
    **dict.fromkeys(range(0x8200, 0x8300), "wifi"),  # from an access point of Aruba to its controller
    **dict.fromkeys((0x0806, 0x2001, 0x8863, 0x88CC), "alone"),  # ARP, NHRP, PPPoE's discovery, LLDP: no packets
}
BEHIND_PPP: dict[int, str] = {0x21: "ipv4", 0x57: "ipv6", 0x281: "mpls", 0x283: "mpls"}
COMPRESSED_PPP = (0x2D, 0x2F, 0x3D, 0x53, 0xFB, 0xFD)  # or split between links, or encrypted

# What runs behind a UDP port as a tunnel (RFC and IANA registry of service names).
TUNNEL_PORTS: dict[int, str] = {
    1701: "l2tp",
    2152: "gtp",
    3544: "teredo",
    4754: "gre",
    4789: "vxlan",
    4790: "vxlan-gpe",
    5072: "ayiya",
    5247: "capwap",
    6081: "geneve",
    6635: "mpls",
    8472: "vxlan",  # Linux before it had a number, and Flannel still
}
ANSWERING = ("l2tp", "teredo", "ayiya", "capwap")  # whose far end sends from that port, to any other

# What runs behind a UDP port as a tunnel, and is encrypted.
SEALED_PORTS = {4500: "ESP in UDP", 4755: "GRE in DTLS", 5247: "CAPWAP in DTLS", 51820: "WireGuard"}

# The layer behind a protocol number of IP that carries packets (IANA, "Assigned Internet Protocol Numbers").
CARRIERS: dict[int, str] = {
    4: "ipv4",
    41: "ipv6",
    47: "gre",
    94: "ipv4",
    97: "etherip",
    137: "mpls",
    143: "ethernet",
}
SEALED_PROTOCOLS = {
    50: "ESP",
    55: "minimal encapsulation",
    98: "encapsulation header",
    108: "IPComp",
    115: "L2TPv3",
}


MAX_LAYERS = 32  # of a packet in a packet in a packet …; also of labels in a stack


# -- the same for the fast decoder ---------------------------------------------------------------------------------

FRAMING_ETHERNET, FRAMING_SLL, FRAMING_SLL2, FRAMING_IP, FRAMING_FAMILY = range(1, 6)
_FRAMINGS = {
    "ethernet": FRAMING_ETHERNET, "sll": FRAMING_SLL, "sll2": FRAMING_SLL2, "ip": FRAMING_IP, "family": FRAMING_FAMILY,
}  # fmt: skip

# Layers by number; the fast decoder leaves BEHIND_OTHER to the slow one, and counts BEHIND_SEALED.
BEHIND_VLAN, BEHIND_IPV4, BEHIND_IPV6, BEHIND_OTHER, BEHIND_SEALED = range(1, 6)
LAYER_MPLS, LAYER_PPPOE, LAYER_PPP, LAYER_ETHERNET, LAYER_ETHERIP, LAYER_GRE, LAYER_UDP = range(6, 13)
LAYER_VXLAN, LAYER_GENEVE, LAYER_GTP, LAYER_ERSPAN, LAYER_ERSPAN3, LAYER_WCCP, LAYER_ALONE = range(13, 20)
_LAYERS = {
    "vlan": BEHIND_VLAN, "ipv4": BEHIND_IPV4, "ipv6": BEHIND_IPV6, "mpls": LAYER_MPLS, "pppoe": LAYER_PPPOE,
    "ppp": LAYER_PPP, "ethernet": LAYER_ETHERNET, "etherip": LAYER_ETHERIP, "gre": LAYER_GRE, "vxlan": LAYER_VXLAN,
    "geneve": LAYER_GENEVE, "gtp": LAYER_GTP, "erspan": LAYER_ERSPAN, "erspan3": LAYER_ERSPAN3, "wccp": LAYER_WCCP,
    "alone": LAYER_ALONE,
}  # fmt: skip
TUNNEL_TO, TUNNEL_FROM, TUNNEL_SEALED = 1, 2, 4  # where the port of a tunnel may be; an encrypted one's anywhere


def _table(codes: Mapping[int, int], size: int = 1 << 16) -> bytes:
    """The codes as bytes by number, 0 for none."""
    table = bytearray(size)
    for number, code in codes.items():
        if number < size:
            table[number] = code
    return bytes(table)


def _layers(names: Mapping[int, str], sealed: Iterable[int] = (), size: int = 1 << 16) -> bytes:
    codes = {number: _LAYERS.get(name, BEHIND_OTHER) for number, name in names.items()}
    return _table(codes | dict.fromkeys(sealed, BEHIND_SEALED), size)


def _ports() -> dict[int, int]:
    ports = {port: TUNNEL_TO | (TUNNEL_FROM if name in ANSWERING else 0) for port, name in TUNNEL_PORTS.items()}
    return ports | {port: ports.get(port, 0) | TUNNEL_SEALED for port in SEALED_PORTS}


FRAMING_COUNT = 512
_AT_ONCE = {"family": 4}  # bytes that the framing itself takes off
FRAMINGS = _table(
    {
        number: _FRAMINGS.get(link.layer, 0)
        for number, link in LINK_TYPES.items()
        if link.skipped == _AT_ONCE.get(link.layer, 0)
    },
    FRAMING_COUNT,
)
BEHIND = _layers(ETHERTYPES, SEALED_ETHERTYPES)
CARRIED = _layers(CARRIERS, SEALED_PROTOCOLS, 256)
GRE_LAYERS = _layers(BEHIND_GRE, SEALED_ETHERTYPES)
PPP_LAYERS = _layers(BEHIND_PPP, COMPRESSED_PPP)
TUNNELS = _table(_ports())
TUNNEL_LAYERS = _layers(TUNNEL_PORTS)

# What carries packets that nothing here reads, or nobody can read: one of these above the 16 bits of its number.
UNREAD_PROTOCOL, UNREAD_ETHERTYPE, UNREAD_GRE, UNREAD_PORT, UNREAD_PPP, UNREAD_WIFI, UNREAD_DEPTH = range(1, 8)
UNREAD_PIECE, UNREAD_RADIO = 8, 9
PIECES_OF_CAPWAP, PIECES_OF_ARCNET = 1, 2  # which a layer below IP cut
_PIECES = {PIECES_OF_CAPWAP: "fragments of CAPWAP", PIECES_OF_ARCNET: "fragments of ARCNET"}


def unread_name(code: int) -> tuple[str, bool]:
    """What was not looked into, and whether it is encrypted."""
    what, number = code >> 16, code & 0xFFFF
    names = {UNREAD_PROTOCOL: SEALED_PROTOCOLS, UNREAD_ETHERTYPE: SEALED_ETHERTYPES, UNREAD_PORT: SEALED_PORTS}
    known = names.get(what, {}).get(number)
    encrypted = what in (UNREAD_WIFI, UNREAD_ETHERTYPE, UNREAD_PORT) or known == "ESP"
    other = {
        UNREAD_GRE: f"GRE with protocol {number:#06x}",
        UNREAD_PORT: f"a tunnel on UDP port {number}",
        UNREAD_PPP: f"PPP with protocol {number:#06x}",
        UNREAD_WIFI: "802.11",
        UNREAD_PIECE: _PIECES.get(number, ""),
        UNREAD_RADIO: f"CAPWAP of a radio of type {number}",
        UNREAD_DEPTH: f"packets in more than {MAX_LAYERS} layers of tunnels",
    }
    return known or other.get(what, f"code {code}"), encrypted


def link_type_name(number: int) -> str:
    """The name of a link type, or its number where none is known."""
    return LINK_TYPES[number].name if number in LINK_TYPES else f"link type {number}"
