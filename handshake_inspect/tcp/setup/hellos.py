"""Parse ClientHello and ServerHello: in place if one segment contains them, otherwise gathered in a buffer."""

from typing import Any

from handshake_inspect.tcp.setup import setup_rows as sr
from handshake_inspect.tcp.setup.facts import (
    READ_STUCK,
    SETUP_CUT,
    SETUP_EARLY_OFFERED,
    SETUP_ECH,
    SETUP_HELLO_RETRY,
    SETUP_MALFORMED,
    SETUP_OFFERS_13,
    SETUP_OFFERS_H2,
    SETUP_PSK,
    SETUP_PSK_OFFERED,
    SETUP_SERVER_HELLO,
    SETUP_UNREAD,
)
from handshake_inspect.tcp.setup.setup_rows import BUFFER, HEAD
from handshake_inspect.tls import byte_store, hello, hello_row
from handshake_inspect.tls.numbers import (
    CHOSE_PSK,
    FIRST_DRAFT,
    HANDSHAKE,
    IS_RETRY,
    MESSAGE_HEADER,
    OFFERS_13,
    OFFERS_EARLY_DATA,
    OFFERS_ECH,
    OFFERS_H2,
    OFFERS_PSK,
    RECORD_HEADER,
    TLS12,
    TLS13,
)
from handshake_inspect.wire.const import MASK32


def message_length(focus: Any) -> int:
    """Return the length of the record's first handshake message, including its header; 0 if unknown."""
    reading = focus.reading
    head = focus.side * HEAD
    if reading.headed[focus.side] < RECORD_HEADER + MESSAGE_HEADER:
        return 0
    length = reading.head[head + 6] << 16 | reading.head[head + 7] << 8 | reading.head[head + 8]
    return MESSAGE_HEADER + length


def is_tls13(version: int) -> bool:
    """Return True for TLS 1.3 and its drafts with the same record format."""
    return version == TLS13 or (FIRST_DRAFT <= version < 0x8000)


def read_message(focus: Any) -> None:
    """Parse the hello that the current record begins with, now or once all its bytes are available."""
    reading = focus.reading
    side = focus.side
    length = message_length(focus)
    place = (reading.header[side] + RECORD_HEADER - focus.seq) & MASK32  # of the message in this segment
    here = (focus.end - focus.seq) & MASK32
    if length == 0 or length > BUFFER:
        focus.setup.flags |= SETUP_UNREAD
        if not focus.is_client:
            on_unread_server_hello(focus)
        return
    if length <= reading.length[side] and place < here and place + length <= focus.captured:
        read_hello(focus, focus.data, focus.at + place, length)
        return
    if focus.captured < here and (place >= here or focus.captured < place + length):
        cut(focus)
        return
    reading.gather[side] = focus.setups.new_buffer(focus.setup, side)
    reading.need[side] = length
    gather_head(focus)


def gather_head(focus: Any) -> None:
    """Gather the message bytes in the head of the current record."""
    reading = focus.reading
    side = focus.side
    buffer = sr.buffer_at(focus.setups.buffers, reading.gather[side] - 1)
    for i in range(RECORD_HEADER, reading.headed[side]):
        if buffer.used < reading.need[side]:
            buffer.data[buffer.used] = reading.head[side * HEAD + i]
            buffer.used += 1
    use_gathered(focus, buffer)


def gather(focus: Any, at: int, until: int) -> None:
    """Gather bytes from the body of a record with a hello."""
    reading = focus.reading
    side = focus.side
    if reading.head[side * HEAD] != HANDSHAKE:
        return
    buffer = sr.buffer_at(focus.setups.buffers, reading.gather[side] - 1)
    place = (at - focus.seq) & MASK32
    count = min((until - at) & MASK32, reading.need[side] - buffer.used)
    if place + count > focus.captured:
        drop_gathered(focus)
        cut(focus)
        return
    byte_store.copy(buffer.data, buffer.used, focus.data, focus.at + place, count)
    buffer.used += count
    use_gathered(focus, buffer)


def use_gathered(focus: Any, buffer: Any) -> None:
    """Parse the gathered hello if it is complete."""
    if buffer.used == focus.reading.need[focus.side]:
        read_hello(focus, byte_store.bytes_in(buffer.data), 0, buffer.used)
        if not focus.over:
            drop_gathered(focus)


def drop_gathered(focus: Any) -> None:
    """Free the buffer of a gathered hello."""
    reading = focus.reading
    if reading.gather[focus.side]:
        focus.setups.give_back(reading.gather[focus.side])
        reading.gather[focus.side] = 0


def cut(focus: Any) -> None:
    """Handle a hello that the snap length truncated."""
    focus.setup.flags |= SETUP_CUT
    if not focus.is_client:
        on_unread_server_hello(focus)


def read_hello(focus: Any, data: Any, at: int, length: int) -> None:
    """Parse a hello and store its contents."""
    hello.read_hello(data, at, at + length, focus.hello)
    if focus.is_client:
        take_client_hello(focus)
    else:
        take_server_hello(focus, data)


def take_client_hello(focus: Any) -> None:
    """Store the client's offers; those after a HelloRetryRequest replace the first."""
    setup = focus.setup
    row = focus.hello
    flags = setup.flags & ~(SETUP_PSK_OFFERED | SETUP_ECH | SETUP_OFFERS_13 | SETUP_OFFERS_H2)
    if row.flags & OFFERS_PSK:
        flags |= SETUP_PSK_OFFERED
    if row.flags & OFFERS_EARLY_DATA:
        flags |= SETUP_EARLY_OFFERED
    if row.flags & OFFERS_ECH:
        flags |= SETUP_ECH
    if row.flags & OFFERS_13:
        flags |= SETUP_OFFERS_13
    if row.flags & OFFERS_H2:
        flags |= SETUP_OFFERS_H2
    setup.flags = flags
    if row.length and setup.hello == 0:
        setup.hello = focus.setups.names.intern(hello_row.facts_of(row), 0, row.length)


def take_server_hello(focus: Any, data: Any) -> None:
    """Store the server's choices."""
    setup = focus.setup
    row = focus.hello
    if row.flags & IS_RETRY and setup.retry_frame:
        setup.flags |= SETUP_MALFORMED  # a second one is an error (RFC 8446 section 4.1.4)
        focus.reading.state[focus.side] = READ_STUCK
        return
    if row.flags & IS_RETRY:
        setup.flags |= SETUP_HELLO_RETRY
        setup.retry_ns = focus.reading.seen_ns[focus.side]
        setup.retry_frame = focus.reading.frame[focus.side]
        return
    setup.version = row.version
    setup.cipher = row.cipher
    setup.group = row.group
    if row.flags & CHOSE_PSK:
        setup.flags |= SETUP_PSK
    if row.alpn_length:
        setup.alpn = focus.setups.names.intern(data, row.alpn_at, row.alpn_length)
    if not is_tls13(row.version):  # the chosen ALPN is unencrypted
        setup.flags &= ~SETUP_OFFERS_H2
        if is_h2(data, row.alpn_at, row.alpn_length):
            setup.flags |= SETUP_OFFERS_H2
    note_server_hello(focus)
    if not is_tls13(row.version) and row.version > TLS12:
        focus.reading.state[focus.side] = READ_STUCK  # an early draft or unknown version


def is_h2(data: Any, at: int, length: int) -> bool:
    """Return True for `h2`, the ALPN name of HTTP/2 (RFC 9113 section 3.1)."""
    return length == 2 and data[at] == 0x68 and data[at + 1] == 0x32


def on_unread_server_hello(focus: Any) -> None:
    """Process a truncated ServerHello: message or record header may show a version older than TLS 1.2."""
    reading = focus.reading
    side = focus.side
    at = side * HEAD + (9 if reading.headed[side] >= RECORD_HEADER + MESSAGE_HEADER + 2 else 1)
    version = reading.head[at] << 8 | reading.head[at + 1]
    if version < TLS12:
        focus.setup.version = version
    note_server_hello(focus)


def note_server_hello(focus: Any) -> None:
    """Record time and position of ServerHello."""
    reading = focus.reading
    setup = focus.setup
    side = focus.side
    setup.flags |= SETUP_SERVER_HELLO
    setup.server_hello_ns = reading.seen_ns[side]
    setup.server_hello_frame = reading.frame[side]
    length = message_length(focus)
    if reading.gather[side] or length == 0 or length > reading.length[side]:
        length = reading.length[side]
    reading.server_hello_ack = reading.ack[side]
    reading.server_hello_end = (reading.header[side] + RECORD_HEADER + length) & MASK32
    reading.finished_end = reading.server_hello_end  # lower bound until the Finished is seen
