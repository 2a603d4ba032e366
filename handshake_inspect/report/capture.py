"""The capture in a report: what was read, and what is wrong with it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from handshake_inspect.errors import Problem as Remark
from handshake_inspect.report.host import Host
from handshake_inspect.report.words import Count, TimeNs, Word


class Problem(Struct, frozen=True, gc=False):
    """Something wrong with the capture itself: where it is cut, damaged, or cannot be trusted.

    `frame` is the last whole frame before it or the frame it is about; `offset` the byte of the uncompressed stream.
    """

    kind: Word
    message: str
    frame: Count | None = None
    offset: Count | None = None

    @classmethod
    def of(cls, remark: Remark) -> Problem:
        """Convert a reader's problem to the report's model."""
        return cls(*remark)


class Position(Struct, frozen=True, gc=False):
    """Where the capture was made, seen from the connections: `share` of the `connections` that give a hint agree."""

    place: Literal["client", "server", "between"]
    share: float
    connections: Count


class Capture(Struct, frozen=True, gc=False):
    """What was read: where from, how much, from when to when.

    `complete` is false when a source was cut or damaged; `dropped_by_kernel` is null if unknown; `host` is null
    but for live captures on an interface of the capturing host.  `ended_ns` is when the
    capture is known to have ended, if that was after its last frame.  `filters` are the expressions by which its
    frames were chosen, each once, as far as the capture says so.
    """

    sources: list[str]
    format: str | None
    link_types: list[str]
    frames: Count
    tcp_segments: Count
    first_ns: TimeNs | None
    last_ns: TimeNs | None
    dropped_by_kernel: Count | None
    complete: bool
    problems: list[Problem]
    position: Position | None = None
    host: Host | None = None
    ended_ns: TimeNs | None = None
    filters: list[str] = []
