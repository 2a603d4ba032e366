"""What a ClientHello (RFC 8446 section 4.1.2) asks for, from the bytes of CRYPTO frames."""

from typing import NamedTuple

_CLIENT_HELLO = 1
_SERVER_NAME, _ALPN = 0, 16


class ClientHello(NamedTuple):
    """The name of the server, empty for none, and the protocols that are offered."""

    server_name: bytes
    alpn: tuple[bytes, ...]


def read_client_hello(data: bytes) -> ClientHello | None:
    """Read a whole ClientHello; None for one that is cut, or for anything else."""
    if len(data) < 4 or data[0] != _CLIENT_HELLO or len(data) < 4 + int.from_bytes(data[1:4], "big"):
        return None
    body = data[4 : 4 + int.from_bytes(data[1:4], "big")]
    try:
        at = 35 + body[34]  # version, random, session ID
        at += 2 + int.from_bytes(body[at : at + 2], "big")  # cipher suites
        at += 1 + body[at]  # compression methods
        length = int.from_bytes(body[at : at + 2], "big")
        return _read_extensions(body[at + 2 : at + 2 + length])
    except IndexError:
        return None


def _read_extensions(data: bytes) -> ClientHello:
    name = b""
    protocols: tuple[bytes, ...] = ()
    while len(data) >= 4:
        kind, length = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
        body, data = data[4 : 4 + length], data[4 + length :]
        if kind == _SERVER_NAME and len(body) > 5 and body[2] == 0:
            name = body[5 : 5 + int.from_bytes(body[3:5], "big")]
        elif kind == _ALPN:
            protocols = tuple(_items(body[2:]))
    return ClientHello(name, protocols)


def _items(data: bytes) -> list[bytes]:
    found = []
    while data and 0 < data[0] < len(data):
        found.append(data[1 : 1 + data[0]])
        data = data[1 + data[0] :]
    return found
