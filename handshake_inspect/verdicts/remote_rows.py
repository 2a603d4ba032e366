"""Rows of which some fields are elsewhere, and are fetched where a rule reads them.

Rules read most columns for few rows only.  A column that is not here fetches these rows, or all of it if anything but
some rows is asked of it, so that it can be used like any other.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from handshake_inspect.verdicts.columns import CachedColumns, Rows

MOST = 4  # more than a quarter of the rows are not fetched as rows, but as whole columns


class Source(Protocol):
    """Where the other fields are."""

    def rows(self, numbers: NDArray[Any]) -> Rows:
        """Return these rows with all fields; their references to other rows are not valid here."""

    def column(self, name: str) -> NDArray[Any]:
        """Return a field of all rows."""


class RemoteColumn(NDArrayOperatorsMixin):
    """A column that is elsewhere."""

    def __init__(self, source: Source, name: str, count: int) -> None:
        self._source, self._name, self._count = source, name, count

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._count

    def __getitem__(self, key: Any) -> Any:
        """Return the values of some rows."""
        if isinstance(key, np.ndarray) and key.dtype == bool:
            key = np.flatnonzero(key)
        if isinstance(key, int | np.integer):
            return self._source.rows(np.array([key]))[self._name][0]
        if not isinstance(key, np.ndarray) or key.size > self._count // MOST or "_whole" in vars(self):
            return self._whole[key]
        values = self._source.rows(key.reshape(-1))[self._name]
        return values.reshape(key.shape + values.shape[1:])

    @cached_property
    def _whole(self) -> NDArray[Any]:
        return self._source.column(self._name)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the whole column."""
        return np.array(self._whole, dtype=dtype, copy=copy) if copy else np.asarray(self._whole, dtype=dtype)

    def __array_ufunc__(self, function: Any, method: str, *given: Any, **more: Any) -> Any:
        """Compute with the whole column."""
        plain = (np.asarray(each) if isinstance(each, RemoteColumn) else each for each in given)
        return getattr(function, method)(*plain, **more)

    def __getattr__(self, name: str) -> Any:
        """Return an attribute or a method of the whole column."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._whole, name)


class SomeRows:
    """Some rows of `columns`: only their fields can be read."""

    def __init__(self, columns: "RemoteColumns", key: Any) -> None:
        self._columns, self._key = columns, key

    def __getitem__(self, name: str) -> Any:
        """Return a field of these rows."""
        return self._columns[name][self._key]


class RemoteColumns(CachedColumns):
    """Rows with some fields here and the others in `source`."""

    def __init__(self, rows_: Rows, names: Iterable[str], source: Source) -> None:
        super().__init__(rows_, names)
        self._source = source
        self._remote: dict[str, RemoteColumn] = {}

    def __getitem__(self, key: Any) -> Any:
        """Return a column by name, or rows by number."""
        if not isinstance(key, str):
            return SomeRows(self, key)
        if key in (self._rows.dtype.names or ()):
            return super().__getitem__(key)
        if key not in self._remote:
            self._remote[key] = RemoteColumn(self._source, key, len(self))
        return self._remote[key]

    def copies(self, numbers: NDArray[Any]) -> Rows:
        """Return copies of these rows, with all fields."""
        rows_ = self._source.rows(numbers).copy()
        for name in self._rows.dtype.names or ():
            rows_[name] = self._rows[name][numbers]
        return rows_
