"""The row types of connection set-up: everything between the TCP handshake and the first byte of the response.

They are C structures in both builds and refer to each other by number.  Times are capture times in nanoseconds, 0 if
not seen; frame numbers count from 1 for the connection's first frame, 0 if not seen.  A byte is *first seen* when a
segment with it is first captured, and *available* once all bytes before it have been captured, too.
"""

import ctypes
from typing import Any

from handshake_inspect.wire.row_access import clear_row, prefetch_row, row_at, rows_of

CANDIDATES = 6  # four tickets, SETTINGS and the response
HEAD = 12  # bytes of a record kept to identify it: record header and message header
HELD = 48  # segments beyond a hole that a buffer holds: enough for a certificate chain
BUFFER = 60 * 1024  # bytes; offsets fit into 16 bits


class Exchange(ctypes.Structure):
    """Request and response of the connection with the same number; used only when data flows."""

    _fields_ = (
        ("request_ns", ctypes.c_int64),  # first byte of the client's request first seen
        ("response_ns", ctypes.c_int64),  # first byte of the response available; of TLS 1.3, see Setup.candidate_ns
        ("request_frame", ctypes.c_uint32),
        ("response_frame", ctypes.c_uint32),
        ("path", ctypes.c_uint32),  # minimum time from a client segment to its acknowledgment, ns
        ("setup", ctypes.c_uint32),  # EXCHANGE_SETUP: 1 + `Setup` row, 0 for none; EXCHANGE_* bits above
    )


class Setup(ctypes.Structure):
    """The set-up of a connection with TLS, with a server that sends first, or with lost or delayed segments."""

    _fields_ = (
        ("hello_ns", ctypes.c_int64),  # ClientHello: first byte first seen
        (
            "hello_sent_ns",
            ctypes.c_int64,
        ),  # last segment, retransmissions included, of the ClientHello that ServerHello answers
        ("retry_ns", ctypes.c_int64),  # HelloRetryRequest first seen
        ("hello_2_ns", ctypes.c_int64),  # the ClientHello after it, first seen
        ("server_hello_ns", ctypes.c_int64),  # ServerHello first seen (or any other answer, with SETUP_NOT_TLS)
        ("flight_ns", ctypes.c_int64),  # last segment of the server's flight before the client's Finished
        ("server_finished_ns", ctypes.c_int64),  # its last byte available
        ("client_finished_ns", ctypes.c_int64),  # first seen
        ("early_ns", ctypes.c_int64),  # early data first seen
        ("request_sent_ns", ctypes.c_int64),  # last client segment before the response, retransmissions included
        ("response_seen_ns", ctypes.c_int64),  # the response's first byte first seen; not of TLS 1.3
        ("greeting_ns", ctypes.c_int64),  # first byte that the server sent unprompted, available
        ("alert_ns", ctypes.c_int64),  # first seen
        # TLS 1.3: the server's records after its Finished that may be the response, when available.  Excludes those
        # that do not acknowledge the request, except after early data.
        ("candidate_ns", ctypes.c_int64 * CANDIDATES),
        ("candidate_frame", ctypes.c_uint32 * CANDIDATES),
        ("candidate_length", ctypes.c_uint16 * CANDIDATES),  # from the record header
        ("version", ctypes.c_uint16),  # chosen in ServerHello: extension 43, else legacy_version; 0 if unknown
        ("cipher", ctypes.c_uint16),  # of ServerHello
        ("hello_frame", ctypes.c_uint32),
        ("retry_frame", ctypes.c_uint32),
        ("hello_2_frame", ctypes.c_uint32),
        ("server_hello_frame", ctypes.c_uint32),
        ("server_finished_frame", ctypes.c_uint32),
        ("client_finished_frame", ctypes.c_uint32),
        ("early_frame", ctypes.c_uint32),
        ("greeting_frame", ctypes.c_uint32),
        ("alert_frame", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),  # SETUP_* bits
        ("hello", ctypes.c_uint32),  # number of the ClientHello's contents in `Setups.names`, 0 for none
        ("alpn", ctypes.c_uint32),  # number of the protocol that ServerHello chose in `Setups.names`, 0 for none
        ("extras", ctypes.c_uint32),  # 1 + first `Extra` row, 0 for none
        ("reading", ctypes.c_uint32),  # 1 + `Reading` row, 0 once parsing is over
        ("client_hello_bytes", ctypes.c_uint32),  # records of the first ClientHello, including headers
        ("server_flight_bytes", ctypes.c_uint32),  # bytes of the server from ServerHello up to flight_ns
        ("group", ctypes.c_uint16),  # of ServerHello's key_share, 0 for none
        ("ticket_length", ctypes.c_uint16),  # of the records between the server's Finished and the request, 0 for none
        ("candidate_count", ctypes.c_uint8),
        ("alert_level", ctypes.c_uint8),  # of an unencrypted alert
        ("alert_code", ctypes.c_uint8),
        ("upgrade", ctypes.c_uint8),  # UPGRADE_*: the protocol before the ClientHello
        ("turns", ctypes.c_uint8),  # server replies before the ClientHello; saturates at 255
        ("lacks", ctypes.c_uint8),  # LACKS_*: missing parts of the text before the ClientHello, or of plain text
        ("certified", ctypes.c_uint8),  # TLS 1.2 and older: the server sent a certificate, so no session was resumed
        ("spare", ctypes.c_uint8 * 5),
    )


class Extra(ctypes.Structure):
    """A wait in addition to the round trips that the protocol needs; a linked list from `Setup.extras`, by time."""

    _fields_ = (
        ("cost_ns", ctypes.c_int64),  # duration of the wait
        ("frame", ctypes.c_uint32),  # the frame that ended it
        ("next", ctypes.c_uint32),  # 1 + next row, 0 for none
        ("reason", ctypes.c_uint8),  # EXTRA_*
        ("side", ctypes.c_uint8),  # the side whose flight waited: 0 or 1, as in Connection
        ("delayed", ctypes.c_uint8),  # delayed ACK: it took at least 20 ms longer than the network
        ("span", ctypes.c_uint8),  # SPAN_*: the span that contains it
        ("filled", ctypes.c_uint8),  # a hole was filled that may have held up the response
        ("spare", ctypes.c_uint8 * 3),
    )


class Reading(ctypes.Structure):
    """The parser state of a set-up until the first response; pairs are by side."""

    _fields_ = (
        ("seen_ns", ctypes.c_int64 * 2),  # first byte of the current record: first seen
        ("open_ns", ctypes.c_int64 * 2),  # and available
        ("sent_ns", ctypes.c_int64 * 2),  # the side's last segment with new bytes
        ("acked_ns", ctypes.c_int64 * 2),  # the first bare ACK for all of its last data, 0 for none yet
        ("news_ns", ctypes.c_int64 * 2),  # the last bare ACK since its last data
        ("path_ns", ctypes.c_int64 * 2),  # oldest and newest unacknowledged client segments
        ("last_ns", ctypes.c_int64),  # the server's last record, which may contain its Finished: available
        ("next", ctypes.c_uint32 * 2),  # just beyond the available bytes
        ("base", ctypes.c_uint32 * 2),  # first byte that counts against the limit
        ("beyond", ctypes.c_uint32 * 2),  # just beyond the highest byte seen
        ("header", ctypes.c_uint32 * 2),  # where the current record begins
        ("frame", ctypes.c_uint32 * 2),  # frame of its first byte, and the acknowledgment number there
        ("ack", ctypes.c_uint32 * 2),
        ("path_end", ctypes.c_uint32 * 2),
        ("need", ctypes.c_uint32 * 2),  # length of the message being gathered
        ("last_frame", ctypes.c_uint32),
        ("hello_end", ctypes.c_uint32),  # just beyond the last ClientHello
        ("server_hello_at", ctypes.c_uint32),
        ("server_hello_end", ctypes.c_uint32),  # just beyond ServerHello
        ("server_hello_ack", ctypes.c_uint32),  # its acknowledgment number
        ("finished_end", ctypes.c_uint32),  # just beyond the server's Finished
        ("early_at", ctypes.c_uint32),  # where early data begins
        ("request_at", ctypes.c_uint32),  # where the request begins
        ("owner", ctypes.c_uint32),  # 1 + `Setup` row; in a free row, 1 + next free row
        ("answer_at", ctypes.c_uint32 * CANDIDATES),  # where the response, or a candidate for it, begins
        ("gather", ctypes.c_uint16 * 2),  # 1 + buffer of a fragmented hello, 0 for none
        ("hold", ctypes.c_uint16 * 2),  # 1 + buffer of segments beyond a hole
        ("length", ctypes.c_uint16 * 2),  # of the current record
        ("head", ctypes.c_uint8 * (2 * HEAD)),  # its first bytes
        ("headed", ctypes.c_uint8 * 2),  # number of bytes in `head`
        ("state", ctypes.c_uint8 * 2),  # READ_*
        ("role", ctypes.c_uint8 * 2),  # ROLE_* of the current record
        ("changed", ctypes.c_uint8 * 2),  # whether it sent ChangeCipherSpec
        ("segments", ctypes.c_uint8 * 2),  # data segments so far
        ("burst", ctypes.c_uint8 * 2),  # packets of its current flight: since peer data that acknowledged everything
        ("flying", ctypes.c_uint8 * 2),  # whether a flight is in progress
        ("small", ctypes.c_uint8 * 2),  # whether its last data ended in a packet smaller than the MSS
        ("spoke", ctypes.c_uint8),  # 1 + side that sent the last data
        ("lasting", ctypes.c_uint8),  # whether TLS may begin after the first response
        ("finished", ctypes.c_uint8),  # FINISHED_* of the client
        ("records", ctypes.c_uint8),  # of the client's flight with its Finished, so far
        ("answered", ctypes.c_uint8),  # whether the client continued after ServerHello
        ("withheld", ctypes.c_uint8),  # whether a record of that flight had the length of an empty Certificate
        ("prologue", ctypes.c_uint8),  # whether the client sent text before TLS
        ("kind", ctypes.c_uint8),  # presumed UPGRADE_*
        ("answers", ctypes.c_uint8),  # number of entries in `answer_at`
        ("done", ctypes.c_uint8),  # the response came, but is not yet acknowledged
        ("sent_more", ctypes.c_uint8),  # whether the server sent more than alerts after its Finished
        ("veiled", ctypes.c_uint8),  # only the type was captured of the record after the client's ChangeCipherSpec
        ("exchanged", ctypes.c_uint8),  # TLS 1.2: whether the client sent a message before its ChangeCipherSpec
        ("spare", ctypes.c_uint8 * 3),
    )


class Buffer(ctypes.Structure):
    """Bytes of one side that cannot be parsed yet: a fragmented hello, or segments beyond a hole."""

    _fields_ = (
        ("ns", ctypes.c_int64 * HELD),  # of each segment
        ("owner", ctypes.c_uint32),  # 1 + `Reading` row, 0 if free
        ("next_free", ctypes.c_uint32),
        ("used", ctypes.c_uint32),  # bytes
        ("count", ctypes.c_uint16),  # segments
        ("side", ctypes.c_uint8),
        ("spare", ctypes.c_uint8),
        ("seq", ctypes.c_uint32 * HELD),
        ("end", ctypes.c_uint32 * HELD),
        ("ack", ctypes.c_uint32 * HELD),
        ("frame", ctypes.c_uint32 * HELD),
        ("at", ctypes.c_uint16 * HELD),  # offset of its bytes in `data`
        ("captured", ctypes.c_uint16 * HELD),
        ("data", ctypes.c_uint8 * BUFFER),
    )


ROWS: dict[str, Any] = {row.__name__: row for row in (Exchange, Setup, Extra, Reading, Buffer)}


clear_exchange = clear_setup = clear_extra = clear_reading = clear_row
exchanges_of = setups_of = extras_of = readings_of = owners_of = rows_of
exchange_at = setup_at = extra_at = reading_at = buffer_at = row_at
prefetch_exchange = prefetch_row


def clear_buffer(records: Any, i: int) -> None:
    """Zero row `i` except `data`, which is not read beyond `used`."""
    ctypes.memset(ctypes.addressof(records[i]), 0, Buffer.data.offset)


def nothing() -> Any:
    """Return a null row."""
    return None
