"""A message as `dpkt` parses it, with records of any type; slow to import.

Records that give no address are left unread: dpkt takes a message for broken that has one of a type which it does not
know, such as HTTPS, or the signatures of DNSSEC.  So are the sections behind the answers: nothing there is the answer
to a question, and a snap length often cuts them off.
"""

from typing import Any

from dpkt import dns
from dpkt.dpkt import Error

UNREADABLE = (Error, ValueError, IndexError, TypeError, AttributeError, OSError)
_ANSWERS, _HEAD = slice(6, 8), 12  # where their number is, before the two of the sections behind; the whole header
MOST_JUMPS = 10  # of a compressed name, as many as Go's resolver follows
_POINTER, _LONGEST_NAME = 0xC0, 255
_READ = frozenset([dns.DNS_A, dns.DNS_CNAME, dns.DNS_AAAA])


def check_jumps(data: bytes, at: int) -> None:
    """Raise ValueError for a name that jumps back again and again: each record could cost a walk through all bytes."""
    jumps = length = 0
    while at + 1 < len(data) and data[at] and length <= _LONGEST_NAME:
        if data[at] < _POINTER:
            length += 1 + data[at]
            at += 1 + data[at]
            continue
        jumps += 1
        if jumps > MOST_JUMPS:
            raise ValueError("too many jumps")
        at = (data[at] & ~_POINTER) << 8 | data[at + 1]


class Answers(dns.DNS):  # type: ignore[misc]
    """A message with its question and its answers."""

    class RR(dns.DNS.RR):  # type: ignore[misc]
        """A record, whose data are parsed if they are an address or an alias."""

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
    """Read a message with `most` answers at most; raises what `UNREADABLE` has."""
    answers = min(int.from_bytes(data[_ANSWERS], "big"), most)
    return Answers(data[: _ANSWERS.start] + answers.to_bytes(2, "big") + bytes(4) + data[_HEAD:])
