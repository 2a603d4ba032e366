"""A live capture as NDJSON: one JSON object per line, written and flushed while things happen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

from handshake_inspect.report.event import Phase, Stats, line, lines, row
from handshake_inspect.report.fields import chosen
from handshake_inspect.report.model import Connection, Ending, Finding, Report
from handshake_inspect.report.snapshot import Snapshot


class EventWriter:
    """Hears of a live run and writes each event as a line."""

    wants_connections = True
    wants_picture = False

    def __init__(self, out: BinaryIO, fields: Sequence[str] = ()) -> None:
        """With `fields` a line holds these of a connection, and nothing else is written."""
        self._out = out
        self._columns = [(field.name, field.read) for field in chosen(fields)] if fields else []

    def connections(self, connections: Sequence[Connection]) -> None:
        """Write connections that were decided, or of which something is new."""
        if self._columns:
            self._out.writelines(row({name: read(one) for name, read in self._columns}) for one in connections)
        else:
            self._out.write(lines("connection", connections))
        self._out.flush()

    def finding(self, phase: Phase, finding: Finding) -> None:
        """Write that a finding begins or ends to hold."""
        self._write("finding", finding, phase=phase)

    def snapshot(self, snapshot: Snapshot) -> None:
        """Write the counters."""
        self._write("stats", Stats.of(snapshot))

    def ending(self, report: Report) -> None:
        """Write the last line: the capture and its summary."""
        self._write("summary", Ending(tool=report.tool, capture=report.capture, summary=report.summary))

    def _write(self, event: str, body: Any, **more: str) -> None:
        if not self._columns:
            self._out.write(line(event, body, **more))
            self._out.flush()
