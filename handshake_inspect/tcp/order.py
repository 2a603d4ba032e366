"""In which order the bytes of each end were captured: gaps, what fills them, and what was sent again.

A *gap* is bytes that the capture lacks while it has others behind them, or their acknowledgment.  What fills it was
*overtaken*, or it was *sent again* because the first copy was lost before the capture point.  Marks decide where they
can: a segment that was overtaken left before the first one behind the gap, so it bears no newer timestamp and no later
IP identification.  Else the time does: that bytes are missing can be known once the segment behind them has been at
the receiver, and what is sent again comes an RTT after that.

* The receiver was seen to repeat its acknowledgment since: one half of the RTT that the handshake showed, from the
  capture point to the sender and back, after the first time.
* Else the whole RTT after the first segment behind the gap.

An eighth of that is forgiven, for no two RTTs are equal.  Where the handshake showed none, `FLOOR_NS` stands for it.

Bytes that were *stored late*, behind their acknowledgment (cards with several queues do that to one whole direction),
or behind what their times say that they preceded, were neither overtaken nor sent again.
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
from handshake_inspect.tcp.limits import FLOOR_NS, IP_ID_NEAR, SENT_SINCE, STORED_LATE_NS
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
    """Account for the bytes that a segment without SYN or RST occupies; NEW, OLD or PROBE."""
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
    """Bytes below SND.NXT and others beyond it: sent again with more, or acknowledged in part before it was stored."""
    if endpoint.is_unseen(sender, segment) or is_acked_first(table, connection, segment, side):
        connection.facts |= FACT_CLIENT_LATE if side == connection.client else FACT_SERVER_LATE
    elif not endpoint.was_probed(sender, peer, segment):
        sent_again(table, connection, sender, segment, side, sender.snd_nxt)
    endpoint.extend(sender, sender.snd_nxt, end)
    take_out(table, connection, sender, peer, segment, side, end)


def is_acked_first(table: Any, connection: Any, segment: Any, side: int) -> bool:
    """Whether the first of its bytes were stored behind their acknowledgment."""
    if not table.has_order(connection):
        return False
    order = table.order_of(connection)
    at = gap_of(order, side, segment.seq)
    return at >= 0 and order.kind[at] == GAP_ACKED


def old(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int, end: int) -> None:
    """Bytes below SND.NXT: they fill a gap, or were sent again."""
    at = -1
    if table.has_order(connection):
        at = gap_of(table.order_of(connection), side, segment.seq)
    if at >= 0:
        fill(table, connection, sender, segment, side, end, at)
    elif endpoint.is_unseen(sender, segment):
        connection.facts |= FACT_CLIENT_LATE if side == connection.client else FACT_SERVER_LATE
    elif endpoint.is_in_hole(sender, segment.seq) and endpoint.is_late_copy(sender, segment):
        sender.out_of_order += 1  # there was no room for a row
    elif not (peer.window == 0 and segment.payload_len <= 1 and not segment.flags & FIN):
        sent_again(table, connection, sender, segment, side, end)
    take_out(table, connection, sender, peer, segment, side, end)


def sent_again(table: Any, connection: Any, sender: Any, segment: Any, side: int, end: int) -> None:
    """Count a retransmission, and keep what it repeats up to `end`."""
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
    """The place of the gap that holds `seq`, -1 for none."""
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
    """Bytes of `sender`, of that side, are missing: `segment` is behind them, or acknowledges them."""
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
    """A SYN or SYN-ACK that was stored behind later segments of its sender, whose first byte was `first`."""
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
    """A SYN or SYN-ACK that was stored behind the acknowledgment of what its sender sent next: that is late, too.

    SND.NXT is never below what the peer acknowledged; the short path relies on it.
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
    """Keep when a gap is known, and the marks of the newest segment that its sender had sent by then."""
    order.made_ns[at] = segment.ts_ns
    if order.kind[at] == GAP_PASSED:
        order.tsval[at] = segment.tsval
        order.ip_id[at] = segment.ip_id
    else:
        order.tsval[at] = sender.tsval
        order.ip_id[at] = 0


def place(order: Any, side: int, start: int, kind: int) -> int:
    """A free place, that of the gap which goes on, or the oldest gap's."""
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
    """The first byte of the segment is in the gap at this place: why does it come only now?"""
    order = table.order_of(connection)
    if is_stored_late(order, sender, segment, at):
        connection.facts |= FACT_CLIENT_LATE if side == connection.client else FACT_SERVER_LATE
    elif was_overtaken(connection, order, sender, segment, side, at):
        sender.out_of_order += 1
    else:
        sent_again(table, connection, sender, segment, side, end)


def is_stored_late(order: Any, sender: Any, segment: Any, at: int) -> bool:
    """Whether it left before what made the gap, or nothing behind the gap is known but an acknowledgment."""
    since_ns = segment.ts_ns - order.made_ns[at]
    if order.kind[at] == GAP_PASSED:
        return since_ns < 0
    return -STORED_LATE_NS < since_ns < STORED_LATE_NS and order.beyond[at] == sender.snd_nxt


def was_overtaken(connection: Any, order: Any, sender: Any, segment: Any, side: int, at: int) -> bool:
    """Whether a segment that fills a gap left before the one behind the gap."""
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
    """When the first bytes that are sent again can pass the capture point."""
    made_ns = order.made_ns[at]
    if order.kind[at] == GAP_ACKED:
        return made_ns + STORED_LATE_NS
    leg = rtt.leg_ns(connection, side)
    if leg >= 0 and order.doubt_ns[side] >= made_ns and seqspace.seq_le(order.doubt_ack[side], order.start[at]):
        return order.doubt_ns[side] + leg - (leg >> 3)
    total = rtt.total_ns(connection)
    if total == 0:
        return made_ns + FLOOR_NS
    return made_ns + total - (total >> 3)


def take_out(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int, end: int) -> None:
    """Bytes from the segment's first one to `end` are there: what is left of the gaps."""
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
    """Take a segment's bytes out of one gap, which may leave two."""
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
    """A place that no gap has, -1 for none."""
    for at in range(GAPS_KEPT * side, GAPS_KEPT * (side + 1)):
        if order.kind[at] == GAP_FREE:
            return at
    return -1


def settle(order: Any, sender: Any, peer: Any, side: int) -> None:
    """Say in the endpoint which gap is the first that is not acknowledged."""
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
    """Whether the receiver acknowledged all before `seq`."""
    return peer.traits & TRAIT_ACKS != 0 and seqspace.seq_ge(peer.last_ack, seq)


def miss(table: Any, connection: Any, sender: Any, segment: Any, side: int) -> None:
    """New bytes that came damaged: a gap, whose filling is no surprise."""
    known = sender.snd_nxt
    endpoint.miss(sender, segment)
    if sender.snd_nxt != known:
        open_gap(table, connection, sender, segment, side, known, sender.snd_nxt, GAP_PASSED)


def drop(table: Any, connection: Any, sender: Any, segment: Any, side: int) -> None:
    """The receiver dropped what `sender`, of that side, sent beyond the acknowledgment of a segment: a gap again."""
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
    """Payload in later IP fragments."""
    endpoint.lengthen(sender, segment)
    if segment.payload_len and table.has_order(connection):
        end = (segment.seq + segment.payload_len) & MASK32
        take_out(table, connection, sender, peer, segment, side, end)


# -- what the receiver says


def acknowledge(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Note what a segment of `sender` acknowledges, what it says is missing, and what was not stored yet."""
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
    """Whether a receiver says that bytes are missing: with SACK, or with an equal acknowledgment (RFC 5681)."""
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
    """What `side` sent is missing from the segment's acknowledgment on."""
    if not table.new_order(connection):
        return
    order = table.order_of(connection)
    edge = segment.sack_right if segment.options & OPT_SACK else segment.ack
    if order.doubt_ns[side] == 0 or seqspace.seq_gt(edge, order.sacked[side]):
        order.sacked[side] = edge
    if order.doubt_ns[side] == 0 or order.doubt_ack[side] != segment.ack:
        order.doubt_ns[side] = segment.ts_ns
        order.doubt_ack[side] = segment.ack
