"""Rows by key: what every roll-up over services, hosts or pairs begins with.

Keys are 64-bit names (`trace.host_key`); one sort puts equal ones side by side, and everything after it works on runs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Groups:
    """`rows[starts[g]:ends[g]]` are the rows of group `g`, in the order that was asked for."""

    rows: NDArray[np.intp]
    starts: NDArray[np.intp]
    ends: NDArray[np.intp]

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Rows in each group."""
        return self.ends - self.starts

    def __len__(self) -> int:
        """How many groups there are."""
        return len(self.starts)

    def of(self, g: int) -> NDArray[np.intp]:
        """The rows of one group."""
        return self.rows[self.starts[g] : self.ends[g]]

    @property
    def number(self) -> NDArray[np.intp]:
        """The group of each of `rows`."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sum per group; `values` are aligned with `rows`."""
        if not len(self):
            return values[:0]
        wide = np.uint64 if values.dtype == np.uint64 else np.int64
        sums: NDArray[Any] = np.add.reduceat(values.astype(wide, copy=False), self.starts)
        return sums


def group(
    keys: NDArray[np.uint64], rows: NDArray[np.intp], by: NDArray[Any] | None = None, at_least: int = 1
) -> Groups:
    """Group `rows` by `keys` (aligned with them), within a group by `by` (integers), else in the order given.

    Groups smaller than `at_least` are left out before anything is put in order: most keys of a scan or a flood occur
    once.
    """
    order = np.argsort(keys)
    edges = np.flatnonzero(np.diff(keys[order])) + 1
    starts = np.concatenate([[0], edges]).astype(np.intp) if len(keys) else np.zeros(0, dtype=np.intp)
    sizes = np.diff(np.append(starts, len(keys)))
    if at_least > 1:
        order = order[np.repeat(sizes >= at_least, sizes)]
        sizes = sizes[sizes >= at_least]
    number = np.repeat(np.arange(len(sizes)), sizes)
    order = order[sorting(number, order if by is None else by[order])]
    ends = np.cumsum(sizes)
    return Groups(rows[order], ends - sizes, ends)


def sorting(number: NDArray[np.intp], by: NDArray[Any]) -> NDArray[np.intp]:
    """The order by group number, then by `by`: one sort of both in one integer where they fit (7 times `lexsort`)."""
    if not len(by):
        return np.zeros(0, dtype=np.intp)
    low = by.min()
    width = int(by.max() - low).bit_length()
    if width + len(number).bit_length() > 63:
        return np.lexsort((by, number))
    return np.argsort(number << width | (by - low).astype(np.int64))
