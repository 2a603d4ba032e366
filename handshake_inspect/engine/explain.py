"""One connection told segment by segment: the pass of `analyze`, with a recorder beside the tracker."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from handshake_inspect.capture.frames import NEED_MORE
from handshake_inspect.capture.source import Input
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine import Options, Progress, selection
from handshake_inspect.engine.conclusion import conclude
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.recorder import Entry, Log, Recorder, is_notable, moments, opened
from handshake_inspect.engine.selection import Wish
from handshake_inspect.engine.watch import Watch
from handshake_inspect.errors import UsageError
from handshake_inspect.expression.questions import Test
from handshake_inspect.expression.select import passing
from handshake_inspect.report.connections import RowConnections
from handshake_inspect.report.explain import explain as story
from handshake_inspect.report.model import Connection, Report, has_trouble
from handshake_inspect.report.segment_log import SegmentLog
from handshake_inspect.report.story import Story
from handshake_inspect.verdicts.trace import Trace

LIMIT = 40  # segments that are listed


def explain(
    inputs: Sequence[Input],
    wish: Wish,
    *,
    limit: int = LIMIT,
    where: Test | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Story:
    """Tell the story of the connection that `wish` names, and for which `where` holds, in at most `limit` segments.

    One pass over the input, in memory that `limit` and the recorder's own bound hold.  Of several connections that
    fit the first with trouble is told, else the first.  Raises UsageError when none fits, CaptureError as `analyze`.
    """
    options = options or Options()
    recorder = Recorder(limit)
    tracker = Watch(options.max_connections, recorder)
    selection.watch(tracker, wish)
    pump = Pump(tracker)
    recorder.attend(pump)
    with open_trace(inputs) as source:
        while pump.drain(source.reader) == NEED_MORE and source.fill():
            if progress is not None:
                progress(source.consumed, source.size)
    report = conclude(source, pump, options)
    rows: Any = report.connections
    trace: Trace = rows.trace
    ids = selection.matches(report, trace, wish) if where is None else _passing(rows, report, wish, where)
    connection, log = _choose(report, ids, recorder)
    return story(connection, _listed(log, limit), report.capture, report.findings, ids)


def _passing(rows: RowConnections, report: Report, wish: Wish, where: Test) -> list[int]:
    """Of the connections that are meant, all if none is named, those that pass the test; UsageError for none."""
    named = range(len(rows)) if wish == Wish() else selection.matches(report, rows.trace, wish)
    ids = np.asarray(named, dtype=np.intp)
    mask = passing(RowConnections(rows.trace, rows.outcomes, rows.legs, ids), where)
    if not mask.any():
        what = f" of the {len(ids)} that are meant" if len(ids) > 1 and wish != Wish() else ""
        raise UsageError(f"no connection{what} for which the expression after -Y holds; hsi analyze -Y lists them")
    passed: list[int] = ids[mask].tolist()
    return passed


def _choose(report: Report, ids: Sequence[int], recorder: Recorder) -> tuple[Connection, Log]:
    """The first that had trouble, else the first, of those that were recorded."""
    chosen: tuple[Connection, Log] | None = None
    for number in ids[: selection.MATCHES]:
        connection = report.connections[number]
        log = recorder.logs.get(connection.first_frame)
        if log is None:
            continue
        if has_trouble(connection):
            return connection, log
        chosen = chosen or (connection, log)
    if chosen is not None:
        return chosen
    # Too much was watched, or rows that were evicted moved the ids: by its addresses it is always found.
    first = selection.name(report.connections[ids[0]])
    raise UsageError(f"connection {first} was not recorded in this pass; ask for it by these addresses")


def _listed(log: Log, limit: int) -> SegmentLog:
    """At most `limit` segments: the opening, the end, and of those between first what is no plain data."""
    assert log.last is not None  # noqa: S101 - a log begins with a segment
    return SegmentLog(moments(_entries(log, limit)), opened(log.last), log.total)


def _entries(log: Log, limit: int) -> list[Entry]:
    kept = list(log.entries())
    if log.total <= limit:
        return kept
    tail = max(limit // 4, 1)
    head = max(limit // 2, 1) if limit > 1 else 0
    between = kept[head : len(kept) - tail]
    notable = [entry for entry in between if is_notable(entry)]
    room = limit - head - tail
    chosen = notable if len(notable) <= room else [*notable[: room - room // 2], *notable[len(notable) - room // 2 :]]
    plain = [entry for entry in between if not is_notable(entry)][: room - len(chosen)]
    return sorted([*kept[:head], *chosen, *plain, *kept[len(kept) - tail :]], key=lambda entry: entry.place)
