"""Events that a segment caused in its connection, derived from the rows that it changed, as sentences."""

from collections.abc import Callable, Iterator

from handshake_inspect.report.segment_log import Change
from handshake_inspect.report.story import Mark
from handshake_inspect.tcp.facts import (
    FACT_ABORTED,
    FACT_ACKED,
    FACT_BARE_RST_AFTER_ACK,
    FACT_CLIENT_DATA,
    FACT_DATA_ACK,
    FACT_DEFERRED,
    FACT_LAST_ACK_SEEN,
    FACT_LATER_ACK,
    FACT_MIDSTREAM,
    FACT_REFUSED,
    FACT_RST,
    FACT_RST_DOUBTED,
    FACT_SERVER_DATA,
    FACT_SIMULTANEOUS,
    FACT_SYN,
    FACT_SYNACK,
    FACT_TFO,
    TRAIT_FIN,
    TRAIT_FIN_ACKED,
)
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.wire.const import KIND_ICMP_ERROR, RST
from handshake_inspect.wire.text import plural

Names = tuple[str, str]  # the sender's role and its peer's

RFC_9293 = "RFC 9293 section "


def events(change: Change, names: Names, *, completes: bool) -> Iterator[Mark]:
    """Yield the events of the segment of this change; `completes` is True if the handshake completed eventually."""
    if change.segment.kind == KIND_ICMP_ERROR:
        return
    for look in _LOOKS:
        yield from look(change, names)
    if change.gained(FACT_ACKED) and not change.gained(FACT_SIMULTANEOUS):
        yield _final_ack(change, names, completes=completes)
    yield from _data(change, names)
    yield from _close(change, names)


def _opening(change: Change, names: Names) -> Iterator[Mark]:
    sender, peer = names
    if change.gained(FACT_MIDSTREAM):
        yield Mark("midstream", "The capture begins in the middle of this connection: its opening is missing.")
    if change.gained(FACT_SYN):
        size = change.segment.payload_len
        data = f", with {plural(size, 'byte')} of Fast Open data" if size else ""
        reference = "RFC 7413" if size else RFC_9293 + "3.5"
        yield Mark("syn", f"The {sender} opens a connection{data}.", reference)
    if change.gained(FACT_SIMULTANEOUS):
        yield Mark("simultaneous-open", f"The {sender} opens too: both ends at the same time.", RFC_9293 + "3.5")
    elif change.gained(FACT_SYNACK) and change.after.connection.facts & FACT_SIMULTANEOUS:
        yield Mark("syn-ack", f"The {sender} acknowledges the SYN of the {peer}.", RFC_9293 + "3.5")
    elif change.gained(FACT_SYNACK) and change.after.connection.facts & FACT_SYN:
        data = ", and accepts the Fast Open data" if change.gained(FACT_TFO) else ""
        yield Mark("syn-ack", f"The {sender} accepts the connection{data}.", "RFC 7413" if data else RFC_9293 + "3.5")
    elif change.gained(FACT_SYNACK):
        yield Mark("syn-ack", f"The {sender} accepts a SYN that is not in the capture.", RFC_9293 + "3.5")


def _final_ack(change: Change, names: Names, *, completes: bool) -> Mark:
    what = "This data is the final ACK too" if change.gained(FACT_DATA_ACK) else "The final ACK"
    if change.gained(FACT_LATER_ACK):
        what = "This proves the final ACK, which is not in the capture"
    if change.after.connection.facts & FACT_SIMULTANEOUS:
        what = "Both ends have acknowledged"
    end = "the handshake is complete" if completes else f"the {names[0]} thinks it is connected"
    return Mark("final-ack", f"{what}: {end}.", RFC_9293 + "3.5")


def _data(change: Change, names: Names) -> Iterator[Mark]:
    if change.gained(FACT_DEFERRED):
        yield Mark("deferred", f"The {names[0]} waited for data before it went on: TCP_DEFER_ACCEPT.")
    if change.gained(FACT_CLIENT_DATA) or change.gained(FACT_SERVER_DATA):
        size = plural(change.segment.payload_len, "byte")
        yield Mark("first-data", f"First data of the {names[0]}: {size}.")


def _close(change: Change, names: Names) -> Iterator[Mark]:
    sender, peer = names
    if change.sender.traits & ~change.sender_before.traits & TRAIT_FIN:
        too = " too" if change.peer_before.traits & TRAIT_FIN else ""
        yield Mark("fin", f"The {sender} closes its direction{too}: it has nothing more to send.", RFC_9293 + "3.6")
    if change.gained(FACT_LAST_ACK_SEEN):
        yield Mark("closed", "Both directions are closed and acknowledged.", RFC_9293 + "3.6")
    elif change.peer.traits & ~change.peer_before.traits & TRAIT_FIN_ACKED and not change.sender.traits & TRAIT_FIN:
        text = f"The {sender} has seen the {peer}'s FIN, and may still send."
        yield Mark("fin-acknowledged", text, RFC_9293 + "3.6.1")
    for end, before, name in (
        (change.sender, change.sender_before, sender),
        (change.peer, change.peer_before, peer),
    ):
        if end.state == TcpState.TIME_WAIT != before.state:
            text = f"The {name} now waits in TIME_WAIT until old segments have died out."
            yield Mark("time-wait", text, RFC_9293 + "3.6")


def _reset(change: Change, names: Names) -> Iterator[Mark]:
    sender = names[0]
    if not change.segment.flags & RST:
        return
    row = change.after.connection
    if change.gained(FACT_REFUSED):
        yield Mark("refused", "A RST refuses the SYN.", RFC_9293 + "3.5.2")
    elif change.gained(FACT_ABORTED):
        yield Mark("aborted", f"The {sender} cancels its own attempt.", RFC_9293 + "3.5.2")
    elif change.gained(FACT_BARE_RST_AFTER_ACK):
        yield Mark("reset", f"The {sender} answers the final ACK with a RST: it drops the connection.")
    elif change.gained(FACT_RST) and row.facts & (FACT_SYN | FACT_SYNACK | FACT_ACKED | FACT_MIDSTREAM):
        yield Mark("reset", f"The {sender} resets the connection: it is gone at once.", RFC_9293 + "3.5.2")
    elif change.gained(FACT_RST):
        yield Mark("reset", "A RST whose reason is not in the capture.")
    elif row.facts & FACT_LAST_ACK_SEEN and not row.facts & FACT_RST_DOUBTED:
        yield Mark("late-reset", "A RST after both ends have closed: it changes little.", RFC_9293 + "3.5.2")


_LOOKS: tuple[Callable[[Change, Names], Iterator[Mark]], ...] = (_opening, _reset)
