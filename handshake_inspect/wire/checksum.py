"""The Internet checksum (RFC 1071).

Never compiled: Python is fastest with one long integer modulo 65535, C with 64-bit words, as in the twin.  A sum is 0
only if every byte is; otherwise zero appears as 65535.
"""

from handshake_inspect.wire.const import MASK16


def fold(total: int) -> int:
    """Fold a sum of words to 16 bits with end-around carry."""
    while total > MASK16:
        total = (total & MASK16) + (total >> 16)
    return total


def is_valid(data: bytes, start: int, end: int, more: int) -> bool:
    """Return True if the data including its checksum, plus `more`, sums to all ones, i.e. the checksum is correct.

    The words of `data[start:end]` are 16 bits, an odd last byte is padded with zero; `more` is the sum of a
    pseudo-header.
    """
    words = data[start:end]
    total = (int.from_bytes(words, "big") << (8 * (len(words) & 1))) + more
    return total != 0 and total % MASK16 == 0
