"""Numbers of frames in the whole trace, as ranks: no frame is merged with another.

A merge gives the sensor whose next frame is the earliest, and of equal times that whose file was named first.  So a
frame comes when the latest frame up to it in its own sensor does: its key is the running maximum of time and place of
the file.  Its number is its place in its own sensor, and how many keys of other sensors are smaller.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from handshake_inspect.capture.file_stretch import Stretch
from handshake_inspect.capture.merge import packed
from handshake_inspect.cluster.parts import Part
from handshake_inspect.cluster.scanning import NO_FRAME_NS, Scanned
from handshake_inspect.verdicts.arrays import Keys, Times

_PAGE = 1 << 16

Key = tuple[int, int]  # time, and place of the file

EARLIEST: Key = (NO_FRAME_NS, -1)


class Outline(NamedTuple):
    """What of a part is needed to number others: plain and small."""

    sensor: int
    numbers: int
    last_ns: int | None  # time of its last frame that has one
    files: tuple[tuple[int, int], ...]  # numbers before each, and its place
    first: Key  # the key of its first frame, if nothing came before it
    highest: Key  # of any of its frames, likewise
    begun: Stretch  # where it was read from: of stretches of a file, the right place if the one before ended there
    ended: int  # byte behind its last record
    head: bytes  # what is known of the file there
    is_whole: bool  # neither cut nor damaged
    odd_times: int  # frames whose time cannot be
    has_loose: bool  # whether there is any of what `Scanned` has
    has_wrong: bool
    has_served: bool


@dataclass(frozen=True)
class Start:
    """Where a part begins in its sensor: numbers before it, the key so far, and the time of the last frame."""

    before: int
    key: Key
    last_ns: int | None


def outline(part: Part, scanned: Scanned) -> Outline:
    """The outline of a part."""
    files = tuple(zip(scanned.starts, part.places, strict=True))
    keys = [EARLIEST]
    if scanned.times is not None and scanned.count:
        timed = [(place, scanned.times[start:end]) for start, end, place in _bounds(files, scanned.count)]
        keys = [(int(timed[0][1][0]), timed[0][0]), *((int(times.max()), place) for place, times in timed)]
    return Outline(
        part.sensor, scanned.count, scanned.last_ns, files, keys[0], max(keys), scanned.begun, scanned.ended,
        scanned.head, scanned.is_whole, scanned.odd_times, bool(scanned.loose), bool(len(scanned.wrong)),
        bool(len(scanned.served)),
    )  # fmt: skip


def _bounds(files: Sequence[tuple[int, int]], count: int) -> Iterator[tuple[int, int, int]]:
    """Where files that use up any number begin and end, and their places."""
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
    """The parts of a sensor in their order, and the keys from which to which each has its numbers."""

    def __init__(self) -> None:
        self.parts: list[int] = []
        self.lows: list[Key] = []
        self.highs: list[Key] = []
        self.before = [0]  # numbers up to each

    def add(self, number: int, outline: Outline, start: Start) -> None:
        """Take in the next part that has any."""
        self.parts.append(number)
        self.lows.append(max(start.key, outline.first))
        self.highs.append(max(start.key, outline.highest))
        self.before.append(self.before[-1] + outline.numbers)


def spans_of(outlines: Sequence[Outline], starts: Sequence[Start]) -> dict[int, Spans]:
    """The spans of each sensor."""
    spans: dict[int, Spans] = defaultdict(Spans)
    for number, (outline, start) in enumerate(zip(outlines, starts, strict=True)):
        if outline.numbers:
            spans[outline.sensor].add(number, outline, start)
    return spans


def rivals_of(outline: Outline, start: Start, spans: dict[int, Spans]) -> tuple[int, list[int]]:
    """How many numbers of other sensors come before all of a part, and the parts among which its own are."""
    low, high = max(start.key, outline.first), max(start.key, outline.highest)
    before, among = 0, []
    for sensor, other in spans.items():
        if sensor != outline.sensor:
            # Keys run: of each sensor, those from one place to another are among them.
            begin, end = bisect_left(other.highs, low), bisect_left(other.lows, high)
            before += other.before[begin]
            among += other.parts[begin:end]
    return before, among


class Running(NamedTuple):
    """The keys of a part, running."""

    ns: Times
    place: Times


def keys_of(outline: Outline, start: Start, times: Times) -> Running:
    """The running maximum of time and place."""
    ns, place = np.empty_like(times), np.empty_like(times)
    key = start.key
    for begin, end, rank in _bounds(outline.files, outline.numbers):
        # Where a time is equal to that of the key so far, the place decides.
        least = key[0] if rank > key[1] else key[0] + 1
        mine = np.maximum.accumulate(times[begin:end])
        held = mine < least
        ns[begin:end] = np.where(held, key[0], mine)
        place[begin:end] = np.where(held, key[1], rank)
        key = int(ns[end - 1]), int(place[end - 1])
    return Running(ns, place)


def ranked(mine: Running, before: int, others: Sequence[Running]) -> Keys:
    """The numbers of a part's frames: `before` of them come before all, and `others` lie among them."""
    numbers = np.arange(before + 1, before + 1 + len(mine.ns), dtype=np.int64)
    for other in others:
        numbers += below(mine, other)
    return numbers.astype(np.uint64)


def below(mine: Running, other: Running) -> Times:
    """How many of another sensor's keys are smaller than each of these."""
    count = np.searchsorted(other.ns, mine.ns, side="left")
    for place in np.unique(other.place).tolist():  # of equal times, those of earlier places
        rows = np.flatnonzero(other.place == place)  # one behind the other
        first, beyond = int(rows[0]), int(rows[-1]) + 1
        stop = np.searchsorted(other.ns[first:beyond], mine.ns, side="right") + first
        same = (stop > first) & (other.ns[np.maximum(stop - 1, 0)] == mine.ns) & (place < mine.place)
        count = np.where(same, stop, count)
    return count.astype(np.int64)


def totals(outlines: Sequence[Outline]) -> int:
    """How many numbers there are."""
    return sum(each.numbers for each in outlines)


def pages(sensors: Sequence[int], outlines: Sequence[Outline], ranks: Sequence[Any]) -> list[bytes]:
    """The sensor of each number, in packed pages, as `Places` reads them; none where there are no ranks."""
    if not ranks:
        return []
    marks = np.empty(totals(outlines), dtype=np.uint32)
    for sensor, outline, own in zip(sensors, outlines, ranks, strict=True):
        places = slice(own, own + outline.numbers) if isinstance(own, int) else (own - 1).astype(np.int64)
        marks[places] = sensor
    return [packed(marks[start : start + _PAGE]) for start in range(0, len(marks), _PAGE)]
