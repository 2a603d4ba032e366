"""The report as one JSON object, one row per line, written in pieces so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO

import msgspec

from handshake_inspect.render import Options
from handshake_inspect.report.model import Report
from handshake_inspect.report.story import Story

_CHUNK = 2_000  # rows made, encoded and forgotten at a time
_ENCODER = msgspec.json.Encoder()


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write `report` to `out`; of the options only `connections` matters: without them the key is null."""
    separator = b"{"
    for key in report.__struct_fields__:
        out.write(separator + _ENCODER.encode(key) + b":")
        separator = b",\n"
        if key == "services":
            _write_rows(_chunks(report.services), out)
        elif key != "connections":
            out.write(_encode(getattr(report, key)))
        elif options.connections:
            _write_rows(report.connections.chunks(_CHUNK), out)
        else:
            out.write(b"null")
    out.write(b"}\n")


def render_story(story: Story, out: BinaryIO) -> None:
    """Write the story of one connection, which is small, as one line."""
    out.write(_encode(story) + b"\n")


def _chunks(rows: Iterable[Any]) -> Iterator[list[Any]]:
    remaining = iter(rows)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def _write_rows(chunks: Iterable[list[Any]], out: BinaryIO) -> None:
    separator = b"["
    for chunk in chunks:
        # JSON escapes newlines in strings, so those between the rows are the only ones.
        out.write(separator + _ENCODER.encode_lines(chunk)[:-1].replace(b"\n", b",\n"))
        separator = b",\n"
    out.write(b"]" if separator != b"[" else b"[]")


def _encode(value: Any) -> bytes:
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:  # a file name that is not UTF-8 reached us as lone surrogates
        return _ENCODER.encode(_mended(msgspec.to_builtins(value)))


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {key: _mended(item) for key, item in value.items()}
    return value
