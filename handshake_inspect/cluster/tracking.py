"""The second pass over a part: what it alone has is tracked, what others have too is moved."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.ranks import LooseReader, RankedReader
from handshake_inspect.cluster.parts import Part, read
from handshake_inspect.cluster.records import Gatherer, Records, follow, joined, rows_of, words_of
from handshake_inspect.cluster.scanning import Loose, checks_of, ends_of
from handshake_inspect.cluster.sharing import Shared
from handshake_inspect.cluster.tables import Pumped, pumped
from handshake_inspect.dns.lookups import Client, Lookups
from handshake_inspect.engine import Options
from handshake_inspect.engine.pump import Pump
from handshake_inspect.errors import CaptureError
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.arrays import Array, Keys
from handshake_inspect.verdicts.sets import host_key, is_member
from handshake_inspect.wire.const import NOTE_BAD_CHECKSUM, NOTE_CHECKSUM_GOOD

Message = tuple[int, int, tuple[Client, int, Client, int], bytes]  # time in ns, frame, ends, its bytes
Ranks = int | Keys  # numbers before a part, or the numbers of all its frames


@dataclass
class Tracked:
    """What came of a part."""

    pumped: Pumped
    segments: list[Records]  # those that moved, by whom they are followed
    datagrams: Records
    messages: list[Message]
    mixed: bool = False  # a datagram between a server that is shared and one that is not


class Messages:
    """Stands in for lookups: keeps what is asked and answered."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def take(self, ts_ns: int, frame: int, ends: tuple[Client, int, Client, int], data: bytes) -> None:
        """Keep a message."""
        self.messages.append((ts_ns, frame, ends, data))


class Moves:
    """The sieve of the second pass: what is shared is gathered, the rest goes through."""

    def __init__(self, pump: Pump, shared: Shared | None) -> None:
        """`shared`: None where everything is."""
        self.pump = pump
        self.words, self.beside = words_of(pump.storage), words_of(pump.beside)
        self.rows = rows_of(self.words)
        self.record: Any = pump.beside[0]
        self.shared = shared
        self.segments, self.datagrams = Gatherer(), Gatherer()
        self.mixed = False

    def sift(self, held: int) -> int:
        """Take out what is shared: how many records remain, at the front."""
        words = self.words[:held]
        if self.shared is None:
            moved = np.ones(held, dtype=bool)
        else:
            moved = is_member(self.rows[:held]["hash"], self.shared.tuples)
        if not moved.any():
            return held
        self.segments.take(words[moved], self.pump.payload_at, np.flatnonzero(moved).tolist())
        staying = words[~moved]
        words[: len(staying)] = staying
        return len(staying)

    def takes(self) -> bool:
        """Whether an end of the datagram is shared."""
        if self.shared is None or not self.shared.ends:
            return False
        ends = ends_of(self.record)
        if self.shared.ends.isdisjoint(ends):
            return False
        self.mixed |= not self.shared.others.isdisjoint(ends)
        return True

    def keep(self, octets: bytes) -> None:
        """Gather the datagram."""
        self.datagrams.take(self.beside.copy(), lambda _: octets, (0,))

    def takes_fragment(self, _: FrameReader) -> bool:
        """Fragments were put together before: of a part they are left out here."""
        return self.shared is not None


def track(
    part: Part, ranks: Ranks, count: int, last_ns: int | None, shared: Shared, options: Options, ways: int
) -> Tracked:
    """Track what a part alone has; `count` are its numbers, `last_ns` the time of the frame before it.

    Segments that move go one of so many ways, each host's all the same way.
    """
    pump = _pump(options)
    pump.lookups = kept = Messages()
    pump.sieve = moves = Moves(pump, shared)
    if last_ns is not None:
        pump.before_ns = last_ns
    after = FrameReader()
    through = None
    if isinstance(ranks, int):
        after.frames = ranks
    else:
        through = RankedReader(ranks)
    sensor = read(part, pump, after, through)
    if sensor.reader.frames - after.frames != count:
        raise CaptureError(f"{part.files[-1]}: has changed while it was read; run again when nobody writes it")
    return Tracked(
        pumped(pump), _by_way(moves.segments.records(), ways), moves.datagrams.records(), kept.messages, moves.mixed
    )


def _pump(options: Options) -> Pump:
    tracker = Tracker(options.max_connections)
    tracker.reads = options.setup
    return Pump(tracker)


def _by_way(records: Records, ways: int) -> list[Records]:
    """Both directions between two hosts go the same way: what one path shows of checksums, another judges by."""
    if ways == 1:
        return [records]
    rows = records.rows
    hosts = host_key(rows["src_hi"], rows["src_lo"]) + host_key(rows["dst_hi"], rows["dst_lo"])
    way = hosts % np.uint64(ways)
    return [records.chosen(way == each) for each in range(ways)]


def follow_segments(moved: Sequence[Records], options: Options) -> Pumped:
    """Track the segments that moved one way, of all parts."""
    pump = _pump(options)
    follow(pump, joined(moved))
    return pumped(pump)


def follow_datagrams(moved: Sequence[Records], options: Options) -> Pumped:
    """Follow the datagrams that moved, of all parts."""
    pump = _pump(options)
    follow(pump, joined(moved), datagrams=True)
    return pumped(pump)


@dataclass
class PutTogether:
    """What came of fragments."""

    pumped: Pumped
    segments: Records
    messages: list[Message]
    tuples: Keys  # that they have
    right: Array  # as of a part
    wrong: Array

    def by_way(self, ways: int) -> list[Records]:
        """The segments, as of a part."""
        return _by_way(self.segments, ways)


def put_together(loose: Sequence[Loose], options: Options) -> PutTogether:
    """Put fragments together, which have their numbers of the whole trace."""
    pump = _pump(options)
    pump.lookups = kept = Messages()
    pump.sieve = moves = Moves(pump, None)
    reader = LooseReader()
    for each in sorted(loose):
        reader.hand(each.octets, each.wire_len, each.link_type, each.ts_ns, each.has_time, each.number)
        pump.drain(reader)
    records = moves.segments.records()
    made = pumped(pump)
    made.times = None  # frames were counted in their parts
    made.counts["pump"].update(frames=0, backwards=0, first_backwards=0, timed=0)
    tuples = np.unique(records.rows["hash"])
    right, wrong = (checks_of(records.rows, note) for note in (NOTE_CHECKSUM_GOOD, NOTE_BAD_CHECKSUM))
    return PutTogether(made, records, kept.messages, tuples, right, wrong)


def numbered(loose: Sequence[Loose], ranks: Ranks) -> list[Loose]:
    """The same with their numbers of the whole trace."""
    if isinstance(ranks, int):
        return [each._replace(number=each.number + ranks) for each in loose]
    return [each._replace(number=int(ranks[each.number - 1])) for each in loose]


def one_way(segments: Sequence[Records], way: int) -> Records:
    """Those that go one way."""
    return segments[way]


def looked_up(messages: Sequence[Sequence[Message]]) -> Lookups:
    """The lookups that these messages are of, in the order of their frames."""
    lookups = Lookups()
    for message in sorted(chain.from_iterable(messages), key=lambda each: each[1]):
        lookups.take(*message)
    return lookups
