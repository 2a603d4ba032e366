"""Packets in packets: a decoder that meets one says where it begins, and `tunnels.follow` goes on there.

So no decoder calls itself, and depth is a count.  The place stands in fields that only a segment needs.
"""

from typing import Any

from handshake_inspect.wire.const import KIND_ONWARD, KIND_UNREAD


def go_on(layer: int, at: int, wire_end: int, out: Any) -> int:
    """Note that the layer (a `LAYER_*` or `BEHIND_*`) begins at `at`, and ended at `wire_end` on the wire."""
    out.reporter_hi = at
    out.reporter_lo = wire_end
    out.options = layer
    return KIND_ONWARD


def unread(what: int, number: int, out: Any) -> int:
    """Note what is not looked into: an `UNREAD_*`, and a number of that kind."""
    out.seq = what << 16 | number
    return KIND_UNREAD
