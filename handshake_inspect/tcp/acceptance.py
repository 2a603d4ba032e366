"""Decide which parts of a segment its receiver accepts (RFC 9293 section 3.10.7.4), as far as an observer can know.

The RFC tests sequence number, RST, SYN, ACK and the rest in this order; a segment that fails one test does not reach
the next.  An observer knows RCV.NXT only within bounds: what the receiver acknowledged is certain, what was sent to it
is assumed to have arrived.  A test fails only if it fails for every RCV.NXT within these bounds:

- no ACK bit: dropped in every state except LISTEN (`VOID`);
- new data with an older timestamp than what was accepted before (PAWS, RFC 7323 section 5): dropped;
- entirely before what the receiver has acknowledged: it answers with an ACK and ignores acknowledgment and FIN
  (`OUTSIDE`).  The bytes still count, as a retransmission;
- entirely beyond the right edge of the offered window (`BEYOND`): ignored;
- an acknowledgment beyond a FIN that was sent, or before the SYN: dropped (`VOID`).  RFC 5961 section 5.2 accepts one
  as old as the largest window; Linux goes back only to what was ever acknowledged, which for the active opener includes
  the SYN;
- a FIN whose sequence number was acknowledged as something else is ignored.  A FIN is doubted if its segment
  acknowledges bytes that the capture lacks, which were either missed or never sent.  It counts once it is acknowledged.

RSTs and SYNs have their own rules (`resets.py`, `opening.py`).
"""

from typing import Any

from handshake_inspect.tcp.facts import (
    ACCEPTED,
    BEYOND,
    CHECK_FIN_DOUBTED,
    CHECK_FIN_UNSEEN,
    FACT_ACKED,
    FACT_ISN_CHANGED,
    FACT_MIDSTREAM,
    FACT_SERVER_PROVED,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
    FACT_TFO,
    OUTSIDE,
    TRAIT_ACKS,
    TRAIT_FIN,
    TRAIT_ISS,
    VOID,
)
from handshake_inspect.tcp.limits import MAX_SHIFT, PAWS_WINDOW
from handshake_inspect.tcp.transitions import SYN_RECEIVED
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import ACK, FIN, MASK32, OPT_CUT, OPT_TIMESTAMPS, OPT_WINDOW_SCALE


def acceptability(connection: Any, sender: Any, target: Any, segment: Any, side: int) -> int:
    """Return how `target` treats a segment without SYN or RST: ACCEPTED, OUTSIDE, BEYOND or VOID."""
    facts = connection.facts
    if facts & FACT_MIDSTREAM or not facts & (FACT_SYN | FACT_SYNACK):
        return ACCEPTED
    if not segment.flags & ACK:
        return VOID
    if facts & (FACT_ACKED | FACT_TFO) and is_ack_of_nothing(target, segment):
        return VOID
    if facts & (FACT_ACKED | FACT_ISN_CHANGED) == FACT_ACKED and is_ack_too_old(connection, target, segment, side):
        return VOID
    if is_from_the_past(sender, target, segment):
        return VOID
    request = is_request(connection, target, side)
    if is_right(connection, sender, target, segment, request):
        return BEYOND
    return OUTSIDE if is_left(target, segment, request) else ACCEPTED


def is_request(connection: Any, target: Any, side: int) -> bool:
    """Return True if the target is a listener's request socket; with Fast Open until the ACK, even if half-closed."""
    facts = connection.facts
    if facts & FACT_SIMULTANEOUS:
        return False
    return target.state == SYN_RECEIVED or (facts & (FACT_TFO | FACT_ACKED) == FACT_TFO and side == connection.client)


def end_of(segment: Any) -> int:
    """Return the sequence number just beyond a segment without SYN."""
    if segment.flags & FIN:
        return (segment.seq + segment.payload_len + 1) & MASK32
    return (segment.seq + segment.payload_len) & MASK32


def is_left(target: Any, segment: Any, request: bool) -> bool:
    """Return True if the segment is entirely before what the target has acknowledged.

    One that ends exactly there is acceptable to a full socket, but not to a request socket (`request`).
    """
    if not target.traits & TRAIT_ACKS:
        return False
    end = end_of(segment)
    if end == target.last_ack:
        return request and segment.seq != end
    return seqspace.seq_lt(end, target.last_ack)


def is_right(connection: Any, sender: Any, target: Any, segment: Any, request: bool) -> bool:
    """Return True if the segment begins beyond the window, provided that the window scale is known.

    If it begins exactly at the edge, a full socket accepts its acknowledgment (see `is_at_edge`).
    """
    if not is_scale_known(sender, target) or target.traits & TRAIT_ACKS == 0:
        return False
    if seqspace.seq_le(segment.seq, sender.snd_nxt):
        return False
    edge = (target.last_ack + widest(connection, sender, target)) & MASK32
    if segment.seq == edge:
        return request and end_of(segment) != edge
    return seqspace.seq_gt(segment.seq, edge)


def widest(connection: Any, sender: Any, target: Any) -> int:
    """Return the target's window in bytes: the largest that it can mean.

    In a simultaneous open where only one side offered window scaling, Linux scales its own windows, except in SYN-ACKs.
    """
    window: int = target.window
    one_sided = (sender.options ^ target.options) & target.options & OPT_WINDOW_SCALE
    if one_sided and connection.facts & FACT_SIMULTANEOUS and window != target.syn_window:
        window <<= min(target.window_scale, MAX_SHIFT)
    return window


def is_scale_known(sender: Any, target: Any) -> bool:
    """Return True if the window scale offers of both endpoints were captured (RFC 7323 section 2.2)."""
    if sender.traits & target.traits & TRAIT_ISS == 0:
        return False
    return is_offer_whole(sender.options) and is_offer_whole(target.options)


def is_offer_whole(options: int) -> bool:
    """Return True if a SYN or SYN-ACK shows whether it has a window scale."""
    return options & OPT_WINDOW_SCALE != 0 or not options & OPT_CUT


def is_at_edge(connection: Any, sender: Any, target: Any, segment: Any) -> bool:
    """Return True if the segment begins exactly at the window's edge, so that none of its bytes is accepted."""
    return (
        not connection.facts & FACT_MIDSTREAM
        and is_scale_known(sender, target)
        and target.traits & TRAIT_ACKS != 0
        and target.window != 0
        and segment.seq == (target.last_ack + target.window) & MASK32
        and seqspace.seq_gt(segment.seq, sender.snd_nxt)
    )


def is_ack_of_nothing(target: Any, segment: Any) -> bool:
    """Return True if the segment acknowledges more than the target's FIN."""
    return (
        target.traits & TRAIT_FIN != 0
        and not target.checks & CHECK_FIN_UNSEEN
        and seqspace.seq_gt(segment.ack, target.fin_seq)
    )


def is_ack_too_old(connection: Any, target: Any, segment: Any, side: int) -> bool:
    """Return True if the segment does not even acknowledge the SYN."""
    if not target.traits & TRAIT_ISS:
        return False
    if side == connection.client and not connection.facts & FACT_SIMULTANEOUS:
        return seqspace.seq_le(segment.ack, target.iss)
    return seqspace.seq_lt(segment.ack, target.iss)


def is_fin_doubtful(connection: Any, sender: Any, target: Any, segment: Any, grade: int) -> bool:
    """Return True if the target may not accept the FIN of a segment, as far as the capture shows."""
    if connection.facts & FACT_MIDSTREAM:
        return False
    return grade != ACCEPTED or is_unopened(connection, sender) or is_ack_unseen(target, segment)


def is_fin_cut_off(connection: Any, sender: Any, target: Any, segment: Any) -> bool:
    """Return True if only the FIN of a segment after missing bytes, or some of its payload too, is beyond the window.

    Without missing bytes, the window may have opened meanwhile, and Linux takes the whole segment.
    """
    if not is_scale_known(sender, target) or target.traits & TRAIT_ACKS == 0:
        return False
    edge = (target.last_ack + widest(connection, sender, target)) & MASK32
    return seqspace.seq_gt(segment.seq, sender.snd_nxt) and seqspace.seq_gt(end_of(segment), edge)


def is_unopened(connection: Any, server: Any) -> bool:
    """Return True if the server's answers to the SYN do not prove a connection (see `final_ack.is_unproved`)."""
    opened = FACT_SYNACK | FACT_ACKED | FACT_SERVER_PROVED | FACT_SIMULTANEOUS
    return connection.facts & (FACT_SYN | opened) == FACT_SYN and not server.traits & TRAIT_ISS


def is_fin_possible(connection: Any, sender: Any, target: Any, segment: Any) -> bool:
    """Return True if the target can still take a FIN at this sequence number: it has not acknowledged it as data."""
    end = end_of(segment)
    if connection.facts & FACT_MIDSTREAM:
        return True
    if sender.traits & TRAIT_FIN:
        return end == sender.fin_seq
    if not target.traits & TRAIT_ACKS or seqspace.seq_gt(end, target.last_ack):
        return True
    last = (end - 1) & MASK32
    return sender.hole_start != sender.hole_end and (
        seqspace.seq_ge(last, sender.hole_start) and seqspace.seq_lt(last, sender.hole_end)
    )


def is_ack_unseen(target: Any, segment: Any) -> bool:
    """Return True if the segment acknowledges bytes of the target that the capture lacks."""
    return (
        target.traits & TRAIT_ISS != 0
        and not target.traits & TRAIT_FIN
        and seqspace.seq_gt(segment.ack, (target.snd_nxt + 1) & MASK32)
    )


def is_from_the_past(sender: Any, target: Any, segment: Any) -> bool:
    """Return True if PAWS drops the segment: new data with an older TSval, or any TSval from before the SYN.

    A segment with nothing new may have been overtaken by others that did not update TS.Recent (RFC 7323 section 4.3).
    """
    return (
        segment.options & sender.options & target.options & OPT_TIMESTAMPS != 0
        and sender.traits & target.traits & TRAIT_ISS != 0
        and seqspace.seq_lt((segment.tsval + PAWS_WINDOW) & MASK32, sender.tsval)
        and (
            seqspace.seq_gt(end_of(segment), sender.snd_nxt)
            or not sender.traits & TRAIT_ACKS
            or seqspace.seq_gt(segment.ack, sender.last_ack)
            or seqspace.seq_lt((segment.tsval + PAWS_WINDOW) & MASK32, sender.syn_tsval)
        )
    )


def doubt_fin(sender: Any, segment: Any) -> None:
    """Record a FIN that its receiver may have dropped."""
    if not sender.traits & TRAIT_FIN:
        sender.checks |= CHECK_FIN_DOUBTED
        sender.fin_seq = end_of(segment)


def is_fin_overwritten(sender: Any, segment: Any) -> bool:
    """Return True if a later segment has payload at or beyond the sequence number of a doubted FIN."""
    end = (segment.seq + segment.payload_len) & MASK32
    return segment.payload_len != 0 and seqspace.seq_ge(end, sender.fin_seq)


def is_doubt_over(sender: Any, segment: Any) -> bool:
    """Return True, and clear the doubt, if a segment of its target acknowledges a doubted FIN of `sender`."""
    if not sender.checks & CHECK_FIN_DOUBTED:
        return False
    if sender.traits & TRAIT_FIN or segment.ack != sender.fin_seq:
        return False
    sender.checks &= ~CHECK_FIN_DOUBTED & 0xFFFF
    return True
