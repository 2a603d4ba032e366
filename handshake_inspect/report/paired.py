"""Models for the result of `hsi pair`: two captures of the same traffic, joined by connection and by segment."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from handshake_inspect.report.connection_parts import Endpoint
from handshake_inspect.report.model import Capture, Tool
from handshake_inspect.report.words import Count, FrameNumber, TimeNs, Word

Basis = Literal["4-tuple", "isn", "timestamps", "numbers", "course"]
Way = Literal["a-to-b", "b-to-a"]
Fate = Literal["arrived", "lost", "not-captured", "undecided", "born"]
SynFate = Literal["arrived", "lost-a-to-b", "lost-beyond", "answer-lost", "undecided"]
Ns = Annotated[int, Meta(description="Nanoseconds, which may be negative.")]


class Interval(Struct, frozen=True, gc=False):
    """Bounds of a value that depends on both clocks: it lies between `min` and `max`."""

    min: Ns
    max: Ns


class Clock(Struct, frozen=True, gc=False):
    """The clock of B minus that of A: `offset` is that in the middle of the traffic of both captures.

    The bounds follow from packets in both directions, none of which arrives before it was sent.  `drift` is in parts
    per billion, and null if the bounds are not narrower than the assumed maximum of 500 ppm.  `consistent` is false if
    no clocks that drift apart by at most that much explain all times: one of them was set.
    """

    offset: Interval | None
    drift: Interval | None
    consistent: bool


class Delays(Struct, frozen=True, gc=False):
    """One-way delays as intervals: minimum, median and maximum of `count` packets."""

    count: Count
    least: Interval
    median: Interval
    greatest: Interval


class Passage(Struct, frozen=True, gc=False):
    """Counts of the segments of one direction by their fate between the captures.

    `sent` are those in the capture nearer to the sender: `arrived` are in the other one as well, whole or in pieces;
    `lost` are not, although it was running; `not_captured` are not because it missed them; for `undecided` ones nothing
    shows whether they arrived, for instance if it had not begun or had ended.  Of the segments that only the capture
    nearer to the receiver has, `born` were made by a middlebox, and `missed` were missed by the capture nearer to the
    sender.  `lost_bytes` is the payload of lost segments, `born_resets` counts the RSTs among `born`; `lost_frames` and
    `born_frames` list the frame numbers of the first 100.
    """

    way: Way
    sender: Literal["client", "server"]
    sent: Count = 0
    arrived: Count = 0
    lost: Count = 0
    lost_bytes: Count = 0
    not_captured: Count = 0
    undecided: Count = 0
    born: Count = 0
    born_resets: Count = 0
    lost_frames: list[FrameNumber] = []
    born_frames: list[FrameNumber] = []
    delays: Delays | None = None
    missed: Count = 0


class Change(Struct, frozen=True, gc=False):
    """A change by a middlebox: `what` was changed, and its values at A and B."""

    what: Word
    a: str
    b: str


class PairedConnection(Struct, frozen=True, gc=False):
    """A connection in both captures: its ids, the basis of the match, the fate of its segments, and changes."""

    a: Count
    b: Count
    basis: Basis
    client: Endpoint
    server: Endpoint
    outcome: str
    syn: SynFate
    client_to_server: Passage
    server_to_client: Passage
    changes: list[Change]


class Alone(Struct, frozen=True, gc=False):
    """A connection that only one capture has; `lost` if the other one was running and has traffic of this server."""

    capture: Literal["a", "b"]
    id: Count
    client: Endpoint
    server: Endpoint
    first_frame: FrameNumber
    outcome: str
    fate: Literal["lost", "not-seen", "undecided"]


class PairSummary(Struct, frozen=True, gc=False):
    """Totals: connections in both captures and in one, segments by fate, and connections by kind of change."""

    joined: Count
    alone_a: Count
    alone_b: Count
    a_to_b: Passage
    b_to_a: Passage
    changes: dict[str, Count]


class PairedSegment(Struct, frozen=True, gc=False):
    """A segment with its frame and time in each capture, for two ladders side by side.

    Times are by each capture's own clock (ns since the epoch).  `seq` is relative to the initial sequence number.
    """

    way: Way
    sender: Literal["client", "server"]
    fate: Fate
    a_frame: FrameNumber | None
    a_ns: TimeNs | None
    b_frame: FrameNumber | None
    b_ns: TimeNs | None
    flags: str
    seq: int
    length: Count
    delay: Interval | None


class Paired(Struct, frozen=True, kw_only=True):
    """The output of `hsi pair -T json`.

    `explained` is the id in A of the connection given with `--explain`, `segments` are its segments; null without it.
    """

    schema: Literal["hsi-pair/1"] = "hsi-pair/1"
    tool: Tool
    a: Capture
    b: Capture
    nearer_to_clients: Literal["a", "b"]
    clock: Clock
    summary: PairSummary
    connections: list[PairedConnection]
    alone: list[Alone]
    explained: Count | None = None
    segments: list[PairedSegment] | None = None
