"""Rows of unanswered SYNs read as columns, with complete addresses wherever the table stores them."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import EMBRYO_STATE
from handshake_inspect.tcp.rows import Addresses, Embryo
from handshake_inspect.verdicts.columns import Copies, Rows, as_slice, batches, take_column, take_rows
from handshake_inspect.wire.const import IPV4_MAPPED, MASK16

ADDRESSES = frozenset(name for name, *_ in Addresses._fields_)
SHARED = {"options": MASK16 ^ EMBRYO_STATE, "state": EMBRYO_STATE}  # both columns are bits of `options`


class LoneSyns:
    """Embryos without a copy; columns are read on access."""

    def __init__(self, rows_: Rows, wide: Rows, chosen: NDArray[Any] | None = None) -> None:
        """`wide` has addresses that do not fit the rows, at the same indices; `chosen` selects rows, None for all."""
        self._rows = rows_
        self._wide = wide
        self._chosen = chosen

    @classmethod
    def none(cls) -> "LoneSyns":
        """Return no rows."""
        return cls(np.zeros(0, dtype=Embryo), np.zeros(0, dtype=Addresses))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows if self._chosen is None else self._chosen)

    def __getitem__(self, key: Any) -> Any:
        """Return a column by name, or a subset by slice or row numbers."""
        if isinstance(key, str):
            if key in SHARED:
                return self._field("options") & SHARED[key]
            return self._address(key) if key in ADDRESSES else self._field(key)
        if self._chosen is not None:
            return LoneSyns(self._rows, self._wide, self._chosen[key])
        if not isinstance(key, slice) and (piece := as_slice(key)) is not None:
            key = piece
        if isinstance(key, slice):
            return LoneSyns(self._rows[key], self._wide[key])
        return LoneSyns(self._rows, self._wide, key)

    def copies(self, numbers: NDArray[Any]) -> "LoneSyns":
        """Return copies of these rows, to outlive the table's."""
        chosen = numbers if self._chosen is None else self._chosen[numbers]
        return LoneSyns(take_rows(self._rows, chosen), take_rows(self._wide, chosen))

    def detached(self, copies: Copies) -> "LoneSyns":
        """Return the same rows, copied to outlive the table's."""
        return LoneSyns(copies.of("embryos", self._rows), copies.of("addresses", self._wide), self._chosen)

    def _field(self, name: str) -> NDArray[Any]:
        column: NDArray[Any] = self._rows[name]
        if self._chosen is None:
            return column
        found = np.empty(len(self), dtype=column.dtype)
        for some in batches(len(self)):
            found[some] = take_column(column, self._chosen[some])
        return found

    def _address(self, name: str) -> NDArray[np.uint64]:
        """Return `client_hi` and the like. Rows store the low 32 bits of IPv4 addresses, of both ends or of none."""
        who, half = name.split("_")
        column = np.zeros(len(self), np.uint64) if half == "hi" else self._field(who) | np.uint64(IPV4_MAPPED)
        if len(self._elsewhere):
            places = self._elsewhere if self._chosen is None else self._chosen[self._elsewhere]
            column[self._elsewhere] = self._wide[name][places]
        return column

    @cached_property
    def _elsewhere(self) -> NDArray[np.intp]:
        """Indices of the SYNs whose addresses do not fit their row."""
        return np.flatnonzero((self._field("client") | self._field("server")) == 0)
