"""Why a sender sends bytes again that the capture holds already.

It must have seen an acknowledgment that repeats, a timer that ran out, an ICMP error, or be at a repair that is not
over.  Without a reason the bytes were not sent again: a card or the kernel cut a large packet to pieces, or joined
them, and the capture has both (see `copies.py`).
"""

from typing import Any

from handshake_inspect.tcp import rows, rtt
from handshake_inspect.tcp.facts import TRAIT_ACKS, TRAIT_TSVAL_VARIES
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import MASK32, NOTE_UNTIMED, OPT_TIMESTAMPS

SHORTEST_TIMER_NS = 2_000_000  # no stack's timer runs out sooner
QUIET_NS = 10_000_000  # a timer takes twice the RTT or more, but the handshake's may have been slow
SHORTEST_RTO_US = 200_000  # Linux; RFC 6298 asks for a second
REPAIR_NS = 100_000_000  # how long a repair may go on where the RTT is not known


def has_reason(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> bool:
    """Whether the sender may send again what the segment holds; also where the capture cannot show why."""
    if not peer.traits & TRAIT_ACKS or segment.notes & NOTE_UNTIMED or is_timer_over(connection, sender, segment):
        return True
    return was_asked(table, connection, peer, segment, side)


def was_asked(table: Any, connection: Any, peer: Any, segment: Any, side: int) -> bool:
    """Whether a sender learnt that bytes are missing, an RTT ago and not long ago, or is at its repairs."""
    if was_too_big(table, connection, side):
        return True
    if not table.has_order(connection):
        return False
    order = table.order_of(connection)
    total = rtt.total_ns(connection)
    lasts_ns = 2 * total if total else REPAIR_NS
    if is_at_repairs(order, peer, side) or (order.again_ns[side] and segment.ts_ns - order.again_ns[side] <= lasts_ns):
        return True
    if order.doubt_ns[side] == 0:
        return False
    if is_too_soon(connection, order, segment, side) and seqspace.seq_ge(segment.seq, order.doubt_ack[side]):
        return False  # what lies before it may have been asked for earlier
    return order.doubt_ack[side] == peer.last_ack or segment.ts_ns - order.doubt_ns[side] <= lasts_ns


def was_asked_for(table: Any, connection: Any, peer: Any, segment: Any, side: int) -> bool:
    """Whether the receiver asked for the very byte that it waits for: that others were missing is no reason."""
    if was_too_big(table, connection, side):
        return True
    if not table.has_order(connection):
        return False
    order = table.order_of(connection)
    if is_at_repairs(order, peer, side):
        return True
    return (
        order.doubt_ns[side] != 0
        and order.doubt_ack[side] == segment.seq
        and not is_too_soon(connection, order, segment, side)
    )


def was_skipped(table: Any, connection: Any, segment: Any, side: int, end: int) -> bool:
    """Whether the receiver, which misses bytes, has others behind these: they came to it, or were lost, before."""
    if not table.has_order(connection):
        return False
    order = table.order_of(connection)
    return (
        order.doubt_ns[side] != 0
        and seqspace.seq_gt(segment.seq, order.doubt_ack[side])
        and seqspace.seq_le(end, order.sacked[side])
    )


def was_too_big(table: Any, connection: Any, side: int) -> bool:
    """Whether a router asked for smaller packets."""
    return (
        connection.aftermath != 0 and rows.aftermath_at(table.aftermaths, connection.aftermath - 1).too_big[side] != 0
    )


def is_at_repairs(order: Any, peer: Any, side: int) -> bool:
    """Whether not all is acknowledged that had been sent when bytes were last sent again."""
    return order.again_ns[side] != 0 and seqspace.seq_lt(peer.last_ack, order.recover[side])


def is_too_soon(connection: Any, order: Any, segment: Any, side: int) -> bool:
    """Whether the sender cannot know yet what its peer said is missing."""
    leg = rtt.leg_ns(connection, side)
    return leg > 0 and segment.ts_ns - order.doubt_ns[side] < leg - (leg >> 3)


def is_timer_over(connection: Any, sender: Any, segment: Any) -> bool:
    """Whether so much time passed since the sender's newest bytes that a timer may have run out.

    Where these bear the newest timestamp and the segment bears it too, it left with them.
    """
    least = min(max(rtt.total_ns(connection), SHORTEST_TIMER_NS), QUIET_NS) // 1000
    if (
        sender.recent[(sender.recent_at - 1) & 3] & 1
        and segment.options & OPT_TIMESTAMPS
        and sender.traits & TRAIT_TSVAL_VARIES
        and segment.tsval == sender.tsval
    ):
        least = SHORTEST_RTO_US
    return is_quiet(sender, segment, least)


def is_quiet(sender: Any, segment: Any, least_us: int) -> bool:
    """Whether the sender's newest bytes left so long ago, or before its last four segments."""
    at = newest_bytes(sender)
    return at < 0 or age_us(sender, segment, at) >= least_us


def has_paused(sender: Any, segment: Any, least_us: int) -> bool:
    """Whether the sender's newest bytes left so long ago, or all of its last four segments did."""
    at = newest_bytes(sender)
    return age_us(sender, segment, at if at >= 0 else sender.recent_at & 3) >= least_us


def newest_bytes(sender: Any) -> int:
    """The place of the newest of its last four segments that has bytes; -1 for none."""
    for back in range(1, 5):
        at: int = (sender.recent_at - back) & 3
        if sender.recent[at] & 1:
            return at
    return -1


def age_us(sender: Any, segment: Any, at: int) -> int:
    """How much later than the sender's segment in that place this one came, in microseconds."""
    return seqspace.seq_diff((segment.ts_ns // 1000) & MASK32, sender.recent_us[at])


def is_part_of_repair(order: Any, segment: Any, side: int, end: int) -> bool:
    """Whether the bytes were sent again just before: a copy of that, in pieces or joined."""
    since_ns = segment.ts_ns - order.again_ns[side]
    return -SHORTEST_TIMER_NS < since_ns < SHORTEST_TIMER_NS and is_in_repair(order, segment, side, end)


def is_in_repair(order: Any, segment: Any, side: int, end: int) -> bool:
    """Whether the bytes are among those that were last sent again."""
    return (
        order.again_ns[side] != 0
        and seqspace.seq_ge(segment.seq, order.again_start[side])
        and seqspace.seq_le(end, order.again_end[side])
    )
