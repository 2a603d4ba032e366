"""The segment-by-segment story of one connection, from the same pass as `analyze` but with a logging tracker."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from handshake_inspect.capture.source import Input
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine import Options, Progress, selection
from handshake_inspect.engine.logging_tracker import LoggingTracker
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.reporting import conclude
from handshake_inspect.engine.segment_log import ENTRIES, ConnectionLogs
from handshake_inspect.engine.selection import ConnectionQuery
from handshake_inspect.engine.stream import pump_all
from handshake_inspect.errors import UsageError
from handshake_inspect.expression.predicates import Predicate
from handshake_inspect.expression.select import passing
from handshake_inspect.report.connections import RowConnections
from handshake_inspect.report.explain import explain as story
from handshake_inspect.report.model import Connection, Report, has_trouble
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.report.quic_story import QuicStory, quic_story
from handshake_inspect.report.segment_log import SegmentLog
from handshake_inspect.report.story import Story
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.numbering import ReportIds
from handshake_inspect.wire.address import address_halves
from handshake_inspect.wire.fourtuple import hash_four_tuple

LIMIT = 40  # listed segments


def explain(
    inputs: Sequence[Input],
    query: ConnectionQuery,
    *,
    limit: int = LIMIT,
    where: Predicate | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Story | QuicStory:
    """Return the story of the connection that `query` names and that matches `where`, in at most `limit` segments.

    Makes one pass over the input; `limit` and `ENTRIES` bound the memory of the logs.  If several connections match,
    chooses the first with trouble, else the first.  Raises UsageError if none matches, CaptureError as `analyze` does.
    """
    options = options or Options()
    tracker = LoggingTracker(options.max_connections, ENTRIES + 1)
    tracker.reads = options.setup
    logs = ConnectionLogs(tracker, limit)
    selection.log(tracker, query)
    pump = Pump(tracker)
    pump.quic.keep_log(ENTRIES)
    with open_trace(inputs) as source:
        pump_all(source, pump, progress)
    report = conclude(source, pump, options.limits)
    rows: Any = report.connections
    trace: Attempts = rows.attempts
    if where is None and (quic := _quic(report, trace, query, pump, limit)) is not None:
        return quic
    ids = selection.matches(report, trace, query) if where is None else _passing(rows, report, query, where)
    connection, log = _choose(report, ids, logs)
    return story(connection, log, report.capture, report.findings, ids)


def _quic(report: Report, trace: Attempts, query: ConnectionQuery, pump: Pump, limit: int) -> QuicStory | None:
    """Return the story of a QUIC connection; None if the query matches, or may match, a TCP connection."""
    ids = selection.quic_matches(report, query)
    if not ids or (not query.quic and query != ConnectionQuery() and selection.found(report, trace, query)):
        return None
    connections = [report.quic_connections[i] for i in ids]
    chosen = next((each for each in connections if each.outcome != "established"), connections[0])
    log = _quic_logs(pump, [chosen])[chosen.first_frame]
    if not log:
        raise UsageError(
            f"connection q{chosen.id} was not recorded in this pass: too many QUIC connections came before it"
        )
    return quic_story(chosen, log, report.capture, report.findings, ids, limit=limit)


def stories(
    inputs: Sequence[Input],
    chosen: Sequence[Connection | QuicConnection],
    report: Report,
    *,
    limit: int = LIMIT,
    options: Options | None = None,
    progress: Progress | None = None,
) -> list[Story | QuicStory]:
    """Return the stories of the `chosen` connections of a report: TCP connections first, then QUIC, each in order.

    Reads the inputs of the report once more.  Omits connections that found no room in the log.
    """
    if not chosen:
        return []
    options = options or Options()
    tracker = LoggingTracker(options.max_connections, ENTRIES + 1)
    logs = ConnectionLogs(tracker, limit)
    over_tcp = [each for each in chosen if isinstance(each, Connection)]
    over_quic = [each for each in chosen if isinstance(each, QuicConnection)]
    for connection in over_tcp:
        one, other = ((*address_halves(end.ip), end.port) for end in (connection.client, connection.server))
        tracker.log_tuple(hash_four_tuple(*one, *other))
    pump = Pump(tracker)
    if over_quic:
        pump.quic.keep_log(ENTRIES)
    with open_trace(inputs) as source:
        pump_all(source, pump, progress)
    logged = ((connection, logs.of(connection.first_frame)) for connection in over_tcp)
    found = [story(connection, log, report.capture, report.findings) for connection, log in logged if log is not None]
    return [*found, *_quic_stories(over_quic, report, pump, limit)]


def _quic_stories(chosen: Sequence[QuicConnection], report: Report, pump: Pump, limit: int) -> Iterator[QuicStory]:
    """Yield the stories of those connections that were logged."""
    logs = _quic_logs(pump, chosen)
    for each in chosen:
        if log := logs[each.first_frame]:
            yield quic_story(each, log, report.capture, report.findings, [each.id], limit=limit)


def _quic_logs(pump: Pump, chosen: Sequence[QuicConnection]) -> dict[int, list[Any]]:
    """Return the logged datagrams of these connections, by the first frame of each."""
    logs: dict[int, list[Any]] = {each.first_frame: [] for each in chosen}
    for entry in (pump.quic.log_storage[i] for i in range(pump.quic.log_count)):
        if entry.first_frame in logs:
            logs[entry.first_frame].append(entry)
    return logs


def _passing(rows: RowConnections, report: Report, query: ConnectionQuery, where: Predicate) -> list[int]:
    """Return ids of the connections that match the query (all if it is empty) and pass the test; UsageError if none."""
    named = range(len(rows)) if query == ConnectionQuery() else selection.matches(report, rows.attempts, query)
    ids = ReportIds(np.asarray(named, dtype=np.intp))
    mask = passing(RowConnections(rows.case, ids), where, report.findings)
    if not mask.any():
        meant = " that are meant" if query != ConnectionQuery() else ""
        none = f"0 of {len(ids):,} connections{meant} match" if len(ids) > 1 else "no connection matches"
        raise UsageError(f"{none} the expression after -Y; hsi analyze -Y lists those that do")
    passed: list[int] = ids[mask].tolist()
    return passed


def _choose(report: Report, ids: Sequence[int], logs: ConnectionLogs) -> tuple[Connection, SegmentLog]:
    """Choose the first logged connection with trouble, else the first logged one."""
    chosen: tuple[Connection, SegmentLog] | None = None
    for number in ids[: selection.MAX_MATCHES]:
        connection = report.connections[number]
        log = logs.of(connection.first_frame)
        if log is None:
            continue
        if has_trouble(connection):
            return connection, log
        chosen = chosen or (connection, log)
    if chosen is not None:
        return chosen
    # The log was full, or evicted rows shifted the ids; a query by addresses always works.
    first = selection.name(report.connections[ids[0]])
    raise UsageError(f"connection {first} was not recorded in this pass; choose it by these addresses")
