"""One end of a connection: what its segments say about what it sent, resent and acknowledged.

A keep-alive (RFC 9293 section 3.8.4) and a window probe (section 3.8.6.1) are distinguished here.  Which segments are
copies is asked in `copies.py`, which were overtaken or sent again, in `order.py`.
"""

from typing import Any

from handshake_inspect.tcp.facts import (
    CHECK_FIN_DOUBTED,
    EVEN,
    MIX_ACK,
    MIX_REST,
    MIX_SEQ,
    MIX_TSVAL,
    TRAIT_ACKS,
    TRAIT_FIN,
    TRAIT_HOLE,
    TRAIT_IP_ID_VARIES,
    TRAIT_ISS,
    TRAIT_SEEN,
    TRAIT_TSVAL_VARIES,
)
from handshake_inspect.tcp.limits import IP_ID_NEAR, MAX_SHIFT
from handshake_inspect.tcp.transitions import STATES, packed
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import (
    ACK,
    FIN,
    MASK16,
    MASK32,
    OPT_ACCECN,
    OPT_ECN,
    OPT_TIMESTAMPS,
    OPT_WINDOW_SCALE,
    RST,
    SYN,
)

NEXT_STATE = packed()


def become(endpoint: Any, state: int) -> None:
    """Set the endpoint's state: nothing else does."""
    endpoint.state = state


def apply(endpoint: Any, event: int) -> None:
    """Move the endpoint's state by one row of the table."""
    become(endpoint, NEXT_STATE[event * STATES + endpoint.state])


def restore(endpoint: Any) -> None:
    """Take back what a RST did to the state: it was forged, or ignored."""
    become(endpoint, endpoint.state_before_rst)


def fingerprint(segment: Any) -> int:
    """32 bits that copies of one packet share: all that a router leaves alone.

    Of a SYN are left out the window, the ECN bits and the acknowledgment that it does not mean: one that waits for an
    answer is kept without them.  The lowest bit says whether it has payload.
    """
    window = segment.window
    ack = segment.ack
    flags = segment.flags
    if flags & (SYN | ACK) == SYN:
        window = 0
        ack = 0
        flags &= SYN | FIN | RST
    mixed = (segment.seq * MIX_SEQ + ack * MIX_ACK) & MASK32
    marks = segment.tsval ^ segment.sack_right ^ segment.sack_left * 3  # repeated ACKs differ in what they hold besides
    mixed = ((mixed ^ marks) * MIX_TSVAL + (flags << 16 | window)) & MASK32
    mixed = ((mixed ^ mixed >> 15) * MIX_REST + segment.payload_len + (segment.ip_id << 16)) & MASK32
    return (mixed ^ mixed >> 13) & EVEN | (segment.payload_len != 0)


def remember(endpoint: Any, segment: Any, print_of: int) -> None:
    """Keep the fingerprint of a segment, with its time."""
    at = endpoint.recent_at & 3
    endpoint.recent[at] = print_of
    endpoint.recent_us[at] = (segment.ts_ns // 1000) & MASK32
    endpoint.recent_at = at + 1


def is_late_copy(endpoint: Any, segment: Any) -> bool:
    """Whether a segment with nothing new has marks that one sent later could not have."""
    if segment.options & OPT_TIMESTAMPS and endpoint.traits & TRAIT_TSVAL_VARIES and segment.tsval != endpoint.tsval:
        return seqspace.seq_lt(segment.tsval, endpoint.tsval)
    if segment.ip_id and endpoint.traits & TRAIT_IP_ID_VARIES:
        return ((endpoint.ip_id - segment.ip_id) & MASK16) < IP_ID_NEAR
    return False


def note_marks(endpoint: Any, segment: Any) -> None:
    """Keep the newest timestamp and IP identification, and learn whether they distinguish packets."""
    if segment.options & OPT_TIMESTAMPS:
        if not endpoint.traits & TRAIT_SEEN:
            endpoint.tsval = segment.tsval
        elif segment.tsval != endpoint.tsval:
            endpoint.traits |= TRAIT_TSVAL_VARIES
            endpoint.tsval = seqspace.seq_max(segment.tsval, endpoint.tsval)
    if segment.ip_id:
        if endpoint.ip_id and segment.ip_id != endpoint.ip_id:
            endpoint.traits |= TRAIT_IP_ID_VARIES
            if ((segment.ip_id - endpoint.ip_id) & MASK16) < 0x8000:
                endpoint.ip_id = segment.ip_id
        else:
            endpoint.ip_id = segment.ip_id


def note_plain(endpoint: Any, segment: Any) -> None:
    """Keep the marks and the fingerprint of a segment: in one call, for it is asked of nearly every one."""
    note_marks(endpoint, segment)
    remember(endpoint, segment, fingerprint(segment))


def begin(endpoint: Any, segment: Any) -> None:
    """The endpoint's first segment of the capture: where its sequence numbers start."""
    if not endpoint.traits & TRAIT_SEEN:
        endpoint.ttl = segment.ttl
        if not segment.flags & SYN and not endpoint.traits & TRAIT_ISS:
            endpoint.iss = (segment.seq - 1) & MASK32
            if not (segment.flags & RST and segment.seq == 0):
                endpoint.snd_nxt = segment.seq
                endpoint.contiguous = segment.seq


def open_at(endpoint: Any, segment: Any) -> None:
    """A SYN or SYN-ACK: the endpoint's ISN and what it offers."""
    endpoint.traits |= TRAIT_ISS
    endpoint.iss = segment.seq
    endpoint.snd_nxt = (segment.seq + 1 + segment.payload_len) & MASK32
    endpoint.contiguous = endpoint.snd_nxt
    endpoint.syn_tsval = segment.tsval
    endpoint.mss = segment.mss
    endpoint.syn_window = segment.window
    endpoint.options = segment.options
    endpoint.window_scale = segment.window_scale
    endpoint.syn_ttl = segment.ttl
    endpoint.syn_ip_id = segment.ip_id
    endpoint.window = segment.window


def forget_earlier(endpoint: Any) -> None:
    """What it sent before its SYN or SYN-ACK was nothing of this attempt."""
    endpoint.traits &= ~(TRAIT_ACKS | TRAIT_FIN | TRAIT_HOLE) & 0xFF
    endpoint.checks &= ~CHECK_FIN_DOUBTED & 0xFFFF
    endpoint.hole_end = endpoint.hole_start


def agree_on_options(server: Any, client: Any) -> None:
    """What both ends offered holds from now on: scaled windows (RFC 7323 section 2.2), and ECN."""
    if server.options & client.options & OPT_ACCECN:
        server.options |= OPT_ECN
    if server.options & OPT_WINDOW_SCALE and client.options & OPT_WINDOW_SCALE:
        server.shift = min(server.window_scale, MAX_SHIFT)
        client.shift = min(client.window_scale, MAX_SHIFT)


def note_window(endpoint: Any, segment: Any) -> None:
    """The window it advertises, in bytes; a window of zero is counted."""
    endpoint.window = segment.window << endpoint.shift
    if segment.window == 0:
        endpoint.zero_windows += 1


def note_ack(sender: Any, peer: Any, segment: Any) -> None:
    """What the sender acknowledges, which its peer must have sent even where the capture did not see it."""
    if not sender.traits & TRAIT_ACKS or seqspace.seq_gt(segment.ack, sender.last_ack):
        sender.last_ack = segment.ack
        sender.traits |= TRAIT_ACKS
    if not peer.traits & (TRAIT_SEEN | TRAIT_ISS):
        peer.snd_nxt = sender.last_ack
        peer.contiguous = sender.last_ack
    elif seqspace.seq_gt(segment.ack, peer.contiguous):
        unseen = peer.snd_nxt
        fill(peer, segment.ack)
        if seqspace.seq_gt(segment.ack, unseen) and not peer.traits & TRAIT_HOLE:
            # Acknowledged before it was stored, or never captured: should it come, it is no retransmission.
            if peer.hole_start == peer.hole_end or peer.hole_end != unseen:
                peer.hole_start = unseen
            peer.hole_end = segment.ack
        peer.snd_nxt = seqspace.seq_max(peer.snd_nxt, segment.ack)


def fill(endpoint: Any, to: int) -> None:
    """Count everything before `to` as seen."""
    endpoint.contiguous = to
    if endpoint.traits & TRAIT_HOLE and seqspace.seq_ge(to, endpoint.hole_start):
        endpoint.contiguous = seqspace.seq_max(to, endpoint.hole_end)
        if seqspace.seq_ge(endpoint.contiguous, endpoint.snd_nxt):
            endpoint.traits &= ~TRAIT_HOLE & 0xFF
            endpoint.hole_start = endpoint.hole_end


def is_probe(sender: Any, peer: Any, segment: Any) -> bool:
    """A segment below SND.NXT that only wants an answer: keep-alive or window probe."""
    if segment.flags & FIN or segment.payload_len > 1 or sender.traits & TRAIT_FIN:
        return False
    return (
        segment.seq == (sender.snd_nxt - 1) & MASK32
        and peer.traits & TRAIT_ACKS != 0
        and peer.last_ack == sender.snd_nxt
    )


def was_probed(sender: Any, peer: Any, segment: Any) -> bool:
    """Whether all that is sent again is the byte of a window probe, which had to be refused."""
    return (
        segment.seq == (sender.snd_nxt - 1) & MASK32
        and peer.traits & TRAIT_ACKS != 0
        and peer.last_ack == segment.seq
        and peer.zero_windows != 0
    )


def is_unseen(sender: Any, segment: Any) -> bool:
    """Whether a segment begins with bytes that were acknowledged before the capture held them."""
    return not sender.traits & TRAIT_HOLE and segment.seq == sender.hole_start and sender.hole_start != sender.hole_end


def extend(sender: Any, seq: int, end: int) -> None:
    """New bytes at or beyond SND.NXT; a gap before them is a hole that the capture has."""
    if seq == sender.snd_nxt:
        if sender.traits & TRAIT_HOLE:
            sender.hole_end = end
        else:
            sender.contiguous = end
    else:
        if not sender.traits & TRAIT_HOLE:
            sender.traits |= TRAIT_HOLE
            sender.hole_start = seq
        sender.hole_end = end
    sender.snd_nxt = end


def lengthen(sender: Any, segment: Any) -> None:
    """Payload in later IP fragments: the segment was longer than its first fragment, its FIN later."""
    sender.bytes += segment.payload_len
    end = (segment.seq + segment.payload_len) & MASK32
    if sender.traits & TRAIT_FIN and sender.fin_seq == (segment.seq + 1) & MASK32 == sender.snd_nxt:
        sender.fin_seq = (end + 1) & MASK32
        end = sender.fin_seq
    if sender.traits & TRAIT_HOLE and segment.seq == sender.contiguous:
        fill(sender, end)
    elif seqspace.seq_gt(end, sender.snd_nxt) and seqspace.seq_le(segment.seq, sender.snd_nxt):
        extend(sender, sender.snd_nxt, end)


def miss(sender: Any, segment: Any) -> None:
    """New bytes that came damaged: sent, but not received, so that their sender will send them again."""
    if segment.flags & (SYN | FIN | RST) or segment.seq != sender.snd_nxt or sender.traits & TRAIT_HOLE:
        return
    if segment.payload_len and sender.traits & TRAIT_SEEN:
        sender.snd_nxt = (segment.seq + segment.payload_len) & MASK32
        sender.hole_start = sender.snd_nxt
        sender.hole_end = sender.snd_nxt
        sender.traits |= TRAIT_HOLE


def lose(sender: Any, first: int) -> None:
    """All that was sent from that byte on is missing again."""
    sender.contiguous = first
    sender.hole_start = sender.snd_nxt
    sender.hole_end = sender.snd_nxt
    sender.traits |= TRAIT_HOLE


def is_in_hole(sender: Any, seq: int) -> bool:
    """Whether a byte is in the first hole."""
    return (
        sender.traits & TRAIT_HOLE != 0
        and seqspace.seq_ge(seq, sender.contiguous)
        and seqspace.seq_lt(seq, sender.hole_start)
    )


def newest_us(end: Any) -> int:
    """When its last segment passed, microseconds modulo 2^32."""
    at: int = end.recent_us[(end.recent_at - 1) & 3]
    return at
