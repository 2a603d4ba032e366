"""The findings of a report: what each is about, its evidence and its advice."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from handshake_inspect.report.connection_parts import FileFrame
from handshake_inspect.report.words import Count, FindingId, FrameNumber, Port, Severity, TimeNs
from handshake_inspect.wire.text import endpoint_text


class Target(Struct, frozen=True, gc=False):
    """What a finding is about: a service, or a host (port null); a port scan's target is the scanner.

    A flood on a whole network has its prefix as `ip`, such as 198.51.100.0/24.
    """

    ip: str
    port: Port | None = None

    def __str__(self) -> str:
        return endpoint_text(self.ip, self.port)


class Evidence(Struct, frozen=True, gc=False):
    """Where to look: frame numbers, and ids of connections; of many files also where each of the frames is."""

    frames: list[FrameNumber] = []
    connections: list[Count] = []
    in_files: list[FileFrame] = []


class Finding(Struct, frozen=True, gc=False):
    """A judgement about a service, a host or the capture, with its numbers and what to do about it."""

    id: FindingId
    severity: Severity
    title: str
    target: Target | None
    start_ns: TimeNs | None
    end_ns: TimeNs | None
    metrics: dict[str, Any]
    evidence: Evidence
    advice: str

    @property
    def variety(self) -> str | None:
        """The cause or kind of scan, which distinguishes findings with the same id and target; None if neither."""
        variety: str | None = self.metrics.get("cause") or self.metrics.get("kind")
        return variety
