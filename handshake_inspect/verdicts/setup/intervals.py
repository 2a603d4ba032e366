"""Durations known within bounds, as columns in nanoseconds; -1 if unknown."""

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

    def plus(self, other: "Interval") -> "Interval":
        """Return the sum where both are known."""
        known = self.known & other.known
        named = known & (self.value >= 0) & (other.value >= 0)
        return Interval(
            np.where(known, self.low + other.low, -1),
            np.where(known, self.high + other.high, -1),
            np.where(named, self.value + other.value, -1),
        )

    def less(self, other: "Interval") -> "Interval":
        """Return the difference, at least 0, where both are known."""
        known = self.known & other.known
        named = known & (self.value >= 0) & (other.value >= 0)
        return Interval(
            np.where(known, np.maximum(self.low - other.high, 0), -1),
            np.where(known, np.maximum(self.high - other.low, 0), -1),
            np.where(named, np.maximum(self.value - other.value, 0), -1),
        )

    def least(self, other: "Interval") -> "Interval":
        """Return the smaller one, or the one that is known."""
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
        return Interval(*(np.where(mask, each, -1) for each in self.parts))

    def since(self, start: Times) -> "Interval":
        """Convert times to durations since `start`, at least 0."""
        return Interval(*(np.where(each >= 0, np.maximum(each - start, 0), -1) for each in self.parts))

    def at_most(self, most: Times) -> "Interval":
        """Limit to `most`."""
        return Interval(*(np.minimum(each, most) for each in self.parts))


def choose(mask: Bools, one: Interval, other: Interval) -> Interval:
    """Return `one` where the mask is set, else `other`."""
    return Interval(*(np.where(mask, a, b) for a, b in zip(one.parts, other.parts, strict=True)))


def exact(values: Times, known: Bools) -> Interval:
    """Return measured values, at least 0."""
    value = np.where(known, np.maximum(values, 0), -1)
    return Interval(value, value, value)


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
