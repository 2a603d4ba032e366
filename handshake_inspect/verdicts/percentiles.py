"""Percentiles by nearest rank, used wherever a percentile is reported: reports, services, checks, diffs, findings.

The p-th percentile of n sorted values is the one at rank ceil(n * p / 100), counted from 1: a measured value that at
least p percent of the values do not exceed.

Computed in integers: in binary floating point n * p / 100 may come out slightly high and be rounded up, and `//` of a
`Decimal` rounds towards zero, not down.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Percent = int | str | Fraction


def place(count: int, percent: Percent) -> int:
    """Return the index of a percentile among `count` sorted values; `percent` is above 0 and at most 100."""
    share = Fraction(percent)
    return max(-(-count * share.numerator // (100 * share.denominator)), 1) - 1


def places(counts: NDArray[Any], percent: int) -> NDArray[Any]:
    """Return the index of a percentile for each of many counts above 0."""
    found: NDArray[Any] = -(-counts * percent // 100) - 1
    return found


def nearest_rank(ordered: NDArray[Any], percent: Percent) -> int:
    """Return a percentile of sorted values; there must be at least one."""
    return int(ordered[place(len(ordered), percent)])


def ranked(values: NDArray[Any], percents: Sequence[Percent]) -> list[int]:
    """Return some percentiles of unsorted values; there must be at least one."""
    found: list[int] = in_places(values, [place(len(values), percent) for percent in percents]).tolist()
    return found


def selected(values: NDArray[Any], percent: Percent) -> int | None:
    """Return a percentile of unsorted values, or None if there are none."""
    return ranked(values, (percent,))[0] if len(values) else None


def in_places(values: NDArray[Any], at: Sequence[int]) -> NDArray[Any]:
    """Return the values that would be at these indices after sorting.

    NumPy selects from thousands of values faster than it sorts them, and faster with two indices than with one.
    """
    found: NDArray[Any] = np.partition(values, [at[0], *at])[list(at)]
    return found
