"""A column of connections: numbers, words or addresses, with what is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Numbers:
    """Integers, times, durations and flags, with what is known."""

    values: NDArray[Any]
    known: Mask

    def same(self, other: Any) -> Mask:
        """Where both are equal."""
        mask: Mask = self.values == other.values
        return mask


@dataclass(frozen=True)
class Words:
    """Texts as places in a vocabulary; -1 is null."""

    codes: NDArray[np.intp]
    vocabulary: Sequence[str]

    @property
    def known(self) -> Mask:
        """Where there is a text."""
        mask: Mask = self.codes >= 0
        return mask

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


@dataclass(frozen=True)
class Addresses:
    """Addresses as two halves of 64 bits."""

    hi: NDArray[np.uint64]
    lo: NDArray[np.uint64]
    known: Mask

    def same(self, other: Any) -> Mask:
        """Where both are equal."""
        mask: Mask = (self.hi == other.hi) & (self.lo == other.lo)
        return mask


Column = Numbers | Words | Addresses
