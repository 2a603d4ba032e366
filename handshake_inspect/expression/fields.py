"""The fields of a connection by the names of the schema (`rtt.total.value_ns`), read from the models themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from operator import attrgetter
from typing import Any, Literal

import msgspec

from handshake_inspect.errors import UsageError
from handshake_inspect.report.connection import Connection
from handshake_inspect.verdicts.words import CAUSES

Kind = Literal["number", "duration", "time", "word", "text", "flag", "address", "list"]

DEFAULT = (
    "id", "first_frame", "first_ns", "client.ip", "client.port", "server.ip", "server.port", "outcome", "cause",
    "decided", "state.client", "state.server", "handshake.syn_count", "handshake.synack_count", "rtt.synack.value_ns",
    "rtt.ackdat.value_ns", "rtt.total.value_ns", "rtt.total.method", "rtt.reject_ns", "close.how", "close.first",
    "client_to_server.bytes", "client_to_server.retransmissions", "server_to_client.bytes",
    "server_to_client.retransmissions", "why",
)  # fmt: skip


@dataclass(frozen=True)
class Field:
    """A field that holds one value; `words` are all that a word can be, empty where that is open."""

    name: str
    kind: Kind
    words: tuple[str, ...] = ()

    @property
    def read(self) -> Callable[[Connection], Any]:
        """Take the value from a connection: None where a part on the way is absent."""
        straight = attrgetter(self.name)
        parts = self.name.split(".")

        def value(connection: Connection) -> Any:
            try:
                return straight(connection)
            except AttributeError:  # only None has no such part: the names come from the models
                found: Any = connection
                for part in parts:
                    if found is None:
                        return None
                    found = getattr(found, part)
                return found

        return value


@cache
def fields() -> dict[str, Field]:
    """Every field, in the order of the schema."""
    return {field.name: field for field in _walk(msgspec.inspect.type_info(Connection), "")}


def _walk(kind: Any, path: str) -> Iterator[Field]:
    description = ""
    while True:
        if isinstance(kind, msgspec.inspect.Metadata):
            description = str((kind.extra_json_schema or {}).get("description", description))
            kind = kind.type
        elif isinstance(kind, msgspec.inspect.UnionType):
            kind = next(each for each in kind.types if not isinstance(each, msgspec.inspect.NoneType))
        else:
            break
    if isinstance(kind, msgspec.inspect.StructType):
        for field in kind.fields:
            yield from _walk(field.type, f"{path}.{field.encode_name}" if path else field.encode_name)
    elif isinstance(kind, msgspec.inspect.LiteralType):
        yield Field(path, "word", tuple(map(str, kind.values)))
    elif isinstance(kind, msgspec.inspect.BoolType):
        yield Field(path, "flag")
    elif isinstance(kind, msgspec.inspect.ListType):
        yield Field(path, "list")
    elif isinstance(kind, msgspec.inspect.StrType):
        text: Kind = "text" if path == "why" else "word"
        words = tuple(sorted(filter(None, CAUSES))) if path == "cause" else ()
        yield Field(path, "address" if path.endswith(".ip") else text, words)
    elif path.endswith("_ns"):
        yield Field(path, "time" if "epoch" in _description(kind, description) else "duration")
    else:
        yield Field(path, "number")


def _description(kind: Any, outside: str) -> str:
    inside = getattr(kind, "extra_json_schema", None) or {}
    return str(inside.get("description", outside))


def find(name: str) -> Field:
    """The field of this name, or of a shorter one that says enough: `rtt.total`, `client`, `age`.

    Raises UsageError, with the names that are near, when there is none.
    """
    known = fields()
    for candidate in (name, f"{name}_ns", f"{name}.value_ns", f"{name}.ip"):
        if candidate in known:
            return known[candidate]
    inside = [each for each in known if each.startswith(f"{name}.")]
    near = inside or get_close_matches(name, known, n=3, cutoff=0.5)
    near = near or [each for each in known if name.rpartition(".")[2] in each.split(".")]
    hint = f"; did you mean {' or '.join(near[:3])}?" if near else "; hsi schema lists them"
    raise UsageError(f"no field {name}{hint}")


def chosen(names: Sequence[str]) -> list[Field]:
    """The fields for `-e`: names, separated by commas too; `*` is every field; none given, the usual ones."""
    wanted = [name.strip() for text in names for name in text.split(",") if name.strip()]
    found: dict[str, Field] = {}
    for name in wanted or DEFAULT:
        for field in fields().values() if name == "*" else (find(name),):
            found[field.name] = field
    return list(found.values())
