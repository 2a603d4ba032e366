"""A hash of the 4-tuple that is the same for both directions of a connection.

Each end is mixed separately, the two are added, so that their order does not matter, and the sum is mixed again.
Consecutive ports and addresses spread over all bits, including the low ones.  The hash is unkeyed, so that equal input
gives equal rows on every machine: hash tables must cope with deliberate collisions.

Never compiled: the twin declares the same functions as C inlines.
"""

from handshake_inspect.wire.const import MASK64

_HIGH = 0x9E3779B97F4A7C15
_END = 0xD6E8FEB86659FD93
_AGAIN = 0xC4CEB9FE1A85EC53
_SUM = 0xFF51AFD7ED558CCD


def mix_end(hi: int, lo: int, port: int) -> int:
    """Hash one end (address halves and port) to 64 bits."""
    mixed = (((lo ^ port << 48) + hi * _HIGH) * _END) & MASK64
    # Mix twice: otherwise ends that count up and down in step would cancel out in the sum.
    mixed = ((mixed ^ mixed >> 32) * _AGAIN) & MASK64
    return mixed ^ mixed >> 29


def hash_four_tuple(a_hi: int, a_lo: int, a_port: int, b_hi: int, b_lo: int, b_port: int) -> int:
    """Hash two ends, given in either order, to 64 bits."""
    mixed = (mix_end(a_hi, a_lo, a_port) + mix_end(b_hi, b_lo, b_port)) & MASK64
    mixed = ((mixed ^ mixed >> 29) * _SUM) & MASK64
    return mixed ^ mixed >> 32
