"""How much later the copies of segments are in one capture than in the other, pair of connections by pair."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks.pairing import Joins, Side
from handshake_inspect.checks.segment_join import Shared, bases
from handshake_inspect.verdicts.arrays import Bools, Keys

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Copies(NamedTuple):
    """The last copies of segments that are equal: their pair and sender, and B's time less A's; how long pairs last."""

    pair: Ints
    from_client: Bools
    apart: Floats
    span: Floats


def copies(a: Side, b: Side, ids_a: Ints, ids_b: Ints) -> Copies:
    """The copies that these pairs have in both captures."""
    pairs = Joins(ids_a, ids_b, ["course"] * len(ids_a))
    base_a, base_b = bases(a, b, pairs)
    one, other = Shared(a, ids_a, base_a), Shared(b, ids_b, base_b)
    (keys_a, at_a), (keys_b, at_b) = _last(one.keys()), _last(other.keys())
    _, where_a, where_b = np.intersect1d(keys_a, keys_b, assume_unique=True, return_indices=True)
    at_a, at_b = at_a[where_a], at_b[where_b]
    pair, apart = one.pair[at_a], (other.ts[at_b] - one.ts[at_a]).astype(np.float64)
    first, last = np.full(len(ids_a), np.inf), np.full(len(ids_a), -np.inf)
    np.minimum.at(first, pair, one.ts[at_a])
    np.maximum.at(last, pair, one.ts[at_a])
    return Copies(pair, one.from_client[at_a], apart, np.maximum(last - first, 0))


def _last(keys: Keys) -> tuple[Keys, Ints]:
    """Different keys, and where each stands last: that copy came to the other end, or another would have followed."""
    known, place = np.unique(keys[::-1], return_index=True)
    return known, len(keys) - 1 - place


def later(a: Side, b: Side, found: Joins) -> tuple[int, int] | None:
    """How much later packets of clients pass B than A, at least and at most, as those of all pairs show."""
    known = copies(a, b, found.a, found.b)
    times = known.apart[known.from_client]
    return (int(times.min()), int(times.max())) if len(times) else None


def common(low: Floats, high: Floats, fit: Bools, trusted: int) -> tuple[float, float] | None:
    """The offsets that most intervals have in common, if these are more than half, and two at least."""
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
