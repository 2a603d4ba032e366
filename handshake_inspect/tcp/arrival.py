"""Apply an arriving segment to its connection (RFC 9293 section 3.10.7): SYNs, RSTs, and all others.

`acceptance.py` decides if the receiver accepts it.  A SYN, or the RST that refuses one, may belong to another
incarnation of the 4-tuple.
"""

from typing import Any

from handshake_inspect.tcp import (
    acceptance,
    aftermath,
    answering,
    closing,
    endpoint,
    final_ack,
    incarnations,
    opening,
    order,
    reordering,
    resets,
    rst_doubts,
    simultaneous,
    wireshark,
)
from handshake_inspect.tcp.facts import (
    ACCEPTED,
    BEYOND,
    CHECK_DROPPED,
    CHECK_FIN_DOUBTED,
    CHECK_FIN_UNSEEN,
    EMBRYO_PROVISIONAL,
    FACT_ACKED,
    FACT_CLIENT_DATA,
    FACT_MIDSTREAM,
    FACT_RST,
    FACT_RST_IGNORED,
    FACT_SERVER_DATA,
    FACT_SYN,
    FACT_SYNACK,
    FACT_TFO,
    FIN_DROPPED,
    FIN_OUTSIDE,
    FIN_TAKEN,
    OURS,
    OUTSIDE,
    PROBE,
    PROVISIONAL,
    PROVISIONAL_ANSWERED,
    TRAIT_ACKS,
    TRAIT_FIN,
    TRAIT_HOLE,
    TRAIT_ISS,
    TRAIT_SEEN,
    VOID,
)
from handshake_inspect.tcp.limits import SEVERAL
from handshake_inspect.tcp.transitions import SENT_RST
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import ACK, FIN, MASK32


def on_syn(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> int:
    """Process a SYN or SYN-ACK; return OURS, or the verdict that it belongs to another incarnation."""
    if not sender.traits & TRAIT_SEEN:
        sender.ttl = segment.ttl
    begun = sender.traits & (TRAIT_SEEN | TRAIT_ISS) == TRAIT_SEEN
    first = (sender.iss + 1) & MASK32
    if segment.flags & ACK:
        if simultaneous.is_self(connection):
            simultaneous.with_itself(connection, sender, segment)
            endpoint.become(peer, sender.state)
            verdict = OURS
        elif reordering.late_syn_ack(table, connection, sender, peer, segment, side):
            verdict = OURS
        else:
            verdict = answering.on_syn_ack(table, connection, sender, peer, segment, side)
    elif reordering.late_syn(table, connection, sender, peer, segment, side):
        verdict = OURS
    else:
        verdict = opening.on_syn(table, connection, sender, peer, segment, side)
    if verdict == OURS:
        if begun and sender.traits & TRAIT_ISS:
            order.open_before(table, connection, sender, segment, side, first)
        wireshark.complete(connection, segment)
        if segment.flags & ACK:
            if answering.is_answer(connection, sender, peer, segment):
                endpoint.note_ack(sender, peer, segment)
            else:
                note_dropped(connection, sender, segment)
    if verdict == PROVISIONAL:
        incarnations.keep_provisional(table, connection, segment, EMBRYO_PROVISIONAL)
        return OURS
    return verdict


def on_rst(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> int:
    """Process a RST; return OURS, or the verdict that it belongs to another incarnation."""
    if not (sender.traits | peer.traits) & TRAIT_SEEN:
        connection.client = side if sender_is_client(segment) else side ^ 1
    if not answering.keeps_request(connection, side):
        if answering.answers_provisional(table, connection, segment):
            endpoint.apply(sender, SENT_RST)  # a host that refuses the new attempt no longer has the old connection
            return PROVISIONAL_ANSWERED
        if answering.refuses_longer_syn(table, connection, sender, segment):
            endpoint.apply(sender, SENT_RST)
    endpoint.begin(sender, segment)
    blind = not table.holds_plain
    resets.on_rst(connection, sender, peer, segment, side, blind, blind and table.connection_count >= SEVERAL)
    return OURS


def before_receipt(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Note what a segment shows by having been sent, whether or not its receiver accepts it."""
    if connection.provisional:
        incarnations.challenge(table, connection, peer, segment)
    if not connection.facts & (FACT_SYN | FACT_SYNACK | FACT_MIDSTREAM):
        connection.facts |= FACT_MIDSTREAM
        connection.first_flags = segment.flags & 0xFF
        connection.client = side if sender_is_client(segment) else side ^ 1
    if connection.facts & FACT_RST:
        rst_doubts.see(connection, sender, peer, side)
    if closing.is_unsent(sender, peer, segment):
        closing.forget_unsent(connection, sender, peer, segment, side)
        order.drop(table, connection, peer, segment, side ^ 1)


def on_segment(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> bool:
    """Process a segment with neither SYN nor RST; return False if its receiver drops it entirely."""
    before_receipt(table, connection, sender, peer, segment, side)
    grade = acceptance.acceptability(connection, sender, peer, segment, side)
    if grade == VOID:
        note_dropped(connection, sender, segment)
        return False
    endpoint.begin(sender, segment)
    if sender.checks & CHECK_FIN_DOUBTED and acceptance.is_fin_overwritten(sender, segment):
        sender.checks &= ~CHECK_FIN_DOUBTED & 0xFFFF
    if connection.facts & (FACT_RST | FACT_RST_IGNORED):
        rst_doubts.after_rst(connection, sender, peer, segment, side)
    elif sender.state_before_rst:
        rst_doubts.wait_on(connection, sender, segment, side)
    dead = connection.facts & FACT_RST
    if grade == ACCEPTED and closing.is_fin_refuted(sender, peer, segment):
        closing.refute_fin(connection, sender, peer, side)
    known = sender.checks & CHECK_FIN_UNSEEN and closing.is_fin_at_last(connection, sender, peer, segment, side)
    fin = receipt_of_fin(connection, sender, peer, segment, grade) if segment.flags & FIN and not known else FIN_DROPPED
    has_fin = fin == FIN_TAKEN
    if fin == FIN_OUTSIDE:
        grade = max(grade, OUTSIDE)
    if grade == BEYOND:
        note_dropped(connection, sender, segment)
        return False
    full = acceptance.is_at_edge(connection, sender, peer, segment)
    if segment.flags & ACK and not on_acknowledgment(table, connection, sender, peer, segment, side, grade):
        return True
    if full or closing.goes_beyond_fin(sender, segment):
        return True
    holed = sender.traits & TRAIT_HOLE
    kind = order.advance(table, connection, sender, peer, segment, side)
    if holed and not sender.traits & TRAIT_HOLE and not dead:
        closing.on_hole_filled(connection, sender, peer, segment)
        if sender.traits & TRAIT_FIN:
            has_fin = False
    if segment.window == 0 or (sender.window == 0 and connection.aftermath):
        aftermath.note_shut(table, connection, segment, side)
    endpoint.note_window(sender, segment)
    if segment.payload_len and kind != PROBE:
        connection.facts |= FACT_CLIENT_DATA if side == connection.client else FACT_SERVER_DATA
    if has_fin:
        closing.on_fin(connection, sender, peer, segment, side)
    return not (segment.payload_len and peer.window == 0 and peer.zero_windows)  # which does not fit a zero window


def receipt_of_fin(connection: Any, sender: Any, peer: Any, segment: Any, grade: int) -> int:
    """Return what the receiver does with the FIN of a segment: FIN_TAKEN, FIN_DROPPED, or FIN_OUTSIDE.

    What the capture leaves open is dropped and may be taken later (`acceptance.doubt_fin`).
    """
    dead = connection.facts & FACT_RST
    if not dead and not acceptance.is_fin_possible(connection, sender, peer, segment):
        return FIN_DROPPED
    outside = not dead and acceptance.is_fin_doubtful(connection, sender, peer, segment, grade)
    if not (dead or outside or acceptance.is_fin_cut_off(connection, sender, peer, segment)):
        return FIN_TAKEN
    acceptance.doubt_fin(sender, segment)
    return FIN_OUTSIDE if outside else FIN_DROPPED


def note_dropped(connection: Any, sender: Any, segment: Any) -> None:
    """Remember what a dropped segment acknowledged: a host without a connection puts that number into its RST."""
    if not connection.facts & FACT_RST:
        sender.before_rst_nxt = segment.ack
        sender.checks |= CHECK_DROPPED


def on_acknowledgment(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int, grade: int) -> bool:
    """Process the acknowledgment of a segment without SYN or RST; return False if it is not for this connection."""
    dead = connection.facts & FACT_RST
    if dead:
        if connection.facts & (FACT_TFO | FACT_ACKED) == FACT_TFO and side == connection.client:
            final_ack.client_ack(table, connection, sender, peer, segment)  # the application had the data
        endpoint.note_ack(sender, peer, segment)
        return True
    if grade != ACCEPTED and not connection.facts & FACT_ACKED:
        note_dropped(connection, sender, segment)
        return True
    if not final_ack.on_ack(table, connection, sender, peer, segment, side):
        note_dropped(connection, sender, segment)
        return False
    if sender.traits & TRAIT_ACKS and seqspace.seq_lt(segment.ack, sender.last_ack):
        note_dropped(connection, sender, segment)
    if acceptance.is_doubt_over(peer, segment):
        closing.fin_taken(connection, peer, sender, segment, side ^ 1)
    if grade == ACCEPTED:
        if closing.is_fin_skipped(connection, sender, segment):
            closing.skip_fin(connection, sender, peer, segment, side)
        if closing.is_fin_unseen(connection, sender, peer, segment):
            closing.believe_fin(connection, peer, sender, segment, side ^ 1)
    again = sender.traits & TRAIT_ACKS and segment.ack == sender.last_ack and segment.payload_len == 0
    order.acknowledge(table, connection, sender, peer, segment, side)
    if grade == ACCEPTED:
        closing.on_ack(connection, sender, peer, segment, side, again and not segment.flags & FIN)
    return True


def sender_is_client(segment: Any) -> bool:
    """Guess the roles without a handshake: return True unless the sender has the lower port."""
    return segment.src_port >= segment.dst_port
