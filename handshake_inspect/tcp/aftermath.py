"""Track unusual events after the handshake: pauses, retransmissions, keep-alives, zero windows and MTU errors.

A connection gets a row (`rows.Aftermath`) with its first pause, retransmission or keep-alive.  Only the full path
writes it; the fast path recognises segments that belong here from `Endpoint.largest` and `Connection.last_ns`.

*Pause*: no segment for `PAUSE_NS` while neither endpoint owes an acknowledgment.  The segment that ends it is kept
(side and first byte), to recognise a RST that came unprompted, that answered a request after the pause, or that crossed
one. *Repeated*: the first unacknowledged byte is retransmitted; timeouts in between are not pauses.  *Keep-alives*
count until the peer is seen again.  While retransmissions or keep-alives are unanswered, no segment takes the fast
path (`FACT_UNANSWERED`).

`FACT_DEAD_PEER`: an endpoint sent a RST while its keep-alives were unanswered (`DEAD_PROBES`; Linux sends it with the
last one, tcp_keepalive_probes), or after `DEAD_REPEATS` retransmissions of data too short for an MTU problem without
any answer.  With such a RST a kernel or an application gives up on a peer that is gone.

A *keep-alive race*: an endpoint that closed after a pause receives a request that it does not acknowledge but resets.
The FIN and the request crossed: they are within the handshake's RTT, plus `SLACK_NS` for slow readers.
"""

from typing import Any

from handshake_inspect.tcp import endpoint, rows
from handshake_inspect.tcp.facts import (
    DEAD_PROBES,
    DEAD_REPEATS,
    EVENT_RACE,
    EVENT_WAITED,
    FACT_ACKED,
    FACT_ASKED_AGAIN,
    FACT_DEAD_PEER,
    FACT_MIDSTREAM,
    FACT_RST,
    FACT_UNANSWERED,
    PAUSE_NS,
    SHORT,
    TRAIT_ACKS,
    TRAIT_FIN,
    TRAIT_SEEN,
)
from handshake_inspect.tcp.limits import RTT_NS, SHRUNK_REPEATS, SLOW_REPEATS
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import ACK, MASK16, MASK32, MASK64, OPT_SACK, RST

SLACK_NS = 10_000_000


def observe(
    table: Any, i: int, connection: Any, sender: Any, peer: Any, segment: Any, side: int, before_ns: int
) -> None:
    """Process a segment of connection `i` without SYN, before it changes other rows; the last was at `before_ns`."""
    if not connection.facts & (FACT_ACKED | FACT_MIDSTREAM) or connection.facts & FACT_RST:
        return
    pause_ns = segment.ts_ns - before_ns
    if pause_ns >= PAUSE_NS and is_quiet(sender, peer):
        on_pause(table, connection, sender, peer, segment, side, pause_ns)
    if segment.payload_len:
        on_payload(table, i, connection, sender, peer, segment, side, before_ns)
    if endpoint.is_probe(sender, peer, segment) and not segment.flags & RST and sender.traits & TRAIT_SEEN:
        on_probe(table, connection, peer, segment, side, pause_ns)
    if segment.options & OPT_SACK and seqspace.seq_gt(segment.sack_left, segment.ack):
        on_hole(table, connection, segment, side ^ 1)
    if connection.aftermath and (connection.facts & FACT_ASKED_AGAIN != 0 or segment.flags & RST):
        aftermath = rows.aftermath_at(table.aftermaths, connection.aftermath - 1)
        on_answer(aftermath, segment, side ^ 1)
        if segment.flags & RST:
            on_rst(connection, aftermath, sender, peer, segment, side)
        note_waiting(connection, aftermath, sender, peer, segment, side)


def note_shut(table: Any, connection: Any, segment: Any, side: int) -> None:
    """Track how long the window of `side` is zero."""
    if not table.new_aftermath(connection):
        return
    aftermath = rows.aftermath_at(table.aftermaths, connection.aftermath - 1)
    since_ns = aftermath.shut_since_ns[side]
    if segment.window == 0 and since_ns == 0:
        aftermath.shut_since_ns[side] = segment.ts_ns
    elif segment.window and since_ns:
        aftermath.shut_ns[side] += max(segment.ts_ns - since_ns, 0)
        aftermath.shut_since_ns[side] = 0


def is_quiet(sender: Any, peer: Any) -> bool:
    """Return True if each endpoint has acknowledged everything that the other sent."""
    seen = TRAIT_SEEN | TRAIT_ACKS
    return (
        sender.traits & peer.traits & seen == seen
        and peer.last_ack == sender.snd_nxt
        and sender.last_ack == peer.snd_nxt
    )


def on_pause(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int, pause_ns: int) -> None:
    """Process a segment that ends a pause."""
    if segment.seq == (sender.snd_nxt - 1) & MASK32 and segment.payload_len <= 1 and not segment.flags & RST:
        return  # a keep-alive shows that an endpoint is alive, not that it does anything
    if not table.new_aftermath(connection):
        return
    aftermath = rows.aftermath_at(table.aftermaths, connection.aftermath - 1)
    if aftermath.resumed_ns and aftermath.idle_ns > aftermath.survived_ns:
        aftermath.survived_ns = aftermath.idle_ns
    if segment.flags & RST:
        aftermath.rst_idle_ns = pause_ns
        if seqspace.seq_gt(endpoint.newest_us(peer), endpoint.newest_us(sender)):
            aftermath.events |= EVENT_WAITED
        return
    aftermath.idle_ns = pause_ns
    aftermath.resumed_ns = segment.ts_ns
    aftermath.resumed_seq = segment.seq
    aftermath.resumed_side = side
    aftermath.request_ns = 0


def on_payload(
    table: Any, i: int, connection: Any, sender: Any, peer: Any, segment: Any, side: int, before_ns: int
) -> None:
    """Process payload: the longest so far, the first since the other side's last, or a retransmission."""
    end = (segment.seq + segment.payload_len) & MASK32
    if seqspace.seq_ge(segment.seq, sender.snd_nxt) or not sender.traits & TRAIT_SEEN:
        if segment.payload_len > sender.largest and not segment.flags & RST:
            grow(table, i, sender, peer, segment, side)
        if connection.aftermath:
            note_request(rows.aftermath_at(table.aftermaths, connection.aftermath - 1), segment, side)
    elif (
        peer.traits & TRAIT_ACKS != 0
        and peer.window != 0
        and seqspace.seq_le(segment.seq, peer.last_ack)
        and seqspace.seq_gt(end, peer.last_ack)
        and table.new_aftermath(connection)
    ):
        aftermath = rows.aftermath_at(table.aftermaths, connection.aftermath - 1)
        connection.facts |= FACT_ASKED_AGAIN
        repeat(table, i, aftermath, sender, peer, segment, side, before_ns)


def grow(table: Any, i: int, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Record the longest payload so far."""
    sizes = rows.sizes_at(table.sizes, i)
    if sender.largest and peer.traits & TRAIT_ACKS and seqspace.seq_ge(peer.last_ack, sizes.end[side]):
        sizes.before[side] = sender.largest
    sizes.end[side] = (segment.seq + segment.payload_len) & MASK32
    sender.largest = min(segment.payload_len, MASK16)


def note_request(aftermath: Any, segment: Any, side: int) -> None:
    """Record the first new bytes from the side that did not end the pause."""
    if aftermath.resumed_ns and side != aftermath.resumed_side and aftermath.request_ns == 0:
        aftermath.request_ns = segment.ts_ns


def repeat(table: Any, i: int, aftermath: Any, sender: Any, peer: Any, segment: Any, side: int, before_ns: int) -> None:
    """Record a retransmission of the first unacknowledged byte."""
    length = min(segment.payload_len, MASK16)
    if aftermath.repeats[side] == 0 or aftermath.seq[side] != peer.last_ack:
        begin(table, i, aftermath, sender, peer, segment, side, before_ns)
    elif length < aftermath.length[side] and aftermath.repeats[side] >= SHRUNK_REPEATS:
        aftermath.shrunk_from[side] = aftermath.length[side]
    if aftermath.repeats[side] == 0 or length < aftermath.length[side]:
        aftermath.length[side] = length
    if aftermath.repeats[side] < MASK16:
        aftermath.repeats[side] += 1
    aftermath.repeated_ns[side] = segment.ts_ns
    aftermath.frame[side] = segment.frame & MASK32


def begin(table: Any, i: int, aftermath: Any, sender: Any, peer: Any, segment: Any, side: int, before_ns: int) -> None:
    """Start recording a segment that is retransmitted for the first time."""
    sizes = rows.sizes_at(table.sizes, i)
    aftermath.seq[side] = peer.last_ack
    aftermath.repeats[side] = 0
    aftermath.answers[side] = 0
    aftermath.first_ns[side] = before_ns
    aftermath.waited_ns[side] = 0
    if aftermath.resumed_ns and aftermath.resumed_side == side and aftermath.resumed_seq == peer.last_ack:
        aftermath.first_ns[side] = aftermath.resumed_ns
        aftermath.waited_ns[side] = aftermath.idle_ns
    acknowledged = seqspace.seq_ge(peer.last_ack, sizes.end[side])
    aftermath.passed[side] = sender.largest if acknowledged else sizes.before[side]


def on_probe(table: Any, connection: Any, peer: Any, segment: Any, side: int, pause_ns: int) -> None:
    """Record a keep-alive, unless it is a window probe."""
    if peer.window == 0 or not table.new_aftermath(connection):
        return
    aftermath = rows.aftermath_at(table.aftermaths, connection.aftermath - 1)
    connection.facts |= FACT_ASKED_AGAIN
    if aftermath.probes[side] == 0:
        aftermath.probe_ns[side] = segment.ts_ns
        aftermath.probe_idle_ns[side] = pause_ns if pause_ns >= PAUSE_NS else 0
    if aftermath.probes[side] < MASK16:
        aftermath.probes[side] += 1
    aftermath.probed_ns[side] = segment.ts_ns
    aftermath.probe_frame[side] = segment.frame & MASK32


def on_hole(table: Any, connection: Any, segment: Any, asker: int) -> None:
    """Record a SACK: later bytes of `asker` arrived, those from the acknowledgment on did not."""
    if table.new_aftermath(connection):
        rows.aftermath_at(table.aftermaths, connection.aftermath - 1).holed[asker] = segment.ack


def on_answer(aftermath: Any, segment: Any, asker: int) -> None:
    """Process a segment from the peer of `asker`: it answers keep-alives, and perhaps retransmissions."""
    if segment.flags & RST:
        return
    if aftermath.probes[asker]:
        aftermath.survived_ns = max(aftermath.survived_ns, aftermath.probe_idle_ns[asker])
        aftermath.probes[asker] = 0
    unmoved = aftermath.repeats[asker] and segment.flags & ACK and segment.ack == aftermath.seq[asker]
    if unmoved and aftermath.answers[asker] < MASK16:
        aftermath.answers[asker] += 1


def on_rst(connection: Any, aftermath: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Process a RST, acceptable or not."""
    data = (
        aftermath.repeats[side] >= DEAD_REPEATS
        and peer.last_ack == aftermath.seq[side]
        and aftermath.answers[side] == 0
        and aftermath.length[side] <= SHORT
    )
    if aftermath.probes[side] >= DEAD_PROBES or data:
        connection.facts |= FACT_DEAD_PEER
    if is_race(connection, aftermath, sender, peer, side):
        aftermath.events |= EVENT_RACE


def is_race(connection: Any, aftermath: Any, sender: Any, peer: Any, side: int) -> bool:
    """Return True if a RST answers a request that crossed its sender's FIN."""
    if not sender.traits & TRAIT_FIN or connection.fin_side != side or connection.fin_ns < aftermath.resumed_ns:
        return False
    beyond = peer.snd_nxt
    if peer.traits & TRAIT_FIN and peer.fin_seq == beyond:
        beyond = (beyond - 1) & MASK32  # the FIN is not a request
    if aftermath.resumed_ns == 0 or sender.traits & TRAIT_ACKS == 0 or seqspace.seq_ge(sender.last_ack, beyond):
        return False
    asked_ns = connection.fin_ns
    if aftermath.resumed_side != side:
        asked_ns = aftermath.resumed_ns
    elif aftermath.request_ns:
        asked_ns = aftermath.request_ns
    apart = asked_ns - connection.fin_ns
    if apart < 0:
        apart = -apart
    return apart <= rtt_of(connection) + SLACK_NS


def rtt_of(connection: Any) -> int:
    """Return the upper bound of the handshake's RTT, RTT_NS if unknown."""
    if connection.synack_max_ns > 0 or connection.ackdat_max_ns > 0:
        return max(connection.synack_max_ns, 0) + max(connection.ackdat_max_ns, 0)
    return RTT_NS


def note_waiting(connection: Any, aftermath: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Update FACT_UNANSWERED: whether anything is still unanswered after this segment."""
    mine = aftermath.repeats[side] >= SLOW_REPEATS and aftermath.seq[side] == peer.last_ack
    theirs = aftermath.repeats[side ^ 1] >= SLOW_REPEATS and not (
        segment.flags & ACK and seqspace.seq_gt(segment.ack, aftermath.seq[side ^ 1])
    )
    theirs = theirs and sender.last_ack == aftermath.seq[side ^ 1]
    if mine or theirs or aftermath.probes[0] or aftermath.probes[1]:
        connection.facts |= FACT_UNANSWERED
    else:
        connection.facts &= ~FACT_UNANSWERED & MASK64


def on_too_big(table: Any, connection: Any, segment: Any, side: int) -> None:
    """Record an ICMP "packet too big" error for a packet of `side`."""
    if not table.new_aftermath(connection):
        return
    aftermath = rows.aftermath_at(table.aftermaths, connection.aftermath - 1)
    if aftermath.too_big[side] < MASK16:
        aftermath.too_big[side] += 1
    if segment.mtu and (aftermath.mtu[side] == 0 or segment.mtu < aftermath.mtu[side]):
        aftermath.mtu[side] = segment.mtu
    if aftermath.too_big_frame == 0:
        aftermath.too_big_frame = segment.frame & MASK32
