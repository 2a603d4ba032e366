"""The fast path for nearly every frame: decode a classic pcap record into a segment in a single pass.

It handles little-endian classic pcap, timestamps in order, Ethernet, and plain TCP as defined by
`tcp_header.decode_plain`.  Everything else takes the general path, `PcapReader.step` and `Pump.decode`; a test checks
that both give the same report.
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
    """Return True if the records of this file can take the fast path."""
    return (
        reader.link_type == ETHERNET
        and reader.header_len == RECORD_HEADER  # larger until the file header is read
        and reader.fcs_len == 0
        and not reader.big
    )


def take(reader: PcapReader, records: Any, owners_of: Any, held: int, room: int, before_ns: int) -> int:
    """Decode plain frames into `records[held:room]`, up to the first frame that is not plain; return the new `held`.

    `before_ns` is the timestamp of the previous frame.  Advances the reader past the decoded frames.
    """
    data = reader.data
    at = reader.position
    limit = reader.limit
    longest = reader.max_frame_len
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
