"""Services of connections whose rows are gone, and the services of a report with these added."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.engine.histogram import Histogram
from handshake_inspect.engine.known import Meeting
from handshake_inspect.report.model import Endpoint, Outcomes, RttDistributions, Service, Target
from handshake_inspect.report.services import RowServices
from handshake_inspect.verdicts.legs import Legs
from handshake_inspect.verdicts.trace import Trace
from handshake_inspect.verdicts.words import OUTCOMES
from handshake_inspect.wire.address import address_text, halves_within

SERVICES = 20_000  # beyond that the least busy ones are forgotten
WITH_RTT = 1_000  # services whose RTTs are kept

_Key = tuple[int, int, int]


class _Past:
    """One service."""

    def __init__(self) -> None:
        self.counts = np.zeros(len(OUTCOMES), dtype=np.int64)
        self.first_frame = 1 << 62
        self.rtt: tuple[Histogram, Histogram, Histogram] | None = None


class RetiredServices:
    """Outcomes of every service, and RTTs of the first ones that had any."""

    def __init__(self) -> None:
        self.of: dict[_Key, _Past] = {}
        self.forgotten = 0  # services
        self.without_rtt = False  # whether RTTs were lost for want of room
        self._with_rtt = 0

    def add(self, meeting: Meeting, rows: NDArray[np.intp]) -> None:
        """Count these attempts."""
        trace, case = meeting.case.trace, meeting.case
        order = rows[np.argsort(trace.server_key[rows], kind="stable")]
        keys = trace.server_key[order]
        starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
        parts = (trace.server(part)[order[starts]].tolist() for part in ("hi", "lo", "port"))
        first = np.minimum.reduceat(trace.first_frames(order), starts).tolist()
        outcome = case.outcomes.outcome[order]
        for key, frame, mine, words in zip(
            zip(*parts, strict=True), first, np.split(order, starts[1:]), np.split(outcome, starts[1:]), strict=True
        ):
            past = self.of.setdefault(key, _Past())
            past.counts += np.bincount(words, minlength=len(OUTCOMES))
            past.first_frame = min(past.first_frame, frame)
            self._measure(past, case.legs, mine[mine < len(trace.connections)])
        if len(self.of) > SERVICES:
            self._forget()

    def has(self, target: Target) -> bool:
        """Whether a finding with this target is about one of these services."""
        hi, low, high = halves_within(target.ip)
        if target.port is not None:
            return (hi, low, target.port) in self.of
        return any(key[0] == hi and low <= key[1] <= high for key in self.of)

    def _measure(self, past: _Past, legs: Legs, rows: NDArray[np.intp]) -> None:
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
    """The services of a report and those that are gone, the busiest first, made when they are asked for."""

    def __init__(self, kept: RowServices, retired: RetiredServices) -> None:
        self.kept = kept
        self.retired = retired
        keys = _keys(kept.trace, kept.example)
        self._at = {key: i for i, key in enumerate(keys)}
        numbers = dict(zip(keys, kept.counts.sum(axis=1).tolist(), strict=True))
        first = dict(zip(keys, kept.trace.first_frames(kept.example).tolist(), strict=True))
        for key, past in retired.of.items():
            numbers[key] = numbers.get(key, 0) + int(past.counts.sum())
            first[key] = min(first.get(key, past.first_frame), past.first_frame)
        self._order = sorted(numbers, key=lambda key: (-numbers[key], first[key]))

    def __len__(self) -> int:
        """How many services there are."""
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> Service: ...
    @overload
    def __getitem__(self, index: slice) -> list[Service]: ...
    def __getitem__(self, index: int | slice) -> Service | list[Service]:
        """The service at a place of the order, or a list of them."""
        if isinstance(index, slice):
            return [self._made(key) for key in self._order[index]]
        return self._made(self._order[index])

    def _made(self, key: _Key) -> Service:
        at, past = self._at.get(key), self.retired.of.get(key)
        if past is None and at is not None:
            return self.kept.of(at)
        past = past or _Past()
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
        )


def _keys(trace: Trace, rows: NDArray[Any]) -> list[_Key]:
    parts = (trace.server(part)[rows].tolist() for part in ("hi", "lo", "port"))
    return list(zip(*parts, strict=True))
