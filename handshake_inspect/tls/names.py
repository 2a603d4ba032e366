"""Interned byte strings, such as the offers of hellos, which rows refer to by a 32-bit number.

An open-addressing index over one arena, so that a hello needs no Python object.  Both are bounded, because the input is
untrusted: if they are full, or too many strings were made to collide, a new string gets number 0 and is counted.
"""

from typing import Any

from handshake_inspect.tls import byte_store
from handshake_inspect.tls.facts import Facts, unpack
from handshake_inspect.wire.const import MASK32

MAX_STRINGS = 1 << 18
SLOTS = 1 << 19
ARENA = 1 << 24
MAX_PROBES = 128
PRIME = 16777619  # FNV-1a
BASIS = 2166136261


class Names:
    """The interned strings of one run."""

    def __init__(self) -> None:
        self.arena_room = byte_store.room(ARENA)
        self.start_room = byte_store.words(MAX_STRINGS + 1)
        self.slot_room = byte_store.words(SLOTS)
        self.arena = byte_store.bytes_of(self.arena_room)
        self.starts = byte_store.words_of(self.start_room)  # offset of each string; the next entry is its end
        self.slots = byte_store.words_of(self.slot_room)
        self.count = 0
        self.refused = 0  # strings that did not fit

    def intern(self, data: Any, at: int, length: int) -> int:
        """Return the number of `data[at:at + length]`, from 1 on; 0 if there is no room."""
        mixed = BASIS
        for i in range(length):
            mixed = ((mixed ^ data[at + i]) * PRIME) & MASK32
        slot = (mixed ^ mixed >> 15) & (SLOTS - 1)
        for _ in range(MAX_PROBES):
            number: int = self.slots[slot]
            if number == 0:
                return self.add(data, at, length, slot)
            if self.is_same(number, data, at, length):
                return number
            slot = (slot + 1) & (SLOTS - 1)
        self.refused += 1
        return 0

    def is_same(self, number: int, data: Any, at: int, length: int) -> bool:
        """Return True if a string equals the one with this number."""
        start = self.starts[number - 1]
        if self.starts[number] - start != length:
            return False
        return byte_store.equal(self.arena, start, data, at, length)

    def add(self, data: Any, at: int, length: int, slot: int) -> int:
        """Add a new string and return its number."""
        start = self.starts[self.count]
        if self.count == MAX_STRINGS or length > ARENA - start:
            self.refused += 1
            return 0
        byte_store.copy(self.arena, start, data, at, length)
        self.count += 1
        self.starts[self.count] = start + length
        self.slots[slot] = self.count
        return self.count

    def text(self, number: int) -> bytes:
        """Return the string of a number; empty for an invalid number."""
        if not 0 < number <= self.count:
            return b""
        start, end = byte_store.bounds(self.start_room, number)
        return bytes(self.arena_room[start:end])

    def facts(self, number: int) -> Facts:
        """Return the offers of the ClientHello whose facts have this number."""
        return unpack(self.text(number))
