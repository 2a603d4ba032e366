"""Columns of keys with few distinct values: the services and hosts of millions of attempts.

Each attempt stores a 16-bit number instead of a 64-bit key. That takes a quarter of the memory, and rules about
services can be evaluated once per service.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.arrays import Keys
from handshake_inspect.verdicts.columns import batches
from handshake_inspect.verdicts.sets import distinct, places

MOST = 1 << 14  # distinct services; more, as in a scan, are stored as plain keys


@dataclass(frozen=True, eq=False, repr=False)
class KeyColumn:
    """A column of keys stored by number. It can be indexed and compared like an array."""

    numbers: NDArray[Any]
    names: Keys

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.numbers)

    def __getitem__(self, rows: Any) -> Any:
        """Return the keys of these rows."""
        return self.names.take(self.numbers[rows])

    def __eq__(self, name: object) -> NDArray[np.bool_]:  # type: ignore[override]
        """Return a mask over rows with this key."""
        same = np.flatnonzero(self.names == name)
        found: NDArray[np.bool_] = self.numbers == same[0] if len(same) == 1 else (self.names == name)[self.numbers]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the keys of all rows, as NumPy requires."""
        return np.asarray(self[:], dtype=dtype)

    __hash__ = None  # type: ignore[assignment]


class ServiceNumbers:
    """Collects the services of attempts batch by batch, and numbers them while there are few."""

    def __init__(self, count: int) -> None:
        """`count` is the total number of attempts."""
        self.numbers = np.empty(count, dtype=np.uint16)
        self.done = 0
        self.keys = self.hosts = np.zeros(0, dtype=np.uint64)  # by service number
        self.order = np.zeros(0, dtype=np.intp)  # sorts keys
        self.plain: tuple[Keys, Keys] | None = None  # plain service and host keys, if there are many services

    def add(self, services: Keys, hosts_of: Callable[[Any], Keys]) -> None:
        """Add the services of the next attempts; `hosts_of` returns the host keys at some indices among them."""
        if self.plain is None and len(services):
            number, known = self._number(services)
            if not known.all():
                self._learn(services, hosts_of, np.flatnonzero(~known))
                number, _ = self._number(services)
            if self.plain is None:
                self.numbers[self.done : self.done + len(services)] = number
        if self.plain is not None:
            place = slice(self.done, self.done + len(services))
            self.plain[0][place], self.plain[1][place] = services, hosts_of(...)
        self.done += len(services)

    def _number(self, services: Keys) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        if not len(self.keys):
            return np.zeros(len(services), dtype=np.intp), np.zeros(len(services), dtype=bool)
        at, known = places(services, self.keys[self.order])
        return self.order[at], known

    def _learn(self, services: Keys, hosts_of: Callable[[Any], Keys], fresh: NDArray[np.intp]) -> None:
        """Number new services, or switch to plain keys if there are too many."""
        _, first = np.unique(services[fresh], return_index=True)
        new = fresh[first]
        self.keys = np.concatenate([self.keys, services[new]])
        self.hosts = np.concatenate([self.hosts, hosts_of(new)])
        self.order = np.argsort(self.keys)
        if len(self.keys) > MOST:
            self.plain = np.empty(len(self.numbers), dtype=np.uint64), np.empty(len(self.numbers), dtype=np.uint64)
            for some in batches(self.done):
                for names, column in zip((self.keys, self.hosts), self.plain, strict=True):
                    column[some] = names[self.numbers[some]]

    def columns(self) -> tuple[Keys | KeyColumn, Keys | KeyColumn, Keys, NDArray[Any] | None]:
        """Return the services and hosts of all attempts, the distinct services (sorted), and each attempt's index.

        The index is None if there are many services.
        """
        if self.plain is not None:
            return *self.plain, distinct(self.plain[0]), None
        rank = np.empty(len(self.order), dtype=np.uint16)
        rank[self.order] = np.arange(len(self.order))
        for some in batches(len(self.numbers)):
            self.numbers[some] = rank[self.numbers[some]]
        keys = self.keys[self.order]
        return KeyColumn(self.numbers, keys), KeyColumn(self.numbers, self.hosts[self.order]), keys, self.numbers
