"""The first pass over a part: list its 4-tuples, datagram ends and fragments, to find what parts share."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from handshake_inspect.capture.file_range import FileRange
from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.part_readers import TimeRecordingReader
from handshake_inspect.cluster.parts import Part, read
from handshake_inspect.cluster.records import rows_of, words_of
from handshake_inspect.cluster.sieves import CollectingSieve
from handshake_inspect.engine.pump import Pump
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.arrays import Array, Keys, Times
from handshake_inspect.verdicts.sets import host_key, is_member
from handshake_inspect.wire.const import NOTE_BAD_CHECKSUM, NOTE_CHECKSUM_GOOD

PATH = np.dtype([("path", np.uint64), ("tuple", np.uint64)])
NO_FRAME_NS = -(2**63) + 1  # time for the numbers of a file without frames, which sorts before all others
_COMPACT_ROWS = 1 << 20  # rows to collect before duplicates are removed
_FEW_ROWS = 16


class Fragment(NamedTuple):
    """A frame with an IP fragment."""

    number: int
    ts_ns: int
    has_time: bool
    data: bytes
    wire_len: int
    link_type: int


@dataclass
class Scanned:
    """The result of the first pass over a part."""

    starts: list[int]  # numbers before each of its files
    count: int  # numbers used by frames, and by other records that count as frames
    last_ns: int | None  # time of the last frame that has one
    tuples: Keys  # unique hashes of 4-tuples
    wrong: Array  # paths with bad checksums, and the 4-tuples concerned
    served: Keys  # destinations of datagrams that may begin a QUIC connection
    seen: Keys  # unique ends of datagrams
    fragments: list[Fragment]
    times: Times | None  # of all numbers, if there are several sensors
    begun: FileRange  # this and the following as in `numbering.Outline`
    ended: int
    head: bytes
    is_whole: bool
    bad_timestamps: int


class Distinct:
    """Collects the unique rows of a large input."""

    def __init__(self) -> None:
        self._parts: list[Array] = [np.zeros(0, dtype=PATH)]
        self._count = 0

    def add(self, rows: Array) -> None:
        """Add rows."""
        self._parts.append(rows)
        self._count += len(rows)
        if self._count > _COMPACT_ROWS and self._count > 2 * len(self._parts[0]):
            self.rows()
            self._count = 0

    def rows(self) -> Array:
        """Return the unique rows, sorted."""
        self._parts = [np.unique(np.concatenate(self._parts))]
        return self._parts[0]


class ScanSieve(CollectingSieve):
    """The sieve of the first pass."""

    def __init__(self, pump: Pump) -> None:
        super().__init__(pump)
        self.rows = rows_of(words_of(pump.storage))
        self.wrong = Distinct()
        self.fragments: list[Fragment] = []

    def sift(self, held: int) -> int:
        """Collect the 4-tuples of these records, and the paths with bad checksums; keep none for tracking."""
        self.is_wrong = False
        CollectingSieve.sift(self, held)
        if self.is_wrong:
            self.wrong.add(checks_of(self.rows[:held], NOTE_BAD_CHECKSUM))
        return 0

    def takes_fragment(self, reader: FrameReader) -> bool:
        """Collect a fragment, since those of one datagram may be in several parts."""
        data = bytes(memoryview(reader.buffer)[reader.frame_start : reader.frame_end])
        self.fragments.append(
            Fragment(reader.frames, reader.ts_ns, bool(reader.has_time), data, reader.wire_len, reader.link_type)
        )
        return True


class NoLookups:
    """A stand-in for `Lookups`: DNS messages are read only in the second pass."""

    def take(self, *_: object) -> None:
        """Ignore the message."""


def scan(part: Part, ranked: bool) -> Scanned:
    """Scan a part; `ranked`: there are several sensors, so that frame times are needed."""
    pump = _pump()
    pump.sieve = sieve = ScanSieve(pump)
    timed = TimeRecordingReader() if ranked else None
    sensor = read(part, pump, through=timed)
    count = int(sensor.reader.frames)
    last = sensor.files[-1]
    pump.sieve = None  # breaks a reference cycle
    return Scanned(
        list(sensor.starts),
        count,
        int(pump.previous_ns) if pump.has_times else None,
        sieve.tuples.keys(),
        sieve.wrong.rows(),
        sieve.served.keys(),
        sieve.seen.keys(),
        sieve.fragments,
        None if timed is None else _filled(np.frombuffer(timed.times(), dtype=np.int64), count),
        last.file_range or FileRange(0),
        last.end,
        last.source.reader.preamble(),
        last.source.complete,
        last.source.reader.bad_timestamps,
    )


class ChecksumSieve(ScanSieve):
    """The sieve of an additional pass, which collects only good checksums on given paths."""

    def __init__(self, pump: Pump, paths: Keys) -> None:
        super().__init__(pump)
        self.paths = paths
        self.right = Distinct()

    def sift(self, held: int) -> int:
        """Collect the records with good checksums."""
        right = checks_of(self.rows[:held], NOTE_CHECKSUM_GOOD)
        self.right.add(right[is_member(right["path"], self.paths)])
        return 0


def rights_on(part: Part, paths: Keys) -> Array:
    """Return the good checksums on these paths, in the form of `Scanned.wrong`; rarely needed."""
    pump = _pump()
    pump.sieve = sieve = ChecksumSieve(pump, paths)
    read(part, pump)
    return sieve.right.rows()


def _pump() -> Pump:
    pump = Pump(Tracker(_FEW_ROWS))
    pump.lookups = NoLookups()
    return pump


def checks_of(rows: Array, note: int) -> Array:
    """Return paths and 4-tuples of the records with this checksum flag; see `tcp.checksums`."""
    rows = rows[rows["notes"] & note != 0]
    found = np.empty(len(rows), dtype=PATH)
    found["path"] = host_key(rows["src_hi"], rows["src_lo"], rows["ttl"])
    found["path"] += host_key(rows["dst_hi"], rows["dst_lo"]) * np.uint64(3)
    found["tuple"] = rows["hash"]
    return found


def _filled(times: Times, count: int) -> Times:
    """Extend times to all numbers: those after the last frame get its time."""
    rest = count - len(times)
    return np.concatenate([times, np.full(rest, times[-1] if len(times) else NO_FRAME_NS, dtype=np.int64)])
