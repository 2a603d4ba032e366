"""Columns and cells of connections, for tabular formats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from handshake_inspect.render import Options
from handshake_inspect.report.fields import Field, chosen
from handshake_inspect.report.model import Report

CHUNK = 2_000  # connections per chunk
# Characters that start a formula in spreadsheets (OWASP, "CSV injection"); such texts are prefixed with a quote.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def columns(options: Options) -> list[Field]:
    """Return the requested fields, or the default ones."""
    return chosen(options.fields)


def values(report: Report, fields: list[Field], options: Options) -> Iterator[list[list[Any]]]:
    """Yield columns of values in chunks."""
    names = [field.name for field in fields]
    return report.connections.values(names, CHUNK) if options.connections else iter(())


def cell(value: Any) -> str:
    """Format a value as text: None is empty, booleans are `true` and `false`, lists are joined by spaces."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return str(value)
