"""One DNS message as plain values; `dpkt` parses it, and is imported when the first one comes.

Any bytes may come: what is no message is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

PORT = 53
A, CNAME, AAAA, HTTPS = 1, 5, 28, 65
NO_ERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
_RESPONSE, _OPCODE, _TRUNCATED, _RCODE = 0x8000, 0x7800, 0x0200, 0x000F
_INTERNET = 1
MOST_ALIASES = 16  # CNAMEs followed
MOST_RECORDS = 64  # of an answer that are looked at
LONGEST_NAME = 253


class Message(NamedTuple):
    """A query or a response with one question; addresses are 16 bytes each, those of IPv4 mapped into IPv6."""

    number: int
    is_response: bool
    name: str  # asked for, in lower case, as it was sent: bytes beyond ASCII escaped
    kind: int  # A, AAAA …
    rcode: int = 0
    truncated: bool = False
    addresses: tuple[bytes, ...] = ()
    ttl: int = 0  # seconds, the least of the records that lead to the addresses


def messages_of(stream: bytes) -> Iterator[bytes]:
    """The messages that a segment of TCP holds whole, each behind its length (RFC 1035 section 4.2.2)."""
    at = 0
    while at + 2 < len(stream):
        start, at = at + 2, at + 2 + int.from_bytes(stream[at : at + 2], "big")
        if at <= len(stream):
            yield stream[start:at]


def read(data: bytes) -> Message | None:
    """Read a message; None for what has no single question of the Internet, and for what cannot be read."""
    from dpkt import dns  # noqa: PLC0415 - slow to import
    from dpkt.dpkt import Error  # noqa: PLC0415

    if len(data) < 12 or data[4:6] != b"\0\1" or int.from_bytes(data[2:4], "big") & _OPCODE:
        return None
    records = int.from_bytes(data[6:8], "big")
    if records > MOST_RECORDS:
        return None
    try:
        message = dns.DNS(data)
    except (Error, ValueError, IndexError, TypeError, AttributeError, OSError):
        return None
    question = message.qd[0]
    if question.cls & 0x7FFF != _INTERNET or len(question.name) > LONGEST_NAME:
        return None
    name, flags = _name(question.name), message.op
    if not flags & _RESPONSE:
        return Message(message.id, False, name, question.type)
    addresses, ttl = _addresses(message.an, name, question.type)
    truncated = bool(flags & _TRUNCATED)
    return Message(message.id, True, name, question.type, flags & _RCODE, truncated, addresses, ttl)


def _name(name: str) -> str:
    return name.lower().encode("ascii", "backslashreplace").decode()


def _addresses(records: list[Any], name: str, kind: int) -> tuple[tuple[bytes, ...], int]:
    """The addresses behind a name, CNAMEs followed, and the least time to live on the way."""
    names, ttls = {name}, []
    for _ in range(MOST_ALIASES):
        aliases = [each for each in records if each.type == CNAME and _name(each.name) in names]
        fresh = {_name(each.cname) for each in aliases} - names
        if not fresh:
            break
        ttls += [each.ttl for each in aliases]
        names |= fresh
    found = []
    for each in records:
        if each.type == kind and each.type in (A, AAAA) and _name(each.name) in names:
            found.append(bytes(10) + b"\xff\xff" + each.ip if kind == A else each.ip6)
            ttls.append(each.ttl)
    return tuple(each for each in found if len(each) == 16), min(ttls, default=0)
