"""Reassemble the bytes of a side: each byte is parsed once, and segments beyond a hole are held until it is filled."""

from typing import Any

from handshake_inspect.tcp.facts import TRAIT_ACKS
from handshake_inspect.tcp.setup import records, text, waits
from handshake_inspect.tcp.setup import setup_rows as sr
from handshake_inspect.tcp.setup.facts import (
    FINISHED_PERHAPS,
    LACKS_GREETING,
    LACKS_PROLOGUE,
    MOST_BYTES,
    READ_TEXT,
    SETUP_DOUBTED,
    SETUP_HOLE,
)
from handshake_inspect.tcp.setup.setup_rows import BUFFER, HELD
from handshake_inspect.tls import byte_store
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import MASK32

WHOLE_HELLO = 6  # bytes needed to recognise a record with a ClientHello


def take(focus: Any, payload_len: int, options_len: int) -> None:
    """Process a segment with payload."""
    reading = focus.reading
    side = focus.side
    end = focus.end
    fresh = seqspace.seq_gt(end, reading.beyond[side])
    if fresh:
        waits.on_data(focus, payload_len, options_len)
    elif payload_len > 1 or focus.peer.traits & TRAIT_ACKS:
        waits.on_again(focus)  # one byte may be a probe
    if seqspace.seq_le(focus.end, reading.next[side]):
        return
    if not focus.is_client and reading.state[side] == READ_TEXT:
        pass_greeting(focus)
    if seqspace.seq_gt(focus.seq, reading.next[side]) and not is_behind_text(focus):
        hold(focus)
    elif reading.hold[side]:
        fill(focus)
    else:
        feed(focus)
    if fresh and (not focus.over or reading.done):
        reading.beyond[side] = seqspace.seq_max(reading.beyond[side], end)


def is_behind_text(focus: Any) -> bool:
    """Return True, and skip to it, if TLS begins after text that the capture lacks.

    The peer has acknowledged that text, so it will not be retransmitted, and text needs no framing.  A ServerHello
    needs no acknowledgment: the ClientHello that it answers, which would carry it, is missing.
    """
    reading = focus.reading
    if reading.state[focus.side] != READ_TEXT or not begins_hello(focus):
        return False
    unheard = not focus.peer.traits & TRAIT_ACKS or seqspace.seq_lt(focus.peer.last_ack, focus.seq)
    if unheard and not text.looks_like_server_hello(focus.data, focus.at, focus.captured):
        return False
    reading.next[focus.side] = focus.seq
    focus.setup.lacks |= LACKS_PROLOGUE
    if reading.prologue == 0:
        focus.setup.lacks |= LACKS_GREETING  # perhaps: what the client began with is missing, too
    return True


def begins_hello(focus: Any) -> bool:
    """Return True if a segment begins with a hello after text, or with what follows missing hellos."""
    reading = focus.reading
    if focus.lacks(focus.acked) and text.looks_like_ciphertext(focus.data, focus.at, focus.captured):
        return True
    if not focus.is_client:
        return text.looks_like_server_hello(focus.data, focus.at, focus.captured) and focus.lacks(focus.acked)
    if focus.captured < WHOLE_HELLO or not (reading.kind or reading.prologue):
        return False
    return text.looks_like_hello(focus.data, focus.at, focus.captured)


def pass_greeting(focus: Any) -> None:
    """Skip server text that the capture lacks and that the client received before its first request."""
    reading = focus.reading
    side = focus.side
    asked = reading.ack[side ^ 1]
    lacking = focus.setup.lacks & LACKS_GREETING and focus.exchange.request_frame
    if lacking and seqspace.seq_gt(asked, reading.next[side]) and seqspace.seq_ge(focus.seq, asked):
        reading.next[side] = asked


def feed(focus: Any) -> None:
    """Parse the bytes that are next in order."""
    reading = focus.reading
    records.read(focus)
    if not focus.over:
        reading.next[focus.side] = focus.end


def hold(focus: Any) -> None:
    """Hold bytes beyond a hole, with their times, as far as the buffer allows."""
    reading = focus.reading
    side = focus.side
    if ((focus.seq - reading.next[side]) & MASK32) > MOST_BYTES:
        return
    focus.setup.flags |= SETUP_HOLE
    if focus.is_client and reading.finished == FINISHED_PERHAPS:
        focus.setup.flags |= SETUP_DOUBTED
    if reading.hold[side] == 0:
        reading.hold[side] = focus.setups.new_buffer(focus.setup, side)
    buffer = sr.buffer_at(focus.setups.buffers, reading.hold[side] - 1)
    if buffer.count == HELD or is_held(buffer, focus.seq, focus.end):
        return
    i = buffer.count
    room = min(focus.captured, BUFFER - buffer.used)
    buffer.ns[i] = focus.ns
    buffer.seq[i] = focus.seq
    buffer.end[i] = focus.end
    buffer.ack[i] = focus.acked
    buffer.frame[i] = focus.frame
    buffer.at[i] = buffer.used
    buffer.captured[i] = room
    byte_store.copy(buffer.data, buffer.used, focus.data, focus.at, room)
    buffer.used += room
    buffer.count = i + 1


def is_held(buffer: Any, seq: int, end: int) -> bool:
    """Return True if a held segment contains these bytes."""
    for i in range(buffer.count):  # noqa: SIM110  a generator would be an object
        if seqspace.seq_le(buffer.seq[i], seq) and seqspace.seq_ge(buffer.end[i], end):
            return True
    return False


def fill(focus: Any) -> None:
    """Parse bytes that fill a hole, and the held segments that follow."""
    reading = focus.reading
    side = focus.side
    buffer = sr.buffer_at(focus.setups.buffers, reading.hold[side] - 1)
    pass_over(buffer, reading.next[side])
    if not is_done(buffer):
        waits.lose(focus, focus.ns - first_held(buffer, focus.ns))
        waits.note_filled(focus)
    feed(focus)
    while not focus.over:
        i = earliest(buffer, reading.next[side])
        if i < 0:
            break
        if seqspace.seq_gt(buffer.end[i], reading.next[side]):
            resume(focus, buffer, i)
            feed(focus)
        buffer.end[i] = buffer.seq[i]  # done
    if not focus.over and is_done(buffer):
        focus.setups.give_back(reading.hold[side])
        reading.hold[side] = 0
        if focus.is_client:
            focus.setup.flags &= ~SETUP_DOUBTED
    filled = reading.done != 0 or (not focus.over and reading.hold[side] == 0)
    if filled and reading.hold[side ^ 1] == 0:  # nothing is missing, at least before the response
        focus.setup.flags &= ~SETUP_HOLE


def pass_over(buffer: Any, next_seq: int) -> None:
    """Drop held segments that are no longer needed."""
    for i in range(buffer.count):
        if seqspace.seq_le(buffer.end[i], next_seq):
            buffer.end[i] = buffer.seq[i]


def first_held(buffer: Any, now: int) -> int:
    """Return the time of the earliest held segment."""
    for i in range(buffer.count):
        if buffer.end[i] != buffer.seq[i]:
            now = min(now, buffer.ns[i])
    return now


def earliest(buffer: Any, next_seq: int) -> int:
    """Return the index of the first held segment that continues the available bytes, -1 for none."""
    found = -1
    for i in range(buffer.count):
        if buffer.end[i] == buffer.seq[i] or seqspace.seq_gt(buffer.seq[i], next_seq):
            continue
        if found < 0 or seqspace.seq_lt(buffer.seq[i], buffer.seq[found]):
            found = i
    return found


def is_done(buffer: Any) -> bool:
    """Return True if no segment is held."""
    for i in range(buffer.count):  # noqa: SIM110  a generator would be an object
        if buffer.end[i] != buffer.seq[i]:
            return False
    return True


def resume(focus: Any, buffer: Any, i: int) -> None:
    """Set the focus to a held segment, whose bytes become available now."""
    focus.data = buffer.data
    focus.at = buffer.at[i]
    focus.captured = buffer.captured[i]
    focus.seq = buffer.seq[i]
    focus.end = buffer.end[i]
    focus.acked = buffer.ack[i]
    focus.frame = buffer.frame[i]
    focus.seen_ns = buffer.ns[i]
