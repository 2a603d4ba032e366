"""Literals in filter expressions, converted by the type of their field to a pair of lowest and highest value."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from handshake_inspect.report.fields import Field
from handshake_inspect.wire.address import address_halves
from handshake_inspect.wire.const import MASK64

UNITS_NS = {
    "ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000,
    "min": 60_000_000_000, "h": 3_600_000_000_000, "d": 86_400_000_000_000,
}  # fmt: skip
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([a-zµμ]+)")
_LARGEST = (1 << 63) - 1


def duration_ns(text: str) -> int:
    """Convert `50ms` or `1.5 s` to nanoseconds; ValueError for anything else, including fractions of a nanosecond."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or match[2] not in UNITS_NS:
        raise ValueError(f"{text} is not a duration: give a number and a unit, such as 50ms")
    exact = Decimal(match[1]) * UNITS_NS[match[2]]
    if exact != int(exact) or exact > _LARGEST:
        raise ValueError(f"{text} is not a whole number of nanoseconds below 2^63")
    return int(exact)


def text(token: Any) -> str:
    """Return the text of a literal token, unquoted and unescaped if it is a string."""
    if token.type == "STRING":
        return re.sub(r"\\(.)", r"\1", str(token)[1:-1], flags=re.DOTALL)
    return str(token)


def bounds(field: Field, token: Any) -> tuple[Any, Any]:
    """Return the lowest and highest value of a literal; ValueError with a user-facing message if the type is wrong."""
    return _OF_KIND[field.kind](field, token)


def _number(field: Field, token: Any) -> tuple[int, int]:
    if token.type not in ("NUMBER", "HEX"):
        raise ValueError(f"{field.name} is a number")
    number = int(str(token), 0) if token.type == "HEX" else int(token)
    if number > _LARGEST:
        raise ValueError("this number is too large")
    return number, number


def _duration(field: Field, token: Any) -> tuple[int, int]:
    if token.type == "DURATION":
        ns = duration_ns(str(token))
    elif token.type == "NUMBER" and int(token) <= _LARGEST:
        ns = int(token)  # nanoseconds, as in the JSON
    else:
        raise ValueError(f"{field.name} is a duration: give a unit, such as 50ms")
    return ns, ns


def _time(field: Field, token: Any) -> tuple[int, int]:
    if token.type == "NUMBER" and int(token) <= _LARGEST:
        return int(token), int(token)
    try:
        moment = datetime.fromisoformat(text(token))
    except ValueError:
        raise ValueError(f"{field.name} is a time: give it as 2026-11-20T10:00:00Z, or nanoseconds") from None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    ns = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
    return ns, ns


def _word(field: Field, token: Any) -> tuple[str, str]:
    word = text(token)
    if field.words and word not in field.words:
        near = get_close_matches(word, field.words, n=1) or get_close_matches(word.upper(), field.words, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it is one of {', '.join(field.words)}"
        raise ValueError(f"{field.name} is never {word!r}; {hint}")
    return word, word


def _flag(field: Field, token: Any) -> tuple[bool, bool]:
    if text(token) not in ("true", "false"):
        raise ValueError(f"{field.name} is true or false")
    return text(token) == "true", text(token) == "true"


def _address(field: Field, token: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    try:
        network = ipaddress.ip_network(text(token), strict=False)
    except ValueError:
        raise ValueError(f"{field.name} is an address: give one, or a network such as 10.0.0.0/8") from None
    low, high = address_halves(str(network.network_address)), address_halves(str(network.broadcast_address))
    return (low[0], low[1] & MASK64), (high[0], high[1] & MASK64)


def _decimal(field: Field, _: Any) -> tuple[int, int]:
    raise ValueError(f"{field.name} is for columns (-e): compare rtt.total, with a unit, such as 50ms")


_OF_KIND = {
    "number": _number, "decimal": _decimal, "duration": _duration, "time": _time, "word": _word, "text": _word,
    "flag": _flag, "address": _address,
}  # fmt: skip
