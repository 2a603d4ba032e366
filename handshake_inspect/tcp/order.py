"""Track the order in which each endpoint's bytes were captured: gaps, reordering and retransmissions.

A *gap* is a range of bytes not captured although later bytes, or their acknowledgment, were.  A segment that fills it
was either *overtaken* (reordered) or *retransmitted* because the original was lost before the capture point.
Timestamps and IP IDs decide if they can: an overtaken segment was sent before the first one after the gap, so neither
is newer. Otherwise the time decides: the loss is known once the segment after the gap has reached the receiver, and the
retransmission comes an RTT after that:

* if the receiver sent duplicate ACKs since: one leg of the handshake's RTT, from the capture point to the sender and
  back, after the first of them;
* otherwise the whole RTT after the first segment after the gap.

An eighth of that is tolerated, since RTTs vary.  If the handshake showed no RTT, `REORDER_FLOOR_NS` is used.

Bytes *stored late*, after their acknowledgment (multi-queue network cards do that to a whole direction) or after
segments that their timestamps precede, were neither overtaken nor retransmitted.
"""

from typing import Any

from handshake_inspect.tcp import endpoint, rtt
from handshake_inspect.tcp.facts import (
    FACT_CLIENT_LATE,
    FACT_SERVER_LATE,
    GAP_ACKED,
    GAP_FREE,
    GAP_PASSED,
    NEW,
    OLD,
    PROBE,
    TRAIT_ACKS,
    TRAIT_HOLE,
    TRAIT_IP_ID_VARIES,
    TRAIT_SEEN,
    TRAIT_TSVAL_VARIES,
)
from handshake_inspect.tcp.limits import IP_ID_NEAR, REORDER_FLOOR_NS, SENT_SINCE, STORED_LATE_NS
from handshake_inspect.tcp.rows import GAPS_KEPT
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import (
    ACK,
    FIN,
    MASK16,
    MASK32,
    OPT_SACK,
    OPT_TIMESTAMPS,
    RST,
    SYN,
)

# -- a segment's bytes


def advance(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> int:
    """Account for the sequence space of a segment without SYN or RST; return NEW, OLD or PROBE."""
    seq_len = segment.payload_len
    if segment.flags & FIN:
        seq_len += 1
    if seqspace.seq_lt(segment.seq, sender.snd_nxt) and endpoint.is_probe(sender, peer, segment):
        if peer.window and sender.keep_alives < MASK16:
            sender.keep_alives += 1
        return PROBE
    if seq_len == 0:
        return NEW
    end = (segment.seq + seq_len) & MASK32
    if seqspace.seq_ge(segment.seq, sender.snd_nxt):
        if segment.seq != sender.snd_nxt:
            open_gap(table, connection, sender, segment, side, sender.snd_nxt, segment.seq, GAP_PASSED)
        endpoint.extend(sender, segment.seq, end)
        return NEW
    if seqspace.seq_gt(end, sender.snd_nxt):
        partly_new(table, connection, sender, peer, segment, side, end)
        return NEW
    old(table, connection, sender, peer, segment, side, end)
    return OLD


def partly_new(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int, end: int) -> None:
    """Process bytes on both sides of SND.NXT: a retransmission with new data, or a segment stored after its ACK."""
    if endpoint.is_unseen(sender, segment) or is_acked_first(table, connection, segment, side):
        connection.facts |= FACT_CLIENT_LATE if side == connection.client else FACT_SERVER_LATE
    elif not endpoint.was_probed(sender, peer, segment):
        sent_again(table, connection, sender, segment, side, sender.snd_nxt)
    endpoint.extend(sender, sender.snd_nxt, end)
    take_out(table, connection, sender, peer, segment, side, end)


def is_acked_first(table: Any, connection: Any, segment: Any, side: int) -> bool:
    """Return True if its first bytes were stored after their acknowledgment."""
    if not table.has_order(connection):
        return False
    order = table.order_of(connection)
    at = gap_of(order, side, segment.seq)
    return at >= 0 and order.kind[at] == GAP_ACKED


def old(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int, end: int) -> None:
    """Process bytes below SND.NXT: they fill a gap or are a retransmission."""
    at = -1
    if table.has_order(connection):
        at = gap_of(table.order_of(connection), side, segment.seq)
    if at >= 0:
        fill(table, connection, sender, segment, side, end, at)
    elif endpoint.is_unseen(sender, segment):
        connection.facts |= FACT_CLIENT_LATE if side == connection.client else FACT_SERVER_LATE
    elif endpoint.is_in_hole(sender, segment.seq) and endpoint.is_late_copy(sender, segment):
        sender.out_of_order += 1  # the gap has no `Order` row
    elif not (peer.window == 0 and segment.payload_len <= 1 and not segment.flags & FIN):
        sent_again(table, connection, sender, segment, side, end)
    take_out(table, connection, sender, peer, segment, side, end)


def sent_again(table: Any, connection: Any, sender: Any, segment: Any, side: int, end: int) -> None:
    """Count a retransmission, and keep its range up to `end`."""
    sender.retransmissions += 1
    if not table.new_order(connection):
        return
    order = table.order_of(connection)
    if order.again_ns[side] == 0 or order.again_end[side] != segment.seq:
        order.again_start[side] = segment.seq
    order.again_end[side] = end
    order.again_ns[side] = segment.ts_ns
    order.recover[side] = sender.snd_nxt


# -- gaps


def gap_of(order: Any, side: int, seq: int) -> int:
    """Return the index of the gap that contains `seq`, -1 for none."""
    for at in range(GAPS_KEPT * side, GAPS_KEPT * (side + 1)):
        if (
            order.kind[at] != GAP_FREE
            and seqspace.seq_ge(seq, order.start[at])
            and seqspace.seq_lt(seq, order.beyond[at])
        ):
            return at
    return -1


def open_gap(
    table: Any, connection: Any, sender: Any, segment: Any, side: int, start: int, beyond: int, kind: int
) -> None:
    """Record a gap in the bytes of `side`; `segment` comes after it (GAP_PASSED) or acknowledges it (GAP_ACKED)."""
    if not table.new_order(connection):
        return
    order = table.order_of(connection)
    at = place(order, side, start, kind)
    if order.kind[at] != GAP_ACKED or kind != GAP_ACKED or order.beyond[at] != start:
        order.start[at] = start
    order.kind[at] = kind
    order.beyond[at] = beyond
    note_maker(order, at, sender, segment)


def open_before(table: Any, connection: Any, sender: Any, segment: Any, side: int, first: int) -> None:
    """Record the gap after a SYN or SYN-ACK that was stored after later segments; `first` was their first byte."""
    start = (segment.seq + 1 + segment.payload_len) & MASK32
    if not seqspace.seq_gt(first, start) or not table.new_order(connection):
        return
    open_gap(table, connection, sender, segment, side, start, first, GAP_PASSED)
    order = table.order_of(connection)
    at = gap_of(order, side, start)
    order.made_ns[at] = connection.first_ns
    order.tsval[at] = sender.tsval
    order.ip_id[at] = sender.ip_id


def open_acknowledged(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Record the gap after a SYN or SYN-ACK that was stored after the acknowledgment of its sender's next bytes.

    SND.NXT must never be below what the peer acknowledged; the fast path relies on it.
    """
    start = sender.snd_nxt
    if not peer.traits & TRAIT_ACKS or not seqspace.seq_gt(peer.last_ack, start):
        return
    sender.snd_nxt = peer.last_ack
    sender.contiguous = peer.last_ack
    sender.hole_start = start
    sender.hole_end = peer.last_ack
    open_gap(table, connection, sender, segment, side, start, peer.last_ack, GAP_ACKED)


def note_maker(order: Any, at: int, sender: Any, segment: Any) -> None:
    """Record when a gap was detected, and TSval and IP ID of the newest segment sent by then."""
    order.made_ns[at] = segment.ts_ns
    if order.kind[at] == GAP_PASSED:
        order.tsval[at] = segment.tsval
        order.ip_id[at] = segment.ip_id
    else:
        order.tsval[at] = sender.tsval
        order.ip_id[at] = 0


def place(order: Any, side: int, start: int, kind: int) -> int:
    """Return the index for a new gap: that of the gap it continues, a free one, or the oldest."""
    found = GAPS_KEPT * side
    for at in range(GAPS_KEPT * side, GAPS_KEPT * (side + 1)):
        if kind == GAP_ACKED and order.kind[at] == GAP_ACKED and order.beyond[at] == start:
            return at
        if order.kind[at] == GAP_FREE:
            if order.kind[found] != GAP_FREE:
                found = at
        elif order.kind[found] != GAP_FREE and order.made_ns[at] < order.made_ns[found]:
            found = at
    return found


def fill(table: Any, connection: Any, sender: Any, segment: Any, side: int, end: int, at: int) -> None:
    """Classify a segment whose first byte is in gap `at`: stored late, overtaken or retransmitted."""
    order = table.order_of(connection)
    if is_stored_late(order, sender, segment, at):
        connection.facts |= FACT_CLIENT_LATE if side == connection.client else FACT_SERVER_LATE
    elif was_overtaken(connection, order, sender, segment, side, at):
        sender.out_of_order += 1
    else:
        sent_again(table, connection, sender, segment, side, end)


def is_stored_late(order: Any, sender: Any, segment: Any, at: int) -> bool:
    """Return True if the segment was sent before what revealed the gap, or only an acknowledgment revealed it."""
    since_ns = segment.ts_ns - order.made_ns[at]
    if order.kind[at] == GAP_PASSED:
        return since_ns < 0
    return -STORED_LATE_NS < since_ns < STORED_LATE_NS and order.beyond[at] == sender.snd_nxt


def was_overtaken(connection: Any, order: Any, sender: Any, segment: Any, side: int, at: int) -> bool:
    """Return True if a segment that fills a gap was sent before the one after the gap."""
    if segment.options & OPT_TIMESTAMPS and sender.traits & TRAIT_TSVAL_VARIES and segment.tsval != order.tsval[at]:
        return seqspace.seq_lt(segment.tsval, order.tsval[at])
    if segment.ip_id and order.ip_id[at] and sender.traits & TRAIT_IP_ID_VARIES:
        behind = (order.ip_id[at] - segment.ip_id) & MASK16
        if 0 < behind < IP_ID_NEAR:
            return True
        if behind > MASK16 - SENT_SINCE:
            return False
    return segment.ts_ns < soonest_ns(connection, order, side, at)


def soonest_ns(connection: Any, order: Any, side: int, at: int) -> int:
    """Return the earliest time at which a retransmission for gap `at` can pass the capture point."""
    made_ns = order.made_ns[at]
    if order.kind[at] == GAP_ACKED:
        return made_ns + STORED_LATE_NS
    leg = rtt.leg_ns(connection, side)
    if leg >= 0 and order.doubt_ns[side] >= made_ns and seqspace.seq_le(order.doubt_ack[side], order.start[at]):
        return order.doubt_ns[side] + leg - (leg >> 3)
    total = rtt.total_ns(connection)
    if total == 0:
        return made_ns + REORDER_FLOOR_NS
    return made_ns + total - (total >> 3)


def take_out(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int, end: int) -> None:
    """Remove the segment's bytes, up to `end`, from the gaps."""
    if endpoint.is_unseen(sender, segment):
        sender.hole_start = end if seqspace.seq_lt(end, sender.hole_end) else sender.hole_end
    if table.has_order(connection):
        order = table.order_of(connection)
        for at in range(GAPS_KEPT * side, GAPS_KEPT * (side + 1)):
            if (
                order.kind[at] != GAP_FREE
                and seqspace.seq_lt(segment.seq, order.beyond[at])
                and seqspace.seq_gt(end, order.start[at])
            ):
                cut(order, sender, segment, side, end, at)
        if sender.traits & TRAIT_HOLE:
            settle(order, sender, peer, side)
    elif endpoint.is_in_hole(sender, segment.seq) and segment.seq == sender.contiguous:
        endpoint.fill(sender, end)


def cut(order: Any, sender: Any, segment: Any, side: int, end: int, at: int) -> None:
    """Remove a segment's bytes from one gap, which may split it."""
    start = order.start[at]
    kind = order.kind[at]
    if seqspace.seq_lt(end, order.beyond[at]):
        order.start[at] = end
    else:
        order.kind[at] = GAP_FREE
    if seqspace.seq_le(segment.seq, start):
        return
    front = at if order.kind[at] == GAP_FREE else free_place(order, side)
    if front < 0:
        return
    order.start[front] = start
    order.beyond[front] = segment.seq
    order.kind[front] = GAP_PASSED
    if front != at:
        order.made_ns[front] = order.made_ns[at]
        order.tsval[front] = order.tsval[at]
        order.ip_id[front] = order.ip_id[at]
    if kind == GAP_ACKED:
        note_maker(order, front, sender, segment)


def free_place(order: Any, side: int) -> int:
    """Return a free gap index, -1 for none."""
    for at in range(GAPS_KEPT * side, GAPS_KEPT * (side + 1)):
        if order.kind[at] == GAP_FREE:
            return at
    return -1


def settle(order: Any, sender: Any, peer: Any, side: int) -> None:
    """Copy the first unacknowledged gap to the endpoint."""
    first = -1
    for at in range(GAPS_KEPT * side, GAPS_KEPT * (side + 1)):
        if order.kind[at] != GAP_PASSED or is_acked(peer, order.beyond[at]):
            continue
        if first < 0 or seqspace.seq_lt(order.start[at], order.start[first]):
            first = at
    if first >= 0:
        sender.traits |= TRAIT_HOLE
        sender.contiguous = order.start[first]
        if is_acked(peer, sender.contiguous):
            sender.contiguous = peer.last_ack
        sender.hole_start = order.beyond[first]
    else:
        sender.traits &= ~TRAIT_HOLE & 0xFF
        sender.contiguous = sender.snd_nxt
        sender.hole_start = sender.hole_end


def is_acked(peer: Any, seq: int) -> bool:
    """Return True if the receiver acknowledged everything before `seq`."""
    return peer.traits & TRAIT_ACKS != 0 and seqspace.seq_ge(peer.last_ack, seq)


def miss(table: Any, connection: Any, sender: Any, segment: Any, side: int) -> None:
    """Record new bytes that were damaged as a gap, which a retransmission will fill."""
    known = sender.snd_nxt
    endpoint.miss(sender, segment)
    if sender.snd_nxt != known:
        open_gap(table, connection, sender, segment, side, known, sender.snd_nxt, GAP_PASSED)


def drop(table: Any, connection: Any, sender: Any, segment: Any, side: int) -> None:
    """Record as a gap what the receiver dropped of the bytes of `side` beyond the acknowledgment of `segment`."""
    if sender.traits & TRAIT_HOLE or not sender.traits & TRAIT_SEEN or seqspace.seq_le(sender.snd_nxt, segment.ack):
        return
    endpoint.lose(sender, segment.ack)
    if not table.new_order(connection):
        return
    open_gap(table, connection, sender, segment, side, segment.ack, sender.snd_nxt, GAP_PASSED)
    order = table.order_of(connection)
    at = gap_of(order, side, segment.ack)
    order.tsval[at] = sender.tsval
    order.ip_id[at] = sender.ip_id


def lengthen(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Account for payload in later IP fragments."""
    endpoint.lengthen(sender, segment)
    if segment.payload_len and table.has_order(connection):
        end = (segment.seq + segment.payload_len) & MASK32
        take_out(table, connection, sender, peer, segment, side, end)


# -- acknowledgments


def acknowledge(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Process an acknowledgment of `sender`: acknowledged bytes, reported losses, and bytes not captured yet."""
    if segment.payload_len == 0 and seqspace.seq_lt(segment.ack, peer.snd_nxt) and is_doubt(sender, segment):
        note_doubt(table, connection, segment, side ^ 1)
    known = peer.snd_nxt
    traits = peer.traits
    endpoint.note_ack(sender, peer, segment)
    if peer.snd_nxt != known and traits & TRAIT_SEEN:
        open_gap(table, connection, peer, segment, side ^ 1, known, peer.snd_nxt, GAP_ACKED)
    if traits & TRAIT_HOLE and table.has_order(connection):
        settle(table.order_of(connection), peer, sender, side ^ 1)


def is_doubt(sender: Any, segment: Any) -> bool:
    """Return True if a segment reports a loss: by SACK or as a duplicate ACK (RFC 5681)."""
    if segment.flags & (ACK | SYN | FIN | RST) != ACK or not sender.traits & TRAIT_ACKS:
        return False
    if segment.options & OPT_SACK and seqspace.seq_gt(segment.sack_left, segment.ack):
        return seqspace.seq_ge(segment.ack, sender.last_ack)
    return (
        segment.ack == sender.last_ack
        and segment.window << sender.shift == sender.window
        and not endpoint.is_late_copy(sender, segment)
    )


def note_doubt(table: Any, connection: Any, segment: Any, side: int) -> None:
    """Record that bytes of `side` are missing from the segment's acknowledgment on."""
    if not table.new_order(connection):
        return
    order = table.order_of(connection)
    edge = segment.sack_right if segment.options & OPT_SACK else segment.ack
    if order.doubt_ns[side] == 0 or seqspace.seq_gt(edge, order.sacked[side]):
        order.sacked[side] = edge
    if order.doubt_ns[side] == 0 or order.doubt_ack[side] != segment.ack:
        order.doubt_ns[side] = segment.ts_ns
        order.doubt_ack[side] = segment.ack
