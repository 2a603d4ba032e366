"""What a wrong checksum means: a damaged segment, or one whose checksum was left to the network card.

A segment with a wrong checksum was damaged if its sender is known to fill checksums in where it was captured: another
segment of that connection, or of that host to the same peer over the same way (the same TTL), had a right one.  A host
whose checksums are never right is captured before they are filled in, or behind a box that spoils them for the capture
only: what it sends arrives, as the answers show.  Between guests of one machine they are never filled in, though what
the same guest sends to others has right ones.
"""

from typing import Any

from handshake_inspect.tcp import rows
from handshake_inspect.tcp.facts import CHECK_GOOD
from handshake_inspect.wire.const import MASK64, NOTE_BAD_IP_CHECKSUM

PATHS = 4096  # from host to host, that are remembered for a right checksum; two in one place take turns
SPREAD = 0x9E37_79B9_7F4A_7C15


class Checksums:
    """The right and wrong checksums of one trace, where the first wrong ones are, and whose were right."""

    def __init__(self) -> None:
        self.good = 0
        self.bad = 0
        self.first_bad = 0
        self.bad_ip = 0
        self.first_bad_ip = 0
        self.path_rows = rows.reserve_words(PATHS)
        self.paths = rows.words_of(self.path_rows)

    def note_good(self, sender: Any, segment: Any) -> None:
        """A right checksum: its sender, and its host to this peer, fill them in."""
        self.good += 1
        if not sender.checks & CHECK_GOOD:
            sender.checks |= CHECK_GOOD
            key = self.key_of(segment)
            self.paths[key % PATHS] = key

    def is_corrupt(self, sender: Any, segment: Any) -> bool:
        """Count a wrong checksum; whether it means a damaged segment, which its receiver drops, and not offloading."""
        if segment.notes & NOTE_BAD_IP_CHECKSUM:
            self.bad_ip += 1
            if self.first_bad_ip == 0:
                self.first_bad_ip = segment.frame
        else:
            self.bad += 1
            if self.first_bad == 0:
                self.first_bad = segment.frame
        key = self.key_of(segment)
        return sender.checks & CHECK_GOOD != 0 or self.paths[key % PATHS] == key

    def key_of(self, segment: Any) -> int:
        """A 64-bit name of the sending host, of its peer, and of the way that its segment came."""
        key = ((segment.src_hi ^ (segment.src_lo + segment.ttl)) * SPREAD) & MASK64
        key = ((key ^ (key >> 32) ^ segment.dst_hi ^ segment.dst_lo) * SPREAD) & MASK64
        return (key ^ (key >> 32)) | 1
