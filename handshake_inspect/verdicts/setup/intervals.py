"""Durations that are known within bounds, as columns; -1 where nothing is known."""

from dataclasses import dataclass

import numpy as np

from handshake_inspect.verdicts.arrays import Bools, Times

CLOSE = 0.02  # bounds closer than this part of the upper one name a value
CLOSE_NS = 1_000_000  # bounds so close name a value however short the duration is


@dataclass(frozen=True, eq=False, repr=False)
class Interval:
    """Bounds, and the value where one can be named."""

    low: Times
    high: Times
    value: Times

    @property
    def known(self) -> Bools:
        """Where there are bounds."""
        return self.high >= 0

    def plus(self, other: "Interval") -> "Interval":
        """The sum, where both are known."""
        known = self.known & other.known
        named = known & (self.value >= 0) & (other.value >= 0)
        return Interval(
            np.where(known, self.low + other.low, -1),
            np.where(known, self.high + other.high, -1),
            np.where(named, self.value + other.value, -1),
        )

    def less(self, other: "Interval") -> "Interval":
        """The difference, never below 0, where both are known."""
        known = self.known & other.known
        named = known & (self.value >= 0) & (other.value >= 0)
        return Interval(
            np.where(known, np.maximum(self.low - other.high, 0), -1),
            np.where(known, np.maximum(self.high - other.low, 0), -1),
            np.where(named, np.maximum(self.value - other.value, 0), -1),
        )

    def least(self, other: "Interval") -> "Interval":
        """The smaller of the two, or the one that is known."""
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
        """Nothing known but where the mask is."""
        return Interval(*(np.where(mask, each, -1) for each in self.parts))

    def since(self, start: Times) -> "Interval":
        """From moments to durations since `start`, never below 0."""
        return Interval(*(np.where(each >= 0, np.maximum(each - start, 0), -1) for each in self.parts))

    def at_most(self, most: Times) -> "Interval":
        """No more than this."""
        return Interval(*(np.minimum(each, most) for each in self.parts))


def choose(mask: Bools, one: Interval, other: Interval) -> Interval:
    """The one where the mask is, else the other."""
    return Interval(*(np.where(mask, a, b) for a, b in zip(one.parts, other.parts, strict=True)))


def exact(values: Times, known: Bools) -> Interval:
    """What was measured itself; never below 0."""
    value = np.where(known, np.maximum(values, 0), -1)
    return Interval(value, value, value)


def is_close(low: Times, high: Times) -> Bools:
    """Where bounds are close enough to each other to name a value."""
    close: Bools = (high >= 0) & ((high - low < CLOSE_NS) | (high - low < CLOSE * high))
    return close


def bounded(low: Times, high: Times, value: Times | None = None) -> Interval:
    """Bounds, with a value where they are close to each other, or where one is given."""
    middle = np.where(is_close(low, high), (low + high) // 2, -1)
    return Interval(low, high, middle if value is None else np.where(value >= 0, value, middle))


def latest(low: Times, high: Times) -> Interval:
    """Bounds of an answer, and where they are close the last that may be it: what comes before is mostly chatter."""
    return Interval(low, high, np.where(is_close(low, high), high, -1))
