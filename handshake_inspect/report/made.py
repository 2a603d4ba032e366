"""What batches of rows make: connections, or only those parts of them that are asked for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from handshake_inspect.report.model import Aliases, Connection, Endpoint, TsharkAlias, ZeekAlias
from handshake_inspect.report.sequence import read_all
from handshake_inspect.wire.address import address_text

Column = NDArray[Any]


class Parts:
    """The fields of some connections, as columns; each is made when it is asked for."""

    def __init__(self, makers: Mapping[str, Callable[[Any], Iterable[Any]]]) -> None:
        """`makers` gives each field of a connection."""
        self._makers = makers

    def connections(self) -> list[Connection]:
        """Make the connections."""
        return list(map(Connection, *(self._makers[field](self) for field in Connection.__struct_fields__)))

    def values(self, names: Sequence[str]) -> list[list[Any]]:
        """The fields with these names (`rtt.total.value_ns`), a list each; None where a part on the way is absent."""
        made: dict[str, list[Any]] = {}
        columns = []
        for name in names:
            field, _, inside = name.partition(".")
            if field not in made:
                made[field] = list(self._makers[field](self))
            columns.append(read_all(made[field], inside) if inside else made[field])
        return columns


def endpoints(hi: Sequence[int], lo: Sequence[int], port: Sequence[int]) -> list[Endpoint]:
    """Addresses and ports that seldom come again."""
    return list(map(Endpoint, map(address_text, hi, lo), port))


def named(
    states: Iterable[str], histories: Iterable[str], streams: list[int], completeness: Iterable[int], ids: list[str]
) -> Iterable[Aliases]:
    """What other tools call connections."""
    return map(Aliases, map(ZeekAlias, states, histories), map(TsharkAlias, streams, completeness), ids)
