"""Columns over connections in id order: from tracker rows if possible, else from `Connection` objects.

Most columns of an analysed capture come straight from its rows.  Fields without a column function (such as `why`)
require building every connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from handshake_inspect.report.column import Addresses, Column, Numbers, Words
from handshake_inspect.report.connections import RowConnections
from handshake_inspect.report.fields import Field
from handshake_inspect.report.model import Connections, Finding
from handshake_inspect.wire.address import address_halves

CHUNK = 2_000


class Columns:
    """The columns of some connections, each made once."""

    def __init__(
        self, connections: Connections, fields: Iterable[Field] = (), findings: Sequence[Finding] = ()
    ) -> None:
        """`fields` are those that will be needed: the ones that rows do not have are then built in a single pass.

        `findings` are those of the same report.
        """
        self._connections = connections
        self.findings = findings
        self._made: dict[str, Column] = {}
        slow = {}
        for field in fields:
            if not self._from_rows(field):
                slow[field.name] = field
        if slow:
            self._from_connections(list(slow.values()))

    def of(self, field: Field) -> Column:
        """Return the column of a field."""
        if field.name not in self._made and not self._from_rows(field):
            self._from_connections([field])
        return self._made[field.name]

    def _from_rows(self, field: Field) -> bool:
        if field.name not in self._made and isinstance(self._connections, RowConnections):
            column = self._connections.column(field.name)
            if column is not None:
                self._made[field.name] = column
        return field.name in self._made

    def _from_connections(self, fields: list[Field]) -> None:
        values: list[list[Any]] = [[] for _ in fields]
        for chunk in self._connections.values([field.name for field in fields], CHUNK):
            for column, more in zip(values, chunk, strict=True):
                column.extend(more)
        for field, column in zip(fields, values, strict=True):
            self._made[field.name] = listed_column(field, column)


def listed_column(field: Field, values: Sequence[Any]) -> Column:
    """Return a column made from a list of values."""
    known = np.array([value is not None for value in values], dtype=bool)
    if field.kind == "address":
        halves = [address_halves(value) for value in values]
        hi = np.array([hi for hi, _ in halves], dtype=np.uint64)
        return Addresses(hi, np.array([lo for _, lo in halves], dtype=np.uint64), known)
    if field.kind == "texts":
        values = [None if value is None else " ".join(map(str, value)) for value in values]
    if field.kind in ("word", "text", "texts"):
        place: dict[str, int] = {}
        codes = [-1 if value is None else place.setdefault(value, len(place)) for value in values]
        return Words(np.array(codes, dtype=np.intp), list(place))
    if field.kind == "decimal":
        return Numbers(np.array([0 if value is None else value for value in values], dtype=np.float64), known)
    return Numbers(np.array([0 if value is None else int(value) for value in values], dtype=np.int64), known)
