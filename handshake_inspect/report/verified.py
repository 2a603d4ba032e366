"""Models for the result of `hsi verify`: hsi's and Wireshark's view of each connection, and why they differ."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from handshake_inspect.report.connection_parts import Endpoint
from handshake_inspect.report.model import Capture, Tool
from handshake_inspect.report.words import Count, DurationNs, FrameNumber, Word

Aspect = Literal["segments", "stream", "completeness", "initial-rtt", "retransmissions", "resets"]
Agreement = Literal["agrees", "hsi-knows-more", "unexplained"]


class View(Struct, frozen=True, gc=False):
    """What one of both says of a connection; `stream` is Wireshark's `tcp.stream`, `initial_rtt_ns` its initial RTT.

    hsi's `initial_rtt_ns` is `rtt.total.value_ns`.  Of several streams of one connection it is the first, and
    completeness, retransmissions and resets are those of all.
    """

    stream: Count | None
    segments: Count
    completeness: Count | None
    initial_rtt_ns: DurationNs | None
    retransmissions: Count
    resets: Count


class Disagreement(Struct, frozen=True, gc=False):
    """One aspect in which the views differ: its class, and the reason as a word and as a sentence."""

    aspect: Aspect
    agreement: Agreement
    reason: Word
    text: str


class VerifiedConnection(Struct, frozen=True, gc=False):
    """A connection in both views; `agreement` is the worst of its aspects."""

    id: Count
    client: Endpoint
    server: Endpoint
    first_frame: FrameNumber
    agreement: Agreement
    hsi: View
    wireshark: View | None
    disagreements: list[Disagreement]


class VerifiedAspect(Struct, frozen=True, gc=False):
    """How many connections agree in an aspect, and how many do not."""

    aspect: Aspect
    agrees: Count
    hsi_knows_more: Count
    unexplained: Count


class Verified(Struct, frozen=True, kw_only=True):
    """What `hsi verify -T json` prints.

    `whole` are disagreements about segments and streams that belong to no connection of hsi.
    """

    schema: Literal["hsi-verify/1"] = "hsi-verify/1"
    tool: Tool
    dissector: Tool
    capture: Capture
    passed: bool
    aspects: list[VerifiedAspect]
    whole: list[Disagreement]
    connections: list[VerifiedConnection]
