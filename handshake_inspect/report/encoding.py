"""JSON encoding; lone surrogates, which stand for bytes that are not UTF-8 (in file names), are escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from handshake_inspect.wire.text import utf8_safe

_ENCODER = msgspec.json.Encoder()


def encoded(value: Any) -> bytes:
    """Encode a value as JSON."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return _ENCODER.encode(_escaped(msgspec.to_builtins(value)))


def encoded_lines(values: Sequence[Any]) -> bytes:
    """Encode each value as JSON followed by a newline; the JSON itself contains no newlines."""
    try:
        return _ENCODER.encode_lines(values)
    except UnicodeEncodeError:
        return b"".join(encoded(value) + b"\n" for value in values)


def encoded_objects(values: Iterable[Any], opening: bytes, ending: bytes) -> bytes:
    """Encode objects as JSON; `opening` replaces each opening brace, and `ending` follows each object."""
    return b"".join(opening + encoded(value)[1:] + ending for value in values)


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return utf8_safe(value)
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    return value
