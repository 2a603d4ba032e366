"""The lazy sequence of connections of a report, of which there may be millions."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol, overload, runtime_checkable

from handshake_inspect.report.connection import Connection
from handshake_inspect.report.encoding import encoded_objects
from handshake_inspect.report.trouble import has_trouble
from handshake_inspect.report.words import OUTCOMES, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from handshake_inspect.report.lines import Style


@runtime_checkable
class WrittenElsewhere(Protocol):
    """Connections whose rows are elsewhere."""

    def write_apart(self, directory: Path, names: Sequence[str]) -> None:
        """Write these fields into a dataset where the rows are."""


class Connections(Sequence[Connection]):
    """All connections in order of their first frame; `connections[i].id == i`.

    There may be millions: implementations build a Connection on access and keep none.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of connections."""

    @abstractmethod
    def connection(self, index: int) -> Connection:
        """Build the connection with this id, `0 <= index < len(self)`."""

    def table(self) -> Any:
        """Return all connections as a masked NumPy structured array; TypeError for a report loaded from JSON."""
        raise TypeError("a report read from a file has no table; analyze the capture again")

    @property
    @abstractmethod
    def trouble_count(self) -> int:
        """The number of connections for which `has_trouble` is true."""

    @abstractmethod
    def trouble(self, limit: int | None = None) -> list[Connection]:
        """Return at most `limit` connections with trouble, in order; `fair_shares` divides them among outcomes."""

    @overload
    def __getitem__(self, index: int) -> Connection: ...
    @overload
    def __getitem__(self, index: slice) -> list[Connection]: ...
    def __getitem__(self, index: int | slice) -> Connection | list[Connection]:
        """Return one connection, or a list for a slice."""
        if isinstance(index, slice):
            return [self.connection(i) for i in range(*index.indices(len(self)))]
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(f"connection {index} of {len(self)}")
        return self.connection(at)

    def __iter__(self) -> Iterator[Connection]:
        """Build the connections one by one."""
        return map(self.connection, range(len(self)))

    def chunks(self, size: int) -> Iterator[list[Connection]]:
        """Yield all connections in lists of at most `size`."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def as_json(self, size: int, opening: bytes, ending: bytes) -> Iterator[bytes | memoryview]:
        """Yield all connections as JSON, at most `size` at a time.

        `opening` replaces the opening brace of each, and `ending` follows its closing brace.
        """
        for chunk in self.chunks(size):
            yield encoded_objects(chunk, opening, ending)

    def as_lines(
        self, fields: Sequence[str], size: int, heads: Sequence[bytes], ending: bytes, style: Style
    ) -> Iterator[memoryview]:
        """Yield these fields as lines, for at most `size` connections at a time.

        Each field is preceded by its entry of `heads`, and the last one followed by `ending`.
        """
        from handshake_inspect.report.lines import of_values  # noqa: PLC0415 - needs NumPy

        for columns in self.values(fields, size):
            yield of_values(columns, heads, ending, style)

    def values(self, fields: Sequence[str], size: int) -> Iterator[list[list[Any]]]:
        """Yield the values of these fields (`rtt.total.value_ns`), for at most `size` connections at a time."""
        return values_of(self.chunks(size), fields)


def values_of(chunks: Iterable[Sequence[Any]], fields: Sequence[str]) -> Iterator[list[list[Any]]]:
    """Yield the values of these fields for each chunk of objects."""
    for chunk in chunks:
        yield [read_all(chunk, field) for field in fields]


def read_all(objects: Sequence[Any], path: str) -> list[Any]:
    """Return the attribute at a dotted path for each object; None if a part on the path is None."""
    try:
        return list(map(attrgetter(path), objects))
    except AttributeError:  # some part is None; the names themselves are valid
        found = list(objects)
        for part in path.split("."):
            found = [None if each is None else getattr(each, part) for each in found]
        return found


class ListedConnections(Connections):
    """A sequence of existing objects, for reports loaded from JSON and for tests."""

    def __init__(self, connections: Sequence[Connection] = ()) -> None:
        self._connections = list(connections)

    def __len__(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def __eq__(self, other: object) -> bool:
        """Return True for equal connections in the same order."""
        return self._connections == list(other) if isinstance(other, Connections) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def connection(self, index: int) -> Connection:
        """Return the connection with this id."""
        return self._connections[index]

    @property
    def trouble_count(self) -> int:
        """The number of connections with trouble."""
        return sum(map(has_trouble, self._connections))

    def trouble(self, limit: int | None = None) -> list[Connection]:
        """Return at most `limit` connections with trouble, with every outcome represented."""
        troubled = [connection for connection in self._connections if has_trouble(connection)]
        if limit is None:
            return troubled
        left = fair_shares(Counter(connection.outcome for connection in troubled), limit)
        chosen = []
        for connection in troubled:
            if left[connection.outcome] > 0:
                left[connection.outcome] -= 1
                chosen.append(connection)
        return chosen


def fair_shares(counts: Mapping[Outcome, int], limit: int) -> dict[Outcome, int]:
    """Divide `limit` places among outcomes so that frequent outcomes do not crowd out rare ones."""
    shares: dict[Outcome, int] = {}
    left = limit
    rarest_first = sorted(counts, key=lambda outcome: (counts[outcome], OUTCOMES.index(outcome)))
    for done, outcome in enumerate(rarest_first):
        shares[outcome] = min(counts[outcome], -(-left // (len(rarest_first) - done)))
        left -= shares[outcome]
    return shares
