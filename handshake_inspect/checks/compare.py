"""Two reports side by side: which services came, went, began to fail, or became slower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks.statistics import mann_whitney, proportions
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

By = Literal["service", "port", "host"]
CHANCE = 0.01  # a p-value above this is noise
LEGS: tuple[LegName, ...] = get_args(LegName)
SPANS: tuple[SpanName, ...] = get_args(SpanName)
HELD: tuple[SpanName, ...] = ("tls", "response")  # the others are the client's own, or sums of these


@dataclass(frozen=True)
class Tolerance:
    """What is no regression yet."""

    rtt_increase_percent: Decimal = Decimal(20)
    rtt_shift_ns: int = 1_000_000
    failure_increase_percent: Decimal = Decimal(0)
    vanished: bool = True


@dataclass
class _Side:
    """One service in one report."""

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
    def tried(self) -> int:
        return self.failed + int(self.counts[OUTCOMES.index("established")])


def compare(old: Report, new: Report, by: By = "service", tolerance: Tolerance | None = None) -> Difference:
    """What the new report has otherwise than the old one."""
    tolerance = tolerance or Tolerance()
    then, now = _sides(old, by), _sides(new, by)
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


def _sides(report: Report, by: By) -> dict[str, _Side]:
    """The services of a report by name, busiest first."""
    measured = {f"rtt.{leg}" for leg in LEGS} | {_span(span) for span in SPANS}
    columns = Columns(report.connections, [find(name) for name in ("outcome", *sorted(measured))])
    names, of = _named(columns, by)
    outcome = columns.of(find("outcome"))
    assert isinstance(outcome, Words)  # noqa: S101
    place = np.array([OUTCOMES.index(word) for word in outcome.vocabulary] or [0])
    sides = [_Side() for _ in names]
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


def _named(columns: Columns, by: By) -> tuple[list[str], NDArray[np.intp]]:
    """The names of the services, and the place of every connection's among them."""
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


def _name(key: tuple[int, int, int], by: By) -> str:
    hi, lo, port = key
    if by == "port":
        return f"*:{port}"
    return endpoint_text(address_text(hi, lo), None if by == "host" else port)


def _groups(of: NDArray[np.intp], count: int) -> Iterator[NDArray[np.intp]]:
    order = np.argsort(of, kind="stable")
    ends = [0, *np.cumsum(np.bincount(of, minlength=count)).tolist()]
    return (order[ends[i] : ends[i + 1]] for i in range(count))


def _service(name: str, old: _Side | None, new: _Side | None, tolerance: Tolerance) -> ServiceDifference:
    then, now = old or _Side(), new or _Side()
    p_value = proportions(now.failed, now.tried, then.failed, then.tried)
    status = _status(old, new, p_value)
    legs = [_leg(leg, old.legs[leg], new.legs[leg]) for leg in LEGS] if old and new else []
    spans = [_span_difference(span, old.spans[span], new.spans[span]) for span in SPANS] if old and new else []
    of_spans = [each for each in spans if each.span in HELD and _is_slower(each, tolerance)]
    regressions = [
        *_failing(status, then, now, tolerance),
        *_slower_legs([leg for leg in legs if _is_slower(leg, tolerance)]),
        *(f"median {_moved(each.span, each)} ({probability(each.p_value)})" for each in of_spans),
    ]
    return ServiceDifference(
        name, status, old.outcomes if old else None, new.outcomes if new else None, then.failed, then.tried, now.failed,
        now.tried, p_value, legs, regressions, spans,
    )  # fmt: skip


def _status(old: _Side | None, new: _Side | None, p_value: float | None) -> ServiceStatus:
    if old is None or new is None:
        return "new" if old is None else "vanished"
    if new.failed and not old.failed:
        return "newly-failing"
    if old.failed and new.tried and not new.failed:
        return "recovered"
    if p_value is not None and p_value < CHANCE:
        return "worse" if new.failed * old.tried > old.failed * new.tried else "better"
    return "same"


def _failing(status: ServiceStatus, then: _Side, now: _Side, tolerance: Tolerance) -> Iterator[str]:
    if status == "vanished" and not tolerance.vanished:
        yield "vanished"
    if status in ("newly-failing", "worse"):
        before = Decimal(100 * then.failed) / then.tried if then.tried else Decimal(0)
        after = Decimal(100 * now.failed) / now.tried
        if after - before > tolerance.failure_increase_percent:
            percent = share(now.failed, now.tried)
            yield f"{now.failed:,} of {now.tried:,} fail ({percent}), before {then.failed:,} of {then.tried:,}"


def _is_slower(leg: LegDifference | SpanDifference, tolerance: Tolerance) -> bool:
    before, after = leg.old.p50_ns, leg.new.p50_ns
    if leg.status != "slower" or before is None or after is None:
        return False
    shift = after - before
    return shift > tolerance.rtt_shift_ns and 100 * shift > tolerance.rtt_increase_percent * before


def _slower_legs(slower: Sequence[LegDifference]) -> Iterator[str]:
    """One regression of what has one cause: the whole round trip, and by which of its halves."""
    total = [leg for leg in slower if leg.leg == "total"]
    halves = [leg for leg in slower if leg.leg != "total"]
    by = "; ".join(_moved(leg.leg, leg) for leg in halves) if total else ""
    for leg in total or halves:
        said = f"median {_moved(f'{leg.leg} RTT', leg)} ({probability(leg.p_value)})"
        yield f"{said}: {by}" if by else said


def _moved(name: str, leg: LegDifference | SpanDifference) -> str:
    return f"{name} {_median(leg.new)}, before {_median(leg.old)}"


def _median(values: Distribution) -> str:
    return duration(values.p50_ns or 0)


def _leg(leg: LegName, then: NDArray[np.int64], now: NDArray[np.int64]) -> LegDifference:
    return LegDifference(leg, *_judged(then, now))


def _span_difference(span: SpanName, then: NDArray[np.int64], now: NDArray[np.int64]) -> SpanDifference:
    return SpanDifference(span, *_judged(then, now))


def _judged(
    then: NDArray[np.int64], now: NDArray[np.int64]
) -> tuple[RttStatus, Distribution, Distribution, int | None, float | None]:
    """Whether two samples differ by more than chance, their percentiles, and how far the median moved."""
    old, new = distribution(then), distribution(now)
    p_value = mann_whitney(then, now)
    shift = new.p50_ns - old.p50_ns if new.p50_ns is not None and old.p50_ns is not None else None
    status: RttStatus = "noise"
    if p_value is None or shift is None:
        status = "too-few"
    elif p_value < CHANCE and shift:
        status = "slower" if shift > 0 else "faster"
    return status, old, new, shift, p_value
