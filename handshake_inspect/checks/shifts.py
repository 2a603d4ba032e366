"""The amount that a middlebox adds to sequence numbers, for connections whose ISN is missing in a capture.

Segments with the same timestamp (or, without timestamps, IP ID) and length are taken as the same segment; the
difference of their sequence numbers is the shift.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks.pairing import CaptureSide, hash_rows, unique_keys
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.sets import run_starts
from handshake_inspect.wire.const import FIN, MASK32, RST, SYN

Ints = NDArray[np.int64]
LEAST = 2  # segments that must agree


def shifts(a: CaptureSide, b: CaptureSide, ids_a: Ints, ids_b: Ints, *, from_client: bool) -> Ints:
    """Return sequence number at B minus that at A (modulo 2^32) for one end of each pair; 0 if unknown."""
    (keys_a, seq_a, pair_a), (keys_b, seq_b, _) = (
        _once(side, ids, from_client) for side, ids in ((a, ids_a), (b, ids_b))
    )
    _, at_a, at_b = np.intersect1d(keys_a, keys_b, assume_unique=True, return_indices=True)
    return _commonest(pair_a[at_a], (seq_b[at_b] - seq_a[at_a]) & MASK32, len(ids_a))


def _once(side: CaptureSide, ids: Ints, from_client: bool) -> tuple[NDArray[np.uint64], Ints, Ints]:
    """Return keys, sequence numbers and pairs of the segments whose key is unique."""
    pair_of = np.full(side.count + 1, -1, dtype=np.int64)
    pair_of[ids] = np.arange(len(ids))
    pairs, rows = pair_of[side.columns.owners], side.rows
    says: Bools = (rows["tsval"] > 0) | (rows["ip_id"] > 0)
    at = np.flatnonzero(
        (pairs >= 0) & says & (side.columns.from_client == from_client) & (rows["flags"] & (SYN | RST) == 0)
    )
    stamp = rows["tsval"][at]
    ident = np.where(stamp > 0, 0, rows["ip_id"][at])
    keys, places = unique_keys(hash_rows(pairs[at], stamp, ident, rows["payload_len"][at], rows["flags"][at] & FIN))
    at = at[places]
    return keys, rows["seq"][at].astype(np.int64), pairs[at]


def _commonest(pair: Ints, apart: Ints, count: int) -> Ints:
    """Return the most common value of each pair if it occurs at least `LEAST` times, else 0."""
    found = np.zeros(count, dtype=np.int64)
    order = np.lexsort((apart, pair))
    pair, apart = pair[order], apart[order]
    starts = np.flatnonzero(run_starts(hash_rows(pair, apart)))
    lengths = np.diff(starts, append=len(pair))
    starts, lengths = starts[lengths >= LEAST], lengths[lengths >= LEAST]
    rising = np.argsort(lengths, kind="stable")  # the longest run is written last
    found[pair[starts[rising]]] = apart[starts[rising]]
    return found
