"""What the pump asks about every record of a part: what it has, in the first pass, and where it goes, in the second.

Keys are 64-bit hashes: of 4-tuples, and of ends of datagrams.
"""

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from handshake_inspect.decode import payload
from handshake_inspect.decode import segment as seg
from handshake_inspect.engine.pump import Pump
from handshake_inspect.quic import datagram
from handshake_inspect.quic.const import LEAST_INITIAL, LONG
from handshake_inspect.wire import fourtuple
from handshake_inspect.wire.const import KIND_ICMP_ERROR, KIND_UDP, KIND_UDP_ERROR, NOTE_BAD_CHECKSUM

_FIRST = 1 << 10


class KeySet:
    """Different keys of very many, in slots of their own; a slot without one is 0."""

    def __init__(self, keys: Any = ()) -> None:
        """`keys`: those that are in it, an array of 64 bits each."""
        self.count = 0
        self.mask = _FIRST - 1
        while 2 * len(keys) > self.mask:
            self.mask = 2 * self.mask + 1
        self.slots: Any = array("Q", bytes(8 * (self.mask + 1)))
        given = array("Q", np.asarray(keys, dtype=np.uint64).tobytes())
        self.has_zero = 0 in given
        self.fill(given)

    def fill(self, keys: Any) -> int:
        """Take in all of these but 0."""
        for at in range(len(keys)):
            if keys[at]:
                self.add(keys[at])
        return 0

    def add(self, key: int) -> int:
        """Take in a key."""
        if key == 0:
            self.has_zero = True
            return 0
        at = self.place(key)
        if self.slots[at] == 0:
            self.slots[at] = key
            self.count += 1
            if 2 * self.count > self.mask:
                self.grow()
        return 0

    def has(self, key: int) -> bool:
        """Whether it is in it."""
        return self.slots[self.place(key)] == key if key else self.has_zero

    def place(self, key: int) -> int:
        """The slot that has a key, or would."""
        at = (key >> 32 ^ key) & self.mask
        while self.slots[at] != 0 and self.slots[at] != key:
            at = (at + 1) & self.mask
        return at

    def grow(self) -> int:
        """Double the slots."""
        before = self.slots
        self.count = 0
        self.mask = 2 * self.mask + 1
        self.slots = array("Q", bytes(8 * (self.mask + 1)))
        return self.fill(before)

    def keys(self) -> Any:
        """All of them, sorted."""
        every = np.frombuffer(self.slots, dtype=np.uint64)
        return np.sort(np.append(every[every != 0], np.zeros(int(self.has_zero), dtype=np.uint64)))


class Gathered:
    """Records that were taken out of a pump's batches, and what was captured of their payloads.

    A record has the place of its payload in `payloads` where a pump has the place in its own block.
    """

    def __init__(self) -> None:
        self.records = bytearray()
        self.payloads = bytearray()

    def take(self, owners: Any, record: Any) -> int:
        """Keep a record; of an error, where others have their payload there is an address."""
        if record.kind not in (KIND_ICMP_ERROR, KIND_UDP_ERROR):
            start = len(self.payloads)
            payload.append(self.payloads, owners, record)
            record.reporter_lo = len(self.payloads) - start
            record.reporter_hi = start
        seg.append(self.records, record)
        return 0


class Noting:
    """The sieve of the first pass: lets nothing through, and notes what came."""

    def __init__(self, pump: Pump) -> None:
        self.pump = pump
        self.tuples = KeySet()
        self.seen = KeySet()  # ends of datagrams
        self.served = KeySet()  # those that one which may begin QUIC was sent to
        self.is_wrong = False  # some checksum, of those that came since this was set

    def sift(self, held: int) -> int:
        """Note the 4-tuples of these records: none remains."""
        for at in range(held):
            record = seg.segment_at(self.pump.records, at)
            self.tuples.add(record.hash)
            if record.notes & NOTE_BAD_CHECKSUM:
                self.is_wrong = True
        return 0

    def takes(self) -> bool:
        """Note the ends of a datagram, and whether it may begin QUIC: it is followed in the second pass."""
        record = seg.segment_at(self.pump.apart, 0)
        self.seen.add(fourtuple.mix_end(record.src_hi, record.src_lo, record.src_port))
        target = fourtuple.mix_end(record.dst_hi, record.dst_lo, record.dst_port)
        self.seen.add(target)
        if record.kind == KIND_UDP and record.payload_len >= LEAST_INITIAL and self.begins(record):
            self.served.add(target)
        return True

    def begins(self, record: Any) -> bool:
        """Whether a datagram begins as a long header of a version that there is."""
        owners = self.pump.owners
        if payload.captured(record) < 5 or not payload.byte(owners, record, 0) & LONG:
            return False
        version = 0
        for at in range(1, 5):
            version = version << 8 | payload.byte(owners, record, at)
        return datagram.is_known(version)


class Parting:
    """The sieve of the second pass: what is shared is gathered, the rest goes through."""

    def __init__(self, pump: Pump, tuples: KeySet | None, ends: KeySet, others: KeySet, ways: int) -> None:
        """What is shared: 4-tuples, all where there is None; and datagrams of these ends, but for the `others`.

        Segments go one of so many ways: both directions between two hosts the same, because what one path shows of
        checksums, another judges by.
        """
        self.pump = pump
        self.tuples: Any = tuples
        self.is_every = tuples is None
        self.ends = ends
        self.others = others
        self.has_ends = self.ends.count > 0 or self.ends.has_zero
        self.ways: Sequence[Gathered] = [Gathered() for _ in range(ways)]
        self.datagrams = Gathered()
        self.is_mixed = False  # a datagram of an end that is shared and of another one

    def sift(self, held: int) -> int:
        """Take out what is shared: how many records remain, at the front."""
        staying = 0
        for at in range(held):
            record = seg.segment_at(self.pump.records, at)
            if self.is_every or self.tuples.has(record.hash):
                self.gather(record)
            else:
                if staying != at:
                    seg.copy(self.pump.records, staying, record)
                staying += 1
        return staying

    def gather(self, record: Any) -> int:
        """Keep a segment for its way."""
        hosts = fourtuple.hash_four_tuple(record.src_hi, record.src_lo, 0, record.dst_hi, record.dst_lo, 0)
        way: Gathered = self.ways[hosts % len(self.ways)]
        return way.take(self.pump.owners, record)

    def takes(self) -> bool:
        """Gather a datagram of which an end is shared."""
        if not self.has_ends:
            return False
        record = seg.segment_at(self.pump.apart, 0)
        source = fourtuple.mix_end(record.src_hi, record.src_lo, record.src_port)
        target = fourtuple.mix_end(record.dst_hi, record.dst_lo, record.dst_port)
        if not (self.ends.has(source) or self.ends.has(target)):
            return False
        if self.others.has(source) or self.others.has(target):
            self.is_mixed = True
        self.datagrams.take(self.pump.owners, record)
        return True
