"""What the decoder makes of one frame, as a dictionary: for tests and for looking at a frame by hand."""

from typing import Any

from handshake_inspect.decode import frame as frame_decoder
from handshake_inspect.decode import segment
from handshake_inspect.wire.const import KIND_TCP

_PLACE = ("reporter_hi", "reporter_lo")
_LEFT_OUT = frozenset({"ts_ns", "frame", "spare"})


def describe(frame: bytes, link_type: int, wire_len: int | None = None) -> dict[str, int]:
    """Decode a frame alone; the keys are the fields of the record."""
    records = segment.segments(1)
    frame_decoder.decode_bytes(frame, len(frame) if wire_len is None else wire_len, link_type, records, 0)
    return contents(records[0])


def contents(record: Any) -> dict[str, int]:
    """The fields of a record that say something of the frame: not where its payload lies, an address if compiled."""
    fields = {name: getattr(record, name) for name, *_ in segment.Segment._fields_ if name not in _LEFT_OUT}
    return fields | dict.fromkeys(_PLACE, 0) if record.kind == KIND_TCP else fields
