"""Find the first record boundary after an arbitrary byte of a capture.

This lets workers start in the middle of a large file.  An offset is taken as a boundary if a chain of plausible
records begins there.  That is a heuristic: the caller must verify it against where the previous range ended.
"""

from handshake_inspect.capture import fields
from handshake_inspect.capture.blocks import (
    ENHANCED_PACKET,
    MAX_BLOCK,
    MIN_BLOCK,
    PACKET,
    SECTION_HEADER,
    SIMPLE_PACKET,
)
from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.pcap import PcapReader
from handshake_inspect.capture.pcapng import PcapngReader
from handshake_inspect.wire.const import NS_PER_SECOND

CLOCK_SLACK_S = 86_400  # a clock may have been set back by this much during the capture
MAX_SPAN_S = 31_536_000  # the longest time that one file is assumed to span
SCAN_SIZES = (1 << 16, 1 << 20)  # bytes to search: first the smaller, then the larger window
_CHAIN_LEN = 8  # consecutive plausible records that make a boundary
_MAX_BLOCK_TYPE = 1 << 15  # block types above are local use, and a few others


def first_boundary(data: bytes, begin: int, reader: FrameReader) -> int:
    """Return the offset in `data` of the first record boundary, -1 if there is none.

    `data` starts at byte `begin` of the file; `reader` must have read the first frame of the capture.
    """
    if isinstance(reader, PcapReader):
        first_s = reader.ts_ns // NS_PER_SECOND
        return next((at for at in range(len(data)) if _are_records(data, at, reader, first_s)), -1)
    if isinstance(reader, PcapngReader):
        aligned = range(-begin % 4, len(data), 4)
        return next((at for at in aligned if _are_blocks(data, at, reader.big)), -1)
    return -1


def _are_records(data: bytes, at: int, reader: PcapReader, first_s: int) -> bool:
    """Return True if a chain of plausible pcap records begins at `at`, as far as `data` reaches."""
    count, header, big = 0, reader.header_len, reader.big
    while count < _CHAIN_LEN and len(data) - at >= header:
        captured, wire_len = fields.u32(data, at + 8, big), fields.u32(data, at + 12, big)
        seconds, fraction = fields.u32(data, at, big), fields.u32(data, at + 4, big)
        is_time = fraction < reader.ticks and first_s - CLOCK_SLACK_S <= seconds <= first_s + MAX_SPAN_S
        if not is_time or captured > reader.max_frame_len or not captured <= wire_len <= MAX_BLOCK:
            return False
        at += header + captured
        count += 1
    return count > 0


def _are_blocks(data: bytes, at: int, big: bool) -> bool:
    """Return True if a chain of pcapng blocks, the first of them a packet block, begins at `at`."""
    count, end = 0, len(data)
    while count < _CHAIN_LEN and end - at >= MIN_BLOCK:
        kind, length = fields.u32(data, at, big), fields.u32(data, at + 4, big)
        if not count and kind not in (ENHANCED_PACKET, SIMPLE_PACKET, PACKET):
            return False
        if not 0 < kind < _MAX_BLOCK_TYPE and kind != SECTION_HEADER:
            return False
        if length < MIN_BLOCK or length & 3 or length > MAX_BLOCK:
            return False
        if at + length <= end and fields.u32(data, at + length - 4, big) != length:
            return False
        at += length
        count += 1
    return count > 0
