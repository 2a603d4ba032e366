"""Reassemble TCP segments from IP fragments (RFC 791 section 3.2, RFC 8200 section 4.5).

A first fragment with a complete TCP header is reported as a segment at once, with the payload in it, because a capture
filter for a port passes no other fragments.  Once the datagram is complete, a second record with NOTE_CONTINUED covers
the remaining payload.  If the first fragment arrives last, its record covers the whole segment.  If the TCP header
itself is split (`nmap -f`), the segment is reported when the datagram is complete.

Only byte ranges and the first `HEADER` bytes are kept, no payload.  Datagrams expire after `TIMEOUT_NS` of capture time
(Linux: 30 s; RFC 8200: 60 s).  Beyond `MAX_DATAGRAMS` the oldest is evicted, and a datagram in more than `MAX_RANGES`
ranges is dropped.  A reused identification with a different header starts a new datagram.
"""

import ctypes
from dataclasses import dataclass, field
from typing import Any

from handshake_inspect.decode import frame as fast
from handshake_inspect.decode import uncommon
from handshake_inspect.wire.const import (
    KIND_FRAGMENT,
    KIND_TCP,
    MASK32,
    NOTE_CONTINUED,
    NOTE_FIRST_FRAGMENT,
    PROTO_TCP,
    SYN,
)
from handshake_inspect.wire.encapsulation import MAX_LAYERS

TIMEOUT_NS = 30_000_000_000
MAX_DATAGRAMS = 1024
MAX_RANGES = 256
HEADER = 64  # the longest TCP header has 60 bytes
MAX_DATAGRAM = 65_535

Key = tuple[bytes, int]


@dataclass(slots=True)
class Fragment:
    """One fragment and its position in the datagram."""

    key: Key
    version: int
    offset: int
    more: bool
    length: int  # on the wire
    data: bytes  # captured bytes, at most `HEADER`


@dataclass(slots=True)
class Datagram:
    """A datagram being reassembled."""

    since_ns: int
    ranges: list[tuple[int, int]] = field(default_factory=list)  # byte ranges received: sorted and disjoint
    total: int = 0  # 0 while the last fragment is missing
    header: bytearray = field(default_factory=lambda: bytearray(HEADER))
    first: bytes = b""  # the segment record of the first fragment
    reported: int = 0  # payload bytes in the segment reported for the first fragment
    done: bool = False
    later: int = 0  # later fragments not yet counted as reassembled

    def add(self, piece: Fragment) -> bool:
        """Add a fragment; return False if all its bytes had been received."""
        start, end = piece.offset, piece.offset + piece.length
        if any(begin <= start and end <= beyond for begin, beyond in self.ranges):
            return False
        apart = [(begin, beyond) for begin, beyond in self.ranges if beyond < start or end < begin]
        joined = [one for one in self.ranges if one not in apart]
        joined.append((start, end))
        self.ranges = sorted([*apart, (min(one[0] for one in joined), max(one[1] for one in joined))])
        if not piece.more:
            self.total = end
        if start < HEADER:
            kept = piece.data[: HEADER - start]
            self.header[start : start + len(kept)] = kept
        return True

    def is_whole(self) -> bool:
        """Return True if all bytes have been received."""
        return self.total > 0 and self.ranges == [(0, self.total)]  # an empty first fragment is none


class Reassembler:
    """Reassembles the fragments of one trace."""

    def __init__(self) -> None:
        self.waiting: dict[Key, Datagram] = {}  # oldest first
        self.reassembled = 0  # later fragments that belong to a reported segment

    def take(self, part: uncommon.LayerData | None, now: int, records: Any, i: int) -> int:
        """Process the fragment in record `i`, whose outermost layer is `part`; return the record's new kind.

        The record may be replaced by the segment that the fragment completes.
        """
        record = records[i]
        kind = int(record.kind)
        try:
            piece = None if part is None else find_fragment(*part)
        except uncommon.decode_errors():
            piece = None
        if piece is None or piece.offset + piece.length > MAX_DATAGRAM:
            return kind
        datagram = self._datagram(piece, now, record)
        news = datagram.add(piece)
        if len(datagram.ranges) > MAX_RANGES:
            del self.waiting[piece.key]
            return kind
        done = datagram.done
        if kind == KIND_TCP:
            kind = self._first(datagram, record)
        elif news and datagram.is_whole() and not done:
            kind = self._complete(datagram, piece, records, i)
        else:
            kind = KIND_FRAGMENT
        datagram.later += piece.offset > 0
        if datagram.done:
            self.reassembled += datagram.later
            datagram.later = 0
        return kind

    def _datagram(self, piece: Fragment, now: int, record: Any) -> Datagram:
        """Return the datagram of a fragment, after expiring old datagrams."""
        while self.waiting:
            oldest = next(iter(self.waiting))
            if now - self.waiting[oldest].since_ns <= TIMEOUT_NS and len(self.waiting) < MAX_DATAGRAMS:
                break
            del self.waiting[oldest]
        known = self.waiting.get(piece.key)
        if known is not None and piece.offset == 0 and any(begin == 0 for begin, _ in known.ranges):
            kept = piece.data[:HEADER]
            if bytes(known.header[: len(kept)]) != kept:
                del self.waiting[piece.key]
                known = None
        if known is None:
            known = self.waiting[piece.key] = Datagram(now)
        return known

    def _first(self, datagram: Datagram, record: Any) -> int:
        """Report a first fragment with a complete TCP header as a segment."""
        if not datagram.first:
            datagram.first = bytes(record)
            datagram.reported = record.payload_len
            if datagram.is_whole():  # the first fragment came last
                datagram.done = True
                datagram.reported += max(datagram.total - self._first_length(record), 0)
        record.payload_len = datagram.reported
        return KIND_TCP

    @staticmethod
    def _first_length(record: Any) -> int:
        return int(record.payload_len) + 20 + int(record.options_len)

    def _complete(self, datagram: Datagram, piece: Fragment, records: Any, i: int) -> int:
        """Report the rest of the completed segment, or all of it if the TCP header was split."""
        datagram.done = True
        if not datagram.first:
            return self._whole(datagram, piece, records, i)
        ctypes.memmove(ctypes.addressof(records[i]), datagram.first, len(datagram.first))
        record = records[i]
        rest = datagram.total - self._first_length(record)
        record.seq = (record.seq + record.payload_len + (record.flags & SYN != 0)) & MASK32
        record.payload_len = max(rest, 0)
        record.flags &= ~SYN & 0xFFFF
        record.notes |= NOTE_CONTINUED
        record.reporter_lo = 0  # the buffer of the first fragment's payload has been reused
        return KIND_TCP if rest > 0 else KIND_FRAGMENT

    @staticmethod
    def _whole(datagram: Datagram, piece: Fragment, records: Any, i: int) -> int:
        """Report the segment of a datagram whose TCP header was split."""
        offset = (datagram.header[12] >> 4) * 4
        data = bytes(datagram.header[: min(max(offset, 20), datagram.total)])
        if piece.version == 4:
            packet = _as_ipv4(piece.key[0], datagram.total, records[i]) + data
        else:
            packet = _as_ipv6(piece.key[0], datagram.total, records[i]) + data
        wire_len = len(packet) - len(data) + datagram.total
        kind = fast.decode_bytes(packet, wire_len, 228 if piece.version == 4 else 229, records, i)
        if kind == KIND_TCP:
            records[i].notes |= NOTE_FIRST_FRAGMENT
        return kind


def _as_ipv4(addresses: bytes, total: int, record: Any) -> bytes:
    """Build the IPv4 header of the unfragmented datagram."""
    total = min(20 + total, MAX_DATAGRAM)
    ident, ttl = int(record.ip_id), int(record.ttl)
    head = b"\x45\0" + total.to_bytes(2, "big") + ident.to_bytes(2, "big") + b"\0\0" + bytes((ttl, PROTO_TCP))
    return head + b"\0\0" + addresses


def _as_ipv6(addresses: bytes, total: int, record: Any) -> bytes:
    return b"\x60\0\0\0" + total.to_bytes(2, "big") + bytes((PROTO_TCP, int(record.ttl))) + addresses


def find_fragment(layer: str, data: bytes, wire_len: int) -> Fragment | None:
    """Return the TCP fragment in a frame whose outermost layer is reported, None if there is none."""
    from handshake_inspect.decode import layers  # noqa: PLC0415  dpkt is slow to import and seldom needed

    for _ in range(MAX_LAYERS):
        if layer in {"ip", "family"}:
            layer = "ipv6" if data[0] >> 4 == 6 else "ipv4"
        if layer in _FRAGMENT_OF:
            found = _FRAGMENT_OF[layer](data)
            if found is not None:
                return found
            layer, data = layers.tunnel(layer, data)
        elif layer == "amsdu":
            layer, data = "llc", next(layers.subframes(data))[0]
        elif layer in layers.STEPS:
            layer, data = layers.STEPS[layer](data)
        else:
            break
    return None


def _in_ipv4(data: bytes) -> Fragment | None:
    field_ = int.from_bytes(data[6:8], "big")
    if not field_ & 0x3FFF or data[9] != PROTO_TCP:
        return None
    header = (data[0] & 15) * 4
    total = int.from_bytes(data[2:4], "big")
    key = data[12:20], int.from_bytes(data[4:6], "big")
    return _fragment(key, 4, (field_ & 0x1FFF) * 8, field_ & 0x2000 != 0, total - header, data[header:total])


def _in_ipv6(data: bytes) -> Fragment | None:
    following, at = data[6], 40
    for _ in range(16):
        if following == 44:
            break
        if following not in (0, 43, 60):
            return None
        following, at = data[at], at + (data[at + 1] + 1) * 8
    field_ = int.from_bytes(data[at + 2 : at + 4], "big")
    if following != 44 or data[at] != PROTO_TCP or not field_ & 0xFFF9:
        return None
    end = 40 + int.from_bytes(data[4:6], "big")
    key = data[8:40], int.from_bytes(data[at + 4 : at + 8], "big")
    return _fragment(key, 6, field_ & 0xFFF8, field_ & 1 != 0, end - at - 8, data[at + 8 : end])


def _fragment(key: Key, version: int, offset: int, more: bool, length: int, data: bytes) -> Fragment | None:
    return Fragment(key, version, offset, more, length, data[:HEADER]) if length > 0 else None


_FRAGMENT_OF = {"ipv4": _in_ipv4, "ipv6": _in_ipv6}
