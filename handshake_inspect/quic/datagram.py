"""The packets of one UDP datagram, distinguished by the clear part of their headers (RFC 9000 section 17, RFC 9369).

Coalesced packets are walked by their lengths (section 12.2).  A datagram that the capture cut shows its first packets,
and nothing of those behind the cut.  Any bytes may come: a header that lies ends the walk.
"""

from typing import Any

from handshake_inspect.quic.const import (
    DRAFT,
    DRAFTS,
    FIXED,
    FORCED,
    FORCES,
    INITIAL,
    LONG,
    LONGEST_CID,
    NEGOTIATION,
    OFFSET,
    PRIME,
    RETRIED,
    SHORT,
    UNKNOWN,
    V1,
    V1_KINDS,
    V2,
    V2_KINDS,
)
from handshake_inspect.wire import big_endian
from handshake_inspect.wire.const import MASK32, MASK64


class Datagram:
    """What one datagram holds; refilled for every datagram."""

    def __init__(self) -> None:
        self.kinds = 0
        self.version = 0
        self.token_len = 0  # the longest of its Initials
        self.dcid_at = 0
        self.dcid_len = 0
        self.scid_at = 0
        self.scid_len = 0
        self.short_len = 0  # bytes of the 1-RTT packet
        self.spin = 0  # the latency spin bit of the 1-RTT packet (RFC 9000 section 17.4)
        self.at = 0  # of the packet that is read next
        self.number = 0  # the variable-length integer that was read last

    def read(self, data: Any, start: int, end: int, wire_end: int) -> int:
        """Walk `data[start:end]`, which was longer on the wire if `wire_end` is beyond `end`: the kinds of packets."""
        self.kinds = 0
        self.version = 0
        self.token_len = 0
        self.dcid_len = 0
        self.scid_len = 0
        self.short_len = 0
        self.at = start
        while self.at < end:
            if not data[self.at] & LONG:
                self.take_short(data, end, wire_end)
                break
            if not self.take_long(data, end, wire_end):
                break
        if self.at < wire_end and self.at >= end and not self.kinds & SHORT:
            self.kinds |= UNKNOWN
        return self.kinds

    def take_short(self, data: Any, end: int, wire_end: int) -> None:
        """A 1-RTT packet, which goes on to the end; without the fixed bit behind others it is padding."""
        if data[self.at] & FIXED or self.kinds == 0:
            self.kinds |= SHORT
            self.short_len = wire_end - self.at
            self.spin = data[self.at] >> 5 & 1
        self.at = wire_end

    def take_long(self, data: Any, end: int, wire_end: int) -> bool:
        """A packet with a long header; False where nothing behind it can be read."""
        at = self.at
        if end - at < 7:
            self.kinds |= UNKNOWN
            return False
        version = big_endian.be32(data, at + 1)
        dcid_len = data[at + 5]
        scid_place = at + 6 + dcid_len
        if dcid_len > LONGEST_CID or scid_place >= end or data[scid_place] > LONGEST_CID:
            self.kinds |= UNKNOWN
            return False
        scid_len = data[scid_place]
        after = scid_place + 1 + scid_len
        if after > end:
            self.kinds |= UNKNOWN
            return False
        if self.kinds == 0:
            self.version = version
            self.dcid_at = at + 6
            self.dcid_len = dcid_len
            self.scid_at = scid_place + 1
            self.scid_len = scid_len
        elif version != self.version:
            self.kinds |= UNKNOWN  # packets of one datagram are of one connection
            return False
        if version == 0:
            self.kinds |= NEGOTIATION
            self.at = wire_end
            return False
        return self.take_numbered(data, after, end, wire_end, kind_of(data[at], version))

    def take_numbered(self, data: Any, after: int, end: int, wire_end: int, kind: int) -> bool:
        """The rest of a header behind the connection IDs at `after`; False where nothing behind it can be read."""
        if kind == RETRIED:
            self.kinds |= RETRIED
            self.at = wire_end
            return False
        self.kinds |= kind
        if kind == INITIAL:
            after = self.take_number(data, after, end)
            if after < 0 or self.number > wire_end - after:
                self.kinds |= UNKNOWN
                return False
            self.token_len = max(self.token_len, self.number)
            after += self.number
        after = self.take_number(data, after, end)
        if after < 0 or self.number > wire_end - after or self.number < 1:
            self.kinds |= UNKNOWN
            return False
        self.at = after + self.number
        return True

    def take_number(self, data: Any, at: int, end: int) -> int:
        """Read a variable-length integer (RFC 9000 section 16) into `number`: where it ends, -1 if it is cut."""
        if at >= end:
            return -1
        length = 1 << (data[at] >> 6)
        if length > end - at:
            return -1
        number = data[at] & 0x3F
        for i in range(1, length):
            number = (number << 8 | data[at + i]) & MASK64
        self.number = min(number, MASK32)
        return at + length


def kind_of(first: int, version: int) -> int:
    """The kind of a packet with a long header; the two bits mean other kinds in version 2."""
    kinds = V2_KINDS if version == V2 else V1_KINDS
    return kinds >> (8 * (first >> 4 & 3)) & 0xFF


def is_known(version: int) -> bool:
    """Whether a version is 1, 2, a draft, or one of those that force negotiation."""
    return version == V1 or version == V2 or version & DRAFTS == DRAFT or version & FORCES == FORCED  # noqa: PLR1714


def mix(data: Any, at: int, length: int) -> int:
    """Mix a connection ID to 64 bits, with no secret: who wants collisions can have them (FNV-1a)."""
    mixed = OFFSET
    for i in range(length):
        mixed = ((mixed ^ data[at + i]) * PRIME) & MASK64
    return mixed
