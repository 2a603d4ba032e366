"""Sequence number arithmetic modulo 2^32 (RFC 9293 section 3.4).

Never compiled: the twin declares the same functions as C inlines.  Two numbers exactly 2^31 apart compare as each
before the other, since their difference is -2^31 both ways.
"""

_MASK = 0xFFFFFFFF
_HALF = 0x80000000


def seq_diff(a: int, b: int) -> int:
    """Return the signed distance from `b` to `a`, -2^31 .. 2^31 - 1: positive if `a` is later."""
    distance = (a - b) & _MASK
    return distance - 0x100000000 if distance & _HALF else distance


def seq_lt(a: int, b: int) -> bool:
    """Return True if `a` is before `b`."""
    return seq_diff(a, b) < 0


def seq_le(a: int, b: int) -> bool:
    """Return True if `a` is before `b` or equal to it."""
    return seq_diff(a, b) <= 0


def seq_gt(a: int, b: int) -> bool:
    """Return True if `a` is after `b`."""
    return seq_diff(a, b) > 0


def seq_ge(a: int, b: int) -> bool:
    """Return True if `a` is after `b` or equal to it."""
    return seq_diff(a, b) >= 0


def seq_max(a: int, b: int) -> int:
    """Return the later of two numbers."""
    return a if seq_diff(a, b) >= 0 else b
