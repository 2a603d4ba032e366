"""Annotations of model fields: help text, column function and unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import fields

from handshake_inspect.report.attempt_columns import AttemptColumns
from handshake_inspect.report.column import Column


@dataclass(frozen=True)
class Entry:
    """A field's help text, column function, and unit unless the type implies one."""

    help: str
    column: Callable[[AttemptColumns], Column] | None = None
    unit: str = ""


@dataclass(frozen=True, eq=False)
class Inside:
    """The entries of the fields of a nested model, by dotted name within it (`kernel.rtt_ns`)."""

    entries: Mapping[str, Entry]


def entries_of(model: type[Struct]) -> dict[str, Entry]:
    """Return the entries of all fields of a model by dotted JSON name; nested models without `Inside` are searched."""
    found: dict[str, Entry] = {}
    for field in fields(model):
        kind = field.type if isinstance(field.type, type) else object
        annotation = getattr(field.type, "__metadata__", (None,))[-1]
        if isinstance(annotation, Entry):
            found[field.encode_name] = annotation
        elif isinstance(annotation, Inside) or issubclass(kind, Struct):
            inside = annotation.entries if isinstance(annotation, Inside) else entries_of(kind)
            found |= {f"{field.encode_name}.{name}": entry for name, entry in inside.items()}
    return found
