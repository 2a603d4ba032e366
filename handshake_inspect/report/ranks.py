"""Aliases of percentiles, as named in check rules: `first_byte.p95` is `first_byte.p95_ns`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct


class Ranked(Struct, frozen=True, gc=False):
    """A distribution with percentiles in nanoseconds; None if nothing was measured."""

    if TYPE_CHECKING:
        min_ns: int | None
        p50_ns: int | None
        p90_ns: int | None
        p95_ns: int | None
        p99_ns: int | None
        max_ns: int | None

    @property
    def min(self) -> int | None:
        """The minimum."""
        return self.min_ns

    @property
    def median(self) -> int | None:
        """The median."""
        return self.p50_ns

    @property
    def p90(self) -> int | None:
        """The 90th percentile."""
        return self.p90_ns

    @property
    def p95(self) -> int | None:
        """The 95th percentile."""
        return self.p95_ns

    @property
    def p99(self) -> int | None:
        """The 99th percentile."""
        return self.p99_ns

    @property
    def max(self) -> int | None:
        """The maximum."""
        return self.max_ns
