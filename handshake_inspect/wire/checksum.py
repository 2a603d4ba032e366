"""The Internet checksum (RFC 1071).

Never compiled: Python adds fastest as one long number modulo 65535, C as 32-bit words in a 64-bit
sum, which the twin does.  A sum is 0 only if every byte is; otherwise zero is written 65535.
"""

from handshake_inspect.wire.const import MASK16


def fold(total: int) -> int:
    """Bring a sum of 16-bit or wider words down to 16 bits, end-around carry included."""
    while total > MASK16:
        total = (total & MASK16) + (total >> 16)
    return total


def ones_sum(data: bytes, start: int, end: int) -> int:
    """Add the 16-bit words of `data[start:end]` in ones' complement, an odd last byte padded with zero."""
    words = data[start:end]
    number = int.from_bytes(words, "big") << (8 * (len(words) & 1))
    return (number % MASK16 or MASK16) if number else 0
