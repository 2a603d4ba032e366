"""JSON output: one object for each report, check, comparison, story, verification or pairing.

Large lists are written one row per line, in chunks, so that memory use stays constant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO

import msgspec

from handshake_inspect.render import Format, Options
from handshake_inspect.report.checked import Checked
from handshake_inspect.report.difference import Difference
from handshake_inspect.report.encoding import encoded, encoded_lines
from handshake_inspect.report.model import Report
from handshake_inspect.report.paired import Paired
from handshake_inspect.report.quic_story import QuicStory
from handshake_inspect.report.story import Story
from handshake_inspect.report.verified import Verified

_CHUNK = 2_000  # rows built and encoded at a time

_Rows = Iterable[bytes | memoryview]  # rows of JSON; each begins with a comma and a newline
_BETWEEN = b",\n"


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write `report` to `out`; if `options.connections` is False, both lists of connections are null."""
    connections = report.connections.as_json(_CHUNK, _BETWEEN + b"{", b"") if options.connections else None
    quic = _rows(report.quic_connections) if options.connections else None
    rows = {"services": _rows(report.services), "quic_services": _rows(report.quic_services)}
    _write_object(report, {**rows, "connections": connections, "quic_connections": quic}, out)


def render_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write the object; `hsi schema check` prints its schema."""
    _write_object(checked, {"assertions": _rows(checked.assertions)}, out)


def render_diff(difference: Difference, out: BinaryIO, _: Options) -> None:
    """Write the object; `hsi schema diff` prints its schema."""
    _write_object(difference, {"services": _rows(difference.services)}, out)


def render_story(story: Story | QuicStory, out: BinaryIO, _: Options) -> None:
    """Write the story of one connection as one line."""
    out.write(encoded(story) + b"\n")


def render_verified(found: Verified, out: BinaryIO, _: Options) -> None:
    """Write the object; `hsi schema verify` prints its schema."""
    _write_object(found, {"connections": _rows(found.connections)}, out)


def render_paired(found: Paired, out: BinaryIO, _: Options) -> None:
    """Write the object; `hsi schema pair` prints its schema."""
    segments = None if found.segments is None else _rows(found.segments)
    rows: dict[str, _Rows | None] = {
        "connections": _rows(found.connections), "alone": _rows(found.alone), "segments": segments,
    }  # fmt: skip
    _write_object(found, rows, out)


def _rows(values: Iterable[Any]) -> Iterator[bytes]:
    remaining = iter(values)
    while chunk := list(islice(remaining, _CHUNK)):
        # JSON escapes newlines in strings, so only the row separators match.
        yield _BETWEEN + encoded_lines(chunk)[:-1].replace(b"\n", _BETWEEN)


def _write_object(document: msgspec.Struct, rows: dict[str, _Rows | None], out: BinaryIO) -> None:
    """Write an object key by key; the values of `rows` are chunks of encoded rows, or null."""
    separator = b"{"
    for key in document.__struct_fields__:
        out.write(separator + encoded(key) + b":")
        separator = b",\n"
        if key not in rows:
            out.write(encoded(getattr(document, key)))
        elif (written := rows[key]) is None:
            out.write(b"null")
        else:
            _write_rows(written, out)
    out.write(b"}\n")


def _write_rows(rows: _Rows, out: BinaryIO) -> None:
    skipped = len(_BETWEEN)  # no separator before the first row
    out.write(b"[")
    for chunk in rows:
        out.write(memoryview(chunk)[skipped:])
        skipped = 0
    out.write(b"]")


FORMATS = {
    "json": Format(
        render,
        (".json",),
        check=render_check,
        diff=render_diff,
        story=render_story,
        verified=render_verified,
        paired=render_paired,
    ),
}
