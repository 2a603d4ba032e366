"""Group rows by key, the first step of every roll-up over services, hosts or pairs.

Keys are 64-bit hashes (`sets.host_key`); one sort brings equal keys together, and everything after it works on runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.columns import batches
from handshake_inspect.verdicts.sets import FEW, are_few, distinct, places, run_starts

Grouped = TypeVar("Grouped", bound=NDArray[Any])


@dataclass(frozen=True, eq=False, repr=False)
class Groups(Generic[Grouped]):
    """`rows[starts[g]:ends[g]]` are the rows of group `g`."""

    rows: Grouped
    starts: NDArray[np.intp]
    ends: NDArray[np.intp]

    @property
    def sizes(self) -> NDArray[np.intp]:
        """The number of rows in each group."""
        return self.ends - self.starts

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.starts)

    def of(self, g: int) -> Grouped:
        """Return the rows of one group."""
        return _same(self.rows, slice(self.starts[g], self.ends[g]))

    def portions(self, most: int) -> Iterator["Groups[Grouped]"]:
        """Yield the groups in portions of at most `most` rows, or of a single larger group."""
        first = 0
        while first < len(self):
            start = self.starts[first]
            last = max(int(np.searchsorted(self.ends, start + most, side="right")), first + 1)
            chosen = slice(first, last)
            yield Groups(
                _same(self.rows, slice(start, self.ends[last - 1])),
                self.starts[chosen] - start,
                self.ends[chosen] - start,
            )
            first = last

    def select(self, some: NDArray[np.intp]) -> "Groups[Grouped]":
        """Return the selected groups."""
        sizes = self.sizes[some]
        ends = np.cumsum(sizes)
        kept = np.repeat(self.starts[some] - ends + sizes, sizes) + np.arange(sizes.sum())
        return Groups(_same(self.rows, kept), ends - sizes, ends)

    def among(self, mask: NDArray[np.bool_], at_least: int) -> "Groups[Grouped]":
        """Return the groups reduced to marked rows (`mask` covers all rows), without groups smaller than `at_least`."""
        if not len(self):
            return self
        kept = mask[self.rows]
        before = np.concatenate([[0], np.cumsum(kept)])
        sizes = before[self.ends] - before[self.starts]
        kept &= np.repeat(sizes >= at_least, self.sizes)
        sizes = sizes[sizes >= at_least]
        ends = np.cumsum(sizes)
        return Groups(_same(self.rows, kept), ends - sizes, ends)

    @property
    def number(self) -> NDArray[np.intp]:
        """The group number of each of `rows`."""
        return np.repeat(np.arange(len(self)), self.sizes)

    @property
    def followed(self) -> NDArray[np.bool_]:
        """A mask over `rows`: there is a next row in the same group."""
        followed = np.ones(len(self.rows), dtype=bool)
        followed[self.ends - 1] = False
        return followed

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sum `values` (aligned with `rows`) per group."""
        if not len(self):
            return values[:0]
        wide = np.uint64 if values.dtype == np.uint64 else np.int64
        sums: NDArray[Any] = np.add.reduceat(values.astype(wide, copy=False), self.starts)
        return sums


def _same(rows: Grouped, key: Any) -> Grouped:
    """Index row numbers, keeping their type."""
    some: Grouped = rows[key]
    return some


def group(keys: NDArray[Any], rows: Grouped, by: NDArray[Any] | None = None, at_least: int = 1) -> Groups[Grouped]:
    """Group `rows` by `keys` (aligned with them), sorted within a group by `by` (integers), else in the given order.

    Groups are in key order; keys are 64-bit hashes, or small numbers such as `trace.service`. Groups smaller than
    `at_least` are dropped before sorting, because in a scan or flood most keys occur once.
    """
    if keys.dtype != np.uint64:
        return numbered(keys, rows, by, at_least)
    if at_least >= SIFTED:
        kept = sieve(keys, at_least)
        keys, rows, by = keys[kept], _same(rows, kept), None if by is None else by[kept]
    if len(keys) and are_few(keys) and len(different := distinct(keys)) <= FEW:
        return numbered(numbers_of(keys, different), rows, by, at_least)
    order = np.argsort(keys)
    edges = np.flatnonzero(run_starts(keys[order]))
    sizes = np.diff(np.append(edges, len(keys)))
    if at_least > 1:
        order = order[np.repeat(sizes >= at_least, sizes)]
        sizes = sizes[sizes >= at_least]
    number = np.repeat(np.arange(len(sizes)), sizes)
    order = order[sorting(number, order if by is None else by[order])]
    ends = np.cumsum(sizes)
    return Groups(_same(rows, order), ends - sizes, ends)


def numbers_of(keys: NDArray[np.uint64], different: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """Return the index of each key in the few `different` ones."""
    numbers = np.empty(len(keys), dtype=np.uint16)
    for some in batches(len(keys)):
        numbers[some] = places(keys[some], different)[0]
    return numbers


SIEVE = 16  # high bits of a key
SIFTED = 8  # smallest `at_least` for which sieving pays


def sieve(keys: NDArray[np.uint64], at_least: int) -> NDArray[np.bool_]:
    """Return a mask over `keys` that may occur `at_least` times, judged by the count of their high bits."""
    if len(keys) < at_least:
        return np.zeros(len(keys), dtype=bool)
    slots = (keys >> np.uint64(64 - SIEVE)).astype(np.intp)
    often = np.bincount(slots, minlength=1 << SIEVE) >= at_least
    kept: NDArray[np.bool_] = often[slots]
    return kept


def numbered(numbers: NDArray[Any], rows: Grouped, by: NDArray[Any] | None, at_least: int) -> Groups[Grouped]:
    """Group `rows` by small numbers, which can be counted before they are sorted, within a group by `by`."""
    sizes = np.bincount(numbers)
    if at_least > 1:
        kept = (sizes >= at_least)[numbers]
        numbers, rows, by = numbers[kept], _same(rows, kept), None if by is None else by[kept]
    # NumPy sorts 16-bit numbers with a stable radix sort.
    order = np.argsort(numbers, kind="stable") if by is None else sorting(numbers.astype(np.intp), by)
    sizes = sizes[sizes >= max(at_least, 1)]
    ends = np.cumsum(sizes)
    return Groups(_same(rows, order), ends - sizes, ends)


def sorting(number: NDArray[np.intp], by: NDArray[Any], kind: Literal["stable"] | None = None) -> NDArray[np.intp]:
    """Return the order by group number, then by `by`; sorts both as one integer if they fit (7 times faster).

    Use `stable` for nearly sorted input, which it exploits.
    """
    if not len(by):
        return np.zeros(0, dtype=np.intp)
    joined = _packed(number, by)
    if joined is None:
        return np.lexsort((by, number))
    both, places = joined[0], len(by).bit_length()
    if kind is not None or int(both.max()).bit_length() + places > 63:
        return np.argsort(both, kind=kind)
    both <<= places
    both |= np.arange(len(by))
    both.sort()
    both &= (1 << places) - 1
    return both


def in_order(number: NDArray[np.intp], values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sort values by group number, then ascending: sorting plain integers takes half the time of computing an order."""
    joined = _packed(number, values) if len(values) else None
    if joined is None:
        return values[np.lexsort((values, number))]
    both, low, width = joined
    both.sort()
    both &= (1 << width) - 1
    both += low
    return both


def _packed(number: NDArray[np.intp], by: NDArray[Any]) -> tuple[NDArray[np.int64], Any, int] | None:
    """Pack both into one integer, or return None if they do not fit; also return the minimum and bit width of `by`."""
    low = by.min()
    width = int(by.max() - low).bit_length()
    if width + int(number.max()).bit_length() > 63:
        return None
    return number.astype(np.int64) << width | (by - low).astype(np.int64), low, width
