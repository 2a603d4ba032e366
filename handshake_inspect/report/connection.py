"""The model of a connection: a frozen record with the keys of the JSON, and the meaning of its fields.

Each attribute is annotated with an `Entry` (help text, column function, and unit unless the type implies one), or with
`Inside` if it is itself a model.  `report.fields` collects them.
"""

from functools import partial
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from handshake_inspect.report import frame_places
from handshake_inspect.report import handshake_columns as shake
from handshake_inspect.report.attempt_columns import AttemptColumns
from handshake_inspect.report.column import Column, Words, behind_none, every
from handshake_inspect.report.connection_parts import (
    Aliases,
    Close,
    Endpoint,
    FileFrame,
    Leg,
    Options,
    Server,
    States,
    Translation,
)
from handshake_inspect.report.entry import Entry, Inside, entries_of
from handshake_inspect.report.part_fields import ALIASES, CLOSE, OWNER, SERVER, STATES, endpoint, leg, of_both, options
from handshake_inspect.report.process import Process
from handshake_inspect.report.setup import Setup, Tls
from handshake_inspect.report.setup_fields import SETUP, TLS
from handshake_inspect.report.words import (
    Count,
    DurationNs,
    FrameNumber,
    Outcome,
    Roles,
    SequenceNumber,
    Stage,
    TimeNs,
    Word,
)
from handshake_inspect.tcp.facts import FACT_ACKED, FACT_SYN
from handshake_inspect.verdicts.attempts import Who
from handshake_inspect.verdicts.stage import STAGES
from handshake_inspect.verdicts.words import CAUSES, OUTCOMES
from handshake_inspect.wire.text import iso_time


def _raced(attempts: AttemptColumns) -> Column:
    return attempts.measured(attempts.case.quic.raced_quic[attempts.full])


CopyNumber = Annotated[int, Meta(ge=1)]


class Handshake(Struct, frozen=True, gc=False):
    """The segments that opened the connection: the SYN that was answered, the SYN-ACK that was, and the final ACK.

    Of a SYN or SYN-ACK that was sent more than once, time, frame and options are those of the copy that was answered,
    and `syn_copy` and `synack_copy` count which one that is, from 1.  They are null where nothing proves it; what is
    shown then is the first.
    """

    syn_ns: Annotated[
        TimeNs | None,
        Entry(
            "Time of the SYN that was answered.",
            lambda a: a.where(a.syns.ns, a.c["syn_count"] > 0, a.lone["first_ns"], lone_known=True),
        ),
    ] = None
    syn_frame: Annotated[
        FrameNumber | None, Entry("Frame of the SYN that was answered.", partial(shake.frame, "syn"))
    ] = None
    synack_ns: Annotated[
        TimeNs | None,
        Entry("Time of the SYN-ACK that was acknowledged.", lambda a: a.where(a.syn_acks.ns, a.c["synack_count"] > 0)),
    ] = None
    synack_frame: Annotated[
        FrameNumber | None, Entry("Frame of the SYN-ACK that was acknowledged.", partial(shake.frame, "synack"))
    ] = None
    ack_ns: Annotated[
        TimeNs | None, Entry("Time of the final ACK.", lambda a: a.where(a.c["ack_ns"], a.c["facts"] & FACT_ACKED != 0))
    ] = None
    ack_frame: Annotated[FrameNumber | None, Entry("Frame of the final ACK.", partial(shake.frame, "ack"))] = None
    syn_count: Annotated[
        Count, Entry("How often the SYN was sent.", lambda a: every(a.connection("syn_count")), "segments")
    ] = 0
    synack_count: Annotated[
        Count, Entry("How often the SYN-ACK was sent.", lambda a: every(a.connection("synack_count")), "segments")
    ] = 0
    client_isn: Annotated[
        SequenceNumber | None,
        Entry("Initial sequence number of the client, as on the wire.", partial(shake.isn, "client")),
    ] = None
    server_isn: Annotated[
        SequenceNumber | None,
        Entry("Initial sequence number of the server, as on the wire.", partial(shake.isn, "server")),
    ] = None
    client_options: Annotated[Options | None, Inside(options("client"))] = None
    server_options: Annotated[Options | None, Inside(options("server"))] = None
    syn_copy: Annotated[
        CopyNumber | None,
        Entry("Which copy of the SYN was answered, from 1; null where nothing proves it.", partial(shake.copy, "syn")),
    ] = None
    synack_copy: Annotated[
        CopyNumber | None,
        Entry(
            "Which copy of the SYN-ACK was acknowledged, from 1; null where nothing proves it.",
            partial(shake.copy, "synack"),
        ),
    ] = None


class Rtt(Struct, frozen=True, gc=False):
    """Handshake RTT as seen from the capture point.

    `synack` = SYN to SYN-ACK, to the server and back; `ackdat` = SYN-ACK to final ACK, to the client and back;
    `total` = their sum.  `reject_ns` is the delay of a RST or ICMP error that answered the SYN: never an RTT.
    """

    synack: Annotated[Leg, Inside(leg(0))]
    ackdat: Annotated[Leg, Inside(leg(1))]
    total: Annotated[Leg, Inside(leg(2))]
    reject_ns: Annotated[
        DurationNs | None,
        Entry(
            "Delay of the RST or ICMP error that answered the SYN: never an RTT.",
            lambda a: a.measured(a.case.legs.of(a.full).reject_ns),
        ),
    ] = None


class Direction(Struct, frozen=True, gc=False):
    """What one end sent; `bytes` are payload bytes.

    `duplicates` are further copies of the same packet in the capture, not retransmissions.
    """

    frames: Annotated[Count, Entry("Segments sent.", unit="segments")] = 0
    bytes: Annotated[Count, Entry("Payload sent, with repetitions.", unit="bytes")] = 0
    retransmissions: Annotated[Count, Entry("Segments that repeat sequence numbers already sent.", unit="segments")] = 0
    out_of_order: Annotated[Count, Entry("Segments that fill a hole: sent once, and overtaken.", unit="segments")] = 0
    duplicates: Annotated[
        Count, Entry("Further copies of a packet in the capture: no retransmissions.", unit="segments")
    ] = 0
    keep_alives: Annotated[
        Count, Entry("Probes with at most one byte before the next expected one.", unit="segments")
    ] = 0
    zero_windows: Annotated[
        Count, Entry("Segments with a zero window, which stop the other end from sending.", unit="segments")
    ] = 0
    zero_window_ns: Annotated[DurationNs, Entry("How long its window was zero.")] = 0


def _sent(who: Who, name: str, attempts: AttemptColumns) -> Column:
    return every(attempts.end(who, name))


def _direction(who: Who) -> dict[str, Entry]:
    """Return the entries of a `Direction`; the endpoint row has each field under the same name."""
    return {
        name: Entry(each.help, partial(_sent, who, name), each.unit) for name, each in entries_of(Direction).items()
    }


class Connection(Struct, frozen=True, gc=False):
    """One incarnation of a 4-tuple: one attempt to connect and what became of it.

    `decided` is false when the capture stopped too early to know.  `age_ns` is the time since the first SYN-ACK of
    a half-open connection.  `evidence` are the frames that prove the outcome.  `stage`: how far the client had come
    when a connection died that did not end in peace, in the words of Cloudflare Radar.
    `answered_from` is who answered the SYN in its own name, from another address or port than it was sent to; those
    answers are in no direction's counts.  `translated_to` are the ends with which the same connection was captured once
    more, behind NAT; those segments are in no direction's counts either.
    `setup` is null where no data was sent, and `tls` where no ClientHello was.
    In a trace of many files the first frame is number `frame_in_file` of `first_file`, and `evidence_in_files` says
    where each frame of `evidence` is; of one file they are null.
    """

    id: Annotated[
        Count,
        Entry("Number of the connection, in order of first frames, from 0.", lambda a: every(a.ids.astype(np.int64))),
    ]
    client: Annotated[Endpoint, Inside(endpoint("client"))]
    server: Annotated[Server, Inside(SERVER)]
    roles: Annotated[
        Roles,
        Entry(
            "Whether the SYN was seen that says which end is the client.",
            lambda a: a.word(a.c["facts"] & FACT_SYN == 0, 0, ("observed", "inferred")),
        ),
    ]
    first_ns: Annotated[TimeNs, Entry("Time of the first frame.", lambda a: every(a.connection("first_ns")))]
    last_ns: Annotated[TimeNs, Entry("Time of the last frame.", lambda a: every(a.connection("last_ns")))]
    first_frame: Annotated[FrameNumber, Entry("Number of the first frame.", lambda a: every(a.first_frame))]
    outcome: Annotated[
        Outcome, Entry("What became of the attempt to connect.", lambda a: Words(a.outcome.astype(np.intp), OUTCOMES))
    ]
    cause: Annotated[
        Word | None,
        Entry("A word that narrows the outcome.", lambda a: behind_none(a.of_all(a.case.outcomes.cause), CAUSES)),
    ]
    decided: Annotated[
        bool,
        Entry(
            "Whether the capture shows enough, for long enough, to decide.",
            lambda a: every(a.of_all(a.case.outcomes.decided)),
        ),
    ]
    why: Annotated[str, Entry("The outcome in one sentence.")]
    evidence: Annotated[list[FrameNumber], Entry("Numbers of the frames that prove the outcome.")]
    age_ns: Annotated[DurationNs | None, Entry("Time since the first SYN-ACK of a half-open connection.", shake.age)]
    state: Annotated[States, Inside(STATES)]
    handshake: Handshake
    rtt: Rtt
    close: Annotated[Close, Inside(CLOSE)]
    stage: Annotated[
        Stage | None,
        Entry(
            "How far the client had come when the connection died; null where it did not.",
            lambda a: behind_none(a.of_all(a.case.stages), STAGES),
        ),
    ]
    client_to_server: Annotated[Direction, Inside(_direction("client"))]
    server_to_client: Annotated[Direction, Inside(_direction("server"))]
    aliases: Annotated[Aliases, Inside(ALIASES)]
    answered_from: Annotated[Endpoint | None, Inside(endpoint(None))] = None
    setup: Annotated[Setup | None, Inside(SETUP)] = None
    tls: Annotated[Tls | None, Inside(TLS)] = None
    raced_by: Annotated[Count | None, Entry("Number of the QUIC connection that was tried beside it.", _raced)] = None
    process: Annotated[Process | None, Inside(of_both(OWNER))] = None
    first_file: Annotated[
        str | None, Entry("File of the first frame; null where the capture is one file.", frame_places.first_file)
    ] = None
    frame_in_file: Annotated[
        FrameNumber | None, Entry("Number of the first frame in that file.", frame_places.frame_in_file)
    ] = None
    translated_to: Annotated[Translation | None, Inside(of_both(endpoint(None)))] = None
    evidence_in_files: Annotated[
        list[FileFrame] | None, Entry("Those frames by file and number in it; null where the capture is one file.")
    ] = None

    # Derived fields, with the names in `report.derived`.

    @property
    def time(self) -> str:
        """Time of the first frame, in UTC with microseconds (ISO 8601)."""
        return iso_time(self.first_ns)

    @property
    def duration_ns(self) -> int:
        """Time from the first frame to the last, in ns."""
        return self.last_ns - self.first_ns

    @property
    def rtt_ms(self) -> float | None:
        """The total handshake RTT in milliseconds."""
        return None if self.rtt.total.value_ns is None else self.rtt.total.value_ns / 1e6

    @property
    def frames(self) -> int:
        """Number of segments that both ends sent."""
        return self.client_to_server.frames + self.server_to_client.frames

    @property
    def bytes(self) -> int:
        """Payload bytes that both ends sent."""
        return self.client_to_server.bytes + self.server_to_client.bytes

    @property
    def retransmissions(self) -> int:
        """Number of retransmissions by both ends."""
        return self.client_to_server.retransmissions + self.server_to_client.retransmissions

    @property
    def out_of_order(self) -> int:
        """Number of out-of-order segments of both ends."""
        return self.client_to_server.out_of_order + self.server_to_client.out_of_order

    @property
    def duplicates(self) -> int:
        """Number of duplicate copies of packets in the capture."""
        return self.client_to_server.duplicates + self.server_to_client.duplicates

    @property
    def keep_alives(self) -> int:
        """Number of keep-alive probes of both ends."""
        return self.client_to_server.keep_alives + self.server_to_client.keep_alives

    @property
    def zero_windows(self) -> int:
        """Number of zero-window segments of both ends."""
        return self.client_to_server.zero_windows + self.server_to_client.zero_windows

    @property
    def zero_window_ns(self) -> int:
        """How long the windows of both ends were zero, in ns."""
        return self.client_to_server.zero_window_ns + self.server_to_client.zero_window_ns
