"""Compute the frame numbers of the whole trace as ranks, without merging the frames.

A merge takes the frame of the sensor whose next frame is the earliest; on a tie, that of the file named first.  A frame
can therefore not precede any earlier frame of its own sensor: its key is the running maximum of (time, index of the
file).  Its number is its index within its sensor plus the number of smaller keys of other sensors.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from handshake_inspect.capture.file_range import FileRange
from handshake_inspect.capture.merge import compress_page
from handshake_inspect.cluster.parts import Part
from handshake_inspect.cluster.scanning import NO_FRAME_NS, Scanned
from handshake_inspect.verdicts.arrays import Keys, Times

_PAGE = 1 << 16

Key = tuple[int, int]  # time (ns), index of the file

EARLIEST: Key = (NO_FRAME_NS, -1)


class Outline(NamedTuple):
    """The properties of a scanned part that other stages need: plain and small."""

    sensor: int
    numbers: int
    last_ns: int | None  # time of the last frame that has one
    files: tuple[tuple[int, int], ...]  # (numbers before it, index) of each file
    first: Key  # key of the first frame, if no frame came before the part
    highest: Key  # highest key, likewise
    begun: FileRange  # where reading began: for a range, correct only if the previous one ended there
    ended: int  # offset after the last record
    head: bytes  # state of the file reader at that offset
    is_whole: bool  # neither truncated nor damaged
    bad_timestamps: int  # frames with an impossible timestamp
    has_fragments: bool  # whether the fields of `Scanned` are non-empty
    has_wrong: bool
    has_served: bool


@dataclass(frozen=True)
class Start:
    """State of the sensor at the start of a part: numbers so far, highest key, and time of the last frame."""

    before: int
    key: Key
    last_ns: int | None


def outline(part: Part, scanned: Scanned) -> Outline:
    """Return the outline of a part."""
    files = tuple(zip(scanned.starts, part.file_indexes, strict=True))
    keys = [EARLIEST]
    if scanned.times is not None and scanned.count:
        timed = [(place, scanned.times[start:end]) for start, end, place in _bounds(files, scanned.count)]
        keys = [(int(timed[0][1][0]), timed[0][0]), *((int(times.max()), place) for place, times in timed)]
    return Outline(
        part.sensor, scanned.count, scanned.last_ns, files, keys[0], max(keys), scanned.begun, scanned.ended,
        scanned.head, scanned.is_whole, scanned.bad_timestamps, bool(scanned.fragments), bool(len(scanned.wrong)),
        bool(len(scanned.served)),
    )  # fmt: skip


def _bounds(files: Sequence[tuple[int, int]], count: int) -> Iterator[tuple[int, int, int]]:
    """Yield (first number, number after the last, index) of the files that have any frame."""
    ends = [*(start for start, _ in files[1:]), count]
    for (start, place), end in zip(files, ends, strict=True):
        if end > start:
            yield start, end, place


def starts_of(outlines: Sequence[Outline]) -> list[Start]:
    """Where each part begins; parts of a sensor are in their order."""
    starts: list[Start] = []
    known: dict[int, Start] = {}
    for each in outlines:
        start = known.get(each.sensor, Start(0, EARLIEST, None))
        starts.append(start)
        last_ns = start.last_ns if each.last_ns is None else each.last_ns
        known[each.sensor] = Start(start.before + each.numbers, max(start.key, each.highest), last_ns)
    return starts


class Spans:
    """The parts of a sensor, in order, with the range of their keys."""

    def __init__(self) -> None:
        self.parts: list[int] = []
        self.lows: list[Key] = []
        self.highs: list[Key] = []
        self.before = [0]  # numbers before each part

    def add(self, number: int, outline: Outline, start: Start) -> None:
        """Append the next non-empty part."""
        self.parts.append(number)
        self.lows.append(max(start.key, outline.first))
        self.highs.append(max(start.key, outline.highest))
        self.before.append(self.before[-1] + outline.numbers)


def spans_of(outlines: Sequence[Outline], starts: Sequence[Start]) -> dict[int, Spans]:
    """Return the spans of each sensor."""
    spans: dict[int, Spans] = defaultdict(Spans)
    for number, (outline, start) in enumerate(zip(outlines, starts, strict=True)):
        if outline.numbers:
            spans[outline.sensor].add(number, outline, start)
    return spans


def overlapping(outline: Outline, start: Start, spans: dict[int, Spans]) -> tuple[int, list[int]]:
    """Return how many frames of other sensors precede the whole part, and the parts that overlap it."""
    low, high = max(start.key, outline.first), max(start.key, outline.highest)
    before, among = 0, []
    for sensor, other in spans.items():
        if sensor != outline.sensor:
            # The keys of a sensor are sorted, so the overlapping parts are contiguous.
            begin, end = bisect_left(other.highs, low), bisect_left(other.lows, high)
            before += other.before[begin]
            among += other.parts[begin:end]
    return before, among


class RunningMax(NamedTuple):
    """The keys of a part, as two sorted columns."""

    ns: Times
    place: Times


def keys_of(outline: Outline, start: Start, times: Times) -> RunningMax:
    """Return the running maximum of (time, index of the file)."""
    ns, place = np.empty_like(times), np.empty_like(times)
    key = start.key
    for begin, end, rank in _bounds(outline.files, outline.numbers):
        # If the time equals that of the key so far, the index decides.
        least = key[0] if rank > key[1] else key[0] + 1
        mine = np.maximum.accumulate(times[begin:end])
        held = mine < least
        ns[begin:end] = np.where(held, key[0], mine)
        place[begin:end] = np.where(held, key[1], rank)
        key = int(ns[end - 1]), int(place[end - 1])
    return RunningMax(ns, place)


def ranked(mine: RunningMax, before: int, others: Sequence[RunningMax]) -> Keys:
    """Return the numbers of a part's frames; `before` frames precede the part, and `others` overlap it."""
    numbers = np.arange(before + 1, before + 1 + len(mine.ns), dtype=np.int64)
    for other in others:
        numbers += below(mine, other)
    return numbers.astype(np.uint64)


def below(mine: RunningMax, other: RunningMax) -> Times:
    """Return, for each key, the number of smaller keys in `other`."""
    count = np.searchsorted(other.ns, mine.ns, side="left")
    for place in np.unique(other.place).tolist():  # at equal times, files with a lower index come first
        rows = np.flatnonzero(other.place == place)  # contiguous
        first, beyond = int(rows[0]), int(rows[-1]) + 1
        stop = np.searchsorted(other.ns[first:beyond], mine.ns, side="right") + first
        same = (stop > first) & (other.ns[np.maximum(stop - 1, 0)] == mine.ns) & (place < mine.place)
        count = np.where(same, stop, count)
    return count.astype(np.int64)


def totals(outlines: Sequence[Outline]) -> int:
    """Return the total of numbers."""
    return sum(each.numbers for each in outlines)


def pages(sensors: Sequence[int], outlines: Sequence[Outline], ranks: Sequence[Any]) -> list[bytes]:
    """Return the sensor of each number, in packed pages as read by `Places`; empty if there are no ranks."""
    if not ranks:
        return []
    marks = np.empty(totals(outlines), dtype=np.uint32)
    for sensor, outline, own in zip(sensors, outlines, ranks, strict=True):
        places = slice(own, own + outline.numbers) if isinstance(own, int) else (own - 1).astype(np.int64)
        marks[places] = sensor
    return [compress_page(marks[start : start + _PAGE]) for start in range(0, len(marks), _PAGE)]
