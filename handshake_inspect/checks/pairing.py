"""Match connections between two captures: by 4-tuple or, through NAT, by ISNs, timestamps and options.

Each step matches only the keys that are unique in both captures, and leaves the rest to the next step.  Matches of
`WEAK_STEPS` may be coincidences and need further confirmation (`weak_join`).
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
from handshake_inspect.report.segment_columns import SegmentColumns, grouped
from handshake_inspect.verdicts.arrays import Keys
from handshake_inspect.verdicts.sets import host_key
from handshake_inspect.wire.const import ACK, SYN

_NONE = -1


def hash_rows(*columns: Any) -> Keys:
    """Return a 64-bit hash of each row of these columns."""
    key = np.full(len(columns[0]), 0x9E3779B97F4A7C15, dtype=np.uint64)
    for column in columns:
        key ^= np.asarray(column).astype(np.int64).astype(np.uint64)
        key *= np.uint64(0xD6E8FEB86659FD93)
        key ^= key >> np.uint64(32)
    return key


class CaptureSide:
    """One capture with the attributes that identify its connections, as arrays in id order."""

    def __init__(self, columns: SegmentColumns) -> None:
        self.columns = columns
        self._turned: set[int] = set()
        self.rows = columns.rows
        self.count = len(columns.report.connections)
        fields = Columns(columns.report.connections)
        self.isn = {who: self._isn(fields, who) for who in ("client", "server")}
        syns = self._syns()
        answers = ~columns.from_client & (self.rows["flags"] & (SYN | ACK) == SYN | ACK)
        self.syn, self.synack = self._first(syns), self._first(answers)
        # The last of several copies arrived, or the sender would have repeated it.
        self.last_syn, self.last_synack = self._first(syns, last=True), self._first(answers, last=True)
        self.first = self._first(np.ones(len(self.rows), dtype=bool))

    def _syns(self) -> NDArray[np.bool_]:
        """Return the mask of the segments that are SYNs of clients."""
        mask: NDArray[np.bool_] = self.columns.from_client & (self.rows["flags"] & (SYN | ACK) == SYN)
        return mask

    @cached_property
    def syn_times(self) -> dict[int, list[int]]:
        """The times of all SYNs (ns, sorted) by id of their connection."""
        own = self._syns() & (self.columns.owners >= 0)
        groups = grouped(self.columns.owners[own])
        times = self.rows["ts_ns"][own]
        return {number: np.sort(times[places]).tolist() for number, places in groups.items()}

    @cached_property
    def connections(self) -> list[Connection]:
        """The connections as objects."""
        connections = list(self.columns.report.connections)
        for number in self._turned:
            connections[number] = _turned(connections[number])
        return connections

    def turn(self, ids: NDArray[np.int64]) -> None:
        """Swap client and server of these connections, whose roles were guessed."""
        self._turned.update(ids.tolist())
        turned = np.isin(self.columns.owners, ids)
        self.columns = replace(self.columns, from_client=self.columns.from_client ^ turned)

    @staticmethod
    def _isn(fields: Columns, who: str) -> NDArray[np.int64]:
        column = fields.of(find(f"handshake.{who}_isn"))
        assert isinstance(column, Numbers)  # noqa: S101
        return np.where(column.known, column.values, _NONE).astype(np.int64)

    def _first(self, mask: NDArray[np.bool_], *, last: bool = False) -> NDArray[np.int64]:
        """Return the index of each connection's first (or last) segment within the mask, -1 if there is none."""
        found = np.full(self.count, _NONE, dtype=np.int64)
        places = np.flatnonzero(mask & (self.columns.owners >= 0))[:: 1 if last else -1]
        found[self.columns.owners[places]] = places
        return found

    @cached_property
    def tuples(self) -> Keys:
        """A key of the 4-tuple per connection, equal for both directions; 0 for connections without segments."""
        rows = self.rows[np.maximum(self.first, 0)] if len(self.rows) else np.zeros(self.count, dtype=self.rows.dtype)
        src = host_key(rows["src_hi"], rows["src_lo"], rows["src_port"])
        dst = host_key(rows["dst_hi"], rows["dst_lo"], rows["dst_port"])
        return np.where(self.first >= 0, src + dst, np.uint64(0))

    def of(self, places: NDArray[np.int64], name: str) -> NDArray[np.int64]:
        """Return a field of the segments at these indices, 0 for index -1."""
        if not len(self.rows):
            return np.zeros(len(places), dtype=np.int64)
        return np.where(places >= 0, self.rows[name][np.maximum(places, 0)].astype(np.int64), 0)


def _turned(connection: Connection) -> Connection:
    client, server = connection.client, connection.server
    return structs.replace(connection, client=server.service, server=Server(client.ip, client.port))


@dataclass(frozen=True)
class ConnectionPairs:
    """Matched connections: their ids in A and B, and the basis of each match."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    bases: list[Basis]
    doubtful: dict[str, frozenset[int]] = field(default_factory=dict)  # by capture, unmatched ids that may be in both


def match_by_keys(a: CaptureSide, b: CaptureSide) -> ConnectionPairs:
    """Match connections by the keys of `_STEPS`, in order."""
    remaining = {id(a): np.arange(a.count), id(b): np.arange(b.count)}
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], Basis]] = []
    for basis, keys in _STEPS:
        pair_a, pair_b = match_unique_keys(keys(a), keys(b), remaining[id(a)], remaining[id(b)])
        found.append((pair_a, pair_b, basis))
        remaining[id(a)] = np.setdiff1d(remaining[id(a)], pair_a, assume_unique=True)
        remaining[id(b)] = np.setdiff1d(remaining[id(b)], pair_b, assume_unique=True)
    return merge_joins([(ids_a, ids_b, [basis] * len(ids_a)) for ids_a, ids_b, basis in found])


def merge_joins(found: Sequence[tuple[NDArray[np.int64], NDArray[np.int64], list[Basis]]]) -> ConnectionPairs:
    """Merge lists of pairs, sorted by id in A."""
    ids_a, ids_b = np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found])
    bases = [basis for each in found for basis in each[2]]
    order = np.argsort(ids_a, kind="stable")
    return ConnectionPairs(ids_a[order], ids_b[order], [bases[at] for at in order.tolist()])


def match_unique_keys(
    mine: Keys, theirs: Keys, remaining_a: NDArray[np.int64], remaining_b: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ids of remaining connections whose key occurs exactly once in each capture."""
    at_a, at_b = _unique(mine, remaining_a), _unique(theirs, remaining_b)
    _, where_a, where_b = np.intersect1d(mine[at_a], theirs[at_b], assume_unique=True, return_indices=True)
    return at_a[where_a], at_b[where_b]


def _unique(keys: Keys, remaining: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the remaining connections whose key is unique among them; key 0 means unknown."""
    known = remaining[keys[remaining] != 0]
    unique: NDArray[np.int64] = known[unique_keys(keys[known])[1]]
    return unique


def unique_keys(keys: Keys) -> tuple[Keys, NDArray[np.int64]]:
    """Return the keys that occur exactly once, sorted, and the index of each."""
    distinct, first, counts = np.unique(keys, return_index=True, return_counts=True)
    return distinct[counts == 1], first[counts == 1]


def known_keys(keys: Keys, known: NDArray[np.bool_]) -> Keys:
    """Return the keys, with 0 where `known` is False."""
    return np.where(known, keys, np.uint64(0))


def _by_tuple_and_isn(side: CaptureSide) -> Keys:
    return known_keys(hash_rows(side.tuples, side.isn["client"]), (side.isn["client"] >= 0) & (side.tuples != 0))


def _by_tuple(side: CaptureSide) -> Keys:
    return side.tuples


def _by_both_isns(side: CaptureSide) -> Keys:
    return known_keys(
        hash_rows(side.isn["client"], side.isn["server"]), (side.isn["client"] >= 0) & (side.isn["server"] >= 0)
    )


def _by_isn_and_timestamp(side: CaptureSide) -> Keys:
    """ISN and timestamp of the SYN, and the window scale, which middleboxes do not change."""
    stamp, scale = side.of(side.last_syn, "tsval"), side.of(side.last_syn, "window_scale")
    return known_keys(hash_rows(side.isn["client"], stamp, scale), (side.syn >= 0) & (stamp != 0))


def _by_isn_and_service(side: CaptureSide) -> Keys:
    """ISN and destination of the SYN; scanners may use the same ISN for all."""
    fields = [side.of(side.syn, name) for name in ("dst_hi", "dst_lo", "dst_port")]
    return known_keys(hash_rows(side.isn["client"], *fields), side.syn >= 0)


def _by_isn(side: CaptureSide) -> Keys:
    return known_keys(hash_rows(side.isn["client"]), side.syn >= 0)


def _by_timestamps(side: CaptureSide) -> Keys:
    """Timestamps of SYN and SYN-ACK, for middleboxes that rewrite addresses and sequence numbers."""
    mine, theirs = side.of(side.last_syn, "tsval"), side.of(side.last_synack, "tsval")
    return known_keys(hash_rows(mine, theirs), (mine != 0) & (theirs != 0))


def _by_timestamp_and_port(side: CaptureSide) -> Keys:
    """Timestamp, window scale and destination port of the SYN, for unanswered SYNs."""
    stamp, port = side.of(side.syn, "tsval"), side.of(side.syn, "dst_port")
    return known_keys(hash_rows(stamp, port, side.of(side.syn, "window_scale")), stamp != 0)


Steps = tuple[tuple[Basis, Callable[[CaptureSide], Keys]], ...]

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
