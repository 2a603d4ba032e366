"""Connections that are told some hundred at a time, while frames go on to change the table.

A look at a busy link finds ten thousands that an observer is to hear of.  Their rows are copied, as they were judged,
and told between one block of frames and the next: frames do not wait until all is told.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.engine.known import Meeting
from handshake_inspect.engine.observer import Observer
from handshake_inspect.report.connections import RowConnections
from handshake_inspect.report.snapshot import Snapshot
from handshake_inspect.verdicts.columns import taken
from handshake_inspect.verdicts.legs import Legs
from handshake_inspect.verdicts.outcome import Outcomes

AT_ONCE = 512  # connections

Numbers = NDArray[Any]
Taken = Callable[[Meeting, Numbers], tuple[RowConnections, Numbers]]


class Telling:
    """Tells an observer what a look found: first the connections, then how things are."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._connections: RowConnections | None = None
        self._left: Numbers = np.zeros(0, dtype=np.intp)  # rows of those that are still to be told
        self._snapshot: Snapshot | None = None

    @property
    def busy(self) -> bool:
        """Whether something is still to be told."""
        return self._snapshot is not None

    def begin(self, connections: RowConnections, rows: Numbers, snapshot: Snapshot) -> None:
        """Tell of these rows, in this order, and then `snapshot`: a part now, and the others as `go_on` is called."""
        self.finish()
        self._connections, self._left, self._snapshot = connections, rows, snapshot
        self.go_on()

    def go_on(self) -> None:
        """Tell a part of what is left."""
        if self._connections is not None and len(self._left):
            now, self._left = self._left[:AT_ONCE], self._left[AT_ONCE:]
            self._observer.connections(self._connections.of_rows(now))
        if not len(self._left) and self._snapshot is not None:
            snapshot, self._snapshot, self._connections = self._snapshot, None, None
            self._observer.snapshot(snapshot)

    def finish(self) -> None:
        """Tell all that is left."""
        while self.busy:
            self.go_on()


def connections_of(meeting: Meeting, places: Any = None) -> RowConnections:
    """The connections of a meeting, or those at these places, with the ids that they keep whatever is retired."""
    case = meeting.case
    return RowConnections(case.trace, case.outcomes, case.legs, places, meeting.ids)


def in_place(meeting: Meeting, rows: Numbers) -> tuple[RowConnections, Numbers]:
    """These attempts where they are, for when no more frames come."""
    return connections_of(meeting), rows


def apart(meeting: Meeting, rows: Numbers) -> tuple[RowConnections, Numbers]:
    """Copies of these attempts, as they were judged among all others, and their places among the copies."""
    trace, judged = meeting.case.trace, meeting.case.outcomes
    count = len(trace.connections)
    tracked = rows < count
    numbers, alone = rows[tracked], rows[~tracked] - count
    connections = trace.connections.copies(numbers)
    repeated = np.flatnonzero(connections["retries"])
    retries = taken(trace.retries, connections["retries"][repeated].astype(np.intp) - 1)
    connections["retries"][repeated] = np.arange(1, len(repeated) + 1)
    later = np.flatnonzero(connections["aftermath"])
    aftermaths = taken(trace.aftermaths, connections["aftermath"][later].astype(np.intp) - 1)
    connections["aftermath"][later] = np.arange(1, len(later) + 1)
    order = np.concatenate([numbers, alone + count])
    copied = replace(
        trace,
        connections=connections,
        endpoints=trace.endpoints.copies((2 * numbers[:, None] + np.arange(2)).reshape(-1)),
        aliases=taken(trace.aliases, numbers),
        retries=retries,
        aftermaths=aftermaths,
        embryos=trace.embryos[alone],
        elsewhere=None if trace.elsewhere is None else trace.elsewhere.chosen(order),
    )
    outcomes = Outcomes(judged.outcome[order], judged.cause[order], judged.decided[order])
    places = np.empty(len(rows), dtype=np.intp)
    places[tracked], places[~tracked] = np.arange(len(numbers)), np.arange(len(numbers), len(rows))
    return RowConnections(copied, outcomes, Legs(copied), None, meeting.ids[order]), places
