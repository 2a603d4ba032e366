"""What a wrong checksum means: a damaged segment, or one whose checksum was left to the network card.

A segment with a wrong checksum was damaged if its sender is known to fill checksums in where it was captured: another
segment of that connection, or of that host to the same peer over the same way (the same TTL), had a right one.  A host
whose checksums are never right is captured before they are filled in, or behind a box that spoils them for the capture
only: what it sends arrives, as the answers show.  Between guests of one machine they are never filled in, though what
the same guest sends to others has right ones.  What is known of other paths says nothing of this one.
"""

from typing import Any

from handshake_inspect.tcp import room, rows
from handshake_inspect.tcp.facts import CHECK_GOOD
from handshake_inspect.tcp.limits import MOST_PATHS, NO_TTL
from handshake_inspect.wire import fourtuple
from handshake_inspect.wire.const import NOTE_BAD_IP_CHECKSUM, NOTE_DAMAGED

FIRST_PATHS = 1 << 12  # places for paths from host to host, a power of two; twice as many when half are taken
LONGEST_RUN = 256  # places that are looked at; the hash has no secret, but by accident no run gets so long


class Checksums:
    """The right and wrong checksums of one trace, where the first wrong ones are, and whose were right."""

    def __init__(self) -> None:
        self.good = 0
        self.bad = 0
        self.first_bad = 0
        self.bad_ip = 0
        self.first_bad_ip = 0
        self.path_rows = room.reserve_words(FIRST_PATHS)
        self.paths = rows.words_of(self.path_rows)
        self.mask = FIRST_PATHS - 1
        self.known = 0

    def note_good(self, sender: Any, segment: Any) -> int:
        """A right checksum: its sender, and its host to this peer, fill them in.  MemoryError if there is no room."""
        self.good += 1
        if not sender.checks & CHECK_GOOD:
            sender.checks |= CHECK_GOOD
            self.remember(self.key_of(segment))
        return 0

    def remember(self, key: int) -> int:
        """Note that a right checksum came on a path."""
        at = self.place_of(key)
        if self.paths[at] == 0 and self.known < MOST_PATHS:
            self.paths[at] = key
            self.known += 1
            if 2 * self.known > self.mask:
                self.grow()
        return 0

    def knows(self, key: int) -> bool:
        """Whether a right checksum came on a path."""
        return self.paths[self.place_of(key)] == key

    def place_of(self, key: int) -> int:
        """Where a path is, or would be; at the end of a run it is another's place."""
        at = (key >> 1) & self.mask  # the lowest bit of all names is 1
        last = (at + LONGEST_RUN) & self.mask
        while self.paths[at] and self.paths[at] != key and at != last:
            at = (at + 1) & self.mask
        return at

    def grow(self) -> int:
        """Twice as many places."""
        old_rows, old, count = self.path_rows, self.paths, self.mask + 1
        self.path_rows = room.reserve_words(2 * count)
        self.paths = rows.words_of(self.path_rows)
        self.mask = 2 * count - 1
        for i in range(count):
            if old[i]:
                self.paths[self.place_of(old[i])] = old[i]
        del old_rows  # here at the earliest: `old` lies in it
        return 0

    def is_corrupt(self, sender: Any, segment: Any) -> bool:
        """Count a wrong checksum, and note whether it means a damaged segment, which its receiver drops."""
        if segment.notes & NOTE_BAD_IP_CHECKSUM:
            self.bad_ip += 1
            if self.first_bad_ip == 0:
                self.first_bad_ip = segment.frame
        else:
            self.bad += 1
            if self.first_bad == 0:
                self.first_bad = segment.frame
        if not sender.checks & CHECK_GOOD and not self.knows(self.key_of(segment)):
            return False  # left to the network card
        segment.notes |= NOTE_DAMAGED
        return True

    def key_of(self, segment: Any) -> int:
        """A 64-bit name of the sending host, of its peer, and of the way that its segment came."""
        return (
            fourtuple.hash_four_tuple(
                segment.src_hi, segment.src_lo, segment.ttl, segment.dst_hi, segment.dst_lo, NO_TTL
            )
            | 1
        )
