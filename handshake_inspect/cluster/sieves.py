"""Compiled sieves, which the pump calls for every record of a part (see `engine.pump.Sieve`).

In the first pass they collect keys, in the second they separate shared records from those tracked in the part.

Keys are 64-bit hashes of 4-tuples, or of the ends of datagrams.
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
    """A hash set of 64-bit keys with open addressing; an empty slot is 0."""

    def __init__(self, keys: Any = ()) -> None:
        """Create the set with initial `keys`, an array of 64-bit integers."""
        self.count = 0
        self.mask = _FIRST - 1
        while 2 * len(keys) > self.mask:
            self.mask = 2 * self.mask + 1
        self.slots: Any = array("Q", bytes(8 * (self.mask + 1)))
        given = array("Q", np.asarray(keys, dtype=np.uint64).tobytes())
        self.has_zero = 0 in given
        self.add_all(given)

    def add_all(self, keys: Any) -> int:
        """Add all of these except 0."""
        for at in range(len(keys)):
            if keys[at]:
                self.add(keys[at])
        return 0

    def add(self, key: int) -> int:
        """Add a key."""
        if key == 0:
            self.has_zero = True
            return 0
        at = self.slot_of(key)
        if self.slots[at] == 0:
            self.slots[at] = key
            self.count += 1
            if 2 * self.count > self.mask:
                self.grow()
        return 0

    def has(self, key: int) -> bool:
        """Return True if the key is in the set."""
        return self.slots[self.slot_of(key)] == key if key else self.has_zero

    def slot_of(self, key: int) -> int:
        """Return the slot that holds a key, or the free slot for it."""
        at = (key >> 32 ^ key) & self.mask
        while self.slots[at] != 0 and self.slots[at] != key:
            at = (at + 1) & self.mask
        return at

    def grow(self) -> int:
        """Double the number of slots."""
        before = self.slots
        self.count = 0
        self.mask = 2 * self.mask + 1
        self.slots = array("Q", bytes(8 * (self.mask + 1)))
        return self.add_all(before)

    def keys(self) -> Any:
        """Return all keys, sorted."""
        every = np.frombuffer(self.slots, dtype=np.uint64)
        return np.sort(np.append(every[every != 0], np.zeros(int(self.has_zero), dtype=np.uint64)))


class RecordBuffer:
    """Records taken from a pump's batches, with their captured payloads.

    The payload position of a record is an offset in `payloads` instead of an offset in the pump's block.
    """

    def __init__(self) -> None:
        self.records = bytearray()
        self.payloads = bytearray()

    def take(self, owners: Any, record: Any) -> int:
        """Append a record and its payload; an ICMP error has none, and an address in these fields."""
        if record.kind not in (KIND_ICMP_ERROR, KIND_UDP_ERROR):
            start = len(self.payloads)
            payload.append(self.payloads, owners, record)
            record.reporter_lo = len(self.payloads) - start
            record.reporter_hi = start
        seg.append(self.records, record)
        return 0


class CollectingSieve:
    """The sieve of the first pass: collects keys, and lets nothing through to the tracker."""

    def __init__(self, pump: Pump) -> None:
        self.pump = pump
        self.tuples = KeySet()
        self.seen = KeySet()  # all ends of datagrams
        self.served = KeySet()  # destinations of datagrams that may begin a QUIC connection
        self.is_wrong = False  # whether there was a bad checksum since the last reset

    def sift(self, held: int) -> int:
        """Collect the 4-tuples of these records; return 0, the number to track."""
        for at in range(held):
            record = seg.segment_at(self.pump.records, at)
            self.tuples.add(record.hash)
            if record.notes & NOTE_BAD_CHECKSUM:
                self.is_wrong = True
        return 0

    def takes(self) -> bool:
        """Collect the ends of a datagram; return True, since it is tracked in the second pass."""
        record = seg.segment_at(self.pump.apart, 0)
        self.seen.add(fourtuple.mix_end(record.src_hi, record.src_lo, record.src_port))
        target = fourtuple.mix_end(record.dst_hi, record.dst_lo, record.dst_port)
        self.seen.add(target)
        if record.kind == KIND_UDP and record.payload_len >= LEAST_INITIAL and self.begins_quic(record):
            self.served.add(target)
        return True

    def begins_quic(self, record: Any) -> bool:
        """Return True if a datagram begins with a long header of a known QUIC version."""
        owners = self.pump.owners
        if payload.captured(record) < 5 or not payload.byte(owners, record, 0) & LONG:
            return False
        version = 0
        for at in range(1, 5):
            version = version << 8 | payload.byte(owners, record, at)
        return datagram.is_known(version)


class SplittingSieve:
    """The sieve of the second pass: collects shared records to be moved, and lets the rest through."""

    def __init__(self, pump: Pump, tuples: KeySet | None, ends: KeySet, others: KeySet, shards: int) -> None:
        """`tuples`, None for all, and `ends` are shared; `others` are QUIC servers that are not.

        Segments are distributed over so many shards.  All segments between two hosts go to the same one, because bad
        checksums are judged by other segments on the path.
        """
        self.pump = pump
        self.tuples: Any = tuples
        self.is_every = tuples is None
        self.ends = ends
        self.others = others
        self.has_ends = self.ends.count > 0 or self.ends.has_zero
        self.shards: Sequence[RecordBuffer] = [RecordBuffer() for _ in range(shards)]
        self.datagrams = RecordBuffer()
        self.is_mixed = False  # whether there was a datagram between a shared end and one of `others`

    def sift(self, held: int) -> int:
        """Move shared records to a shard; return the number of the others, which are now at the front."""
        staying = 0
        for at in range(held):
            record = seg.segment_at(self.pump.records, at)
            if self.is_every or self.tuples.has(record.hash):
                self.collect(record)
            else:
                if staying != at:
                    seg.copy(self.pump.records, staying, record)
                staying += 1
        return staying

    def collect(self, record: Any) -> int:
        """Append a segment to its shard."""
        hosts = fourtuple.hash_four_tuple(record.src_hi, record.src_lo, 0, record.dst_hi, record.dst_lo, 0)
        shard: RecordBuffer = self.shards[hosts % len(self.shards)]
        return shard.take(self.pump.owners, record)

    def takes(self) -> bool:
        """Collect a datagram with a shared end; return True if it was collected."""
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
