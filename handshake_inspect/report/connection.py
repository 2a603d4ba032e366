"""One connection of a report, and its parts: frozen records with the keys of the JSON."""

from typing import Annotated

from msgspec import Meta, Struct

from handshake_inspect.report.process import Process
from handshake_inspect.report.setup import Setup, Tls
from handshake_inspect.report.words import (
    CloseHow,
    Count,
    DurationNs,
    FrameNumber,
    NameBasis,
    Outcome,
    Port,
    ResetBy,
    Roles,
    RttMethod,
    SequenceNumber,
    Side,
    Stage,
    TcpState,
    TimeNs,
    Word,
)
from handshake_inspect.wire.text import endpoint_text, iso_time


class FileFrame(Struct, frozen=True, gc=False):
    """A frame, by its number in one of the files of a trace."""

    file: str
    frame: FrameNumber

    def __str__(self) -> str:
        """The frame and its file, as a cell of a table."""
        return f"{self.file}:{self.frame}"


class Endpoint(Struct, frozen=True, gc=False):
    """One end of a connection, or a service: an IPv4 or IPv6 address and a TCP port."""

    ip: str
    port: Port

    def __str__(self) -> str:
        return endpoint_text(self.ip, self.port)


class Server(Endpoint, frozen=True, gc=False):
    """The end that was connected to, with its name if the capture shows one.

    `name_basis`: `sni`, the client asked for it in its TLS hello; `dns`, a lookup of this client gave the address.
    `names` are all of them where they differ, at most four.
    """

    name: str | None = None
    name_basis: NameBasis | None = None
    names: list[str] | None = None

    @property
    def service(self) -> Endpoint:
        """The address and the port alone."""
        return Endpoint(self.ip, self.port)


class States(Struct, frozen=True, gc=False):
    """The RFC 9293 state of each end when the capture ended, as a passive observer can know it."""

    client: TcpState
    server: TcpState


class Options(Struct, frozen=True, gc=False):
    """The TCP options of a SYN or SYN-ACK; null is what the capture does not show, for it lacks some of them."""

    mss: Annotated[int, Meta(ge=0, le=0xFFFF)] | None = None
    window_scale: Annotated[int, Meta(ge=0, le=0xFF, description="The shift count.")] | None = None
    sack_permitted: bool | None = False
    timestamps: bool | None = False
    tfo: bool | None = False
    mptcp: bool | None = False
    ecn: bool = False
    signed: bool | None = False


class Handshake(Struct, frozen=True, gc=False):
    """The segments that opened the connection: the SYN that was answered, the SYN-ACK that was, and the final ACK.

    Of a SYN or SYN-ACK that was sent more than once, time, frame and options are those of the copy that was answered,
    and `syn_copy` and `synack_copy` count which one that is, from 1.  They are null where nothing proves it; what is
    shown then is the first.
    """

    syn_ns: TimeNs | None = None
    syn_frame: FrameNumber | None = None
    synack_ns: TimeNs | None = None
    synack_frame: FrameNumber | None = None
    ack_ns: TimeNs | None = None
    ack_frame: FrameNumber | None = None
    syn_count: Count = 0
    synack_count: Count = 0
    client_isn: SequenceNumber | None = None
    server_isn: SequenceNumber | None = None
    client_options: Options | None = None
    server_options: Options | None = None
    syn_copy: Annotated[int, Meta(ge=1)] | None = None
    synack_copy: Annotated[int, Meta(ge=1)] | None = None


class Leg(Struct, frozen=True, gc=False):
    """One handshake RTT: the value where one can be named, the honest interval, and how it is known.

    `exact`: sent once; `tsecr`: the timestamp echo proves which copy was answered; `ambiguous`: nothing does;
    `data-ack`: data or a later ACK stood in for the missing final ACK, an upper bound; `one-sided`: only the total can
    be known;
    `none`: not measured, and `reason` says why.
    """

    value_ns: DurationNs | None = None
    min_ns: DurationNs | None = None
    max_ns: DurationNs | None = None
    method: RttMethod = "none"
    reason: Word | None = None


class Rtt(Struct, frozen=True, gc=False):
    """Handshake RTT as seen from the capture point.

    `synack` = SYN to SYN-ACK, to the server and back; `ackdat` = SYN-ACK to final ACK, to the client and back;
    `total` = their sum.  `reject_ns` is the delay of a RST or ICMP error that answered the SYN: never an RTT.
    """

    synack: Leg
    ackdat: Leg
    total: Leg
    reject_ns: DurationNs | None = None


class Close(Struct, frozen=True, gc=False):
    """How the connection ended, which end closed first (and so holds TIME_WAIT), and who reset it."""

    how: CloseHow
    first: Side | None = None
    reset_by: ResetBy | None = None


class Direction(Struct, frozen=True, gc=False):
    """What one end sent; `bytes` are payload bytes.

    `duplicates` are further copies of the same packet in the capture, not retransmissions.
    """

    frames: Count = 0
    bytes: Count = 0
    retransmissions: Count = 0
    out_of_order: Count = 0
    duplicates: Count = 0
    keep_alives: Count = 0
    zero_windows: Count = 0
    zero_window_ns: DurationNs = 0


class ZeekAlias(Struct, frozen=True, gc=False):
    """What Zeek's conn.log says of the same connection."""

    conn_state: str
    history: str


class TsharkAlias(Struct, frozen=True, gc=False):
    """Wireshark's `tcp.stream` and `tcp.completeness` (as `tshark -2` prints it)."""

    stream: Count
    completeness: Count


class Translation(Struct, frozen=True, gc=False):
    """The two ends of a connection behind what translates addresses."""

    client: Endpoint
    server: Endpoint


class Aliases(Struct, frozen=True, gc=False):
    """The same connection in the words of other tools."""

    zeek: ZeekAlias | None = None
    tshark: TsharkAlias | None = None
    community_id: str | None = None


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

    id: Count
    client: Endpoint
    server: Server
    roles: Roles
    first_ns: TimeNs
    last_ns: TimeNs
    first_frame: FrameNumber
    outcome: Outcome
    cause: Word | None
    decided: bool
    why: str
    evidence: list[FrameNumber]
    age_ns: DurationNs | None
    state: States
    handshake: Handshake
    rtt: Rtt
    close: Close
    stage: Stage | None
    client_to_server: Direction
    server_to_client: Direction
    aliases: Aliases
    answered_from: Endpoint | None = None
    setup: Setup | None = None
    tls: Tls | None = None
    raced_by: Count | None = None
    process: Process | None = None
    first_file: str | None = None
    frame_in_file: FrameNumber | None = None
    translated_to: Translation | None = None
    evidence_in_files: list[FileFrame] | None = None

    # What follows from the above, under the names of `report.derived`.

    @property
    def time(self) -> str:
        """When the first frame was captured, in UTC to the microsecond as ISO 8601."""
        return iso_time(self.first_ns)

    @property
    def duration_ns(self) -> int:
        """From the first frame to the last."""
        return self.last_ns - self.first_ns

    @property
    def rtt_ms(self) -> float | None:
        """The whole handshake RTT in milliseconds."""
        return None if self.rtt.total.value_ns is None else self.rtt.total.value_ns / 1e6

    @property
    def frames(self) -> int:
        """Segments that both ends sent."""
        return self.client_to_server.frames + self.server_to_client.frames

    @property
    def bytes(self) -> int:
        """Payload that both ends sent."""
        return self.client_to_server.bytes + self.server_to_client.bytes

    @property
    def retransmissions(self) -> int:
        """Segments that either end sent again."""
        return self.client_to_server.retransmissions + self.server_to_client.retransmissions

    @property
    def out_of_order(self) -> int:
        """Segments of either end that were overtaken."""
        return self.client_to_server.out_of_order + self.server_to_client.out_of_order

    @property
    def duplicates(self) -> int:
        """Further copies of packets in the capture."""
        return self.client_to_server.duplicates + self.server_to_client.duplicates

    @property
    def keep_alives(self) -> int:
        """Keep-alive probes of either end."""
        return self.client_to_server.keep_alives + self.server_to_client.keep_alives

    @property
    def zero_windows(self) -> int:
        """Segments of either end with a zero window."""
        return self.client_to_server.zero_windows + self.server_to_client.zero_windows

    @property
    def zero_window_ns(self) -> int:
        """How long the windows of both ends were zero."""
        return self.client_to_server.zero_window_ns + self.server_to_client.zero_window_ns
