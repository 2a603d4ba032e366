"""Build the story of one connection from its segment log, of a whole capture or of a live one so far."""

from collections.abc import Sequence

from handshake_inspect.about import version
from handshake_inspect.report.connection import Connection
from handshake_inspect.report.hindsight import looked_back
from handshake_inspect.report.model import Capture, Finding, Tool
from handshake_inspect.report.narrate import evidence, steps
from handshake_inspect.report.segment_log import SegmentLog
from handshake_inspect.report.snapshot import Snapshot
from handshake_inspect.report.story import Story


def explain(
    connection: Connection, log: SegmentLog, capture: Capture, findings: Sequence[Finding], matches: Sequence[int] = ()
) -> Story:
    """Return the story of a connection with the findings that cite it.

    `matches` are the ids of all connections that matched the request; by default only this one.
    """
    listed = looked_back(steps(log, connection), connection, findings)
    return Story(
        tool=Tool("hsi", version()),
        capture=capture,
        matches=list(matches) or [connection.id],
        connection=connection,
        segments=log.total,
        duration_ns=max(connection.last_ns, listed[-1].ts_ns) - connection.first_ns,
        steps=listed,
        evidence=evidence(connection, listed),
        findings=[finding for finding in findings if connection.id in finding.evidence.connections],
    )


def explain_now(snapshot: Snapshot, connection: Connection) -> Story | None:
    """Return the story of a live connection so far; None if none of its segments is in the log any more."""
    log = snapshot.logs.get(connection.id)
    if log is None or not log.logged:
        return None
    capture = Capture(
        [snapshot.interface], None, [], snapshot.frames, snapshot.tcp_segments,
        snapshot.at_ns - snapshot.elapsed_ns, snapshot.at_ns, snapshot.dropped, True, [],
    )  # fmt: skip
    return explain(connection, log, capture, snapshot.findings)
