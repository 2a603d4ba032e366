"""Export of what a live run finds: connections go to an observer some hundred at a time, while frames come in.

A look at a busy link finds tens of thousands of connections to export.  Their rows are copied as they were judged, and
exported between one block of frames and the next: frames do not wait until all are exported.
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

AT_ONCE = 1024  # connections

Taken = Callable[[TableView, AttemptRows], tuple[RowConnections, AttemptRows]]


class Observer:
    """Who gets what a live run finds.  Every method is a no-op here: override those of what is wanted."""

    wants_connections = False  # whether `connections` is called
    wants_picture = False  # whether snapshots hold services, trouble and segment logs; set before the run begins
    wants_single = False  # whether the last snapshot holds the segment log of a connection that is the only one
    wants_packets = False  # whether `packets` is called

    def connections(self, connections: Connections) -> None:
        """Called with connections that were decided, or that changed since they were exported.

        They become objects when they are asked for: list what is to be kept.
        """

    def quic_connections(self, connections: Sequence[QuicConnection]) -> None:
        """Called, if connections are wanted, with those of QUIC that were decided."""

    def packets(self, packets: Sequence[Packet], skipped: int) -> None:
        """Called with notable segments as they pass, in order, and how many before them there was no time for."""

    def finding(self, phase: Phase, finding: Finding) -> None:
        """Called when a finding begins or ends."""

    def snapshot(self, snapshot: Snapshot) -> None:
        """Called about once a second, if connections or the picture are wanted, and once at the end."""

    def ending(self, report: Report) -> None:
        """Called once, with the final report."""


class Exporter:
    """Exports what a look found: first the connections, then the snapshot."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._connections: RowConnections | None = None
        self._left = AttemptRows(np.zeros(0, dtype=np.intp))  # rows of those that are still to be exported
        self._snapshot: Snapshot | None = None

    @property
    def busy(self) -> bool:
        """Whether something is still to be exported."""
        return self._snapshot is not None

    def begin(self, connections: RowConnections, rows: AttemptRows, snapshot: Snapshot) -> None:
        """Export these rows of `connections` in this order, then `snapshot`: a part now, the rest with each `go_on`."""
        self.finish()
        self._connections, self._left, self._snapshot = connections, rows, snapshot
        self.go_on()

    def go_on(self) -> None:
        """Export at most AT_ONCE connections of what is left."""
        if self._connections is not None and len(self._left):
            now, self._left = self._left[:AT_ONCE], self._left[AT_ONCE:]
            self._observer.connections(self._connections.chosen(now))
        if not len(self._left) and self._snapshot is not None:
            snapshot, self._snapshot, self._connections = self._snapshot, None, None
            self._observer.snapshot(snapshot)

    def finish(self) -> None:
        """Export all that is left."""
        while self.busy:
            self.go_on()


def connections_of(view: TableView, ids: ReportIds | None = None) -> RowConnections:
    """The connections of a view, or those with these ids in a report; they keep their own ids, whatever expires."""
    return RowConnections(view.case, ids, view.ids)


def uncopied(view: TableView, rows: AttemptRows) -> tuple[RowConnections, AttemptRows]:
    """These attempts where they are, for when no more frames come."""
    return connections_of(view), rows


def copied(view: TableView, rows: AttemptRows) -> tuple[RowConnections, AttemptRows]:
    """Copies of these attempts, as they were judged among all others, and their places among the copies."""
    case, order, places = view.case.copied(rows)
    return RowConnections(case, None, view.ids[order]), places
