"""Significance tests for two samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_SAMPLES = 8  # minimum size of each sample for the normal approximation


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
