"""Columns of names of which few are different: the services of millions of attempts, and their hosts.

Of each attempt a number of 16 bits is kept instead of a name of 64, which is a quarter of the memory, and lets
questions about services be asked once for each service.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.arrays import Keys
from handshake_inspect.verdicts.columns import batches
from handshake_inspect.verdicts.sets import distinct, places

MOST = 1 << 14  # different services; names of more, as of a scan's, are kept as they are


@dataclass(frozen=True, eq=False, repr=False)
class Named:
    """A column of names, by number.  It is asked as an array is: by places, slices and masks, and where a name is."""

    numbers: NDArray[Any]
    names: Keys

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.numbers)

    def __getitem__(self, rows: Any) -> Any:
        """The names of these rows."""
        return self.names.take(self.numbers[rows])

    def __eq__(self, name: object) -> NDArray[np.bool_]:  # type: ignore[override]
        """Where this name stands."""
        same = np.flatnonzero(self.names == name)
        found: NDArray[np.bool_] = self.numbers == same[0] if len(same) == 1 else (self.names == name)[self.numbers]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The names of all rows, for whatever takes an array."""
        return np.asarray(self[:], dtype=dtype)

    __hash__ = None  # type: ignore[assignment]


class Services:
    """Takes the services of attempts, some at a time, and numbers them as long as there are few."""

    def __init__(self, count: int) -> None:
        """`count` attempts will come."""
        self.numbers = np.empty(count, dtype=np.uint16)
        self.done = 0
        self.keys = self.hosts = np.zeros(0, dtype=np.uint64)  # in the order of their numbers
        self.order = np.zeros(0, dtype=np.intp)  # of keys by their value
        self.plain: tuple[Keys, Keys] | None = None  # services and hosts of all, if there are many

    def add(self, services: Keys, hosts_of: Callable[[Any], Keys]) -> None:
        """Take the services of the next attempts; `hosts_of` names the hosts of those at some places among them."""
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
        """Number services that were not known, or go over to names where that makes too many."""
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

    def columns(self) -> tuple[Keys | Named, Keys | Named, Keys, NDArray[Any] | None]:
        """Services and hosts of all attempts, the different services in order, and the place there of each attempt's.

        Places are None where there are many services.
        """
        if self.plain is not None:
            return *self.plain, distinct(self.plain[0]), None
        rank = np.empty(len(self.order), dtype=np.uint16)
        rank[self.order] = np.arange(len(self.order))
        for some in batches(len(self.numbers)):
            self.numbers[some] = rank[self.numbers[some]]
        keys = self.keys[self.order]
        return Named(self.numbers, keys), Named(self.numbers, self.hosts[self.order]), keys, self.numbers
