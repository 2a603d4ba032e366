"""Decide if a sender had a reason to retransmit bytes that were captured before.

Reasons are duplicate ACKs, an expired timer, an ICMP error, or a recovery in progress.  Without any, the bytes were not
retransmitted: a network card or the kernel split or merged packets, and the capture has both forms (see `copies.py`).
"""

from typing import Any

from handshake_inspect.tcp import rows, rtt
from handshake_inspect.tcp.facts import TRAIT_ACKS, TRAIT_TSVAL_VARIES
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import MASK32, NOTE_UNTIMED, OPT_TIMESTAMPS

SHORTEST_TIMER_NS = 2_000_000  # the shortest timer of any stack
QUIET_NS = 10_000_000  # timers are at least twice the RTT, but the handshake's RTT may have been unusually long
SHORTEST_RTO_US = 200_000  # Linux; RFC 6298 asks for 1 s
REPAIR_NS = 100_000_000  # maximum duration of a recovery if the RTT is unknown


def has_reason(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> bool:
    """Return True if the sender may have retransmitted the segment's bytes, or the capture cannot show the reason."""
    if not peer.traits & TRAIT_ACKS or segment.notes & NOTE_UNTIMED or is_timer_over(connection, sender, segment):
        return True
    return was_asked(table, connection, peer, segment, side)


def was_asked(table: Any, connection: Any, peer: Any, segment: Any, side: int) -> bool:
    """Return True if the sender recently learned (at least an RTT ago) of missing bytes, or is in recovery."""
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
        return False  # bytes before it may have been requested earlier
    return order.doubt_ack[side] == peer.last_ack or segment.ts_ns - order.doubt_ns[side] <= lasts_ns


def was_asked_for(table: Any, connection: Any, peer: Any, segment: Any, side: int) -> bool:
    """Return True if the receiver requested the segment's first byte (missing later bytes are no reason)."""
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
    """Return True if the receiver reported later bytes but not these: they arrived or were lost before."""
    if not table.has_order(connection):
        return False
    order = table.order_of(connection)
    return (
        order.doubt_ns[side] != 0
        and seqspace.seq_gt(segment.seq, order.doubt_ack[side])
        and seqspace.seq_le(end, order.sacked[side])
    )


def was_too_big(table: Any, connection: Any, side: int) -> bool:
    """Return True if a router reported "packet too big" for this side."""
    return (
        connection.aftermath != 0 and rows.aftermath_at(table.aftermaths, connection.aftermath - 1).too_big[side] != 0
    )


def is_at_repairs(order: Any, peer: Any, side: int) -> bool:
    """Return True if the sender is in recovery: not all that was sent at the last retransmission is acknowledged."""
    return order.again_ns[side] != 0 and seqspace.seq_lt(peer.last_ack, order.recover[side])


def is_too_soon(connection: Any, order: Any, segment: Any, side: int) -> bool:
    """Return True if the loss report cannot have reached the sender yet."""
    leg = rtt.leg_ns(connection, side)
    return leg > 0 and segment.ts_ns - order.doubt_ns[side] < leg - (leg >> 3)


def is_timer_over(connection: Any, sender: Any, segment: Any) -> bool:
    """Return True if enough time has passed since the sender's newest bytes for a timer to expire.

    If both these and the segment have the newest TSval, they were sent together.
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
    """Return True if the sender's newest bytes are at least `least_us` old, or older than its last four segments."""
    at = newest_bytes(sender)
    return at < 0 or age_us(sender, segment, at) >= least_us


def has_paused(sender: Any, segment: Any, least_us: int) -> bool:
    """Return True if the sender's newest bytes, or else its last four segments, are at least `least_us` old."""
    at = newest_bytes(sender)
    return age_us(sender, segment, at if at >= 0 else sender.recent_at & 3) >= least_us


def newest_bytes(sender: Any) -> int:
    """Return the index of the newest of the sender's last four segments with payload, -1 for none."""
    for back in range(1, 5):
        at: int = (sender.recent_at - back) & 3
        if sender.recent[at] & 1:
            return at
    return -1


def age_us(sender: Any, segment: Any, at: int) -> int:
    """Return the time in microseconds from the sender's remembered segment `at` to this one."""
    return seqspace.seq_diff((segment.ts_ns // 1000) & MASK32, sender.recent_us[at])


def is_part_of_repair(order: Any, segment: Any, side: int, end: int) -> bool:
    """Return True if the bytes were retransmitted just before: a copy of that, split or merged."""
    since_ns = segment.ts_ns - order.again_ns[side]
    return -SHORTEST_TIMER_NS < since_ns < SHORTEST_TIMER_NS and is_in_repair(order, segment, side, end)


def is_in_repair(order: Any, segment: Any, side: int, end: int) -> bool:
    """Return True if the bytes are within the last retransmission."""
    return (
        order.again_ns[side] != 0
        and seqspace.seq_ge(segment.seq, order.again_start[side])
        and seqspace.seq_le(end, order.again_end[side])
    )
