"""Who hears of a live run while it goes on, and what."""

from collections.abc import Sequence
from typing import Protocol

from handshake_inspect.report.event import Phase
from handshake_inspect.report.model import Connection, Finding, Report
from handshake_inspect.report.snapshot import Snapshot


class Observer(Protocol):
    """Who hears of a live run; one who wants neither of these hears only its end."""

    wants_connections: bool  # to be told each connection
    wants_picture: bool  # that snapshots hold services, trouble, and how that came about; set before the run begins

    def connections(self, connections: Sequence[Connection]) -> None:
        """Hear of connections that were decided, or of which something is new."""

    def finding(self, phase: Phase, finding: Finding) -> None:
        """Hear that a finding begins or ends to hold."""

    def snapshot(self, snapshot: Snapshot) -> None:
        """Hear how things are: about once a second."""

    def ending(self, report: Report) -> None:
        """Hear the last word."""


class Nobody:
    """An observer that wants nothing."""

    wants_connections = False
    wants_picture = False

    def connections(self, connections: Sequence[Connection]) -> None:
        """Forget it."""

    def finding(self, phase: Phase, finding: Finding) -> None:
        """Forget it."""

    def snapshot(self, snapshot: Snapshot) -> None:
        """Forget it."""

    def ending(self, report: Report) -> None:
        """Forget it."""
