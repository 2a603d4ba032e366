"""Parse HTTPS records (RFC 9460): target names and address hints."""

from __future__ import annotations

from collections.abc import Iterator
from struct import error, unpack_from
from typing import Any, NamedTuple

_ALIAS_MODE, _IPV4HINT, _IPV6HINT = 0, 4, 6
_SIZES = {_IPV4HINT: 4, _IPV6HINT: 16}
_LONGEST_LABEL, _LONGEST_NAME = 63, 255


def text_of(name: str) -> str:
    """Return a name in lower case, with bytes beyond ASCII escaped."""
    return name.lower().encode("ascii", "backslashreplace").decode()


def mapped(address: bytes) -> bytes:
    """Return an IPv4 address mapped into IPv6, as 16 bytes."""
    return bytes(10) + b"\xff\xff" + address


class Service(NamedTuple):
    """The target of an HTTPS record ("" for the owner name) and its address hints, 16 bytes each."""

    target: str
    hints: tuple[bytes, ...]


def services(records: list[Any]) -> list[Service]:
    """Parse HTTPS records; if one is malformed, reject all of them (RFC 9460 section 2.2)."""
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
        return Service(target, ())  # ignore the parameters of an alias (RFC 9460 section 2.4.2)
    return Service(target, tuple(hint for key in _SIZES for hint in _hints(parameters, key)))


def _target(data: bytes, at: int) -> tuple[str, int]:
    """Return the uncompressed name at `at`, and the offset after it."""
    labels, start = [], at
    while size := data[at]:
        if size > _LONGEST_LABEL or at + size - start >= _LONGEST_NAME:
            raise ValueError("no name")
        labels.append(data[at + 1 : at + 1 + size])
        at += 1 + size
    return text_of(b".".join(labels).decode("utf-8", "backslashreplace")), at + 1


def _parameters(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """Yield parameters, whose keys must be strictly increasing."""
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
