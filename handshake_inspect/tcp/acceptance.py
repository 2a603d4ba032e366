"""What of a segment its receiver accepts (RFC 9293 section 3.10.7.4), as far as an observer can know.

The RFC's order is sequence number, RST, SYN, ACK, then the rest; a segment that fails one test never reaches the next.
An observer knows RCV.NXT only between bounds: what the receiver acknowledged is proof, what was sent to it is belief.
So only what fails for every RCV.NXT in these bounds is held to fail:

- no ACK bit: dropped in every state but LISTEN, where nobody is known yet (`VOID`);
- what is new and comes with an older timestamp than what was accepted before (PAWS, RFC 7323 section 5): dropped;
- all before what the receiver has acknowledged: it answers with an ACK and takes neither the acknowledgment nor the FIN
  (`OUTSIDE`).  The bytes count all the same: that is what a retransmission looks like;
- all beyond the right edge of the window that it offered (`BEYOND`): nothing of it counts;
- an acknowledgment of more than a FIN that was sent, or of less than its SYN: dropped (`VOID`).  RFC 5961 section 5.2
  allows one as old as the largest window; Linux counts no further back than what was ever acknowledged, which for who
  opened includes the SYN;
- a FIN whose byte was acknowledged as something else is none.  A FIN is doubted where it acknowledges bytes which the
  capture does not hold: either the capture missed them, or they were never sent.  It counts once it is acknowledged.

RSTs and SYNs have rules of their own (`resets.py`, `opening.py`).
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


def worth(connection: Any, sender: Any, target: Any, segment: Any, side: int) -> int:
    """What a segment without SYN or RST from `sender` is to `target`: ACCEPTED, OUTSIDE, BEYOND or VOID."""
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
    """Whether the target is a listener's request: with Fast Open until the ACK, even if it has closed its half."""
    facts = connection.facts
    if facts & FACT_SIMULTANEOUS:
        return False
    return target.state == SYN_RECEIVED or (facts & (FACT_TFO | FACT_ACKED) == FACT_TFO and side == connection.client)


def end_of(segment: Any) -> int:
    """The sequence number just beyond a segment without SYN."""
    if segment.flags & FIN:
        return (segment.seq + segment.payload_len + 1) & MASK32
    return (segment.seq + segment.payload_len) & MASK32


def is_left(target: Any, segment: Any, request: bool) -> bool:
    """Whether all of it is before what the target has acknowledged.

    What ends just there is acceptable to a socket, and not to a mere `request` (SYN-RECEIVED of a listener).
    """
    if not target.traits & TRAIT_ACKS:
        return False
    end = end_of(segment)
    if end == target.last_ack:
        return request and segment.seq != end
    return seqspace.seq_lt(end, target.last_ack)


def is_right(connection: Any, sender: Any, target: Any, segment: Any, request: bool) -> bool:
    """Whether it begins beyond the window; only where its scale is known.

    Just beyond, its acknowledgment counts for a socket (see `is_at_edge`).
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
    """The window of the target, in bytes; the widest that it can mean.

    Where both opened, and only one offered to scale windows, Linux scales its own all the same, but for its SYN-ACK's.
    """
    window: int = target.window
    one_sided = (sender.options ^ target.options) & target.options & OPT_WINDOW_SCALE
    if one_sided and connection.facts & FACT_SIMULTANEOUS and target.state != SYN_RECEIVED:
        window <<= min(target.window_scale, MAX_SHIFT)
    return window


def is_scale_known(sender: Any, target: Any) -> bool:
    """Whether the capture holds what both ends offered to scale windows with (RFC 7323 section 2.2)."""
    if sender.traits & target.traits & TRAIT_ISS == 0:
        return False
    return is_offer_whole(sender.options) and is_offer_whole(target.options)


def is_offer_whole(options: int) -> bool:
    """Whether a SYN or SYN-ACK shows a window scale, or that it has none."""
    return options & OPT_WINDOW_SCALE != 0 or not options & OPT_CUT


def is_at_edge(connection: Any, sender: Any, target: Any, segment: Any) -> bool:
    """Whether it begins just beyond the window, so that none of its bytes is taken."""
    return (
        not connection.facts & FACT_MIDSTREAM
        and is_scale_known(sender, target)
        and target.traits & TRAIT_ACKS != 0
        and target.window != 0
        and segment.seq == (target.last_ack + target.window) & MASK32
        and seqspace.seq_gt(segment.seq, sender.snd_nxt)
    )


def is_ack_of_nothing(target: Any, segment: Any) -> bool:
    """Whether it acknowledges more than all that the target sent, which ended with a FIN."""
    return (
        target.traits & TRAIT_FIN != 0
        and not target.checks & CHECK_FIN_UNSEEN
        and seqspace.seq_gt(segment.ack, target.fin_seq)
    )


def is_ack_too_old(connection: Any, target: Any, segment: Any, side: int) -> bool:
    """Whether it does not even acknowledge the SYN."""
    if not target.traits & TRAIT_ISS:
        return False
    if side == connection.client and not connection.facts & FACT_SIMULTANEOUS:
        return seqspace.seq_le(segment.ack, target.iss)
    return seqspace.seq_lt(segment.ack, target.iss)


def is_fin_doubtful(connection: Any, sender: Any, target: Any, segment: Any, worth: int) -> bool:
    """Whether the target cannot take the FIN of a segment, as far as the capture shows."""
    if connection.facts & FACT_MIDSTREAM:
        return False
    return worth != ACCEPTED or is_unopened(connection, sender) or is_ack_unseen(target, segment)


def is_unopened(connection: Any, server: Any) -> bool:
    """Whether a server has answered the SYN with nothing that shows a connection: see `final_ack.is_unproved`."""
    opened = FACT_SYNACK | FACT_ACKED | FACT_SERVER_PROVED | FACT_SIMULTANEOUS
    return connection.facts & (FACT_SYN | opened) == FACT_SYN and not server.traits & TRAIT_ISS


def is_fin_possible(connection: Any, sender: Any, target: Any, segment: Any) -> bool:
    """Whether the byte of a FIN can still be one for the target: it acknowledged it as nothing else."""
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
    """Whether it acknowledges bytes of the target that the capture does not hold."""
    return (
        target.traits & TRAIT_ISS != 0
        and not target.traits & TRAIT_FIN
        and seqspace.seq_gt(segment.ack, (target.snd_nxt + 1) & MASK32)
    )


def is_from_the_past(sender: Any, target: Any, segment: Any) -> bool:
    """Whether something new comes with an older timestamp than what came before, or anything from before the SYN.

    What is not new may have been overtaken; then those before it did not set the clock (RFC 7323 section 4.3).
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
    """Remember a FIN that its receiver may have had to drop."""
    if not sender.traits & TRAIT_FIN:
        sender.checks |= CHECK_FIN_DOUBTED
        sender.fin_seq = end_of(segment)


def is_fin_overwritten(sender: Any, segment: Any) -> bool:
    """Whether the byte of a doubted FIN is payload of a later segment, or one before that payload."""
    end = (segment.seq + segment.payload_len) & MASK32
    return segment.payload_len != 0 and seqspace.seq_ge(end, sender.fin_seq)


def is_doubt_over(sender: Any, segment: Any) -> bool:
    """Whether a segment of its target acknowledges a doubted FIN of `sender`, and so shows that it was taken."""
    if not sender.checks & CHECK_FIN_DOUBTED:
        return False
    if sender.traits & TRAIT_FIN or segment.ack != sender.fin_seq:
        return False
    sender.checks &= ~CHECK_FIN_DOUBTED & 0xFFFF
    return True
