"""Connections by service (server address and port), busiest first."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.model import Distribution, Endpoint, Outcomes, RttDistributions, Service
from handshake_inspect.verdicts.legs import Leg, Legs
from handshake_inspect.verdicts.outcome import Outcomes as Judged
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
        keys, of_row = _grouped(trace.server_key)
        self.counts = np.bincount(of_row * 9 + judged.outcome, minlength=9 * len(keys)).reshape(-1, 9)
        first = np.full(len(keys), np.iinfo(np.int64).max)
        np.minimum.at(first, of_row, trace.first_frame)
        self.of_connection = of_row[: len(trace.connections)]
        self.by_service = np.argsort(self.of_connection, kind="stable")
        self.ends = np.cumsum(np.bincount(self.of_connection, minlength=len(keys)))
        self.busiest = np.lexsort((first, -self.counts.sum(axis=1)))
        self.example = np.zeros(len(keys), dtype=np.intp)
        self.example[of_row[::-1]] = np.arange(len(trace))[::-1]

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
            rtt_distributions(self.legs, rows),
        )

    def _of(self, row: int, part: str) -> int:
        count = len(self.trace.connections)
        if row >= count:
            return int(self.trace.embryos[row - count][f"server_{part}"])
        connection = self.trace.connections[row]
        return int(connection[f"{part}{int(connection['client']) ^ 1}"])


def _grouped(keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """The distinct keys, and for each row the place of its key among them."""
    distinct = np.unique(keys)
    if len(distinct) * 8 < len(keys):
        return distinct, np.searchsorted(distinct, keys)
    distinct, of_row = np.unique(keys, return_inverse=True)
    return distinct, of_row


def rtt_distributions(legs: Legs, rows: Any = slice(None)) -> RttDistributions:
    """Percentiles of the three legs over some connection rows."""
    return RttDistributions(*(distribution(getattr(legs, name), rows) for name in _LEGS))


def distribution(leg: Leg, rows: Any = slice(None)) -> Distribution:
    """Percentiles, by nearest rank, of the values that could be named."""
    values = leg.value[rows]
    values = np.sort(values[values >= 0])
    count = len(values)
    if not count:
        return Distribution()
    ranks = [-(-count * percent // 100) - 1 for percent in (50, 90, 95, 99)]
    return Distribution(count, int(values[0]), *(int(values[rank]) for rank in ranks), int(values[-1]))
