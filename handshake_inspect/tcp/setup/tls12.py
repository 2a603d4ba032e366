"""Parse TLS 1.2 and older after ServerHello (RFC 5246 section 7.3); also records Finished and request for TLS 1.3.

After a side's ChangeCipherSpec, its next handshake record is its Finished.  If a session is resumed, the server's
ChangeCipherSpec comes first.  Client data before it (by the client's acknowledgments) is a false start (RFC 7918).
"""

from typing import Any

from handshake_inspect.tcp.setup.facts import (
    MOST_CONTROL,
    MOST_SETTINGS,
    READ_LOST,
    ROLE_FINISHED,
    SETUP_CERTIFICATE_SENT,
    SETUP_CERTIFICATE_WITHHELD,
    SETUP_CLIENT_FINISHED,
    SETUP_FALSE_START,
    SETUP_OFFERS_H2,
    SETUP_SERVER_CHANGED,
    SETUP_SERVER_FINISHED,
    SETUP_SPOKE_FIRST,
)
from handshake_inspect.tcp.setup.setup_rows import HEAD
from handshake_inspect.tls.numbers import (
    APPLICATION_DATA,
    CERTIFICATE,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    RECORD_HEADER,
    TLS12,
)
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import MASK32

EMPTY_LIST = 3  # a Certificate message with no certificate


def on_client(focus: Any, kind: int, message: int) -> None:
    """Process a client record."""
    reading = focus.reading
    setup = focus.setup
    side = focus.side
    if kind == CHANGE_CIPHER_SPEC:
        if not reading.exchanged and not reading.changed[side] and is_veiled(reading, side ^ 1):
            note_resumed(focus)
        reading.changed[side] = 1
    elif kind == HANDSHAKE and reading.changed[side]:
        if not setup.flags & SETUP_CLIENT_FINISHED:
            finish_client(focus)
    elif kind == HANDSHAKE:
        reading.exchanged = 1
        if message == CERTIFICATE:
            note_certificate(focus)
    elif kind == APPLICATION_DATA and setup.flags & SETUP_CLIENT_FINISHED and focus.exchange.request_frame == 0:
        note_request(focus)
        unfinished = not reading.changed[side ^ 1] or not seqspace.seq_ge(reading.ack[side], reading.finished_end)
        if unfinished and not focus.lacks(reading.ack[side]):
            setup.flags |= SETUP_FALSE_START  # unless the server's flight was not captured


def is_veiled(reading: Any, server: int) -> bool:
    """Return True if the snap length hides what followed the server's ServerHello, possibly ChangeCipherSpec.

    A client that then sends ChangeCipherSpec without a ClientKeyExchange resumes a session (RFC 5246 section 7.3).
    """
    hidden: bool = reading.state[server] == READ_LOST and not reading.changed[server]
    return hidden


def note_certificate(focus: Any) -> None:
    """Record the client's unencrypted Certificate message."""
    reading = focus.reading
    head = focus.side * HEAD
    if reading.headed[focus.side] < RECORD_HEADER + 4:
        return
    length = reading.head[head + 6] << 16 | reading.head[head + 7] << 8 | reading.head[head + 8]
    focus.setup.flags |= SETUP_CERTIFICATE_SENT if length > EMPTY_LIST else SETUP_CERTIFICATE_WITHHELD


def on_server(focus: Any, kind: int) -> None:
    """Process a server record."""
    reading = focus.reading
    setup = focus.setup
    side = focus.side
    if kind == CHANGE_CIPHER_SPEC:
        first = not reading.changed[side] and not reading.changed[side ^ 1]
        if first and not focus.lacks(reading.ack[side]):
            setup.flags |= SETUP_SERVER_CHANGED  # unless the client's flight was not (yet) captured
        reading.changed[side] = 1
        if setup.flags & SETUP_CLIENT_FINISHED and focus.lacks(reading.ack[side]):
            setup.flags |= SETUP_FALSE_START  # it acknowledges more than the client's flight
        reading.finished_end = (reading.header[side] + RECORD_HEADER) & MASK32
    elif kind == HANDSHAKE and not reading.changed[side]:
        if reading.headed[side] > RECORD_HEADER and reading.head[side * HEAD + RECORD_HEADER] == CERTIFICATE:
            setup.certified = 1
    elif kind == HANDSHAKE and not setup.flags & SETUP_SERVER_FINISHED:
        reading.role[side] = ROLE_FINISHED
    elif kind == APPLICATION_DATA and reading.changed[side]:
        on_server_data(focus)


def note_resumed(focus: Any) -> None:
    """Note a resumed session, known from the client's flight; the server's half could not be parsed."""
    focus.setup.flags |= SETUP_SERVER_CHANGED
    focus.reading.changed[focus.side ^ 1] = 1
    finish_server(focus, focus.setup.flight_ns, focus.setup.server_hello_frame)


def on_cut(focus: Any) -> None:
    """Assume the Finished at the end of a truncated flight: the client's second, or the server's after that."""
    reading = focus.reading
    setup = focus.setup
    if not reading.answered or not 0 < setup.version <= TLS12:
        return
    if focus.is_client and not setup.flags & SETUP_CLIENT_FINISHED:
        reading.changed[focus.side] = 1
        finish_client(focus)
    elif not focus.is_client and setup.flags & SETUP_CLIENT_FINISHED and not setup.flags & SETUP_SERVER_FINISHED:
        reading.changed[focus.side] = 1
        finish_server(focus, focus.ns, focus.frame)


def on_server_data(focus: Any) -> None:
    """Process server data: the response, or unprompted data.

    A short HTTP/2 record may be SETTINGS, and counts as the response only if nothing longer follows.
    """
    reading = focus.reading
    setup = focus.setup
    side = focus.side
    settings = setup.flags & SETUP_OFFERS_H2 != 0 and reading.length[side] < MOST_SETTINGS
    if focus.exchange.request_frame and seqspace.seq_gt(reading.ack[side], reading.request_at):
        if settings and not is_first_short(focus, reading.length[side]):
            return
        focus.exchange.response_ns = reading.open_ns[side]
        focus.exchange.response_frame = reading.frame[side]
        setup.response_seen_ns = reading.seen_ns[side]
        reading.answer_at[0] = reading.header[side]
        reading.answers = 1
        if not settings:
            focus.conclude()
    elif setup.greeting_frame == 0 and not settings and not may_be_asked(focus):
        setup.flags |= SETUP_SPOKE_FIRST  # and not in answer to what the capture lacks
        setup.greeting_ns = reading.open_ns[side]
        setup.greeting_frame = reading.frame[side]


def is_first_short(focus: Any, length: int) -> bool:
    """Record a short HTTP/2 record; return True if it is the first that may be the response.

    That replaces an earlier one too short for a response; a later one that may be it is the second candidate.
    """
    reading = focus.reading
    setup = focus.setup
    side = focus.side
    i = 0
    if focus.exchange.response_frame:
        if length <= MOST_CONTROL:
            return False
        i = 1 if setup.candidate_length[0] > MOST_CONTROL else 0
    setup.candidate_ns[i] = reading.open_ns[side]
    setup.candidate_frame[i] = reading.frame[side]
    setup.candidate_length[i] = length
    return i == 0


def may_be_asked(focus: Any) -> bool:
    """Return True if the client may have sent a request that was not seen: missing, or cut off by the snap length.

    It may also follow a Finished that was not recognised because ServerHello was captured late.
    """
    reading = focus.reading
    client = focus.side ^ 1
    if not focus.setup.flags & SETUP_CLIENT_FINISHED:
        return True
    return focus.lacks(reading.ack[focus.side]) or reading.state[client] == READ_LOST


def finish_client(focus: Any) -> None:
    """Record the client's Finished."""
    setup = focus.setup
    setup.flags |= SETUP_CLIENT_FINISHED
    setup.client_finished_ns = focus.reading.seen_ns[focus.side]
    setup.client_finished_frame = focus.reading.frame[focus.side]


def finish_server(focus: Any, ns: int, frame: int) -> None:
    """Record time and frame at which the server's Finished, or the record assumed to contain it, was available."""
    setup = focus.setup
    setup.flags |= SETUP_SERVER_FINISHED
    setup.server_finished_ns = ns
    setup.server_finished_frame = frame


def note_request(focus: Any) -> None:
    """Record the client's current record as its request."""
    reading = focus.reading
    side = focus.side
    focus.exchange.request_ns = reading.seen_ns[side]
    focus.exchange.request_frame = reading.frame[side]
    reading.request_at = reading.header[side]
