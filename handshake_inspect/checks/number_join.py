"""Match midstream connections, which have no SYN, by the numbers of their segments.

Two connections match if they share most of the segments that are unique in both captures: with equal sequence and
acknowledgment numbers, length and timestamp or, if a middlebox rewrites sequence numbers, equal timestamp and length.
Client and server may have been guessed from ports, and differently if NAT changes these.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks.pairing import CaptureSide, ConnectionPairs, hash_rows, merge_joins, unique_keys
from handshake_inspect.report.paired import Basis
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.wire.const import ACK, FIN, RST, SYN

Ints = NDArray[np.int64]

_STEPS: tuple[tuple[Basis, tuple[str, ...], int], ...] = (
    ("numbers", ("seq", "ack", "tsval"), 2),
    ("timestamps", ("tsval",), 4),  # the minimum number of equal segments
)


class _Votes(NamedTuple):
    """Candidate pairs: the number of equal segments, and of those that the same end sent."""

    a: Ints
    b: Ints
    agreed: Ints
    same_end: Ints


def with_numbers(a: CaptureSide, b: CaptureSide, found: ConnectionPairs) -> ConnectionPairs:
    """Return the pairs in `found` and those whose segments have the same numbers."""
    for basis, fields, least in _STEPS:
        left_a, left_b = np.setdiff1d(np.arange(a.count), found.a), np.setdiff1d(np.arange(b.count), found.b)
        if not len(left_a) or not len(left_b):
            break
        votes = _votes(a, b, left_a, left_b, fields)
        chosen = _most(votes.a, votes.agreed) & _most(votes.b, votes.agreed) & (votes.agreed >= least)
        ids_a, ids_b, turned = votes.a[chosen], votes.b[chosen], (2 * votes.same_end < votes.agreed)[chosen]
        _turn(a, b, ids_a[turned], ids_b[turned])
        found = merge_joins([(found.a, found.b, found.bases), (ids_a, ids_b, [basis] * len(ids_a))])
    return found


def _votes(a: CaptureSide, b: CaptureSide, left_a: Ints, left_b: Ints, fields: tuple[str, ...]) -> _Votes:
    """Count the equal, unique segments of candidate pairs of which one connection has no SYN."""
    (keys_a, at_a), (keys_b, at_b) = _once(a, left_a, fields), _once(b, left_b, fields)
    _, where_a, where_b = np.intersect1d(keys_a, keys_b, assume_unique=True, return_indices=True)
    at_a, at_b = at_a[where_a], at_b[where_b]
    ids_a, ids_b = a.columns.owners[at_a], b.columns.owners[at_b]
    unseen = (a.syn[ids_a] < 0) | (b.syn[ids_b] < 0)
    at_a, at_b, ids_a, ids_b = at_a[unseen], at_b[unseen], ids_a[unseen], ids_b[unseen]
    pairs, number = np.unique(ids_a * b.count + ids_b, return_inverse=True)
    same = a.columns.from_client[at_a] == b.columns.from_client[at_b]
    agreed = np.bincount(number, minlength=len(pairs))
    same_end = np.bincount(number[same], minlength=len(pairs))
    return _Votes(*np.divmod(pairs, b.count), agreed, same_end)


def _once(side: CaptureSide, left: Ints, fields: tuple[str, ...]) -> tuple[Keys, Ints]:
    """Return the unique keys of these connections' segments, and the indices of the segments."""
    rows, owners = side.rows, side.columns.owners
    says = (rows["payload_len"] > 0) | (rows["tsval"] > 0)
    if fields == ("tsval",):
        says = rows["tsval"] > 0
    at = np.flatnonzero(says & (owners >= 0) & np.isin(owners, left) & (rows["flags"] & (SYN | RST) == 0))
    flags = rows["flags"][at] & (FIN | ACK)
    keys = hash_rows(rows["payload_len"][at], flags, *(rows[name][at] for name in fields))
    once, places = unique_keys(keys)
    return once, at[places]


def _most(ids: Ints, count: Ints) -> Bools:
    """Return the mask of pairs with more than half of their connection's equal segments."""
    most: Bools = 2 * count > np.bincount(ids, weights=count)[ids] if len(ids) else np.zeros(0, dtype=np.bool_)
    return most


def _turn(a: CaptureSide, b: CaptureSide, ids_a: Ints, ids_b: Ints) -> None:
    """Swap client and server of connections in the capture that guessed the roles."""
    guessed = (b.syn[ids_b] < 0) & (b.synack[ids_b] < 0)
    b.turn(ids_b[guessed])
    a.turn(ids_a[~guessed])
