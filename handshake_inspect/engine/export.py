"""Export the results of a live run to an observer, in batches between blocks of frames.

On a busy link one refresh yields tens of thousands of connections to export.  Their rows are copied as judged, so that
reading frames does not have to wait until all are exported.
"""

from collections.abc import Callable, Sequence

import numpy as np

from handshake_inspect.engine.attempt_ids import TableView
from handshake_inspect.report.connections import RowConnections
from handshake_inspect.report.event import Phase
from handshake_inspect.report.model import Connections, Finding, Report
from handshake_inspect.report.packet import Packet
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.report.snapshot import Snapshot
from handshake_inspect.verdicts.numbering import AttemptRows, ReportIds

BATCH_SIZE = 1024  # connections

RowSource = Callable[[TableView, AttemptRows], tuple[RowConnections, AttemptRows]]


class Observer:
    """Base class for consumers of a live run.  Every method is a no-op: override those you need."""

    # Set these before the run begins.
    wants_connections = False  # call `connections` and `quic_connections`
    wants_picture = False  # fill snapshots with services, trouble and segment logs
    wants_single = False  # if there is only one connection, put its segment log into the last snapshot
    wants_packets = False  # call `packets`

    def connections(self, connections: Connections) -> None:
        """Called with connections that were decided, or that changed since their last export.

        Objects are built on access: convert to a list what you want to keep.
        """

    def quic_connections(self, connections: Sequence[QuicConnection]) -> None:
        """Called with QUIC connections that were decided, if `wants_connections`."""

    def packets(self, packets: Sequence[Packet], skipped: int) -> None:
        """Called with notable segments in order, and the number of segments skipped before them for lack of time."""

    def finding(self, phase: Phase, finding: Finding) -> None:
        """Called when a finding begins or ends."""

    def snapshot(self, snapshot: Snapshot) -> None:
        """Called about once a second if `wants_connections` or `wants_picture`, and once at the end."""

    def ending(self, report: Report) -> None:
        """Called once, with the final report."""


class Exporter:
    """Exports the results of a refresh: first the connections, then the snapshot."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._connections: RowConnections | None = None
        self._left = AttemptRows(np.zeros(0, dtype=np.intp))  # rows still to be exported
        self._snapshot: Snapshot | None = None

    @property
    def busy(self) -> bool:
        """Return True while something is left to export."""
        return self._snapshot is not None

    def begin(self, connections: RowConnections, rows: AttemptRows, snapshot: Snapshot) -> None:
        """Start to export these rows of `connections`, in this order, then `snapshot`; continue with `export_next`."""
        self.finish()
        self._connections, self._left, self._snapshot = connections, rows, snapshot
        self.export_next()

    def export_next(self) -> None:
        """Export the next `BATCH_SIZE` connections."""
        if self._connections is not None and len(self._left):
            now, self._left = self._left[:BATCH_SIZE], self._left[BATCH_SIZE:]
            self._observer.connections(self._connections.select(now))
        if not len(self._left) and self._snapshot is not None:
            snapshot, self._snapshot, self._connections = self._snapshot, None, None
            self._observer.snapshot(snapshot)

    def finish(self) -> None:
        """Export everything that is left."""
        while self.busy:
            self.export_next()


def connections_of(view: TableView, ids: ReportIds | None = None) -> RowConnections:
    """Return the connections of a view, or those with these report ids, under their stable ids."""
    return RowConnections(view.case, ids, view.ids)


def uncopied(view: TableView, rows: AttemptRows) -> tuple[RowConnections, AttemptRows]:
    """Return these attempts without a copy, for the end of a capture."""
    return connections_of(view), rows


def copied(view: TableView, rows: AttemptRows) -> tuple[RowConnections, AttemptRows]:
    """Return copies of these attempts as they were judged, and their rows among the copies."""
    case, order, places = view.case.copied(rows)
    return RowConnections(case, None, view.ids[order]), places
