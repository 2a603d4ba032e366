"""Entry point of set-up parsing: receives each segment from the first byte to the first response.

A plain request and its response, in one segment each, are handled here and use one row (`setup_rows.Exchange`).
Everything else goes through reassembly: TLS, servers that send first, flights of several segments, and holes.
"""

from typing import Any

from handshake_inspect.decode import payload
from handshake_inspect.tcp.facts import FACT_SYN, FACT_SYNACK, TRAIT_HOLE, TRAIT_ISS, TRAIT_SEEN
from handshake_inspect.tcp.setup import reassembly, text, waits
from handshake_inspect.tcp.setup import setup_rows as sr
from handshake_inspect.tcp.setup.facts import (
    EXCHANGE_ALERTED,
    EXCHANGE_SETUP,
    EXCHANGE_UNREAD,
    MOST_BYTES,
    MOST_SEGMENTS,
    READ_OVER,
    SETUP_EARLY_SENT,
    SETUP_SERVER_FINISHED,
    SETUP_SERVER_HELLO,
    SETUP_SPOKE_FIRST,
    SETUP_TLS,
    UPGRADE_NONE,
)
from handshake_inspect.tls.numbers import TLS12
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import ACK, FIN, MASK32, RST, SYN


def observe(
    focus: Any, owners: Any, table: Any, i: int, connection: Any, sender: Any, peer: Any, side: int, segment: Any
) -> None:
    """Process a segment of connection `i`, after its endpoints were updated."""
    if segment.flags & RST:
        return
    exchange = sr.exchange_at(table.setups.exchanges, i)
    if segment.flags & (SYN | ACK) == SYN | ACK:
        if connection.syn_payload and segment.ack == (peer.iss + 1) & MASK32:
            table.setups.release(i)  # the data on the SYN was not accepted and will be sent again
        number = exchange.setup & EXCHANGE_SETUP
        if number and sr.setup_at(table.setups.setups, number - 1).reading:
            reading = sr.reading_at(table.setups.readings, sr.setup_at(table.setups.setups, number - 1).reading - 1)
            if reading.segments[side] == 0:
                start_side(reading, side, sender, segment.seq)  # unknown when the SYN with data came
        return
    if exchange.setup & EXCHANGE_SETUP == 0 and is_plain(exchange, owners, connection, sender, peer, side, segment):
        return
    aim(focus, exchange, connection, sender, peer, side)
    focus.over = False
    focus.setup = sr.nothing()
    focus.seq = (segment.seq + 1) & MASK32 if segment.flags & SYN else segment.seq
    focus.end = (focus.seq + segment.payload_len) & MASK32
    if exchange.setup & EXCHANGE_SETUP == 0:
        begin(focus, i, segment)
    number = exchange.setup & EXCHANGE_SETUP
    if number == 0 or sr.setup_at(table.setups.setups, number - 1).reading == 0:
        focus.finish()  # no free row
        return
    focus.setup = sr.setup_at(table.setups.setups, number - 1)
    focus.reading = sr.reading_at(table.setups.readings, focus.setup.reading - 1)
    focus.frame = frame_since(connection, segment)
    focus.ns = segment.ts_ns
    focus.seen_ns = segment.ts_ns
    focus.acked = segment.ack
    if focus.reading.done:
        await_receipt(focus, segment)
        return
    if segment.flags & ACK:
        waits.on_acknowledgment(focus, segment.ack, segment.payload_len == 0 and not segment.flags & FIN)
    if segment.payload_len:
        read(focus, owners, segment)
    elif segment.flags & FIN:
        waits.on_end(focus)


def aim(focus: Any, exchange: Any, connection: Any, sender: Any, peer: Any, side: int) -> None:
    """Set the focus to the sender of a segment."""
    focus.connection = connection
    focus.exchange = exchange
    focus.sender = sender
    focus.peer = peer
    focus.side = side
    focus.is_client = side == connection.client


def frame_since(connection: Any, segment: Any) -> int:
    """Return a segment's frame number as set-up rows store it: 1 for the connection's first frame."""
    return min(segment.frame - connection.first_frame + 1, MASK32)


def await_receipt(focus: Any, segment: Any) -> None:
    """Process a segment after the response, which may be retransmitted until the client acknowledges it."""
    reading = focus.reading
    side = focus.side
    if focus.is_client:
        last = reading.answers - 1 if reading.answers else 0
        if segment.flags & ACK and seqspace.seq_gt(segment.ack, reading.answer_at[last]):
            focus.finish()
    elif segment.payload_len:
        reading.segments[side] += 1
        if segment.payload_len > 1 and seqspace.seq_le(focus.end, reading.beyond[side]):
            waits.on_again(focus)
        if reading.segments[side] >= MOST_SEGMENTS:
            focus.finish()


def answer_again(
    focus: Any, table: Any, i: int, connection: Any, sender: Any, peer: Any, side: int, segment: Any
) -> None:
    """Move a plain response to the time of its retransmission, if the client has not acknowledged it."""
    exchange = sr.exchange_at(table.setups.exchanges, i)
    number = exchange.setup & EXCHANGE_SETUP
    if exchange.response_frame == 0 or side == connection.client or seqspace.seq_gt(peer.last_ack, segment.seq):
        return
    if number and sr.setup_at(table.setups.setups, number - 1).flags & (SETUP_TLS | SETUP_SPOKE_FIRST):
        return
    aim(focus, exchange, connection, sender, peer, side)
    focus.ns = segment.ts_ns
    focus.frame = frame_since(connection, segment)
    if number == 0:
        focus.seq = segment.seq
        begin(focus, i, segment)
        number = exchange.setup & EXCHANGE_SETUP
    if number:
        focus.setup = sr.setup_at(table.setups.setups, number - 1)
        focus.setup.response_seen_ns = focus.setup.response_seen_ns or exchange.response_ns
        waits.lose(focus, focus.ns - focus.setup.response_seen_ns)
        focus.finish()
    exchange.response_ns = focus.ns
    exchange.response_frame = focus.frame


def read(focus: Any, owners: Any, segment: Any) -> None:
    """Parse a segment with payload of a connection that has a `Setup` row."""
    reading = focus.reading
    side = focus.side
    focus.data = payload.memory(owners, segment)
    focus.at = payload.start(segment)
    focus.captured = payload.captured(segment)
    focus.turned = reading.spoke != side + 1
    end = focus.end
    seq = focus.seq
    reading.segments[side] += 1
    reassembly.take(focus, segment.payload_len, segment.options_len)
    if focus.over:
        return
    if focus.is_client:
        note_client(focus, seq, end, segment.ts_ns)
    else:
        note_server(focus, seq, segment.ts_ns)
    if reading.segments[side] >= MOST_SEGMENTS or ((reading.next[side] - reading.base[side]) & MASK32) >= MOST_BYTES:
        focus.give_up()


def note_client(focus: Any, seq: int, end: int, now: int) -> None:
    """Record when the client last sent what the server answers next."""
    setup = focus.setup
    reading = focus.reading
    if setup.flags & SETUP_TLS and not setup.flags & SETUP_SERVER_HELLO and seqspace.seq_lt(seq, reading.hello_end):
        setup.hello_sent_ns = now
    if focus.exchange.response_frame:
        return
    if focus.exchange.request_frame:
        if seqspace.seq_gt(end, reading.request_at):
            setup.request_sent_ns = now
    elif setup.flags & SETUP_EARLY_SENT and seqspace.seq_gt(end, reading.early_at):
        setup.request_sent_ns = now


def note_server(focus: Any, seq: int, now: int) -> None:
    """Record when the server last sent what the client's Finished answers.

    Segments that acknowledge uncaptured bytes beyond ServerHello's acknowledgment were sent after that.
    """
    setup = focus.setup
    reading = focus.reading
    if focus.lacks(focus.acked) and seqspace.seq_gt(focus.acked, reading.server_hello_ack):
        return
    if setup.flags & SETUP_SERVER_HELLO and not reading.answered:
        if setup.flags & SETUP_SERVER_FINISHED and seqspace.seq_ge(seq, reading.finished_end):
            return  # TLS 1.3 data sent before the client's Finished arrived
        end = reading.next[focus.side]
        taken = reading.ack[focus.side ^ 1]
        if 0 < setup.version <= TLS12 and seqspace.seq_gt(taken, reading.server_hello_at):
            if seqspace.seq_ge(seq, taken):
                return  # the client's flight, stored before ServerHello, ended the server's
            end = taken if seqspace.seq_lt(taken, end) else end
        setup.flight_ns = now
        setup.server_flight_bytes = (end - reading.server_hello_at) & MASK32


def is_plain(exchange: Any, owners: Any, connection: Any, sender: Any, peer: Any, side: int, segment: Any) -> bool:
    """Record a request or response without TLS in one segment; return False if the segment needs full parsing."""
    if not connection.facts & (FACT_SYN | FACT_SYNACK):
        return in_midstream(owners, connection, side, segment)
    if side == connection.client:
        return segment.payload_len == 0 or is_plain_request(exchange, owners, connection, sender, peer, segment)
    asked = (
        exchange.request_frame != 0 and segment.flags & ACK and seqspace.seq_gt(segment.ack, (peer.iss + 1) & MASK32)
    )
    if asked and exchange.path == 0 and segment.ts_ns > exchange.request_ns:
        exchange.path = min(segment.ts_ns - exchange.request_ns, MASK32)
    if segment.payload_len == 0:
        return True
    if asked and sender.traits & TRAIT_ISS and segment.seq == (sender.iss + 1) & MASK32:
        return is_plain_response(exchange, owners, connection, segment)
    return False


def is_plain_response(exchange: Any, owners: Any, connection: Any, segment: Any) -> bool:
    """Record a response to a plain request; return False if it is a ServerHello (see `is_plain`)."""
    data = payload.memory(owners, segment)
    at = payload.start(segment)
    count = payload.captured(segment)
    if text.looks_like_server_hello(data, at, count):
        return False
    exchange.response_ns = segment.ts_ns
    exchange.response_frame = frame_since(connection, segment)
    if text.looks_like_alert(data, at, count):
        exchange.setup |= EXCHANGE_ALERTED
    connection.quick |= READ_OVER
    return True


def is_plain_request(exchange: Any, owners: Any, connection: Any, sender: Any, peer: Any, segment: Any) -> bool:
    """Record a plain request; return False if the segment needs full parsing (see `is_plain`)."""
    first = (sender.iss + 1) & MASK32
    seq = (segment.seq + 1) & MASK32 if segment.flags & SYN else segment.seq
    if seqspace.seq_le((seq + segment.payload_len) & MASK32, first):
        return True  # a keep-alive
    if exchange.request_frame or seq != first or is_to_be_read(owners, segment):
        return False
    if peer.traits & TRAIT_ISS and seqspace.seq_gt(segment.ack, (peer.iss + 1) & MASK32):
        return False  # the server sent first, but that was not captured
    exchange.request_ns = segment.ts_ns
    exchange.request_frame = frame_since(connection, segment)
    if payload.captured(segment) == 0:
        exchange.setup |= EXCHANGE_UNREAD
    return True


def is_to_be_read(owners: Any, segment: Any) -> bool:
    """Return True if the client's first segment begins TLS, or a protocol that may lead to it."""
    data = payload.memory(owners, segment)
    at = payload.start(segment)
    count = payload.captured(segment)
    return (
        text.looks_like_hello(data, at, count)
        or text.kind_of_client(data, at, count) != UPGRADE_NONE
        or text.hello_behind_proxy(data, at, count) != 0
        or (count < segment.payload_len and text.begins_proxy(data, at, count))
    )


def in_midstream(owners: Any, connection: Any, side: int, segment: Any) -> bool:
    """Do as `is_plain` for a midstream connection: only one that begins with a hello is parsed."""
    if segment.payload_len == 0:
        return True
    data = payload.memory(owners, segment)
    at = payload.start(segment)
    count = payload.captured(segment)
    if side == connection.client:
        hello = text.looks_like_hello(data, at, count)
    else:
        hello = text.looks_like_server_hello(data, at, count)
    if not hello:
        connection.quick |= READ_OVER
    return not hello


def begin(focus: Any, i: int, segment: Any) -> None:
    """Allocate rows for the set-up, and store what is known so far."""
    number = focus.setups.new_setup(i)
    if number == 0:
        return
    setup = sr.setup_at(focus.setups.setups, number - 1)
    reading = sr.reading_at(focus.setups.readings, setup.reading - 1)
    start_side(reading, focus.side, focus.sender, focus.seq)
    start_side(reading, focus.side ^ 1, focus.peer, segment.ack)
    exchange = focus.exchange
    client = focus.side if focus.is_client else focus.side ^ 1
    if exchange.request_frame:
        continue_plain(focus, reading, client, segment.options_len)
        setup.request_sent_ns = exchange.request_ns


def start_side(reading: Any, side: int, end: Any, seq: int) -> None:
    """Set where the bytes of a side begin: after its SYN, or at its first captured segment."""
    first = (end.iss + 1) & MASK32 if end.traits & (TRAIT_ISS | TRAIT_SEEN) else seq
    reading.base[side] = first
    reading.next[side] = first
    reading.beyond[side] = first


def continue_plain(focus: Any, reading: Any, client: int, options_len: int) -> None:
    """Continue after a plain request in the client's first segment."""
    exchange = focus.exchange
    end = focus.sender if focus.is_client else focus.peer
    first = (end.iss + 1) & MASK32  # start of its request, whether or not its SYN was captured
    behind = end.contiguous
    if end.hole_start != end.hole_end and end.hole_end == behind:
        behind = end.hole_start  # what follows was acknowledged but not captured
    if focus.is_client and not end.traits & TRAIT_HOLE and seqspace.seq_gt(focus.seq, first):
        behind = focus.seq
    reading.request_at = first
    reading.ack[client] = reading.base[client ^ 1]
    reading.base[client] = first
    reading.next[client] = behind
    reading.beyond[client] = behind
    reading.segments[client] = 1
    reading.burst[client] = 1
    reading.spoke = client + 1
    reading.flying[client] = 1
    reading.small[client] = ((behind - first) & MASK32) % waits.largest(focus, options_len) != 0
    reading.prologue = 1
    reading.sent_ns[client] = exchange.request_ns
    if exchange.path:
        reading.acked_ns[client] = exchange.request_ns + exchange.path
        reading.news_ns[client] = reading.acked_ns[client]
