"""Bounded segment logs, read from the slots of a `LoggingTracker`, for `hsi explain` and the live screen.

Nothing is interpreted here: `report.narrate` derives the meaning of a segment from the rows before and after it.
"""

import ctypes
import mmap
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np

from handshake_inspect.decode.segment import Segment
from handshake_inspect.report.segment_log import ConnectionRows, LoggedSegment, SegmentLog
from handshake_inspect.tcp import rows
from handshake_inspect.tcp.facts import EMBRYO_STATE, FACT_SYN, TRAIT_ISS, TRAIT_SEEN
from handshake_inspect.tcp.transitions import SENT_SYN, Event, TcpState, next_state
from handshake_inspect.wire import fourtuple
from handshake_inspect.wire.const import KIND_NONE, MASK32, SYN

NOTABLE, ALL, ENDS, ID, SOME, NONE = range(6)  # filters of a LoggingTracker
ENTRIES = 1 << 16  # logged segments kept for `hsi explain`, with their rows: 1.2 KB each
SEGMENTS = 1 << 15  # logged segments kept for the screen
SYNS = 1 << 16  # SYNs kept in addition, 128 bytes each
FIRST = 4  # segments of each end that are logged for the screen, notable or not
MAX_LISTED = 256  # segments of one connection passed to the screen: the first half and the last half of these
CANDIDATES = 1024  # 4-tuples logged for one id; only a capture of nothing but spoofed SYNs needs more
CANDIDATE_MASK = 4 * CANDIDATES - 1  # of the hash table of candidates

Entry = TypeVar("Entry")


def reserve_segments(count: int) -> Any:
    """Allocate `count` zeroed segments; untouched pages take no memory."""
    return (Segment * count).from_buffer(mmap.mmap(-1, ctypes.sizeof(Segment) * count))


@dataclass
class Kept(Generic[Entry]):
    """The bounded log of one connection: its first segments, its last, and notable ones in between."""

    head_room: int
    between_room: int
    tail_room: int
    head: list[Entry] = field(default_factory=list)
    between: list[Entry] = field(default_factory=list)
    tail: deque[tuple[Entry, bool]] = field(default_factory=deque)
    total: int = 0  # segments ever added

    def add(self, entry: Entry, notable: bool, *, full: bool = False) -> Entry | None:
        """Add an entry; return the entry dropped for it, if any.  If `full`, the log may not grow."""
        self.total += 1
        if not full and len(self.head) < self.head_room:
            self.head.append(entry)
            return None
        if full and not self.tail:
            return entry
        self.tail.append((entry, notable))
        if not full and len(self.tail) <= self.tail_room:
            return None
        gone, counts = self.tail.popleft()
        if counts and not full and len(self.between) < self.between_room:
            self.between.append(gone)
            return None
        return gone

    def __iter__(self) -> Iterator[Entry]:
        yield from self.head
        yield from self.between
        yield from (entry for entry, _ in self.tail)


@dataclass(frozen=True)
class _Slot:
    """The slot number of a segment, its index within the connection, and whether it is notable."""

    number: int
    place: int
    notable: bool


class ConnectionLogs:
    """Logs of the selected connections, from their first segments on.

    Memory is bounded twice.  Per connection, at most `limit` each of the first segments, the last ones, and notable
    ones in between are kept.  In total, at most `ENTRIES` are kept; connections that begin after that are not logged.
    """

    def __init__(self, tracker: Any, limit: int) -> None:
        """`tracker` needs `ENTRIES + 1` slots; `limit` is the maximum number of segments in a story."""
        self.slots = Slots(tracker)
        self.limit = limit
        self.kept = 0
        self._tracker = tracker
        self._logs: dict[int, Kept[_Slot]] = {}  # by first frame, which is unique
        tracker.keep = self.keep

    def keep(self, slot: int, notable: bool) -> int:
        """Keep or drop the segment in this slot; return the slot for the next one."""
        first_frame = self._tracker.connection_rows[2 * slot + 1].first_frame
        log, full = self._logs.get(first_frame), self.kept >= ENTRIES
        if log is None:
            if full:
                return slot
            log = self._logs[first_frame] = Kept(self.limit, self.limit, self.limit)
        elif self.slots.is_recalled(slot) and self._tracker.segment_rows[slot].frame == first_frame:
            return slot  # already logged when it arrived
        gone = log.add(_Slot(slot, log.total, notable), notable, full=full)
        if gone is not None:
            return gone.number
        self.kept += 1
        return self.kept

    def of(self, first_frame: int) -> SegmentLog | None:
        """Return at most `limit` segments of a connection, preferring notable ones; None if it was not logged.

        An unanswered SYN that was held back at a closing connection has a log of its own.
        """
        log = self._logs.get(first_frame)
        if log is None:
            syn = self.slots.syns([first_frame]).get(first_frame)
            return None if syn is None else _alone(syn)
        kept = list(log)
        listed = _chained(self.slots.read([slot.number for slot in self._listed(kept, log.total)]))
        return SegmentLog(listed, listed[-1].after, log.total)

    def _listed(self, kept: Sequence[_Slot], total: int) -> Sequence[_Slot]:
        """Select the beginning, the end, and from what lies between preferably notable segments."""
        limit = self.limit
        if total <= limit:
            return kept
        tail = max(limit // 4, 1)
        head = max(limit // 2, 1) if limit > 1 else 0
        between = kept[head : len(kept) - tail]
        notable = [slot for slot in between if slot.notable]
        room = limit - head - tail
        some = notable if len(notable) <= room else [*notable[: room - room // 2], *notable[len(notable) - room // 2 :]]
        plain = [slot for slot in between if not slot.notable][: room - len(some)]
        return sorted([*kept[:head], *some, *plain, *kept[len(kept) - tail :]], key=lambda slot: slot.place)


class RecentLogs:
    """Logs of the connections that the screen may show, as far as the slots still hold them.

    The tracking thread reads the slots during a refresh and passes on copies, which therefore agree with the snapshot
    of the connections.  Logs read at the last refresh are kept, so that only new segments are read.
    """

    def __init__(self, tracker: Any) -> None:
        self.slots = Slots(tracker)
        self._tracker = tracker
        self._logs: dict[int, Kept[LoggedSegment]] = {}  # by first frame, which is unique
        self._read = 0  # the tracker's `logged` at the last read
        self._hashes = np.frombuffer(tracker.segment_rows, dtype=np.dtype(Segment))["hash"]
        self._first_frames = np.frombuffer(tracker.connection_rows, dtype=np.dtype(rows.Connection))["first_frame"]

    def of(self, numbers: Sequence[int], embryos: Sequence[int]) -> list[SegmentLog]:
        """Return the logs of connections, then of lone SYNs, given by their table rows."""
        table = self._tracker.table
        wanted = {int(table.connection_rows[number].first_frame): number for number in numbers}
        self._take(wanted)
        logs = []
        for first_frame, number in wanted.items():
            last = _copied(table, number)
            logs.append(SegmentLog(_chained(self._logs[first_frame]), last, last.segments))
        return logs + self._alone(embryos)

    def _take(self, wanted: dict[int, int]) -> None:
        """Read new segments of the wanted connections, and drop the logs of all others."""
        known = self._logs
        self._logs = {frame: known.get(frame) or Kept(MAX_LISTED // 2, 0, MAX_LISTED // 2) for frame in wanted}
        new = [
            (first_frame, slot)
            for place, slot in self._slots_of(wanted.values())
            if (first_frame := int(self._first_frames[2 * slot + 1])) in wanted
            and (place >= self._read or first_frame not in known)
        ]
        for (first_frame, _), logged in zip(new, self.slots.read([slot for _, slot in new]), strict=True):
            self._logs[first_frame].add(logged, True)
        self._read = self._tracker.logged

    def _slots_of(self, numbers: Iterable[int]) -> list[tuple[int, int]]:
        """Return the logged segments of these connections' 4-tuples, oldest first, as (number logged before, slot)."""
        total, count = self._tracker.logged, len(self._hashes)
        connections = [self._tracker.table.connection_rows[number] for number in numbers]
        hashes = [fourtuple.hash_four_tuple(c.hi0, c.lo0, c.port0, c.hi1, c.lo1, c.port1) for c in connections]
        slots = np.flatnonzero(np.isin(self._hashes[: min(total, count)], np.array(hashes, dtype=np.uint64)))
        places = np.sort(total - 1 - ((total - 1) % count - slots) % count)
        return list(zip(places.tolist(), (places % count).tolist(), strict=True))

    def _alone(self, embryos: Sequence[int]) -> list[SegmentLog]:
        """Return the logs of lone SYNs."""
        table = self._tracker.table
        frames = [int(table.embryo_frame(number)) for number in embryos]
        syns = self.slots.syns(frames)
        logs = []
        for frame, number in zip(frames, embryos, strict=True):
            logs.append(_alone(syns.get(frame) or _remembered(table, number, frame)))
        return logs


class Slots:
    """Reads copies of segments and rows from the slots of a tracker."""

    def __init__(self, tracker: Any) -> None:
        self._tracker = tracker
        self._frames = np.frombuffer(tracker.syn_rows, dtype=np.dtype(Segment))["frame"]

    def is_recalled(self, slot: int) -> bool:
        """Return True if the segment in the slot is a SYN rebuilt from its embryo row."""
        return bool(self._tracker.segment_rows[slot].kind == KIND_NONE)

    def read(self, slots: Sequence[int]) -> list[LoggedSegment]:
        """Return the segments in these slots; SYNs rebuilt from embryo rows are replaced by the captured ones."""
        segments = [Segment.from_buffer_copy(self._tracker.segment_rows[slot]) for slot in slots]
        syns = self.syns(segment.frame for segment in segments if segment.kind == KIND_NONE)
        logged = []
        for slot, remembered in zip(slots, segments, strict=True):
            segment = syns.get(remembered.frame, remembered)
            before, after = (_copied(self._tracker, row) for row in (2 * slot, 2 * slot + 1))
            count = before.segments
            after = after if after.segments else asked(segment)
            logged.append(LoggedSegment(count, segment, before if count else None, after))
        return logged

    def syns(self, frames: Iterable[int]) -> dict[int, Any]:
        """Return the SYNs with these frame numbers that are still in the ring, by frame number."""
        wanted = np.array(sorted(frames), dtype=np.uint64)
        held = min(self._tracker.syns_logged, SYNS)
        found = np.flatnonzero(np.isin(self._frames[:held], wanted)) if len(wanted) else wanted
        whole = [Segment.from_buffer_copy(self._tracker.syn_rows[slot]) for slot in found.tolist()]
        return {int(syn.frame): syn for syn in whole}


def _chained(logged: Iterable[LoggedSegment]) -> list[LoggedSegment]:
    """Return the segments; for consecutive ones, the rows before the second are set to those after the first."""
    joined: list[LoggedSegment] = []
    for each in logged:
        follows = joined and joined[-1].place + 1 == each.place
        joined.append(replace(each, before=joined[-1].after) if follows else each)
    return joined


def _copied(holder: Any, i: int) -> ConnectionRows:
    """Copy the rows of connection `i` of a table, or log row `i` of a tracker."""
    ends = holder.endpoint_rows
    return ConnectionRows(
        rows.Connection.from_buffer_copy(holder.connection_rows[i]),
        (rows.Endpoint.from_buffer_copy(ends[2 * i]), rows.Endpoint.from_buffer_copy(ends[2 * i + 1])),
    )


def _alone(syn: Any) -> SegmentLog:
    """Return the log of a lone SYN."""
    return SegmentLog((LoggedSegment(0, syn, None, asked(syn)),), asked(syn), 1)


def asked(syn: Any) -> ConnectionRows:
    """Return the connection and endpoint rows of a lone SYN."""
    client = rows.Endpoint(
        iss=syn.seq, snd_nxt=(syn.seq + 1) & MASK32, state=next_state(Event(SENT_SYN), TcpState.CLOSED),
        traits=TRAIT_ISS | TRAIT_SEEN, frames=1,
    )  # fmt: skip
    connection = rows.Connection(
        hi0=syn.src_hi, lo0=syn.src_lo, port0=syn.src_port, hi1=syn.dst_hi, lo1=syn.dst_lo, port1=syn.dst_port,
        facts=FACT_SYN, syn_count=1, first_frame=syn.frame, syn_frame=syn.frame & MASK32,
        first_ns=syn.ts_ns, last_ns=syn.ts_ns, syn_ns=syn.ts_ns,
    )  # fmt: skip
    return ConnectionRows(connection, (client, rows.Endpoint()))


def _remembered(table: Any, number: int, frame: int) -> Any:
    """Rebuild a SYN from its embryo row."""
    embryo = table.embryo_rows[number]
    src_hi, src_lo, dst_hi, dst_lo = table.embryo_addresses(number)
    return Segment(
        ts_ns=embryo.first_ns, frame=frame, src_hi=src_hi, src_lo=src_lo, dst_hi=dst_hi, dst_lo=dst_lo,
        src_port=embryo.client_port, dst_port=embryo.server_port,
        seq=embryo.iss, flags=SYN, tsval=embryo.tsval, mss=embryo.mss, window_scale=embryo.window_scale,
        options=embryo.options & ~EMBRYO_STATE, ip_id=embryo.ip_id, ttl=embryo.ttl,
    )  # fmt: skip
