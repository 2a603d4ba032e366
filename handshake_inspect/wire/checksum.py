"""The Internet checksum (RFC 1071).

Never compiled: Python adds fastest as one long number modulo 65535, C as 64-bit words, which the twin does.  A sum is
0 only if every byte is; otherwise zero is written 65535.
"""

from handshake_inspect.wire.const import MASK16


def fold(total: int) -> int:
    """Bring a sum of 16-bit or wider words down to 16 bits, end-around carry included."""
    while total > MASK16:
        total = (total & MASK16) + (total >> 16)
    return total


def is_right(data: bytes, start: int, end: int, more: int) -> bool:
    """Whether the 16-bit words of `data[start:end]`, an odd last byte padded with zero, and `more` add up to ones.

    That is how a sum comes out over a stretch which holds its checksum; `more` is that of what else it covers.
    """
    words = data[start:end]
    total = (int.from_bytes(words, "big") << (8 * (len(words) & 1))) + more
    return total != 0 and total % MASK16 == 0
