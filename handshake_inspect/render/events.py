"""A live capture as NDJSON: one JSON object per line, written and flushed while things happen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from handshake_inspect.report.event import Phase, Stats, line
from handshake_inspect.report.model import Connection, Ending, Finding, Report
from handshake_inspect.report.snapshot import Snapshot


class EventWriter:
    """Hears of a live run and writes each event as a line."""

    wants_connections = True
    wants_picture = False

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def connections(self, connections: Sequence[Connection]) -> None:
        """Write connections that were decided, or of which something is new."""
        self._out.writelines(line("connection", each) for each in connections)
        self._out.flush()

    def finding(self, phase: Phase, finding: Finding) -> None:
        """Write that a finding begins or ends to hold."""
        self._out.write(line("finding", finding, phase=phase))
        self._out.flush()

    def snapshot(self, snapshot: Snapshot) -> None:
        """Write the counters."""
        self._out.write(line("stats", Stats.of(snapshot)))
        self._out.flush()

    def ending(self, report: Report) -> None:
        """Write the last line: the capture and its summary."""
        self._out.write(line("summary", Ending(tool=report.tool, capture=report.capture, summary=report.summary)))
        self._out.flush()
