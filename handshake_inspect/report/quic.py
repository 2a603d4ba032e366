"""The models of QUIC connections: frozen records with the keys of the JSON."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from handshake_inspect.report.connection_parts import Endpoint, FileFrame, Leg, Server
from handshake_inspect.report.setup import Setup, SetupSummary
from handshake_inspect.report.words import Count, DurationNs, FrameNumber, Side, TimeNs, Word
from handshake_inspect.verdicts.quic.words import QUIC_OUTCOMES, QuicEarlyData, QuicOutcome

Code = Annotated[int, Meta(ge=0)]


class QuicRtt(Struct, frozen=True, gc=False):
    """Round trips that the handshake shows.

    `initial`: the client's first Initial to the server's first answer, in which the server computes; after a Retry or a
    Version Negotiation, which cost it nothing, the network alone.  `client`: the server's first Initial to the client's
    next datagram, in which the client computes.
    """

    initial: Leg
    client: Leg


class QuicClose(Struct, frozen=True, gc=False):
    """A connection closed in an Initial, the only packets that can be opened: by whom, with which code and words.

    Codes from 256 to 511 are alerts of TLS (RFC 9001 section 4.8).
    """

    from_: Side = field(name="from")
    code: Code
    reason: str


# Fields are accessed by their JSON names, and `from` is a Python keyword.
setattr(QuicClose, "from", QuicClose.from_)


class QuicDirection(Struct, frozen=True, gc=False):
    """What one end sent: datagrams, and their bytes without UDP headers."""

    frames: Count = 0
    bytes: Count = 0


class QuicConnection(Struct, frozen=True, gc=False):
    """A QUIC connection, from the headers of its packets: nothing is decrypted but Initials, whose keys are public.

    `version` is the one in use last.  `token`: its first Initial had one.  `early_data`: `accepted` where the answer
    came too soon for anything else, `rejected` by a HelloRetryRequest, else the wire does not show what became of it.
    `names_read` says whether Initials could be opened, and `server_name` what the hello in them asks for.  `moved`
    counts the client's changes of address that keep a connection ID.  `spin_rtt`: the least time between two edges of
    the client's spin bit (RFC 9000 section 17.4), which is a round trip and the time that the ends waited; null where
    the bit does not move.
    """

    id: Count
    client: Endpoint
    server: Server
    first_ns: TimeNs
    last_ns: TimeNs
    first_frame: FrameNumber
    outcome: QuicOutcome
    cause: Word | None
    decided: bool
    why: str
    evidence: list[FrameNumber]
    version: str
    retry: bool = False
    token: bool = False
    version_negotiation: bool = False
    early_data: QuicEarlyData | None = None
    names_read: bool = False
    server_name: str | None = None
    alpn_offered: list[str] | None = None
    close: QuicClose | None = None
    moved: Count = 0
    rtt: QuicRtt = QuicRtt(Leg(), Leg())
    spin_rtt: DurationNs | None = None
    setup: Setup | None = None
    raced_by: Count | None = None
    client_to_server: QuicDirection = QuicDirection()
    server_to_client: QuicDirection = QuicDirection()
    first_file: str | None = None
    frame_in_file: FrameNumber | None = None
    evidence_in_files: list[FileFrame] | None = None

    def __str__(self) -> str:
        """Return endpoints and outcome as one line."""
        return f"{self.client} → {self.server} QUIC {self.outcome}"


class QuicOutcomes(Struct, frozen=True, gc=False, rename="kebab"):
    """How many QUIC connections came to each outcome."""

    established: Count = 0
    rejected: Count = 0
    timed_out: Count = 0
    pending: Count = 0
    failed: Count = 0

    @classmethod
    def of(cls, connections: list[QuicConnection]) -> QuicOutcomes:
        """Count the outcomes of these connections."""
        found = [each.outcome for each in connections]
        return cls(*(found.count(outcome) for outcome in QUIC_OUTCOMES))


class QuicService(Struct, frozen=True, gc=False):
    """One server address and UDP port, with what became of the attempts to reach it by QUIC."""

    server: Endpoint
    connections: Count
    outcomes: QuicOutcomes
    setup: SetupSummary | None = None
