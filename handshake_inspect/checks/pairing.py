"""Which connection of one capture is which of another: by 4-tuple, or through NAT by ISNs, timestamps and options.

Each step takes only what is unique on both sides, and leaves the others to the next one.  What a step of `WEAK_STEPS`
finds may be alike by chance, and needs something else that speaks for it (`weak_join`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from handshake_inspect.report.column import Numbers
from handshake_inspect.report.columns import Columns
from handshake_inspect.report.connection_parts import Server
from handshake_inspect.report.fields import find
from handshake_inspect.report.model import Connection
from handshake_inspect.report.paired import Basis
from handshake_inspect.report.segment_columns import SegmentColumns
from handshake_inspect.verdicts.arrays import Keys
from handshake_inspect.verdicts.sets import host_key
from handshake_inspect.wire.const import ACK, SYN

_NONE = -1


def mixed(*columns: Any) -> Keys:
    """One 64-bit key for each row of these columns."""
    key = np.full(len(columns[0]), 0x9E3779B97F4A7C15, dtype=np.uint64)
    for column in columns:
        key ^= np.asarray(column).astype(np.int64).astype(np.uint64)
        key *= np.uint64(0xD6E8FEB86659FD93)
        key ^= key >> np.uint64(32)
    return key


class Side:
    """One capture, and what its connections are recognised by: a row each, in order of their ids."""

    def __init__(self, columns: SegmentColumns) -> None:
        self.columns = columns
        self._turned: set[int] = set()
        self.rows = columns.rows
        self.count = len(columns.report.connections)
        fields = Columns(columns.report.connections)
        self.isn = {who: self._isn(fields, who) for who in ("client", "server")}
        syns = columns.from_client & (self.rows["flags"] & (SYN | ACK) == SYN)
        answers = ~columns.from_client & (self.rows["flags"] & (SYN | ACK) == SYN | ACK)
        self.syn, self.synack = self._first(syns), self._first(answers)
        # Of several the last one came to the other end, or nobody would have stopped sending it.
        self.last_syn, self.last_synack = self._first(syns, last=True), self._first(answers, last=True)
        self.first = self._first(np.ones(len(self.rows), dtype=bool))

    @cached_property
    def made(self) -> list[Connection]:
        """The connections, made once."""
        made = list(self.columns.report.connections)
        for number in self._turned:
            made[number] = _turned(made[number])
        return made

    def turn(self, ids: NDArray[np.int64]) -> None:
        """Take the client of these connections, which was guessed, for the server."""
        self._turned.update(ids.tolist())
        turned = np.isin(self.columns.owners, ids)
        self.columns = replace(self.columns, from_client=self.columns.from_client ^ turned)

    @staticmethod
    def _isn(fields: Columns, who: str) -> NDArray[np.int64]:
        column = fields.of(find(f"handshake.{who}_isn"))
        assert isinstance(column, Numbers)  # noqa: S101
        return np.where(column.known, column.values, _NONE).astype(np.int64)

    def _first(self, mask: NDArray[np.bool_], *, last: bool = False) -> NDArray[np.int64]:
        """The place of the first (or last) segment of each connection that the mask allows, -1 for none."""
        found = np.full(self.count, _NONE, dtype=np.int64)
        places = np.flatnonzero(mask & (self.columns.owners >= 0))[:: 1 if last else -1]
        found[self.columns.owners[places]] = places
        return found

    @cached_property
    def tuples(self) -> Keys:
        """A name of every 4-tuple; 0 for connections without segments."""
        rows = self.rows[np.maximum(self.first, 0)] if len(self.rows) else np.zeros(self.count, dtype=self.rows.dtype)
        src = host_key(rows["src_hi"], rows["src_lo"], rows["src_port"])
        dst = host_key(rows["dst_hi"], rows["dst_lo"], rows["dst_port"])
        return np.where(self.first >= 0, src + dst, np.uint64(0))

    def of(self, places: NDArray[np.int64], name: str) -> NDArray[np.int64]:
        """A field of these segments, 0 where there is none."""
        if not len(self.rows):
            return np.zeros(len(places), dtype=np.int64)
        return np.where(places >= 0, self.rows[name][np.maximum(places, 0)].astype(np.int64), 0)


def _turned(connection: Connection) -> Connection:
    client, server = connection.client, connection.server
    return structs.replace(connection, client=server.service, server=Server(client.ip, client.port))


@dataclass(frozen=True)
class Joins:
    """Pairs of connections: their ids at A and at B, and how each was recognised."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    bases: list[Basis]
    doubtful: dict[str, frozenset[int]] = field(default_factory=dict)  # others, by capture, that may be in both


def joins(a: Side, b: Side) -> Joins:
    """The connections that both captures have."""
    left = {id(a): np.arange(a.count), id(b): np.arange(b.count)}
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], Basis]] = []
    for basis, keys in _STEPS:
        pair_a, pair_b = unique_in_both(keys(a), keys(b), left[id(a)], left[id(b)])
        found.append((pair_a, pair_b, basis))
        left[id(a)] = np.setdiff1d(left[id(a)], pair_a, assume_unique=True)
        left[id(b)] = np.setdiff1d(left[id(b)], pair_b, assume_unique=True)
    return together([(ids_a, ids_b, [basis] * len(ids_a)) for ids_a, ids_b, basis in found])


def together(found: Sequence[tuple[NDArray[np.int64], NDArray[np.int64], list[Basis]]]) -> Joins:
    """Pairs of several kinds, in order of their ids at A."""
    ids_a, ids_b = np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found])
    bases = [basis for each in found for basis in each[2]]
    order = np.argsort(ids_a, kind="stable")
    return Joins(ids_a[order], ids_b[order], [bases[at] for at in order.tolist()])


def unique_in_both(
    mine: Keys, theirs: Keys, left_a: NDArray[np.int64], left_b: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The connections of those left that one of each capture has the key of."""
    at_a, at_b = _unique(mine, left_a), _unique(theirs, left_b)
    _, where_a, where_b = np.intersect1d(mine[at_a], theirs[at_b], assume_unique=True, return_indices=True)
    return at_a[where_a], at_b[where_b]


def _unique(keys: Keys, left: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the connections left whose key no other of them has; 0 is no key."""
    known = left[keys[left] != 0]
    _, first, counts = np.unique(keys[known], return_index=True, return_counts=True)
    unique: NDArray[np.int64] = known[first[counts == 1]]
    return unique


def only(keys: Keys, known: NDArray[np.bool_]) -> Keys:
    """The keys that are known, 0 for the others."""
    return np.where(known, keys, np.uint64(0))


def _by_tuple_and_isn(side: Side) -> Keys:
    return only(mixed(side.tuples, side.isn["client"]), (side.isn["client"] >= 0) & (side.tuples != 0))


def _by_tuple(side: Side) -> Keys:
    return side.tuples


def _by_both_isns(side: Side) -> Keys:
    return only(mixed(side.isn["client"], side.isn["server"]), (side.isn["client"] >= 0) & (side.isn["server"] >= 0))


def _by_isn_and_timestamp(side: Side) -> Keys:
    """The ISN of the SYN, its timestamp, and what no box has a reason to change: window scale."""
    stamp, scale = side.of(side.last_syn, "tsval"), side.of(side.last_syn, "window_scale")
    return only(mixed(side.isn["client"], stamp, scale), (side.syn >= 0) & (stamp != 0))


def _by_isn_and_service(side: Side) -> Keys:
    """The ISN, which a scanner may have for all, and what the SYN asks for."""
    fields = [side.of(side.syn, name) for name in ("dst_hi", "dst_lo", "dst_port")]
    return only(mixed(side.isn["client"], *fields), side.syn >= 0)


def _by_isn(side: Side) -> Keys:
    return only(mixed(side.isn["client"]), side.syn >= 0)


def _by_timestamps(side: Side) -> Keys:
    """Timestamps of SYN and SYN-ACK: where a box rewrites addresses and sequence numbers, too."""
    mine, theirs = side.of(side.last_syn, "tsval"), side.of(side.last_synack, "tsval")
    return only(mixed(mine, theirs), (mine != 0) & (theirs != 0))


def _by_timestamp_and_port(side: Side) -> Keys:
    """The same for a SYN that nothing answered: its timestamp, its options and the service's port."""
    stamp, port = side.of(side.syn, "tsval"), side.of(side.syn, "dst_port")
    return only(mixed(stamp, port, side.of(side.syn, "window_scale")), stamp != 0)


Steps = tuple[tuple[Basis, Callable[[Side], Keys]], ...]

_STEPS: Steps = (
    ("4-tuple", _by_tuple_and_isn),
    ("isn", _by_both_isns),
    ("isn", _by_isn_and_timestamp),
    ("timestamps", _by_timestamps),
)
WEAK_STEPS: Steps = (
    ("4-tuple", _by_tuple),
    ("timestamps", _by_timestamp_and_port),
    ("isn", _by_isn_and_service),
    ("isn", _by_isn),
)
