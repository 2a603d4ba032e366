"""The story of one connection as far as it is kept, told while the capture goes on."""

import handshake_inspect
from handshake_inspect.report.connection import Connection
from handshake_inspect.report.model import Capture, Tool
from handshake_inspect.report.narrate import evidence, steps
from handshake_inspect.report.snapshot import Snapshot
from handshake_inspect.report.story import Story


def retell(snapshot: Snapshot, connection: Connection) -> Story | None:
    """The story of a connection of this snapshot; None when nothing of it is kept."""
    course = snapshot.courses.get(connection.id)
    if course is None or not course.moments:
        return None
    told = steps(course.moments, course.now, connection)
    return Story(
        tool=Tool("hsi", handshake_inspect.__version__),
        capture=Capture(
            [snapshot.interface], None, [], snapshot.frames, snapshot.tcp_segments,
            snapshot.at_ns - snapshot.elapsed_ns, snapshot.at_ns, snapshot.dropped, True, [],
        ),
        matches=[connection.id],
        connection=connection,
        segments=course.segments,
        duration_ns=max(connection.last_ns, told[-1].ts_ns) - connection.first_ns,
        steps=told,
        evidence=evidence(connection, told),
        findings=[finding for finding in snapshot.findings if connection.id in finding.evidence.connections],
    )  # fmt: skip
