"""Rows of connection set-up: what was said between the handshake and the first byte of the answer.

C structures in both builds, which refer to each other by number.  Times are capture times in nanoseconds,
0 where the thing was not seen; frames count from 1 for the connection's first one, 0 likewise.  *First seen* is the
first capture of a segment that holds a byte; *available* is when all bytes before it had been captured, too.
"""

import ctypes
from typing import Any

from handshake_inspect.wire.row_access import clear_row, prefetch_row, row_at, rows_of

CANDIDATES = 6  # four tickets, SETTINGS and the answer
HEAD = 12  # bytes of a record kept to identify it: its header, and that of the message in it
HELD = 48  # segments beyond a hole that a buffer keeps: those of a chain of certificates
BUFFER = 60 * 1024  # a place in it fits into 16 bits


class Exchange(ctypes.Structure):
    """Request and response: one per connection, same number, touched only when data flows."""

    _fields_ = (
        ("request_ns", ctypes.c_int64),  # first byte of the client's request first seen
        ("response_ns", ctypes.c_int64),  # first byte of the response available; of TLS 1.3, see Setup.candidate_ns
        ("request_frame", ctypes.c_uint32),
        ("response_frame", ctypes.c_uint32),
        ("path", ctypes.c_uint32),  # least time from a client's segment to the server's first one that acknowledges it
        ("setup", ctypes.c_uint32),  # EXCHANGE_SETUP: 1 + row of its set-up, 0 for none; above that EXCHANGE_* bits
    )


class Setup(ctypes.Structure):
    """The set-up of a connection that began TLS, whose server spoke first, or where something was in the way."""

    _fields_ = (
        ("hello_ns", ctypes.c_int64),  # ClientHello: first byte first seen
        ("hello_sent_ns", ctypes.c_int64),  # last segment, copies too, of the ClientHello that ServerHello answers
        ("retry_ns", ctypes.c_int64),  # HelloRetryRequest first seen
        ("hello_2_ns", ctypes.c_int64),  # the ClientHello after it, first seen
        ("server_hello_ns", ctypes.c_int64),  # ServerHello first seen (or whatever answered, with SERVER_NOT_TLS)
        ("flight_ns", ctypes.c_int64),  # last byte of the server's flight before the client's Finished, copies too
        ("server_finished_ns", ctypes.c_int64),  # its last byte available
        ("client_finished_ns", ctypes.c_int64),  # first seen
        ("early_ns", ctypes.c_int64),  # early data first seen
        ("request_sent_ns", ctypes.c_int64),  # last segment, copies too, of the client before the response
        ("response_seen_ns", ctypes.c_int64),  # the response's first byte first seen; not of TLS 1.3
        ("greeting_ns", ctypes.c_int64),  # first byte available that the server sent on its own account
        ("alert_ns", ctypes.c_int64),  # first seen
        # TLS 1.3: the server's records after its Finished that may be the response, available.  Those whose
        # acknowledgment does not cover the request are not among them, but for those after early data.
        ("candidate_ns", ctypes.c_int64 * CANDIDATES),
        ("candidate_frame", ctypes.c_uint32 * CANDIDATES),
        ("candidate_length", ctypes.c_uint16 * CANDIDATES),  # as the record's header says
        ("version", ctypes.c_uint16),  # that ServerHello chose: extension 43, else legacy_version; 0 for unknown
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
        ("hello", ctypes.c_uint32),  # number of the hello's facts among the table's names, 0 for none
        ("alpn", ctypes.c_uint32),  # number of the name of the protocol that ServerHello chose, 0 for none
        ("extras", ctypes.c_uint32),  # 1 + the first row of what cost time besides, 0 for none
        ("reading", ctypes.c_uint32),  # 1 + row of what its reading needs, 0 once that is over
        ("client_hello_bytes", ctypes.c_uint32),  # records of the first ClientHello, with headers
        ("server_flight_bytes", ctypes.c_uint32),  # what the server sent from ServerHello up to flight_ns
        ("group", ctypes.c_uint16),  # of ServerHello's key_share, 0 for none
        ("ticket_length", ctypes.c_uint16),  # of the records between the server's Finished and the request, 0 for none
        ("candidate_count", ctypes.c_uint8),
        ("alert_level", ctypes.c_uint8),  # of a clear alert, as alert_code
        ("alert_code", ctypes.c_uint8),
        ("upgrade", ctypes.c_uint8),  # UPGRADE_*: what was spoken before the ClientHello
        ("turns", ctypes.c_uint8),  # how often the server answered the client in that prologue; 255 stands for more
        ("lacks", ctypes.c_uint8),  # LACKS_*: parts of that prologue, or of plain text, that the capture does not hold
        ("spare", ctypes.c_uint8 * 6),
    )


class Extra(ctypes.Structure):
    """A wait on top of the round trips that the protocol needs; a chain from `Setup.extras`, by time."""

    _fields_ = (
        ("cost_ns", ctypes.c_int64),  # how long the wait was
        ("frame", ctypes.c_uint32),  # that ended it
        ("next", ctypes.c_uint32),  # 1 + row of the next, 0 for none
        ("reason", ctypes.c_uint8),  # EXTRA_*
        ("side", ctypes.c_uint8),  # whose flight waited: 0 or 1, as in Connection
        ("delayed", ctypes.c_uint8),  # the peer's acknowledgment took 20 ms longer than the network
        ("span", ctypes.c_uint8),  # SPAN_*: inside which it lies
        ("filled", ctypes.c_uint8),  # a hole was filled, and the response may have been behind it
        ("spare", ctypes.c_uint8 * 3),
    )


class Reading(ctypes.Structure):
    """What reading a set-up needs until the first response; pairs are by side."""

    _fields_ = (
        ("seen_ns", ctypes.c_int64 * 2),  # of the record under way: its first byte first seen
        ("open_ns", ctypes.c_int64 * 2),  # and available
        ("sent_ns", ctypes.c_int64 * 2),  # the side's last segment with new bytes
        ("acked_ns", ctypes.c_int64 * 2),  # the first bare ACK for all of its last data, 0 for none yet
        ("news_ns", ctypes.c_int64 * 2),  # the last bare ACK since its last data
        ("path_ns", ctypes.c_int64 * 2),  # client's segments that the server has not acknowledged: oldest and newest
        ("last_ns", ctypes.c_int64),  # the server's last record, should it prove to hold its Finished: available
        ("next", ctypes.c_uint32 * 2),  # just beyond the bytes available
        ("base", ctypes.c_uint32 * 2),  # the first of what is counted against the limit
        ("beyond", ctypes.c_uint32 * 2),  # just beyond the highest byte seen
        ("header", ctypes.c_uint32 * 2),  # where the record under way begins
        ("frame", ctypes.c_uint32 * 2),  # that holds its first byte, and the acknowledgment number there
        ("ack", ctypes.c_uint32 * 2),
        ("path_end", ctypes.c_uint32 * 2),
        ("need", ctypes.c_uint32 * 2),  # length of the message that is gathered
        ("last_frame", ctypes.c_uint32),
        ("hello_end", ctypes.c_uint32),  # just beyond the last ClientHello
        ("server_hello_at", ctypes.c_uint32),
        ("server_hello_end", ctypes.c_uint32),  # just beyond ServerHello
        ("server_hello_ack", ctypes.c_uint32),  # what it acknowledges
        ("finished_end", ctypes.c_uint32),  # just beyond the server's Finished
        ("early_at", ctypes.c_uint32),  # where early data begins
        ("request_at", ctypes.c_uint32),  # where the request begins
        ("owner", ctypes.c_uint32),  # 1 + row of the set-up; of a free row, of the next free one
        ("answer_at", ctypes.c_uint32 * CANDIDATES),  # where the response begins, or what may be it
        ("gather", ctypes.c_uint16 * 2),  # 1 + buffer of a hello in pieces, 0 for none
        ("hold", ctypes.c_uint16 * 2),  # 1 + buffer of segments beyond a hole
        ("length", ctypes.c_uint16 * 2),  # of the record under way
        ("head", ctypes.c_uint8 * (2 * HEAD)),  # its first bytes
        ("headed", ctypes.c_uint8 * 2),  # how many there are
        ("state", ctypes.c_uint8 * 2),  # READ_*
        ("role", ctypes.c_uint8 * 2),  # ROLE_* of the record under way
        ("changed", ctypes.c_uint8 * 2),  # whether it sent ChangeCipherSpec
        ("segments", ctypes.c_uint8 * 2),  # data segments so far
        ("burst", ctypes.c_uint8 * 2),  # packets of its flight: since data of the other side that acknowledge all
        ("flying", ctypes.c_uint8 * 2),  # whether that goes on
        ("small", ctypes.c_uint8 * 2),  # whether its last data ended in a packet smaller than the MSS
        ("spoke", ctypes.c_uint8),  # 1 + side that sent the last data
        ("lasting", ctypes.c_uint8),  # whether TLS may begin after the first response
        ("finished", ctypes.c_uint8),  # FINISHED_* of the client
        ("records", ctypes.c_uint8),  # of the client's flight with its Finished, so far
        ("answered", ctypes.c_uint8),  # whether the client went on after ServerHello
        ("withheld", ctypes.c_uint8),  # whether a record of that flight was as long as an empty Certificate
        ("prologue", ctypes.c_uint8),  # whether the client said anything before
        ("kind", ctypes.c_uint8),  # UPGRADE_* that this may be
        ("answers", ctypes.c_uint8),  # how many there are
        ("done", ctypes.c_uint8),  # the response came, and the client has yet to acknowledge it
        ("said", ctypes.c_uint8),  # whether the server sent more than alerts after its Finished
        ("veiled", ctypes.c_uint8),  # of the record behind the client's ChangeCipherSpec, only its type was captured
        ("exchanged", ctypes.c_uint8),  # TLS 1.2: whether the client sent a message before its ChangeCipherSpec
        ("spare", ctypes.c_uint8 * 3),
    )


class Buffer(ctypes.Structure):
    """Bytes of one side that cannot be read yet: a hello in pieces, or segments beyond a hole."""

    _fields_ = (
        ("ns", ctypes.c_int64 * HELD),  # of each segment
        ("owner", ctypes.c_uint32),  # 1 + row of the reading, 0 for nobody; of a free buffer, see `next_free`
        ("next_free", ctypes.c_uint32),
        ("used", ctypes.c_uint32),  # bytes
        ("count", ctypes.c_uint16),  # segments
        ("side", ctypes.c_uint8),
        ("spare", ctypes.c_uint8),
        ("seq", ctypes.c_uint32 * HELD),
        ("end", ctypes.c_uint32 * HELD),
        ("ack", ctypes.c_uint32 * HELD),
        ("frame", ctypes.c_uint32 * HELD),
        ("at", ctypes.c_uint16 * HELD),  # where its bytes lie here
        ("captured", ctypes.c_uint16 * HELD),
        ("data", ctypes.c_uint8 * BUFFER),
    )


ROWS: dict[str, Any] = {row.__name__: row for row in (Exchange, Setup, Extra, Reading, Buffer)}


clear_exchange = clear_setup = clear_extra = clear_reading = clear_row
exchanges_of = setups_of = extras_of = readings_of = buffers_of = rows_of
exchange_at = setup_at = extra_at = reading_at = buffer_at = row_at
prefetch_exchange = prefetch_row


def clear_buffer(records: Any, i: int) -> None:
    """Set row `i` to zeros, but for its bytes: nobody reads those beyond `used`."""
    ctypes.memset(ctypes.addressof(records[i]), 0, Buffer.data.offset)


def nothing() -> Any:
    """No row."""
    return None
