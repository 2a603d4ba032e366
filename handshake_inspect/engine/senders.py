"""Which hosts sent anything but TCP: a datagram, an answer to a ping, an ICMP error.

Such a host lives even where none of its ports answers a SYN (`verdicts.unanswered`).  The newest host of each slot is
compared without Python, so that a stream of datagrams costs next to nothing; `MOST` hosts are kept at most.
"""

from typing import Any

from handshake_inspect.tcp import room, rows

SLOTS = 1 << 10
MOST = 1 << 16


class Senders:
    """The addresses, as the halves of 128 bits that segments have."""

    def __init__(self) -> None:
        self.hosts: set[tuple[int, int]] = set()
        self.storage = room.reserve_words(2 * SLOTS)
        self.slots = rows.words_of(self.storage)

    def note(self, record: Any) -> int:
        """Keep who sent this packet; nobody where the decoder says no address."""
        hi, lo = record.src_hi, record.src_lo
        if record.icmp_type:  # an error: these are of the packet that it quotes
            hi, lo = record.reporter_hi, record.reporter_lo
        at = 2 * ((lo ^ lo >> 16 ^ hi) & (SLOTS - 1))
        if hi | lo == 0 or (self.slots[at] == hi and self.slots[at + 1] == lo):
            return 0
        self.slots[at], self.slots[at + 1] = hi, lo
        return self.keep(hi, lo)

    def keep(self, hi: int, lo: int) -> int:
        """Keep an address if there is room."""
        if len(self.hosts) < MOST:
            self.hosts.add((hi, lo))
        return 0
