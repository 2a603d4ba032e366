"""Predicates over connections: each turns columns into a boolean mask, left entry per connection.

A missing value (null) fails `==`, `<`, `<=`, `>` and `>=`; `!=` is the negation of `==`.
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


class Predicate(ABC):
    """A predicate, evaluated for all connections at once."""

    @abstractmethod
    def mask(self, columns: Columns) -> Mask:
        """Return a boolean mask: True for each connection that satisfies the predicate."""

    @abstractmethod
    def fields(self) -> Iterator[Field]:
        """Yield the fields that the predicate reads."""


@dataclass(frozen=True)
class _Combination(Predicate):
    parts: tuple[Predicate, ...]

    def fields(self) -> Iterator[Field]:
        """The fields of all parts."""
        return (field for part in self.parts for field in part.fields())


@dataclass(frozen=True)
class Or(_Combination):
    """The disjunction of several predicates."""

    def mask(self, columns: Columns) -> Mask:
        """True where any part is True."""
        mask: Mask = np.logical_or.reduce([part.mask(columns) for part in self.parts])
        return mask


@dataclass(frozen=True)
class And(_Combination):
    """The conjunction of several predicates."""

    def mask(self, columns: Columns) -> Mask:
        """True where all parts are True."""
        mask: Mask = np.logical_and.reduce([part.mask(columns) for part in self.parts])
        return mask


@dataclass(frozen=True)
class Not(Predicate):
    """The negation of a predicate."""

    part: Predicate

    def mask(self, columns: Columns) -> Mask:
        """True where the part is False."""
        return ~self.part.mask(columns)

    def fields(self) -> Iterator[Field]:
        """The fields of the part."""
        return self.part.fields()


@dataclass(frozen=True)
class _FieldPredicate(Predicate):
    field: Field

    def fields(self) -> Iterator[Field]:
        """The field itself."""
        yield self.field


@dataclass(frozen=True)
class IsKnown(_FieldPredicate):
    """True where the field has a value."""

    def mask(self, columns: Columns) -> Mask:
        """True where the value is not null."""
        return columns.of(self.field).known


@dataclass(frozen=True)
class IsTrue(_FieldPredicate):
    """True where a boolean field is true."""

    def mask(self, columns: Columns) -> Mask:
        """True where the flag is set."""
        column = columns.of(self.field)
        assert isinstance(column, Numbers)  # noqa: S101 - the parser has checked the type
        mask: Mask = column.known & (column.values != 0)
        return mask


@dataclass(frozen=True)
class Comparison(_FieldPredicate):
    """A field compared with a literal; for addresses, `low` and `high` are the ends of a network."""

    operator: str
    low: Any
    high: Any

    def mask(self, columns: Columns) -> Mask:
        """True where the comparison holds."""
        column = columns.of(self.field)
        if self.operator in ("==", "!="):
            equal = within(column, self.low, self.high)
            return equal if self.operator == "==" else ~equal
        assert isinstance(column, Numbers)  # noqa: S101
        mask: Mask = column.known & _OPERATORS[self.operator](column.values, self.low)
        return mask


@dataclass(frozen=True)
class FieldComparison(_FieldPredicate):
    """A field compared with another field of the same type."""

    operator: str
    other: Field

    def fields(self) -> Iterator[Field]:
        """And fields."""
        yield self.field
        yield self.other

    def mask(self, columns: Columns) -> Mask:
        """True where the comparison holds."""
        left, right = columns.of(self.field), columns.of(self.other)
        known = left.known & right.known
        if self.operator == "!=":
            return ~(known & left.same(right))
        if self.operator == "==":
            return known & left.same(right)
        assert isinstance(left, Numbers)  # noqa: S101
        assert isinstance(right, Numbers)  # noqa: S101
        mask: Mask = known & _OPERATORS[self.operator](left.values, right.values)
        return mask


@dataclass(frozen=True)
class Membership(_FieldPredicate):
    """A field tested against a set of values and inclusive ranges."""

    ranges: tuple[tuple[Any, Any], ...]

    def mask(self, columns: Columns) -> Mask:
        """True where the value is in any of the ranges."""
        column = columns.of(self.field)
        mask: Mask = np.logical_or.reduce([within(column, low, high) for low, high in self.ranges])
        return mask


@dataclass(frozen=True)
class Matches(_FieldPredicate):
    """A text field searched for a regular expression."""

    pattern: re.Pattern[str]

    def mask(self, columns: Columns) -> Mask:
        """True where the pattern is found."""
        column = columns.of(self.field)
        assert isinstance(column, Words)  # noqa: S101
        return column.where(lambda word: self.pattern.search(word) is not None)


@dataclass(frozen=True)
class CitedByFinding(_FieldPredicate):
    """True for connections cited by a finding whose id passes `matches_id`; `field` is the id of the connection."""

    matches_id: Callable[[str], bool]

    def mask(self, columns: Columns) -> Mask:
        """True where such a finding cites the connection."""
        cited = {
            number for each in columns.findings if self.matches_id(each.id) for number in each.evidence.connections
        }
        column = columns.of(self.field)
        assert isinstance(column, Numbers)  # noqa: S101
        mask: Mask = np.isin(column.values, sorted(cited))
        return mask


def within(column: Numbers | Words | Addresses, low: Any, high: Any) -> Mask:
    """Return the mask of values from `low` to `high` inclusive; words are only compared with `low`."""
    if isinstance(column, Words):
        return column.where(lambda word: word == low)
    if isinstance(column, Addresses):
        above = (column.hi > low[0]) | ((column.hi == low[0]) & (column.lo >= low[1]))
        below = (column.hi < high[0]) | ((column.hi == high[0]) & (column.lo <= high[1]))
        mask: Mask = column.known & above & below
        return mask
    inside: Mask = column.known & (column.values >= low) & (column.values <= high)
    return inside
