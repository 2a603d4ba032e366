"""Parse TLS 1.3 after ServerHello (RFC 8446 section 2): everything is encrypted, and identified by record length.

The length of a Finished record follows from the suite's hash; EndOfEarlyData, alerts and an empty Certificate also have
fixed lengths.  The client's Finished is its first record of that length within the first `MOST_BEFORE`.  Combined or
padded messages have no fixed length; then the first record is assumed to contain it.  What the server sends after its
Finished may be tickets, HTTP/2 SETTINGS or the response: these candidates are decided later, by the verdicts.
"""

from typing import Any

from handshake_inspect.tcp.setup import alerts, tls12
from handshake_inspect.tcp.setup.facts import (
    FINISHED_NOT,
    FINISHED_PERHAPS,
    FINISHED_SURELY,
    LEAST_TICKET,
    MOST_SETTINGS,
    MOST_TICKET,
    NAMED_SESSION,
    NAMED_SESSION_EARLY,
    READ_LOST,
    ROLE_FINISHED,
    ROLE_LAST,
    SETUP_ALERT_ENCRYPTED,
    SETUP_CERTIFICATE_SENT,
    SETUP_CERTIFICATE_WITHHELD,
    SETUP_CLIENT_FINISHED,
    SETUP_CUT,
    SETUP_DOUBTED,
    SETUP_EARLY_ENDED,
    SETUP_EARLY_OFFERED,
    SETUP_EARLY_REQUEST,
    SETUP_EARLY_SENT,
    SETUP_FIRST_HELLO,
    SETUP_HELLO_RETRY,
    SETUP_OFFERS_H2,
    SETUP_SERVER_FINISHED,
    SETUP_UNREAD,
)
from handshake_inspect.tcp.setup.setup_rows import CANDIDATES
from handshake_inspect.tls.numbers import (
    AES_128_CCM_8_SHA256,
    AES_256_GCM_SHA384,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    LONGEST_RECORD,
    RECORD_HEADER,
)
from handshake_inspect.wire import seqspace
from handshake_inspect.wire.const import MASK32

MOST_BEFORE = 5  # maximum records of the client's flight, including its Finished
OVERHEAD = 17  # content type and tag
SHORT_TAG = 8  # bytes less with CCM_8
FINISHED_256 = 4 + 32 + OVERHEAD
FINISHED_384 = 4 + 48 + OVERHEAD
ALERT_LENGTH = 2 + OVERHEAD
END_OF_EARLY_DATA = 4 + OVERHEAD
EMPTY_CERTIFICATE = 8 + OVERHEAD


def shorter(focus: Any) -> int:
    """Return by how many bytes records are shorter with the chosen suite."""
    return SHORT_TAG if focus.setup.cipher == AES_128_CCM_8_SHA256 else 0


def is_finished(focus: Any, length: int) -> bool:
    """Return True if a record of this length can be a Finished alone."""
    cipher = focus.setup.cipher
    if cipher == 0:  # cut off
        return length in (FINISHED_256, FINISHED_384)
    if cipher == AES_256_GCM_SHA384:
        return length == FINISHED_384
    return length == FINISHED_256 - shorter(focus)


def is_alert(focus: Any, length: int) -> bool:
    """Return True if a record of this length can be an alert."""
    return length == ALERT_LENGTH - shorter(focus)


# -- the client --------------------------------------------------------------------------------------------------


def on_early_data(focus: Any) -> None:
    """Record client data sent before it received ServerHello."""
    setup = focus.setup
    reading = focus.reading
    setup.flags |= SETUP_EARLY_SENT
    if setup.early_frame == 0:
        setup.early_ns = reading.seen_ns[focus.side]
        setup.early_frame = reading.frame[focus.side]
        setup.request_sent_ns = focus.ns
        reading.early_at = reading.header[focus.side]


def is_late_early_data(focus: Any) -> bool:
    """Return True if a record other than an alert is early data that fills a hole.

    Being a retransmission, it acknowledges more than the lost original did.
    """
    reading = focus.reading
    length = reading.length[focus.side]
    return (
        reading.hold[focus.side] != 0
        and focus.seen_ns == focus.ns
        and reading.finished == FINISHED_NOT
        and focus.setup.flags & SETUP_EARLY_OFFERED != 0
        and length != END_OF_EARLY_DATA - shorter(focus)
        and not is_finished(focus, length)
    )


def on_client(focus: Any, kind: int) -> None:
    """Process a client record."""
    if kind != APPLICATION_DATA:
        return
    reading = focus.reading
    length = reading.length[focus.side]
    if is_alert(focus, length):
        note_encrypted_alert(focus)
    elif is_late_early_data(focus):
        on_early_data(focus)
    elif reading.finished != FINISHED_SURELY:
        on_flight(focus, length)
    elif focus.exchange.request_frame == 0:
        tls12.note_request(focus)


def on_flight(focus: Any, length: int) -> None:
    """Process a record of the flight with the client's Finished, or possibly after it."""
    reading = focus.reading
    setup = focus.setup
    reading.records += 1
    if length == END_OF_EARLY_DATA - shorter(focus) and setup.flags & (SETUP_EARLY_OFFERED | SETUP_CUT | SETUP_UNREAD):
        setup.flags |= SETUP_EARLY_ENDED
        if reading.finished != FINISHED_NOT:
            be_early(focus)
        accept_early(focus)
    elif is_finished(focus, length):
        if reading.finished == FINISHED_PERHAPS:
            take_back(focus)
        reading.finished = FINISHED_SURELY
        finish(focus)
    else:
        if length == EMPTY_CERTIFICATE - shorter(focus):
            reading.withheld = 1
        if reading.finished == FINISHED_NOT:
            reading.finished = FINISHED_PERHAPS
            doubt(focus)
            finish(focus)
        elif focus.exchange.request_frame == 0:
            tls12.note_request(focus)
        ongoing = setup.flags & (SETUP_EARLY_SENT | SETUP_EARLY_ENDED) == SETUP_EARLY_SENT
        if reading.records >= MOST_BEFORE and not ongoing:
            reading.finished = FINISHED_SURELY


def doubt(focus: Any) -> None:
    """Mark a record that extends beyond this segment as uncertain until its end: it may be a certificate."""
    reading = focus.reading
    side = focus.side
    stop = (reading.header[side] + RECORD_HEADER + reading.length[side]) & MASK32
    if reading.length[side] <= LONGEST_RECORD and seqspace.seq_gt(stop, focus.end):
        focus.setup.flags |= SETUP_DOUBTED


def be_early(focus: Any) -> None:
    """Reinterpret the presumed client Finished as early data that continued after ServerHello.

    The presumed request was early data, too: the server's records that acknowledge it may answer it.
    """
    reading = focus.reading
    setup = focus.setup
    setup.flags |= SETUP_EARLY_SENT
    if setup.early_frame == 0:
        setup.early_ns = setup.client_finished_ns
        setup.early_frame = setup.client_finished_frame
        reading.early_at = reading.hello_end
    setup.flags &= ~(SETUP_CLIENT_FINISHED | SETUP_DOUBTED)
    setup.client_finished_ns = 0
    setup.client_finished_frame = 0
    reading.finished = FINISHED_NOT
    reading.records = 1
    reading.withheld = 0


def accept_early(focus: Any) -> None:
    """Process EndOfEarlyData: the server accepted the early data, and data after its Finished may answer it."""
    setup = focus.setup
    if setup.early_frame:
        setup.flags |= SETUP_EARLY_REQUEST
        focus.exchange.request_ns = setup.early_ns
        focus.exchange.request_frame = setup.early_frame
        focus.reading.request_at = focus.reading.early_at
    elif setup.flags & SETUP_ALERT_ENCRYPTED:
        alerts.forget_alert(setup)  # close_notify; request and response were not captured


def take_back(focus: Any) -> None:
    """Reinterpret the presumed Finished as a requested client certificate, and withdraw the presumed request."""
    setup = focus.setup
    setup.flags |= SETUP_CERTIFICATE_WITHHELD if focus.reading.withheld else SETUP_CERTIFICATE_SENT
    if not setup.flags & SETUP_EARLY_REQUEST:
        forget_request(focus)


def forget_request(focus: Any) -> None:
    """Withdraw the presumed request."""
    focus.exchange.request_ns = 0
    focus.exchange.request_frame = 0
    focus.setup.request_sent_ns = 0
    forget_candidates(focus)


def on_cut(focus: Any) -> None:
    """Handle a truncated client flight: its Finished, or the evidence against a request, was cut off."""
    setup = focus.setup
    reading = focus.reading
    if not focus.is_client or reading.records == 0:
        return
    if reading.finished == FINISHED_NOT:
        reading.finished = FINISHED_PERHAPS
        finish(focus)
        return
    same = not focus.turned or setup.client_finished_frame == focus.frame
    if same and reading.finished == FINISHED_PERHAPS and not setup.flags & SETUP_EARLY_REQUEST:
        forget_request(focus)


def finish(focus: Any) -> None:
    """Record the client's Finished, which also locates the server's."""
    reading = focus.reading
    setup = focus.setup
    tls12.finish_client(focus)
    if not setup.flags & SETUP_SERVER_FINISHED:
        if focus.lacks(reading.ack[focus.side]):
            reading.finished_end = reading.ack[focus.side]  # at most: it is among the missing bytes
        else:
            tls12.finish_server(focus, reading.last_ns, reading.last_frame)
    if setup.flags & SETUP_EARLY_SENT and not setup.flags & SETUP_EARLY_ENDED:
        setup.request_sent_ns = 0
        forget_candidates(focus)  # they were not responses
    elif setup.flags & SETUP_EARLY_REQUEST and is_answered(focus):
        focus.conclude()


def forget_candidates(focus: Any) -> None:
    """Discard the candidates for the response."""
    setup = focus.setup
    setup.candidate_count = 0
    focus.reading.answers = 0
    for i in range(CANDIDATES):
        setup.candidate_ns[i] = 0
        setup.candidate_frame[i] = 0
        setup.candidate_length[i] = 0
    focus.exchange.response_ns = 0
    focus.exchange.response_frame = 0
    setup.response_seen_ns = 0


# -- the server --------------------------------------------------------------------------------------------------


def on_server(focus: Any, kind: int) -> None:
    """Process a server record."""
    reading = focus.reading
    setup = focus.setup
    side = focus.side
    if kind == CHANGE_CIPHER_SPEC and not setup.flags & SETUP_HELLO_RETRY:
        setup.flags |= SETUP_FIRST_HELLO  # it follows the first handshake message (RFC 8446 appendix D.4)
    if kind != APPLICATION_DATA:
        return
    if setup.flags & SETUP_CLIENT_FINISHED and seqspace.seq_ge(reading.header[side], reading.finished_end):
        finish_late(focus)
    if setup.flags & SETUP_SERVER_FINISHED:
        on_later(focus)
    elif is_alert(focus, reading.length[side]):
        note_encrypted_alert(focus)
    elif is_finished(focus, reading.length[side]):
        reading.role[side] = ROLE_FINISHED
        reading.finished_end = (reading.header[side] + RECORD_HEADER + reading.length[side]) & MASK32
    else:
        reading.role[side] = ROLE_LAST


def finish_late(focus: Any) -> None:
    """Record the server's Finished from a later server record; part of its flight was captured late."""
    if not focus.setup.flags & SETUP_SERVER_FINISHED:
        tls12.finish_server(focus, focus.reading.last_ns, focus.reading.last_frame)


def on_later(focus: Any) -> None:
    """Process a record after the server's Finished."""
    reading = focus.reading
    setup = focus.setup
    length = reading.length[focus.side]
    if is_alert(focus, length):
        note_encrypted_alert(focus)
        return
    reading.sent_more = 1
    if may_answer(focus):
        note_candidate(focus, length)
    elif reading.finished != FINISHED_NOT and is_like_ticket(length) and setup.ticket_length == 0:
        setup.ticket_length = length


def is_like_ticket(length: int) -> bool:
    """Return True if a record of this length may be a session ticket."""
    return LEAST_TICKET <= length <= MOST_TICKET or length in (NAMED_SESSION, NAMED_SESSION_EARLY)


def may_answer(focus: Any) -> bool:
    """Return True if the server had received the request when it sent this record; accepted early data counts."""
    reading = focus.reading
    flags = focus.setup.flags
    if flags & SETUP_EARLY_REQUEST:
        return True
    if focus.exchange.request_frame:
        return seqspace.seq_gt(reading.ack[focus.side], reading.request_at)
    return flags & (SETUP_EARLY_SENT | SETUP_HELLO_RETRY) == SETUP_EARLY_SENT and reading.finished == FINISHED_NOT


def note_candidate(focus: Any, length: int) -> None:
    """Record a candidate for the response."""
    reading = focus.reading
    setup = focus.setup
    side = focus.side
    i = setup.candidate_count
    if i < CANDIDATES:
        setup.candidate_ns[i] = reading.open_ns[side]
        setup.candidate_frame[i] = reading.frame[side]
        setup.candidate_length[i] = length
        setup.candidate_count = i + 1
        reading.answer_at[i] = reading.header[side]
        reading.answers = i + 1
    if i == 0:
        focus.exchange.response_ns = reading.open_ns[side]
        focus.exchange.response_frame = reading.frame[side]
        setup.response_seen_ns = reading.seen_ns[side]
    if reading.finished != FINISHED_NOT and is_answered(focus):
        focus.conclude()


def is_answered(focus: Any) -> bool:
    """Return True if the response is certainly among the candidates, so that later ones need not be recorded.

    A record that cannot be a ticket or SETTINGS is the response, and so is one after a ticket of another length.
    """
    setup = focus.setup
    count = setup.candidate_count
    if count == CANDIDATES:
        return True
    ticket = setup.ticket_length
    for i in range(count):
        length = setup.candidate_length[i]
        if length < MOST_SETTINGS and setup.flags & SETUP_OFFERS_H2:
            continue
        if not is_like_ticket(length) or (ticket and length != ticket):
            return True
        ticket = length
    return False


def note_encrypted_alert(focus: Any) -> None:
    """Record a possible encrypted alert: the last record of a side with that length.  After a response, ignore it.

    After a response it is close_notify.  It may be that, too, if the snap length cut off what the client sent after its
    Finished and the server answered, or after accepted early data that was not captured.
    """
    setup = focus.setup
    server = focus.side ^ 1 if focus.is_client else focus.side
    doubted = setup.flags & SETUP_CUT and (focus.reading.sent_more or focus.reading.state[server] == READ_LOST)
    if setup.flags & SETUP_EARLY_ENDED and setup.early_frame == 0:
        return
    if setup.candidate_count == 0 and not doubted:
        alerts.note_alert(focus, 0, 0)
