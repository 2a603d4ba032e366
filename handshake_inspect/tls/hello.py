"""Parse ClientHello and ServerHello (RFC 8446 sections 4.1.2 and 4.1.3, RFC 5246 section 7.4.1).

Lengths inside a message are not trusted: nothing is read beyond the end that the caller passes.  GREASE values (RFC
8701) are skipped.

The offers of a ClientHello are packed into `facts`, which are equal for equal offers, so that thousands of connections
can share one copy: server name, ALPN list, versions and groups, each preceded by its length in one byte.
"""

from typing import Any

from handshake_inspect.tls import hello_row
from handshake_inspect.tls.hello_row import LONGEST_PART
from handshake_inspect.tls.numbers import (
    ALPN,
    CHOSE_PSK,
    CUT_SHORT,
    DRAFT,
    EARLY_DATA,
    ENCRYPTED_CLIENT_HELLO,
    FIRST_DRAFT,
    IS_RETRY,
    KEY_SHARE,
    MESSAGE_HEADER,
    OFFERS_13,
    OFFERS_EARLY_DATA,
    OFFERS_ECH,
    OFFERS_H2,
    OFFERS_PSK,
    PRE_SHARED_KEY,
    RETRY_0,
    RETRY_1,
    RETRY_2,
    RETRY_3,
    RETRY_4,
    RETRY_5,
    RETRY_6,
    RETRY_7,
    SERVER_NAME,
    SUPPORTED_GROUPS,
    SUPPORTED_VERSIONS,
    TLS13,
)
from handshake_inspect.wire import big_endian

# The parts of `facts`.
NAME = 0
PROTOCOLS = 1
VERSIONS = 2
GROUPS = 3


def read_bytes(data: bytes, storage: Any) -> None:
    """Parse the single message in `data` (entry point for uncompiled code)."""
    read_hello(data, 0, len(data), hello_row.hello_of(storage))


def read_hello(data: Any, at: int, end: int, out: Any) -> None:
    """Parse the handshake message in `data[at:end]`, beginning with its type, into `out`."""
    hello_row.clear(out)
    client = end > at and data[at] == 1
    at += MESSAGE_HEADER
    if end - at < 35:
        out.flags = CUT_SHORT
        return
    out.version = big_endian.be16(data, at)
    if not client and is_retry(data, at + 2):
        out.flags |= IS_RETRY
    at += 34
    at += 1 + data[at]  # session ID
    if client:
        if end - at < 2:
            out.flags |= CUT_SHORT
            return
        at += 2 + big_endian.be16(data, at)  # cipher suites
        if end - at < 1:
            out.flags |= CUT_SHORT
            return
        at += 1 + data[at]  # compression methods
    else:
        if end - at < 3:
            out.flags |= CUT_SHORT
            return
        out.cipher = big_endian.be16(data, at)
        at += 3
    if at > end:
        out.flags |= CUT_SHORT
    elif at < end:
        read_extensions(data, at, end, client, out)
    if client:
        pack(data, out)


def is_retry(data: Any, at: int) -> bool:
    """Return True if the random at `at` is that of a HelloRetryRequest."""
    return (
        big_endian.be32(data, at) == RETRY_0
        and big_endian.be32(data, at + 4) == RETRY_1
        and big_endian.be32(data, at + 8) == RETRY_2
        and big_endian.be32(data, at + 12) == RETRY_3
        and big_endian.be32(data, at + 16) == RETRY_4
        and big_endian.be32(data, at + 20) == RETRY_5
        and big_endian.be32(data, at + 24) == RETRY_6
        and big_endian.be32(data, at + 28) == RETRY_7
    )


def read_extensions(data: Any, at: int, end: int, client: bool, out: Any) -> None:
    """Parse all extensions."""
    if end - at < 2:
        out.flags |= CUT_SHORT
        return
    stop = at + 2 + big_endian.be16(data, at)
    at += 2
    if stop > end:
        out.flags |= CUT_SHORT
        stop = end
    while stop - at >= 4:
        kind = big_endian.be16(data, at)
        length = big_endian.be16(data, at + 2)
        at += 4
        if length > stop - at:
            out.flags |= CUT_SHORT
            return
        if client:
            offered(data, at, at + length, kind, out)
        else:
            chosen(data, at, at + length, kind, out)
        at += length


def offered(data: Any, at: int, end: int, kind: int, out: Any) -> None:
    """Parse an extension of a ClientHello."""
    if kind == SERVER_NAME:
        if end - at >= 5 and data[at + 2] == 0:
            note_part(out, NAME, at + 5, min(big_endian.be16(data, at + 3), end - at - 5))
    elif kind == ALPN:
        if end - at >= 2:
            note_part(out, PROTOCOLS, at + 2, min(big_endian.be16(data, at), end - at - 2))
    elif kind == SUPPORTED_VERSIONS:
        if end - at >= 1:
            note_part(out, VERSIONS, at + 1, min(data[at], end - at - 1))
    elif kind == SUPPORTED_GROUPS:
        if end - at >= 2:
            note_part(out, GROUPS, at + 2, min(big_endian.be16(data, at), end - at - 2))
    elif kind == PRE_SHARED_KEY:
        out.flags |= OFFERS_PSK
    elif kind == EARLY_DATA:
        out.flags |= OFFERS_EARLY_DATA
    elif kind == ENCRYPTED_CLIENT_HELLO:
        out.flags |= OFFERS_ECH


def note_part(out: Any, part: int, at: int, length: int) -> None:
    """Record the position of a list."""
    out.start[part] = at
    out.extent[part] = length


def chosen(data: Any, at: int, end: int, kind: int, out: Any) -> None:
    """Parse an extension of a ServerHello."""
    if kind == SUPPORTED_VERSIONS:
        if end - at >= 2:
            out.version = big_endian.be16(data, at)
    elif kind == KEY_SHARE:
        if end - at >= 2:
            out.group = big_endian.be16(data, at)
    elif kind == PRE_SHARED_KEY:
        out.flags |= CHOSE_PSK
    elif kind == ALPN and end - at >= 3 and data[at + 2] <= end - at - 3:
        out.alpn_at = at + 3
        out.alpn_length = data[at + 2]


def is_grease(value: int) -> bool:
    """Return True for a GREASE value (RFC 8701): 0x0A0A, 0x1A1A ... 0xFAFA."""
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


def pack(data: Any, out: Any) -> None:
    """Pack the offers into `out.facts`."""
    pack_name(data, out)
    pack_protocols(data, out)
    pack_numbers(data, out, VERSIONS)
    pack_numbers(data, out, GROUPS)


def pack_name(data: Any, out: Any) -> None:
    """Pack the server name, truncated to the maximum length."""
    length = min(out.extent[NAME], LONGEST_PART)
    at = out.start[NAME]
    out.facts[0] = length
    for i in range(length):
        out.facts[1 + i] = data[at + i]
    out.length = 1 + length


def pack_protocols(data: Any, out: Any) -> None:
    """Pack the ALPN protocols, each preceded by its length, without GREASE."""
    head = out.length
    to = head + 1
    at = out.start[PROTOCOLS]
    end = at + out.extent[PROTOCOLS]
    while at < end:
        length = data[at]
        if length > end - at - 1 or to + length + 1 > head + 1 + LONGEST_PART:
            break
        if length == 2 and is_grease(big_endian.be16(data, at + 1)):
            at += 3
            continue
        if length == 2 and data[at + 1] == 0x68 and data[at + 2] == 0x32:
            out.flags |= OFFERS_H2
        for i in range(length + 1):
            out.facts[to + i] = data[at + i]
        to += length + 1
        at += length + 1
    out.facts[head] = to - head - 1
    out.length = to


def pack_numbers(data: Any, out: Any, part: int) -> None:
    """Pack versions or groups, without GREASE."""
    head = out.length
    to = head + 1
    at = out.start[part]
    end = at + out.extent[part]
    if part == VERSIONS and at == end:  # no extension: the version field has the highest
        out.facts[to] = out.version >> 8
        out.facts[to + 1] = out.version & 0xFF
        to += 2
    while end - at >= 2 and to + 2 <= head + 1 + LONGEST_PART:
        value = big_endian.be16(data, at)
        if not is_grease(value):
            out.facts[to] = value >> 8
            out.facts[to + 1] = value & 0xFF
            to += 2
            if part == VERSIONS:
                note_version(out, value)
        at += 2
    out.facts[head] = to - head - 1
    out.length = to


def note_version(out: Any, value: int) -> None:
    """Record TLS 1.3, or a compatible draft, as offered."""
    if value == TLS13 or (value >> 8 == DRAFT >> 8 and value >= FIRST_DRAFT):
        out.flags |= OFFERS_13
        out.version = TLS13
