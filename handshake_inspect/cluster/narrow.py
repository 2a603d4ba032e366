"""Rows without the fields that rules read for few connections, if at all.

Where connections stay in the tables of their parts (`apart`), only the other fields are moved, and these are fetched
(`verdicts.remote_rows`).  Which they are does not change any result.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.cluster.tables import ROW_TYPES, Pumped
from handshake_inspect.verdicts.arrays import Array
from handshake_inspect.verdicts.remote_rows import Source
from handshake_inspect.wire.const import MASK32

LEFT_OUT: dict[str, tuple[str, ...]] = {
    "connection": (
        "quick", "last_synack_ns", "trouble_frame", "provisional", "alternate_iss",
        "syn_payload", "rst_seq", "rst_ip_id", "rst_count", "icmp_count", "rst_ttl", "completeness", "first_flags",
    ),
    "endpoint": (
        "contiguous", "snd_nxt", "window", "zeek_letters", "shift", "ip_id", "ttl", "recent_at", "recent", "recent_us",
        "mss", "syn_window", "largest", "checks", "twin_ttl", "hole_start", "hole_end", "fin_seq", "fin_count",
        "state_before_rst", "before_rst_nxt",
    ),
    # No rule reads these, so they are not fetched.
    "alias": (
        "history", "syn_seq", "fin_seq", "retransmits", "zero_windows", "bad_checksums", "gaps", "written", "state",
        "length", "flipped",
    ),
}  # fmt: skip
_WORD = 8  # rows are copied word by word
_FETCHED = {"connections": ("connection", 1), "endpoints": ("endpoint", 2)}  # table, and rows per connection


def without_fields(kind: Any, names: tuple[str, ...]) -> Any:
    """Return the type of rows without these fields, aligned as a C structure."""
    kept = [(name, kind[name]) for name in kind.names if name not in names]
    aligned: Any = np.dtype(kept, align=True)
    return np.dtype(
        {
            "names": [name for name, _ in kept],
            "formats": [each for _, each in kept],
            "offsets": [aligned.fields[name][1] for name, _ in kept],
            "itemsize": -(-aligned.itemsize // _WORD) * _WORD,
        }
    )


NARROW_TYPES = ROW_TYPES | {name: without_fields(ROW_TYPES[name], names) for name, names in LEFT_OUT.items()}


def types_for(frames: int) -> Mapping[str, Any]:
    """Return the types of the rows to move; all of them if frame numbers must be completed, which needs whole rows."""
    return NARROW_TYPES if frames <= MASK32 else ROW_TYPES


def narrowed(part: Pumped, types: Mapping[str, Any]) -> Pumped:
    """Return a part with rows of these types; its own stay as they are."""
    return replace(part, rows={name: _narrow(rows, types[name]) for name, rows in part.rows.items()})


def _narrow(rows: Array, kind: Any) -> Array:
    if rows.dtype == kind:
        return rows
    narrow = np.zeros(len(rows), dtype=kind)
    for name in kind.names:
        narrow[name] = rows[name]
    return narrow


# -- fetching ----------------------------------------------------------------------------------------------------------


def rows_of(part: Pumped, table: str, numbers: Array) -> Array:
    """Return rows of a part."""
    rows: Array = part.rows[table][numbers]
    return rows


def column_of(part: Pumped, table: str, name: str) -> Array:
    """Return a field of all rows of a part."""
    column: Array = np.ascontiguousarray(part.rows[table][name])
    return column


class RemoteTables:
    """The tables of all parts, as numbered after their concatenation."""

    def __init__(self, runner: Any, parts: Sequence[Any], sizes: Sequence[dict[str, int]]) -> None:
        """`parts` are the results of the workers, `sizes` their rows by name."""
        self._runner, self._parts, self._sizes = runner, parts, sizes

    def of(self, name: str, numbers: NDArray[Any] | None) -> Source:
        """Return the rows of `connections` or of `endpoints`, for the connections with these numbers."""
        table, per_connection = _FETCHED[name]
        if numbers is not None:
            numbers = (per_connection * numbers[:, None] + np.arange(per_connection)).reshape(-1)
        return _Source(self, table, numbers)

    def rows(self, table: str, numbers: Array) -> Array:
        """Fetch rows by number."""
        order = np.argsort(numbers, kind="stable")
        begins = np.cumsum([0, *(size[table] for size in self._sizes)])
        bounds = itertools.pairwise(np.searchsorted(numbers[order], begins))
        places = {part: order[low:high] for part, (low, high) in enumerate(bounds) if low < high}
        asked = [(part, table, numbers[mine] - begins[part]) for part, mine in places.items()]
        found = np.empty(len(numbers), dtype=ROW_TYPES[table])
        for mine, rows in zip(places.values(), self._fetched(rows_of, asked), strict=True):
            found[mine] = rows
        return found

    def column(self, table: str, name: str) -> Array:
        """Fetch a field of all rows."""
        whole: Array = np.concatenate(self._fetched(column_of, [(at, table, name) for at in range(len(self._parts))]))
        return whole

    def _fetched(self, function: Callable[..., Array], asked: Sequence[tuple[Any, ...]]) -> list[Array]:
        submit = self._runner.submit
        found: list[Array] = self._runner.results(
            [submit("fetch", function, self._parts[at], *given) for at, *given in asked]
        )
        return found


class _Source:
    """The rows of some connections in one of the tables; those fetched are kept."""

    def __init__(self, tables: RemoteTables, table: str, numbers: Array | None) -> None:
        self._tables, self._table, self._numbers = tables, table, numbers
        self._known = np.zeros(0, dtype=np.intp)  # ascending
        self._rows = np.zeros(0, dtype=ROW_TYPES[table])

    def rows(self, numbers: Array) -> Array:
        """Return these rows with all fields."""
        wanted = np.unique(numbers)
        missing = wanted[~np.isin(wanted, self._known, assume_unique=True)]
        if len(missing):
            new = self._tables.rows(self._table, missing if self._numbers is None else self._numbers[missing])
            known, rows = np.concatenate([self._known, missing]), np.concatenate([self._rows, new])
            order = np.argsort(known)
            self._known, self._rows = known[order], rows[order]
        return self._rows[np.searchsorted(self._known, numbers)]

    def column(self, name: str) -> Array:
        """Return a field of all rows."""
        column = self._tables.column(self._table, name)
        return column if self._numbers is None else column[self._numbers]
