"""Models of the parts of a connection: frozen records with the keys of the JSON.

`report.part_fields` defines the meaning of their fields and their columns.
"""

from typing import Annotated

from msgspec import Meta, Struct

from handshake_inspect.report.words import (
    CloseHow,
    Count,
    DurationNs,
    FrameNumber,
    NameBasis,
    Port,
    ResetBy,
    RttMethod,
    Side,
    TcpState,
    Word,
)
from handshake_inspect.wire.text import endpoint_text


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
        """The address and port without names."""
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


class Close(Struct, frozen=True, gc=False):
    """How the connection ended, which end closed first (and so holds TIME_WAIT), and who reset it."""

    how: CloseHow
    first: Side | None = None
    reset_by: ResetBy | None = None


class ZeekAlias(Struct, frozen=True, gc=False):
    """What Zeek's conn.log says of the same connection."""

    conn_state: str
    history: str


class TsharkAlias(Struct, frozen=True, gc=False):
    """Wireshark's `tcp.stream` and `tcp.completeness` (as `tshark -2` prints it)."""

    stream: Count
    completeness: Count


class Aliases(Struct, frozen=True, gc=False):
    """The same connection in the words of other tools."""

    zeek: ZeekAlias | None = None
    tshark: TsharkAlias | None = None
    community_id: str | None = None


class Translation(Struct, frozen=True, gc=False):
    """The two ends of a connection behind what translates addresses."""

    client: Endpoint
    server: Endpoint
