"""Frames that the fast decoder declines, one by one: slow, but they come back as the same segments."""

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
_USER2 = 149  # may be anything else, too


Part = tuple[str, bytes, int]  # its layer, its bytes, and its length on the wire


def decode_uncommon(
    frame: bytes, wire_len: int, link_type: int, records: Any, i: int, parts: list[Part] | None = None
) -> int:
    """Decode a frame that the fast decoder declined into record `i` of the array `records`.

    A frame may hold several packets (an A-MSDU): the first is decoded, the others go to `parts`, for `decode_part`.

    Returns the kind: KIND_DECLINED if the link type is wholly unknown, KIND_NONE if no TCP is found,
    KIND_DAMAGED if a header is cut or malformed.  Never raises for what is in the frame.
    """
    wire_len = max(wire_len, len(frame))
    try:
        part = part_of(frame, wire_len, link_type)
    except damage():
        return _conclude(KIND_DAMAGED, NOTE_SNAPPED | NOTE_CUT_HEADER, records[i])
    return _conclude(KIND_DECLINED, 0, records[i]) if part is None else decode_part(part, records, i, parts)


def part_of(frame: bytes, wire_len: int, link_type: int) -> Part | None:
    """What a frame begins with, by its link type; None where that is wholly unknown."""
    if link_type in LINK_TYPES and LINK_TYPES[link_type].layer == "pktap":
        from handshake_inspect.decode import bsd_layers  # noqa: PLC0415  dpkt, as below

        if link_type == _USER2 and not bsd_layers.is_pktap(frame):
            return None
        whole = len(frame)
        link_type, frame = bsd_layers.behind_pktap(frame)
        wire_len -= whole - len(frame)
        if link_type < 0:
            return "", b"", 0
    if link_type not in LINK_TYPES or LINK_TYPES[link_type].layer == "pktap":
        return None
    _, layer, skipped = LINK_TYPES[link_type]
    return layer, frame[skipped:], max(wire_len - skipped, 0)


def decode_part(part: Part, records: Any, i: int, parts: list[Part] | None = None) -> int:
    """Decode what begins with a known layer, as `decode_uncommon` does from the link type on."""
    try:
        return _peel(*part, records, i, parts)
    except damage():
        note = NOTE_SNAPPED | NOTE_CUT_HEADER if part[2] > len(part[1]) else NOTE_BAD_HEADER_LENGTH
        return _conclude(KIND_DAMAGED, note, records[i])


def _peel(layer: str, data: bytes, wire_len: int, records: Any, i: int, parts: list[Part] | None) -> int:
    """Take layer after layer off until the fast decoder understands what is left."""
    from handshake_inspect.decode import layers, udp_tunnels  # noqa: PLC0415  dpkt is slow to import and seldom needed

    notes = 0
    datagram, whole = False, len(data) >= wire_len
    for _ in range(MAX_LAYERS):
        if layer in {"ip", "family"}:
            layer = "ipv6" if data[:1] and data[0] >> 4 == 6 else "ipv4"
        if layer in _RAW_LINK_TYPE:
            kind = fast.decode_bytes(data, wire_len, _RAW_LINK_TYPE[layer], records, i)
            if kind == KIND_DAMAGED and datagram and whole:
                break  # it only seemed to be a tunnel
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
            except damage():
                if datagram and whole:
                    break
                raise
        else:
            break
        if following == udp_tunnels.UNREAD:
            return _leave(int.from_bytes(rest, "big"), records[i])
        wire_len -= len(data) - len(rest)
        layer, data = following, rest
    else:
        return _leave(UNREAD_DEPTH << 16, records[i])
    return _conclude(KIND_NONE, 0, records[i])


def _leave(code: int, record: Any) -> int:
    """What is not looked into; see `encapsulation.unread_name`."""
    kind = _conclude(KIND_UNREAD, 0, record)
    record.seq = code
    return kind


def damage() -> tuple[type[Exception], ...]:
    """What the slow path raises for bytes that cannot be."""
    from dpkt.dpkt import Error  # noqa: PLC0415

    return (Error, IndexError, ValueError)


def _conclude(kind: int, notes: int, record: Any) -> int:
    segment.clear(record)
    record.kind = kind
    record.notes = notes
    return kind
