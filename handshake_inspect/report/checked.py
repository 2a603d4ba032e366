"""Models for the result of `hsi check`: assertions with measured value, limit and offending connections."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from handshake_inspect.report.connection_parts import Endpoint
from handshake_inspect.report.model import Capture, Tool
from handshake_inspect.report.words import Count, FrameNumber, Outcome

Status = Literal["passed", "failed"]
Unit = Literal["connections", "findings", "ns", "problems", "exit-status"]


class Breach(Struct, frozen=True, gc=False):
    """A connection that broke an assertion: its id, the frames that prove it, and why it came to that.

    `value` is what was measured of it, in the unit of the assertion, where each connection has a value of its own.
    """

    id: Count
    client: Endpoint
    server: Endpoint
    outcome: Outcome
    frames: list[FrameNumber]
    why: str
    value: int | None = None

    @property
    def name(self) -> str:
        """`#7 192.0.2.1:40000 > 192.0.2.2:80 (frames 1, 2)`."""
        frames = "frame" if len(self.frames) == 1 else "frames"
        return f"#{self.id} {self.client} > {self.server} ({frames} {', '.join(map(str, self.frames))})"


class Assertion(Struct, frozen=True, gc=False):
    """One rule held against the capture.

    `measured` and `allowed` are for people; `value` and `limit` are the same as numbers, in `unit`, where there is one
    number.  `matched` is how many connections or findings the rule is about: 0 says that it matched nothing.
    `broken` counts what broke it, of which `breaches` lists the first.
    """

    rule: str
    status: Status
    measured: str
    allowed: str
    unit: Unit
    value: int | None
    limit: int | None
    matched: Count
    broken: Count = 0
    breaches: list[Breach] = []
    findings: list[str] = []


class CheckEnding(Struct, frozen=True, kw_only=True):
    """The last line of a check as NDJSON: all but its assertions, which have lines of their own."""

    schema: Literal["hsi-check/1"] = "hsi-check/1"
    tool: Tool
    capture: Capture
    passed: bool
    connections: Count
    undecided: Count
    ignored: Count
    notes: list[str]


class Checked(Struct, frozen=True, kw_only=True):
    """What `hsi check -T json` prints: passed when every assertion did.

    `undecided` connections are those that the capture does not show to the end; `ignored` those that a rule left out.
    `notes` say what no assertion does, such as a rule that matched nothing.
    """

    schema: Literal["hsi-check/1"] = "hsi-check/1"
    tool: Tool
    capture: Capture
    passed: bool
    connections: Count
    undecided: Count
    ignored: Count
    assertions: list[Assertion]
    notes: list[str]
