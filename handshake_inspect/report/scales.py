"""Logarithmic scales of durations, for charts."""

from __future__ import annotations

import numpy as np

from handshake_inspect.verdicts.arrays import Array


def scale_of(known: Array) -> tuple[float, float]:
    """Return a range that covers positive values with a margin and spans at least a factor of two."""
    low, high = float(known.min()), float(known.max())
    middle = (low * high) ** 0.5
    return min(low * 0.97, middle / 2**0.5), max(high * 1.03, middle * 2**0.5)


def ticks(low: float, high: float) -> list[float]:
    """Return round values for tick marks between two durations: 1, 2 and 5 times powers of ten, or fewer."""
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [step * 10.0**power for power in range(20) for step in steps if low <= step * 10.0**power <= high]
        if len(found) <= 6:
            return found
    return found[:: -(-len(found) // 6)]


def log_place(value: float, low: float, high: float) -> float:
    """Return the position of a value on a logarithmic scale from 0 to 1, clamped."""
    return min(max(float(np.log(max(value, 1) / low) / np.log(high / low)), 0.0), 1.0)


def cells(values: Array, low: float, high: float, count: int) -> Array:
    """Return the index of the scale's part (of `count` equal ones) for each positive value."""
    places = np.log(values / low) / np.log(high / low) * count
    return np.clip(places.astype(np.int64), 0, count - 1)
