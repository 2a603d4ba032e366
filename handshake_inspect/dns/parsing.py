"""Parse DNS messages with `dpkt`, leniently; slow to import.

Only address and CNAME records are parsed, because dpkt rejects messages with record types it does not know, such as
HTTPS or DNSSEC signatures.  The sections after the answers are ignored: they do not answer the question, and a short
snap length often cuts them off.
"""

from typing import Any

from dpkt import dns
from dpkt.dpkt import Error

UNREADABLE = (Error, ValueError, IndexError, TypeError, AttributeError, OSError)
_ANSWERS, _HEAD = slice(6, 8), 12  # ANCOUNT within the header, and length of the header
MAX_JUMPS = 10  # compression pointers in a name; Go's resolver has the same limit
_POINTER, _LONGEST_NAME = 0xC0, 255
_READ = frozenset([dns.DNS_A, dns.DNS_CNAME, dns.DNS_AAAA])


def check_jumps(data: bytes, at: int) -> None:
    """Raise ValueError for a name with too many compression pointers, which would make parsing quadratic."""
    jumps = length = 0
    while at + 1 < len(data) and data[at] and length <= _LONGEST_NAME:
        if data[at] < _POINTER:
            length += 1 + data[at]
            at += 1 + data[at]
            continue
        jumps += 1
        if jumps > MAX_JUMPS:
            raise ValueError("too many jumps")
        at = (data[at] & ~_POINTER) << 8 | data[at + 1]


class Answers(dns.DNS):  # type: ignore[misc]
    """A message with its question and its answers."""

    class RR(dns.DNS.RR):  # type: ignore[misc]
        """A record, whose data is parsed only if it is an address or an alias."""

        def unpack_rdata(self, buf: bytes, off: int) -> None:
            """Called by dpkt."""
            if self.type not in _READ:
                return
            if self.type == dns.DNS_CNAME:
                check_jumps(buf, off)
            super().unpack_rdata(buf, off)

    def unpack_rr(self, buf: bytes, off: int) -> tuple[Any, int]:
        """Called by dpkt."""
        check_jumps(buf, off)
        found: tuple[Any, int] = super().unpack_rr(buf, off)
        return found


def parse(data: bytes, most: int) -> Answers:
    """Parse a message with at most `most` answers; raises one of `UNREADABLE` if it is malformed."""
    answers = min(int.from_bytes(data[_ANSWERS], "big"), most)
    return Answers(data[: _ANSWERS.start] + answers.to_bytes(2, "big") + bytes(4) + data[_HEAD:])
