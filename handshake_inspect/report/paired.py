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
    """The truth lies between `min` and `max`, as far as the two clocks can be compared."""

    min: Ns
    max: Ns


class Clock(Struct, frozen=True, gc=False):
    """The clock of B less that of A: `offset` in the middle of the traffic that both captures hold.

    Bounds follow from packets in both directions, none of which arrives before it was sent.  `drift` is in parts per
    billion, and null where the time is too short to say more than is assumed: 500 ppm.  `consistent` is false where no
    clocks that drift apart by at most so much explain the times: one of them was set.
    """

    offset: Interval | None
    drift: Interval | None
    consistent: bool


class Delays(Struct, frozen=True, gc=False):
    """One-way delays, each an interval: the least, the median and the greatest of `count` packets."""

    count: Count
    least: Interval
    median: Interval
    greatest: Interval


class Passage(Struct, frozen=True, gc=False):
    """What became of the segments of one direction between the captures.

    `sent` are those of the capture nearer to the sender, `arrived` those of them that the other one has, whole or in
    pieces; `lost` went by the one and never came to the other; `not_captured` neither, but the receiver acknowledged
    them; of `undecided` ones the other capture cannot know (it had not begun, or had ended).  `born` are segments that
    only the capture nearer to the receiver has, since a box between made them, and `missed` those that the other one
    did not capture, though they were sent there.  `lost_frames` and `born_frames` are the first numbers, at most 100.
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
    """What a box between changed: `what`, as it is at A, and at B."""

    what: Word
    a: str
    b: str


class PairedConnection(Struct, frozen=True, gc=False):
    """A connection in both captures: its ids there, how it was recognised, and what became of it on the way."""

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
    """A connection that only one capture has; `lost` where the other was running and had traffic of this server."""

    capture: Literal["a", "b"]
    id: Count
    client: Endpoint
    server: Endpoint
    first_frame: FrameNumber
    outcome: str
    fate: Literal["lost", "not-seen", "undecided"]


class PairSummary(Struct, frozen=True, gc=False):
    """All of it in a few numbers: connections in both and in one, and the passages in sum."""

    joined: Count
    alone_a: Count
    alone_b: Count
    a_to_b: Passage
    b_to_a: Passage
    changes: dict[str, Count]


class PairedSegment(Struct, frozen=True, gc=False):
    """A segment between the captures, for two ladders side by side: where and when each of them has it.

    Times are of each capture's own clock.  `seq` counts from the initial sequence number.
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
    """What `hsi pair -T json` prints.

    `explained` is the id in A of a connection that was asked for, and `segments` are its segments; null for none.
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
