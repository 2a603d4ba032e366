"""The segment record: the decoded headers of one frame, reused for every frame.

It is a C structure in both builds (`segment.pxd` declares the same layout): the pure build accesses it through ctypes,
the compiled build through a pointer.
"""

import ctypes
from typing import Any


class Segment(ctypes.Structure):
    """One TCP header with its IP fields, or the TCP header that an ICMP error quotes."""

    _fields_ = (
        ("ts_ns", ctypes.c_int64),  # capture time since the epoch
        ("frame", ctypes.c_uint64),  # number of the frame, from 1
        ("src_hi", ctypes.c_uint64),  # 128-bit addresses; IPv4 as ::ffff:a.b.c.d
        ("src_lo", ctypes.c_uint64),
        ("dst_hi", ctypes.c_uint64),
        ("dst_lo", ctypes.c_uint64),
        ("reporter_hi", ctypes.c_uint64),  # sender of the ICMP error; for segments, see `payload.py`
        ("reporter_lo", ctypes.c_uint64),
        ("hash", ctypes.c_uint64),  # of the 4-tuple, the same in both directions
        ("seq", ctypes.c_uint32),
        ("ack", ctypes.c_uint32),
        ("payload_len", ctypes.c_uint32),  # bytes on the wire, captured or not
        ("tsval", ctypes.c_uint32),
        ("tsecr", ctypes.c_uint32),
        ("src_port", ctypes.c_uint16),
        ("dst_port", ctypes.c_uint16),
        ("flags", ctypes.c_uint16),  # control bits, AE as bit 8
        ("window", ctypes.c_uint16),  # as in the header, unscaled
        ("mss", ctypes.c_uint16),
        ("ip_id", ctypes.c_uint16),  # 0 for IPv6
        ("options", ctypes.c_uint16),  # OPT_* bits
        ("notes", ctypes.c_uint16),  # NOTE_* bits
        ("kind", ctypes.c_uint8),  # KIND_*
        ("ttl", ctypes.c_uint8),  # or hop limit
        ("window_scale", ctypes.c_uint8),
        ("ip_version", ctypes.c_uint8),  # 4 or 6
        ("icmp_type", ctypes.c_uint8),
        ("icmp_code", ctypes.c_uint8),
        ("tfo_cookie_len", ctypes.c_uint8),
        ("spare", ctypes.c_uint8),
        ("sack_left", ctypes.c_uint32),  # first SACK block, when OPT_SACK
        ("sack_right", ctypes.c_uint32),
        ("options_len", ctypes.c_uint8),  # bytes of TCP options in the header
        ("batch_slot", ctypes.c_uint8),  # index in the batch, see `payload.py`
        ("mtu", ctypes.c_uint16),  # next-hop MTU in an ICMP "packet too big" error, capped at 65535
    )


_CLEARED_FROM = Segment.src_hi.offset
_CLEARED = ctypes.sizeof(Segment) - _CLEARED_FROM


def segments(count: int) -> Any:
    """Allocate `count` zeroed segment records; `owners` lists the buffers of their payloads (see `payload.py`)."""
    storage: Any = (Segment * count)()
    storage.owners = [b""] * count
    return storage


def segments_of(storage: Any) -> Any:
    """Return `storage` itself; in the compiled build, a pointer to its first record."""
    return storage


def segment_at(records: Any, i: int) -> Any:
    """Return record `i`, readable and writable in place."""
    return records[i]


def copy(records: Any, i: int, record: Any) -> None:
    """Copy `record` to record `i`."""
    records[i] = record


def append(kept: bytearray, record: Any) -> None:
    """Append a copy of `record` to `kept`."""
    kept += memoryview(record).cast("B")


def clear(record: Any) -> None:
    """Zero all fields except the capture time and the frame number."""
    ctypes.memset(ctypes.addressof(record) + _CLEARED_FROM, 0, _CLEARED)
