"""Unpack the offers of a ClientHello from the form that `hello.py` packs them into."""

from typing import NamedTuple

from handshake_inspect.tls import hello, hello_row
from handshake_inspect.tls.numbers import (
    CLIENT_HELLO,
    CUT_SHORT,
    IS_RETRY,
    MESSAGE_HEADER,
    OFFERS_ECH,
    SERVER_HELLO,
)


class Facts(NamedTuple):
    """The offers of a ClientHello: server name (SNI), ALPN protocols, versions and groups."""

    server_name: bytes | None = None
    protocols: tuple[bytes, ...] = ()
    versions: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()


class ClientHello(NamedTuple):
    """A complete ClientHello."""

    facts: Facts
    offers_ech: bool


def unpack(text: bytes) -> Facts:
    """Unpack the four parts; empty Facts if `text` is empty."""
    parts = []
    while text:
        parts.append(text[1 : 1 + text[0]])
        text = text[1 + text[0] :]
    if len(parts) != 4:
        return Facts()
    name, protocols, versions, groups = parts
    listed = []
    while protocols:
        listed.append(protocols[1 : 1 + protocols[0]])
        protocols = protocols[1 + protocols[0] :]
    return Facts(name or None, tuple(listed), _numbers(versions), _numbers(groups))


def read_client_hello(data: bytes) -> ClientHello | None:
    """Parse a handshake message; return None if it is truncated, or not a ClientHello."""
    if len(data) < MESSAGE_HEADER or data[0] != CLIENT_HELLO:
        return None
    length = MESSAGE_HEADER + int.from_bytes(data[1:4], "big")
    if len(data) < length:
        return None
    row = hello_row.new_hello()
    hello.read_bytes(data[:length], row)
    if row.flags & CUT_SHORT:
        return None
    return ClientHello(unpack(bytes(row.facts[: row.length])), bool(row.flags & OFFERS_ECH))


def is_retry_request(data: bytes) -> bool:
    """Return True if a handshake message is a HelloRetryRequest."""
    row = hello_row.new_hello()
    hello.read_bytes(data, row)
    return data[:1] == bytes([SERVER_HELLO]) and bool(row.flags & IS_RETRY)


def _numbers(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2))
