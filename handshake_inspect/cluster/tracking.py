"""The second pass over a part: what it alone has is tracked, what others have too is moved."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.ranks import LooseReader, RankedReader
from handshake_inspect.cluster.parts import Ended, Part, ended, read
from handshake_inspect.cluster.records import Records, follow
from handshake_inspect.cluster.scanning import Loose, checks_of
from handshake_inspect.cluster.sharing import Shared
from handshake_inspect.cluster.sieves import KeySet, Parting
from handshake_inspect.cluster.tables import Pumped, pumped
from handshake_inspect.dns.lookups import Client, Lookups
from handshake_inspect.engine import Options
from handshake_inspect.engine.pump import Pump
from handshake_inspect.errors import CaptureError
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.arrays import Array, Keys
from handshake_inspect.wire.const import NOTE_BAD_CHECKSUM, NOTE_CHECKSUM_GOOD

# Time in ns, frame, ends, its bytes, and where they stand in a stream of TCP.
Message = tuple[int, int, tuple[Client, int, Client, int], bytes, int | None]
Ranks = int | Keys  # numbers before a part, or the numbers of all its frames


@dataclass
class Tracked:
    """What came of a part."""

    files: list[Ended]
    pumped: Pumped
    segments: list[Records]  # those that moved, by whom they are followed
    datagrams: Records
    messages: list[Message]
    mixed: bool = False  # a datagram between a server that is shared and one that is not


class Brief(NamedTuple):
    """What decides what becomes of a part, and what is reported of it: plain and small."""

    is_mixed: bool
    has_datagrams: bool
    has_messages: bool
    files: list[Ended]


def brief(tracked: Tracked) -> Brief:
    """The brief of a part."""
    return Brief(tracked.mixed, len(tracked.datagrams.rows) > 0, bool(tracked.messages), tracked.files)


class Messages:
    """Stands in for lookups: keeps what is asked and answered."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def take(
        self, ts_ns: int, frame: int, ends: tuple[Client, int, Client, int], data: bytes, seq: int | None = None
    ) -> None:
        """Keep a datagram, or a segment of TCP."""
        self.messages.append((ts_ns, frame, ends, data, seq))


class Moves(Parting):
    """The sieve of the second pass."""

    def __init__(self, pump: Pump, shared: Shared | None, ways: int) -> None:
        """`shared`: None where everything is."""
        if shared is None:
            super().__init__(pump, None, KeySet(), KeySet(), ways)
        else:
            super().__init__(pump, KeySet(shared.tuples), KeySet(shared.ends), KeySet(shared.others), ways)
        self.shared = shared

    def segments(self) -> list[Records]:
        """The segments that were gathered, by their way."""
        return [Records.of(each) for each in self.ways]

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
    pump.sieve = moves = Moves(pump, shared, ways)
    if last_ns is not None:
        pump.previous_ns = last_ns
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
        [ended(file) for file in sensor.files],
        pumped(pump),
        moves.segments(),
        Records.of(moves.datagrams),
        kept.messages,
        moves.is_mixed,
    )


def _pump(options: Options) -> Pump:
    tracker = Tracker(options.max_connections)
    tracker.reads = options.setup
    return Pump(tracker)


def follow_segments(moved: Sequence[Records], options: Options) -> Pumped:
    """Track the segments that moved one way, of all parts."""
    pump = _pump(options)
    follow(pump, moved)
    return pumped(pump)


def follow_datagrams(moved: Sequence[Records], options: Options) -> Pumped:
    """Follow the datagrams that moved, of all parts."""
    pump = _pump(options)
    follow(pump, moved, datagrams=True)
    return pumped(pump)


@dataclass
class PutTogether:
    """What came of fragments."""

    pumped: Pumped
    segments: list[Records]  # as of a part
    messages: list[Message]
    tuples: Keys  # that they have
    right: Array  # as of a part
    wrong: Array


def put_together(loose: Sequence[Loose], options: Options, ways: int) -> PutTogether:
    """Put fragments together, which have their numbers of the whole trace."""
    pump = _pump(options)
    pump.lookups = kept = Messages()
    pump.sieve = moves = Moves(pump, None, ways)
    reader = LooseReader()
    for each in sorted(loose):
        reader.hand(each.data, each.wire_len, each.link_type, each.ts_ns, each.has_time, each.number)
        pump.drain(reader)
    records = moves.segments()
    made = pumped(pump)
    made.times = None  # frames were counted in their parts
    made.counts["pump"].update(frames=0, backwards=0, first_backwards=0, timed=0)
    rows = np.concatenate([each.rows for each in records])
    tuples = np.unique(rows["hash"])
    right, wrong = (checks_of(rows, note) for note in (NOTE_CHECKSUM_GOOD, NOTE_BAD_CHECKSUM))
    return PutTogether(made, records, kept.messages, tuples, right, wrong)


def numbered(loose: Sequence[Loose], ranks: Ranks) -> list[Loose]:
    """The same with their numbers of the whole trace."""
    if isinstance(ranks, int):
        return [each._replace(number=each.number + ranks) for each in loose]
    return [each._replace(number=int(ranks[each.number - 1])) for each in loose]


def one_way(tracked: Tracked, way: int) -> Records:
    """The segments that go one way."""
    return tracked.segments[way]


def looked_up(messages: Sequence[Sequence[Message]]) -> Lookups:
    """The lookups that these messages are of, in the order of their frames."""
    lookups = Lookups()
    for message in sorted(chain.from_iterable(messages), key=lambda each: each[1]):
        lookups.take(*message)
    return lookups
