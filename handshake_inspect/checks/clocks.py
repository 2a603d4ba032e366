"""Clock offset and drift between two captures, as intervals, from packets in both directions.

The only assumption is that no packet arrives before it was sent.  For a packet from A to B, `x` is B's timestamp minus
A's: the offset plus a delay, so `x` is an upper bound of the offset.  For a packet from B to A, `y` is A's timestamp
minus B's, so `-y` is a lower bound.  A bound holds at its own time; at other times it widens by the largest drift
allowed, 500 ppm, the maximum slew rate of NTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.paired import Clock, Interval

MAX_DRIFT = 500e-6
_PPB = 1e9
_MAX_POINTS = 4096

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Bounds:
    """Bounds of the clock offset (B minus A, ns): from `low` to `high` at each of `times` by A's clock."""

    times: Ints
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def consistent(self) -> bool:
        """Whether some offset satisfies the bounds at every time."""
        return bool((self.low <= self.high).all())

    def at(self, times: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return lower and upper bounds at other times: those of the nearest times, widened by the drift."""
        if not len(self.times):
            return np.full(len(times), -np.inf), np.full(len(times), np.inf)
        before = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, len(self.times) - 1)
        after = np.clip(before + 1, 0, len(self.times) - 1)
        lows, highs = [], []
        for near in (before, after):
            apart = np.abs(times - self.times[near]) * MAX_DRIFT
            lows.append(self.low[near] - apart)
            highs.append(self.high[near] + apart)
        return np.maximum(*lows), np.minimum(*highs)


def bounds(forth_at: Ints, x: Ints, back_at: Ints, y: Ints) -> Bounds:
    """Return the bounds from packets A to B (`forth_at` by A's clock, `x`) and B to A (`back_at`, `y`), in ns."""
    times = np.concatenate([forth_at, back_at])
    high = np.concatenate([x.astype(np.float64), np.full(len(y), np.inf)])
    low = np.concatenate([np.full(len(x), -np.inf), -y.astype(np.float64)])
    order = np.argsort(times, kind="stable")
    times, high, low = times[order], high[order], low[order]
    return Bounds(times, -_tighten(times, -low), _tighten(times, high))


def _tighten(times: Ints, upper: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the tightest upper bound at each time: running minima in both directions, widened by the drift."""
    if not len(times):
        return upper
    lean = (times - times[0]) * MAX_DRIFT
    forwards = np.minimum.accumulate(upper - lean) + lean
    backwards = np.minimum.accumulate((upper + lean)[::-1])[::-1] - lean
    tight: NDArray[np.float64] = np.minimum(forwards, backwards)
    return tight


def clock(known: Bounds, forth_at: Ints, x: Ints, back_at: Ints, y: Ints) -> Clock:
    """Return the offset (ns) in the middle of the traffic and the drift (ppb), as intervals."""
    if not len(known.times):
        return Clock(None, None, True)
    if not known.consistent:
        return Clock(None, None, False)
    middle = np.array([(int(known.times[0]) + int(known.times[-1])) // 2])
    low, high = known.at(middle)
    offset = None if np.isinf(low[0]) or np.isinf(high[0]) else Interval(int(np.floor(low[0])), int(np.ceil(high[0])))
    return Clock(offset, _drift(forth_at, x, back_at, y) if len(x) and len(y) else None, True)


def _drift(forth_at: Ints, x: Ints, back_at: Ints, y: Ints) -> Interval | None:
    """Return the slopes (ppb) of all lines below every x and above every -y; None if they are not bounded usefully."""
    base = min(int(forth_at.min()), int(back_at.min()))
    upper = _hull(forth_at - base, x.astype(np.float64))
    lower = _hull(back_at - base, y.astype(np.float64))
    apart = upper[0][:, None] - lower[0][None, :]
    rise = upper[1][:, None] + lower[1][None, :]  # x - (-y)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = rise / apart
    most = slope[apart > 0].min(initial=np.inf)  # an upper bound after a lower one
    least = slope[apart < 0].max(initial=-np.inf)
    least, most = max(least, -MAX_DRIFT), min(most, MAX_DRIFT)
    if least > most or most - least > MAX_DRIFT:
        return None
    return Interval(int(np.floor(least * _PPB)), int(np.ceil(most * _PPB)))


def _hull(times: Ints, values: NDArray[np.float64]) -> tuple[Any, Any]:
    """Return times and values of the lower convex hull: only these points can limit a line below all points."""
    order = np.lexsort((values, times))
    kept: list[tuple[float, float]] = []
    for at, value in zip((times[order]).tolist(), values[order].tolist(), strict=True):
        while len(kept) > 1 and _turns_right(kept[-2], kept[-1], (at, value)):
            kept.pop()
        kept.append((at, value))
    points = np.array(kept[:_MAX_POINTS], dtype=np.float64)
    return points[:, 0], points[:, 1]


def _turns_right(one: tuple[float, float], two: tuple[float, float], three: tuple[float, float]) -> bool:
    return (two[0] - one[0]) * (three[1] - one[1]) <= (two[1] - one[1]) * (three[0] - one[0])
