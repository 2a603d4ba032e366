"""Captures as bytes: pcap and pcapng builders, and readers of them that collect what came out.

pcap([(1_000_000_000, b"frame"), ...])         microseconds, little-endian, Ethernet
pcap(frames, big=True, nano=True, fcs=4)       anything else
section() + interface() + packet(b"frame", ns=5)   pcapng, block by block
"""

import io
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from handshake_inspect.capture.frames import FRAME
from handshake_inspect.capture.source import open_source
from handshake_inspect.capture.trace import Trace, open_trace

ETHERNET = 1
SNAP_LEN = 262144

Timed = tuple[int, bytes]


def _order(big: bool) -> str:
    return ">" if big else "<"


def pcap_header(*, big=False, nano=False, modified=False, link_type=ETHERNET, snap_len=SNAP_LEN, fcs=0) -> bytes:
    magic = 0xA1B23C4D if nano else 0xA1B2CD34 if modified else 0xA1B2C3D4
    network = link_type | (fcs // 2 << 28 | 0x0400_0000 if fcs else 0)
    return struct.pack(_order(big) + "IHHiIII", magic, 2, 4, 0, 0, snap_len, network)


def pcap_record(ns: int, frame: bytes, *, big=False, nano=False, modified=False, wire_len: int | None = None) -> bytes:
    tick = 1 if nano else 1000
    seconds, rest = divmod(ns, 1_000_000_000)
    wire_len = len(frame) if wire_len is None else wire_len
    extra = b"\xee" * 8 if modified else b""
    return struct.pack(_order(big) + "IIII", seconds, rest // tick, len(frame), wire_len) + extra + frame


def pcap(frames: Iterable[Timed], *, big=False, nano=False, modified=False, **header) -> bytes:
    """A whole file of (time in ns, bytes)."""
    head = pcap_header(big=big, nano=nano, modified=modified, **header)
    return head + b"".join(pcap_record(ns, frame, big=big, nano=nano, modified=modified) for ns, frame in frames)


def records(data: bytes) -> list[int]:
    """Where the records of a little-endian classic pcap begin, and where the last one ends."""
    ends = [len(pcap_header())]
    while ends[-1] < len(data):
        ends.append(ends[-1] + 16 + struct.unpack_from("<I", data, ends[-1] + 8)[0])
    return ends


def block(kind: int, body: bytes, *, big=False) -> bytes:
    """Any pcapng block; the body is padded to whole words."""
    body += bytes(-len(body) % 4)
    length = len(body) + 12
    order = _order(big)
    return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)


def option(code: int, value: bytes, *, big=False) -> bytes:
    return struct.pack(_order(big) + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(*, big=False, version=1) -> bytes:
    return block(0x0A0D0D0A, struct.pack(_order(big) + "IHHq", 0x1A2B3C4D, version, 0, -1), big=big)


def interface(
    *,
    big=False,
    link_type=ETHERNET,
    snap_len=0,
    resolution: int | None = None,
    offset_s: int | None = None,
    fcs=0,
    name="",
    filter_text: bytes = b"",
) -> bytes:
    """`resolution` is the byte of if_tsresol, `filter_text` the value of if_filter."""
    options = b""
    if name:
        options += option(2, name.encode(), big=big)
    if resolution is not None:
        options += option(9, bytes([resolution]), big=big)
    if filter_text:
        options += option(11, filter_text, big=big)
    if fcs:
        options += option(13, bytes([fcs]), big=big)
    if offset_s is not None:
        options += option(14, struct.pack(_order(big) + "q", offset_s), big=big)
    if options:
        options += option(0, b"", big=big)
    return block(1, struct.pack(_order(big) + "HHI", link_type, 0, snap_len) + options, big=big)


def packet(frame: bytes, raw: int = 0, *, big=False, number=0, wire_len: int | None = None, options=b"") -> bytes:
    """An Enhanced Packet Block; `raw` is the time in units of the interface."""
    wire_len = len(frame) if wire_len is None else wire_len
    head = struct.pack(_order(big) + "IIIII", number, raw >> 32, raw & 0xFFFFFFFF, len(frame), wire_len)
    return block(6, head + frame + bytes(-len(frame) % 4) + options, big=big)


def simple_packet(frame: bytes, *, big=False, wire_len: int | None = None) -> bytes:
    wire_len = len(frame) if wire_len is None else wire_len
    return block(3, struct.pack(_order(big) + "I", wire_len) + frame, big=big)


def old_packet(frame: bytes, raw: int = 0, *, big=False, number=0, drops=0) -> bytes:
    """An obsolete Packet Block."""
    head = struct.pack(_order(big) + "HHIIII", number, drops, raw >> 32, raw & 0xFFFFFFFF, len(frame), len(frame))
    return block(2, head + frame, big=big)


def statistics(
    *,
    big=False,
    number=0,
    end: int | None = None,
    ifrecv: int | None = None,
    ifdrop: int | None = None,
    osdrop: int | None = None,
    usrdeliv: int | None = None,
) -> bytes:
    """An Interface Statistics Block; `end` is isb_endtime in units of the interface."""
    options = b"" if end is None else option(3, struct.pack(_order(big) + "II", end >> 32, end & 0xFFFFFFFF), big=big)
    options += b"".join(
        option(code, struct.pack(_order(big) + "Q", count), big=big)
        for code, count in ((4, ifrecv), (5, ifdrop), (7, osdrop), (8, usrdeliv))
        if count is not None
    )
    return block(5, struct.pack(_order(big) + "III", number, 0, 0) + options, big=big)


def pcapng(frames: Iterable[Timed], *, big=False) -> bytes:
    """A whole file of one section and one interface in nanoseconds."""
    blocks = [section(big=big), interface(big=big, resolution=9)]
    return b"".join(blocks + [packet(frame, ns, big=big) for ns, frame in frames])


class Seen(NamedTuple):
    """One frame as a reader gave it."""

    number: int
    ns: int | None
    data: bytes
    wire_len: int
    interface: int
    link_type: int


def snapped(capture: bytes, length: int) -> bytes:
    """The same frames with that snap length."""
    kept = (pcap_record(one.ns, one.data[:length], nano=True, wire_len=one.wire_len) for one in read(capture)[0])
    return pcap_header(nano=True, snap_len=length) + b"".join(kept)


def drain(trace: Trace) -> list[Seen]:
    """Pump a trace to its end, as the engine does."""
    seen = []
    while True:
        reader = trace.reader
        outcome = reader.advance()
        if outcome == FRAME:
            data = bytes(reader.buffer[reader.frame_start : reader.frame_end])
            ns = reader.ts_ns if reader.has_time else None
            seen.append(Seen(reader.frames, ns, data, reader.wire_len, reader.interface, reader.link_type))
        elif not trace.fill():
            return seen


def read(data: bytes, block_size: int = 1 << 16) -> tuple[list[Seen], Trace]:
    """All frames of a capture given as bytes, and its source."""
    source = open_source(io.BytesIO(data), block_size)
    return drain(source), source


def read_files(*paths: Path, block_size: int = 1 << 16) -> tuple[list[Seen], Trace]:
    with open_trace(paths, block_size) as trace:
        return drain(trace), trace
