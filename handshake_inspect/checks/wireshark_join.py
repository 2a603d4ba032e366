"""Join hsi's connections with Wireshark's streams by frame number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from handshake_inspect.capture.wireshark import DissectedSegment
from handshake_inspect.report.segment_columns import SegmentColumns, grouped
from handshake_inspect.report.verified import View
from handshake_inspect.wire.const import ACK, FIN, MASK32, RST, SYN

JUMP = 1 << 30  # a step in sequence numbers larger than any window (RFC 7323 section 2.2)


@dataclass
class Stream:
    """One `tcp.stream` of Wireshark."""

    number: int
    first_frame: int
    segments: int = 0
    completeness: int = 0
    initial_rtt_ns: int | None = None
    retransmissions: list[int] = field(default_factory=list)  # frames
    out_of_order: list[int] = field(default_factory=list)
    resets: int = 0

    def add(self, segment: DissectedSegment) -> None:
        """Add the dissection of one segment."""
        self.segments += 1
        self.completeness = segment.completeness
        if segment.initial_rtt_ns >= 0:
            self.initial_rtt_ns = segment.initial_rtt_ns
        if segment.is_retransmission:
            self.retransmissions.append(segment.frame)
        elif segment.is_out_of_order:
            self.out_of_order.append(segment.frame)
        self.resets += segment.is_reset


class WiresharkJoin:
    """The correspondence of connections and streams."""

    def __init__(self, columns: SegmentColumns, dissected: Iterable[DissectedSegment]) -> None:
        self.columns = columns
        self.streams: dict[int, Stream] = {}
        self.stream_of: dict[int, int] = {}  # by frame
        for segment in dissected:
            if segment.stream not in self.streams:
                self.streams[segment.stream] = Stream(segment.stream, segment.frame)
            self.streams[segment.stream].add(segment)
            self.stream_of[segment.frame] = segment.stream
        self.rows_of = grouped(columns.owners)
        self.streams_of: dict[int, list[int]] = {}  # by connection
        self.owners_of: dict[int, list[int]] = defaultdict(list)  # by stream
        for owner, places in self.rows_of.items():
            found = (self.stream_of.get(frame) for frame in columns.rows["frame"][places].tolist())
            self.streams_of[owner] = list(dict.fromkeys(stream for stream in found if stream is not None))
            for stream in self.streams_of[owner]:
                self.owners_of[stream].append(owner)

    @cached_property
    def hsi_only(self) -> Any:
        """Indices of segments in frames that Wireshark does not show as TCP."""
        frames = np.fromiter(self.stream_of, dtype=np.uint64, count=len(self.stream_of))
        return np.flatnonzero(~np.isin(self.columns.rows["frame"], frames))

    @cached_property
    def wireshark_only(self) -> list[int]:
        """Numbers of frames in which only Wireshark sees TCP."""
        known = set(self.columns.rows["frame"].tolist())
        return [frame for frame in self.stream_of if frame not in known]

    def rows(self, connection: int) -> Any:
        """Return the segments of a connection."""
        return self.columns.rows[self.rows_of.get(connection, np.empty(0, dtype=np.intp))]

    def view(self, connection: int) -> View | None:
        """Return Wireshark's view of a connection, summed over all its streams; None if there is none."""
        streams = [self.streams[number] for number in self.streams_of.get(connection, ())]
        if not streams:
            return None
        bits = 0
        for stream in streams:
            bits |= stream.completeness
        return View(
            streams[0].number, sum(stream.segments for stream in streams), bits, streams[0].initial_rtt_ns,
            sum(len(stream.retransmissions) for stream in streams), sum(stream.resets for stream in streams),
        )  # fmt: skip


class RetransmittedSegments:
    """The segments of a connection that repeat bytes or flags that the capture already has from the same sender."""

    def __init__(self, rows: Any) -> None:
        self.frames: set[int] = set()
        self.jumps = False  # sequence numbers jump by more than any window: the capture lacks most segments
        sent: dict[tuple[int, int, int], _SentData] = {}
        for row in rows:
            sender = (int(row["src_hi"]), int(row["src_lo"]), int(row["src_port"]))
            sender_data = sent.setdefault(sender, _SentData())
            if sender_data.repeats(int(row["seq"]), int(row["payload_len"]), int(row["flags"])):
                self.frames.add(int(row["frame"]))
            self.jumps = self.jumps or sender_data.jumped


class _SentData:
    """What one end has sent: SYNs and FINs by sequence number, and data as sorted, disjoint ranges."""

    def __init__(self) -> None:
        self.marks: set[tuple[int, int]] = set()
        self.ranges: list[tuple[int, int]] = []
        self.base: int | None = None  # origin of unwrapped sequence numbers
        self.next = 0
        self.jumped = False

    def repeats(self, seq: int, length: int, flags: int) -> bool:
        """Record a segment; return True if any of it was sent before."""
        if self.base is None:
            self.base = (seq - JUMP) & MASK32
            self.next = JUMP
        at = self.next + ((seq - self.base - self.next + (1 << 31)) & MASK32) - (1 << 31)
        self.jumped = self.jumped or at - self.next > JUMP
        again = False
        for bits in (flags & (SYN | ACK) if flags & SYN else 0, FIN if flags & FIN and not flags & RST else 0):
            if bits:
                mark = (at + length, bits)
                again = again or mark in self.marks
                self.marks.add(mark)
        end = at + length
        if length:
            begin = at + (1 if flags & SYN else 0)
            again = self._overlaps(begin, end) or again
            self._add(begin, begin + length)
        self.next = max(self.next, end)
        return again

    def _overlaps(self, begin: int, end: int) -> bool:
        return any(start < end and begin < beyond for start, beyond in reversed(self.ranges))

    def _add(self, begin: int, end: int) -> None:
        if self.ranges and self.ranges[-1][1] == begin:  # the usual case: data in order
            self.ranges[-1] = (self.ranges[-1][0], end)
            return
        apart = [each for each in self.ranges if each[1] < begin or end < each[0]]
        joined = [each for each in self.ranges if not (each[1] < begin or end < each[0])]
        joined.append((begin, end))
        self.ranges = sorted([*apart, (min(each[0] for each in joined), max(each[1] for each in joined))])
