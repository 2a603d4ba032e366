"""What batches of rows make: connections, or only those parts of them that are asked for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from handshake_inspect.report.attempt_columns import AttemptColumns
from handshake_inspect.report.column import Addresses, Column, Words
from handshake_inspect.report.fields import ENTRIES
from handshake_inspect.report.frame_places import evidence_in_files
from handshake_inspect.report.model import Aliases, Connection, Endpoint, FileFrame, TsharkAlias, ZeekAlias
from handshake_inspect.report.sequence import read_all
from handshake_inspect.wire.address import address_text


class Parts:
    """The fields of some connections, as columns; each is made when it is asked for."""

    def __init__(self, attempts: AttemptColumns, makers: Mapping[str, Callable[[Any], Words | Iterable[Any]]]) -> None:
        """`makers` gives the parts of a connection, and those fields that have no column in the table of fields."""
        self.attempts, self._makers = attempts, makers
        self._columns: dict[str, Column] = {}
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

    def column(self, name: str) -> Column:
        """The column of a field that has one."""
        if name not in self._columns:
            make = ENTRIES[name].column
            assert make is not None  # noqa: S101
            self._columns[name] = make(self.attempts)
        return self._columns[name]

    def makes(self, name: str) -> bool:
        """Whether this field, or part, is made here and has no column in the table."""
        return name in self._makers

    def made(self, name: str) -> Words | Iterable[Any]:
        """The values of a field that has no column in the table, or the parts of connections: as words, or listed."""
        return self._makers[name](self)

    def listed(self, name: str) -> Any:
        """The values of a field; None where only its part is made, and for addresses, which objects share."""
        if name not in self._listed:
            self._listed[name] = self._values(name)
        return self._listed[name]

    def _values(self, name: str) -> list[Any] | None:
        if name in self._makers:
            made = self.made(name)
            return made.listed() if isinstance(made, Words) else list(made)
        if ENTRIES[name].column is None:
            return None
        column = self.column(name)
        return None if isinstance(column, Addresses) else column.listed()

    def evidence_in_files(self) -> list[list[FileFrame] | None]:
        """Where the frames of the evidence are; None in a trace of one file."""
        return evidence_in_files(self.listed("evidence"), self.attempts.case.capture.places)

    def aliases(self) -> Iterable[Aliases]:
        """What others call them."""
        zeek, tshark = self.part("aliases.zeek", ZeekAlias, {}), self.part("aliases.tshark", TsharkAlias, {})
        return self.part("aliases", Aliases, {"zeek": zeek, "tshark": tshark})

    def _made(self, field: str) -> Iterable[Any]:
        listed = self.listed(field)
        if listed is None:
            raise LookupError(f"{field} has neither a column in its Entry nor a maker")
        return listed


def endpoints(hi: Sequence[int], lo: Sequence[int], port: Sequence[int]) -> list[Endpoint]:
    """Addresses and ports that seldom come again."""
    return list(map(Endpoint, map(address_text, hi, lo), port))
