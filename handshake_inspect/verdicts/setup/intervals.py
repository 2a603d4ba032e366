"""Durations known within bounds, as columns in nanoseconds; -1 if unknown.

Most are exact: then bounds and value are one array, and so are those of what is computed from them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from handshake_inspect.verdicts.arrays import Bools, Times

CLOSE = 0.02  # bounds this close, as a share of the upper one, give a value
CLOSE_NS = 1_000_000  # bounds this close always give a value


@dataclass(frozen=True, eq=False, repr=False)
class Interval:
    """Bounds, and a value if they are close."""

    low: Times
    high: Times
    value: Times

    @property
    def known(self) -> Bools:
        """A mask: there are bounds."""
        return self.high >= 0

    @property
    def is_exact(self) -> bool:
        """Whether one array is both bounds and the value."""
        return self.low is self.high is self.value

    def mapped(self, function: Callable[[Times], Times]) -> "Interval":
        """Apply a function to bounds and value."""
        return same(function(self.high)) if self.is_exact else Interval(*map(function, self.parts))

    def plus(self, other: "Interval") -> "Interval":
        """Return the sum where both are known."""
        known = self.known & other.known
        if self.is_exact and other.is_exact:
            return same(masked(known, self.high + other.high))
        named = known & (self.value >= 0) & (other.value >= 0)
        return Interval(
            masked(known, self.low + other.low),
            masked(known, self.high + other.high),
            masked(named, self.value + other.value),
        )

    def less(self, other: "Interval") -> "Interval":
        """Return the difference, at least 0, where both are known."""
        known = self.known & other.known
        if self.is_exact and other.is_exact:
            return same(masked(known, np.maximum(self.high - other.high, 0)))
        named = known & (self.value >= 0) & (other.value >= 0)
        return Interval(
            masked(known, np.maximum(self.low - other.high, 0)),
            masked(known, np.maximum(self.high - other.low, 0)),
            masked(named, np.maximum(self.value - other.value, 0)),
        )

    def least(self, other: "Interval") -> "Interval":
        """Return the smaller one, or the one that is known."""
        if self.is_exact and other.is_exact:
            # Without a sign, unknown is more than all others.
            return same(np.minimum(self.high.view(np.uint64), other.high.view(np.uint64)).view(np.int64))
        low, high, value = (
            np.where(there, np.where(also, np.minimum(a, b), a), b)
            for there, also, a, b in (
                (self.known, other.known, self.low, other.low),
                (self.known, other.known, self.high, other.high),
                (self.value >= 0, other.value >= 0, self.value, other.value),
            )
        )
        return bounded(low, high, np.where(value <= high, value, -1))

    @property
    def parts(self) -> tuple[Times, Times, Times]:
        """The bounds and the value."""
        return self.low, self.high, self.value

    def where(self, mask: Bools) -> "Interval":
        """Return unknown where the mask is not set."""
        return self.mapped(lambda part: masked(mask, part))

    def since(self, start: Times) -> "Interval":
        """Convert times to durations since `start`, at least 0."""
        return self.mapped(lambda part: masked(part >= 0, np.maximum(part - start, 0)))

    def at_most(self, most: Times) -> "Interval":
        """Limit to `most`."""
        return self.mapped(lambda part: np.minimum(part, most))


def masked(mask: Bools, values: Times) -> Times:
    """Return the values, -1 where the mask is not set: without `np.where`, which takes scalars one by one."""
    left: Times = mask.astype(np.int64)
    left -= 1
    left |= values
    return left


def choose(mask: Bools, one: Interval, other: Interval) -> Interval:
    """Return `one` where the mask is set, else `other`."""
    if one.is_exact and other.is_exact:
        return same(np.where(mask, one.high, other.high))
    return Interval(*(np.where(mask, a, b) for a, b in zip(one.parts, other.parts, strict=True)))


def same(values: Times) -> Interval:
    """Return exact values; -1 for unknown."""
    return Interval(values, values, values)


def exact(values: Times, known: Bools) -> Interval:
    """Return measured values, at least 0."""
    return same(masked(known, np.maximum(values, 0)))


def is_close(low: Times, high: Times) -> Bools:
    """Return a mask: the bounds are close enough to give a value."""
    close: Bools = (high >= 0) & ((high - low < CLOSE_NS) | (high - low < CLOSE * high))
    return close


def bounded(low: Times, high: Times, value: Times | None = None) -> Interval:
    """Build from bounds; without `value`, the middle where they are close."""
    middle = np.where(is_close(low, high), (low + high) // 2, -1)
    return Interval(low, high, middle if value is None else np.where(value >= 0, value, middle))


def latest(low: Times, high: Times) -> Interval:
    """Build from the bounds of a response; the value is the last one possible: unsolicited data mostly comes first."""
    return Interval(low, high, np.where(is_close(low, high), high, -1))
