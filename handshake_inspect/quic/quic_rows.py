"""Rows of QUIC connections: C structures for both builds (`quic_rows.pxd` declares the same layout)."""

import ctypes
from typing import Any

from handshake_inspect.wire.row_access import clear_row, row_at, rows_of

BURSTS = 4  # recorded bursts of the server's 1-RTT packets: the first ones
STALLS = 2  # recorded pauses in a flight, due to the amplification limit or to loss: the first ones
BY_SERVER = 16  # factor of the server's bits in `losses`
KEPT = 1500  # bytes kept of a datagram with an Initial

# Flags of a row.
RETRY = 0x0001
NEGOTIATED = 0x0002  # a Version Negotiation packet was seen
TOKEN = 0x0004  # the client's first Initial had a token
EARLY = 0x0008  # the client sent 0-RTT packets
INITIAL_AGAIN = 0x0010  # the client repeated its Initial before any answer
SERVER_INITIAL = 0x0020
SERVER_HANDSHAKE = 0x0040
SERVER_SHORT = 0x0080
CLIENT_HANDSHAKE = 0x0100
CLIENT_SHORT = 0x0200
CUT = 0x0400  # the snap length cut off packets
ICMP_ERROR = 0x0800  # an ICMP error quotes a datagram of the client
CLIENT_GONE = 0x1000  # an ICMP error quotes a datagram of the server: the client has closed its socket
NOT_KEPT = 0x2000  # no space to keep its Initials


class Quic(ctypes.Structure):
    """A connection.  Times are in nanoseconds since the epoch, 0 if not seen; frames are the low 32 bits of numbers."""

    _fields_ = (
        ("client_hi", ctypes.c_uint64),  # initial address
        ("client_lo", ctypes.c_uint64),
        ("server_hi", ctypes.c_uint64),
        ("server_lo", ctypes.c_uint64),
        ("moved_hi", ctypes.c_uint64),  # the client's newest address after a migration
        ("moved_lo", ctypes.c_uint64),
        ("first_frame", ctypes.c_uint64),
        ("first_ns", ctypes.c_int64),  # the client's first Initial
        ("last_ns", ctypes.c_int64),
        ("again_ns", ctypes.c_int64),  # the last repetition of it before any answer
        ("retry_ns", ctypes.c_int64),
        ("negotiation_ns", ctypes.c_int64),
        ("second_ns", ctypes.c_int64),  # the client's Initial after that
        ("third_ns", ctypes.c_int64),  # and after a Retry that follows a Version Negotiation
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
        ("spin_ns", ctypes.c_int64),  # the shortest time between two of them
        ("client_bytes", ctypes.c_uint64),  # UDP payload
        ("server_bytes", ctypes.c_uint64),
        ("paid_bytes", ctypes.c_uint64),  # the client's bytes when the server last sent
        ("server_cid", ctypes.c_uint64),  # hash of the connection ID chosen by the server
        ("burst_ns", ctypes.c_int64 * BURSTS),  # first 1-RTT packet of 60 bytes or more of each burst of the server
        ("burst_last_ns", ctypes.c_int64),  # last such packet
        ("stall_ns", ctypes.c_int64 * STALLS),  # duration
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
        ("icmp_frame", ctypes.c_uint32),
        ("client_frames", ctypes.c_uint32),
        ("server_frames", ctypes.c_uint32),
        ("version", ctypes.c_uint32),  # of the newest packet with a long header
        ("kept", ctypes.c_uint32),  # 1 + the newest kept datagram, 0 for none
        ("client_port", ctypes.c_uint16),
        ("server_port", ctypes.c_uint16),
        ("moved_port", ctypes.c_uint16),
        ("moved", ctypes.c_uint16),  # how often the client's address changed
        ("flags", ctypes.c_uint16),
        ("server_cid_len", ctypes.c_uint8),
        ("in_use", ctypes.c_uint8),
        ("ip_version", ctypes.c_uint8),
        ("bursts", ctypes.c_uint8),
        ("early_bursts", ctypes.c_uint8),  # bursts before the client's Finished
        ("stalls", ctypes.c_uint8),
        ("icmp_type", ctypes.c_uint8),
        ("icmp_code", ctypes.c_uint8),
        ("kept_count", ctypes.c_uint8),
        ("client_spin", ctypes.c_uint8),  # the spin bit at its last edge
        ("server_spin", ctypes.c_uint8),
        ("client_edges", ctypes.c_uint8),
        ("server_edges", ctypes.c_uint8),
        ("losses", ctypes.c_uint8),  # bit i: stall i of the client is due to loss; BY_SERVER << i: of the server
        ("spare", ctypes.c_uint8 * 4),
    )


class Kept(ctypes.Structure):
    """A datagram with Initial packets, kept for decryption when the connection is judged."""

    _fields_ = (
        ("next", ctypes.c_uint32),  # 1 + the next of the same connection, or the next free one
        ("length", ctypes.c_uint16),
        ("from_server", ctypes.c_uint8),
        ("spare", ctypes.c_uint8),
        ("bytes", ctypes.c_uint8 * KEPT),
    )


class Logged(ctypes.Structure):
    """A datagram in the log for `hsi explain`."""

    _fields_ = (
        ("first_frame", ctypes.c_uint64),  # of its connection
        ("frame", ctypes.c_uint64),
        ("ts_ns", ctypes.c_int64),
        ("length", ctypes.c_uint32),  # bytes of UDP payload
        ("version", ctypes.c_uint32),  # of the packets with long headers
        ("short_len", ctypes.c_uint32),  # bytes of the 1-RTT packet
        ("kinds", ctypes.c_uint8),  # packets, as in `const.py`
        ("from_server", ctypes.c_uint8),
        ("moved", ctypes.c_uint8),  # the client has changed its address
        ("is_error", ctypes.c_uint8),  # an ICMP error; `from_server` then refers to the quoted datagram
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
    """Copy `data[start:start + length]` into a row."""
    kept.bytes[:length] = bytes(memoryview(data)[start : start + length])
