"""Rows of SYNs that nothing answered, read as columns: with whole addresses, wherever the table keeps these."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import EMBRYO_STATE
from handshake_inspect.tcp.rows import Addresses, Embryo
from handshake_inspect.verdicts.columns import Copies, Rows, batches, picked, spanned, taken
from handshake_inspect.wire.const import IPV4_MAPPED, MASK16

ADDRESSES = frozenset(name for name, *_ in Addresses._fields_)
SHARED = {"options": MASK16 ^ EMBRYO_STATE, "state": EMBRYO_STATE}  # the bits of `options` that each column has


class LoneSyns:
    """Some embryos, without a copy of them: their columns are taken when they are asked for."""

    def __init__(self, rows_: Rows, wide: Rows, chosen: NDArray[Any] | None = None) -> None:
        """`wide` has the addresses for which rows have no room, at the same places; `chosen` are places, or all."""
        self._rows = rows_
        self._wide = wide
        self._chosen = chosen

    @classmethod
    def none(cls) -> "LoneSyns":
        """No rows."""
        return cls(np.zeros(0, dtype=Embryo), np.zeros(0, dtype=Addresses))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._rows if self._chosen is None else self._chosen)

    def __getitem__(self, key: Any) -> Any:
        """A column by name, or some of these rows: a slice of them, or by number."""
        if isinstance(key, str):
            if key in SHARED:
                return self._field("options") & SHARED[key]
            return self._address(key) if key in ADDRESSES else self._field(key)
        if self._chosen is not None:
            return LoneSyns(self._rows, self._wide, self._chosen[key])
        if not isinstance(key, slice) and (piece := spanned(key)) is not None:
            key = piece
        if isinstance(key, slice):
            return LoneSyns(self._rows[key], self._wide[key])
        return LoneSyns(self._rows, self._wide, key)

    def copies(self, numbers: NDArray[Any]) -> "LoneSyns":
        """Copies of these rows, for when the table's change."""
        chosen = numbers if self._chosen is None else self._chosen[numbers]
        return LoneSyns(taken(self._rows, chosen), taken(self._wide, chosen))

    def detached(self, copies: Copies) -> "LoneSyns":
        """The same, for when the table's rows change."""
        return LoneSyns(copies.of("embryos", self._rows), copies.of("addresses", self._wide), self._chosen)

    def _field(self, name: str) -> NDArray[Any]:
        column: NDArray[Any] = self._rows[name]
        if self._chosen is None:
            return column
        found = np.empty(len(self), dtype=column.dtype)
        for some in batches(len(self)):
            found[some] = picked(column, self._chosen[some])
        return found

    def _address(self, name: str) -> NDArray[np.uint64]:
        """`client_hi` and the like: of IPv4 from the low 32 bits, of which a row has those of both ends, or none."""
        who, half = name.split("_")
        column = np.zeros(len(self), np.uint64) if half == "hi" else self._field(who) | np.uint64(IPV4_MAPPED)
        if len(self._elsewhere):
            places = self._elsewhere if self._chosen is None else self._chosen[self._elsewhere]
            column[self._elsewhere] = self._wide[name][places]
        return column

    @cached_property
    def _elsewhere(self) -> NDArray[np.intp]:
        """The places of those whose rows have no room for their addresses."""
        return np.flatnonzero((self._field("client") | self._field("server")) == 0)
