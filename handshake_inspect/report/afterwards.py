"""Models for what happened to connections after the handshake: endings, retransmissions, hosts in TIME_WAIT."""

from msgspec import Struct

from handshake_inspect.report.words import CloseHow, Count, DurationNs, ResetBy


class Ended(Struct, frozen=True, gc=False):
    """Connections that ended alike.

    `by` is who closed first (`fin`, `half-closed`) or who sent the RST (`rst`, `rst-after-fin`); null for the others.
    `example` is the id of one of them.
    """

    how: CloseHow
    by: ResetBy | None
    connections: Count
    example: Count


class Tally(Struct, frozen=True, gc=False):
    """Segments of a kind: how many, of how many connections, and the id of the one with most of them."""

    segments: Count
    connections: Count
    example: Count


class Holder(Struct, frozen=True, gc=False):
    """A host, and how many of its connections were in TIME_WAIT when the capture ended."""

    ip: str
    connections: Count


class Afterwards(Struct, frozen=True, gc=False):
    """The connections that were open at some time, `established` and `midstream`, after their handshakes.

    `segments` are all that both ends sent.  `endings` come most frequent first, and `time_wait` lists at most five
    hosts, those with most connections in it first.  A tally is null where there was nothing to count.  `zero_window_ns`
    is how long windows were zero, of all of them together.
    """

    connections: Count
    segments: Count
    endings: list[Ended]
    retransmissions: Tally | None = None
    zero_windows: Tally | None = None
    keep_alives: Tally | None = None
    out_of_order: Tally | None = None
    duplicates: Tally | None = None
    time_wait: list[Holder] = []
    zero_window_ns: DurationNs | None = None


TALLIES = ("retransmissions", "zero_windows", "keep_alives", "out_of_order", "duplicates")
