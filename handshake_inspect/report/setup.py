"""The models of connection set-up and TLS: frozen records with the keys of the JSON."""

from __future__ import annotations

from msgspec import Struct, field

from handshake_inspect.report.ranks import Ranked
from handshake_inspect.report.words import Byte, Count, DurationNs, FrameNumber, Side, TimeNs
from handshake_inspect.verdicts.setup.words import (
    ClientCertificate,
    EarlyData,
    ExtraReason,
    Protocol,
    Question,
    SpanMethod,
    SpanReason,
    TlsKind,
    TlsOutcome,
    Upgrade,
)


class Span(Struct, frozen=True, gc=False):
    """A part of the set-up as the client saw it, wherever the capture was made.

    `start_ns` counts from the first SYN.  `value_ns` is null where the bounds differ too much to name one number.
    `exact`: from frames that were sent once; `lost`: something inside was sent again; `cut`: the snap length hides
    records, and the flights of segments stand in for them; `tickets-skipped`: records before the answer were taken for
    session tickets; `ambiguous`: the wire does not show more than the bounds; `none`: not measured, see `reason`.
    """

    start_ns: DurationNs | None = None
    value_ns: DurationNs | None = None
    min_ns: DurationNs | None = None
    max_ns: DurationNs | None = None
    round_trips: Count | None = None
    method: SpanMethod = "none"
    reason: SpanReason | None = None


class Spans(Struct, frozen=True, gc=False):
    """The parts of a set-up, one after the other, and `first_byte`, their sum; null where one does not apply.

    `tcp`: the first SYN to the final ACK.  `before_tls`: the client's own time until its ClientHello, or the plain
    prologue before it.  `tls`: until the client may send its request.  `before_request`: the client's own time until
    it sends it.  `response`: until the first byte of the answer.
    """

    lookup: Span | None = None
    before_connect: Span | None = None
    tcp: Span | None = None
    before_tls: Span | None = None
    tls: Span | None = None
    quic: Span | None = None
    before_request: Span | None = None
    response: Span | None = None
    first_byte: Span | None = None


class OwnTime(Struct, frozen=True, gc=False):
    """A duration, and its bounds: mostly time that one end took itself, without the network."""

    value_ns: DurationNs | None = None
    min_ns: DurationNs | None = None
    max_ns: DurationNs | None = None


class ServerTimes(Struct, frozen=True, gc=False):
    """The server's own time before its ServerHello, and before its answer."""

    hello: OwnTime | None = None
    response: OwnTime | None = None


class ClientTimes(Struct, frozen=True, gc=False):
    """The client's own time between the server's flight and its own Finished: the checking of certificates."""

    finished: OwnTime | None = None


class ExtraRoundTrip(Struct, frozen=True, gc=False):
    """A wait on top of the round trips that every such set-up needs, and the frame that ended it.

    `hello-retry`: the server asked for another ClientHello; `window`: the sender had to wait for acknowledgments in the
    middle of a flight; `loss`: something was sent twice, or a hole was filled; `nagle`: Nagle's algorithm held a small
    segment back, and `delayed_ack` says whether the other end delayed the acknowledgment that it waited for.
    """

    reason: ExtraReason
    cost_ns: DurationNs | None = None
    frame: FrameNumber | None = None
    delayed_ack: bool | None = None

    def __str__(self) -> str:
        """Return the reason, for table cells."""
        return self.reason


class Saveable(Struct, frozen=True, gc=False):
    """What would have been saved; all but `reuse_ns` are estimates from the round trip of the network.

    Null where it does not apply, 0 where nothing is to be gained.
    """

    reuse_ns: DurationNs | None = None
    tls13_ns: DurationNs | None = None
    resumption_ns: DurationNs | None = None
    early_data_ns: DurationNs | None = None
    quic_ns: DurationNs | None = None
    quic_early_data_ns: DurationNs | None = None


class Milestone(Struct, frozen=True, gc=False):
    """When something passed the capture point, and in which frame."""

    ns: TimeNs
    frame: FrameNumber | None = None


class Milestones(Struct, frozen=True, gc=False):
    """What passed the capture point on the way to the first byte; null what did not."""

    client_hello: Milestone | None = None
    hello_retry: Milestone | None = None
    client_hello_2: Milestone | None = None
    server_hello: Milestone | None = None
    server_finished: Milestone | None = None
    client_finished: Milestone | None = None
    early_data: Milestone | None = None
    greeting: Milestone | None = None
    request: Milestone | None = None
    response: Milestone | None = None


class Setup(Struct, frozen=True, gc=False):
    """What connecting cost, from the first SYN to the first byte of the answer.

    `round_trips` counts how often the client had to wait for the server, by the messages of the protocols; what came on
    top is in `extra_round_trips`.  `upgrade` is the protocol in plain text that came before TLS, and `waited_for` what
    else the client asked DNS of the server, if that answer came after the one it used and before it connected.
    """

    protocol: Protocol
    speaks_first: Side | None = None
    upgrade: Upgrade | None = None
    spans: Spans = Spans()
    with_lookup_ns: DurationNs | None = None
    waited_for: Question | None = None
    round_trips: Count | None = None
    server: ServerTimes = ServerTimes()
    client: ClientTimes = ClientTimes()
    extra_round_trips: list[ExtraRoundTrip] = []
    saveable: Saveable = Saveable()
    milestones: Milestones = Milestones()


class TlsAlert(Struct, frozen=True, gc=False):
    """The alert that ended TLS: `code` is its number, `description` its name (RFC 8446 section 6).

    Of an encrypted one is known who sent it, and no more.
    """

    from_: Side = field(name="from")
    level: str | None = None
    description: str | None = None
    code: Byte | None = None
    encrypted: bool = False
    frame: FrameNumber | None = None


# Fields are accessed by their JSON names, and `from` is a Python keyword.
setattr(TlsAlert, "from", TlsAlert.from_)


class Tls(Struct, frozen=True, gc=False):
    """What a TLS handshake agreed on, or why it did not, from what is in the clear.

    Of TLS 1.3 the certificates and the protocol chosen by ALPN are encrypted.  `server_name` is what the client asked
    for; with `ech_offered` it may be a public name that stands for another.
    """

    outcome: TlsOutcome
    version: str | None = None
    kind: TlsKind | None = None
    false_start: bool | None = None
    early_data: EarlyData | None = None
    hello_retry: bool | None = None
    client_certificate: ClientCertificate | None = None
    server_name: str | None = None
    ech_offered: bool | None = None
    alpn_offered: list[str] | None = None
    alpn: str | None = None
    cipher: str | None = None
    group: str | None = None
    versions_offered: list[str] | None = None
    alert: TlsAlert | None = None
    client_hello_bytes: Count | None = None
    server_flight_bytes: Count | None = None


class SpanDistribution(Ranked, frozen=True, gc=False):
    """Percentiles (nearest rank) of a span; all null when `count` is 0.  `uncertain`: spans without a value."""

    count: Count = 0
    uncertain: Count = 0
    min_ns: DurationNs | None = None
    p50_ns: DurationNs | None = None
    p90_ns: DurationNs | None = None
    p95_ns: DurationNs | None = None
    p99_ns: DurationNs | None = None
    max_ns: DurationNs | None = None


class SpanDistributions(Struct, frozen=True, gc=False):
    """The parts of set-ups over all connections where a value can be named."""

    lookup: SpanDistribution = SpanDistribution()
    before_connect: SpanDistribution = SpanDistribution()
    tcp: SpanDistribution = SpanDistribution()
    before_tls: SpanDistribution = SpanDistribution()
    tls: SpanDistribution = SpanDistribution()
    quic: SpanDistribution = SpanDistribution()
    before_request: SpanDistribution = SpanDistribution()
    response: SpanDistribution = SpanDistribution()
    first_byte: SpanDistribution = SpanDistribution()


class TlsCounts(Struct, frozen=True, gc=False):
    """How many connections agreed on which version, resumed a session, had early data accepted, or failed.

    `connections` are all whose client began TLS; `failed` are those with outcome `failed`, `no-answer` or `not-tls`.
    """

    connections: Count = 0
    versions: dict[str, Count] = {}
    resumed: Count = 0
    early_data: Count = 0
    failed: Count = 0


class Savings(Struct, frozen=True, gc=False):
    """What would have been saved in all: sums over the connections where it is known, null where it is of none."""

    reuse: DurationNs | None = None
    tls13: DurationNs | None = None
    resumption: DurationNs | None = None
    early_data: DurationNs | None = None
    quic: DurationNs | None = None
    quic_early_data: DurationNs | None = None


class SetupGroup(Struct, frozen=True, gc=False):
    """The set-ups of one protocol and version, as medians: of values, or of bounds where most have none.

    `waits` is the client's own time in `before_tls` and `before_request` together.
    """

    protocol: Protocol
    version: str | None
    connections: Count
    tcp: OwnTime | None = None
    tls: OwnTime | None = None
    quic: OwnTime | None = None
    waits: OwnTime | None = None
    response: OwnTime | None = None
    first_byte: OwnTime | None = None


class SetupSummary(Struct, frozen=True, gc=False):
    """The set-ups of many connections in a few numbers.  `extra_round_trips` counts waits by their reason."""

    connections: Count = 0
    tls: TlsCounts = TlsCounts()
    spans: SpanDistributions = SpanDistributions()
    extra_round_trips: dict[str, Count] = {}
    saveable_ns: Savings = Savings()
    groups: list[SetupGroup] = []
