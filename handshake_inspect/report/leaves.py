"""The leaves of the models: every field that holds a single value, with its type."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import msgspec

from handshake_inspect.report.connection import Connection
from handshake_inspect.report.connection_parts import Options
from handshake_inspect.report.setup import Milestone, OwnTime, Setup, Span, Tls, TlsAlert
from handshake_inspect.verdicts.words import CAUSES

Kind = Literal["number", "decimal", "duration", "time", "word", "text", "flag", "address", "list", "texts"]


# For each optional part, the JSON name of a field that is never null if the part is present.
PRESENCE: dict[type[Any], str] = {
    Options: "ecn", Setup: "protocol", Span: "method", OwnTime: "max_ns", Milestone: "ns", Tls: "outcome",
    TlsAlert: "from",
}  # fmt: skip


@dataclass(frozen=True)
class Leaf:
    """A leaf: dotted name, type, values if it is an enumeration (else empty), and names of model and attribute."""

    name: str
    kind: Kind
    words: tuple[str, ...]
    place: tuple[str, str]


@cache
def leaves(model: Hashable = Connection) -> tuple[Leaf, ...]:
    """Return all leaves of a model in the order of the JSON."""
    return tuple(_walk(msgspec.inspect.type_info(model), "", ("", "")))


def parts_of(model: type[Any]) -> tuple[tuple[str, type[Any] | None, bool], ...]:
    """Return the fields of a model: JSON name, model (None for a single value), and whether it may be null."""
    if model not in _PARTS:
        _PARTS[model] = tuple(_parts_of(model))
    return _PARTS[model]


_PARTS: dict[type[Any], tuple[tuple[str, type[Any] | None, bool], ...]] = {}


def _parts_of(model: Any) -> Iterator[tuple[str, type[Any] | None, bool]]:
    for field in msgspec.structs.fields(model):
        kind = plain(field.type)
        types = getattr(kind, "__args__", (kind,))
        part = next((each for each in types if isinstance(each, type) and issubclass(each, msgspec.Struct)), None)
        is_list = getattr(kind, "__origin__", None) is list
        yield field.encode_name, None if is_list else part, type(None) in types


def plain(kind: Any) -> Any:
    """Return a type without its annotations."""
    return kind.__origin__ if hasattr(kind, "__metadata__") else kind


def _walk(kind: Any, path: str, place: tuple[str, str]) -> Iterator[Leaf]:
    """Yield the leaves below a type."""
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
            inside = f"{path}.{field.encode_name}" if path else field.encode_name
            yield from _walk(field.type, inside, (kind.cls.__name__, field.encode_name))
    else:
        yield Leaf(path, *_type(kind, path, description), place)


def _type(kind: Any, path: str, description: str) -> tuple[Kind, tuple[str, ...]]:
    if isinstance(kind, msgspec.inspect.LiteralType):
        return "word", tuple(map(str, kind.values))
    if isinstance(kind, msgspec.inspect.BoolType):
        return "flag", ()
    if isinstance(kind, msgspec.inspect.ListType):
        return "list" if _is_number(kind.item_type) else "texts", ()
    if isinstance(kind, msgspec.inspect.StrType):
        text: Kind = "text" if path == "why" else "word"
        words = tuple(sorted(filter(None, CAUSES))) if path == "cause" else ()
        return "address" if path.endswith(".ip") else text, words
    if path.endswith("_ns"):
        return "time" if "epoch" in _description(kind, description) else "duration", ()
    return "number", ()


def _is_number(kind: Any) -> bool:
    while isinstance(kind, msgspec.inspect.Metadata):
        kind = kind.type
    return isinstance(kind, msgspec.inspect.IntType)


def _description(kind: Any, outside: str) -> str:
    inside = getattr(kind, "extra_json_schema", None) or {}
    return str(inside.get("description", outside))
