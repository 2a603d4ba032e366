"""Identify each record of a TLS handshake, encrypted or not (RFC 8446, RFC 5246).

This module handles the hellos; `tls12.py` and `tls13.py` handle what follows, by the version that ServerHello chose.
"""

from typing import Any

from handshake_inspect.tcp.facts import TRAIT_ISS
from handshake_inspect.tcp.setup import alerts, hellos, text, tls12, tls13
from handshake_inspect.tcp.setup.facts import (
    ROLE_FINISHED,
    ROLE_LAST,
    SETUP_ALERT,
    SETUP_CLIENT_FINISHED,
    SETUP_CUT,
    SETUP_DOUBTED,
    SETUP_EARLY_OFFERED,
    SETUP_HELLO_RETRY,
    SETUP_SERVER_HELLO,
    SETUP_TLS,
    SETUP_UNREAD,
)
from handshake_inspect.tcp.setup.setup_rows import HEAD
from handshake_inspect.tls.numbers import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    CLIENT_HELLO,
    HANDSHAKE,
    LONGEST_RECORD,
    RECORD_HEADER,
    SERVER_HELLO,
    TLS12,
    TLS13,
)
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import MASK32

HIDDEN = 2  # Reading.veiled: neither type nor length of the record after ChangeCipherSpec is known
LEAST_TOGETHER = tls13.FINISHED_256 + RECORD_HEADER + tls13.OVERHEAD
LONGEST_FINISHED = 96  # bytes of a TLS 1.2 Finished record, unless it has random padding
NO_LENGTH = 0xFFFF  # longer than any record, so that it matches no known length


def on_head(focus: Any) -> None:
    """Process a record whose first bytes are known."""
    side = focus.side
    kind = focus.reading.head[side * HEAD]
    if kind == ALERT:
        on_alert_record(focus)
        return
    if focus.setup.flags & SETUP_ALERT and kind != CHANGE_CIPHER_SPEC:
        alerts.withdraw_alert(focus)
    if focus.is_client:
        on_client(focus, kind)
    else:
        on_server(focus, kind)


def on_cut_header(focus: Any) -> None:
    """Process a client record of which at most the type was captured; it may show that the version is TLS 1.3.

    The record is assumed to end with its segment.  After ChangeCipherSpec, a handshake record may be a TLS 1.2 Finished
    or a second ClientHello of TLS 1.3; that is decided when the client continues, or the server sends a ServerHello.
    """
    reading = focus.reading
    setup = focus.setup
    side = focus.side
    if not focus.is_client or not setup.flags & SETUP_TLS:
        return
    rest = (focus.end - reading.header[side] - RECORD_HEADER) & MASK32
    kind = reading.head[side * HEAD] if reading.headed[side] else 0
    unknown = reading.changed[side] != 0 and setup.flags & SETUP_SERVER_HELLO != 0 and setup.version == 0
    if unknown and kind == 0:
        kind = kind_by_length(focus, rest)
    if kind == APPLICATION_DATA:
        reading.length[side] = rest if rest <= LONGEST_RECORD else NO_LENGTH
        on_client(focus, kind)
    elif unknown and kind == HANDSHAKE:
        presume_finished(focus)
    elif unknown:
        reading.veiled = HIDDEN


def kind_by_length(focus: Any, rest: int) -> int:
    """Guess the type of an uncaptured record after the client's ChangeCipherSpec from its length; 0 if unknown.

    Only a TLS 1.3 Finished has its length, and a TLS 1.2 Finished is shorter than a TLS 1.3 Finished with a request.
    """
    if tls13.is_finished(focus, rest):
        return APPLICATION_DATA
    return HANDSHAKE if rest < LEAST_TOGETHER else 0


def on_end(focus: Any) -> None:
    """Process the end of the current record."""
    reading = focus.reading
    role = reading.role[focus.side]
    if role == ROLE_FINISHED:
        tls12.finish_server(focus, focus.ns, focus.frame)
    elif role == ROLE_LAST:
        reading.last_ns = focus.ns
        reading.last_frame = focus.frame
    elif focus.is_client and not reading.hold[focus.side]:
        focus.setup.flags &= ~SETUP_DOUBTED


def on_client(focus: Any, kind: int) -> None:
    """Process a client record other than an alert."""
    reading = focus.reading
    setup = focus.setup
    side = focus.side
    message = reading.head[side * HEAD + 5] if reading.headed[side] > RECORD_HEADER else 0
    if setup.flags & SETUP_SERVER_HELLO == 0 and kind == HANDSHAKE:
        if reading.gather[side]:
            reading.hello_end = (reading.header[side] + RECORD_HEADER + reading.length[side]) & MASK32
            if not setup.flags & SETUP_HELLO_RETRY:
                setup.client_hello_bytes += RECORD_HEADER + reading.length[side]
            hellos.gather_head(focus)
            return
        if message == CLIENT_HELLO:
            on_client_hello(focus)
            return
    if not setup.flags & SETUP_TLS:
        text.revert(focus)
        return
    if not setup.flags & SETUP_SERVER_HELLO or not seqspace.seq_ge(reading.ack[side], reading.server_hello_end):
        if kind == APPLICATION_DATA and may_be_early(focus):
            tls13.on_early_data(focus)
        return
    if setup.version == 0 and not infer_version(focus, kind, message):
        return
    answer(focus, kind)
    if hellos.is_tls13(setup.version):
        tls13.on_client(focus, kind)
    elif setup.version <= TLS12:
        tls12.on_client(focus, kind, message)


def may_be_early(focus: Any) -> bool:
    """Return True if client data before ServerHello may be early data: possibly offered, and no byte is missing."""
    reading = focus.reading
    side = focus.side
    offered = focus.setup.flags & (SETUP_EARLY_OFFERED | SETUP_CUT | SETUP_UNREAD) != 0
    return offered and not focus.lacks(reading.ack[side])


def answer(focus: Any, kind: int) -> None:
    """Note the end of the server's flight: the client continues after it."""
    reading = focus.reading
    setup = focus.setup
    if reading.answered or (kind == CHANGE_CIPHER_SPEC and hellos.is_tls13(setup.version)):
        return
    reading.answered = 1
    server = focus.side ^ 1
    if focus.lacks(reading.ack[focus.side]):
        setup.server_flight_bytes = 0  # not all of it has been captured
        if seqspace.seq_gt(reading.ack[focus.side], reading.beyond[server]):
            setup.flight_ns = 0


def on_client_hello(focus: Any) -> None:
    """Process the first ClientHello, or the one after a HelloRetryRequest."""
    reading = focus.reading
    setup = focus.setup
    side = focus.side
    if not setup.flags & SETUP_TLS:
        if has_crossed_text(focus):
            text.be_answer(setup)
        text.upgrade(focus)
        setup.flags |= SETUP_TLS
        setup.hello_ns = reading.seen_ns[side]
        setup.hello_frame = reading.frame[side]
        setup.client_hello_bytes = RECORD_HEADER + reading.length[side]
    elif setup.hello_2_frame == 0 and is_asked_again(focus):
        setup.flags |= SETUP_HELLO_RETRY
        setup.hello_2_ns = reading.seen_ns[side]
        setup.hello_2_frame = reading.frame[side]
    else:
        return
    reading.hello_end = (reading.header[side] + RECORD_HEADER + reading.length[side]) & MASK32
    hellos.read_message(focus)


def has_crossed_text(focus: Any) -> bool:
    """Return True if the client began with a ClientHello, before it received anything of the server."""
    reading = focus.reading
    crossed = focus.setup.turns and not reading.prologue and focus.peer.traits & TRAIT_ISS
    return crossed and reading.ack[focus.side] == (focus.peer.iss + 1) & MASK32


def is_asked_again(focus: Any) -> bool:
    """Return True if a HelloRetryRequest came before: captured, or acknowledged but missing."""
    return focus.setup.flags & SETUP_HELLO_RETRY != 0 or focus.lacks(focus.reading.ack[focus.side])


def infer_version(focus: Any, kind: int, message: int) -> bool:
    """Infer the version from the client's second flight if the snap length cut off ServerHello's extensions."""
    reading = focus.reading
    setup = focus.setup
    if reading.veiled == HIDDEN:
        return False
    if reading.veiled and kind == APPLICATION_DATA and not focus.turned:
        setup.version = TLS12
        setup.flags &= ~SETUP_DOUBTED
        tls12.note_resumed(focus)
    elif kind == APPLICATION_DATA:
        setup.version = TLS13
    elif kind == HANDSHAKE and message == CLIENT_HELLO and is_alone(focus):
        retry_after_all(focus)
        return False
    elif kind == HANDSHAKE and may_be_hello(focus):
        presume_finished(focus)
        return False
    elif kind == HANDSHAKE:
        setup.version = TLS12
        if reading.changed[focus.side]:
            tls12.note_resumed(focus)
    else:
        reading.changed[focus.side] = 1
    return setup.version != 0


def may_be_hello(focus: Any) -> bool:
    """Return True if a record after ChangeCipherSpec, with only its header captured, is too long for a Finished."""
    reading = focus.reading
    side = focus.side
    header = reading.headed[side] <= RECORD_HEADER
    return header and reading.changed[side] != 0 and reading.length[side] > LONGEST_FINISHED


def presume_finished(focus: Any) -> None:
    """Take the record for a TLS 1.2 Finished, unless what follows shows that it is another ClientHello."""
    focus.reading.veiled = 1
    tls12.finish_client(focus)
    focus.setup.flags |= SETUP_DOUBTED


def is_alone(focus: Any) -> bool:
    """Return True if the record is one cleartext message, as far as the snap length left the message's length."""
    reading = focus.reading
    head = focus.side * HEAD
    length: int = hellos.message_length(focus)
    cut = length == 0 and (reading.headed[focus.side] <= RECORD_HEADER + 1 or reading.head[head + 6] == 0)
    return cut or length == reading.length[focus.side]


def retry_after_all(focus: Any) -> None:
    """Treat the truncated ServerHello as a HelloRetryRequest, and process the second ClientHello."""
    be_retry(focus.setup)
    focus.reading.changed[focus.side] = 0
    on_client_hello(focus)


def be_retry(setup: Any) -> None:
    """Change the recorded ServerHello into a HelloRetryRequest."""
    setup.flags = setup.flags & ~SETUP_SERVER_HELLO | SETUP_HELLO_RETRY
    setup.retry_ns = setup.server_hello_ns
    setup.retry_frame = setup.server_hello_frame
    setup.server_hello_ns = 0
    setup.server_hello_frame = 0


def retract_finished(focus: Any) -> None:
    """Reinterpret after a second ServerHello: the presumed client Finished was the second ClientHello."""
    setup = focus.setup
    be_retry(setup)
    setup.hello_2_ns = setup.client_finished_ns
    setup.hello_2_frame = setup.client_finished_frame
    setup.hello_sent_ns = setup.client_finished_ns
    setup.client_finished_ns = 0
    setup.client_finished_frame = 0
    setup.flags &= ~(SETUP_CLIENT_FINISHED | SETUP_DOUBTED)
    focus.reading.veiled = 0
    focus.reading.changed[focus.side ^ 1] = 0


def be_second_hello(setup: Any) -> None:
    """Treat the ClientHello as the second: the HelloRetryRequest preceded the capture (see `records.is_no_answer`)."""
    setup.flags |= SETUP_HELLO_RETRY
    setup.hello_2_ns = setup.hello_ns
    setup.hello_2_frame = setup.hello_frame
    setup.hello_ns = 0
    setup.hello_frame = 0
    setup.client_hello_bytes = 0


def on_server(focus: Any, kind: int) -> None:
    """Process a server record other than an alert."""
    reading = focus.reading
    setup = focus.setup
    side = focus.side
    hello = kind == HANDSHAKE and reading.headed[side] > RECORD_HEADER and reading.head[side * HEAD + 5] == SERVER_HELLO
    if hello and setup.flags & SETUP_SERVER_HELLO and setup.version == 0 and focus.turned:
        retract_finished(focus)
    if not setup.flags & SETUP_SERVER_HELLO:
        if kind == CHANGE_CIPHER_SPEC and not setup.flags & SETUP_HELLO_RETRY:
            be_second_hello(setup)
        if kind != HANDSHAKE:
            return
        if reading.gather[side]:
            hellos.gather_head(focus)
        elif hello:
            reading.server_hello_at = reading.header[side]
            hellos.read_message(focus)
    elif hellos.is_tls13(setup.version):
        tls13.on_server(focus, kind)
    elif 0 < setup.version <= TLS12:
        tls12.on_server(focus, kind)


# -- alerts ------------------------------------------------------------------------------------------------------


def on_alert_record(focus: Any) -> None:
    """Process a record of type 21, which is unencrypted if it is two bytes long."""
    reading = focus.reading
    side = focus.side
    clear = reading.length[side] == 2 and reading.headed[side] == RECORD_HEADER + 2
    if focus.is_client and not focus.setup.flags & SETUP_TLS:
        text.revert(focus)
    elif clear:
        alerts.note_alert(focus, reading.head[side * HEAD + 5], reading.head[side * HEAD + 6])
    elif reading.length[side] > 2:
        alerts.note_alert(focus, 0, 0)
