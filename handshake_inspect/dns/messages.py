"""Parse a DNS message into plain values; `dpkt`, which does the parsing, is imported on first use.

Input may be arbitrary bytes; anything that is not a valid message yields None.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from handshake_inspect.dns.services import mapped, services, text_of

PORT = 53
A, CNAME, AAAA, HTTPS = 1, 5, 28, 65
NO_ERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
_RESPONSE, _OPCODE, _TRUNCATED, _RCODE = 0x8000, 0x7800, 0x0200, 0x000F
_INTERNET = 1
MAX_ALIASES = 16  # length of a chain of CNAMEs
MAX_RECORDS = 64  # answer records read, and addresses returned
MAX_NAME = 253


class Message(NamedTuple):
    """A query or a response with one question; addresses have 16 bytes, IPv4 ones mapped into IPv6."""

    number: int
    is_response: bool
    name: str  # in the question, in lower case, bytes beyond ASCII escaped
    kind: int  # record type: A, AAAA …
    rcode: int = 0
    truncated: bool = False
    addresses: tuple[bytes, ...] = ()
    ttl: int = 0  # seconds: minimum over the records that lead to the addresses
    targets: tuple[str, ...] = ()  # target names of HTTPS records


def read(data: bytes) -> Message | None:
    """Parse a message; return None if it is malformed, or does not have exactly one question of class IN."""
    from handshake_inspect.dns.parsing import UNREADABLE, parse  # noqa: PLC0415 - dpkt is slow to import

    if len(data) < 12 or data[4:6] != b"\0\1" or int.from_bytes(data[2:4], "big") & _OPCODE:
        return None
    try:
        message = parse(data, MAX_RECORDS)
    except UNREADABLE:
        return None
    question = message.qd[0]
    if question.cls & 0x7FFF != _INTERNET or len(question.name) > MAX_NAME:
        return None
    name, flags = text_of(question.name), message.op
    if not flags & _RESPONSE:
        return Message(message.id, False, name, question.type)
    truncated = bool(flags & _TRUNCATED)
    answer = _answer_of(message.an, name, question.type)
    return Message(message.id, True, name, question.type, flags & _RCODE, truncated, *answer)


def _answer_of(answers: list[Any], name: str, kind: int) -> tuple[tuple[bytes, ...], int, tuple[str, ...]]:
    """Return the addresses of a name, the minimum TTL on the way, and the target names of HTTPS records."""
    if kind not in (A, AAAA, HTTPS):
        return (), 0, ()
    names, ttls = _aliases(answers, name)
    those = [each for each in answers if each.type == kind and text_of(each.name) in names]
    targets: tuple[str, ...] = ()
    if kind == HTTPS:
        found = services(those)
        addresses = [hint for each in found for hint in each.hints]
        targets = tuple(dict.fromkeys(each.target for each in found if each.target and each.target not in names))
    else:
        addresses = [mapped(each.ip) if kind == A else each.ip6 for each in those]
    whole = dict.fromkeys(each for each in addresses if len(each) == 16)
    return tuple(whole)[:MAX_RECORDS], min(ttls + [each.ttl for each in those], default=0), targets


def _aliases(answers: list[Any], name: str) -> tuple[set[str], list[int]]:
    """Return a name with those that CNAMEs lead to from it, and the TTLs of these CNAMEs."""
    names, ttls = {name}, []
    for _ in range(MAX_ALIASES):
        aliases = [each for each in answers if each.type == CNAME and text_of(each.name) in names]
        fresh = {text_of(each.cname) for each in aliases} - names
        if not fresh:
            break
        ttls += [each.ttl for each in aliases]
        names |= fresh
    return names, ttls
