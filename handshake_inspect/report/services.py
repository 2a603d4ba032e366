"""Services (server address and port) with their outcomes and RTTs, busiest first."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.model import Distribution, Endpoint, Outcomes, RttDistributions, Service
from handshake_inspect.report.process import listener_of
from handshake_inspect.report.server_names import waits_of
from handshake_inspect.report.setup import SetupSummary
from handshake_inspect.report.setup_summary import of_values
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.columns import BATCH, batches
from handshake_inspect.verdicts.grouping import Groups, in_order
from handshake_inspect.verdicts.legs import Legs
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows
from handshake_inspect.verdicts.percentiles import places, ranked
from handshake_inspect.verdicts.setup.setups import setups_of
from handshake_inspect.verdicts.words import OUTCOMES
from handshake_inspect.wire.address import address_text

_BATCH = 2_000  # services built at a time
_NOTHING = Distribution()


class RowServices(Sequence[Service]):
    """The lazy sequence of services of a case; there may be as many as connections."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._shown: dict[int, Service] = {}  # those asked for by place, or as the slowest
        trace = case.attempts
        self.attempts, self.legs = trace, case.legs
        count = len(trace.services)
        self.counts = counts_of(trace.service, case.outcomes.outcome, count)
        self.example = AttemptRows(np.zeros(count, dtype=np.intp))
        for some in reversed(list(batches(len(trace)))):
            first = trace.order[some][::-1]
            self.example[trace.service[first]] = first
        self.busiest = np.lexsort((trace.ids[self.example], -self.counts.sum(axis=1)))

    def __len__(self) -> int:
        """Return the number of services."""
        return len(self.counts)

    @overload
    def __getitem__(self, index: int) -> Service: ...
    @overload
    def __getitem__(self, index: slice) -> list[Service]: ...
    def __getitem__(self, index: int | slice) -> Service | list[Service]:
        """Return the service at an index, or a list for a slice."""
        if isinstance(index, slice):
            return self._kept(self.busiest[index])
        return self.of(int(self.busiest[index]))

    def __iter__(self) -> Iterator[Service]:
        """Build all services in order, in batches."""
        for start in range(0, len(self), _BATCH):
            yield from self.build(self.busiest[start : start + _BATCH])

    def of(self, service: int) -> Service:
        """Build the service with this number."""
        return self.build(np.array([service], dtype=np.intp))[0]

    def _kept(self, services: NDArray[np.intp]) -> list[Service]:
        """Return the services with these numbers; cached, since several tables of a report show the same ones."""
        numbers = services.tolist()
        new = [number for number in numbers if number not in self._shown]
        if new:
            self._shown.update(zip(new, self.build(np.array(new, dtype=np.intp)), strict=True))
        return [self._shown[number] for number in numbers]

    def build(self, services: NDArray[np.intp]) -> list[Service]:
        """Build the services with these numbers, column by column."""
        counts = self.counts[services]
        examples = self.example[services]
        ends = tuple(self.attempts.address("server", part, examples).tolist() for part in ("hi", "lo", "port"))
        groups = self.attempts.on_services(services)
        return list(
            map(
                Service,
                map(Endpoint, map(address_text, *ends[:2]), ends[2]),
                counts.sum(axis=1).tolist(),
                map(Outcomes, *counts.T.tolist()),
                map(RttDistributions, *(distributions(groups, values) for values in self.legs.of(groups.rows).values)),
                self._setups(groups),
                (listener_of(self.case, end) for end in zip(*ends, strict=True)),
            )
        )

    def _setups(self, groups: Groups[ConnectionRows]) -> list[SetupSummary | None]:
        """Return the set-up summary of each group; None for most."""
        found = setups_of(self.attempts)
        summaries: list[SetupSummary | None] = [None] * len(groups)
        if not len(found.rows):
            return summaries
        waits, present = waits_of(self.case), found.present[groups.rows]
        every = bool(present.all())
        counts = groups.sizes if every else np.bincount(groups.number[present], minlength=len(groups))
        for g in np.flatnonzero(counts).tolist():
            if counts[g] == len(found.rows):
                summaries[g] = summary_of(self.case)
                continue
            rows = groups.of(g)
            rows = rows if every else rows[found.present[rows]]
            summaries[g] = of_values(found.values.of(found.places[rows]), waits)
        return summaries

    def slowest(self, count: int) -> list[Service]:
        """Return the services with the longest median time to first byte."""
        return self._kept(self._by_first_byte[:count])

    @cached_property
    def _by_first_byte(self) -> NDArray[np.intp]:
        """Services with set-ups, sorted by median time to first byte, longest first."""
        found = setups_of(self.attempts)
        if not len(found.rows):
            return self.busiest[:0]
        numbers = self.attempts.of_connections(self.attempts.service)
        service = (numbers if found.present.all() else numbers[found.present]).astype(np.intp)
        first_byte = found.values.spans["first_byte"]
        counts = np.bincount(service, minlength=len(self.counts))
        if np.count_nonzero(counts) == 1:
            return np.flatnonzero(counts)
        values = in_order(service, first_byte)
        known = np.bincount(service[first_byte >= 0], minlength=len(self.counts))
        middle = np.cumsum(counts) - known + (known - 1) // 2
        medians = np.where(known > 0, values[np.minimum(middle, len(values) - 1)], -1)
        having = np.flatnonzero(counts)
        ordered: NDArray[np.intp] = having[np.argsort(-medians[having], kind="stable")]
        return ordered

    def legs_of(self, service: int) -> Legs:
        """Return the RTTs of the connections to this service."""
        return self.legs.of(self.attempts.on_service(service))


@once
def summary_of(case: Case) -> SetupSummary | None:
    """Return the summary of all set-ups, None if there are none."""
    return of_values(setups_of(case.attempts).values, waits_of(case))


def counts_of(service: NDArray[Any], outcome: NDArray[np.uint8], services: int) -> NDArray[np.intp]:
    """Return the number of attempts per service and outcome (2-D)."""
    counts = np.zeros(len(OUTCOMES) * services, dtype=np.intp)
    for some in batches(len(service), most=max(BATCH, len(counts))):
        pairs = service[some].astype(np.intp) * len(OUTCOMES)
        pairs += outcome[some]
        counts += np.bincount(pairs, minlength=len(counts))
    return counts.reshape(-1, len(OUTCOMES))


def rtt_distributions(legs: Legs) -> RttDistributions:
    """Return the percentiles of the three legs."""
    return RttDistributions(*(distribution(values) for values in legs.values))


def distributions(groups: Groups[ConnectionRows], values: NDArray[np.int64]) -> list[Distribution]:
    """Return the `distribution` of each group; `values` (ns) are aligned with the rows of the groups."""
    found = [_NOTHING] * len(groups)
    known = np.flatnonzero(values >= 0)
    if not len(known):
        return found
    number, values = groups.number[known], values[known]
    values = in_order(number, values)
    counts = np.bincount(number, minlength=len(groups))
    some = np.flatnonzero(counts)
    counts = counts[some]
    ends = np.cumsum(counts)
    starts = ends - counts
    ranks = [values[starts + places(counts, percent)].tolist() for percent in (50, 90, 95, 99)]
    columns = (counts.tolist(), values[starts].tolist(), *ranks, values[ends - 1].tolist())
    for g, *figures in zip(some.tolist(), *columns, strict=True):
        found[g] = Distribution(*figures)
    return found


def distribution(values: NDArray[np.int64]) -> Distribution:
    """Return the percentiles (nearest rank) of the values that are not negative."""
    values = values[values >= 0]
    if not len(values):
        return Distribution()
    return Distribution(len(values), int(values.min()), *ranked(values, (50, 90, 95, 99, 100)))
