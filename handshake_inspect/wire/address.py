"""Convert addresses between their form in rows (two 64-bit halves, IPv4 as ::ffff:a.b.c.d) and text."""

import ipaddress
from functools import lru_cache
from typing import Any

from handshake_inspect.wire.const import IPV4_MAPPED, MASK64


def is_ipv4(hi: int, lo: int) -> bool:
    """Return True if the two halves hold an IPv4 address."""
    return hi == 0 and int(lo) >> 32 == IPV4_MAPPED >> 32


def are_ipv4(hi: Any, lo: Any) -> Any:
    """Return a boolean mask of the IPv4 addresses, given arrays of the upper and lower halves."""
    return (hi == 0) & (lo >> 32 == IPV4_MAPPED >> 32)


@lru_cache(maxsize=1 << 16)
def address_text(hi: int, lo: int) -> str:
    """Format an address: dotted decimal for IPv4, canonical form (RFC 5952) for IPv6."""
    hi, lo = int(hi), int(lo)  # NumPy's integers too
    if is_ipv4(hi, lo):
        return f"{lo >> 24 & 0xFF}.{lo >> 16 & 0xFF}.{lo >> 8 & 0xFF}.{lo & 0xFF}"
    return str(ipaddress.IPv6Address(hi << 64 | lo))


def address_halves(text: str) -> tuple[int, int]:
    """Parse an IPv4 or IPv6 address into its two halves; raise ValueError if it is invalid."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv4Address):
        return 0, IPV4_MAPPED | int(address)
    return int(address) >> 64, int(address) & MASK64


def prefix_text(hi: int, lo: int, bits: int) -> str:
    """Format a network with a prefix length of `bits`: `198.51.100.0/24`, `2001:db8::/64`."""
    return f"{address_text(hi, lo)}/{bits}"


def halves_within(text: str) -> tuple[int, int, int]:
    """Parse an address or a network of at most 2^64; return its upper half, and its first and last lower half."""
    network = ipaddress.ip_network(text, strict=False)
    hi, low = address_halves(str(network.network_address))
    _, high = address_halves(str(network.broadcast_address))
    return hi, low, high
