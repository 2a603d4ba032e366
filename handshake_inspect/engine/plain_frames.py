"""From the record header in a block of the file to the segment, in one pass: what nearly every frame takes.

A frame of a classic pcap in this byte order, in the order of time, Ethernet, and plain TCP in the sense of
`tcp_header.decode_plain`.  Of all else there is more to say, which `PcapReader.step` and `Pump.decode` do; a test holds
the two ways to the same report.
"""

from typing import Any

from handshake_inspect.capture import fields
from handshake_inspect.capture.pcap import PcapReader
from handshake_inspect.decode import segment as seg
from handshake_inspect.decode import tcp_header
from handshake_inspect.engine import owners
from handshake_inspect.wire.const import (
    DNS,
    ETHERNET,
    MAGIC_HIGH,
    MAGIC_LOW,
    MASK16,
    NOTE_BAD_OPTIONS,
    NS_PER_SECOND,
    RECORD_HEADER,
)


def are_read(reader: PcapReader) -> bool:
    """Whether the records of this file can be read here."""
    return (
        reader.link_type == ETHERNET
        and reader.header_len == RECORD_HEADER  # longer before the file header is read
        and reader.fcs_len == 0
        and not reader.big
    )


def take(reader: PcapReader, records: Any, owners_of: Any, held: int, room: int, before_ns: int) -> int:
    """Decode plain frames into `records[held:room]`, up to the first frame that is not; how many are held then.

    The frame before them came at `before_ns`.  The reader has stepped over those that were taken.
    """
    data = reader.data
    at = reader.position
    limit = reader.limit
    longest = reader.longest
    ticks = reader.ticks
    tick_ns = reader.tick_ns
    frame = reader.frames
    while held < room and limit - at >= RECORD_HEADER:
        seconds = fields.u32(data, at, False)
        fraction = fields.u32(data, at + 4, False)
        captured = fields.u32(data, at + 8, False)
        wire_len = fields.u32(data, at + 12, False)
        now = seconds * NS_PER_SECOND + fraction * tick_ns
        at += RECORD_HEADER
        record = seg.segment_at(records, held)
        if (
            captured > limit - at
            or captured > longest
            or fraction >= ticks
            or now < before_ns
            or seconds >> 16 == MAGIC_HIGH
            or seconds & MASK16 == MAGIC_LOW
            or not tcp_header.decode_plain(data, at, at + captured, wire_len, record)
            or record.notes & NOTE_BAD_OPTIONS
            or DNS in (record.src_port, record.dst_port)
        ):
            break
        frame += 1
        record.ts_ns = now
        record.frame = frame
        owners.keep(owners_of, held, record, reader)
        before_ns = now
        at += captured
        reader.position = at
        held += 1
    reader.frames = frame
    reader.ts_ns = before_ns
    return held
