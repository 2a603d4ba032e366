"""The fields of a connection by dotted name (`rtt.total.value_ns`): type, unit, meaning and column.

They are defined by annotations of the model in `report.connection`, and looked up here by filters, columns, tables, the
JSON Schema, `hsi fields` and docs/report.md.  A field without a column function is built with the objects (see
`report.batch` and `report.embryos`).
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

_UNITS = {"time": "ns since 1970", "duration": "ns"}  # units implied by the type


FIELDS = entries_of(Connection)


# Including derived fields, which are not keys of the JSON.
ENTRIES = {**FIELDS, **{name: Entry(each.help, each.column, each.unit) for name, each in DERIVED.items()}}


@dataclass(frozen=True)
class Field:
    """A field with one value; `words` are all values of an enumeration, empty if the set is open."""

    name: str
    kind: Kind
    words: tuple[str, ...] = ()

    @property
    def help(self) -> str:
        """The meaning in one line."""
        return ENTRIES[self.name].help

    @property
    def unit(self) -> str:
        """The unit; empty for words, flags and plain numbers."""
        return ENTRIES[self.name].unit or _UNITS.get(self.kind, "")


@cache
def fields(model: Hashable = Connection) -> dict[str, Field]:
    """Return all fields of a model and its parts in schema order; only those of `Connection` have help texts."""
    return {leaf.name: Field(leaf.name, leaf.kind, leaf.words) for leaf in leaves(model)}


@cache
def is_made(path: str) -> bool:
    """Whether a field, or every field of a part, has no column and is built as objects."""
    inside = [entry for name, entry in FIELDS.items() if name == path or name.startswith(f"{path}.")]
    return all(entry.column is None for entry in inside)


@cache
def derived() -> dict[str, Field]:
    """Return the derived fields, for columns and expressions."""
    return {name: Field(name, each.kind) for name, each in DERIVED.items()}


@cache
def helps() -> dict[tuple[str, str], str]:
    """Return the help texts by names of model and attribute."""
    return {leaf.place: FIELDS[leaf.name].help for leaf in leaves()}


def find(name: str) -> Field:
    """Return the field with this name or unambiguous short name (`rtt.total`, `client`, `age`).

    Raises UsageError with similar names if there is none.
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
    """Return the fields for `-e`: names, also comma-separated; `*` is every field; no names select the default."""
    wanted = [name.strip() for text in names for name in text.split(",") if name.strip()]
    found: dict[str, Field] = {}
    for name in wanted or DEFAULT:
        for field in fields().values() if name == "*" else map(find, _ENDS.get(name, (name,))):
            found[field.name] = field
    return list(found.values())
