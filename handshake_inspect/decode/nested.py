"""Hand over an encapsulated packet: a decoder records where it begins, and `tunnels.decode_nested` continues there.

This avoids recursion and makes the nesting depth a loop count.  The position is stored in record fields that are only
used once a segment has been found.
"""

from typing import Any

from handshake_inspect.wire.const import KIND_NESTED, KIND_UNREAD


def nested_packet(layer: int, at: int, wire_end: int, out: Any) -> int:
    """Record that the layer (`LAYER_*`) begins at `at` and ended at `wire_end` on the wire; return KIND_NESTED."""
    out.reporter_hi = at
    out.reporter_lo = wire_end
    out.options = layer
    return KIND_NESTED


def unread_packet(what: int, number: int, out: Any) -> int:
    """Record an encapsulation that is not decoded: its `UNREAD_*` kind and protocol number; return KIND_UNREAD."""
    out.seq = what << 16 | number
    return KIND_UNREAD
