"""NDJSON output, one JSON object per line: TCP connections, QUIC connections, findings, then the summary.

The key `event` is the type of a line: `connection`, `quic-connection`, `finding` or `summary`; in live captures, whose
lines are flushed as events happen, also `stats`.  With `-e`, lines contain only the chosen fields of connections.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import msgspec

from handshake_inspect.render import Format, Options
from handshake_inspect.render.rows import CHUNK, columns
from handshake_inspect.report.checked import Checked
from handshake_inspect.report.event import Phase, Stats, head, line, lines
from handshake_inspect.report.fields import Field
from handshake_inspect.report.lines import JSON
from handshake_inspect.report.model import Connections, Ending, Finding, Report
from handshake_inspect.report.packet import Packet
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.report.snapshot import Snapshot


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write one object per line."""
    if options.connections:
        out.writelines(_written(report.connections, columns(options) if options.fields else []))
    if options.fields:
        return
    if options.connections:
        out.write(lines("quic-connection", report.quic_connections))
    out.write(lines("finding", report.findings))
    out.write(_ending(report))


def _written(connections: Connections, fields: Sequence[Field]) -> Iterator[bytes | memoryview]:
    """Encode connections as lines: whole, or only these fields."""
    if not fields:
        yield from connections.as_json(CHUNK, head("connection"), b"\n")
        return
    names = [field.name for field in fields]
    heads = [b',"%b":' % name.encode() for name in names]
    yield from connections.as_lines(names, CHUNK, [b"{" + heads[0][1:], *heads[1:]], b"}\n", JSON)


def render_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write one line per assertion, and one for the whole check."""
    out.write(lines("assertion", checked.assertions))
    whole = msgspec.structs.asdict(checked)
    del whole["assertions"]
    out.write(line("check", whole))


class EventWriter:
    """Writes each event of a live run as a line."""

    wants_connections = True
    wants_picture = False
    wants_single = False
    wants_packets = False

    def __init__(self, out: BinaryIO, options: Options) -> None:
        """With `options.fields`, write only these fields of connections, and no other events."""
        self._out = out
        self._columns = columns(options) if options.fields else []

    def connections(self, connections: Connections) -> None:
        """Write connections with a new verdict or new data."""
        self._out.writelines(_written(connections, self._columns))
        self._out.flush()

    def quic_connections(self, connections: Sequence[QuicConnection]) -> None:
        """Write QUIC connections with a verdict, or with new data at the end."""
        self._write(lines("quic-connection", connections))

    def packets(self, packets: Sequence[Packet], skipped: int) -> None:
        """Do nothing: NDJSON has no events for segments."""

    def finding(self, phase: Phase, finding: Finding) -> None:
        """Write that a finding begins or ends."""
        self._write(line("finding", finding, phase=phase))

    def snapshot(self, snapshot: Snapshot) -> None:
        """Write counters."""
        self._write(line("stats", Stats.of(snapshot)))

    def ending(self, report: Report) -> None:
        """Write the last line: the capture and its summary."""
        self._write(_ending(report))

    def _write(self, data: bytes) -> None:
        if not self._columns:
            self._out.write(data)
            self._out.flush()


def _ending(report: Report) -> bytes:
    return line("summary", Ending(tool=report.tool, capture=report.capture, summary=report.summary))


FORMATS = {
    "ndjson": Format(render, (".ndjson", ".jsonl"), columns=True, check=render_check, events=EventWriter),
}
