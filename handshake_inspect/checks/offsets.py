"""Time differences of the same segments between two captures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks.pairing import CaptureSide, ConnectionPairs
from handshake_inspect.checks.segment_join import JoinedSegments, joined_segments
from handshake_inspect.verdicts.arrays import Bools, Keys

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Copies(NamedTuple):
    """The last copies of equal segments: pair, sender and B's time minus A's (ns); and the duration of each pair."""

    pair: Ints
    from_client: Bools
    apart: Floats
    span: Floats


def copies(one: JoinedSegments, other: JoinedSegments, count: int) -> Copies:
    """Return the last copies of equal segments of `count` pairs, in A and in B."""
    (keys_a, at_a), (keys_b, at_b) = _last(one.keys()), _last(other.keys())
    _, where_a, where_b = np.intersect1d(keys_a, keys_b, assume_unique=True, return_indices=True)
    at_a, at_b = at_a[where_a], at_b[where_b]
    pair, apart = one.pair[at_a], (other.ts[at_b] - one.ts[at_a]).astype(np.float64)
    first, last = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(first, pair, one.ts[at_a])
    np.maximum.at(last, pair, one.ts[at_a])
    return Copies(pair, one.from_client[at_a], apart, np.maximum(last - first, 0))


def _last(keys: Keys) -> tuple[Keys, Ints]:
    """Return the unique keys and the last index of each: the last copy arrived, or it would have been repeated."""
    known, place = np.unique(keys[::-1], return_index=True)
    return known, len(keys) - 1 - place


def later(a: CaptureSide, b: CaptureSide, found: ConnectionPairs) -> tuple[int, int] | None:
    """Return minimum and maximum of B's timestamp minus A's (ns) over client packets of all pairs, or None."""
    known = copies(*joined_segments(a, b, found.a, found.b), len(found.a))
    times = known.apart[known.from_client]
    return (int(times.min()), int(times.max())) if len(times) else None


def common(low: Floats, high: Floats, fit: Bools, trusted: int) -> tuple[float, float] | None:
    """Return the range of offsets common to most intervals, or None unless these are a majority of at least two."""
    sure = np.arange(len(low)) < trusted
    those = fit & sure if (fit & sure).any() else fit
    if not those.any():
        return None
    starts = low[those]
    open_then = np.searchsorted(np.sort(starts), starts, "right") - np.searchsorted(np.sort(high[those]), starts)
    start = starts[np.argmax(open_then)]
    most = those & (low <= start) & (high >= start)
    count = np.count_nonzero(most)
    if 2 * count <= np.count_nonzero(those) or (count < 2 and not sure[most].any()):
        return None
    return float(low[most].max()), float(high[most].min())
