"""An open-addressing index of 64-bit words: 32 bits of a 4-tuple's hash, and 32 bits saying which row has it.

It knows no rows: who looks for a 4-tuple compares what a slot names.  TCP and QUIC have one each, so that no key says
which protocol it is of, and no connection of TCP is asked about a datagram.
"""

from typing import Any

from handshake_inspect.tcp import room, rows
from handshake_inspect.tcp.limits import LARGE_INDEX
from handshake_inspect.wire.const import MASK32

FIRST_INDEX = 1 << 15


class Index:
    """Slots, and the way from a 4-tuple's hash to the first that may be its own."""

    def __init__(self) -> None:
        self.forget_all()

    def forget_all(self) -> None:
        """Name no row any more, and free what that took; rows stay.  After this a 4-tuple is a new one."""
        self.index_rows = room.reserve_words(FIRST_INDEX)
        self.slots = rows.words_of(self.index_rows)
        self.mask = FIRST_INDEX - 1
        self.filled = 0
        self.most = FIRST_INDEX // 2  # more slots filled than this, and the index grows
        self.found_at = 0  # slot of the last find

    def expect(self, segment: Any) -> None:
        """Have the index slot of the segment's 4-tuple brought near: it will be asked for soon."""
        rows.prefetch_word(self.slots, ((segment.hash >> 32) & MASK32) & self.mask)

    def name(self, segment: Any, reference: int) -> int:
        """Let the 4-tuple of the last `find` mean this row from now on.  MemoryError when the index cannot grow."""
        return self.put((segment.hash >> 32) & MASK32, reference)

    def put(self, tag: int, reference: int) -> int:
        """Let a tag (32 bits of a hash) mean this row, at the slot of the last find."""
        if self.slots[self.found_at] == 0:
            self.filled += 1
        self.slots[self.found_at] = tag << 32 | reference
        if self.filled > self.most:
            self.grow()
        return 0

    def grow(self) -> int:
        """Double the index; a slot holds all the hash bits that this needs."""
        old, size = self.slots, self.mask + 1
        storage = room.reserve_words(2 * size)
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
        # Half full, a search ends at its first slot or the next; a flood of millions is worth the memory more.
        self.most = size if size < LARGE_INDEX else size + size // 2
        return 0

    def forget(self, tag: int, reference: int) -> None:
        """Take a row out of the index, if it is there: later entries of its run move up."""
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
