"""What batches of rows make: connections, or only those parts of them that are asked for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from numpy.typing import NDArray

from handshake_inspect.report.attempt_columns import AttemptColumns
from handshake_inspect.report.column import Addresses
from handshake_inspect.report.fields import ENTRIES
from handshake_inspect.report.model import Aliases, Connection, Endpoint, TsharkAlias, ZeekAlias
from handshake_inspect.report.sequence import read_all
from handshake_inspect.wire.address import address_text

Column = NDArray[Any]


class Parts:
    """The fields of some connections, as columns; each is made when it is asked for."""

    def __init__(self, attempts: AttemptColumns, makers: Mapping[str, Callable[[Any], Iterable[Any]]]) -> None:
        """`makers` gives the parts of a connection, and those fields that have no column in the table of fields."""
        self.attempts, self._makers = attempts, makers
        self._listed: dict[str, list[Any] | None] = {}

    def connections(self) -> list[Connection]:
        """Make the connections."""
        return list(map(Connection, *map(self._made, Connection.__struct_fields__)))

    def values(self, names: Sequence[str]) -> list[list[Any]]:
        """The fields with these names (`rtt.total.value_ns`), a list each; None where a part on the way is absent."""
        made: dict[str, list[Any]] = {}
        columns = []
        for name in names:
            listed = self.listed(name)
            if listed is None:
                field, _, inside = name.partition(".")
                if field not in made:
                    made[field] = list(self._made(field))
                listed = read_all(made[field], inside) if inside else made[field]
            columns.append(listed)
        return columns

    def part(self, path: str, model: type[Struct], made: Mapping[str, Iterable[Any]]) -> Iterable[Any]:
        """A part of each connection: fields that are not in `made` come from their columns."""
        names = model.__struct_fields__
        return map(model, *(made[name] if name in made else self.listed(f"{path}.{name}") for name in names))

    def listed(self, name: str) -> Any:
        """The values of a field from its column; None where it has none, and for addresses, which objects share."""
        if name not in self._listed:
            column = ENTRIES[name].column
            made = None if column is None else column(self.attempts)
            self._listed[name] = None if made is None or isinstance(made, Addresses) else made.listed()
        return self._listed[name]

    def _made(self, field: str) -> Iterable[Any]:
        maker = self._makers.get(field)
        if maker is not None:
            return maker(self)
        listed = self.listed(field)
        if listed is None:
            raise LookupError(f"{field} has neither a column in report/fields.py nor a maker")
        return listed


def endpoints(hi: Sequence[int], lo: Sequence[int], port: Sequence[int]) -> list[Endpoint]:
    """Addresses and ports that seldom come again."""
    return list(map(Endpoint, map(address_text, hi, lo), port))


def named(
    states: Iterable[str], histories: Iterable[str], streams: list[int], completeness: Iterable[int], ids: list[str]
) -> Iterable[Aliases]:
    """What other tools call connections."""
    return map(Aliases, map(ZeekAlias, states, histories), map(TsharkAlias, streams, completeness), ids)
