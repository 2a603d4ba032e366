"""Models for the result of `hsi diff`: the differences of two reports, by service."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from handshake_inspect.report.model import Capture, Distribution, Outcomes, Tool
from handshake_inspect.report.words import Count, FindingId, Severity

ServiceStatus = Literal["new", "vanished", "newly-failing", "worse", "recovered", "better", "same"]
RttStatus = Literal["slower", "faster", "noise", "too-few"]
LegName = Literal["synack", "ackdat", "total"]
SpanName = Literal["before_tls", "tls", "before_request", "response", "first_byte"]


class LegDifference(Struct, frozen=True, gc=False):
    """One handshake RTT then and now; `shift_ns` is that of the median.

    `p_value` is how likely chance alone would part the two so far (Mann-Whitney U test, two-sided); `noise` where that
    is not unlikely enough, `too-few` if there are too few values to judge.
    """

    leg: LegName
    status: RttStatus
    old: Distribution
    new: Distribution
    shift_ns: int | None
    p_value: float | None


class SpanDifference(Struct, frozen=True, gc=False):
    """One span of connection set-up then and now, with the fields of `LegDifference`."""

    span: SpanName
    status: RttStatus
    old: Distribution
    new: Distribution
    shift_ns: int | None
    p_value: float | None


class ServiceDifference(Struct, frozen=True, gc=False):
    """One service then and now; what it lacked on one side is null there.

    `newly-failing`: nothing failed then; `worse`: a greater share fails than chance explains.  `failed` counts refused,
    rejected, timed-out, half-open and aborted connections, `tried` also those that were established.
    """

    name: str
    status: ServiceStatus
    old: Outcomes | None
    new: Outcomes | None
    old_failed: Count
    old_tried: Count
    new_failed: Count
    new_tried: Count
    p_value: float | None
    rtt: list[LegDifference]
    regressions: list[str]
    setup: list[SpanDifference] = []


class FindingDifference(Struct, frozen=True, gc=False):
    """A finding that only one of the reports has."""

    id: FindingId
    severity: Severity
    target: str | None
    title: str


class Difference(Struct, frozen=True, kw_only=True):
    """What `hsi diff -T json` prints.

    `regressions` are those of all services and, first, of the whole; `regressed` when there are any.
    """

    schema: Literal["hsi-diff/1"] = "hsi-diff/1"
    tool: Tool
    old: Capture
    new: Capture
    regressed: bool
    regressions: list[str]
    old_outcomes: Outcomes
    new_outcomes: Outcomes
    services: list[ServiceDifference]
    new_findings: list[FindingDifference]
    gone_findings: list[FindingDifference]
