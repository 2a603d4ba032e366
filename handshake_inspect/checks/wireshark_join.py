"""Two views of one trace, joined by frame number: hsi's segments and connections, Wireshark's streams."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from handshake_inspect.capture.wireshark import Dissected
from handshake_inspect.report.segment_columns import SegmentColumns, grouped
from handshake_inspect.report.verified import View
from handshake_inspect.wire.const import ACK, FIN, MASK32, RST, SYN

JUMP = 1 << 30  # of sequence numbers, beyond every window (RFC 7323 section 2.2)


@dataclass
class Stream:
    """What Wireshark says of one `tcp.stream`."""

    number: int
    first_frame: int
    segments: int = 0
    completeness: int = 0
    initial_rtt_ns: int | None = None
    retransmissions: list[int] = field(default_factory=list)  # frames
    out_of_order: list[int] = field(default_factory=list)
    resets: int = 0

    def add(self, said: Dissected) -> None:
        """Take what is said of one of its segments."""
        self.segments += 1
        self.completeness = said.completeness
        if said.initial_rtt_ns >= 0:
            self.initial_rtt_ns = said.initial_rtt_ns
        if said.is_retransmission:
            self.retransmissions.append(said.frame)
        elif said.is_out_of_order:
            self.out_of_order.append(said.frame)
        self.resets += said.is_reset


class Joined:
    """Which connection is which stream."""

    def __init__(self, columns: SegmentColumns, dissected: Iterable[Dissected]) -> None:
        self.columns = columns
        self.streams: dict[int, Stream] = {}
        self.stream_of: dict[int, int] = {}  # by frame
        for said in dissected:
            if said.stream not in self.streams:
                self.streams[said.stream] = Stream(said.stream, said.frame)
            self.streams[said.stream].add(said)
            self.stream_of[said.frame] = said.stream
        self.rows_of = grouped(columns.owners)
        self.streams_of: dict[int, list[int]] = {}  # by connection
        self.owners_of: dict[int, list[int]] = defaultdict(list)  # by stream
        for owner, places in self.rows_of.items():
            found = (self.stream_of.get(frame) for frame in columns.rows["frame"][places].tolist())
            self.streams_of[owner] = list(dict.fromkeys(stream for stream in found if stream is not None))
            for stream in self.streams_of[owner]:
                self.owners_of[stream].append(owner)

    @cached_property
    def ours_alone(self) -> Any:
        """Places of segments in frames in which Wireshark sees no TCP."""
        frames = np.fromiter(self.stream_of, dtype=np.uint64, count=len(self.stream_of))
        return np.flatnonzero(~np.isin(self.columns.rows["frame"], frames))

    @cached_property
    def theirs_alone(self) -> list[int]:
        """Frames in which hsi sees no TCP."""
        known = set(self.columns.rows["frame"].tolist())
        return [frame for frame in self.stream_of if frame not in known]

    def rows(self, connection: int) -> Any:
        """The segments of a connection."""
        return self.columns.rows[self.rows_of.get(connection, np.empty(0, dtype=np.intp))]

    def view(self, connection: int) -> View | None:
        """Wireshark's view of a connection: of all streams that its segments are in."""
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


class Again:
    """Which segments of a connection repeat something that its sender had sent before, as the capture has it."""

    def __init__(self, rows: Any) -> None:
        self.frames: set[int] = set()
        self.jumps = False  # numbers run on by more than any window: most of it is not in the capture
        sent: dict[tuple[int, int, int], _Sent] = {}
        for row in rows:
            sender = (int(row["src_hi"]), int(row["src_lo"]), int(row["src_port"]))
            known = sent.setdefault(sender, _Sent())
            if known.repeats(int(row["seq"]), int(row["payload_len"]), int(row["flags"])):
                self.frames.add(int(row["frame"]))
            self.jumps = self.jumps or known.jumped


class _Sent:
    """What one end has sent: SYNs and FINs by number, and bytes as ranges, sorted and apart."""

    def __init__(self) -> None:
        self.marks: set[tuple[int, int]] = set()
        self.ranges: list[tuple[int, int]] = []
        self.base: int | None = None  # numbers count from here, beyond 2^32 too
        self.next = 0
        self.jumped = False

    def repeats(self, seq: int, length: int, flags: int) -> bool:
        """Take note of a segment; whether any of it was sent before."""
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
        if self.ranges and self.ranges[-1][1] == begin:  # as nearly always
            self.ranges[-1] = (self.ranges[-1][0], end)
            return
        apart = [each for each in self.ranges if each[1] < begin or end < each[0]]
        joined = [each for each in self.ranges if not (each[1] < begin or end < each[0])]
        joined.append((begin, end))
        self.ranges = sorted([*apart, (min(each[0] for each in joined), max(each[1] for each in joined))])
