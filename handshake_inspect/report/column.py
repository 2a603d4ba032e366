"""A column of connections: numbers, words or addresses, with what is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, repr=False)
class Numbers:
    """Integers, times, durations and flags, with what is known."""

    values: NDArray[Any]
    known: Mask

    def listed(self) -> list[Any]:
        """The values as a report has them: None where nothing is known."""
        if not self.known.any():
            return [None] * len(self.known)
        listed: list[Any] = self.values.tolist()
        for i in np.flatnonzero(~self.known).tolist():
            listed[i] = None
        return listed

    def at(self, places: NDArray[Any]) -> Numbers:
        """The values in these places."""
        return Numbers(self.values[places], self.known[places])

    def same(self, other: Any) -> Mask:
        """Where both are equal."""
        mask: Mask = self.values == other.values
        return mask


@dataclass(frozen=True, eq=False, repr=False)
class Words:
    """Texts as places in a vocabulary; -1 is null."""

    codes: NDArray[np.intp]
    vocabulary: Sequence[str]

    @property
    def known(self) -> Mask:
        """Where there is a text."""
        mask: Mask = self.codes >= 0
        return mask

    def listed(self) -> list[str | None]:
        """The texts as a report has them."""
        words = (*self.vocabulary, None)
        if len(self.codes) and (self.codes == self.codes[0]).all():  # as in a flood
            return [words[self.codes[0]]] * len(self.codes)
        return list(map(words.__getitem__, self.codes.tolist()))

    def at(self, places: NDArray[Any]) -> Words:
        """The texts in these places."""
        return Words(self.codes[places], self.vocabulary)

    def where(self, test: Callable[[str], bool]) -> Mask:
        """Where a text passes a test, which is made once for each different text."""
        passed = np.array([*map(test, self.vocabulary), False], dtype=bool)
        mask: Mask = passed[self.codes]
        return mask

    def same(self, other: Any) -> Mask:
        """Where both are equal."""
        place = {word: i for i, word in enumerate(self.vocabulary)}
        translated = np.array([*(place.get(word, -2) for word in other.vocabulary), -1], dtype=np.intp)
        mask: Mask = self.codes == translated[other.codes]
        return mask


@dataclass(frozen=True, eq=False, repr=False)
class Addresses:
    """Addresses as two halves of 64 bits."""

    hi: NDArray[np.uint64]
    lo: NDArray[np.uint64]
    known: Mask

    def at(self, places: NDArray[Any]) -> Addresses:
        """The addresses in these places."""
        return Addresses(self.hi[places], self.lo[places], self.known[places])

    def same(self, other: Any) -> Mask:
        """Where both are equal."""
        mask: Mask = (self.hi == other.hi) & (self.lo == other.lo)
        return mask


Column = Numbers | Words | Addresses


def every(values: NDArray[Any]) -> Numbers:
    """Numbers that are all known."""
    return Numbers(values, np.ones(len(values), dtype=bool))


def behind_none(places: NDArray[Any], vocabulary: Sequence[str | None]) -> Words:
    """Words by their places in a vocabulary that has None in front."""
    return Words(places.astype(np.intp) - 1, [word or "" for word in vocabulary[1:]])
