"""The summary of a report: outcomes and RTTs of all connections."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from handshake_inspect.report.afterwards import Afterwards
from handshake_inspect.report.ranks import Ranked
from handshake_inspect.report.setup import SetupSummary
from handshake_inspect.report.words import OUTCOMES, Count, DurationNs, Outcome


class Outcomes(Struct, frozen=True, gc=False, rename="kebab"):
    """How many connections came to each outcome."""

    established: Count = 0
    refused: Count = 0
    rejected: Count = 0
    timed_out: Count = 0
    pending: Count = 0
    half_open: Count = 0
    aborted: Count = 0
    unsolicited: Count = 0
    midstream: Count = 0

    @classmethod
    def of(cls, counts: Mapping[Outcome, int]) -> Outcomes:
        """Create from a mapping of outcomes to counts."""
        return cls(*(counts.get(outcome, 0) for outcome in OUTCOMES))

    def as_dict(self) -> dict[Outcome, int]:
        """Return all nine outcomes with their counts, in the order of the JSON."""
        return {outcome: getattr(self, outcome.replace("-", "_")) for outcome in OUTCOMES}


class Distribution(Ranked, frozen=True, gc=False):
    """Percentiles (nearest rank) of the measured values; all null when `count` is 0."""

    count: Count = 0
    min_ns: DurationNs | None = None
    p50_ns: DurationNs | None = None
    p90_ns: DurationNs | None = None
    p95_ns: DurationNs | None = None
    p99_ns: DurationNs | None = None
    max_ns: DurationNs | None = None


class RttDistributions(Struct, frozen=True, gc=False):
    """The three handshake RTTs over all connections where a value can be named."""

    synack: Distribution = Distribution()
    ackdat: Distribution = Distribution()
    total: Distribution = Distribution()


class Summary(Struct, frozen=True, gc=False):
    """All connections in a few numbers; `evicted` are those left out to keep memory bounded.

    `setup` is null where nothing was set up over the connections, `afterwards` where none was ever open.
    """

    connections: Count
    outcomes: Outcomes
    rtt: RttDistributions = RttDistributions()
    evicted: Count = 0
    setup: SetupSummary | None = None
    afterwards: Afterwards | None = None
