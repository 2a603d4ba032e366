"""Entry point of the fast decoder: decode one frame into one segment record."""

from typing import Any

from handshake_inspect.decode import link, segment, tcp_header, tunnels
from handshake_inspect.wire.const import ETHERNET, KIND_NESTED, KIND_TCP, NOTE_SNAPPED


def decode_frame(data: bytes, start: int, end: int, wire_len: int, link_type: int, out: Any) -> int:
    """Fill the record `out` from the frame `data[start:end]`, which was `wire_len` bytes on the wire.

    Returns the KIND_* that `out.kind` is set to.  All fields are rewritten except `ts_ns` and `frame`.  Addresses,
    ports and sequence numbers are valid for KIND_TCP and KIND_ICMP_ERROR, `notes` for every kind.
    """
    if link_type == ETHERNET and tcp_header.decode_plain(data, start, end, wire_len, out):
        return KIND_TCP
    segment.clear(out)
    wire_end = start + wire_len
    if wire_end > end:
        out.notes = NOTE_SNAPPED
    else:
        wire_end = end
    kind = link.decode_link(data, start, end, wire_end, link_type, out)
    if kind == KIND_NESTED:
        kind = tunnels.decode_nested(data, end, out)
    out.kind = kind
    return kind


def decode_bytes(frame: bytes, wire_len: int, link_type: int, records: Any, i: int) -> int:
    """Decode a single frame into record `i` of the array `records`; callable from uncompiled code."""
    kind = decode_frame(frame, 0, len(frame), wire_len, link_type, segment.segment_at(segment.segments_of(records), i))
    records[i].batch_slot = i
    records.owners[i] = frame
    return kind
