"""The models of a connection's story (`hsi explain`): frozen records with the keys of the JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from handshake_inspect.report.connection import Connection
from handshake_inspect.report.connection_parts import Leg, States
from handshake_inspect.report.model import Capture, Finding, Tool
from handshake_inspect.report.words import Byte, Count, DurationNs, FrameNumber, SequenceNumber, Side, TimeNs, Word

Offset = Annotated[int, Meta(description="Relative to the initial sequence number of its sender, which counts as 0.")]
Word16 = Annotated[int, Meta(ge=0, le=0xFFFF)]


class Mark(Struct, frozen=True, gc=False):
    """Something that a segment did, in words; `reference` is the RFC section that describes it."""

    id: Word
    text: str
    reference: str | None = None


class RttMark(Struct, frozen=True, gc=False):
    """The handshake RTT that is known from this segment on: one half (`synack`, `ackdat`), or their `total`."""

    leg: Literal["synack", "ackdat", "total"]
    since_frame: FrameNumber | None
    measured: Leg


class SegmentOptions(Struct, frozen=True, gc=False):
    """The TCP options of a segment; `ecn` are the ECE and CWR bits of a SYN or SYN-ACK that offer it.

    Where the capture lacks some of the options, null is what it does not show.
    """

    mss: Word16 | None = None
    window_scale: Byte | None = None
    sack_permitted: bool | None = False
    sack: list[Offset] | None = None
    tsval: SequenceNumber | None = None
    tsecr: SequenceNumber | None = None
    tfo: bool | None = False
    tfo_cookie: Byte | None = None
    mptcp: bool | None = False
    ecn: bool = False
    signed: bool | None = False


class Reporter(Struct, frozen=True, gc=False):
    """The ICMP error that quotes a segment, and the router or host that sent it."""

    ip: str
    icmp_type: Byte
    icmp_code: Byte
    cause: Word


class Elided(Struct, frozen=True, gc=False):
    """Segments that are not listed, and the payload in them."""

    segments: Count
    client_bytes: Count
    server_bytes: Count


class Step(Struct, frozen=True, kw_only=True):
    """One segment, or an ICMP error that quotes one (then `icmp` is set and the numbers are those of the quotation).

    `flags` are in tcpdump's letters.  `seq` and `ack` are relative where they are near the numbers known of their end,
    else null.  `window` is in bytes, scaled once both ends have agreed to.  `state` is what both ends are in after it.
    `elided_before` counts segments between the previous step and this one that are not listed.
    """

    frame: FrameNumber
    ts_ns: TimeNs
    since_first_ns: int
    since_previous_ns: int
    elided_before: Elided | None = None
    sender: Side
    icmp: Reporter | None = None
    flags: str
    raw_seq: SequenceNumber
    raw_ack: SequenceNumber | None
    seq: Offset | None
    ack: Offset | None
    length: Count
    window: Count
    ttl: Byte
    options: SegmentOptions
    state: States
    events: list[Mark] = []
    rtt: list[RttMark] = []
    anomalies: list[Mark] = []


class Proof(Struct, frozen=True, gc=False):
    """One piece of the evidence for the outcome: a frame, and what it shows."""

    frame: FrameNumber
    text: str


class Story(Struct, frozen=True, kw_only=True):
    """One connection, segment by segment, and the verdict.

    `matches` are the ids of all connections that were asked for, of which this is one; `segments` are all of its
    segments, listed or not.
    """

    schema: Literal["hsi-explain/1"] = "hsi-explain/1"
    tool: Tool
    capture: Capture
    matches: list[Count]
    connection: Connection
    segments: Count
    duration_ns: DurationNs
    steps: list[Step]
    evidence: list[Proof]
    findings: list[Finding]
