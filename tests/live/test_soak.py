"""The memory of a live run does not grow over time."""

import sys
import tracemalloc
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from endless import FRAMES_PER_TEN, Endless

sys.path.pop(0)  # its live.py would be taken for this package

from handshake_inspect.capture.source import open_source
from handshake_inspect.engine.export import Observer
from handshake_inspect.engine.live import LiveOptions, LiveRun
from handshake_inspect.live.pipe import PipeSource
from handshake_inspect.report.event import Stats
from handshake_inspect.report.model import Connection

KEEP, COUNT = 100, 6_000
EARLY = COUNT // 3


class Watching(Observer):
    """Records memory use at every snapshot, and the exports."""

    wants_connections = True

    def __init__(self):
        self.held = {}
        self.ids = set()

    def connections(self, connections: list[Connection]) -> None:
        self.ids.update(connection.id for connection in connections)

    def snapshot(self, snapshot) -> None:
        stats = Stats.of(snapshot)
        # The set of ids is this test's own.
        self.held[stats.connections] = tracemalloc.get_traced_memory()[0] - sys.getsizeof(self.ids) - 28 * len(self.ids)


def test_memory_is_flat():
    watching = Watching()
    tracemalloc.start()
    try:
        with PipeSource(open_source(Endless(COUNT, rate=500, services=9), 1 << 16), None) as source:
            run = LiveRun(source, LiveOptions(keep=KEEP), watching)
            report = run.run()
    finally:
        tracemalloc.stop()
    assert report.summary.connections == COUNT
    outcomes = report.summary.outcomes
    assert (outcomes.established, outcomes.refused) == (COUNT * 7 // 10, COUNT * 2 // 10)
    assert outcomes.timed_out + outcomes.pending == COUNT // 10
    assert report.capture.frames == COUNT // 10 * FRAMES_PER_TEN
    assert sum(service.connections for service in report.services) == COUNT
    assert watching.ids == set(range(COUNT))  # each was exported, though few are kept
    assert report.capture.problems[0].kind == "retired"
    assert len(report.capture.problems) == 1
    early = max(held for begun, held in watching.held.items() if begun <= EARLY)
    late = max(held for begun, held in watching.held.items() if begun > EARLY)
    assert sum(begun > EARLY for begun in watching.held) > 3
    assert run.pump.tracker.table.connection_count < 1000  # rows are used again
    # A connection that stayed would take a multiple of that; a look holds copies of some hundred rows, or none.
    assert late - early < (COUNT - EARLY) * 100
