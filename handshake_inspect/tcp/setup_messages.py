"""What each record of a handshake is, before its contents are encrypted and after (RFC 8446, RFC 5246).

Hellos are read here, in place where one segment holds them, else gathered in a buffer.  What follows depends on the
version that ServerHello chose: `setup_tls12.py`, `setup_tls13.py`.
"""

from typing import Any

from handshake_inspect.tcp import setup_alerts, setup_text, setup_tls12, setup_tls13
from handshake_inspect.tcp import setup_rows as sr
from handshake_inspect.tcp.setup_facts import (
    READ_STUCK,
    ROLE_FINISHED,
    ROLE_LAST,
    SETUP_ALERT,
    SETUP_CUT,
    SETUP_EARLY_OFFERED,
    SETUP_ECH,
    SETUP_HELLO_RETRY,
    SETUP_OFFERS_13,
    SETUP_OFFERS_H2,
    SETUP_PSK,
    SETUP_PSK_OFFERED,
    SETUP_SERVER_HELLO,
    SETUP_TLS,
    SETUP_UNREAD,
)
from handshake_inspect.tcp.setup_rows import BUFFER, HEAD
from handshake_inspect.tls import hello, hello_row, octet_store
from handshake_inspect.tls.numbers import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    CHOSE_PSK,
    CLIENT_HELLO,
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
    SERVER_HELLO,
    TLS12,
    TLS13,
)
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import MASK32


def on_head(focus: Any) -> None:
    """The first bytes of a record are known."""
    side = focus.side
    kind = focus.reading.head[side * HEAD]
    if kind == ALERT:
        on_alert_record(focus)
        return
    if focus.setup.flags & SETUP_ALERT and kind != CHANGE_CIPHER_SPEC:
        setup_alerts.withdraw_alert(focus)
    if focus.is_client:
        on_client(focus, kind)
    else:
        on_server(focus, kind)


def on_end(focus: Any) -> None:
    """The record under way is available as a whole."""
    reading = focus.reading
    role = reading.role[focus.side]
    if role == ROLE_FINISHED:
        setup_tls12.finish_server(focus, focus.ns, focus.frame)
    elif role == ROLE_LAST:
        reading.last_ns = focus.ns
        reading.last_frame = focus.frame


def message_length(focus: Any) -> int:
    """Length of the handshake message that the record begins with, header and all; 0 if that is not known."""
    reading = focus.reading
    head = focus.side * HEAD
    if reading.headed[focus.side] < RECORD_HEADER + MESSAGE_HEADER:
        return 0
    length = reading.head[head + 6] << 16 | reading.head[head + 7] << 8 | reading.head[head + 8]
    return MESSAGE_HEADER + length


def on_client(focus: Any, kind: int) -> None:
    """A record of the client that is no alert."""
    reading = focus.reading
    setup = focus.setup
    side = focus.side
    message = reading.head[side * HEAD + 5] if reading.headed[side] > RECORD_HEADER else 0
    if setup.flags & SETUP_SERVER_HELLO == 0 and kind == HANDSHAKE:
        if reading.gather[side]:
            reading.hello_end = (reading.header[side] + RECORD_HEADER + reading.length[side]) & MASK32
            if not setup.flags & SETUP_HELLO_RETRY:
                setup.client_hello_bytes += RECORD_HEADER + reading.length[side]
            gather_head(focus)
            return
        if message == CLIENT_HELLO:
            on_client_hello(focus)
            return
    if not setup.flags & SETUP_TLS:
        setup_text.revert(focus)
        return
    if not setup.flags & SETUP_SERVER_HELLO or not seqspace.seq_ge(reading.ack[side], reading.server_hello_end):
        if kind == APPLICATION_DATA:
            setup_tls13.on_early_data(focus)
        return
    if setup.version == 0 and not infer_version(focus, kind, message):
        return
    answer(focus, kind)
    if is_tls13(setup.version):
        setup_tls13.on_client(focus, kind)
    elif setup.version <= TLS12:
        setup_tls12.on_client(focus, kind, message)


def answer(focus: Any, kind: int) -> None:
    """The client goes on after the server's flight, which ends here."""
    reading = focus.reading
    setup = focus.setup
    if reading.answered or (kind == CHANGE_CIPHER_SPEC and is_tls13(setup.version)):
        return
    reading.answered = 1


def is_tls13(version: int) -> bool:
    """Whether records look as those of TLS 1.3."""
    return version == TLS13 or (FIRST_DRAFT <= version < 0x8000)


def on_client_hello(focus: Any) -> None:
    """A ClientHello begins: the first, or the one that a HelloRetryRequest asked for."""
    reading = focus.reading
    setup = focus.setup
    side = focus.side
    if not setup.flags & SETUP_TLS:
        setup_text.upgrade(focus)
        setup.flags |= SETUP_TLS
        setup.hello_ns = reading.seen_ns[side]
        setup.hello_frame = reading.frame[side]
        setup.client_hello_bytes = RECORD_HEADER + reading.length[side]
    elif setup.flags & SETUP_HELLO_RETRY and setup.hello_2_frame == 0:
        setup.hello_2_ns = reading.seen_ns[side]
        setup.hello_2_frame = reading.frame[side]
    else:
        return
    reading.hello_end = (reading.header[side] + RECORD_HEADER + reading.length[side]) & MASK32
    read_message(focus)


def infer_version(focus: Any, kind: int, message: int) -> bool:
    """Tell the version from the client's second flight, where the snap length took ServerHello's extensions."""
    reading = focus.reading
    setup = focus.setup
    if kind == APPLICATION_DATA:
        setup.version = TLS13
    elif kind == HANDSHAKE and message == CLIENT_HELLO and message_length(focus) == reading.length[focus.side]:
        retry_after_all(focus)
        return False
    elif kind == HANDSHAKE:
        setup.version = TLS12
        if reading.changed[focus.side]:
            setup_tls12.note_resumed(focus)
    else:
        reading.changed[focus.side] = 1
    return setup.version != 0


def retry_after_all(focus: Any) -> None:
    """What was cut off was no ServerHello but a HelloRetryRequest."""
    setup = focus.setup
    setup.flags = setup.flags & ~SETUP_SERVER_HELLO | SETUP_HELLO_RETRY
    setup.retry_ns = setup.server_hello_ns
    setup.retry_frame = setup.server_hello_frame
    setup.server_hello_ns = 0
    setup.server_hello_frame = 0
    focus.reading.changed[focus.side] = 0
    on_client_hello(focus)


def on_server(focus: Any, kind: int) -> None:
    """A record of the server that is no alert."""
    reading = focus.reading
    setup = focus.setup
    side = focus.side
    if not setup.flags & SETUP_SERVER_HELLO:
        if kind != HANDSHAKE:
            return
        if reading.gather[side]:
            gather_head(focus)
        elif reading.headed[side] > RECORD_HEADER and reading.head[side * HEAD + 5] == SERVER_HELLO:
            reading.server_hello_at = reading.header[side]
            read_message(focus)
    elif is_tls13(setup.version):
        setup_tls13.on_server(focus, kind)
    elif 0 < setup.version <= TLS12:
        setup_tls12.on_server(focus, kind)


# -- hellos ------------------------------------------------------------------------------------------------------


def read_message(focus: Any) -> None:
    """Read the hello that the record under way begins with: here and now, or once its bytes are there."""
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
    """The bytes of a message that stand in the head of the record under way."""
    reading = focus.reading
    side = focus.side
    buffer = sr.buffer_at(focus.setups.buffers, reading.gather[side] - 1)
    for i in range(RECORD_HEADER, reading.headed[side]):
        if buffer.used < reading.need[side]:
            buffer.octets[buffer.used] = reading.head[side * HEAD + i]
            buffer.used += 1
    use_gathered(focus, buffer)


def gather(focus: Any, at: int, until: int) -> None:
    """Bytes of the body of a record with a hello."""
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
    octet_store.copy(buffer.octets, buffer.used, focus.data, focus.at + place, count)
    buffer.used += count
    use_gathered(focus, buffer)


def use_gathered(focus: Any, buffer: Any) -> None:
    """Read the hello if all of it is there."""
    if buffer.used == focus.reading.need[focus.side]:
        read_hello(focus, octet_store.octets_in(buffer.octets), 0, buffer.used)
        if not focus.over:
            drop_gathered(focus)


def drop_gathered(focus: Any) -> None:
    """Give the buffer back."""
    reading = focus.reading
    if reading.gather[focus.side]:
        focus.setups.give_back(reading.gather[focus.side])
        reading.gather[focus.side] = 0


def cut(focus: Any) -> None:
    """The snap length took a part of a hello."""
    focus.setup.flags |= SETUP_CUT
    if not focus.is_client:
        on_unread_server_hello(focus)


def read_hello(focus: Any, data: Any, at: int, length: int) -> None:
    """Take over what a hello says."""
    hello.read_hello(data, at, at + length, focus.hello)
    if focus.is_client:
        take_client_hello(focus)
    else:
        take_server_hello(focus, data)


def take_client_hello(focus: Any) -> None:
    """What the client offers; after a HelloRetryRequest, what it offers then."""
    setup = focus.setup
    told = focus.hello
    flags = setup.flags & ~(SETUP_PSK_OFFERED | SETUP_ECH | SETUP_OFFERS_13 | SETUP_OFFERS_H2)
    if told.flags & OFFERS_PSK:
        flags |= SETUP_PSK_OFFERED
    if told.flags & OFFERS_EARLY_DATA:
        flags |= SETUP_EARLY_OFFERED
    if told.flags & OFFERS_ECH:
        flags |= SETUP_ECH
    if told.flags & OFFERS_13:
        flags |= SETUP_OFFERS_13
    if told.flags & OFFERS_H2:
        flags |= SETUP_OFFERS_H2
    setup.flags = flags
    if told.length and setup.hello == 0:
        setup.hello = focus.setups.names.intern(hello_row.facts_of(told), 0, told.length)


def take_server_hello(focus: Any, data: Any) -> None:
    """What the server chose."""
    setup = focus.setup
    told = focus.hello
    if told.flags & IS_RETRY and not setup.flags & SETUP_HELLO_RETRY:
        setup.flags |= SETUP_HELLO_RETRY
        setup.retry_ns = focus.reading.seen_ns[focus.side]
        setup.retry_frame = focus.reading.frame[focus.side]
        return
    setup.version = told.version
    setup.cipher = told.cipher
    setup.group = told.group
    if told.flags & CHOSE_PSK:
        setup.flags |= SETUP_PSK
    if told.alpn_length:
        setup.alpn = focus.setups.names.intern(data, told.alpn_at, told.alpn_length)
    note_server_hello(focus)
    if not is_tls13(told.version) and told.version > TLS12:
        focus.reading.state[focus.side] = READ_STUCK  # a draft, or nothing known


def on_unread_server_hello(focus: Any) -> None:
    """A ServerHello that was cut: its version may be known."""
    reading = focus.reading
    side = focus.side
    if reading.headed[side] >= RECORD_HEADER + MESSAGE_HEADER + 2:
        version = reading.head[side * HEAD + 9] << 8 | reading.head[side * HEAD + 10]
        if version < TLS12:
            focus.setup.version = version
    note_server_hello(focus)


def note_server_hello(focus: Any) -> None:
    """ServerHello came: when, and where it ends."""
    reading = focus.reading
    setup = focus.setup
    side = focus.side
    setup.flags |= SETUP_SERVER_HELLO
    setup.server_hello_ns = reading.seen_ns[side]
    setup.server_hello_frame = reading.frame[side]
    length = message_length(focus)
    if reading.gather[side] or length == 0 or length > reading.length[side]:
        length = reading.length[side]
    reading.server_hello_end = (reading.header[side] + RECORD_HEADER + length) & MASK32


# -- alerts ------------------------------------------------------------------------------------------------------


def on_alert_record(focus: Any) -> None:
    """A record of type 21: in the clear when it is two bytes long."""
    reading = focus.reading
    side = focus.side
    clear = reading.length[side] == 2 and reading.headed[side] == RECORD_HEADER + 2
    if focus.is_client and not focus.setup.flags & SETUP_TLS:
        setup_text.revert(focus)
    elif clear and (reading.changed[side] == 0 or is_tls13(focus.setup.version)):
        setup_alerts.note_alert(focus, reading.head[side * HEAD + 5], reading.head[side * HEAD + 6])
    elif reading.length[side] > 2:
        setup_alerts.note_alert(focus, 0, 0)
