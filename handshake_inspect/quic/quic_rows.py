"""A QUIC connection as a row: C structures in both builds (`quic_rows.pxd` declares the same layout)."""

import ctypes
from typing import Any

from handshake_inspect.wire.row_access import clear_row, row_at, rows_of

BURSTS = 4  # of the server's 1-RTT packets, the first ones
STALLS = 2  # pauses of a flight for the amplification limit or for want of what was lost, the first ones
BY_SERVER = 16  # in `losses`
KEPT = 1500  # bytes of a datagram with an Initial that are kept to be opened

# Flags of a row.
RETRY = 0x0001
NEGOTIATED = 0x0002  # a Version Negotiation packet came
TOKEN = 0x0004  # the client's first Initial had a token
EARLY = 0x0008  # 0-RTT packets of the client
INITIAL_AGAIN = 0x0010  # sent twice before any answer
SERVER_INITIAL = 0x0020
SERVER_HANDSHAKE = 0x0040
SERVER_SHORT = 0x0080
CLIENT_HANDSHAKE = 0x0100
CLIENT_SHORT = 0x0200
CUT = 0x0400  # packets behind the captured part of a datagram
ICMP_ERROR = 0x0800  # an error from the server's side quotes a datagram of the client
CLIENT_GONE = 0x1000  # an error quotes a datagram of the server: the client has closed its socket
NOT_KEPT = 0x2000  # no room for its Initials


class Quic(ctypes.Structure):
    """One connection.  Times are nanoseconds since 1970, 0 for what was not seen; frames the low 32 bits."""

    _fields_ = (
        ("client_hi", ctypes.c_uint64),  # as it began
        ("client_lo", ctypes.c_uint64),
        ("server_hi", ctypes.c_uint64),
        ("server_lo", ctypes.c_uint64),
        ("moved_hi", ctypes.c_uint64),  # the client's newest address after a migration
        ("moved_lo", ctypes.c_uint64),
        ("first_frame", ctypes.c_uint64),
        ("first_ns", ctypes.c_int64),  # the client's first Initial
        ("last_ns", ctypes.c_int64),
        ("again_ns", ctypes.c_int64),  # its last copy before any answer
        ("retry_ns", ctypes.c_int64),
        ("negotiation_ns", ctypes.c_int64),
        ("second_ns", ctypes.c_int64),  # the client's Initial after that
        ("third_ns", ctypes.c_int64),  # and after a Retry behind a Version Negotiation
        ("answer_ns", ctypes.c_int64),  # the server's first Initial
        ("reply_ns", ctypes.c_int64),  # the client's next datagram
        ("early_ns", ctypes.c_int64),  # the client's first 0-RTT packet
        ("flight_ns", ctypes.c_int64),  # the server's last Handshake packet before the client's Finished
        ("handshake_ns", ctypes.c_int64),  # the client's last Handshake packet before that
        ("finished_ns", ctypes.c_int64),  # the client's Finished
        ("request_ns", ctypes.c_int64),  # the first packet of the client that may be a request
        ("request_last_ns", ctypes.c_int64),  # and the last before the response
        ("server_ns", ctypes.c_int64),  # the server's last datagram
        ("client_ns", ctypes.c_int64),  # the client's last datagram
        ("icmp_ns", ctypes.c_int64),
        ("edge_ns", ctypes.c_int64),  # the client's last edge of the spin bit
        ("spin_ns", ctypes.c_int64),  # the least time between two of them
        ("client_bytes", ctypes.c_uint64),  # of datagrams, without their UDP headers
        ("server_bytes", ctypes.c_uint64),
        ("paid_bytes", ctypes.c_uint64),  # the client's bytes when the server last sent
        ("server_cid", ctypes.c_uint64),  # mixed from the connection ID that the server chose
        ("burst_ns", ctypes.c_int64 * BURSTS),  # first 1-RTT packet of 60 bytes or more of each burst of the server
        ("burst_last_ns", ctypes.c_int64),  # last such packet
        ("stall_ns", ctypes.c_int64 * STALLS),  # how long the pause was
        ("burst_frame", ctypes.c_uint32 * BURSTS),
        ("stall_frame", ctypes.c_uint32 * STALLS),  # of the datagram that ended it
        ("again_frame", ctypes.c_uint32),
        ("retry_frame", ctypes.c_uint32),
        ("negotiation_frame", ctypes.c_uint32),
        ("second_frame", ctypes.c_uint32),
        ("answer_frame", ctypes.c_uint32),
        ("early_frame", ctypes.c_uint32),
        ("flight_frame", ctypes.c_uint32),
        ("handshake_frame", ctypes.c_uint32),
        ("finished_frame", ctypes.c_uint32),
        ("request_frame", ctypes.c_uint32),
        ("request_last_frame", ctypes.c_uint32),
        ("icmp_frame", ctypes.c_uint32),
        ("client_frames", ctypes.c_uint32),
        ("server_frames", ctypes.c_uint32),
        ("version", ctypes.c_uint32),  # of the newest packet with a long header
        ("first_version", ctypes.c_uint32),  # of the client's first Initial
        ("kept", ctypes.c_uint32),  # 1 + the first datagram kept to be opened, 0 for none
        ("client_port", ctypes.c_uint16),
        ("server_port", ctypes.c_uint16),
        ("moved_port", ctypes.c_uint16),
        ("moved", ctypes.c_uint16),  # how often the client's address changed
        ("flags", ctypes.c_uint16),
        ("server_cid_len", ctypes.c_uint8),
        ("in_use", ctypes.c_uint8),
        ("ip_version", ctypes.c_uint8),
        ("bursts", ctypes.c_uint8),
        ("early_bursts", ctypes.c_uint8),  # of them before the client's Finished
        ("stalls", ctypes.c_uint8),
        ("icmp_type", ctypes.c_uint8),
        ("icmp_code", ctypes.c_uint8),
        ("kept_count", ctypes.c_uint8),
        ("client_spin", ctypes.c_uint8),  # the spin bit at its last edge
        ("server_spin", ctypes.c_uint8),
        ("client_edges", ctypes.c_uint8),
        ("server_edges", ctypes.c_uint8),
        ("losses", ctypes.c_uint8),  # a bit for each stall that a loss made, and BY_SERVER times that if it waited
        ("spare", ctypes.c_uint8 * 4),
    )


class Kept(ctypes.Structure):
    """A datagram with Initial packets, to be opened when the connection is judged."""

    _fields_ = (
        ("next", ctypes.c_uint32),  # 1 + the next of the same connection, or the next free one
        ("length", ctypes.c_uint16),
        ("from_server", ctypes.c_uint8),
        ("spare", ctypes.c_uint8),
        ("bytes", ctypes.c_uint8 * KEPT),
    )


class Logged(ctypes.Structure):
    """A datagram as its clear headers show it, for `hsi explain`."""

    _fields_ = (
        ("first_frame", ctypes.c_uint64),  # of its connection
        ("frame", ctypes.c_uint64),
        ("ts_ns", ctypes.c_int64),
        ("length", ctypes.c_uint32),  # bytes, without the UDP header
        ("version", ctypes.c_uint32),  # of the packets with long headers
        ("short_len", ctypes.c_uint32),  # bytes of the 1-RTT packet
        ("kinds", ctypes.c_uint8),  # packets, as in `const.py`
        ("from_server", ctypes.c_uint8),
        ("moved", ctypes.c_uint8),  # the client's address is another one since
        ("is_error", ctypes.c_uint8),  # an ICMP error that quotes a datagram: then `from_server` says whose
        ("icmp_type", ctypes.c_uint8),
        ("icmp_code", ctypes.c_uint8),
        ("ip_version", ctypes.c_uint8),
        ("spare", ctypes.c_uint8 * 5),
    )


ROWS: dict[str, Any] = {row.__name__: row for row in (Quic, Kept, Logged)}


quics_of = kept_of = logged_of = rows_of
quic_at = kept_at = logged_at = row_at
clear_quic = clear_row


def keep_bytes(kept: Any, data: Any, start: int, length: int) -> None:
    """Copy `length` bytes at `start` into a row."""
    kept.bytes[:length] = bytes(memoryview(data)[start : start + length])
