"""The base of batches of rows: builds whole connections, or only the requested fields."""

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
    """The fields of some connections, as columns computed on demand."""

    def __init__(self, attempts: AttemptColumns, makers: Mapping[str, Callable[[Any], Words | Iterable[Any]]]) -> None:
        """`makers` build the parts of a connection, and the fields that have no column in `report.fields`."""
        self.attempts, self._makers = attempts, makers
        self._columns: dict[str, Column] = {}
        self._lists: dict[str, list[Any] | None] = {}

    def connections(self) -> list[Connection]:
        """Build the connections."""
        return list(map(Connection, *map(self._required, Connection.__struct_fields__)))

    def values(self, names: Sequence[str]) -> list[list[Any]]:
        """Return a list per named field (such as `rtt.total.value_ns`); None where an enclosing part is absent."""
        whole: dict[str, list[Any]] = {}
        columns = []
        for name in names:
            values = self.list_of(name)
            if values is None:
                field, _, inside = name.partition(".")
                if field not in whole:
                    whole[field] = list(self._required(field))
                values = read_all(whole[field], inside) if inside else whole[field]
            columns.append(values)
        return columns

    def part(self, path: str, model: type[Struct], given: Mapping[str, Iterable[Any]]) -> Iterable[Any]:
        """Build a part of each connection; fields that are not in `given` come from their columns."""
        names = model.__struct_fields__
        return map(model, *(given[name] if name in given else self.list_of(f"{path}.{name}") for name in names))

    def column(self, name: str) -> Column:
        """Return the column of a field that has one."""
        if name not in self._columns:
            make = ENTRIES[name].column
            assert make is not None  # noqa: S101
            self._columns[name] = make(self.attempts)
        return self._columns[name]

    def makes(self, name: str) -> bool:
        """Whether this field or part is built by a maker instead of a column."""
        return name in self._makers

    def computed(self, name: str) -> Words | Iterable[Any]:
        """Return the values of a field or part that is built by a maker."""
        return self._makers[name](self)

    def list_of(self, name: str) -> Any:
        """Return the values of a field as a list; None for addresses and for fields built only with their part."""
        if name not in self._lists:
            self._lists[name] = self._values(name)
        return self._lists[name]

    def _values(self, name: str) -> list[Any] | None:
        if name in self._makers:
            values = self.computed(name)
            return values.to_list() if isinstance(values, Words) else list(values)
        if ENTRIES[name].column is None:
            return None
        column = self.column(name)
        return None if isinstance(column, Addresses) else column.to_list()

    def evidence_in_files(self) -> list[list[FileFrame] | None]:
        """Return file and frame number of the evidence of each; None if the trace is one file."""
        return evidence_in_files(self.list_of("evidence"), self.attempts.case.capture.frame_locator)

    def aliases(self) -> Iterable[Aliases]:
        """Return the `Aliases` of each connection: ids and words of other tools."""
        zeek, tshark = self.part("aliases.zeek", ZeekAlias, {}), self.part("aliases.tshark", TsharkAlias, {})
        return self.part("aliases", Aliases, {"zeek": zeek, "tshark": tshark})

    def _required(self, field: str) -> Iterable[Any]:
        values = self.list_of(field)
        if values is None:
            raise LookupError(f"{field} has neither a column in its Entry nor a maker")
        return values


def endpoints(hi: Sequence[int], lo: Sequence[int], port: Sequence[int]) -> list[Endpoint]:
    """Build endpoints that rarely repeat, without caching."""
    return list(map(Endpoint, map(address_text, hi, lo), port))
