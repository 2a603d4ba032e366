"""What may stand around an IP packet, by number: link types, ethertypes and the UDP ports of tunnels.

Both decoders read it: the fast one as bytes by number, the slow one (`decode.layers`, `decode.udp_tunnels`) by the
names of layers.  A name has its step in `layers.STEPS` or `udp_tunnels.STEPS`, but for IP packets and for what
`decode.uncommon` takes off itself.
"""

from collections.abc import Mapping
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
    9: LinkType("PPP", "ppp"),
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
    149: LinkType("USER2 (Apple pktap)", "pktap"),  # as Apple wrote it before it had a number
    228: LinkType("raw IPv4", "ip"),
    229: LinkType("raw IPv6", "ip"),
    239: LinkType("netfilter log", "nflog"),
    258: LinkType("Apple pktap", "pktap"),
    276: LinkType("Linux cooked v2", "sll2"),
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
}
BEHIND_GRE: dict[int, str] = {**ETHERTYPES, 0x6558: "ethernet", 0x22EB: "erspan3"}

# What runs behind a UDP port as a tunnel (RFC and IANA registry of service names).
TUNNEL_PORTS: dict[int, str] = {
    1701: "l2tp",
    2152: "gtp",
    3544: "teredo",
    4754: "gre",
    4789: "vxlan",
    4790: "vxlan-gpe",
    5072: "ayiya",
    6081: "geneve",
    6635: "mpls",
    8472: "vxlan",  # Linux before it had a number, and Flannel still
}
ANSWERING = ("l2tp", "teredo", "ayiya")  # whose far end sends from that port, to any other


# -- the same for the fast decoder ---------------------------------------------------------------------------------

FRAMING_ETHERNET, FRAMING_SLL, FRAMING_SLL2, FRAMING_IP, FRAMING_FAMILY = range(1, 6)
_FRAMINGS = {
    "ethernet": FRAMING_ETHERNET, "sll": FRAMING_SLL, "sll2": FRAMING_SLL2, "ip": FRAMING_IP, "family": FRAMING_FAMILY,
}  # fmt: skip
BEHIND_VLAN, BEHIND_IPV4, BEHIND_IPV6, BEHIND_OTHER = range(1, 5)
_BEHIND = {"vlan": BEHIND_VLAN, "ipv4": BEHIND_IPV4, "ipv6": BEHIND_IPV6}
TUNNEL_TO, TUNNEL_FROM = 1, 2  # where the port of a tunnel may be


def _table(codes: Mapping[int, int], size: int = 1 << 16) -> bytes:
    """The codes as bytes by number, 0 for none."""
    return bytes(codes.get(number, 0) for number in range(size))


FRAMING_COUNT = 512
FRAMINGS = _table({number: _FRAMINGS.get(link.layer, 0) for number, link in LINK_TYPES.items()}, FRAMING_COUNT)
BEHIND = _table({number: _BEHIND.get(layer, BEHIND_OTHER) for number, layer in ETHERTYPES.items()})
TUNNELS = _table({port: TUNNEL_TO | (TUNNEL_FROM if name in ANSWERING else 0) for port, name in TUNNEL_PORTS.items()})


def link_type_name(number: int) -> str:
    """The name of a link type, or its number where none is known."""
    return LINK_TYPES[number].name if number in LINK_TYPES else f"link type {number}"
