"""Every field of a connection: its dotted name (`rtt.total.value_ns`), its unit, what it means, and its column.

All of it stands beside the attributes of the model in `report.connection`; here it is found by name.  Objects, filters,
columns, tables, the JSON Schema, `hsi fields` and docs/report.md read it.  A field without a column function is made
with the objects (see `report.batch` and `report.embryos`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache

from handshake_inspect.errors import UsageError
from handshake_inspect.report.connection import Connection
from handshake_inspect.report.derived import DERIVED
from handshake_inspect.report.entry import Entry, entries_of
from handshake_inspect.report.leaves import Kind, leaves

DEFAULT = (
    "id", "first_frame", "first_ns", "client.ip", "client.port", "server.ip", "server.port", "outcome", "cause",
    "decided", "state.client", "state.server", "handshake.syn_count", "handshake.synack_count", "rtt.synack.value_ns",
    "rtt.ackdat.value_ns", "rtt.total.value_ns", "rtt.total.method", "rtt.reject_ns", "close.how", "close.first",
    "client_to_server.bytes", "client_to_server.retransmissions", "server_to_client.bytes",
    "server_to_client.retransmissions", "why",
)  # fmt: skip

_UNITS = {"time": "ns since 1970", "duration": "ns"}  # what the type says alone


FIELDS = entries_of(Connection)


# And those that follow from these, which are no keys of the JSON.
ENTRIES = {**FIELDS, **{name: Entry(each.help, each.column, each.unit) for name, each in DERIVED.items()}}


@dataclass(frozen=True)
class Field:
    """A field that holds one value; `words` are all that a word can be, empty where that is open."""

    name: str
    kind: Kind
    words: tuple[str, ...] = ()

    @property
    def help(self) -> str:
        """What it means, in one line."""
        return ENTRIES[self.name].help

    @property
    def unit(self) -> str:
        """What it is counted in; empty for words, flags and bare numbers."""
        return ENTRIES[self.name].unit or _UNITS.get(self.kind, "")


@cache
def fields(model: Hashable = Connection) -> dict[str, Field]:
    """Every field of a model and its parts, in the order of the schema; help is only in those of a TCP connection."""
    return {leaf.name: Field(leaf.name, leaf.kind, leaf.words) for leaf in leaves(model)}


@cache
def is_made(path: str) -> bool:
    """Whether a field, or every field of a part, has no column: it is made of rows as objects."""
    inside = [entry for name, entry in FIELDS.items() if name == path or name.startswith(f"{path}.")]
    return all(entry.column is None for entry in inside)


@cache
def derived() -> dict[str, Field]:
    """The fields that follow from others: for columns and expressions."""
    return {name: Field(name, each.kind) for name, each in DERIVED.items()}


@cache
def helps() -> dict[tuple[str, str], str]:
    """What the table says, by the name of the model and that of its attribute."""
    return {leaf.place: FIELDS[leaf.name].help for leaf in leaves()}


def find(name: str) -> Field:
    """The field of this name, or of a shorter one that says enough: `rtt.total`, `client`, `age`.

    Raises UsageError, with the names that are near, when there is none.
    """
    known = fields() | derived()
    for candidate in (name, f"{name}_ns", f"{name}.value_ns", f"{name}.ip"):
        if candidate in known:
            return known[candidate]
    from difflib import get_close_matches  # noqa: PLC0415

    inside = [each for each in known if each.startswith(f"{name}.")]
    near = inside or get_close_matches(name, known, n=3, cutoff=0.5)
    near = near or [each for each in known if name.rpartition(".")[2] in each.split(".")]
    values = [each.removesuffix(".value_ns") for each in near if each.endswith(".value_ns")]
    hint = f"; did you mean {' or '.join((values or near)[:3])}?" if near else "; hsi fields lists them"
    raise UsageError(f"no field {name}{hint}")


_ENDS = {end: (f"{end}.ip", f"{end}.port") for end in ("client", "server")}


def chosen(names: Sequence[str]) -> list[Field]:
    """The fields for `-e`: names, separated by commas too; `*` is every field; none given, the usual ones."""
    wanted = [name.strip() for text in names for name in text.split(",") if name.strip()]
    found: dict[str, Field] = {}
    for name in wanted or DEFAULT:
        for field in fields().values() if name == "*" else map(find, _ENDS.get(name, (name,))):
            found[field.name] = field
    return list(found.values())
