"""Connections as rows of cells, for the formats that are tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from handshake_inspect.render import Options
from handshake_inspect.report.fields import Field, chosen
from handshake_inspect.report.model import Report

CHUNK = 2_000  # connections made, written and forgotten at a time
# What a spreadsheet takes for the start of a formula (OWASP, "CSV injection"); a text that begins so is quoted.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def columns(options: Options) -> list[Field]:
    """The fields that were asked for."""
    return chosen(options.fields)


def values(report: Report, fields: list[Field], options: Options) -> Iterator[list[list[Any]]]:
    """Columns of values in chunks, as the report holds them."""
    names = [field.name for field in fields]
    return report.connections.values(names, CHUNK) if options.connections else iter(())


def cell(value: Any) -> str:
    """One value as text: nothing for None, `true` and `false`, lists with spaces between."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        value = " ".join(map(str, value))
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return str(value)
