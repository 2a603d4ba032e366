"""Percentiles by the names that rules of checks have for them: `first_byte.p95` is `first_byte.p95_ns`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct


class Ranked(Struct, frozen=True, gc=False):
    """What has percentiles in nanoseconds; None where nothing was measured."""

    if TYPE_CHECKING:
        min_ns: int | None
        p50_ns: int | None
        p90_ns: int | None
        p95_ns: int | None
        p99_ns: int | None
        max_ns: int | None

    @property
    def min(self) -> int | None:
        """The least."""
        return self.min_ns

    @property
    def median(self) -> int | None:
        """Half are no longer."""
        return self.p50_ns

    @property
    def p90(self) -> int | None:
        """90 % are no longer."""
        return self.p90_ns

    @property
    def p95(self) -> int | None:
        """95 % are no longer."""
        return self.p95_ns

    @property
    def p99(self) -> int | None:
        """99 % are no longer."""
        return self.p99_ns

    @property
    def max(self) -> int | None:
        """The greatest."""
        return self.max_ns
