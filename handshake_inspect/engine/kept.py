"""What a `Keeper` keeps, taken out of its rings for the connections that a screen may be asked about.

The rings are read by the thread that tracks, when it looks at its table: what it hands on are copies that nobody
changes, made at the same moment as the connections that they explain.
"""

import ctypes
import mmap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handshake_inspect.decode.segment import Segment
from handshake_inspect.engine.recorder import asked, opened
from handshake_inspect.report.segment_log import ConnectionRows, LoggedSegment, SegmentLog
from handshake_inspect.tcp import rows
from handshake_inspect.wire import fourtuple
from handshake_inspect.wire.const import ACK, FIN, KIND_TCP, RST, SYN

SEGMENTS = 1 << 15  # notable segments that are kept, with their rows: 1.3 KB each
SYNS = 1 << 16  # SYNs that are kept, 128 octets each
FIRST = 4  # segments of each end that are always notable
MOST = 256  # segments of one connection that are handed on: the first half and the last half of so many


def room(count: int) -> Any:
    """Room for `count` zeroed segments, which costs memory only where it is written."""
    return (Segment * count).from_buffer(mmap.mmap(-1, ctypes.sizeof(Segment) * count))


@dataclass
class _Log:
    """What was taken of one connection."""

    head: list[LoggedSegment] = field(default_factory=list)
    tail: list[LoggedSegment] = field(default_factory=list)
    upto: int = 0  # everything that was kept before this one was taken

    def add(self, moment: LoggedSegment) -> None:
        """Take another moment; of too many those in the middle go."""
        before = self.tail or self.head
        if before and before[-1].place + 1 == moment.place:
            # What the tracker noted between the two belongs to the second.
            moment = LoggedSegment(moment.place, moment.segment, before[-1].after, moment.after)
        if len(self.head) < MOST // 2:
            self.head.append(moment)
            return
        self.tail.append(moment)
        if len(self.tail) > MOST:
            del self.tail[: MOST // 2]

    def moments(self) -> Sequence[LoggedSegment]:
        """All that are there, in order."""
        return (*self.head, *self.tail[-(MOST // 2) :])


class Kept:
    """Takes the logs of connections out of the rings of a keeper, and remembers those that it took last."""

    def __init__(self, keeper: Any) -> None:
        self._keeper = keeper
        self._logs: dict[int, _Log] = {}  # by the first frame, which no two connections share
        self._segments = np.frombuffer(keeper.segment_rows, dtype=np.dtype(Segment))
        self._syns = np.frombuffer(keeper.syn_rows, dtype=np.dtype(Segment))
        self._first_frames = np.frombuffer(keeper.connection_rows, dtype=np.dtype(rows.Connection))["first_frame"]

    def logs(self, numbers: Sequence[int], embryos: Sequence[int], frame: int) -> list[SegmentLog]:
        """The logs of connections, then of lone SYNs, given by their rows in the table; `frame` is the newest."""
        table = self._keeper.table
        wanted = {int(table.connection_rows[number].first_frame): number for number in numbers}
        self._take(wanted)
        told = [self._log_of(first_frame, number) for first_frame, number in wanted.items()]
        return told + self._alone(embryos)

    def _take(self, wanted: dict[int, int]) -> None:
        """Take what is new of the wanted connections, and forget all others."""
        self._logs = {first_frame: self._logs.get(first_frame) or _Log() for first_frame in wanted}
        new: dict[int, list[int]] = {first_frame: [] for first_frame in wanted}
        slots = self._slots([self._hash(number) for number in wanted.values()])
        for place, slot in zip(*slots, strict=True):
            first_frame = int(self._first_frames[2 * slot + 1])
            if first_frame in new and place >= self._logs[first_frame].upto:
                new[first_frame].append(slot)
        syns = self._whole_syns({first_frame for first_frame, taken in new.items() if taken}, slots[1])
        for first_frame, taken in new.items():
            log = self._logs[first_frame]
            for slot in taken:
                log.add(self._moment(slot, syns))
            log.upto = self._keeper.segments_kept

    def _slots(self, hashes: Sequence[int]) -> tuple[list[int], list[int]]:
        """Where in the ring segments of these 4-tuples are, oldest first, counted from the first ever; their slots."""
        total = self._keeper.segments_kept
        held = min(total, SEGMENTS)
        slots = np.flatnonzero(np.isin(self._segments["hash"][:held], np.array(hashes, dtype=np.uint64)))
        places = np.sort(total - 1 - ((total - 1) % SEGMENTS - slots) % SEGMENTS)
        return places.tolist(), (places % SEGMENTS).tolist()

    def _hash(self, number: int) -> int:
        row = self._keeper.table.connection_rows[number]
        return fourtuple.hash_four_tuple(row.hi0, row.lo0, row.port0, row.hi1, row.lo1, row.port1)

    def _moment(self, slot: int, syns: dict[int, Any]) -> LoggedSegment:
        """Copy a slot; a SYN that the table remembered is replaced by the whole one."""
        keeper = self._keeper
        segment = Segment.from_buffer_copy(keeper.segment_rows[slot])
        if segment.kind != KIND_TCP and _is_syn(segment):
            segment = syns.get(int(segment.frame), segment)
        before, after = (
            _copied(keeper.connection_rows, keeper.endpoint_rows, keeper.alias_rows, row)
            for row in (2 * slot, 2 * slot + 1)
        )
        return LoggedSegment(before.segments, segment, before if before.segments else None, after)

    def _log_of(self, first_frame: int, number: int) -> SegmentLog:
        table = self._keeper.table
        now = _copied(table.connection_rows, table.endpoint_rows, table.alias_rows, number)
        return SegmentLog(self._logs[first_frame].moments(), now, now.segments)

    def _alone(self, embryos: Sequence[int]) -> list[SegmentLog]:
        """The logs of SYNs that nothing followed."""
        table = self._keeper.table
        frames = [int(table.embryo_frame(number)) for number in embryos]
        syns = self._whole_syns(frames)
        told = []
        for frame, number in zip(frames, embryos, strict=True):
            syn = syns.get(frame) or _remembered(table.embryo_rows[number], frame)
            alone = opened(asked(syn))
            told.append(SegmentLog((LoggedSegment(0, syn, None, alone),), alone, 1))
        return told

    def _whole_syns(self, frames: Iterable[int], slots: Iterable[int] = ()) -> dict[int, Any]:
        """Those of the SYNs with these frame numbers that are kept: of the table's own memory the window is missing.

        One that came upon an older connection is among the segments in `slots`.
        """
        wanted = np.array(sorted(frames), dtype=np.uint64)
        held = min(self._keeper.syns_kept, SYNS)
        found = np.flatnonzero(np.isin(self._syns["frame"][:held], wanted)) if len(wanted) else wanted
        whole = [self._keeper.syn_rows[slot] for slot in found.tolist()]
        segments = (self._keeper.segment_rows[slot] for slot in slots)
        whole += [each for each in segments if each.kind == KIND_TCP and _is_syn(each)]
        return {int(syn.frame): Segment.from_buffer_copy(syn) for syn in whole}


def _copied(connections: Any, ends: Any, aliases: Any, i: int) -> ConnectionRows:
    """Copies of the rows of one connection."""
    bad = aliases[i].bad_checksums
    return ConnectionRows(
        rows.Connection.from_buffer_copy(connections[i]),
        (rows.Endpoint.from_buffer_copy(ends[2 * i]), rows.Endpoint.from_buffer_copy(ends[2 * i + 1])),
        (bad[0], bad[1]),
    )


def _is_syn(segment: Any) -> bool:
    return bool(segment.flags & (SYN | ACK | FIN | RST) == SYN)


def _remembered(embryo: Any, frame: int) -> Any:
    """The SYN of an embryo, as far as the table remembers it."""
    return Segment(
        ts_ns=embryo.first_ns, frame=frame, src_hi=embryo.client_hi, src_lo=embryo.client_lo,
        dst_hi=embryo.server_hi, dst_lo=embryo.server_lo, src_port=embryo.client_port, dst_port=embryo.server_port,
        seq=embryo.iss, flags=SYN, tsval=embryo.tsval, mss=embryo.mss, window_scale=embryo.window_scale,
        options=embryo.options, ip_id=embryo.ip_id, ttl=embryo.ttl,
    )  # fmt: skip
