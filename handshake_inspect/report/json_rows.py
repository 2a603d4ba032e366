"""Write connections as JSON column by column, byte for byte as encoding their objects would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.batch_parts import Parts
from handshake_inspect.report.column import Addresses, Column, Words
from handshake_inspect.report.connection import Connection
from handshake_inspect.report.fields import ENTRIES, is_made
from handshake_inspect.report.leaves import PRESENCE, parts_of
from handshake_inspect.report.lines import Lines, Places

_WORDS = (False, True)


class Writer:
    """Writes fields of some connections into their lines."""

    def __init__(self, lines: Lines, kind: Parts) -> None:
        self._lines, self._kind = lines, kind

    def connections(self, rows: Places, opening: bytes, ending: bytes) -> None:
        """Write whole connections; `opening` replaces the opening brace."""
        self._object(Connection, "", rows, np.arange(len(rows)), opening)
        self._lines.same(rows, ending)

    def fields(self, rows: Places, names: Sequence[str], heads: Sequence[bytes], ending: bytes) -> None:
        """Write the fields with these names, each preceded by its head."""
        listed = [name for name in names if ENTRIES[name].column is None and not self._kind.makes(name)]
        values = dict(zip(listed, self._kind.values(listed), strict=True))
        for name, head in zip(names, heads, strict=True):
            self._lines.same(rows, head)
            if name in values:
                self._lines.values(rows, values[name])
            elif self._kind.makes(name):
                self._computed(name, rows, np.arange(len(rows)))
            else:
                self._column(self._kind.column(name), rows)
        self._lines.same(rows, ending)

    def _object(self, model: type[Any], path: str, rows: Places, at: NDArray[Any], opening: bytes = b"{") -> None:
        for name, part, optional in parts_of(model):
            self._lines.same(rows, b'%b"%b":' % (opening, name.encode()))
            opening = b","
            inside = f"{path}.{name}" if path else name
            if is_made(inside):
                self._computed(inside, rows, at)
            elif part is None:
                self._column(self._taken(inside, at), rows)
            elif optional and part in PRESENCE:
                self._optional(part, inside, rows, at)
            else:
                self._object(part, inside, rows, at)
        self._lines.same(rows, b"}")

    def _optional(self, part: type[Any], path: str, rows: Places, at: NDArray[Any]) -> None:
        """Write a part, or null where it is absent."""
        known = self._taken(f"{path}.{PRESENCE[part]}", at).known
        if not known.any():
            self._lines.same(rows, b"null")
        elif known.all():
            self._object(part, path, rows, at)
        else:
            self._lines.same(rows[~known], b"null")
            self._object(part, path, rows[known], at[known])

    def _computed(self, path: str, rows: Places, at: NDArray[Any]) -> None:
        computed = self._kind.computed(path)
        if isinstance(computed, Words):
            self._column(computed.at(at), rows)
        else:
            listed = list(computed)
            self._lines.values(rows, listed if len(listed) == len(at) else [listed[place] for place in at.tolist()])

    def _taken(self, path: str, at: NDArray[Any]) -> Column:
        column = self._kind.column(path)
        return column if len(at) == len(self._kind.attempts) else column.at(at)

    def _column(self, column: Column, rows: Places) -> None:
        if isinstance(column, Addresses):
            self._lines.addresses(rows, column.hi, column.lo)
        elif isinstance(column, Words):
            self._lines.words(rows, column.codes, column.vocabulary)
        elif column.values.dtype == bool:
            self._lines.words(rows, np.where(column.known, column.values, -1), _WORDS)
        elif column.values.dtype.kind == "f":
            self._lines.values(rows, column.to_list())
        else:
            self._lines.numbers(rows, column.values, column.known)
