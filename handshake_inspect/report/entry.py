"""What a field of a connection says of itself, beside its type in the model: its help, its column, its unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec import Struct
from msgspec.structs import fields

from handshake_inspect.report.attempt_columns import AttemptColumns
from handshake_inspect.report.column import Column


@dataclass(frozen=True)
class Entry:
    """What a field says of itself: a line of help, what makes its column, the unit where the type has none."""

    help: str
    column: Callable[[AttemptColumns], Column] | None = None
    unit: str = ""


@dataclass(frozen=True, eq=False)
class Inside:
    """What the fields inside a part say, by their names there (`kernel.rtt_ns`)."""

    entries: Mapping[str, Entry]


def entries_of(model: type[Struct]) -> dict[str, Entry]:
    """What every field inside a model says, by its name in the JSON; a part that says nothing is looked into."""
    found: dict[str, Entry] = {}
    for field in fields(model):
        kind = field.type if isinstance(field.type, type) else object
        said = getattr(field.type, "__metadata__", (None,))[-1]
        if isinstance(said, Entry):
            found[field.encode_name] = said
        elif isinstance(said, Inside) or issubclass(kind, Struct):
            inside = said.entries if isinstance(said, Inside) else entries_of(kind)
            found |= {f"{field.encode_name}.{name}": entry for name, entry in inside.items()}
    return found
