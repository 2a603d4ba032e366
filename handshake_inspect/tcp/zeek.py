"""Compute what Zeek would log for a connection: its endpoint states and connection history.

Zeek's state machine differs from RFC 9293: one state covers everything between SYN and FIN, sequence numbers are not
checked, and the *originator* is the sender of the first packet, unless ports or a SYN-ACK show otherwise.  Where Zeek's
timers would split a connection, hsi keeps one; only segments 5 s or more after its end are ignored.

Letters are upper case if the current originator caused them.  They are never rewritten, with one exception: `H`
becomes `^h` if the packet after a SYN-ACK shows that its sender was the responder.  A segment writes, in this order,
at most one letter for its kind (S H F R D A, or I and Q for odd flags), W (zero window), T (retransmission), `^` (roles
exchanged) and, for its peer, G (the acknowledgment covers bytes not captured).  W, T, G and C (bad checksum) are
written for the 1st, 10th, 100th … occurrence.

`observe` reads the progress of both endpoints from their rows as they were before the segment, so that the tracker's
fast path need not call it for plain segments; `Endpoint.zeek_letters` tells the fast path when nothing can change.

`Alias.written` holds letters by role (0 originator, 1 responder), unchanged by a later exchange of roles, as in Zeek;
its upper bits and all other pairs in the row are by side.
"""

from typing import Any

from handshake_inspect.tcp.facts import (
    TRAIT_ACKS,
    TRAIT_FIN,
    TRAIT_HOLE,
    TRAIT_SEEN,
    ZEEK_ESTABLISHED,
    ZEEK_WROTE_A,
    ZEEK_WROTE_D,
)
from handshake_inspect.tcp.zeek_words import (
    ABOVE_HOLE,
    BEGUN,
    BELOW_PREVIOUS,
    CLOCK_WENT_BACK_US,
    CLOSE_DELAY_US,
    CLOSED,
    CREDITED,
    CUT,
    ESTABLISHED,
    FAR,
    FLIP,
    GAVE_UP,
    INACTIVE,
    LETTER_A,
    LETTER_C,
    LETTER_D,
    LETTER_F,
    LETTER_G,
    LETTER_H,
    LETTER_I,
    LETTER_Q,
    LETTER_R,
    LETTER_S,
    LETTER_T,
    LETTER_W,
    LOWER,
    OVER,
    PARTIAL,
    PREVIOUS,
    RESET,
    ROOM,
    SERVER_PORT_TABLE,
    SYN_ACK_SENT,
    SYN_SENT,
    WROTE_A,
    WROTE_D,
    WROTE_F,
    WROTE_I,
    WROTE_Q,
    WROTE_R,
    WROTE_S,
)
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import ACK, FIN, MASK16, MASK32, NOTE_SNAPPED, RST, SYN


def observe(alias: Any, sender: Any, peer: Any, seg: Any, side: int) -> None:
    """Update the history with a segment of `side`; call this before the endpoint rows are updated."""
    flags = seg.flags
    if not flags & (SYN | FIN | RST) and alias.state[0] == ESTABLISHED and alias.state[1] == ESTABLISHED:
        _observe_plain(alias, sender, peer, seg, side)
        return
    if _is_over(alias, sender, peer, seg):
        return
    if not alias.written[0] & BEGUN:
        alias.written[0] |= BEGUN
        _begin(alias, seg)
    by_originator = side == alias.flipped
    rebased = _rebases(alias, flags, side)
    if alias.state[side] == INACTIVE and not flags & SYN:
        relative = 1  # as though a SYN had been seen before it
    elif rebased:
        relative = 0
    else:
        relative = (seg.seq - sender.iss) & MASK32
    _write_kind(alias, flags, relative, seg.payload_len, side)
    if seg.window == 0 and _minds_window(alias, seg, side):
        alias.zero_windows[side] = _count(alias, LETTER_W, alias.zero_windows[side], side)
    if seg.payload_len > 0:
        _note_payload(alias, sender, seg, rebased, side)
    _advance(alias, flags, seg.payload_len, by_originator, side)
    if flags & ACK and alias.state[side ^ 1] != INACTIVE:
        _note_acknowledgment(alias, sender, peer, seg, side)
    _note_letters(alias, sender, peer, side)


def _observe_plain(alias: Any, sender: Any, peer: Any, seg: Any, side: int) -> None:
    """Write the letters of data or an ACK between endpoints that Zeek, too, considers established; no state changes."""
    _write_plain(alias, seg.flags, seg.payload_len, side)
    if seg.window == 0:
        alias.zero_windows[side] = _count(alias, LETTER_W, alias.zero_windows[side], side)
    if seg.payload_len > 0:
        _note_payload(alias, sender, seg, False, side)
    if seg.flags & ACK:
        _note_acknowledgment(alias, sender, peer, seg, side)
    _note_letters(alias, sender, peer, side)


def observe_bad_checksum(alias: Any, side: int) -> None:
    """Write that a segment of `side` was ignored because of a wrong checksum."""
    alias.written[0] |= BEGUN
    alias.bad_checksums[side] = _count(alias, LETTER_C, alias.bad_checksums[side], side)


def _begin(alias: Any, seg: Any) -> None:
    """Choose the originator: the sender, unless the segment is no SYN and comes from a server port."""
    if seg.flags & SYN and not seg.flags & ACK:
        return
    if not SERVER_PORT_TABLE[seg.src_port]:
        return
    if not SERVER_PORT_TABLE[seg.dst_port] or (not seg.flags & SYN and seg.src_port < seg.dst_port):
        _exchange(alias)


def _is_over(alias: Any, sender: Any, peer: Any, seg: Any) -> bool:
    """Return True if Zeek assigns the segment to another connection.

    That is always so for a SYN after a FIN or RST, and for any segment some time after the connection's end.
    """
    if alias.written[0] & OVER:
        return True
    one: int = alias.state[0]
    other: int = alias.state[1]
    if one < CLOSED and other < CLOSED:
        return False
    if seg.flags & (SYN | ACK | FIN | RST) == SYN:
        alias.written[0] |= OVER
        return True
    if RESET not in (one, other) and not (one in (CLOSED, INACTIVE) and other in (CLOSED, INACTIVE)):
        return False
    if (sender.traits | peer.traits) & TRAIT_HOLE:
        return False  # the endpoint waits for missing bytes
    if _is_recent(sender, seg) or _is_recent(peer, seg):
        return False
    alias.written[0] |= OVER
    return True


def _is_recent(end: Any, seg: Any) -> bool:
    """Return True if `end` sent its last segment shortly before `seg`."""
    if not end.traits & TRAIT_SEEN:
        return False
    age: int = (seg.ts_ns // 1000 - end.recent_us[(end.recent_at - 1) & 3]) & MASK32
    return age <= CLOSE_DELAY_US or age >= CLOCK_WENT_BACK_US


def _rebases(alias: Any, flags: int, side: int) -> bool:
    """Return True if Zeek restarts relative sequence numbers: at a SYN, unless its sender has finished."""
    state: int = alias.state[side]
    previous: int = alias.written[side] >> PREVIOUS
    if not flags & SYN or state == CLOSED:
        return False
    return state != RESET or previous == INACTIVE


def _write_kind(alias: Any, flags: int, relative: int, payload_len: int, side: int) -> None:
    """Write the letter of the segment's kind; S, H, F and R are repeated only at another sequence number."""
    kind = flags & (SYN | FIN | RST)
    if kind == 0:
        _write_plain(alias, flags, payload_len, side)
    elif kind == SYN:
        letter = LETTER_H if flags & ACK else LETTER_S
        if _already(alias, WROTE_S, letter, side) and relative != alias.syn_seq[side]:
            _write(alias, letter, side)
        alias.syn_seq[side] = relative
    elif kind == FIN:
        relative = (relative + payload_len) & MASK32
        if _already(alias, WROTE_F, LETTER_F, side) and relative != alias.fin_seq[side]:
            _write(alias, LETTER_F, side)
        alias.fin_seq[side] = relative
    elif kind == RST:
        if _already(alias, WROTE_R, LETTER_R, side) and relative != alias.rst_seq[side]:
            _write(alias, LETTER_R, side)
        alias.rst_seq[side] = relative
    elif flags & FIN and flags & RST:
        _already(alias, WROTE_I, LETTER_I, side)
    else:
        _already(alias, WROTE_Q, LETTER_Q, side)


def _write_plain(alias: Any, flags: int, payload_len: int, side: int) -> None:
    """Write the letter of data or of an ACK."""
    if payload_len > 0:
        _already(alias, WROTE_D, LETTER_D, side)
    elif flags & ACK:
        _already(alias, WROTE_A, LETTER_A, side)


def _minds_window(alias: Any, seg: Any, side: int) -> bool:
    """Return True if a zero window gets a letter: not after the peer's FIN, nor with or after a RST.

    Zeek also writes one for a SYN; hsi does not, because embryos do not store the window.
    """
    if seg.flags & RST or (seg.flags & (SYN | ACK) == SYN and seg.payload_len == 0):
        return False
    reset: bool = alias.state[side] == RESET
    closed: bool = alias.state[side ^ 1] == CLOSED
    return not reset and not closed


def _note_payload(alias: Any, sender: Any, seg: Any, rebased: bool, side: int) -> None:
    """Record if payload was sent before, and if it is truncated."""
    _note_repeat(alias, sender, seg, rebased, side)
    if seg.notes & NOTE_SNAPPED and alias.gaps[side] == 0 and _clean(alias, 0) and _clean(alias, 1):
        alias.written[side] |= CUT


def _note_acknowledgment(alias: Any, sender: Any, peer: Any, seg: Any, side: int) -> None:
    """Process an acknowledgment, which may cover bytes not captured."""
    if not seg.flags & RST and seqspace.seq_gt(seg.ack, peer.snd_nxt):
        alias.written[side ^ 1] |= CREDITED
    if _clean(alias, 0) and _clean(alias, 1):
        _note_gaps(alias, sender, peer, seg.ack, side)


def _note_letters(alias: Any, sender: Any, peer: Any, side: int) -> None:
    """Store in both endpoints what plain segments can no longer change."""
    sender.zeek_letters = _plain_letters(alias, side)
    peer.zeek_letters = _plain_letters(alias, side ^ 1)


def _note_repeat(alias: Any, sender: Any, seg: Any, rebased: bool, side: int) -> None:
    """Write T for a retransmission, but not for bytes that were acknowledged before they were seen."""
    if not _repeats(alias, sender, seg, rebased, side):
        alias.written[side] &= ~CREDITED & MASK16
    elif not alias.written[side] & CREDITED:
        alias.retransmits[side] = _count(alias, LETTER_T, alias.retransmits[side], side)
    elif seqspace.seq_diff(sender.snd_nxt, (seg.seq + seg.payload_len) & MASK32) <= 1:  # one for a FIN
        alias.written[side] &= ~CREDITED & MASK16


def _repeats(alias: Any, sender: Any, seg: Any, rebased: bool, side: int) -> bool:
    """Return True if a segment with payload does not advance its sender's highest sequence number.

    A SYN with payload always counts: Zeek advances the number before it compares.
    """
    flags: int = seg.flags
    if alias.state[side] == RESET:
        return False
    if rebased:
        return True
    if alias.state[side] == INACTIVE:
        return flags & (FIN | RST) == RST  # the payload of a RST takes no sequence numbers
    if flags & FIN and sender.snd_nxt == (sender.iss + 1) & MASK32:
        return False
    end = seg.seq
    if not flags & RST:
        end += seg.payload_len
    if flags & SYN:
        end += 1
    if flags & FIN:
        end += 1
    distance = seqspace.seq_diff(end & MASK32, sender.snd_nxt)
    if flags & (SYN | RST) and distance < -FAR:
        return False
    return distance <= 0


def _advance(alias: Any, flags: int, payload_len: int, by_originator: bool, side: int) -> None:
    """Update the sender's state; `by_originator` is from before this segment exchanged roles."""
    state = alias.state[side]
    other = side ^ 1
    if state == INACTIVE:
        _wake(alias, flags, payload_len, by_originator, side)
    elif state in (SYN_SENT, SYN_ACK_SENT):
        if flags & FIN:
            _set_state(alias, side, CLOSED)
        if flags & RST:
            _set_state(alias, side, RESET)
    elif state in (ESTABLISHED, PARTIAL):
        if state == PARTIAL and alias.state[other] == INACTIVE and flags & SYN and not flags & ACK:
            _set_state(alias, side, SYN_SENT)
        if flags & RST:
            _set_state(alias, side, RESET)
        elif flags & FIN:
            _set_state(alias, side, CLOSED)
            if alias.state[other] == RESET and alias.written[other] >> PREVIOUS == CLOSED:
                _set_state(alias, other, CLOSED)  # FIN, then RST, then the peer's FIN: ended well after all
    elif state == CLOSED and flags & RST and alias.state[other] != CLOSED:
        _set_state(alias, side, RESET)


def _wake(alias: Any, flags: int, payload_len: int, by_originator: bool, side: int) -> None:
    """Update the state of an endpoint that is INACTIVE."""
    other = side ^ 1
    if flags & SYN:
        if by_originator:
            _set_state(alias, side, SYN_ACK_SENT if flags & ACK else SYN_SENT)
        else:
            if not flags & ACK and alias.state[other] == SYN_ACK_SENT:
                _exchange(alias)  # the SYN was stored after its SYN-ACK
                _set_state(alias, other, ESTABLISHED)
            if alias.state[other] == SYN_SENT:
                _set_state(alias, other, ESTABLISHED)
            _set_state(alias, side, ESTABLISHED)
    if flags & FIN:
        _set_state(alias, side, CLOSED)
    if flags & RST:
        _set_state(alias, side, RESET)
    if alias.state[side] != INACTIVE:
        return
    if not by_originator and payload_len == 0 and alias.state[alias.flipped] == SYN_SENT:
        return  # some stacks send an ACK before the SYN-ACK
    if flags & ACK and alias.state[other] == ESTABLISHED:
        _set_state(alias, side, ESTABLISHED)  # only its SYN was not captured
    else:
        _set_state(alias, side, PARTIAL)


def _clean(alias: Any, side: int) -> bool:
    """Return True if Zeek reports gaps in this state."""
    state: int = alias.state[side]
    previous: int = alias.written[side] >> PREVIOUS
    return state == ESTABLISHED or (state == CLOSED and previous == ESTABLISHED)


def _note_gaps(alias: Any, sender: Any, peer: Any, ack: int, side: int) -> None:
    """Write G for the peer if `ack` covers bytes that were not captured, once for each hole.

    Bytes cut off by the snap length count only once, because the fast path does not check their acknowledgments.
    """
    other = side ^ 1
    if alias.written[other] & GAVE_UP:
        return
    if peer.traits & TRAIT_FIN and seqspace.seq_ge(ack, peer.fin_seq):
        ack = (peer.fin_seq - 1) & MASK32
    delivered = peer.contiguous
    acked = sender.traits & TRAIT_ACKS != 0
    if acked:
        delivered = seqspace.seq_max(delivered, sender.last_ack)
    if alias.written[other] & CUT and seqspace.seq_gt(ack, (peer.iss + 1) & MASK32):
        if not acked or seqspace.seq_gt(ack, sender.last_ack):
            alias.written[other] &= ~CUT & MASK16
            alias.gaps[other] = _count(alias, LETTER_G, alias.gaps[other], other)
        return
    holed = peer.traits & TRAIT_HOLE != 0
    if holed and seqspace.seq_le(peer.hole_start, delivered):
        delivered = seqspace.seq_max(delivered, peer.hole_end)
    if seqspace.seq_le(ack, delivered):
        return
    above_hole = seqspace.seq_diff(peer.snd_nxt, peer.contiguous)
    trusted = acked and seqspace.seq_gt(sender.last_ack, (peer.iss + 1) & MASK32)
    if holed and not trusted and above_hole > ABOVE_HOLE:
        alias.written[other] |= GAVE_UP
        return
    alias.gaps[other] = _count(alias, LETTER_G, alias.gaps[other], other)
    if holed and seqspace.seq_gt(peer.hole_start, delivered) and seqspace.seq_gt(ack, peer.hole_end):
        alias.gaps[other] = _count(alias, LETTER_G, alias.gaps[other], other)


def _plain_letters(alias: Any, side: int) -> int:
    """Return the ZEEK_* bits of an endpoint: what its plain segments can no longer change."""
    written = alias.written[side ^ alias.flipped]
    bits = 0
    if not alias.written[side ^ 1] & CUT:
        if written & WROTE_D and not alias.written[side] & CREDITED:
            bits |= ZEEK_WROTE_D
        if written & WROTE_A:
            bits |= ZEEK_WROTE_A
    if alias.state[side] != INACTIVE:
        bits |= ZEEK_ESTABLISHED
    return bits


def _already(alias: Any, bit: int, letter: int, side: int) -> bool:
    """Write `letter` if none of its kind was written for this role; return True if one was."""
    if letter in (LETTER_A, LETTER_D) and alias.length == 1 and alias.history[0] == LETTER_H:
        # The first packet, a SYN-ACK, turns out to be an answer.
        alias.length = 0
        _exchange(alias)
        _append(alias, LETTER_H | 1 << LOWER)
    role = side ^ alias.flipped
    if alias.written[role] & bit:
        return True
    alias.written[role] |= bit
    _write(alias, letter, side)
    return False


def _exchange(alias: Any) -> None:
    """Exchange the roles and write `^`."""
    alias.flipped ^= 1
    _append(alias, FLIP)


def _count(alias: Any, letter: int, count: int, side: int) -> int:
    """Count an event and write its letter at powers of ten; return the new count."""
    if count == 0xFFFF:
        return count
    count += 1
    if count in (1, 10, 100, 1000, 10000):
        _write(alias, letter, side)
    return count


def _write(alias: Any, letter: int, side: int) -> None:
    """Append `letter` in the case of the role that `side` has."""
    _append(alias, letter | (side ^ alias.flipped) << LOWER)


def _append(alias: Any, letter: int) -> None:
    """Append a letter if the history is not full."""
    if alias.length < ROOM:
        alias.history[alias.length] = letter
        alias.length += 1


def _set_state(alias: Any, side: int, state: int) -> None:
    """Set Zeek's state of a side and remember the previous one."""
    before = alias.state[side]
    if before != state:
        alias.written[side] = (alias.written[side] & BELOW_PREVIOUS) | before << PREVIOUS
        alias.state[side] = state
