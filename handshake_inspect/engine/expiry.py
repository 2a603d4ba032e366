"""Expiry for long live captures: rows of ended connections are freed for reuse, and aggregates of them are kept.

Memory must stay bounded in a capture that runs for days.  While few connections have ended, the report lists each of
them.  Beyond that the oldest are reduced to counts by outcome and service, and histograms of handshake RTTs.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from handshake_inspect.engine.attempt_ids import TableView
from handshake_inspect.engine.export import connections_of
from handshake_inspect.engine.trouble import PastTrouble
from handshake_inspect.errors import Problem
from handshake_inspect.report.afterwards import Afterwards
from handshake_inspect.report.afterwards_counts import added, of_rows
from handshake_inspect.report.model import Distribution, Endpoint, Outcomes, Report, RttDistributions, Service, Target
from handshake_inspect.report.model import Problem as ReportProblem
from handshake_inspect.report.process import listener_of
from handshake_inspect.report.services import RowServices
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.findings.expired_failures import ExpiredAttempts
from handshake_inspect.verdicts.findings.rollups import absorb
from handshake_inspect.verdicts.legs import Legs
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows
from handshake_inspect.verdicts.percentiles import place
from handshake_inspect.verdicts.words import OUTCOMES
from handshake_inspect.wire.address import address_text, halves_within

STEPS = 64  # histogram buckets per doubling of the time: a resolution of about one percent
SERVICES = 20_000  # beyond this many, the least busy services are dropped
WITH_RTT = 1_000  # services with RTT histograms


_Key = tuple[int, int, int]


class Expired:
    """Aggregates of the attempts whose rows were freed."""

    def __init__(self) -> None:
        self.total = np.zeros(len(OUTCOMES), dtype=np.int64)  # all, by outcome
        self.outcomes = np.zeros(len(OUTCOMES), dtype=np.int64)  # those that pass the report's filter, by outcome
        self.rtt = (Histogram(), Histogram(), Histogram())
        self.services = ExpiredServices()
        self.afterwards: Afterwards | None = None
        self.trouble = PastTrouble()  # of those that pass the report's filter
        self.past: ExpiredAttempts | None = None  # counts of all of them that findings need

    def choose(self, view: TableView, keep: int) -> AttemptRows:
        """Return the attempts to expire: none while at most `keep` have ended, else all but the newest `keep // 2`."""
        done = view.case.attempts.where(view.ended | view.silent)
        if len(done) <= keep:
            return done[:0]
        excess = len(done) - keep // 2
        oldest = np.argpartition(view.last_ns[done], excess - 1)[:excess]
        return done[oldest]

    def take(self, view: TableView, rows: AttemptRows, reported: AttemptRows) -> None:
        """Count these attempts before their rows are freed; `reported` are those that pass the report's filter."""
        self.total += _by_outcome(view, rows)
        if len(reported):
            self._count(view, reported)
        self.past = self.past or ExpiredAttempts()
        absorb(self.past, view.case, rows)

    @property
    def count(self) -> int:
        """Number of expired attempts that pass the report's filter."""
        return int(self.outcomes.sum())

    def _count(self, view: TableView, rows: AttemptRows) -> None:
        self.outcomes += _by_outcome(view, rows)
        legs = view.case.legs.of(view.case.attempts.tracked(rows))
        for histogram, values in zip(self.rtt, legs.values, strict=True):
            histogram.add(values)
        self.services.add(view, rows)
        self.trouble.add(view, rows[connections_of(view).trouble_kinds[rows] != 0])
        self.afterwards = added(self.afterwards, of_rows(view.case, view.ids, rows, waiting=False))

    def merged(self, report: Report) -> Report:
        """Return the report of the table with the expired attempts added to its totals."""
        if not self.count:
            return report
        summary = report.summary
        kept: Any = report.services
        rtt = (each.with_(values).distribution() for each, values in zip(self.rtt, kept.legs.values, strict=True))
        problem = ReportProblem.of(Problem("retired", self._missing()))
        return msgspec.structs.replace(
            report,
            capture=msgspec.structs.replace(report.capture, problems=[*report.capture.problems, problem]),
            summary=msgspec.structs.replace(
                summary,
                connections=summary.connections + self.count,
                outcomes=_sum(summary.outcomes, dict(zip(OUTCOMES, self.outcomes.tolist(), strict=True))),
                rtt=RttDistributions(*rtt),
                afterwards=added(summary.afterwards, self.afterwards),
            ),
            services=self.with_services(kept),
        )

    def with_services(self, kept: RowServices) -> Sequence[Service]:
        """Return the services of the table merged with those of expired attempts."""
        return MergedServices(kept, self.services) if self.count else kept

    def _missing(self) -> str:
        """Return the message that names what the report lacks."""
        services = self.services
        message = (
            f"{self.count:,} closed connections were dropped from the list to save memory; all totals include them,"
            " with RTTs to about one percent"
        )
        if services.without_rtt:
            message += f"; RTTs of services after the first {WITH_RTT} are those of listed connections only"
        if services.forgotten:
            message += f"; {services.forgotten} services with few connections were forgotten"
        return message


def _by_outcome(view: TableView, rows: AttemptRows) -> NDArray[np.int64]:
    return np.bincount(view.case.outcomes.outcome[rows], minlength=len(OUTCOMES))


def free(trace: Attempts, rows: AttemptRows, table: Any) -> None:
    """Free the rows of these attempts."""
    tracked, alone = trace.in_table(rows)
    theirs = (part.select(rows).numbers.tolist() for part in (trace.elsewhere, trace.translated) if part is not None)
    for number in [*tracked.tolist(), *chain.from_iterable(theirs)]:
        table.retire(number)
    for number in alone.tolist():
        table.retire_embryo(number)


def _sum(outcomes: Outcomes, more: dict[Any, int]) -> Outcomes:
    return Outcomes.of({name: count + more[name] for name, count in outcomes.as_dict().items()})


class _Service:
    """Aggregates of the expired attempts of one service."""

    def __init__(self) -> None:
        self.counts = np.zeros(len(OUTCOMES), dtype=np.int64)
        self.first_frame = 1 << 62
        self.rtt: tuple[Histogram, Histogram, Histogram] | None = None


class ExpiredServices:
    """Outcomes of expired attempts by service, and RTT histograms of the first `WITH_RTT` services that have RTTs."""

    def __init__(self) -> None:
        self.of: dict[_Key, _Service] = {}
        self.forgotten = 0  # services
        self.without_rtt = False  # whether RTTs of further services were dropped
        self._with_rtt = 0

    def add(self, view: TableView, rows: AttemptRows) -> None:
        """Add these attempts."""
        trace, case = view.case.attempts, view.case
        order = rows[np.argsort(trace.server_key[rows], kind="stable")]
        keys = trace.server_key[order]
        starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
        parts = (trace.server(part)[order[starts]].tolist() for part in ("hi", "lo", "port"))
        first = np.minimum.reduceat(trace.first_frames(order), starts).tolist()
        outcome = case.outcomes.outcome[order]
        for key, frame, mine, words in zip(
            zip(*parts, strict=True),
            first,
            map(AttemptRows, np.split(order, starts[1:])),
            np.split(outcome, starts[1:]),
            strict=True,
        ):
            past = self.of.setdefault(key, _Service())
            past.counts += np.bincount(words, minlength=len(OUTCOMES))
            past.first_frame = min(past.first_frame, frame)
            self._measure(past, case.legs, trace.tracked(mine))
        if len(self.of) > SERVICES:
            self._forget()

    def has(self, target: Target) -> bool:
        """Return True if the target of a finding covers one of these services."""
        hi, low, high = halves_within(target.ip)
        if target.port is not None:
            return (hi, low, target.port) in self.of
        return any(key[0] == hi and low <= key[1] <= high for key in self.of)

    def _measure(self, past: _Service, legs: Legs, rows: ConnectionRows) -> None:
        values = legs.of(rows).values if len(rows) else ()
        if not any((each >= 0).any() for each in values):
            return
        if past.rtt is None:
            if self._with_rtt == WITH_RTT:
                self.without_rtt = True
                return
            self._with_rtt += 1
            past.rtt = (Histogram(), Histogram(), Histogram())
        for histogram, each in zip(past.rtt, values, strict=True):
            histogram.add(each)

    def _forget(self) -> None:
        busiest = sorted(self.of.items(), key=lambda each: -int(each[1].counts.sum()))
        self.forgotten += len(busiest) - SERVICES // 2
        self.of = dict(busiest[: SERVICES // 2])
        self._with_rtt = sum(past.rtt is not None for past in self.of.values())


class MergedServices(Sequence[Service]):
    """The services of a report merged with the expired ones, busiest first; built on access."""

    def __init__(self, kept: RowServices, expired: ExpiredServices) -> None:
        self.kept = kept
        self.expired = expired
        keys = _keys(kept.attempts, kept.example)
        self._at = {key: i for i, key in enumerate(keys)}
        numbers = dict(zip(keys, kept.counts.sum(axis=1).tolist(), strict=True))
        first = dict(zip(keys, kept.attempts.first_frames(kept.example).tolist(), strict=True))
        for key, past in expired.of.items():
            numbers[key] = numbers.get(key, 0) + int(past.counts.sum())
            first[key] = min(first.get(key, past.first_frame), past.first_frame)
        self._order = sorted(numbers, key=lambda key: (-numbers[key], first[key]))

    def __len__(self) -> int:
        """Return the number of services."""
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> Service: ...
    @overload
    def __getitem__(self, index: slice) -> list[Service]: ...
    def __getitem__(self, index: int | slice) -> Service | list[Service]:
        """Return one service, or a list of them for a slice."""
        if isinstance(index, slice):
            return [self._made(key) for key in self._order[index]]
        return self._made(self._order[index])

    def _made(self, key: _Key) -> Service:
        at, past = self._at.get(key), self.expired.of.get(key)
        if past is None and at is not None:
            return self.kept.of(at)
        past = past or _Service()
        counts = past.counts if at is None else past.counts + self.kept.counts[at]
        empty = np.zeros(0, dtype=np.int64)
        values = (empty,) * 3 if at is None else self.kept.legs_of(at).values
        histograms = past.rtt or (Histogram(),) * 3
        rtt = (each.with_(more).distribution() for each, more in zip(histograms, values, strict=True))
        return Service(
            Endpoint(address_text(key[0], key[1]), key[2]),
            int(counts.sum()),
            Outcomes.of(dict(zip(OUTCOMES, counts.tolist(), strict=True))),
            RttDistributions(*rtt),
            listener=listener_of(self.kept.case, key),
        )


def _keys(trace: Attempts, rows: AttemptRows) -> list[_Key]:
    parts = (trace.server(part)[rows].tolist() for part in ("hi", "lo", "port"))
    return list(zip(*parts, strict=True))


class Histogram:
    """A logarithmic histogram of times: percentiles to about one percent, minimum and maximum exact."""

    def __init__(self) -> None:
        self.places = np.zeros(0, dtype=np.int64)  # indexes of the buckets in use, sorted
        self.counts = np.zeros(0, dtype=np.int64)
        self.low: int | None = None
        self.high: int | None = None

    def add(self, values: NDArray[np.int64]) -> None:
        """Add values in nanoseconds; negative ones mean "not measured" and are ignored."""
        values = values[values >= 0]
        if not len(values):
            return
        places, counts = np.unique(_place(values), return_counts=True)
        self.places, at = np.unique(np.concatenate([self.places, places]), return_inverse=True)
        self.counts = np.bincount(at, weights=np.concatenate([self.counts, counts])).astype(np.int64)
        low, high = int(values.min()), int(values.max())
        self.low = low if self.low is None else min(low, self.low)
        self.high = high if self.high is None else max(high, self.high)

    def with_(self, values: NDArray[np.int64]) -> "Histogram":
        """Return a copy with these values added."""
        copy = Histogram()
        copy.places, copy.counts, copy.low, copy.high = self.places, self.counts, self.low, self.high
        copy.add(values)
        return copy

    def distribution(self) -> Distribution:
        """Return percentiles by nearest rank."""
        if self.low is None or self.high is None:
            return Distribution()
        total = int(self.counts.sum())
        upto = np.cumsum(self.counts)
        low, high = self.low, self.high

        def percentile(percent: int) -> int:
            at = int(self.places[np.searchsorted(upto, place(total, percent), side="right")])
            return min(max(round(2 ** ((at + 0.5) / STEPS)) - 1, low), high)

        p50, p90, p95, p99 = (percentile(each) for each in (50, 90, 95, 99))
        return Distribution(total, low, p50, p90, p95, p99, high)


def _place(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return (np.log2(values.astype(np.float64) + 1) * STEPS).astype(np.int64)
