"""Slow decoder for frames that the fast one declines: strips uncommon layers, then decodes the rest as usual."""

from typing import Any

from handshake_inspect.decode import frame as fast
from handshake_inspect.decode import segment
from handshake_inspect.wire.const import (
    KIND_DAMAGED,
    KIND_DECLINED,
    KIND_NONE,
    KIND_UNREAD,
    NOTE_BAD_HEADER_LENGTH,
    NOTE_CUT_HEADER,
    NOTE_SNAPPED,
    NOTE_TUNNELED,
)
from handshake_inspect.wire.encapsulation import LINK_TYPES, MAX_LAYERS, UNREAD_DEPTH

_RAW_LINK_TYPE = {"ipv4": 228, "ipv6": 229}
_USER2 = 149  # also used for other formats


LayerData = tuple[str, bytes, int]  # name of the outermost layer, bytes from there on, their length on the wire


def decode_uncommon(
    frame: bytes, wire_len: int, link_type: int, records: Any, i: int, parts: list[LayerData] | None = None
) -> int:
    """Decode a frame that the fast decoder declined into record `i` of the array `records`; return its kind.

    If a frame holds several packets (an A-MSDU), the first is decoded and the others are appended to `parts`, for
    `decode_from_layer`.  The kind is KIND_DECLINED for an unknown link type, KIND_NONE without TCP, and KIND_DAMAGED
    for a truncated or malformed header.  Never raises, whatever the frame contains.
    """
    wire_len = max(wire_len, len(frame))
    try:
        part = outer_layer(frame, wire_len, link_type)
    except decode_errors():
        return _set_kind(KIND_DAMAGED, NOTE_SNAPPED | NOTE_CUT_HEADER, records[i])
    return _set_kind(KIND_DECLINED, 0, records[i]) if part is None else decode_from_layer(part, records, i, parts)


def outer_layer(frame: bytes, wire_len: int, link_type: int) -> LayerData | None:
    """Return the outermost layer of a frame; None if the link type is unknown."""
    if link_type in LINK_TYPES and LINK_TYPES[link_type].layer == "pktap":
        from handshake_inspect.decode import bsd_layers  # noqa: PLC0415  dpkt, as below

        if link_type == _USER2 and not bsd_layers.is_pktap(frame):
            return None
        whole = len(frame)
        link_type, frame = bsd_layers.unwrap_pktap(frame)
        wire_len -= whole - len(frame)
        if link_type < 0:
            return "", b"", 0
    if link_type not in LINK_TYPES or LINK_TYPES[link_type].layer == "pktap":
        return None
    _, layer, skipped = LINK_TYPES[link_type]
    return layer, frame[skipped:], max(wire_len - skipped, 0)


def decode_from_layer(part: LayerData, records: Any, i: int, parts: list[LayerData] | None = None) -> int:
    """Decode from a known layer on, as `decode_uncommon` does from the link type."""
    try:
        return _decapsulate(*part, records, i, parts)
    except decode_errors():
        note = NOTE_SNAPPED | NOTE_CUT_HEADER if part[2] > len(part[1]) else NOTE_BAD_HEADER_LENGTH
        return _set_kind(KIND_DAMAGED, note, records[i])


def _decapsulate(layer: str, data: bytes, wire_len: int, records: Any, i: int, parts: list[LayerData] | None) -> int:
    """Strip layers until the fast decoder can decode the rest."""
    from handshake_inspect.decode import layers, udp_tunnels  # noqa: PLC0415  dpkt is slow to import and seldom needed

    notes = 0
    datagram, whole = False, len(data) >= wire_len
    for _ in range(MAX_LAYERS):
        if layer in {"ip", "family"}:
            layer = "ipv6" if data[:1] and data[0] >> 4 == 6 else "ipv4"
        if layer in _RAW_LINK_TYPE:
            kind = fast.decode_bytes(data, wire_len, _RAW_LINK_TYPE[layer], records, i)
            if kind == KIND_DAMAGED and datagram and whole:
                break  # not a tunnel after all
            if kind != KIND_DECLINED:
                records[i].notes |= notes
                return kind
            following, rest = layers.tunnel(layer, data)
            notes = NOTE_TUNNELED
        elif layer == "amsdu":
            first, *others = layers.subframes(data)
            if parts is not None:
                parts.extend(("llc", rest, length) for rest, length in others)
            wire_len = first[1]
            layer, data = "llc", first[0]
            continue
        elif layer in layers.STEPS:
            datagram = datagram or layer == "udp"
            try:
                following, rest = layers.STEPS[layer](data)
            except decode_errors():
                if datagram and whole:
                    break
                raise
        else:
            break
        if following == udp_tunnels.UNREAD:
            return _set_unread(int.from_bytes(rest, "big"), records[i])
        wire_len -= len(data) - len(rest)
        layer, data = following, rest
    else:
        return _set_unread(UNREAD_DEPTH << 16, records[i])
    return _set_kind(KIND_NONE, 0, records[i])


def _set_unread(code: int, record: Any) -> int:
    """Mark the record as an encapsulation that is not decoded (see `encapsulation.unread_name`)."""
    kind = _set_kind(KIND_UNREAD, 0, record)
    record.seq = code
    return kind


def decode_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that the slow decoder raises for invalid bytes; importing dpkt is deferred until here."""
    from dpkt.dpkt import Error  # noqa: PLC0415

    return (Error, IndexError, ValueError)


def _set_kind(kind: int, notes: int, record: Any) -> int:
    segment.clear(record)
    record.kind = kind
    record.notes = notes
    return kind
