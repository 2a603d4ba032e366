"""The enumerations and number types of the report models."""

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from handshake_inspect.verdicts.findings import KINDS

Outcome = Literal[
    "established", "refused", "rejected", "timed-out", "pending", "half-open", "aborted", "unsolicited", "midstream"
]
OUTCOMES: tuple[Outcome, ...] = (
    "established", "refused", "rejected", "timed-out", "pending", "half-open", "aborted", "unsolicited", "midstream",
)  # fmt: skip
TROUBLE_OUTCOMES: tuple[Outcome, ...] = ("refused", "rejected", "timed-out", "half-open", "aborted")
TcpState = Literal[
    "CLOSED", "LISTEN", "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING",
    "LAST_ACK", "TIME_WAIT",
]  # fmt: skip
Roles = Literal["observed", "inferred"]
RttMethod = Literal["exact", "tsecr", "ambiguous", "data-ack", "one-sided", "none"]
CloseHow = Literal["open", "fin", "rst", "rst-after-fin", "half-closed", "timeout"]
Side = Literal["client", "server"]
NameBasis = Literal["sni", "dns"]
Stage = Literal["post-syn", "post-ack", "post-psh", "later"]
ResetBy = Literal["client", "server", "middlebox"]
Severity = Literal["critical", "warning", "info"]
if TYPE_CHECKING:
    FindingId = str
else:
    FindingId = Literal[tuple(KINDS)]

TimeNs = Annotated[int, Meta(description="Nanoseconds since the epoch.")]
DurationNs = Annotated[int, Meta(ge=0, description="Nanoseconds.")]
Count = Annotated[int, Meta(ge=0)]
FrameNumber = Annotated[int, Meta(ge=1, description="Counts every packet record from 1, as Wireshark does.")]
Port = Annotated[int, Meta(ge=0, le=0xFFFF)]
Byte = Annotated[int, Meta(ge=0, le=0xFF)]
SequenceNumber = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
Word = Annotated[str, Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", description="A stable word, safe to compare with.")]
