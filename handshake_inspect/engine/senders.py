"""The set of hosts that sent anything but TCP: UDP, echo replies, ICMP errors.

Such a host is up even if none of its ports answers a SYN (`verdicts.unanswered`).  A direct-mapped cache of recent
hosts avoids the Python set for most datagrams.  At most `MAX_HOSTS` hosts are kept.
"""

from typing import Any

from handshake_inspect.tcp import row_memory, rows

SLOTS = 1 << 10
MAX_HOSTS = 1 << 16


class Senders:
    """The addresses, as (high, low) 64-bit halves."""

    def __init__(self) -> None:
        self.hosts: set[tuple[int, int]] = set()
        self.storage = row_memory.reserve_words(2 * SLOTS)
        self.slots = rows.words_of(self.storage)

    def note(self, record: Any) -> int:
        """Add the sender of this packet; ignored if the decoder found no address."""
        hi, lo = record.src_hi, record.src_lo
        if record.icmp_type:  # an ICMP error: the addresses above are of the quoted packet
            hi, lo = record.reporter_hi, record.reporter_lo
        at = 2 * ((lo ^ lo >> 16 ^ hi) & (SLOTS - 1))
        if hi | lo == 0 or (self.slots[at] == hi and self.slots[at + 1] == lo):
            return 0
        self.slots[at], self.slots[at + 1] = hi, lo
        return self.keep(hi, lo)

    def keep(self, hi: int, lo: int) -> int:
        """Add an address, up to the limit."""
        if len(self.hosts) < MAX_HOSTS:
            self.hosts.add((hi, lo))
        return 0
