"""FINs and what acknowledges them (RFC 9293 section 3.6): half-close, simultaneous close, TIME-WAIT."""

from typing import Any

from handshake_inspect.tcp import endpoint
from handshake_inspect.tcp.facts import FACT_LAST_ACK_SEEN, TRAIT_ACKS, TRAIT_FIN, TRAIT_FIN_ACKED
from handshake_inspect.tcp.transitions import (
    ACK_OF_FIN_WAS_LOST,
    FIN_WAS_LOST,
    GOT_ACK_OF_FIN,
    GOT_FIN,
    SENT_FIN,
    TcpState,
)
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import MASK32

TIME_WAIT = int(TcpState.TIME_WAIT)
CLOSE_WAIT = int(TcpState.CLOSE_WAIT)
ESTABLISHED = int(TcpState.ESTABLISHED)
FIN_WAIT_1 = int(TcpState.FIN_WAIT_1)
FIN_WAIT_2 = int(TcpState.FIN_WAIT_2)
BELIEVED_LOST = 2  # an ACK may be lost once; a FIN that comes again and again is not being acknowledged


def on_ack(connection: Any, sender: Any, peer: Any, segment: Any) -> None:
    """The segment may acknowledge the peer's FIN: then the sender has it, and the peer will learn so."""
    if not peer.traits & TRAIT_FIN or seqspace.seq_lt(segment.ack, peer.fin_seq):
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
    """Apply an event of the close and note when TIME-WAIT begins or begins anew."""
    before = end.state
    endpoint.apply(end, event)
    if end.state == TIME_WAIT and (before != TIME_WAIT or event == GOT_FIN):
        connection.time_wait_ns = segment.ts_ns


def on_fin(connection: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """A FIN: the first of its sender, or the same again."""
    if sender.traits & TRAIT_FIN:
        repeated_fin(connection, sender, peer, segment)
        return
    sender.traits |= TRAIT_FIN
    sender.fin_seq = (segment.seq + segment.payload_len + 1) & MASK32
    if connection.fin_frame == 0:
        connection.fin_ns = segment.ts_ns
        connection.fin_frame = segment.frame & MASK32
        connection.fin_side = side
    crossing = peer.traits & TRAIT_FIN and not peer.traits & TRAIT_FIN_ACKED
    if crossing:
        endpoint.apply(sender, FIN_WAS_LOST)
    endpoint.apply(sender, SENT_FIN)
    if crossing:
        step(connection, sender, segment, GOT_FIN)
    step(connection, peer, segment, GOT_FIN)


def repeated_fin(connection: Any, sender: Any, peer: Any, segment: Any) -> None:
    """The FIN again: it, or what acknowledged it, was lost."""
    if sender.traits & TRAIT_FIN_ACKED:
        if sender.fin_count < 255:
            sender.fin_count += 1
        sender.traits &= ~TRAIT_FIN_ACKED & 0xFF
        connection.facts &= ~FACT_LAST_ACK_SEEN & MASK32
        endpoint.apply(sender, ACK_OF_FIN_WAS_LOST)
        if peer.state == TIME_WAIT:
            connection.time_wait_ns = segment.ts_ns
    elif not has_acked(peer, sender.fin_seq):
        endpoint.apply(peer, FIN_WAS_LOST)
    if peer.traits & TRAIT_FIN and not has_acked(sender, peer.fin_seq):
        endpoint.apply(sender, FIN_WAS_LOST)  # by now it would acknowledge the peer's FIN, had it arrived


def has_acked(end: Any, seq: int) -> bool:
    """Whether it ever acknowledged all before `seq`."""
    return end.traits & TRAIT_ACKS != 0 and seqspace.seq_ge(end.last_ack, seq)
