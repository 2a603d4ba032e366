"""What of a segment its receiver accepts (RFC 9293 section 3.10.7.4), as far as an observer can know.

The RFC's order is sequence number, RST, SYN, ACK, then the rest; a segment that fails one test never reaches the next.
An observer knows RCV.NXT only between bounds: what the receiver acknowledged is proof, what was sent to it is belief.
So only what fails for every RCV.NXT in these bounds is held to fail:

- no ACK bit: dropped in every state but LISTEN, where nobody is known yet (`VOID`);
- all before what the receiver has acknowledged, or all beyond the right edge of the window that it offered: it answers
  with an ACK and takes neither the acknowledgment nor the FIN (`OUTSIDE`).  The bytes count all the same: that is
  what a retransmission looks like;
- an acknowledgment of more than a FIN that was sent, or of less than its ISN: dropped (`VOID`).  RFC 5961 section 5.2
  allows one as old as the largest window; Linux counts no further back than what was ever acknowledged;
- a FIN whose byte was acknowledged as something else is none.  One that acknowledges bytes which the capture does not
  hold is doubted: either the capture missed them, or they were never sent.  It counts once it is acknowledged.

RSTs and SYNs have rules of their own (`resets.py`, `opening.py`).
"""

from typing import Any

from handshake_inspect.tcp.facts import (
    ACCEPTED,
    CHECK_FIN_DOUBTED,
    CHECK_FIN_UNSEEN,
    FACT_ACKED,
    FACT_ISN_CHANGED,
    FACT_MIDSTREAM,
    FACT_SYN,
    FACT_SYNACK,
    OUTSIDE,
    TRAIT_ACKS,
    TRAIT_FIN,
    TRAIT_ISS,
    VOID,
)
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import ACK, FIN, MASK32


def worth(connection: Any, sender: Any, target: Any, segment: Any) -> int:
    """What a segment without SYN or RST from `sender` is to `target`: ACCEPTED, OUTSIDE or VOID."""
    facts = connection.facts
    if facts & FACT_MIDSTREAM or not facts & (FACT_SYN | FACT_SYNACK):
        return ACCEPTED
    if not segment.flags & ACK:
        return VOID
    if facts & FACT_ACKED and is_ack_of_nothing(target, segment):
        return VOID
    if facts & (FACT_ACKED | FACT_ISN_CHANGED) == FACT_ACKED and is_ack_too_old(target, segment):
        return VOID
    if is_left(target, segment) or is_right(sender, target, segment):
        return OUTSIDE
    return ACCEPTED


def end_of(segment: Any) -> int:
    """The sequence number just beyond a segment without SYN."""
    if segment.flags & FIN:
        return (segment.seq + segment.payload_len + 1) & MASK32
    return (segment.seq + segment.payload_len) & MASK32


def is_left(target: Any, segment: Any) -> bool:
    """Whether all of it is before what the target has acknowledged."""
    return target.traits & TRAIT_ACKS != 0 and seqspace.seq_lt(end_of(segment), target.last_ack)


def is_right(sender: Any, target: Any, segment: Any) -> bool:
    """Whether it begins beyond the window; only where both ends' scale is known."""
    return (
        sender.traits & target.traits & TRAIT_ISS != 0
        and target.traits & TRAIT_ACKS != 0
        and seqspace.seq_gt(segment.seq, (target.last_ack + target.window) & MASK32)
        and seqspace.seq_gt(segment.seq, sender.snd_nxt)
    )


def is_ack_of_nothing(target: Any, segment: Any) -> bool:
    """Whether it acknowledges more than all that the target sent, which ended with a FIN."""
    return (
        target.traits & TRAIT_FIN != 0
        and not target.checks & CHECK_FIN_UNSEEN
        and seqspace.seq_gt(segment.ack, target.fin_seq)
    )


def is_ack_too_old(target: Any, segment: Any) -> bool:
    """Whether it acknowledges less than the SYN."""
    return target.traits & TRAIT_ISS != 0 and seqspace.seq_lt(segment.ack, target.iss)


def is_fin_dropped(connection: Any, sender: Any, target: Any, segment: Any, worth: int) -> bool:
    """Whether the target cannot take the FIN of a segment, or not as far as the capture shows: then it is doubted."""
    if connection.facts & FACT_MIDSTREAM:
        return False
    if not is_fin_taken(sender, target, segment):
        return True
    if worth == OUTSIDE or is_ack_unseen(target, segment):
        doubt_fin(sender, segment)
        return True
    return False


def is_fin_taken(sender: Any, target: Any, segment: Any) -> bool:
    """Whether the byte of a FIN can still be one for the target: it acknowledged it as nothing else."""
    end = end_of(segment)
    if not target.traits & TRAIT_ACKS or seqspace.seq_gt(end, target.last_ack):
        return True
    if sender.traits & TRAIT_FIN:
        return end == sender.fin_seq
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


def doubt_fin(sender: Any, segment: Any) -> None:
    """Remember a FIN that its receiver may have had to drop."""
    if not sender.traits & TRAIT_FIN:
        sender.checks |= CHECK_FIN_DOUBTED
        sender.fin_seq = end_of(segment)


def is_doubt_over(sender: Any, segment: Any) -> bool:
    """Whether a segment of its target acknowledges a doubted FIN of `sender`, and so shows that it was taken."""
    if not sender.checks & CHECK_FIN_DOUBTED:
        return False
    if sender.traits & TRAIT_FIN or segment.ack != sender.fin_seq:
        return False
    sender.checks &= ~CHECK_FIN_DOUBTED & 0xFFFF
    return True
