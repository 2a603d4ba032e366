"""Comparison of two reports: services that are new, vanished, started to fail or became slower."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.column import Addresses, Numbers, Words
from handshake_inspect.report.columns import Columns
from handshake_inspect.report.difference import (
    Difference,
    FindingDifference,
    LegDifference,
    LegName,
    RttStatus,
    ServiceDifference,
    ServiceStatus,
    SpanDifference,
    SpanName,
)
from handshake_inspect.report.fields import find
from handshake_inspect.report.model import OUTCOMES, TROUBLE_OUTCOMES, Distribution, Finding, Outcomes, Report
from handshake_inspect.report.services import distribution
from handshake_inspect.wire.address import address_text
from handshake_inspect.wire.text import duration, endpoint_text, probability, share

GroupBy = Literal["service", "port", "host"]
MIN_SAMPLES = 8  # minimum size of each sample for the normal approximation
P_VALUE_LIMIT = 0.01  # differences with a larger p-value count as noise
LEGS: tuple[LegName, ...] = get_args(LegName)
SPANS: tuple[SpanName, ...] = get_args(SpanName)
CHECKED_SPANS: tuple[SpanName, ...] = ("tls", "response")  # other spans depend on the client or are sums of these


@dataclass(frozen=True)
class Tolerance:
    """Limits below which a change is not a regression."""

    rtt_increase_percent: Decimal = Decimal(20)
    rtt_shift_ns: int = 1_000_000
    failure_increase_percent: Decimal = Decimal(0)
    vanished: bool = True


@dataclass
class _ServiceSample:
    """One service in one report: outcome counts and measured times (ns)."""

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(OUTCOMES), dtype=np.int64))
    legs: dict[LegName, NDArray[np.int64]] = field(default_factory=dict)
    spans: dict[SpanName, NDArray[np.int64]] = field(default_factory=dict)

    @property
    def outcomes(self) -> Outcomes:
        return Outcomes(*self.counts.tolist())

    @property
    def failed(self) -> int:
        return int(sum(self.counts[OUTCOMES.index(word)] for word in TROUBLE_OUTCOMES))

    @property
    def attempted(self) -> int:
        return self.failed + int(self.counts[OUTCOMES.index("established")])


def compare(old: Report, new: Report, by: GroupBy = "service", tolerance: Tolerance | None = None) -> Difference:
    """Return the differences of the new report from the old one, by service."""
    tolerance = tolerance or Tolerance()
    then, now = _services_of(old, by), _services_of(new, by)
    names = [*then, *(name for name in now if name not in then)]
    services = [_service(name, then.get(name), now.get(name), tolerance) for name in names]
    regressions = [f"{each.name}: {text}" for each in services for text in each.regressions]
    before, after = _findings(old), _findings(new)
    return Difference(
        tool=new.tool,
        old=old.capture,
        new=new.capture,
        regressed=bool(regressions),
        regressions=regressions,
        old_outcomes=old.summary.outcomes,
        new_outcomes=new.summary.outcomes,
        services=services,
        new_findings=[each for key, each in after.items() if key not in before],
        gone_findings=[each for key, each in before.items() if key not in after],
    )


def _findings(report: Report) -> dict[Any, FindingDifference]:
    return {(each.id, each.target, each.variety): _finding(each) for each in report.findings}


def _finding(each: Finding) -> FindingDifference:
    return FindingDifference(each.id, each.severity, str(each.target) if each.target else None, each.title)


def _services_of(report: Report, by: GroupBy) -> dict[str, _ServiceSample]:
    """Return the services of a report by name, busiest first."""
    measured = {f"rtt.{leg}" for leg in LEGS} | {_span(span) for span in SPANS}
    columns = Columns(report.connections, [find(name) for name in ("outcome", *sorted(measured))])
    names, of = _group_by_server(columns, by)
    outcome = columns.of(find("outcome"))
    assert isinstance(outcome, Words)  # noqa: S101
    place = np.array([OUTCOMES.index(word) for word in outcome.vocabulary] or [0])
    sides = [_ServiceSample() for _ in names]
    for side, rows in zip(sides, _groups(of, len(names)), strict=True):
        side.counts = np.bincount(place[outcome.codes[rows]], minlength=len(OUTCOMES))
        side.legs = {leg: _values(columns, f"rtt.{leg}", rows) for leg in LEGS}
        side.spans = {span: _values(columns, _span(span), rows) for span in SPANS}
    order = sorted(range(len(names)), key=lambda i: (-int(sides[i].counts.sum()), names[i]))
    return {names[i]: sides[i] for i in order}


def _span(span: SpanName) -> str:
    return f"setup.spans.{span}.value_ns"


def _values(columns: Columns, name: str, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    column = columns.of(find(name))
    assert isinstance(column, Numbers)  # noqa: S101
    return column.values[rows][column.known[rows]]


def _group_by_server(columns: Columns, by: GroupBy) -> tuple[list[str], NDArray[np.intp]]:
    """Return the names of the services, and for each connection the index of its service."""
    address, port = columns.of(find("server.ip")), columns.of(find("server.port"))
    assert isinstance(address, Addresses)  # noqa: S101
    assert isinstance(port, Numbers)  # noqa: S101
    keys = np.zeros(len(port.values), dtype=[("hi", np.uint64), ("lo", np.uint64), ("port", np.int64)])
    if by != "port":
        keys["hi"], keys["lo"] = address.hi, address.lo
    if by != "host":
        keys["port"] = port.values
    different, of = np.unique(keys, return_inverse=True)
    return [_name(key, by) for key in different.tolist()], of


def _name(key: tuple[int, int, int], by: GroupBy) -> str:
    hi, lo, port = key
    if by == "port":
        return f"*:{port}"
    return endpoint_text(address_text(hi, lo), None if by == "host" else port)


def _groups(of: NDArray[np.intp], count: int) -> Iterator[NDArray[np.intp]]:
    order = np.argsort(of, kind="stable")
    ends = [0, *np.cumsum(np.bincount(of, minlength=count)).tolist()]
    return (order[ends[i] : ends[i + 1]] for i in range(count))


def _service(
    name: str, old: _ServiceSample | None, new: _ServiceSample | None, tolerance: Tolerance
) -> ServiceDifference:
    then, now = old or _ServiceSample(), new or _ServiceSample()
    p_value = proportions(now.failed, now.attempted, then.failed, then.attempted)
    status = _status(old, new, p_value)
    legs = [_leg(leg, old.legs[leg], new.legs[leg]) for leg in LEGS] if old and new else []
    spans = [_span_difference(span, old.spans[span], new.spans[span]) for span in SPANS] if old and new else []
    of_spans = [each for each in spans if each.span in CHECKED_SPANS and _is_slower(each, tolerance)]
    regressions = [
        *_failure_regressions(status, then, now, tolerance),
        *_leg_regressions([leg for leg in legs if _is_slower(leg, tolerance)]),
        *(f"median {_median_change(each.span, each)} ({probability(each.p_value)})" for each in of_spans),
    ]
    return ServiceDifference(
        name, status, old.outcomes if old else None, new.outcomes if new else None, then.failed, then.attempted,
        now.failed, now.attempted, p_value, legs, regressions, spans,
    )  # fmt: skip


def _status(old: _ServiceSample | None, new: _ServiceSample | None, p_value: float | None) -> ServiceStatus:
    if old is None or new is None:
        return "new" if old is None else "vanished"
    if new.failed and not old.failed:
        return "newly-failing"
    if old.failed and new.attempted and not new.failed:
        return "recovered"
    if p_value is not None and p_value < P_VALUE_LIMIT:
        return "worse" if new.failed * old.attempted > old.failed * new.attempted else "better"
    return "same"


def _failure_regressions(
    status: ServiceStatus, then: _ServiceSample, now: _ServiceSample, tolerance: Tolerance
) -> Iterator[str]:
    if status == "vanished" and not tolerance.vanished:
        yield "vanished"
    if status in ("newly-failing", "worse"):
        before = Decimal(100 * then.failed) / then.attempted if then.attempted else Decimal(0)
        after = Decimal(100 * now.failed) / now.attempted
        if after - before > tolerance.failure_increase_percent:
            percent = share(now.failed, now.attempted)
            yield f"{now.failed:,} of {now.attempted:,} fail ({percent}), before {then.failed:,} of {then.attempted:,}"


def _is_slower(leg: LegDifference | SpanDifference, tolerance: Tolerance) -> bool:
    before, after = leg.old.p50_ns, leg.new.p50_ns
    if leg.status != "slower" or before is None or after is None:
        return False
    shift = after - before
    return shift > tolerance.rtt_shift_ns and 100 * shift > tolerance.rtt_increase_percent * before


def _leg_regressions(slower: Sequence[LegDifference]) -> Iterator[str]:
    """Yield one regression per cause: the total RTT with the halves that explain it, else each half."""
    total = [leg for leg in slower if leg.leg == "total"]
    halves = [leg for leg in slower if leg.leg != "total"]
    by = "; ".join(_median_change(leg.leg, leg) for leg in halves) if total else ""
    for leg in total or halves:
        text = f"median {_median_change(f'{leg.leg} RTT', leg)} ({probability(leg.p_value)})"
        yield f"{text}: {by}" if by else text


def _median_change(name: str, leg: LegDifference | SpanDifference) -> str:
    return f"{name} {_median(leg.new)}, before {_median(leg.old)}"


def _median(values: Distribution) -> str:
    return duration(values.p50_ns or 0)


def _leg(leg: LegName, then: NDArray[np.int64], now: NDArray[np.int64]) -> LegDifference:
    return LegDifference(leg, *_compare_samples(then, now))


def _span_difference(span: SpanName, then: NDArray[np.int64], now: NDArray[np.int64]) -> SpanDifference:
    return SpanDifference(span, *_compare_samples(then, now))


def _compare_samples(
    then: NDArray[np.int64], now: NDArray[np.int64]
) -> tuple[RttStatus, Distribution, Distribution, int | None, float | None]:
    """Compare two samples: return status, both distributions, shift of the median (ns) and p-value."""
    old, new = distribution(then), distribution(now)
    p_value = mann_whitney(then, now)
    shift = new.p50_ns - old.p50_ns if new.p50_ns is not None and old.p50_ns is not None else None
    status: RttStatus = "noise"
    if p_value is None or shift is None:
        status = "too-few"
    elif p_value < P_VALUE_LIMIT and shift:
        status = "slower" if shift > 0 else "faster"
    return status, old, new, shift, p_value


# -- significance tests of two samples ---------------------------------------------------------------------------------


def mann_whitney(one: NDArray[Any], other: NDArray[Any]) -> float | None:
    """Return the two-sided p-value of the Mann-Whitney U test (normal approximation with ties); None if too few."""
    n, m = len(one), len(other)
    if n < MIN_SAMPLES or m < MIN_SAMPLES:
        return None
    _, place, counts = np.unique(np.concatenate([one, other]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    u = float(ranks[:n].sum()) - n * (n + 1) / 2
    size = n + m
    ties = float((counts.astype(float) ** 3 - counts).sum()) / (size * (size - 1))
    deviation = math.sqrt(n * m / 12 * (size + 1 - ties))
    if not deviation:
        return 1.0
    distance = max(abs(u - n * m / 2) - 0.5, 0.0)  # continuity correction
    return _two_sided(distance / deviation)


def proportions(failed: int, tried: int, failed_then: int, tried_then: int) -> float | None:
    """Return the two-sided p-value of the pooled two-proportion z-test; None if a sample is empty."""
    if not tried or not tried_then:
        return None
    pooled = (failed + failed_then) / (tried + tried_then)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / tried + 1 / tried_then))
    if not deviation:
        return 1.0
    return _two_sided(abs(failed / tried - failed_then / tried_then) / deviation)


def _two_sided(distance: float) -> float:
    return round(math.erfc(distance / math.sqrt(2)), 6)
