"""Where records begin from some byte of a capture on: a guess, from what follows, which whoever reads from it verifies.

Each record says where the next one begins.  A place is taken for a border where a chain of records that can be begins.
"""

from handshake_inspect.capture import fields
from handshake_inspect.capture.blocks import (
    ENHANCED_PACKET,
    LEAST_BLOCK,
    LONGEST_BLOCK,
    PACKET,
    SECTION_HEADER,
    SIMPLE_PACKET,
)
from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.pcap import PcapReader
from handshake_inspect.capture.pcapng import PcapngReader
from handshake_inspect.wire.const import NS_PER_SECOND

BEFORE_S = 86_400  # a clock may be set back by that,
AFTER_S = 31_536_000  # and one file does not span more
LOOKS = (1 << 16, 1 << 20)  # bytes that are looked at, at first and then
_CHAIN = 8  # records
_MOST_KIND = 1 << 15  # of blocks: local ones, and a few others, are above


def first_border(data: bytes, begin: int, reader: FrameReader) -> int:
    """Where the first record begins in bytes of a capture from `begin` on; -1 where none is among them.

    The reader has read the first frame of the capture.
    """
    if isinstance(reader, PcapReader):
        first_s = reader.ts_ns // NS_PER_SECOND
        return next((at for at in range(len(data)) if _are_records(data, at, reader, first_s)), -1)
    if isinstance(reader, PcapngReader):
        aligned = range(-begin % 4, len(data), 4)
        return next((at for at in aligned if _are_blocks(data, at, reader.big)), -1)
    return -1


def _are_records(data: bytes, at: int, reader: PcapReader, first_s: int) -> bool:
    """Whether records of a classic pcap follow each other from here on, as far as these bytes go."""
    count, header, big = 0, reader.header_len, reader.big
    while count < _CHAIN and len(data) - at >= header:
        captured, wire_len = fields.u32(data, at + 8, big), fields.u32(data, at + 12, big)
        seconds, fraction = fields.u32(data, at, big), fields.u32(data, at + 4, big)
        is_time = fraction < reader.ticks and first_s - BEFORE_S <= seconds <= first_s + AFTER_S
        if not is_time or captured > reader.longest or not captured <= wire_len <= LONGEST_BLOCK:
            return False
        at += header + captured
        count += 1
    return count > 0


def _are_blocks(data: bytes, at: int, big: bool) -> bool:
    """Whether blocks of a pcapng follow each other from here on, the first of them one with a packet."""
    count, end = 0, len(data)
    while count < _CHAIN and end - at >= LEAST_BLOCK:
        kind, length = fields.u32(data, at, big), fields.u32(data, at + 4, big)
        if not count and kind not in (ENHANCED_PACKET, SIMPLE_PACKET, PACKET):
            return False
        if not 0 < kind < _MOST_KIND and kind != SECTION_HEADER:
            return False
        if length < LEAST_BLOCK or length & 3 or length > LONGEST_BLOCK:
            return False
        if at + length <= end and fields.u32(data, at + length - 4, big) != length:
            return False
        at += length
        count += 1
    return count > 0
