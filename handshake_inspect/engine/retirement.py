"""Connections that have ended make room: they are counted, and their rows are used again.

A capture of a day must not grow.  As long as few connections have ended all are kept, and a report knows each of them;
beyond that the oldest remain as numbers: outcomes, services, and a histogram of handshake RTTs.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from handshake_inspect.engine.known import Meeting
from handshake_inspect.errors import Problem
from handshake_inspect.report.model import Distribution, Endpoint, Outcomes, Report, RttDistributions, Service
from handshake_inspect.report.model import Problem as ToldProblem
from handshake_inspect.verdicts.trace import Trace
from handshake_inspect.verdicts.words import OUTCOMES
from handshake_inspect.wire.address import address_text

SERVICES = 20_000  # of retired connections; beyond that the least busy ones are forgotten
STEPS = 64  # of the histogram, for every doubling of the time: about one percent
LEGS = ("synack", "ackdat", "total")

Rows = NDArray[np.intp]


class Histogram:
    """Times on a logarithmic scale: percentiles to about one percent; smallest and largest exactly."""

    def __init__(self) -> None:
        self.counts = np.zeros(64 * STEPS, dtype=np.int64)
        self.low: int | None = None
        self.high: int | None = None

    def add(self, values: NDArray[np.int64]) -> None:
        """Take values; those below 0 are none."""
        values = values[values >= 0]
        if not len(values):
            return
        self.counts += np.bincount(_place(values), minlength=len(self.counts))
        low, high = int(values.min()), int(values.max())
        self.low = low if self.low is None else min(low, self.low)
        self.high = high if self.high is None else max(high, self.high)

    def distribution(self) -> Distribution:
        """Percentiles by nearest rank."""
        total = int(self.counts.sum())
        if not total or self.low is None or self.high is None:
            return Distribution()
        upto = np.cumsum(self.counts)
        low, high = self.low, self.high

        def percentile(percent: int) -> int:
            place = int(np.searchsorted(upto, -(-total * percent // 100)))
            return min(max(round(2 ** ((place + 0.5) / STEPS)) - 1, low), high)

        p50, p90, p95, p99 = (percentile(each) for each in (50, 90, 95, 99))
        return Distribution(total, low, p50, p90, p95, p99, high)


def _place(values: NDArray[np.int64]) -> NDArray[np.intp]:
    return (np.log2(values.astype(np.float64) + 1) * STEPS).astype(np.intp)


class Retired:
    """What is left of connections whose rows were given back."""

    def __init__(self) -> None:
        self.count = 0
        self.outcomes = np.zeros(len(OUTCOMES), dtype=np.int64)
        self.rtt = {name: Histogram() for name in LEGS}
        self.services: dict[tuple[int, int, int], NDArray[np.int64]] = {}
        self.services_forgotten = False

    def choose(self, meeting: Meeting, keep: int) -> Rows:
        """The rows to retire: none while at most `keep` have ended, else all but the newest half of that."""
        done = np.flatnonzero(meeting.over | meeting.silent)
        if len(done) <= keep:
            return done[:0]
        excess = len(done) - keep // 2
        oldest = np.argpartition(meeting.last_ns[done], excess - 1)[:excess]
        return done[oldest]

    def take(self, meeting: Meeting, rows: Rows) -> None:
        """Count these rows, which are about to be given back."""
        self.count += len(rows)
        self.outcomes += np.bincount(meeting.case.outcomes.outcome[rows], minlength=len(OUTCOMES))
        legs = meeting.case.legs.of(rows[rows < len(meeting.case.trace.connections)])
        for name, histogram in self.rtt.items():
            histogram.add(getattr(legs, name).value)
        if len(rows):
            self._count_services(meeting, rows)

    def _count_services(self, meeting: Meeting, rows: Rows) -> None:
        trace = meeting.case.trace
        _, examples, places = np.unique(trace.server_key[rows], return_index=True, return_inverse=True)
        width = len(OUTCOMES)
        outcome = meeting.case.outcomes.outcome[rows]
        counts = np.bincount(places * width + outcome, minlength=len(examples) * width).reshape(-1, width)
        parts = (trace.server(part)[rows[examples]].tolist() for part in ("hi", "lo", "port"))
        for service, more in zip(zip(*parts, strict=True), counts, strict=True):
            self.services[service] = self.services.get(service, 0) + more
        if len(self.services) > SERVICES:
            busiest = sorted(self.services.items(), key=lambda each: -int(each[1].sum()))
            self.services = dict(busiest[: SERVICES // 2])
            self.services_forgotten = True

    def merged(self, report: Report) -> Report:
        """The report of what is in the table, and the totals of what was retired too."""
        if not self.count:
            return report
        summary = report.summary
        counts = dict(zip(OUTCOMES, self.outcomes.tolist(), strict=True))
        legs = report.services.legs  # type: ignore[attr-defined]
        for histogram, name in ((self.rtt[name], name) for name in LEGS):
            histogram.add(getattr(legs, name).value)
        message = (
            f"{self.count} connections that had ended made room: they are in the totals, of the summary and of the"
            " services, and not in the list; findings and the RTT of services are of those in the list"
        )
        problem = ToldProblem.of(Problem("retired", message))
        return msgspec.structs.replace(
            report,
            capture=msgspec.structs.replace(report.capture, problems=[*report.capture.problems, problem]),
            summary=msgspec.structs.replace(
                summary,
                connections=summary.connections + self.count,
                outcomes=_sum(summary.outcomes, counts),
                rtt=RttDistributions(*(self.rtt[name].distribution() for name in LEGS)),
            ),
            services=self._merged_services(report),
        )

    def _merged_services(self, report: Report) -> list[Service]:
        services = {(each.server.ip, each.server.port): each for each in report.services}
        for (hi, lo, port), more in self.services.items():
            counts = dict(zip(OUTCOMES, more.tolist(), strict=True))
            server = Endpoint(address_text(hi, lo), port)
            old = services.get((server.ip, port)) or Service(server, 0, Outcomes())
            services[server.ip, port] = msgspec.structs.replace(
                old, connections=old.connections + int(more.sum()), outcomes=_sum(old.outcomes, counts)
            )
        return sorted(services.values(), key=lambda each: -each.connections)


def give_back(trace: Trace, rows: Rows, table: Any) -> None:
    """Let the table use these rows again."""
    numbers, embryo_numbers = trace.split(rows)
    for number in numbers.tolist():
        table.retire(number)
    for number in embryo_numbers.tolist():
        table.retire_embryo(number)


def _sum(outcomes: Outcomes, more: dict[Any, int]) -> Outcomes:
    return Outcomes.of({name: count + more[name] for name, count in outcomes.as_dict().items()})
