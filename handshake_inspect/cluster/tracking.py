"""The second pass over a part: track what only this part has, and hand over what other parts have as well."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np

from handshake_inspect.capture.frames import FrameReader
from handshake_inspect.capture.part_readers import RenumberingReader, SingleFrameReader
from handshake_inspect.cluster.parts import FileSummary, Part, read, summary_of
from handshake_inspect.cluster.records import Records, track_records
from handshake_inspect.cluster.scanning import Fragment, checks_of
from handshake_inspect.cluster.sharing import Shared
from handshake_inspect.cluster.sieves import KeySet, SplittingSieve
from handshake_inspect.cluster.tables import Pumped, pumped, sizes_of
from handshake_inspect.dns.lookups import Client, Lookups
from handshake_inspect.engine import Options
from handshake_inspect.engine.pump import Pump
from handshake_inspect.errors import CaptureError
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.arrays import Array, Keys
from handshake_inspect.wire.const import NOTE_BAD_CHECKSUM, NOTE_CHECKSUM_GOOD

# Time in ns, frame, ends, bytes, and for TCP the sequence number.
Message = tuple[int, int, tuple[Client, int, Client, int], bytes, int | None]
Ranks = int | Keys  # numbers before a part, or the numbers of all its frames


@dataclass
class Tracked:
    """The result of the second pass over a part."""

    files: list[FileSummary]
    pumped: Pumped
    segments: list[Records]  # segments to move, by shard
    datagrams: Records
    messages: list[Message]
    mixed: bool = False  # whether there was a datagram between a shared server and one that is not


class Brief(NamedTuple):
    """The properties of a tracked part that decide the further stages: plain and small."""

    is_mixed: bool
    has_datagrams: bool
    has_messages: bool
    files: list[FileSummary]
    sizes: dict[str, int]  # rows, by name of their array


def brief(tracked: Tracked) -> Brief:
    """Return the brief of a part."""
    return Brief(
        tracked.mixed,
        len(tracked.datagrams.rows) > 0,
        bool(tracked.messages),
        tracked.files,
        sizes_of(tracked.pumped),
    )


class Messages:
    """A stand-in for `Lookups` that stores the DNS messages."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def take(
        self, ts_ns: int, frame: int, ends: tuple[Client, int, Client, int], data: bytes, seq: int | None = None
    ) -> None:
        """Store a datagram, or a TCP segment."""
        self.messages.append((ts_ns, frame, ends, data, seq))


class TrackSieve(SplittingSieve):
    """The sieve of the second pass."""

    def __init__(self, pump: Pump, shared: Shared | None, shards: int) -> None:
        """`shared` is None if everything is to be moved."""
        if shared is None:
            super().__init__(pump, None, KeySet(), KeySet(), shards)
        else:
            super().__init__(pump, KeySet(shared.tuples), KeySet(shared.ends), KeySet(shared.others), shards)
        self.shared = shared

    def segments(self) -> list[Records]:
        """Return the collected segments, by shard."""
        return [Records.of(each) for each in self.shards]

    def takes_fragment(self, _: FrameReader) -> bool:
        """Skip fragments, which were reassembled before; not if everything is to be moved."""
        return self.shared is not None


def track(
    part: Part, ranks: Ranks, count: int, last_ns: int | None, shared: Shared, options: Options, shards: int
) -> Tracked:
    """Track what only this part has.

    `count` is the expected total of its frame numbers, `last_ns` the time of the frame before it.  Segments to move are
    distributed over so many shards, those between two hosts to the same one.
    """
    pump = _pump(options)
    pump.lookups = kept = Messages()
    pump.sieve = moves = TrackSieve(pump, shared, shards)
    if last_ns is not None:
        pump.previous_ns = last_ns
    after = FrameReader()
    through = None
    if isinstance(ranks, int):
        after.frames = ranks
    else:
        through = RenumberingReader(ranks)
    sensor = read(part, pump, after, through)
    if sensor.reader.frames - after.frames != count:
        raise CaptureError(f"{part.files[-1]}: has changed while it was read; run again when nobody writes it")
    pump.sieve = None  # breaks a reference cycle, which would keep the tables until the end
    return Tracked(
        [summary_of(file) for file in sensor.files],
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


def track_shard(moved: Sequence[Records], options: Options) -> Pumped:
    """Track the segments of one shard, from all parts."""
    pump = _pump(options)
    track_records(pump, moved)
    return pumped(pump)


def track_datagrams(moved: Sequence[Records], options: Options) -> Pumped:
    """Track the moved datagrams, from all parts."""
    pump = _pump(options)
    track_records(pump, moved, datagrams=True)
    return pumped(pump)


@dataclass
class Reassembled:
    """The result of reassembling IP fragments."""

    pumped: Pumped
    segments: list[Records]  # by shard
    messages: list[Message]
    tuples: Keys  # 4-tuples of the segments
    right: Array  # good and bad checksums, in the form of `Scanned.wrong`
    wrong: Array


def reassemble(fragments: Sequence[Fragment], options: Options, shards: int) -> Reassembled:
    """Reassemble fragments with the frame numbers of the whole trace."""
    pump = _pump(options)
    pump.lookups = kept = Messages()
    pump.sieve = moves = TrackSieve(pump, None, shards)
    reader = SingleFrameReader()
    for each in sorted(fragments):
        reader.set_frame(each.data, each.wire_len, each.link_type, each.ts_ns, each.has_time, each.number)
        pump.drain(reader)
    records = moves.segments()
    pump.sieve = None
    made = pumped(pump)
    made.times = None  # these frames are counted in their parts
    made.counts["pump"].update(frames=0, backwards=0, first_backwards=0, has_times=0)
    rows = np.concatenate([each.rows for each in records])
    tuples = np.unique(rows["hash"])
    right, wrong = (checks_of(rows, note) for note in (NOTE_CHECKSUM_GOOD, NOTE_BAD_CHECKSUM))
    return Reassembled(made, records, kept.messages, tuples, right, wrong)


def numbered(fragments: Sequence[Fragment], ranks: Ranks) -> list[Fragment]:
    """Return the fragments with the frame numbers of the whole trace."""
    if isinstance(ranks, int):
        return [each._replace(number=each.number + ranks) for each in fragments]
    return [each._replace(number=int(ranks[each.number - 1])) for each in fragments]


def shard_of(tracked: Tracked, shard: int) -> Records:
    """Return the segments of one shard."""
    return tracked.segments[shard]


def looked_up(messages: Sequence[Sequence[Message]]) -> Lookups:
    """Return the lookups that these messages form, processed in frame order."""
    lookups = Lookups()
    for message in sorted(chain.from_iterable(messages), key=lambda each: each[1]):
        lookups.take(*message)
    return lookups
