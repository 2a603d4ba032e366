"""Connections as CSV (RFC 4180, but with plain newlines), one per line under a header of field names."""

from __future__ import annotations

import csv
import io
from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.rows import ASSERTION, cell, columns, values
from handshake_inspect.report.checked import Checked
from handshake_inspect.report.model import Report


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write the chosen columns; cells that a spreadsheet would run as formulas begin with a quote."""
    fields = columns(options)
    _write(out, [[field.name for field in fields]])
    for chunk in values(report, fields, options):
        _write(out, [[cell(value) for value in row] for row in chunk])


def render_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write one line per assertion."""
    _write(out, [list(ASSERTION)])
    _write(out, [[cell(getattr(each, name)) for name in ASSERTION] for each in checked.assertions])


def _write(out: BinaryIO, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    out.write(text.getvalue().encode("utf-8", "backslashreplace"))
