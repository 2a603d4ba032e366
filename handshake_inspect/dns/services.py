"""What HTTPS records say (RFC 9460): which names and addresses a service has."""

from __future__ import annotations

from collections.abc import Iterator
from struct import error, unpack_from
from typing import Any, NamedTuple

_ALIAS_MODE, _IPV4HINT, _IPV6HINT = 0, 4, 6
_SIZES = {_IPV4HINT: 4, _IPV6HINT: 16}
_LONGEST_LABEL, _LONGEST_NAME = 63, 255


def text_of(name: str) -> str:
    """A name in lower case, bytes beyond ASCII escaped."""
    return name.lower().encode("ascii", "backslashreplace").decode()


def mapped(address: bytes) -> bytes:
    """An address of IPv4 mapped into IPv6."""
    return bytes(10) + b"\xff\xff" + address


class Service(NamedTuple):
    """Where a service is: the target of an HTTPS record, "" for the owner itself, and the addresses it hints at."""

    target: str
    hints: tuple[bytes, ...]


def services(records: list[Any]) -> list[Service]:
    """What HTTPS records say; if one of them is malformed, all are to be rejected (RFC 9460 section 2.2)."""
    try:
        return [_service(each.rdata, each.rlen) for each in records]
    except (ValueError, IndexError, error):
        return []


def _service(data: bytes, size: int) -> Service:
    if len(data) != size:
        raise ValueError("cut")
    target, at = _target(data, 2)
    parameters = dict(_parameters(data, at))
    if unpack_from(">H", data)[0] == _ALIAS_MODE:
        return Service(target, ())  # parameters of an alias are ignored (RFC 9460 section 2.4.2)
    return Service(target, tuple(hint for key in _SIZES for hint in _hints(parameters, key)))


def _target(data: bytes, at: int) -> tuple[str, int]:
    """The name that begins there, which is never compressed, and where it ends."""
    labels, start = [], at
    while size := data[at]:
        if size > _LONGEST_LABEL or at + size - start >= _LONGEST_NAME:
            raise ValueError("no name")
        labels.append(data[at + 1 : at + 1 + size])
        at += 1 + size
    return text_of(b".".join(labels).decode("utf-8", "backslashreplace")), at + 1


def _parameters(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Keys, which only ever rise, and their values."""
    last = -1
    while at < len(data):
        key, size = unpack_from(">HH", data, at)
        start, at = at + 4, at + 4 + size
        if key <= last or at > len(data):
            raise ValueError("no parameter")
        yield key, data[start:at]
        last = key


def _hints(parameters: dict[int, bytes], key: int) -> Iterator[bytes]:
    value, size = parameters.get(key), _SIZES[key]
    if value is None:
        return
    if not value or len(value) % size:
        raise ValueError("no addresses")
    for at in range(0, len(value), size):
        hint = value[at : at + size]
        yield mapped(hint) if key == _IPV4HINT else hint
