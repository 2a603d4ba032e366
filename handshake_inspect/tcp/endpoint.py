"""Update one endpoint of a connection: its state, and what it sent and acknowledged.

Keep-alives (RFC 9293 section 3.8.4) and window probes (section 3.8.6.1) are recognised here.  `copies.py` recognises
copies, `order.py` reordering and retransmissions.
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
    """Set the endpoint's state.  All state changes go through this function."""
    endpoint.state = state


def apply(endpoint: Any, event: int) -> None:
    """Apply an event (`transitions.Event`) to the endpoint's state."""
    become(endpoint, NEXT_STATE[event * STATES + endpoint.state])


def restore(endpoint: Any) -> None:
    """Restore the state from before a RST that was forged or ignored."""
    become(endpoint, endpoint.state_before_rst)


def fingerprint(segment: Any) -> int:
    """Return a 32-bit fingerprint that is equal for copies of one packet: it covers what routers do not change.

    For a SYN it excludes window, ECN bits and the unused acknowledgment number, which embryos do not store.  The lowest
    bit is set if there is payload.
    """
    window = segment.window
    ack = segment.ack
    flags = segment.flags
    if flags & (SYN | ACK) == SYN:
        window = 0
        ack = 0
        flags &= SYN | FIN | RST
    mixed = (segment.seq * MIX_SEQ + ack * MIX_ACK) & MASK32
    marks = segment.tsval ^ segment.sack_right ^ segment.sack_left * 3  # duplicate ACKs may differ in their SACK blocks
    mixed = ((mixed ^ marks) * MIX_TSVAL + (flags << 16 | window)) & MASK32
    mixed = ((mixed ^ mixed >> 15) * MIX_REST + segment.payload_len + (segment.ip_id << 16)) & MASK32
    return (mixed ^ mixed >> 13) & EVEN | (segment.payload_len != 0)


def remember(endpoint: Any, segment: Any, print_of: int) -> None:
    """Remember the fingerprint and time of a segment."""
    at = endpoint.recent_at & 3
    endpoint.recent[at] = print_of
    endpoint.recent_us[at] = (segment.ts_ns // 1000) & MASK32
    endpoint.recent_at = at + 1


def is_late_copy(endpoint: Any, segment: Any) -> bool:
    """Return True if a segment with nothing new has an older TSval or IP ID than a retransmission would."""
    if segment.options & OPT_TIMESTAMPS and endpoint.traits & TRAIT_TSVAL_VARIES and segment.tsval != endpoint.tsval:
        return seqspace.seq_lt(segment.tsval, endpoint.tsval)
    if segment.ip_id and endpoint.traits & TRAIT_IP_ID_VARIES:
        return ((endpoint.ip_id - segment.ip_id) & MASK16) < IP_ID_NEAR
    return False


def note_marks(endpoint: Any, segment: Any) -> None:
    """Record the newest TSval and IP ID, and whether they vary between packets."""
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
    """Record TSval, IP ID and fingerprint of a segment, in one call because the fast path does so for every segment."""
    note_marks(endpoint, segment)
    remember(endpoint, segment, fingerprint(segment))


def begin(endpoint: Any, segment: Any) -> None:
    """Initialise sequence numbers from the endpoint's first captured segment."""
    if not endpoint.traits & TRAIT_SEEN:
        endpoint.ttl = segment.ttl
        if not segment.flags & SYN and not endpoint.traits & TRAIT_ISS:
            endpoint.iss = (segment.seq - 1) & MASK32
            if not (segment.flags & RST and segment.seq == 0):
                endpoint.snd_nxt = segment.seq
                endpoint.contiguous = segment.seq


def open_at(endpoint: Any, segment: Any) -> None:
    """Record ISN and options of a SYN or SYN-ACK."""
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
    """Discard what the endpoint sent before its SYN or SYN-ACK, which belongs to another attempt."""
    endpoint.traits &= ~(TRAIT_ACKS | TRAIT_FIN | TRAIT_HOLE) & 0xFF
    endpoint.checks &= ~CHECK_FIN_DOUBTED & 0xFFFF
    endpoint.hole_end = endpoint.hole_start


def agree_on_options(server: Any, client: Any) -> None:
    """Enable the options that both endpoints offered: window scaling (RFC 7323 section 2.2) and ECN."""
    if server.options & client.options & OPT_ACCECN:
        server.options |= OPT_ECN
    if server.options & OPT_WINDOW_SCALE and client.options & OPT_WINDOW_SCALE:
        server.shift = min(server.window_scale, MAX_SHIFT)
        client.shift = min(client.window_scale, MAX_SHIFT)


def note_window(endpoint: Any, segment: Any) -> None:
    """Record the advertised window in bytes, and count zero windows."""
    endpoint.window = segment.window << endpoint.shift
    if segment.window == 0:
        endpoint.zero_windows += 1


def note_ack(sender: Any, peer: Any, segment: Any) -> None:
    """Record what the sender acknowledges, which its peer must have sent even if it was not captured."""
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
            # Acknowledged before it was stored, or never captured: if it still comes, it is not a retransmission.
            if peer.hole_start == peer.hole_end or peer.hole_end != unseen:
                peer.hole_start = unseen
            peer.hole_end = segment.ack
        peer.snd_nxt = seqspace.seq_max(peer.snd_nxt, segment.ack)


def fill(endpoint: Any, to: int) -> None:
    """Mark everything before `to` as seen."""
    endpoint.contiguous = to
    if endpoint.traits & TRAIT_HOLE and seqspace.seq_ge(to, endpoint.hole_start):
        endpoint.contiguous = seqspace.seq_max(to, endpoint.hole_end)
        if seqspace.seq_ge(endpoint.contiguous, endpoint.snd_nxt):
            endpoint.traits &= ~TRAIT_HOLE & 0xFF
            endpoint.hole_start = endpoint.hole_end


def is_probe(sender: Any, peer: Any, segment: Any) -> bool:
    """Return True for a keep-alive or window probe: a segment below SND.NXT that only asks for an answer."""
    if segment.flags & FIN or segment.payload_len > 1 or sender.traits & TRAIT_FIN:
        return False
    return (
        segment.seq == (sender.snd_nxt - 1) & MASK32
        and peer.traits & TRAIT_ACKS != 0
        and peer.last_ack == sender.snd_nxt
    )


def was_probed(sender: Any, peer: Any, segment: Any) -> bool:
    """Return True if the only repeated byte is that of a window probe, which a zero window rejected."""
    return (
        segment.seq == (sender.snd_nxt - 1) & MASK32
        and peer.traits & TRAIT_ACKS != 0
        and peer.last_ack == segment.seq
        and peer.zero_windows != 0
    )


def is_unseen(sender: Any, segment: Any) -> bool:
    """Return True if a segment begins with bytes that were acknowledged before they were captured."""
    return not sender.traits & TRAIT_HOLE and segment.seq == sender.hole_start and sender.hole_start != sender.hole_end


def extend(sender: Any, seq: int, end: int) -> None:
    """Record new bytes at or beyond SND.NXT; a gap before them is a hole in the capture."""
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
    """Account for payload in later IP fragments: the segment is longer than its first fragment, and its FIN later."""
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
    """Record new bytes that were damaged: sent but not received, so they will be retransmitted."""
    if segment.flags & (SYN | FIN | RST) or segment.seq != sender.snd_nxt or sender.traits & TRAIT_HOLE:
        return
    if segment.payload_len and sender.traits & TRAIT_SEEN:
        sender.snd_nxt = (segment.seq + segment.payload_len) & MASK32
        sender.hole_start = sender.snd_nxt
        sender.hole_end = sender.snd_nxt
        sender.traits |= TRAIT_HOLE


def lose(sender: Any, first: int) -> None:
    """Mark everything sent from `first` on as missing."""
    sender.contiguous = first
    sender.hole_start = sender.snd_nxt
    sender.hole_end = sender.snd_nxt
    sender.traits |= TRAIT_HOLE


def is_in_hole(sender: Any, seq: int) -> bool:
    """Return True if a sequence number is in the first hole."""
    return (
        sender.traits & TRAIT_HOLE != 0
        and seqspace.seq_ge(seq, sender.contiguous)
        and seqspace.seq_lt(seq, sender.hole_start)
    )


def newest_us(end: Any) -> int:
    """Return the time of the endpoint's last segment, in microseconds modulo 2^32."""
    at: int = end.recent_us[(end.recent_at - 1) & 3]
    return at
