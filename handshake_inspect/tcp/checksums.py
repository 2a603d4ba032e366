"""Decide what a wrong checksum means: a segment damaged in transit, or checksum offload.

A segment with a wrong checksum was damaged if its sender's checksums are filled in at the capture point: another
segment of the connection, or of the same host to the same peer with the same TTL, had a correct one.  If a host's
checksums are never correct, it is captured before the network card fills them in, or after a device that alters only
the captured copy; its segments do arrive, as the replies show.  Between virtual machines on one host they are never
filled in, although packets of the same guest to other hosts have correct ones.  So other paths give no evidence.
"""

from typing import Any

from handshake_inspect.tcp import row_memory, rows
from handshake_inspect.tcp.facts import CHECK_GOOD
from handshake_inspect.tcp.limits import MAX_PATHS, NO_TTL
from handshake_inspect.wire import fourtuple
from handshake_inspect.wire.const import NOTE_BAD_IP_CHECKSUM, NOTE_DAMAGED

FIRST_PATHS = 1 << 12  # initial slots for host-to-host paths, a power of two; doubled when half full
MAX_PROBES = 256  # slots probed per lookup; the hash is unkeyed, but without an attacker none gets this far


class Checksums:
    """Counts correct and wrong checksums of one trace, and remembers the paths with correct ones."""

    def __init__(self) -> None:
        self.good = 0
        self.bad = 0
        self.first_bad = 0
        self.bad_ip = 0
        self.first_bad_ip = 0
        self.path_rows = row_memory.reserve_words(FIRST_PATHS)
        self.paths = rows.words_of(self.path_rows)
        self.mask = FIRST_PATHS - 1
        self.known = 0

    def note_good(self, sender: Any, segment: Any) -> int:
        """Record a correct checksum for its sender and for the path; raise MemoryError if the table cannot grow."""
        self.good += 1
        if not sender.checks & CHECK_GOOD:
            sender.checks |= CHECK_GOOD
            self.remember(self.key_of(segment))
        return 0

    def remember(self, key: int) -> int:
        """Remember that a path had a correct checksum."""
        at = self.place_of(key)
        if self.paths[at] == 0 and self.known < MAX_PATHS:
            self.paths[at] = key
            self.known += 1
            if 2 * self.known > self.mask:
                self.grow()
        return 0

    def knows(self, key: int) -> bool:
        """Return True if a path had a correct checksum."""
        return self.paths[self.place_of(key)] == key

    def place_of(self, key: int) -> int:
        """Return the slot of a path, or a free one; after MAX_PROBES, that of another path."""
        at = (key >> 1) & self.mask  # the lowest bit of every key is 1
        last = (at + MAX_PROBES) & self.mask
        while self.paths[at] and self.paths[at] != key and at != last:
            at = (at + 1) & self.mask
        return at

    def grow(self) -> int:
        """Double the number of slots."""
        old_rows, old, count = self.path_rows, self.paths, self.mask + 1
        self.path_rows = row_memory.reserve_words(2 * count)
        self.paths = rows.words_of(self.path_rows)
        self.mask = 2 * count - 1
        for i in range(count):
            if old[i]:
                self.paths[self.place_of(old[i])] = old[i]
        del old_rows  # not earlier: `old` refers to its memory
        return 0

    def is_corrupt(self, sender: Any, segment: Any) -> bool:
        """Count a wrong checksum; return True if the segment was damaged, so that its receiver drops it."""
        if segment.notes & NOTE_BAD_IP_CHECKSUM:
            self.bad_ip += 1
            if self.first_bad_ip == 0:
                self.first_bad_ip = segment.frame
        else:
            self.bad += 1
            if self.first_bad == 0:
                self.first_bad = segment.frame
        if not sender.checks & CHECK_GOOD and not self.knows(self.key_of(segment)):
            return False  # checksum offload
        segment.notes |= NOTE_DAMAGED
        return True

    def key_of(self, segment: Any) -> int:
        """Return a 64-bit key of the path: sending host, peer and TTL."""
        return (
            fourtuple.hash_four_tuple(
                segment.src_hi, segment.src_lo, segment.ttl, segment.dst_hi, segment.dst_lo, NO_TTL
            )
            | 1
        )
