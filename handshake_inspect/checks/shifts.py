"""How much a box adds to the sequence numbers of connections whose ISNs one capture lacks.

Segments with the same timestamp and length (without timestamps: the same identification) are the same, so their
numbers differ by it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks.pairing import Side, mixed
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.sets import run_starts
from handshake_inspect.wire.const import FIN, MASK32, RST, SYN

Ints = NDArray[np.int64]
LEAST = 2  # segments that agree


def shifts(a: Side, b: Side, ids_a: Ints, ids_b: Ints, *, from_client: bool) -> Ints:
    """Sequence numbers at B less those at A, of one end of each of these pairs; 0 where nothing shows another."""
    (keys_a, seq_a, pair_a), (keys_b, seq_b, _) = (
        _once(side, ids, from_client) for side, ids in ((a, ids_a), (b, ids_b))
    )
    _, at_a, at_b = np.intersect1d(keys_a, keys_b, assume_unique=True, return_indices=True)
    return _commonest(pair_a[at_a], (seq_b[at_b] - seq_a[at_a]) & MASK32, len(ids_a))


def _once(side: Side, ids: Ints, from_client: bool) -> tuple[NDArray[np.uint64], Ints, Ints]:
    """Segments that only one of their pair is like: keys, sequence numbers and pairs."""
    pair_of = np.full(side.count + 1, -1, dtype=np.int64)
    pair_of[ids] = np.arange(len(ids))
    pairs, rows = pair_of[side.columns.owners], side.rows
    says: Bools = (rows["tsval"] > 0) | (rows["ip_id"] > 0)
    at = np.flatnonzero(
        (pairs >= 0) & says & (side.columns.from_client == from_client) & (rows["flags"] & (SYN | RST) == 0)
    )
    stamp = rows["tsval"][at]
    ident = np.where(stamp > 0, 0, rows["ip_id"][at])
    keys = mixed(pairs[at], stamp, ident, rows["payload_len"][at], rows["flags"][at] & FIN)
    known, first, counts = np.unique(keys, return_index=True, return_counts=True)
    at = at[first[counts == 1]]
    return known[counts == 1], rows["seq"][at].astype(np.int64), pairs[at]


def _commonest(pair: Ints, apart: Ints, count: int) -> Ints:
    """The value that most of each pair have, if it is `LEAST` at least; else 0."""
    found = np.zeros(count, dtype=np.int64)
    order = np.lexsort((apart, pair))
    pair, apart = pair[order], apart[order]
    starts = np.flatnonzero(run_starts(mixed(pair, apart)))
    lengths = np.diff(starts, append=len(pair))
    starts, lengths = starts[lengths >= LEAST], lengths[lengths >= LEAST]
    rising = np.argsort(lengths, kind="stable")  # the longest run is written last
    found[pair[starts[rising]]] = apart[starts[rising]]
    return found
