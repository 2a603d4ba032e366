"""Addresses as the rows hold them (two 64-bit halves, IPv4 as ::ffff:a.b.c.d) and as people write them."""

import ipaddress
from functools import lru_cache
from typing import Any

from handshake_inspect.wire.const import IPV4_MAPPED, MASK64


def is_ipv4(hi: int, lo: int) -> bool:
    """Whether the two halves hold an IPv4 address."""
    return hi == 0 and int(lo) >> 32 == IPV4_MAPPED >> 32


def are_ipv4(hi: Any, lo: Any) -> Any:
    """Which of many addresses are of IPv4, given as arrays of their halves."""
    return (hi == 0) & (lo >> 32 == IPV4_MAPPED >> 32)


@lru_cache(maxsize=1 << 16)
def address_text(hi: int, lo: int) -> str:
    """Write an address: dotted for IPv4, the canonical form of RFC 5952 for IPv6."""
    hi, lo = int(hi), int(lo)  # NumPy's integers too
    if is_ipv4(hi, lo):
        return f"{lo >> 24 & 0xFF}.{lo >> 16 & 0xFF}.{lo >> 8 & 0xFF}.{lo & 0xFF}"
    return str(ipaddress.IPv6Address(hi << 64 | lo))


def address_halves(text: str) -> tuple[int, int]:
    """Read an address, either version, into its two halves; ValueError if it is none."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv4Address):
        return 0, IPV4_MAPPED | int(address)
    return int(address) >> 64, int(address) & MASK64


def prefix_text(hi: int, lo: int, bits: int) -> str:
    """Write a network, of which so many bits count: `198.51.100.0/24`, `2001:db8::/64`."""
    return f"{address_text(hi, lo)}/{bits}"


def halves_within(text: str) -> tuple[int, int, int]:
    """Read an address, or a network of at most 2^64 of them: its upper half, and the first and last lower one."""
    network = ipaddress.ip_network(text, strict=False)
    hi, low = address_halves(str(network.network_address))
    _, high = address_halves(str(network.broadcast_address))
    return hi, low, high
