"""Connections as rows of cells, for the formats that are tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from handshake_inspect.render import Options
from handshake_inspect.report.fields import Field, chosen
from handshake_inspect.report.model import Connection, Report

CHUNK = 2_000  # connections made, written and forgotten at a time
ASSERTION = ("rule", "status", "measured", "allowed", "unit", "value", "limit", "matched", "broken")  # of a check
_NUMBERS = ("number", "duration", "time")  # kinds of fields that hold integers
# What a spreadsheet takes for the start of a formula (OWASP, "CSV injection"); a text that begins so is quoted.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def columns(options: Options) -> list[Field]:
    """The fields that were asked for."""
    return chosen(options.fields)


def chunks(report: Report, options: Options) -> Iterator[list[Connection]]:
    """The connections in pieces; none where connections are not wanted."""
    return report.connections.chunks(CHUNK) if options.connections else iter(())


def values(report: Report, fields: list[Field], options: Options) -> Iterator[list[list[Any]]]:
    """Columns of values in chunks, as the report holds them."""
    names = [field.name for field in fields]
    return report.connections.values(names, CHUNK) if options.connections else iter(())


def lines(
    report: Report, fields: list[Field], options: Options, escaped: Callable[[str], str], separator: str
) -> Iterator[bytes]:
    """Rows of cells as text, many at a time; `escaped` makes of a text what stands between separators."""
    for columns_ in values(report, fields, options):
        texts = [cells(field, column, escaped) for field, column in zip(fields, columns_, strict=True)]
        rows = map(separator.join, zip(*texts, strict=True))
        yield ("\n".join(rows) + "\n").encode("utf-8", "backslashreplace")


def cells(field: Field, column: list[Any], escaped: Callable[[str], str]) -> Iterable[str]:
    """A column as text, as `cell` gives it; each different word is looked at once."""
    if field.kind in _NUMBERS:
        nothing = escaped("")
        return [nothing if value is None else str(value) for value in column] if None in column else map(str, column)
    if field.kind == "list":
        return [escaped(cell(value)) for value in column]
    told = {value: escaped(cell(value)) for value in set(column)}
    return map(told.__getitem__, column)


def cell(value: Any) -> str:
    """One value as text: nothing for None, `true` and `false`, lists with spaces between."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return str(value)
