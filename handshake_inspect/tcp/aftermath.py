"""What happens after the handshake that plain traffic does not know: pauses, and what nothing answers.

A connection has a row for it (`rows.Aftermath`) from the first pause, repeated segment or keep-alive on.  All of it is
written on the long path; `Endpoint.largest` and `Connection.last_ns` show the short one which segments belong here.

*Pause*: `PAUSE_NS` without a segment, while neither end owes an acknowledgment.  What ends it is kept (whose, from
which byte on), so that a RST can be recognised that came unprompted, that answered a request into the silence, or that
crossed one.  *Repeated*: the first byte that the peer has not acknowledged is sent again; timers that run out
in between make no pauses.  *Keep-alives* count until the peer is seen again, and so does what waits: as long as either
is so, no segment takes the short path (`FACT_UNANSWERED`).

`FACT_DEAD_PEER`: an end sent a RST while its keep-alives were unanswered (`DEAD_PROBES`; Linux sends it with the last,
tcp_keepalive_probes), or while data so short that no MTU can be the reason was repeated `DEAD_REPEATS` times and
nothing of the peer came.  Such a RST is how a kernel or an application gives up; the peer was gone before.

A *keep-alive race*: an end that had closed after a pause draws a request that it does not acknowledge and resets it.
The FIN and the request crossed: within the RTT that the handshake showed, and `SLACK_NS` for who reads late.
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
    """A segment of connection `i` without SYN, before anything else is made of it; the last one was at `before_ns`."""
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
    """Its window is zero, or no longer: how long the other end may not send."""
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
    """Whether each end has acknowledged all that the other one sent."""
    seen = TRAIT_SEEN | TRAIT_ACKS
    return (
        sender.traits & peer.traits & seen == seen
        and peer.last_ack == sender.snd_nxt
        and sender.last_ack == peer.snd_nxt
    )


def on_pause(table: Any, connection: Any, sender: Any, peer: Any, segment: Any, side: int, pause_ns: int) -> None:
    """A segment ends a pause."""
    if segment.seq == (sender.snd_nxt - 1) & MASK32 and segment.payload_len <= 1 and not segment.flags & RST:
        return  # a keep-alive: that an end is there says nothing of what it does
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
    """Bytes: longer than any before, for the first time since the other end spoke, or once more."""
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
    """The longest payload so far."""
    sizes = rows.sizes_at(table.sizes, i)
    if sender.largest and peer.traits & TRAIT_ACKS and seqspace.seq_ge(peer.last_ack, sizes.end[side]):
        sizes.before[side] = sender.largest
    sizes.end[side] = (segment.seq + segment.payload_len) & MASK32
    sender.largest = min(segment.payload_len, MASK16)


def note_request(aftermath: Any, segment: Any, side: int) -> None:
    """New bytes of the end that did not end the pause."""
    if aftermath.resumed_ns and side != aftermath.resumed_side and aftermath.request_ns == 0:
        aftermath.request_ns = segment.ts_ns


def repeat(table: Any, i: int, aftermath: Any, sender: Any, peer: Any, segment: Any, side: int, before_ns: int) -> None:
    """The first byte that is not acknowledged, once more."""
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
    """A segment is repeated for the first time."""
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
    """A keep-alive; a window probe is none."""
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
    """What `asker` sent later arrived, and the bytes before it did not."""
    if table.new_aftermath(connection):
        rows.aftermath_at(table.aftermaths, connection.aftermath - 1).holed[asker] = segment.ack


def on_answer(aftermath: Any, segment: Any, asker: int) -> None:
    """A segment of the end that `asker` waits for: keep-alives are answered, a repeated segment perhaps not."""
    if segment.flags & RST:
        return
    if aftermath.probes[asker]:
        aftermath.survived_ns = max(aftermath.survived_ns, aftermath.probe_idle_ns[asker])
        aftermath.probes[asker] = 0
    unmoved = aftermath.repeats[asker] and segment.flags & ACK and segment.ack == aftermath.seq[asker]
    if unmoved and aftermath.answers[asker] < MASK16:
        aftermath.answers[asker] += 1


def on_rst(connection: Any, aftermath: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """A RST, believed or not."""
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
    """Whether a RST answers a request that crossed the FIN of its sender."""
    if not sender.traits & TRAIT_FIN or connection.fin_side != side or connection.fin_ns < aftermath.resumed_ns:
        return False
    beyond = peer.snd_nxt
    if peer.traits & TRAIT_FIN and peer.fin_seq == beyond:
        beyond = (beyond - 1) & MASK32  # that is no request
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
    """The RTT that the handshake showed, at most."""
    if connection.synack_max_ns > 0 or connection.ackdat_max_ns > 0:
        return max(connection.synack_max_ns, 0) + max(connection.ackdat_max_ns, 0)
    return RTT_NS


def note_waiting(connection: Any, aftermath: Any, sender: Any, peer: Any, segment: Any, side: int) -> None:
    """Whether anything waits for an answer once this segment has come."""
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
    """An ICMP error that quotes a packet of `side` because it is longer than a link takes."""
    if not table.new_aftermath(connection):
        return
    aftermath = rows.aftermath_at(table.aftermaths, connection.aftermath - 1)
    if aftermath.too_big[side] < MASK16:
        aftermath.too_big[side] += 1
    if segment.mtu and (aftermath.mtu[side] == 0 or segment.mtu < aftermath.mtu[side]):
        aftermath.mtu[side] = segment.mtu
    if aftermath.too_big_frame == 0:
        aftermath.too_big_frame = segment.frame & MASK32
