"""Selection of statistics for RTTs: percentiles only if there are enough values."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_inspect.report.model import Distribution

ENOUGH = 10  # minimum number of values for percentiles

_FIGURES = {"min": "min_ns", "median": "p50_ns", "p90": "p90_ns", "p95": "p95_ns", "p99": "p99_ns", "max": "max_ns"}
_RANKS = {"min": 1, "median": 0, "p90": 1, "p95": 2, "p99": 0, "max": 0}  # ranks of columns
_OF_FEW = ("min", "median", "max")


def spread(legs: Sequence[Distribution]) -> dict[str, int]:
    """Return the columns for these distributions with their ranks; for single values, only `RTT`."""
    most = max((leg.count for leg in legs), default=0)
    if most >= ENOUGH:
        return dict(_RANKS)
    return dict.fromkeys(_OF_FEW, 0) if most > 1 else {"RTT": 0}


def usual(leg: Distribution, name: str) -> int | None:
    """Return a statistic in ns, or None if there are too few values for it."""
    if leg.count < ENOUGH and name.startswith("p"):
        return None
    if leg.count == 1 and name not in ("median", "RTT"):
        return None
    found: int | None = getattr(leg, _FIGURES["median" if name == "RTT" else name])
    return found
