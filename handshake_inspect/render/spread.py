"""Which figures describe the spread of some round trips: of a few, percentiles would be their extremes once more."""

from __future__ import annotations

from collections.abc import Sequence

from handshake_inspect.report.model import Distribution

ENOUGH = 10  # values of which percentiles say something

_FIGURES = {"min": "min_ns", "median": "p50_ns", "p90": "p90_ns", "p95": "p95_ns", "p99": "p99_ns", "max": "max_ns"}
_RANKS = {"min": 1, "median": 0, "p90": 1, "p95": 2, "p99": 0, "max": 0}  # of columns
_OF_FEW = ("min", "median", "max")


def spread(legs: Sequence[Distribution]) -> dict[str, int]:
    """The columns for these, each with its rank; one value has only a median, which is called by its own name."""
    most = max((leg.count for leg in legs), default=0)
    if most >= ENOUGH:
        return dict(_RANKS)
    return dict.fromkeys(_OF_FEW, 0) if most > 1 else {"RTT": 0}


def usual(leg: Distribution, name: str) -> int | None:
    """A figure where there are values enough for it, in ns."""
    if leg.count < ENOUGH and name.startswith("p"):
        return None
    if leg.count == 1 and name not in ("median", "RTT"):
        return None
    found: int | None = getattr(leg, _FIGURES["median" if name == "RTT" else name])
    return found
