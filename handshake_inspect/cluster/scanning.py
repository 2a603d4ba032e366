"""The first pass over a part: what it has, so that it is known what it shares with others; nothing is tracked."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from handshake_inspect.capture.file_stretch import Stretch
from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.ranks import TimedReader
from handshake_inspect.cluster.parts import Part, read
from handshake_inspect.cluster.records import rows_of, words_of
from handshake_inspect.cluster.sieves import Noting
from handshake_inspect.engine.pump import Pump
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.arrays import Array, Keys, Times
from handshake_inspect.verdicts.sets import host_key, is_member
from handshake_inspect.wire.const import NOTE_BAD_CHECKSUM, NOTE_CHECKSUM_GOOD

PATH = np.dtype([("path", np.uint64), ("tuple", np.uint64)])
NO_FRAME_NS = -(2**63) + 1  # time of numbers of a file without frames: it is read before anything else
_GATHERED = 1 << 20  # rows that are gathered before repeated ones are left out
_FEW_ROWS = 16


class Loose(NamedTuple):
    """A frame that is put together with others."""

    number: int
    ts_ns: int
    has_time: bool
    data: bytes
    wire_len: int
    link_type: int


@dataclass
class Scanned:
    """What a part has."""

    starts: list[int]  # numbers before each of its files
    count: int  # numbers: of frames, and of records that only use one up
    last_ns: int | None  # time of its last frame that has one
    tuples: Keys  # hashes of 4-tuples, each once
    wrong: Array  # paths on which checksums were wrong, with the 4-tuples that show it
    served: Keys  # ends that a datagram that may begin QUIC was sent to
    seen: Keys  # ends of datagrams, each once
    loose: list[Loose]
    times: Times | None  # of all numbers, where there are other sensors
    begun: Stretch  # as in `numbering.Outline`
    ended: int
    head: bytes
    is_whole: bool
    odd_times: int


class Distinct:
    """Different rows of very many."""

    def __init__(self) -> None:
        self._parts: list[Array] = [np.zeros(0, dtype=PATH)]
        self._count = 0

    def add(self, rows: Array) -> None:
        """Take rows."""
        self._parts.append(rows)
        self._count += len(rows)
        if self._count > _GATHERED and self._count > 2 * len(self._parts[0]):
            self.rows()
            self._count = 0

    def rows(self) -> Array:
        """All that came, each once, sorted."""
        self._parts = [np.unique(np.concatenate(self._parts))]
        return self._parts[0]


class Scan(Noting):
    """The sieve of the first pass."""

    def __init__(self, pump: Pump) -> None:
        super().__init__(pump)
        self.rows = rows_of(words_of(pump.storage))
        self.wrong = Distinct()
        self.loose: list[Loose] = []

    def sift(self, held: int) -> int:
        """Note the 4-tuples of these records, and where a checksum is wrong."""
        self.is_wrong = False
        Noting.sift(self, held)
        if self.is_wrong:
            self.wrong.add(checks_of(self.rows[:held], NOTE_BAD_CHECKSUM))
        return 0

    def takes_fragment(self, reader: FrameReader) -> bool:
        """Fragments of one datagram may lie in several parts."""
        data = bytes(memoryview(reader.buffer)[reader.frame_start : reader.frame_end])
        self.loose.append(
            Loose(reader.frames, reader.ts_ns, bool(reader.has_time), data, reader.wire_len, reader.link_type)
        )
        return True


class NoLookups:
    """Stands in for lookups that are read in the second pass."""

    def take(self, *_: object) -> None:
        """Leave it."""


def scan(part: Part, ranked: bool) -> Scanned:
    """Read a part; `ranked`: there are other sensors, among whose frames its own are numbered."""
    pump = _pump()
    pump.sieve = sieve = Scan(pump)
    timed = TimedReader() if ranked else None
    sensor = read(part, pump, through=timed)
    count = int(sensor.reader.frames)
    last = sensor.files[-1]
    return Scanned(
        list(sensor.starts),
        count,
        int(pump.previous_ns) if pump.has_times else None,
        sieve.tuples.keys(),
        sieve.wrong.rows(),
        sieve.served.keys(),
        sieve.seen.keys(),
        sieve.loose,
        None if timed is None else _filled(np.frombuffer(timed.times(), dtype=np.int64), count),
        last.stretch or Stretch(0),
        last.end,
        last.source.reader.head(),
        last.source.complete,
        last.source.reader.odd_times,
    )


class Rights(Scan):
    """The sieve of a pass over a part for right checksums on some paths alone."""

    def __init__(self, pump: Pump, paths: Keys) -> None:
        super().__init__(pump)
        self.paths = paths
        self.right = Distinct()

    def sift(self, held: int) -> int:
        """Note which of these records have right ones."""
        right = checks_of(self.rows[:held], NOTE_CHECKSUM_GOOD)
        self.right.add(right[is_member(right["path"], self.paths)])
        return 0


def rights_on(part: Part, paths: Keys) -> Array:
    """The right checksums on these paths, as `Scanned.wrong`: seldom asked for, since mostly none is wrong."""
    pump = _pump()
    pump.sieve = sieve = Rights(pump, paths)
    read(part, pump)
    return sieve.right.rows()


def _pump() -> Pump:
    pump = Pump(Tracker(_FEW_ROWS))
    pump.lookups = NoLookups()
    return pump


def checks_of(rows: Array, note: int) -> Array:
    """The paths on which records have checksums with this note, and their 4-tuples; see `tcp.checksums`."""
    rows = rows[rows["notes"] & note != 0]
    found = np.empty(len(rows), dtype=PATH)
    found["path"] = host_key(rows["src_hi"], rows["src_lo"], rows["ttl"])
    found["path"] += host_key(rows["dst_hi"], rows["dst_lo"]) * np.uint64(3)
    found["tuple"] = rows["hash"]
    return found


def _filled(times: Times, count: int) -> Times:
    """Numbers behind the last frame have its time."""
    rest = count - len(times)
    return np.concatenate([times, np.full(rest, times[-1] if len(times) else NO_FRAME_NS, dtype=np.int64)])
