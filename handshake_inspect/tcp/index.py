"""An open-addressing hash index of 64-bit slots: 32 bits of a 4-tuple's hash, and a 32-bit row reference.

It does not access rows: callers compare the 4-tuple of the row that a slot refers to.  TCP and QUIC have separate
indexes, so that keys need not include the protocol.
"""

from typing import Any

from handshake_inspect.tcp import row_memory, rows
from handshake_inspect.tcp.limits import LARGE_INDEX
from handshake_inspect.wire.const import MASK32

FIRST_INDEX = 1 << 15


class Index:
    """The slots of the index."""

    def __init__(self) -> None:
        self.forget_all()

    def forget_all(self) -> None:
        """Empty the index and free its memory; rows are kept, but every 4-tuple counts as new."""
        self.index_rows = row_memory.reserve_words(FIRST_INDEX)
        self.slots = rows.words_of(self.index_rows)
        self.mask = FIRST_INDEX - 1
        self.filled = 0
        self.most = FIRST_INDEX // 2  # the index grows when more slots are filled
        self.found_at = 0  # slot of the last find

    def expect(self, segment: Any) -> None:
        """Prefetch the index slot of the segment's 4-tuple."""
        rows.prefetch_word(self.slots, ((segment.hash >> 32) & MASK32) & self.mask)

    def name(self, segment: Any, reference: int) -> int:
        """Map the 4-tuple of the last `find` to this row; raise MemoryError if the index cannot grow."""
        return self.put((segment.hash >> 32) & MASK32, reference)

    def put(self, tag: int, reference: int) -> int:
        """Map a tag (32 bits of a hash) to this row, in the slot of the last `find`."""
        if self.slots[self.found_at] == 0:
            self.filled += 1
        self.slots[self.found_at] = tag << 32 | reference
        if self.filled > self.most:
            self.grow()
        return 0

    def grow(self) -> int:
        """Double the index; slots contain all the hash bits needed."""
        old, size = self.slots, self.mask + 1
        storage = row_memory.reserve_words(2 * size)
        slots = rows.words_of(storage)
        mask = 2 * size - 1
        for i in range(size):
            slot = old[i]
            if slot:
                at = (slot >> 32) & mask
                while slots[at]:
                    at = (at + 1) & mask
                slots[at] = slot
        self.index_rows = storage
        self.slots = slots
        self.mask = mask
        # At half load, lookups end at the first or second slot; beyond this size, memory matters more.
        self.most = size if size < LARGE_INDEX else size + size // 2
        return 0

    def forget(self, tag: int, reference: int) -> None:
        """Remove a row from the index, if present, and close the hole in its probe sequence."""
        at = tag & self.mask
        while True:
            slot = self.slots[at]
            if slot == 0:
                return
            if slot & MASK32 == reference and slot >> 32 == tag:
                break
            at = (at + 1) & self.mask
        hole = at
        while True:
            at = (at + 1) & self.mask
            slot = self.slots[at]
            if slot == 0:
                break
            home = (slot >> 32) & self.mask
            if ((at - home) & self.mask) >= ((at - hole) & self.mask):
                self.slots[hole] = slot
                hole = at
        self.slots[hole] = 0
        self.filled -= 1
