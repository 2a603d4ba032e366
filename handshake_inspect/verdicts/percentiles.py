"""Percentiles by nearest rank, the same number wherever one is said: in reports, services, checks, diffs, findings.

The p-th percentile of n ordered values is the one in place ceil(n * p / 100), counted from 1: a value that was
measured, below or at which lie at least p percent of all.

Reckoned in whole numbers: in binary floats n * p / 100 may come out a hair above one and be rounded up, and `//` of a
`Decimal` rounds towards zero, not down.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Percent = int | str | Fraction


def place(count: int, percent: Percent) -> int:
    """Where, from 0, a percentile stands among `count` ordered values; `percent` is above 0 and at most 100."""
    share = Fraction(percent)
    return max(-(-count * share.numerator // (100 * share.denominator)), 1) - 1


def places(counts: NDArray[Any], percent: int) -> NDArray[Any]:
    """Where, from 0, a percentile stands among so many ordered values, for each of many counts above 0."""
    found: NDArray[Any] = -(-counts * percent // 100) - 1
    return found


def nearest_rank(ordered: NDArray[Any], percent: Percent) -> int:
    """A percentile of values that ascend, of which there is at least one."""
    return int(ordered[place(len(ordered), percent)])


def ranked(values: NDArray[Any], percents: Sequence[Percent]) -> list[int]:
    """Some percentiles of values in any order, of which there is at least one."""
    found: list[int] = in_places(values, [place(len(values), percent) for percent in percents]).tolist()
    return found


def selected(values: NDArray[Any], percent: Percent) -> int | None:
    """A percentile of values in any order; None of nothing."""
    return ranked(values, (percent,))[0] if len(values) else None


def in_places(values: NDArray[Any], at: Sequence[int]) -> NDArray[Any]:
    """The values that would stand in these places, from 0, if all were in order.

    NumPy selects thousands of values sooner than it sorts them, and, given two places, sooner than given one.
    """
    found: NDArray[Any] = np.partition(values, [at[0], *at])[list(at)]
    return found
