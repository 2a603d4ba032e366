"""Decode a frame to a dictionary."""

from typing import Any

from handshake_inspect.decode import frame as frame_decoder
from handshake_inspect.decode import segment
from handshake_inspect.wire.const import KIND_TCP

_PLACE = ("reporter_hi", "reporter_lo")
_LEFT_OUT = frozenset({"ts_ns", "frame", "batch_slot"})


def describe(frame: bytes, link_type: int, wire_len: int | None = None) -> dict[str, int]:
    """Decode a single frame; the keys are the record's field names."""
    records = segment.segments(1)
    frame_decoder.decode_bytes(frame, len(frame) if wire_len is None else wire_len, link_type, records, 0)
    return frame_fields(records[0])


def frame_fields(record: Any) -> dict[str, int]:
    """Return the record's fields that depend only on the frame; the payload's position is set to 0."""
    fields = {name: getattr(record, name) for name, *_ in segment.Segment._fields_ if name not in _LEFT_OUT}
    return fields | dict.fromkeys(_PLACE, 0) if record.kind == KIND_TCP else fields
