"""Link types by number (the LINKTYPE_ registry of tcpdump.org) and what people call them."""

NAMES = {
    0: "BSD loopback",
    1: "Ethernet",
    9: "PPP",
    12: "raw IP",
    14: "raw IP",
    50: "PPP in HDLC framing",
    51: "PPPoE",
    101: "raw IP",
    104: "Cisco HDLC",
    105: "802.11",
    108: "OpenBSD loopback",
    109: "BSD enc",
    113: "Linux cooked v1",
    117: "BSD pflog",
    127: "802.11 radiotap",
    149: "USER2 (Apple pktap)",
    228: "raw IPv4",
    229: "raw IPv6",
    239: "netfilter log",
    258: "Apple pktap",
    276: "Linux cooked v2",
}


def link_type_name(number: int) -> str:
    """The name of a link type, or its number where none is known."""
    return NAMES.get(number, f"link type {number}")
