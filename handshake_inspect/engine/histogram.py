"""Times on a logarithmic scale, for connections whose rows are gone."""

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.model import Distribution
from handshake_inspect.verdicts.percentiles import place

STEPS = 64  # for every doubling of the time: about one percent


class Histogram:
    """How often which time occurred: percentiles to about one percent; smallest and largest exactly."""

    def __init__(self) -> None:
        self.places = np.zeros(0, dtype=np.int64)  # of the scale that were met, sorted
        self.counts = np.zeros(0, dtype=np.int64)
        self.low: int | None = None
        self.high: int | None = None

    def add(self, values: NDArray[np.int64]) -> None:
        """Take values; those below 0 are none."""
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
        """A copy that has taken these values too."""
        copy = Histogram()
        copy.places, copy.counts, copy.low, copy.high = self.places, self.counts, self.low, self.high
        copy.add(values)
        return copy

    def distribution(self) -> Distribution:
        """Percentiles by nearest rank."""
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
