"""JSON: a report, what a check or a comparison found, a story, each one object.

Large lists are written a row per line, those of a report in pieces, so that memory stays flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO

import msgspec

from handshake_inspect.render import Options
from handshake_inspect.report.checked import Checked
from handshake_inspect.report.difference import Difference
from handshake_inspect.report.event import encoded
from handshake_inspect.report.model import Report
from handshake_inspect.report.paired import Paired
from handshake_inspect.report.quic_story import QuicStory
from handshake_inspect.report.story import Story
from handshake_inspect.report.verified import Verified

_CHUNK = 2_000  # rows made, encoded and forgotten at a time
_ENCODER = msgspec.json.Encoder()

_Chunks = Iterable[list[Any]]


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write `report` to `out`; of the options only `connections` matters: without them their two keys are null."""
    connections = report.connections.chunks(_CHUNK) if options.connections else None
    quic = _chunks(report.quic_connections) if options.connections else None
    rows = {"services": _chunks(report.services), "quic_services": _chunks(report.quic_services)}
    _write_object(report, {**rows, "connections": connections, "quic_connections": quic}, out)


def render_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write the object; its schema is that of `hsi schema check`."""
    _write_object(checked, {"assertions": _chunks(checked.assertions)}, out)


def render_diff(difference: Difference, out: BinaryIO, _: Options) -> None:
    """Write the object; its schema is that of `hsi schema diff`."""
    _write_object(difference, {"services": _chunks(difference.services)}, out)


def render_story(story: Story | QuicStory, out: BinaryIO, _: Options) -> None:
    """Write the story of one connection, which is small, as one line."""
    out.write(encoded(story) + b"\n")


def render_verified(found: Verified, out: BinaryIO, _: Options) -> None:
    """Write the object; its schema is that of `hsi schema verify`."""
    _write_object(found, {"connections": _chunks(found.connections)}, out)


def render_paired(found: Paired, out: BinaryIO, _: Options) -> None:
    """Write the object; its schema is that of `hsi schema pair`."""
    segments = None if found.segments is None else _chunks(found.segments)
    rows: dict[str, _Chunks | None] = {
        "connections": _chunks(found.connections), "alone": _chunks(found.alone), "segments": segments,
    }  # fmt: skip
    _write_object(found, rows, out)


def _chunks(rows: Iterable[Any]) -> Iterator[list[Any]]:
    remaining = iter(rows)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def _write_object(document: msgspec.Struct, rows: dict[str, _Chunks | None], out: BinaryIO) -> None:
    """Write it key by key; the values of some keys come as rows, or are null."""
    separator = b"{"
    for key in document.__struct_fields__:
        out.write(separator + _ENCODER.encode(key) + b":")
        separator = b",\n"
        if key not in rows:
            out.write(encoded(getattr(document, key)))
        elif (chunks := rows[key]) is None:
            out.write(b"null")
        else:
            _write_rows(chunks, out)
    out.write(b"}\n")


def _write_rows(chunks: _Chunks, out: BinaryIO) -> None:
    separator = b"["
    for chunk in chunks:
        # JSON escapes newlines in strings, so those between the rows are the only ones.
        out.write(separator + _ENCODER.encode_lines(chunk)[:-1].replace(b"\n", b",\n"))
        separator = b",\n"
    out.write(b"]" if separator != b"[" else b"[]")
