"""Split the bytes of a side into TLS records (RFC 8446 section 5.1), after any text before them.

Only record headers are read; their length gives the start of the next record, and bodies except those of hellos are
skipped, captured or not.  Up to `HEAD` bytes of each record are kept to identify it.  If the snap length cut off a
header, parsing resumes with the side's next flight, which begins with a record.
"""

from typing import Any

from handshake_inspect.tcp.facts import FACT_SYN, FACT_SYNACK
from handshake_inspect.tcp.setup import hellos, messages, text, tls12, tls13
from handshake_inspect.tcp.setup.facts import (
    EXCHANGE_UNREAD,
    READ_LOST,
    READ_RECORDS,
    READ_STUCK,
    READ_TEXT,
    ROLE_NONE,
    SETUP_CUT,
    SETUP_MALFORMED,
    SETUP_NOT_TLS,
    SETUP_SERVER_TLS,
    SETUP_TLS,
)
from handshake_inspect.tcp.setup.setup_rows import HEAD
from handshake_inspect.tls import byte_store
from handshake_inspect.tls.numbers import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    LONGEST_RECORD,
    RECORD_HEADER,
)
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import MASK32

LATEST = 4  # maximum minor version in a record header (3.4)


def read(focus: Any) -> None:
    """Parse bytes that continue what the side has sent so far."""
    reading = focus.reading
    side = focus.side
    if reading.state[side] == READ_TEXT:
        text.read(focus)
        if focus.over or reading.state[side] == READ_TEXT:
            return
    if reading.state[side] == READ_LOST:
        find_again(focus)
    if reading.state[side] == READ_RECORDS:
        walk(focus, reading.next[side])


def walk(focus: Any, at: int) -> None:
    """Parse records from sequence number `at` on."""
    reading = focus.reading
    side = focus.side
    while at != focus.end and not focus.over and reading.state[side] == READ_RECORDS:
        place = (at - focus.seq) & MASK32
        if reading.headed[side] == 0 and place + HEAD <= focus.captured:
            at = (at + take_head(focus, at, focus.at + place)) & MASK32
            if not focus.over:
                end_record(focus, at)
            continue
        wanted = RECORD_HEADER
        if reading.headed[side] >= RECORD_HEADER:
            wanted = min(HEAD, RECORD_HEADER + reading.length[side])
        if reading.headed[side] < wanted:
            if place >= focus.captured:
                take_cut_head(focus, at)
                continue
            take_byte(focus, at, focus.data[focus.at + place])
            at = (at + 1) & MASK32
        else:
            stop = (reading.header[side] + RECORD_HEADER + reading.length[side]) & MASK32
            until = stop if seqspace.seq_lt(stop, focus.end) else focus.end
            if reading.gather[side]:
                hellos.gather(focus, at, until)
            at = until
        if not focus.over:
            end_record(focus, at)


def take_head(focus: Any, at: int, place: int) -> int:
    """Parse the head of a record that is completely in one segment; return its length in bytes."""
    reading = focus.reading
    side = focus.side
    begin_record(focus, at)
    if is_no_answer(focus, focus.data[place]):
        not_tls(focus)
        return HEAD
    byte_store.copy(byte_store.bytes_of_row(reading.head), side * HEAD, focus.data, place, HEAD)
    reading.length[side] = reading.head[side * HEAD + 3] << 8 | reading.head[side * HEAD + 4]
    length: int = min(HEAD, RECORD_HEADER + reading.length[side])
    reading.headed[side] = length
    if is_record(reading, side):
        note_server(focus)
        messages.on_head(focus)
    else:
        reading.headed[side] = RECORD_HEADER
        refuse(focus)
    return length


def is_no_answer(focus: Any, kind: int) -> bool:
    """Return True if the first byte of the server's answer to a ClientHello is not TLS.

    If the capture begins later, the ClientHello may be the second one, and ChangeCipherSpec comes first (RFC 8446
    appendix D.4).
    """
    if focus.is_client or focus.setup.flags & SETUP_SERVER_TLS:
        return False
    if kind == CHANGE_CIPHER_SPEC and not focus.connection.facts & (FACT_SYN | FACT_SYNACK):
        return False
    return kind not in (HANDSHAKE, ALERT)


def note_server(focus: Any) -> None:
    """Note that the server sent a TLS record."""
    if not focus.is_client:
        focus.setup.flags = focus.setup.flags & ~SETUP_NOT_TLS | SETUP_SERVER_TLS


def take_byte(focus: Any, at: int, value: int) -> None:
    """Add one byte to a record's head."""
    reading = focus.reading
    side = focus.side
    headed = reading.headed[side]
    if headed == 0:
        begin_record(focus, at)
        if is_no_answer(focus, value):
            not_tls(focus)
            return
    reading.head[side * HEAD + headed] = value
    reading.headed[side] = headed + 1
    if headed + 1 < RECORD_HEADER:
        return
    if headed + 1 == RECORD_HEADER:
        reading.length[side] = reading.head[side * HEAD + 3] << 8 | reading.head[side * HEAD + 4]
        if not is_record(reading, side):
            refuse(focus)
            return
        note_server(focus)
    if headed + 1 == min(HEAD, RECORD_HEADER + reading.length[side]):
        messages.on_head(focus)


def take_cut_head(focus: Any, at: int) -> None:
    """Process a head that the snap length truncated, if enough of it was captured to identify the record."""
    reading = focus.reading
    side = focus.side
    least = RECORD_HEADER if focus.setup.flags & SETUP_TLS else RECORD_HEADER + 1
    if reading.headed[side] < least:
        if reading.headed[side] == 0:
            begin_record(focus, at)
        miss(focus)
        return
    focus.setup.flags |= SETUP_CUT
    messages.on_head(focus)
    reading.headed[side] = HEAD  # no more of it was captured


def begin_record(focus: Any, at: int) -> None:
    """Start a record at `at`."""
    reading = focus.reading
    side = focus.side
    reading.header[side] = at
    reading.seen_ns[side] = focus.seen_ns
    reading.open_ns[side] = focus.ns
    reading.frame[side] = focus.frame
    reading.ack[side] = focus.acked
    reading.role[side] = ROLE_NONE


def end_record(focus: Any, at: int) -> None:
    """Finish the current record if it ends at `at`."""
    reading = focus.reading
    side = focus.side
    if (
        reading.state[side] == READ_RECORDS
        and reading.headed[side] >= RECORD_HEADER
        and at == (reading.header[side] + RECORD_HEADER + reading.length[side]) & MASK32
    ):
        reading.headed[side] = 0
        messages.on_end(focus)


def is_record(reading: Any, side: int) -> bool:
    """Return True if a record header is valid."""
    kind = reading.head[side * HEAD]
    return (
        CHANGE_CIPHER_SPEC <= kind <= APPLICATION_DATA
        and reading.head[side * HEAD + 1] == 3
        and reading.head[side * HEAD + 2] <= LATEST
        and reading.length[side] <= LONGEST_RECORD
    )


def refuse(focus: Any) -> None:
    """Handle bytes that are not a TLS record where one must begin."""
    setup = focus.setup
    side = focus.side
    if not setup.flags & SETUP_TLS:
        text.revert(focus)
    elif not focus.is_client and not setup.flags & SETUP_SERVER_TLS:
        not_tls(focus)
    elif setup.flags & SETUP_CUT:
        focus.reading.state[side] = READ_LOST
    else:
        setup.flags |= SETUP_MALFORMED
        focus.reading.state[side] = READ_STUCK


def not_tls(focus: Any) -> None:
    """Note that the server answered a ClientHello with something other than TLS."""
    setup = focus.setup
    if not setup.flags & SETUP_NOT_TLS:  # text that crossed the ClientHello
        setup.server_hello_ns = focus.reading.seen_ns[focus.side]
        setup.server_hello_frame = focus.reading.frame[focus.side]
    setup.flags |= SETUP_NOT_TLS
    focus.finish()


def miss(focus: Any) -> None:
    """Handle a record header that the snap length cut off."""
    reading = focus.reading
    focus.setup.flags |= SETUP_CUT
    if not focus.setup.flags & SETUP_TLS:
        focus.exchange.setup |= EXCHANGE_UNREAD
    if reading.headed[focus.side] < RECORD_HEADER:
        messages.on_cut_header(focus)
    reading.headed[focus.side] = 0
    reading.state[focus.side] = READ_LOST
    if reading.gather[focus.side]:
        hellos.drop_gathered(focus)
    tls12.on_cut(focus)
    tls13.on_cut(focus)


def find_again(focus: Any) -> None:
    """Resume parsing at the start of a flight (the other side has sent data since), or at a recognisable header."""
    reading = focus.reading
    side = focus.side
    if focus.captured >= RECORD_HEADER and focus.seq == reading.next[side] and (focus.turned or begins_record(focus)):
        reading.state[side] = READ_RECORDS
        reading.headed[side] = 0


def begins_record(focus: Any) -> bool:
    """Return True if a segment begins with a valid record header, which ciphertext rarely does by chance."""
    data = focus.data
    at = focus.at
    length = data[at + 3] << 8 | data[at + 4]
    return (
        CHANGE_CIPHER_SPEC <= data[at] <= APPLICATION_DATA
        and data[at + 1] == 3
        and data[at + 2] <= LATEST
        and 0 < length <= LONGEST_RECORD
    )
