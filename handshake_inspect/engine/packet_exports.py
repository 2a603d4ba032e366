"""Export segments as they pass, read from the log of the tracker, for a live run whose observer wants packets."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from handshake_inspect.decode.segment import Segment
from handshake_inspect.engine.export import Observer
from handshake_inspect.engine.segment_log import SYNS, Slots, asked
from handshake_inspect.live.base import LiveSource
from handshake_inspect.report.packet import packet
from handshake_inspect.report.segment_log import LoggedSegment
from handshake_inspect.wire.const import KIND_NONE

MAX_EXPORT_S = 0.02  # time limit per block of frames if the kernel may drop frames meanwhile
BATCH_SIZE = 64
Places = list[tuple[int, int]]  # in frame order: (slot, slot), or (-1, index in the SYN ring)


class PacketExports:
    """Exports the segments of each block of frames."""

    def __init__(self, tracker: Any, observer: Observer, clock: Callable[[], float], source: LiveSource) -> None:
        self._fresh = FreshSegments(tracker)
        self._observer = observer
        self._clock = clock
        self._source = source

    def export(self) -> None:
        """Export the segments of the last block; of an interface, only as many as `MAX_EXPORT_S` permits."""
        places, skipped = self._fresh.take()
        until = self._clock() + MAX_EXPORT_S if self._source.pending() is not None else math.inf
        for at in range(0, len(places), BATCH_SIZE):
            if self._clock() >= until:
                skipped += len(places) - at
                break
            some = self._fresh.read(places[at : at + BATCH_SIZE])
            self._observer.packets([packet(each) for each in some], skipped)
            skipped = 0
        if skipped:
            self._observer.packets([], skipped)


class FreshSegments:
    """Reads the slots as a ring buffer; entries overwritten before they were read are counted as lost.

    A SYN is read when it arrives, and not again when an answer turns it into a connection.
    """

    def __init__(self, tracker: Any) -> None:
        self._tracker = tracker
        self._slots = Slots(tracker)
        rows = np.frombuffer(tracker.segment_rows, dtype=np.dtype(Segment))
        self._frames, self._kinds = rows["frame"], rows["kind"]
        self._syn_frames = np.frombuffer(tracker.syn_rows, dtype=np.dtype(Segment))["frame"]
        self._read = 0  # of the slots
        self._syns_read = 0

    def take(self) -> tuple[Places, int]:
        """Return the places of new entries, in frame order, and the number of lost ones."""
        slots, lost = _new(self._read, self._tracker.logged, self._tracker.slots)
        syns, lost_syns = _new(self._syns_read, self._tracker.syns_logged, SYNS)
        self._read, self._syns_read = self._tracker.logged, self._tracker.syns_logged
        slots = slots[self._kinds[slots] != KIND_NONE]  # skip SYNs that were recalled from the table
        syns = syns[~np.isin(self._syn_frames[syns], self._frames[slots])]  # a SYN may be in a slot as well
        frames = np.concatenate([self._frames[slots], self._syn_frames[syns]])
        order = np.argsort(frames, kind="stable")
        where = np.concatenate([slots, np.full(len(syns), -1)])[order]
        return list(zip(where.tolist(), np.concatenate([slots, syns])[order].tolist(), strict=True)), lost + lost_syns

    def read(self, places: Places) -> Sequence[LoggedSegment]:
        """Return the segments at these places."""
        logged = iter(self._slots.read([slot for slot, _ in places if slot >= 0]))
        return list(self._in_order(places, logged))

    def _in_order(self, places: Places, logged: Iterator[LoggedSegment]) -> Iterator[LoggedSegment]:
        for slot, place in places:
            if slot >= 0:
                yield next(logged)
            else:
                syn = Segment.from_buffer_copy(self._tracker.syn_rows[place])
                yield LoggedSegment(0, syn, None, asked(syn))


def _new(read: int, logged: int, room: int) -> tuple[Any, int]:
    """Return the slots written since `read`, oldest first, and how many entries were overwritten before."""
    held = min(logged - read, room)
    return np.arange(logged - held, logged) % room, logged - read - held
