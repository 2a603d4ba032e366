"""What an expression is made of: tests that turn columns into masks.

A value that is absent is equal to nothing, above nothing and below nothing; `!=` is the opposite of `==`.
"""

from __future__ import annotations

import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.column import Addresses, Numbers, Words
from handshake_inspect.report.columns import Columns
from handshake_inspect.report.fields import Field

Mask = NDArray[np.bool_]
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class Test(ABC):
    """One question, computed over all connections at once."""

    @abstractmethod
    def mask(self, columns: Columns) -> Mask:
        """For every connection whether the answer is yes."""

    @abstractmethod
    def fields(self) -> Iterator[Field]:
        """The fields that it looks at."""


@dataclass(frozen=True)
class Either(Test):
    """One of several."""

    parts: tuple[Test, ...]

    def mask(self, columns: Columns) -> Mask:
        """Yes where any says so."""
        mask: Mask = np.logical_or.reduce([part.mask(columns) for part in self.parts])
        return mask

    def fields(self) -> Iterator[Field]:
        """The fields of all."""
        return (field for part in self.parts for field in part.fields())


@dataclass(frozen=True)
class Both(Test):
    """All of several."""

    parts: tuple[Test, ...]

    def mask(self, columns: Columns) -> Mask:
        """Yes where all say so."""
        mask: Mask = np.logical_and.reduce([part.mask(columns) for part in self.parts])
        return mask

    def fields(self) -> Iterator[Field]:
        """The fields of all."""
        return (field for part in self.parts for field in part.fields())


@dataclass(frozen=True)
class Negation(Test):
    """The opposite."""

    part: Test

    def mask(self, columns: Columns) -> Mask:
        """Yes where the other says no."""
        return ~self.part.mask(columns)

    def fields(self) -> Iterator[Field]:
        """The other's fields."""
        return self.part.fields()


@dataclass(frozen=True)
class _OfField(Test):
    field: Field

    def fields(self) -> Iterator[Field]:
        """The one field."""
        yield self.field


@dataclass(frozen=True)
class Known(_OfField):
    """Whether there is a value."""

    def mask(self, columns: Columns) -> Mask:
        """Yes where it is not null."""
        return columns.of(self.field).known


@dataclass(frozen=True)
class Flag(_OfField):
    """Whether a flag is set."""

    def mask(self, columns: Columns) -> Mask:
        """Yes where it is."""
        column = columns.of(self.field)
        assert isinstance(column, Numbers)  # noqa: S101 - kinds are checked when the expression is read
        mask: Mask = column.known & (column.values != 0)
        return mask


@dataclass(frozen=True)
class Comparison(_OfField):
    """A field beside a value; of addresses, beside a network from `low` to `high`."""

    operator: str
    low: Any
    high: Any

    def mask(self, columns: Columns) -> Mask:
        """Compare."""
        column = columns.of(self.field)
        if self.operator in ("==", "!="):
            equal = within(column, self.low, self.high)
            return equal if self.operator == "==" else ~equal
        assert isinstance(column, Numbers)  # noqa: S101
        mask: Mask = column.known & _OPERATORS[self.operator](column.values, self.low)
        return mask


@dataclass(frozen=True)
class FieldComparison(_OfField):
    """A field beside another of the same kind."""

    operator: str
    other: Field

    def fields(self) -> Iterator[Field]:
        """Both fields."""
        yield self.field
        yield self.other

    def mask(self, columns: Columns) -> Mask:
        """Compare."""
        one, two = columns.of(self.field), columns.of(self.other)
        known = one.known & two.known
        if self.operator == "!=":
            return ~(known & one.same(two))
        if self.operator == "==":
            return known & one.same(two)
        assert isinstance(one, Numbers)  # noqa: S101
        assert isinstance(two, Numbers)  # noqa: S101
        mask: Mask = known & _OPERATORS[self.operator](one.values, two.values)
        return mask


@dataclass(frozen=True)
class Membership(_OfField):
    """A field among values and ranges."""

    ranges: tuple[tuple[Any, Any], ...]

    def mask(self, columns: Columns) -> Mask:
        """Yes where it is in one of them."""
        column = columns.of(self.field)
        mask: Mask = np.logical_or.reduce([within(column, low, high) for low, high in self.ranges])
        return mask


@dataclass(frozen=True)
class Matching(_OfField):
    """A text in which a pattern is found."""

    pattern: re.Pattern[str]

    def mask(self, columns: Columns) -> Mask:
        """Yes where it is."""
        column = columns.of(self.field)
        assert isinstance(column, Words)  # noqa: S101
        return column.where(lambda word: self.pattern.search(word) is not None)


@dataclass(frozen=True)
class OfFinding(_OfField):
    """Whether a connection is evidence of a finding of one of some kinds; `field` is the id of a connection."""

    is_meant: Callable[[str], bool]

    def mask(self, columns: Columns) -> Mask:
        """Yes where a finding cites it."""
        cited = {number for each in columns.findings if self.is_meant(each.id) for number in each.evidence.connections}
        column = columns.of(self.field)
        assert isinstance(column, Numbers)  # noqa: S101
        mask: Mask = np.isin(column.values, sorted(cited))
        return mask


def within(column: Numbers | Words | Addresses, low: Any, high: Any) -> Mask:
    """Where a column's value lies from `low` to `high`; words are equal or not."""
    if isinstance(column, Words):
        return column.where(lambda word: word == low)
    if isinstance(column, Addresses):
        above = (column.hi > low[0]) | ((column.hi == low[0]) & (column.lo >= low[1]))
        below = (column.hi < high[0]) | ((column.hi == high[0]) & (column.lo <= high[1]))
        mask: Mask = column.known & above & below
        return mask
    inside: Mask = column.known & (column.values >= low) & (column.values <= high)
    return inside
