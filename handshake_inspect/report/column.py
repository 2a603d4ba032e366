"""Columns over connections: numbers, words or addresses, each with a mask of known values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, repr=False)
class Numbers:
    """Integers, times, durations or flags, with a mask of known values."""

    values: NDArray[Any]
    known: Mask

    def to_list(self) -> list[Any]:
        """Return the values as a list, with None for unknown ones."""
        if not self.known.any():
            return [None] * len(self.known)
        listed: list[Any] = self.values.tolist()
        for i in np.flatnonzero(~self.known).tolist():
            listed[i] = None
        return listed

    def at(self, places: NDArray[Any]) -> Numbers:
        """Return the values at these indices."""
        return Numbers(self.values[places], self.known[places])

    def same(self, other: Any) -> Mask:
        """Return the mask of equal values; `other` is of the same kind."""
        mask: Mask = self.values == other.values
        return mask


@dataclass(frozen=True, eq=False, repr=False)
class Words:
    """Texts as indices into a vocabulary; -1 is null."""

    codes: NDArray[np.intp]
    vocabulary: Sequence[str]

    @property
    def known(self) -> Mask:
        """Mask of texts that are not null."""
        mask: Mask = self.codes >= 0
        return mask

    def to_list(self) -> list[str | None]:
        """Return the texts as a list, with None for null."""
        words = (*self.vocabulary, None)
        if len(self.codes) and (self.codes == self.codes[0]).all():  # all equal, as in a flood
            return [words[self.codes[0]]] * len(self.codes)
        return list(map(words.__getitem__, self.codes.tolist()))

    def at(self, places: NDArray[Any]) -> Words:
        """Return the texts at these indices."""
        return Words(self.codes[places], self.vocabulary)

    def where(self, test: Callable[[str], bool]) -> Mask:
        """Return the mask of texts that pass a test; the test runs once per distinct text."""
        passed = np.array([*map(test, self.vocabulary), False], dtype=bool)
        mask: Mask = passed[self.codes]
        return mask

    def same(self, other: Any) -> Mask:
        """Return the mask of equal values; `other` is of the same kind."""
        place = {word: i for i, word in enumerate(self.vocabulary)}
        translated = np.array([*(place.get(word, -2) for word in other.vocabulary), -1], dtype=np.intp)
        mask: Mask = self.codes == translated[other.codes]
        return mask


@dataclass(frozen=True, eq=False, repr=False)
class Addresses:
    """Addresses as two 64-bit halves."""

    hi: NDArray[np.uint64]
    lo: NDArray[np.uint64]
    known: Mask

    def at(self, places: NDArray[Any]) -> Addresses:
        """Return the addresses at these indices."""
        return Addresses(self.hi[places], self.lo[places], self.known[places])

    def same(self, other: Any) -> Mask:
        """Return the mask of equal values; `other` is of the same kind."""
        mask: Mask = (self.hi == other.hi) & (self.lo == other.lo)
        return mask


Column = Numbers | Words | Addresses


def every(values: NDArray[Any]) -> Numbers:
    """Return a column of numbers that are all known."""
    return Numbers(values, np.ones(len(values), dtype=bool))


def behind_none(places: NDArray[Any], vocabulary: Sequence[str | None]) -> Words:
    """Return a column of words from indices into a vocabulary whose first entry is None."""
    return Words(places.astype(np.intp) - 1, [word or "" for word in vocabulary[1:]])
