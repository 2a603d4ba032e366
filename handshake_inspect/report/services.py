"""Connections by service (server address and port), busiest first."""

from collections.abc import Sequence
from typing import overload

import numpy as np

from handshake_inspect.report.model import Distribution, Endpoint, Outcomes, RttDistributions, Service
from handshake_inspect.verdicts.legs import Leg, Legs
from handshake_inspect.verdicts.outcome import Outcomes as Judged
from handshake_inspect.verdicts.sets import distinct, places
from handshake_inspect.verdicts.trace import Trace
from handshake_inspect.verdicts.words import OUTCOMES
from handshake_inspect.wire.address import address_text

_LEGS = ("synack", "ackdat", "total")


class RowServices(Sequence[Service]):
    """The services of a trace, made when they are asked for: there may be as many as connections."""

    def __init__(self, trace: Trace, judged: Judged, legs: Legs) -> None:
        self.trace = trace
        self.judged = judged
        self.legs = legs
        keys = distinct(trace.server_key)
        of_row = places(trace.server_key, keys)[0] if len(keys) else np.zeros(0, dtype=np.intp)
        self.counts = np.bincount(of_row * 9 + judged.outcome, minlength=9 * len(keys)).reshape(-1, 9)
        self.example = np.zeros(len(keys), dtype=np.intp)
        self.example[of_row[trace.order[::-1]]] = trace.order[::-1]
        self.of_connection = of_row[: len(trace.connections)]
        self.by_service = np.argsort(self.of_connection, kind="stable")
        self.ends = np.cumsum(np.bincount(self.of_connection, minlength=len(keys)))
        self.busiest = np.lexsort((trace.ids[self.example], -self.counts.sum(axis=1)))

    def __len__(self) -> int:
        """How many services there are."""
        return len(self.counts)

    @overload
    def __getitem__(self, index: int) -> Service: ...
    @overload
    def __getitem__(self, index: slice) -> list[Service]: ...
    def __getitem__(self, index: int | slice) -> Service | list[Service]:
        """The service at a place of the order, or a list of them."""
        if isinstance(index, slice):
            return [self._made(i) for i in self.busiest[index].tolist()]
        return self._made(int(self.busiest[index]))

    def _made(self, service: int) -> Service:
        row = int(self.example[service])
        counts = self.counts[service].tolist()
        server = Endpoint(
            address_text(self._of(row, "hi"), self._of(row, "lo")),
            self._of(row, "port"),
        )
        start = int(self.ends[service - 1]) if service else 0
        rows = self.by_service[start : int(self.ends[service])]
        return Service(
            server,
            sum(counts),
            Outcomes.of(dict(zip(OUTCOMES, counts, strict=True))),  # type: ignore[arg-type]
            rtt_distributions(self.legs.of(rows)),
        )

    def _of(self, row: int, part: str) -> int:
        count = len(self.trace.connections)
        if row >= count:
            return int(self.trace.embryos[row - count][f"server_{part}"])
        connection = self.trace.connections[row]
        return int(connection[f"{part}{int(connection['client']) ^ 1}"])


def rtt_distributions(legs: Legs) -> RttDistributions:
    """Percentiles of the three legs."""
    return RttDistributions(*(distribution(getattr(legs, name)) for name in _LEGS))


def distribution(leg: Leg) -> Distribution:
    """Percentiles, by nearest rank, of the values that could be named."""
    values = np.sort(leg.value[leg.value >= 0])
    count = len(values)
    if not count:
        return Distribution()
    p50, p90, p95, p99 = (int(values[-(-count * percent // 100) - 1]) for percent in (50, 90, 95, 99))
    return Distribution(count, int(values[0]), p50, p90, p95, p99, int(values[-1]))
