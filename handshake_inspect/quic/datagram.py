"""Parse the packets of a UDP datagram by their unencrypted headers (RFC 9000 section 17, RFC 9369).

Coalesced packets (section 12.2) are found by their lengths.  Of a datagram cut by the snap length, only the packets
before the cut are visible.  Input may be arbitrary bytes: an invalid header ends parsing.
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
    """A parsed datagram; the object is reused for every datagram."""

    def __init__(self) -> None:
        self.kinds = 0
        self.version = 0
        self.token_len = 0  # the longest token of its Initials
        self.dcid_at = 0
        self.dcid_len = 0
        self.scid_at = 0
        self.scid_len = 0
        self.short_len = 0  # bytes of the 1-RTT packet
        self.spin = 0  # the latency spin bit of the 1-RTT packet (RFC 9000 section 17.4)
        self.at = 0  # offset of the next packet
        self.number = 0  # last variable-length integer read

    def read(self, data: Any, start: int, end: int, wire_end: int) -> int:
        """Parse `data[start:end]`, up to `wire_end` on the wire; return the kinds of packets, as bits."""
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
        """Parse a 1-RTT packet, which extends to the end; after other packets, without the fixed bit, it is padding."""
        if data[self.at] & FIXED or self.kinds == 0:
            self.kinds |= SHORT
            self.short_len = wire_end - self.at
            self.spin = data[self.at] >> 5 & 1
        self.at = wire_end

    def take_long(self, data: Any, end: int, wire_end: int) -> bool:
        """Parse a packet with a long header; return False if the packets after it cannot be parsed."""
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
            self.kinds |= UNKNOWN  # all packets of a datagram must belong to one connection
            return False
        if version == 0:
            self.kinds |= NEGOTIATION
            self.at = wire_end
            return False
        return self.take_numbered(data, after, end, wire_end, kind_of(data[at], version))

    def take_numbered(self, data: Any, after: int, end: int, wire_end: int, kind: int) -> bool:
        """Parse the rest of a long header, from `after` on; return False if the packets after it cannot be parsed."""
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
        """Read a variable-length integer (RFC 9000 section 16) into `number`; return its end, or -1 if it is cut."""
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
    """Return the kind of a packet with a long header; version 2 assigns the type bits differently."""
    kinds = V2_KINDS if version == V2 else V1_KINDS
    return kinds >> (8 * (first >> 4 & 3)) & 0xFF


def is_known(version: int) -> bool:
    """Return True for version 1, version 2, drafts, and versions reserved to force negotiation."""
    return version == V1 or version == V2 or version & DRAFTS == DRAFT or version & FORCES == FORCED  # noqa: PLR1714


def hash_cid(data: Any, at: int, length: int) -> int:
    """Hash a connection ID to 64 bits with FNV-1a, which is not resistant to deliberate collisions."""
    mixed = OFFSET
    for i in range(length):
        mixed = ((mixed ^ data[at + i]) * PRIME) & MASK64
    return mixed
