"""Registry of encapsulations by number: link types, ethertypes, IP protocols, GRE and PPP protocols, tunnel UDP ports.

Both decoders use it: the fast one through byte tables indexed by number, the slow one (`decode.layers`,
`decode.udp_tunnels`) by layer names.  Each name has a step in `layers.STEPS` or `udp_tunnels.STEPS`, except IP and the
layers that `decode.uncommon` handles itself.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class LinkType(NamedTuple):
    """The display name of a link type, the first layer of its frames, and the number of bytes before that."""

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

# The layer after an ethertype (IANA, "IEEE 802 Numbers").
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
OPAQUE_ETHERTYPES = {0x88E5: "MACsec"}
GRE_PROTOCOLS: dict[int, str] = {
    **ETHERTYPES,
    0x6558: "ethernet",
    0x88BE: "erspan",
    0x22EB: "erspan3",
    0x883E: "wccp",
    **dict.fromkeys(range(0x8200, 0x8300), "wifi"),  # from an Aruba access point to its controller
    **dict.fromkeys((0x0806, 0x2001, 0x8863, 0x88CC), "control"),  # ARP, NHRP, PPPoE's discovery, LLDP: no packets
}
PPP_PROTOCOLS: dict[int, str] = {0x21: "ipv4", 0x57: "ipv6", 0x281: "mpls", 0x283: "mpls"}
OPAQUE_PPP = (0x2D, 0x2F, 0x3D, 0x53, 0xFB, 0xFD)  # or split between links, or encrypted

# Tunnel protocols by UDP port (RFCs and the IANA service name registry).
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
    8472: "vxlan",  # used by Linux before the assignment, and still by Flannel
}
TWO_WAY_TUNNELS = ("l2tp", "teredo", "ayiya", "capwap")  # also tunnels if only the source port matches

# Encrypted tunnel protocols by UDP port.
OPAQUE_PORTS = {4500: "ESP in UDP", 4755: "GRE in DTLS", 5247: "CAPWAP in DTLS", 51820: "WireGuard"}

# The layer after an IP protocol number that carries packets (IANA, "Assigned Internet Protocol Numbers").
IP_PROTOCOLS: dict[int, str] = {
    4: "ipv4",
    41: "ipv6",
    47: "gre",
    94: "ipv4",
    97: "etherip",
    137: "mpls",
    143: "ethernet",
}
OPAQUE_PROTOCOLS = {
    50: "ESP",
    55: "minimal encapsulation",
    98: "encapsulation header",
    108: "IPComp",
    115: "L2TPv3",
}


MAX_LAYERS = 32  # of nested packets, and of MPLS labels in a stack


# -- byte tables for the fast decoder ------------------------------------------------------------------------------

FRAMING_ETHERNET, FRAMING_SLL, FRAMING_SLL2, FRAMING_IP, FRAMING_FAMILY = range(1, 6)
_FRAMINGS = {
    "ethernet": FRAMING_ETHERNET, "sll": FRAMING_SLL, "sll2": FRAMING_SLL2, "ip": FRAMING_IP, "family": FRAMING_FAMILY,
}  # fmt: skip

# Layers by number; the fast decoder leaves LAYER_OTHER to the slow one, and counts LAYER_OPAQUE.
LAYER_VLAN, LAYER_IPV4, LAYER_IPV6, LAYER_OTHER, LAYER_OPAQUE = range(1, 6)
LAYER_MPLS, LAYER_PPPOE, LAYER_PPP, LAYER_ETHERNET, LAYER_ETHERIP, LAYER_GRE, LAYER_UDP = range(6, 13)
LAYER_VXLAN, LAYER_GENEVE, LAYER_GTP, LAYER_ERSPAN, LAYER_ERSPAN3, LAYER_WCCP, LAYER_CONTROL = range(13, 20)
_LAYERS = {
    "vlan": LAYER_VLAN, "ipv4": LAYER_IPV4, "ipv6": LAYER_IPV6, "mpls": LAYER_MPLS, "pppoe": LAYER_PPPOE,
    "ppp": LAYER_PPP, "ethernet": LAYER_ETHERNET, "etherip": LAYER_ETHERIP, "gre": LAYER_GRE, "vxlan": LAYER_VXLAN,
    "geneve": LAYER_GENEVE, "gtp": LAYER_GTP, "erspan": LAYER_ERSPAN, "erspan3": LAYER_ERSPAN3, "wccp": LAYER_WCCP,
    "control": LAYER_CONTROL,
}  # fmt: skip
TUNNEL_TO, TUNNEL_FROM, TUNNEL_OPAQUE = 1, 2, 4  # by destination port, by source port, encrypted


def _table(codes: Mapping[int, int], size: int = 1 << 16) -> bytes:
    """Return a table of the codes, indexed by number; 0 if there is none."""
    table = bytearray(size)
    for number, code in codes.items():
        if number < size:
            table[number] = code
    return bytes(table)


def _layers(names: Mapping[int, str], sealed: Iterable[int] = (), size: int = 1 << 16) -> bytes:
    codes = {number: _LAYERS.get(name, LAYER_OTHER) for number, name in names.items()}
    return _table(codes | dict.fromkeys(sealed, LAYER_OPAQUE), size)


def _ports() -> dict[int, int]:
    ports = {port: TUNNEL_TO | (TUNNEL_FROM if name in TWO_WAY_TUNNELS else 0) for port, name in TUNNEL_PORTS.items()}
    return ports | {port: ports.get(port, 0) | TUNNEL_OPAQUE for port in OPAQUE_PORTS}


FRAMING_COUNT = 512
_OWN_HEADER = {"family": 4}  # bytes before the layer that the fast decoder's framing skips itself
FRAMINGS = _table(
    {
        number: _FRAMINGS.get(link.layer, 0)
        for number, link in LINK_TYPES.items()
        if link.skipped == _OWN_HEADER.get(link.layer, 0)
    },
    FRAMING_COUNT,
)
ETHERTYPE_LAYERS = _layers(ETHERTYPES, OPAQUE_ETHERTYPES)
PROTOCOL_LAYERS = _layers(IP_PROTOCOLS, OPAQUE_PROTOCOLS, 256)
GRE_LAYERS = _layers(GRE_PROTOCOLS, OPAQUE_ETHERTYPES)
PPP_LAYERS = _layers(PPP_PROTOCOLS, OPAQUE_PPP)
TUNNELS = _table(_ports())
TUNNEL_LAYERS = _layers(TUNNEL_PORTS)

# Encapsulations that are not or cannot be decoded: code = kind << 16 | protocol number.
UNREAD_PROTOCOL, UNREAD_ETHERTYPE, UNREAD_GRE, UNREAD_PORT, UNREAD_PPP, UNREAD_WIFI, UNREAD_DEPTH = range(1, 8)
UNREAD_PIECE, UNREAD_RADIO = 8, 9
PIECES_OF_CAPWAP, PIECES_OF_ARCNET = 1, 2  # fragmented below IP
_PIECES = {PIECES_OF_CAPWAP: "fragments of CAPWAP", PIECES_OF_ARCNET: "fragments of ARCNET"}


def unread_name(code: int) -> tuple[str, bool]:
    """Return the name of an encapsulation that is not decoded, and whether it is encrypted."""
    what, number = code >> 16, code & 0xFFFF
    names = {UNREAD_PROTOCOL: OPAQUE_PROTOCOLS, UNREAD_ETHERTYPE: OPAQUE_ETHERTYPES, UNREAD_PORT: OPAQUE_PORTS}
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
    """Return the name of a link type, or its number if unknown."""
    return LINK_TYPES[number].name if number in LINK_TYPES else f"link type {number}"
