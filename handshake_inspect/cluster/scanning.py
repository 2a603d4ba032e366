"""The first pass over a part: what it has, so that it is known what it shares with others; nothing is tracked."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.ranks import TimedReader
from handshake_inspect.cluster.parts import Ended, Part, ended, read
from handshake_inspect.cluster.records import rows_of, words_of
from handshake_inspect.engine.pump import Pump
from handshake_inspect.quic.const import LEAST_INITIAL, LONG
from handshake_inspect.quic.datagram import is_known
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.arrays import Array, Keys, Times
from handshake_inspect.verdicts.sets import distinct, host_key, is_member
from handshake_inspect.wire.const import KIND_UDP, MASK64, NOTE_BAD_CHECKSUM, NOTE_CHECKSUM_GOOD

PATH = np.dtype([("path", np.uint64), ("tuple", np.uint64)])
NO_FRAME_NS = -(2**63) + 1  # time of numbers of a file without frames: it is read before anything else
_GATHERED = 1 << 20  # keys that are gathered before repeated ones are left out
_FEW_ROWS = 16


class Loose(NamedTuple):
    """A frame that is put together with others."""

    number: int
    ts_ns: int
    has_time: bool
    octets: bytes
    wire_len: int
    link_type: int


@dataclass
class Scanned:
    """What a part has."""

    files: list[Ended]
    starts: list[int]  # numbers before each of its files
    count: int  # numbers: of frames, and of records that only use one up
    last_ns: int | None  # time of its last frame that has one
    tuples: Keys  # hashes of 4-tuples, each once
    wrong: Array  # paths on which checksums were wrong, with the 4-tuples that show it
    served: frozenset[int]  # ends that a datagram that may begin QUIC was sent to
    seen: Keys  # ends of datagrams, each once
    loose: list[Loose]
    times: Times | None  # of all numbers, where there are other sensors


class Distinct:
    """Different keys of very many."""

    def __init__(self, kind: Any = np.uint64) -> None:
        self._parts: list[Array] = [np.zeros(0, dtype=kind)]
        self._count = 0

    def add(self, keys: Array) -> None:
        """Take keys; they are copied."""
        self._parts.append(keys.copy())
        self._count += len(keys)
        if self._count > _GATHERED and self._count > 2 * len(self._parts[0]):
            self.keys()
            self._count = 0

    def keys(self) -> Array:
        """All that came, each once, sorted."""
        every = np.concatenate(self._parts)
        self._parts = [distinct(every) if every.dtype == np.uint64 else np.unique(every)]
        return self._parts[0]


class Scan:
    """The sieve of the first pass: lets nothing through, and notes what came."""

    def __init__(self, pump: Pump) -> None:
        self.rows = rows_of(words_of(pump.storage))
        self.beside: Any = pump.beside
        self.tuples = Distinct()
        self.wrong = Distinct(PATH)
        self.served: set[int] = set()
        self.seen: set[int] = set()
        self.loose: list[Loose] = []

    def sift(self, held: int) -> int:
        """Note the 4-tuples of these records."""
        rows = self.rows[:held]
        self.tuples.add(rows["hash"])
        if (rows["notes"] & NOTE_BAD_CHECKSUM).any():
            self.wrong.add(checks_of(rows, NOTE_BAD_CHECKSUM))
        return 0

    def takes(self) -> bool:
        """Every datagram is looked at."""
        source, target = ends_of(self.beside[0])
        self.seen.add(source)
        self.seen.add(target)
        return True

    def keep(self, octets: bytes) -> None:
        """Note the server that a datagram may begin QUIC with."""
        record = self.beside[0]
        if record.kind != KIND_UDP or record.payload_len < LEAST_INITIAL or len(octets) < 5 or not octets[0] & LONG:
            return
        if is_known(int.from_bytes(octets[1:5], "big")):
            self.served.add(ends_of(record)[1])

    def takes_fragment(self, reader: FrameReader) -> bool:
        """Fragments of one datagram may lie in several parts."""
        octets = bytes(memoryview(reader.octets)[reader.frame_start : reader.frame_end])
        self.loose.append(
            Loose(reader.frames, reader.ts_ns, bool(reader.has_time), octets, reader.wire_len, reader.link_type)
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
    return Scanned(
        [ended(file) for file in sensor.files],
        list(sensor.starts),
        count,
        int(pump.before_ns) if pump.timed else None,
        sieve.tuples.keys(),
        sieve.wrong.keys(),
        frozenset(sieve.served),
        np.array(sorted(sieve.seen), dtype=np.uint64),
        sieve.loose,
        None if timed is None else _filled(np.frombuffer(timed.times(), dtype=np.int64), count),
    )


class Rights(Scan):
    """The sieve of a pass over a part for right checksums on some paths alone."""

    def __init__(self, pump: Pump, paths: Keys) -> None:
        super().__init__(pump)
        self.paths = paths
        self.right = Distinct(PATH)

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
    return sieve.right.keys()


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


def ends_of(record: Any) -> tuple[int, int]:
    """64-bit names of both ends of a datagram."""
    return (
        _end(record.src_hi, record.src_lo, record.src_port),
        _end(record.dst_hi, record.dst_lo, record.dst_port),
    )


def _end(hi: int, lo: int, port: int) -> int:
    mixed = (hi * 0x9E3779B97F4A7C15 ^ lo ^ port << 48) & MASK64
    mixed = (mixed ^ mixed >> 31) * 0xD6E8FEB86659FD93 & MASK64
    return mixed ^ mixed >> 32


def _filled(times: Times, count: int) -> Times:
    """Numbers behind the last frame have its time."""
    rest = count - len(times)
    return np.concatenate([times, np.full(rest, times[-1] if len(times) else NO_FRAME_NS, dtype=np.int64)])
