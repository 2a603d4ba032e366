"""One frame in, one segment record out: the entry to the fast decoder."""

from typing import Any

from handshake_inspect.decode import link, segment, tcp_header, tunnels
from handshake_inspect.wire.const import ETHERNET, KIND_ONWARD, KIND_TCP, NOTE_SNAPPED


def decode_frame(data: bytes, start: int, end: int, wire_len: int, link_type: int, out: Any) -> int:
    """Fill the record `out` from the frame `data[start:end]`, which was `wire_len` bytes on the wire.

    Returns the KIND_* that is now `out.kind`.  Everything in the record is rewritten except
    `ts_ns` and `frame`; addresses, ports and numbers mean something for KIND_TCP and
    KIND_ICMP_ERROR, `notes` for every kind.
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
    if kind == KIND_ONWARD:
        kind = tunnels.follow(data, end, out)
    out.kind = kind
    return kind


def decode_bytes(frame: bytes, wire_len: int, link_type: int, records: Any, i: int) -> int:
    """Decode one frame that is alone in `frame` into record `i` of the array `records`: the door for plain Python."""
    kind = decode_frame(frame, 0, len(frame), wire_len, link_type, segment.segment_at(segment.segments_of(records), i))
    records[i].spare = i
    records.owners[i] = frame
    return kind
