"""Connections that were open before a capture began, by the numbers of their segments: there is no SYN to go by.

Two are one if most of the segments that both captures have once are of these two: with equal sequence and
acknowledgment numbers, length and timestamp; or, where a box rewrites sequence numbers, with equal timestamp and
length.  Who is the client may have been guessed from ports, and differently where NAT changes these.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.checks.pairing import Joins, Side, mixed, together
from handshake_inspect.report.paired import Basis
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.wire.const import ACK, FIN, RST, SYN

Ints = NDArray[np.int64]

_STEPS: tuple[tuple[Basis, tuple[str, ...], int], ...] = (
    ("numbers", ("seq", "ack", "tsval"), 2),
    ("timestamps", ("tsval",), 4),  # how many segments it takes
)


class _Votes(NamedTuple):
    """Pairs of connections, by the segments that are equal: how many, and how many of them the same end sent."""

    a: Ints
    b: Ints
    agreed: Ints
    same_end: Ints


def with_numbers(a: Side, b: Side, found: Joins) -> Joins:
    """Those pairs, and the others whose segments have the same numbers."""
    for basis, fields, least in _STEPS:
        left_a, left_b = np.setdiff1d(np.arange(a.count), found.a), np.setdiff1d(np.arange(b.count), found.b)
        if not len(left_a) or not len(left_b):
            break
        votes = _votes(a, b, left_a, left_b, fields)
        chosen = _most(votes.a, votes.agreed) & _most(votes.b, votes.agreed) & (votes.agreed >= least)
        ids_a, ids_b, turned = votes.a[chosen], votes.b[chosen], (2 * votes.same_end < votes.agreed)[chosen]
        _turn(a, b, ids_a[turned], ids_b[turned])
        found = together([(found.a, found.b, found.bases), (ids_a, ids_b, [basis] * len(ids_a))])
    return found


def _votes(a: Side, b: Side, left_a: Ints, left_b: Ints, fields: tuple[str, ...]) -> _Votes:
    """What the segments say that each capture has once, of connections of which one has no SYN."""
    (keys_a, at_a), (keys_b, at_b) = _once(a, left_a, fields), _once(b, left_b, fields)
    _, where_a, where_b = np.intersect1d(keys_a, keys_b, assume_unique=True, return_indices=True)
    at_a, at_b = at_a[where_a], at_b[where_b]
    ids_a, ids_b = a.columns.owners[at_a], b.columns.owners[at_b]
    unseen = (a.syn[ids_a] < 0) | (b.syn[ids_b] < 0)
    at_a, at_b, ids_a, ids_b = at_a[unseen], at_b[unseen], ids_a[unseen], ids_b[unseen]
    pairs, number = np.unique(ids_a * b.count + ids_b, return_inverse=True)
    same = a.columns.from_client[at_a] == b.columns.from_client[at_b]
    count = np.bincount(number, minlength=len(pairs))
    agreed = np.bincount(number, weights=same, minlength=len(pairs)).astype(np.int64)
    return _Votes(*np.divmod(pairs, max(b.count, 1)), count, agreed)


def _once(side: Side, left: Ints, fields: tuple[str, ...]) -> tuple[Keys, Ints]:
    """Keys of the segments of these connections that no other segment has, and their places."""
    rows, owners = side.rows, side.columns.owners
    says = (rows["payload_len"] > 0) | (rows["tsval"] > 0)
    if fields == ("tsval",):
        says = rows["tsval"] > 0
    at = np.flatnonzero(says & (owners >= 0) & np.isin(owners, left) & (rows["flags"] & (SYN | RST) == 0))
    flags = rows["flags"][at] & (FIN | ACK)
    keys = mixed(rows["payload_len"][at], flags, *(rows[name][at] for name in fields))
    known, first, counts = np.unique(keys, return_index=True, return_counts=True)
    return known[counts == 1], at[first[counts == 1]]


def _most(ids: Ints, count: Ints) -> Bools:
    """Which pairs have more than half of what their connection has in all."""
    most: Bools = 2 * count > np.bincount(ids, weights=count)[ids] if len(ids) else np.zeros(0, dtype=np.bool_)
    return most


def _turn(a: Side, b: Side, ids_a: Ints, ids_b: Ints) -> None:
    """Swap the ends of connections at the side that has guessed them."""
    guessed = (b.syn[ids_b] < 0) & (b.synack[ids_b] < 0)
    b.turn(ids_b[guessed])
    a.turn(ids_a[~guessed])
