"""Connections that have ended make room: they are counted, and their rows are used again.

A capture of a day must not grow.  As long as few connections have ended all are kept, and a report knows each of them;
beyond that the oldest remain as numbers: outcomes, services, and histograms of handshake RTTs.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from handshake_inspect.engine.histogram import Histogram
from handshake_inspect.engine.known import Meeting
from handshake_inspect.engine.retired_services import WITH_RTT, MergedServices, RetiredServices
from handshake_inspect.errors import Problem
from handshake_inspect.report.model import Outcomes, Report, RttDistributions
from handshake_inspect.report.model import Problem as ToldProblem
from handshake_inspect.verdicts.trace import Trace
from handshake_inspect.verdicts.words import OUTCOMES

Rows = NDArray[np.intp]


class Retired:
    """What is left of connections whose rows were given back."""

    def __init__(self) -> None:
        self.count = 0
        self.outcomes = np.zeros(len(OUTCOMES), dtype=np.int64)
        self.rtt = (Histogram(), Histogram(), Histogram())
        self.services = RetiredServices()

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
        if not len(rows):
            return
        self.count += len(rows)
        self.outcomes += np.bincount(meeting.case.outcomes.outcome[rows], minlength=len(OUTCOMES))
        legs = meeting.case.legs.of(rows[rows < len(meeting.case.trace.connections)])
        for histogram, values in zip(self.rtt, legs.values, strict=True):
            histogram.add(values)
        self.services.add(meeting, rows)

    def merged(self, report: Report) -> Report:
        """The report of what is in the table, and the totals of what was retired too."""
        if not self.count:
            return report
        summary = report.summary
        kept: Any = report.services
        rtt = (each.with_(values).distribution() for each, values in zip(self.rtt, kept.legs.values, strict=True))
        problem = ToldProblem.of(Problem("retired", self._told()))
        return msgspec.structs.replace(
            report,
            capture=msgspec.structs.replace(report.capture, problems=[*report.capture.problems, problem]),
            summary=msgspec.structs.replace(
                summary,
                connections=summary.connections + self.count,
                outcomes=_sum(summary.outcomes, dict(zip(OUTCOMES, self.outcomes.tolist(), strict=True))),
                rtt=RttDistributions(*rtt),
            ),
            services=MergedServices(kept, self.services),
        )

    def _told(self) -> str:
        """Say what is missing."""
        services = self.services
        message = (
            f"{self.count} connections that had ended made room: they are not in the list, but in all totals, with RTTs"
            " to about one percent"
        )
        if services.without_rtt:
            message += f"; RTTs of services after the first {WITH_RTT} are of listed connections alone"
        if services.forgotten:
            message += f"; {services.forgotten} services with few connections were forgotten"
        return message


def give_back(trace: Trace, rows: Rows, table: Any) -> None:
    """Let the table use these rows again."""
    tracked, alone = trace.split(rows)
    answers = [] if trace.elsewhere is None else trace.elsewhere.chosen(rows).numbers.tolist()
    for number in [*tracked.tolist(), *answers]:
        table.retire(number)
    for number in alone.tolist():
        table.retire_embryo(number)


def _sum(outcomes: Outcomes, more: dict[Any, int]) -> Outcomes:
    return Outcomes.of({name: count + more[name] for name, count in outcomes.as_dict().items()})
