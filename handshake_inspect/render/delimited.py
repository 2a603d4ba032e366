"""Connections as CSV (RFC 4180, but with LF line endings) and tab-separated values.

One connection per line, below a header of field names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from handshake_inspect.render import Format, Options
from handshake_inspect.render.rows import CHUNK, cell, columns
from handshake_inspect.report.checked import Checked
from handshake_inspect.report.fields import Field, find
from handshake_inspect.report.lines import Texts, joined
from handshake_inspect.report.model import Report

ASSERTION = ("rule", "status", "measured", "allowed", "unit", "value", "limit", "matched", "broken")  # of a check
_SPECIAL = re.compile('[",\r\n]')
# Characters that TSV cells cannot contain (IANA text/tab-separated-values).
_ESCAPES = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r"})

_Escape = Callable[[str], str]  # converts a text to a cell


def render_csv(report: Report, out: BinaryIO, options: Options) -> None:
    """Write the chosen columns; cells that a spreadsheet would run as formulas are prefixed with a quote."""
    fields = _columns(options)
    _write(report, out, options, fields, _quoted if len(fields) > 1 else _alone, ",")


def render_tsv(report: Report, out: BinaryIO, options: Options) -> None:
    """Write the chosen columns."""
    _write(report, out, options, _columns(options), _escaped, "\t")


def render_csv_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write one line per assertion."""
    _write_check(checked, out, _quoted, ",")


def render_tsv_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write one line per assertion."""
    _write_check(checked, out, _escaped, "\t")


def _columns(options: Options) -> list[Field]:
    """Return the requested fields, or the default ones with times and RTT in a form that suits spreadsheets."""
    usual = columns(options)
    if options.fields:
        return usual
    readable = {"first_ns": "time", "rtt.total.value_ns": "rtt_ms"}
    return [each for field in usual for each in (field, *map(find, filter(None, [readable.get(field.name)])))]


def _quoted(text: str) -> str:
    return '"{}"'.format(text.replace('"', '""')) if _SPECIAL.search(text) else text


def _alone(text: str) -> str:
    """Quote an empty cell of the only column, because readers skip empty lines."""
    return _quoted(text) or '""'


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _write(
    report: Report, out: BinaryIO, options: Options, fields: list[Field], escape: _Escape, separator: str
) -> None:
    names = [field.name for field in fields]
    out.write(separator.join(names).encode() + b"\n")
    if options.connections:
        heads = [b"", *[separator.encode()] * (len(names) - 1)]
        out.writelines(report.connections.as_lines(names, CHUNK, heads, b"\n", _Cells(escape)))


class _Cells:
    """The line style of delimited formats (see `report.lines`)."""

    quote = b""

    def __init__(self, escape: _Escape) -> None:
        self._escape = escape
        self.none = escape("").encode()

    def one(self, value: Any) -> bytes:
        """Format a value; milliseconds have up to six decimals."""
        text = f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else cell(value)
        return self._escape(text).encode("utf-8", "backslashreplace")

    def many(self, values: Sequence[Any]) -> Texts:
        """Format values as texts with their bounds."""
        return joined(list(map(self.one, values)))


def _write_check(checked: Checked, out: BinaryIO, escape: _Escape, separator: str) -> None:
    rows = [ASSERTION, *([cell(getattr(each, name)) for name in ASSERTION] for each in checked.assertions)]
    text = "".join(f"{separator.join(map(escape, row))}\n" for row in rows)
    out.write(text.encode("utf-8", "backslashreplace"))


FORMATS = {
    "csv": Format(render_csv, (".csv",), columns=True, check=render_csv_check),
    "tsv": Format(render_tsv, (".tsv",), columns=True, check=render_tsv_check),
}
