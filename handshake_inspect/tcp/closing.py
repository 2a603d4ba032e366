"""Process FINs and their acknowledgments (RFC 9293 section 3.6): half-close, simultaneous close, TIME-WAIT.

A FIN that is not (yet) in the capture can be inferred: its sender continues with one sequence number skipped, or its
peer, closing too, acknowledges one more than was sent.  It is assumed until its sender uses that number for data.
"""

from typing import Any

from handshake_inspect.tcp import endpoint
from handshake_inspect.tcp.facts import (
    CHECK_DROPPED,
    CHECK_FIN_DOUBTED,
    CHECK_FIN_UNSEEN,
    FACT_ACKED,
    FACT_CLIENT_LATE,
    FACT_LAST_ACK_SEEN,
    FACT_MIDSTREAM,
    FACT_SERVER_LATE,
    FACT_SERVER_PROVED,
    TRAIT_ACKS,
    TRAIT_FIN,
    TRAIT_FIN_ACKED,
    TRAIT_HOLE,
    TRAIT_SEEN,
)
from handshake_inspect.tcp.transitions import (
    ACK_OF_FIN_WAS_LOST,
    CLOSE_WAIT,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    FIN_WAS_LOST,
    GOT_ACK_OF_FIN,
    GOT_FIN,
    NO_FIN,
    SENT_FIN,
    TIME_WAIT,
)
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import ACK, FIN, MASK32, MASK64

SHORTEST_RTO_NS = 200_000_000  # Linux; RFC 6298 asks for 1 s
BELIEVED_LOST = 2  # an ACK may be lost once; a FIN that is repeated more often is not being acknowledged


def on_ack(connection: Any, sender: Any, peer: Any, segment: Any, side: int, again: bool) -> None:
    """Process an acknowledgment that may cover the peer's FIN.

    `again`: it is a duplicate ACK, so bytes before the FIN are missing at the sender.
    """
    if not peer.traits & TRAIT_FIN:
        return
    if seqspace.seq_lt(segment.ack, peer.fin_seq):
        if again and (peer.fin_seq - 1) & MASK32 != segment.ack:
            endpoint.apply(sender, FIN_WAS_LOST)
        return
    if peer.checks & CHECK_FIN_UNSEEN and segment.ack != peer.fin_seq:
        take_back(connection, peer, sender, side ^ 1)
        return
    if sender.state in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2):
        step(connection, sender, segment, GOT_FIN)
    peer.traits |= TRAIT_FIN_ACKED
    if peer.fin_count >= BELIEVED_LOST:
        return
    step(connection, peer, segment, GOT_ACK_OF_FIN)
    if sender.traits & TRAIT_FIN_ACKED:
        connection.facts |= FACT_LAST_ACK_SEEN


def step(connection: Any, end: Any, segment: Any, event: int) -> None:
    """Apply a close event, and record when TIME-WAIT begins or restarts."""
    before = end.state
    endpoint.apply(end, event)
    if end.state == TIME_WAIT and (before != TIME_WAIT or event == GOT_FIN):
        connection.time_wait_ns = segment.ts_ns


def is_fin_unseen(connection: Any, sender: Any, peer: Any, segment: Any) -> bool:
    """Return True if a segment of a closing endpoint acknowledges one more than its peer is known to have sent."""
    return (
        not peer.traits & TRAIT_FIN
        and (sender.traits & TRAIT_FIN != 0 or segment.flags & FIN != 0)
        and connection.facts & (FACT_ACKED | FACT_MIDSTREAM | FACT_SERVER_PROVED) != 0
        and sender.traits & TRAIT_ACKS != 0
        and not peer.traits & TRAIT_HOLE
        and not goes_beyond_fin(sender, segment)
        and not contradicts_fin(sender, segment)
        and (segment.ack == (peer.snd_nxt + 1) & MASK32 or is_byte_unseen(peer, segment))
    )


def goes_beyond_fin(sender: Any, segment: Any) -> bool:
    """Return True if the segment has data or FIN at or beyond its sender's FIN."""
    beyond = sender.traits & TRAIT_FIN != 0 and seqspace.seq_ge(segment.seq, sender.fin_seq)
    return beyond and (segment.payload_len != 0 or segment.flags & FIN != 0)


def contradicts_fin(sender: Any, segment: Any) -> bool:
    """Return True if the segment has a FIN at another sequence number than its sender's FIN."""
    if not segment.flags & FIN or not sender.traits & TRAIT_FIN:
        return False
    return (segment.seq + segment.payload_len + 1) & MASK32 != sender.fin_seq


def is_byte_unseen(peer: Any, segment: Any) -> bool:
    """Return True if exactly the last acknowledged byte was not captured."""
    return (
        segment.ack == peer.snd_nxt
        and peer.hole_end == peer.snd_nxt
        and peer.hole_start == (peer.snd_nxt - 1) & MASK32
        and peer.traits & TRAIT_SEEN != 0
    )


def believe_fin(connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Infer the FIN of `sender` (`side`) from its acknowledgment by `peer`; that FIN acknowledged the peer's."""
    if peer.traits & TRAIT_FIN and not peer.traits & TRAIT_FIN_ACKED:
        peer.traits |= TRAIT_FIN_ACKED
        step(connection, peer, segment, GOT_ACK_OF_FIN)
        endpoint.apply(sender, GOT_FIN)
    sender.checks |= CHECK_FIN_UNSEEN
    note_fin(connection, sender, segment, segment.ack, side)
    endpoint.apply(sender, SENT_FIN)


def is_fin_skipped(connection: Any, sender: Any, segment: Any) -> bool:
    """Return True if a bare ACK is one sequence number beyond all that its sender is known to have sent."""
    return (
        not sender.traits & (TRAIT_FIN | TRAIT_HOLE)
        and connection.facts & (FACT_ACKED | FACT_MIDSTREAM) != 0
        and segment.payload_len == 0
        and segment.flags & (FIN | ACK) == ACK
        and segment.seq == (sender.snd_nxt + 1) & MASK32
    )


def skip_fin(connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Infer a FIN from the skipped sequence number; nothing shows that the peer has received it.

    If this segment is the first to acknowledge the peer's FIN, the FINs crossed, unless enough time has passed for the
    peer's FIN to be retransmitted: then an acknowledgment on the unseen FIN may have been lost.
    """
    sender.checks |= CHECK_FIN_UNSEEN
    if peer.traits & TRAIT_FIN and not peer.traits & TRAIT_FIN_ACKED:
        soon = segment.ts_ns - connection.fin_ns < SHORTEST_RTO_NS
        endpoint.apply(sender, FIN_WAS_LOST if soon else GOT_FIN)
    note_fin(connection, sender, segment, segment.seq, side)
    endpoint.apply(sender, SENT_FIN)


def take_back(connection: Any, sender: Any, peer: Any, side: int) -> None:
    """Withdraw the FIN of `sender` (`side`): the byte was data.  If its peer has sent a FIN, that was the first."""
    sender.checks &= ~CHECK_FIN_UNSEEN & 0xFFFF
    sender.traits &= ~(TRAIT_FIN | TRAIT_FIN_ACKED) & 0xFF
    connection.facts &= ~FACT_LAST_ACK_SEEN & MASK64
    endpoint.apply(sender, NO_FIN)
    endpoint.apply(peer, FIN_WAS_LOST)
    if peer.traits & TRAIT_FIN_ACKED and not has_acked(sender, peer.fin_seq):
        peer.traits &= ~TRAIT_FIN_ACKED & 0xFF  # only the withdrawn FIN would have acknowledged it
        endpoint.apply(peer, ACK_OF_FIN_WAS_LOST)
    if peer.traits & TRAIT_FIN:
        connection.fin_side = side ^ 1
    else:
        connection.fin_frame = 0


def is_unsent(end: Any, peer: Any, segment: Any) -> bool:
    """Return True if an endpoint shows that it never sent the uncaptured bytes that were acknowledged.

    It sends an ACK with the sequence number before them, as in answer to an acknowledgment of what it never sent.  If
    the bytes may be a FIN, the ACK must be a duplicate; otherwise both may only be stored late.  Or it sends a FIN
    there, so that nothing can follow.  Or its data continues there, and the peer's last ACK went back to that number.
    """
    if end.traits & TRAIT_HOLE or end.hole_start == end.hole_end or end.hole_end != end.snd_nxt:
        return False
    if segment.seq != end.hole_start or not segment.flags & ACK:
        return False
    length = (end.hole_end - end.hole_start) & MASK32
    if segment.flags & FIN:
        return segment.payload_len + 1 < length
    if segment.payload_len:
        return peer.checks & CHECK_DROPPED != 0 and peer.before_rst_nxt == segment.seq
    return end.traits & TRAIT_ACKS != 0 and (segment.ack == end.last_ack or length > 1)


def forget_unsent(connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Discard the acknowledged but unseen bytes that the sender of this ACK never sent: nothing is missing."""
    if sender.checks & CHECK_FIN_UNSEEN:
        take_back(connection, sender, peer, side)
    sender.snd_nxt = sender.hole_start
    sender.contiguous = sender.hole_start
    sender.hole_end = sender.hole_start
    if seqspace.seq_gt(peer.last_ack, sender.snd_nxt):
        peer.last_ack = sender.snd_nxt
    untaken = peer.traits & (TRAIT_FIN | TRAIT_FIN_ACKED) == TRAIT_FIN
    if untaken and not has_acked(sender, peer.fin_seq) and seqspace.seq_lt(segment.ack, peer.fin_seq):
        take_back(connection, peer, sender, side ^ 1)  # the segment with the FIN was dropped
        peer.checks |= CHECK_FIN_DOUBTED


def is_fin_at_last(connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> bool:
    """Return True if the segment is the FIN that was inferred before; withdraw that FIN if the segment disproves it."""
    if segment.flags & FIN and (segment.seq + segment.payload_len + 1) & MASK32 == sender.fin_seq:
        sender.checks &= ~CHECK_FIN_UNSEEN & 0xFFFF
        on_hole_filled(connection, sender, peer, segment)
        return True
    if seqspace.seq_ge((segment.seq + segment.payload_len) & MASK32, sender.fin_seq) and segment.payload_len:
        take_back(connection, sender, peer, side)
    return False


def note_fin(connection: Any, sender: Any, segment: Any, beyond: int, side: int) -> None:
    """Record a FIN that ends at `beyond`, and the first FIN of the connection."""
    sender.traits |= TRAIT_FIN
    sender.fin_seq = beyond
    if connection.fin_frame == 0:
        connection.fin_ns = segment.ts_ns
        connection.fin_frame = segment.frame & MASK32
        connection.fin_side = side


def on_fin(connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Process a FIN: its sender's first, or a retransmission."""
    if sender.traits & TRAIT_FIN:
        repeated_fin(connection, sender, peer, segment)
        return
    note_fin(connection, sender, segment, (segment.seq + segment.payload_len + 1) & MASK32, side)
    # Unless the sender has acknowledged the peer's FIN, the FINs are crossing.
    crossing = peer.traits & (TRAIT_FIN | TRAIT_FIN_ACKED) == TRAIT_FIN and sender.state == CLOSE_WAIT
    if crossing:
        endpoint.apply(sender, FIN_WAS_LOST)
    endpoint.apply(sender, SENT_FIN)
    if crossing:
        step(connection, sender, segment, GOT_FIN)
    if seqspace.seq_ge(sender.contiguous, sender.fin_seq) or not peer.traits & TRAIT_SEEN:
        end_with_fin(sender)
        step(connection, peer, segment, GOT_FIN)
    if connection.facts & (FACT_CLIENT_LATE | FACT_SERVER_LATE) and has_acked(peer, sender.fin_seq):
        sender.traits |= TRAIT_FIN_ACKED  # before it was stored
        step(connection, sender, segment, GOT_ACK_OF_FIN)
        if peer.traits & TRAIT_FIN_ACKED:
            connection.facts |= FACT_LAST_ACK_SEEN


def end_with_fin(sender: Any) -> None:
    """Discard bytes beyond the FIN, which the peer will never accept."""
    if seqspace.seq_gt(sender.snd_nxt, sender.fin_seq):
        sender.snd_nxt = sender.fin_seq
        sender.contiguous = sender.fin_seq
        sender.hole_end = sender.hole_start
        sender.traits &= ~TRAIT_HOLE & 0xFF


def expected_of(sender: Any, peer: Any) -> int:
    """Return RCV.NXT of a peer that has not accepted the FIN: before missing bytes, or its last acknowledgment."""
    next_: int = sender.contiguous
    if seqspace.seq_ge(next_, sender.fin_seq):
        next_ = peer.last_ack
    return next_


def is_fin_refuted(sender: Any, peer: Any, segment: Any) -> bool:
    """Return True if in-order payload or another FIN contradicts a FIN that the peer has not accepted."""
    if sender.traits & (TRAIT_FIN | TRAIT_FIN_ACKED) != TRAIT_FIN or not peer.traits & TRAIT_ACKS:
        return False
    if peer.state not in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2) or has_acked(peer, sender.fin_seq):
        return False
    low = expected_of(sender, peer)
    end = (segment.seq + segment.payload_len) & MASK32
    if seqspace.seq_gt(segment.seq, low) or seqspace.seq_lt(end, low):
        return False
    if segment.flags & FIN:
        return (end + 1) & MASK32 != sender.fin_seq
    return seqspace.seq_ge(end, sender.fin_seq)


def refute_fin(connection: Any, sender: Any, peer: Any, side: int) -> None:
    """Withdraw a FIN that the peer never accepts, and what was seen around it."""
    sender.contiguous = expected_of(sender, peer)
    sender.snd_nxt = sender.contiguous
    take_back(connection, sender, peer, side)
    sender.hole_end = sender.hole_start
    sender.traits &= ~TRAIT_HOLE & 0xFF


def fin_taken(connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Accept a doubted FIN of `sender` (`side`): `segment` of its peer acknowledges it."""
    note_fin(connection, sender, segment, sender.fin_seq, side)
    endpoint.apply(sender, SENT_FIN)
    sender.snd_nxt = seqspace.seq_max(sender.snd_nxt, sender.fin_seq)


def on_hole_filled(connection: Any, sender: Any, peer: Any, segment: Any) -> None:
    """Deliver the sender's FIN after the bytes missing before it have arrived."""
    if sender.traits & TRAIT_FIN and peer.state in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2):
        step(connection, peer, segment, GOT_FIN)


def repeated_fin(connection: Any, sender: Any, peer: Any, segment: Any) -> None:
    """Process a retransmitted FIN: it or its acknowledgment was lost."""
    if sender.traits & TRAIT_FIN_ACKED:
        if sender.fin_count < 255:
            sender.fin_count += 1
        sender.traits &= ~TRAIT_FIN_ACKED & 0xFF
        connection.facts &= ~FACT_LAST_ACK_SEEN & MASK64
        endpoint.apply(sender, ACK_OF_FIN_WAS_LOST)
        if peer.state == TIME_WAIT:
            connection.time_wait_ns = segment.ts_ns
    elif not has_acked(peer, sender.fin_seq):
        endpoint.apply(peer, FIN_WAS_LOST)
    if peer.traits & TRAIT_FIN and not has_acked(sender, peer.fin_seq):
        endpoint.apply(sender, FIN_WAS_LOST)  # had the peer's FIN arrived, this segment would acknowledge it


def has_acked(end: Any, seq: int) -> bool:
    """Return True if the endpoint has acknowledged everything before `seq`."""
    return end.traits & TRAIT_ACKS != 0 and seqspace.seq_ge(end.last_ack, seq)
