"""Anomalies of a segment, derived from the rows that it changed, as sentences with the RFC that applies."""

from collections.abc import Callable, Iterator

from handshake_inspect.report.segment_log import Change
from handshake_inspect.report.story import Mark
from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_BAD_SYNACK,
    FACT_BLIND_SYN,
    FACT_CHALLENGE_ACK,
    FACT_CLIENT_LATE,
    FACT_ISN_CHANGED,
    FACT_MIDSTREAM,
    FACT_PORT_REUSED,
    FACT_REBUFFED,
    FACT_REORDERED,
    FACT_RST,
    FACT_RST_DOUBTED,
    FACT_RST_IGNORED,
    FACT_SERVER_LATE,
    FACT_SYNACK,
    FACT_TTL_TWIN,
    TRAIT_HOLE,
)
from handshake_inspect.wire.const import ACK, FIN, KIND_ICMP_ERROR, MASK32, NOTE_DAMAGED, RST, SYN
from handshake_inspect.wire.text import plural

Names = tuple[str, str]  # the sender's role and its peer's

RFC_9293 = "RFC 9293 section "
RFC_5961 = "RFC 5961 section "
BACK_OFF = "RFC 6298 section 5"


def anomalies(change: Change, names: Names) -> Iterator[Mark]:
    """Yield the anomalies of the segment of this change."""
    if change.segment.kind == KIND_ICMP_ERROR:
        yield from _soft_error(change, names)
        return
    if change.segment.notes & NOTE_DAMAGED:
        text = f"Wrong checksum: damaged on the path. The {names[1]} drops it, and hsi ignores it."
        yield Mark("bad-checksum", text, RFC_9293 + "3.1")
        return
    for look in _LOOKS:
        yield from look(change, names)


def _soft_error(change: Change, names: Names) -> Iterator[Mark]:
    if change.after.connection.facts & (FACT_SYNACK | FACT_ACKED | FACT_MIDSTREAM):
        yield Mark("soft-error", "An ICMP error that ends nothing: it may be temporary, or forged.", "RFC 5461")


def _repeated(change: Change, names: Names) -> Iterator[Mark]:
    if not change.counted("retransmissions"):
        return
    flags, sender = change.segment.flags, names[0]
    row = change.after.connection
    if flags & SYN and not flags & ACK:
        text = f"The {sender} sends its SYN for the {_ordinal(row.syn_count)} time: no SYN-ACK had reached it."
        yield Mark("syn-again", text, BACK_OFF)
    elif flags & SYN and change.added("resent_count"):
        text = f"The {sender} sends its SYN-ACK again although the final ACK has passed: it did not accept that ACK."
        yield Mark("synack-after-ack", text, RFC_9293 + "3.8.1")
    elif flags & SYN:
        which = _ordinal(row.synack_count)
        lost = "the final ACK was already on its way" if row.facts & FACT_ACKED else "no final ACK has passed yet"
        yield Mark("synack-again", f"The {sender} sends its SYN-ACK for the {which} time: {lost}.", BACK_OFF)
    elif flags & FIN and not change.segment.payload_len:
        yield Mark("fin-again", f"The {sender} repeats its FIN: no acknowledgment reached it.", BACK_OFF)
    else:
        size = plural(change.segment.payload_len, "byte")
        yield Mark("retransmission", f"{size} again: no acknowledgment reached the {sender}.", BACK_OFF)


def _ordinal(count: int) -> str:
    suffix = "th" if count % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{suffix}"


def _copies(change: Change, names: Names) -> Iterator[Mark]:
    if not change.counted("duplicates"):
        return
    if change.segment.ttl != change.sender.ttl and change.after.connection.facts & FACT_TTL_TWIN:
        text = "The same packet with another TTL: captured on both sides of a router. Not a retransmission."
    else:
        text = "The same packet again: captured in two places, or duplicated on the path. Not a retransmission."
    yield Mark("duplicate-copy", text)


def _order(change: Change, names: Names) -> Iterator[Mark]:
    if change.counted("out_of_order"):
        text = "Out of order: a later segment overtook it. Not a retransmission."
        yield Mark("out-of-order", text, RFC_9293 + "3.10.7.4")
    elif change.sender.traits & ~change.sender_before.traits & TRAIT_HOLE:
        text = f"Bytes of the {names[0]} before this segment are missing: lost, overtaken or not captured."
        yield Mark("gap", text, RFC_9293 + "3.10.7.4")
    if change.gained(FACT_REORDERED):
        yield Mark("stored-late", "The capture stored this SYN after the answer to it: its times prove nothing.")
    if change.gained(FACT_CLIENT_LATE) or change.gained(FACT_SERVER_LATE):
        yield Mark(
            "stored-late", "The capture stored these bytes behind later segments: not overtaken, not sent again."
        )


def _windows(change: Change, names: Names) -> Iterator[Mark]:
    sender, peer = names
    if change.counted("keep_alives"):
        text = f"Keep-alive: the {sender} checks whether the {peer} is still there."
        yield Mark("keep-alive", text, RFC_9293 + "3.8.4")
    if change.counted("zero_windows") and change.sender_before.window:
        yield Mark("zero-window", f"The {sender} can accept no more data: its window is full.", RFC_9293 + "3.8.6")
    elif change.counted("zero_windows"):
        yield Mark("zero-window", f"The {sender} still cannot accept more data.", RFC_9293 + "3.8.6")
    elif _is_probe(change):
        yield Mark("window-probe", f"The {sender} probes whether the window is still closed.", RFC_9293 + "3.8.6.1")
    elif change.sender_before.zero_windows and not change.sender_before.window and change.sender.window:
        yield Mark("window-open", f"The {sender} can accept data again.", RFC_9293 + "3.8.6")


def _is_probe(change: Change) -> bool:
    """Whether the segment is a zero-window probe: sent into a closed window without advancing SND.NXT."""
    shut = change.peer_before.zero_windows and not change.peer_before.window
    old = change.sender.snd_nxt == change.sender_before.snd_nxt and not change.counted("retransmissions")
    return bool(shut and old and change.segment.seq != change.sender.snd_nxt)


def _handshake(change: Change, names: Names) -> Iterator[Mark]:
    sender, peer = names
    flags = change.segment.flags
    if flags & (SYN | ACK) == SYN | ACK and change.showed(FACT_BAD_SYNACK):
        text = (
            f"This SYN-ACK does not answer the SYN: it acknowledges, or begins at, another number. The {peer} resets."
        )
        yield Mark("bad-syn-ack", text, RFC_9293 + "3.10.7.3")
    if flags & (SYN | ACK) == SYN | ACK and change.showed(FACT_ISN_CHANGED):
        text = "The SYN-ACK was repeated with another initial sequence number: two hosts answer, or one lost its state."
        yield Mark("isn-changed", text, RFC_9293 + "3.4.1")
    if flags & (SYN | ACK) == SYN and change.showed(FACT_BLIND_SYN):
        text = f"A new SYN while the {peer} holds the connection open: the {sender} lost its state, or it is forged."
        yield Mark("blind-syn", text, RFC_5961 + "4")
    if not flags & (SYN | RST) and change.showed(FACT_CHALLENGE_ACK):
        text = (
            "This ACK belongs to another connection: its sender remembers an older one (RFC 9293 calls it half-open)."
        )
        yield Mark("stray-ack", text, RFC_9293 + "3.5.1")
    if change.gained(FACT_PORT_REUSED):
        yield Mark("port-reuse", "The same addresses and ports were in use shortly before.", RFC_9293 + "3.6")


def _resets(change: Change, names: Names) -> Iterator[Mark]:
    sender, peer = names
    if change.segment.flags & RST:
        if change.showed(FACT_RST_DOUBTED):
            text = f"The {peer} must ignore this RST: its numbers do not fit. It is late or forged."
            yield Mark("rst-not-believed", text, RFC_5961 + "3")
        elif change.gained(FACT_REBUFFED):
            text = f"The {sender} resets the answer that does not fit, and keeps trying."
            yield Mark("rst-of-stray-answer", text, RFC_9293 + "3.10.7.3")
        elif change.added("rst_count") and change.before.connection.facts & FACT_RST:
            yield Mark("rst-again", "Another RST, although the connection is already gone.", RFC_9293 + "3.5.2")
    elif change.gained(FACT_RST_IGNORED):
        row = change.after.connection
        frame = row.first_frame + (row.rst_frame - row.first_frame & MASK32)
        text = f"The {sender} carries on: it ignored the RST of frame {frame}, or never got it."
        yield Mark("rst-ignored", text, RFC_9293 + "3.5.3")


_LOOKS: tuple[Callable[[Change, Names], Iterator[Mark]], ...] = (
    _handshake, _repeated, _copies, _order, _windows, _resets,
)  # fmt: skip
