"""Connections as tab-separated values, one per line under a header of field names."""

from __future__ import annotations

from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.rows import ASSERTION, cell, columns, lines
from handshake_inspect.report.checked import Checked
from handshake_inspect.report.model import Report

# A cell of TSV cannot hold these (IANA text/tab-separated-values).
_ESCAPES = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r"})


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write the chosen columns."""
    fields = columns(options)
    _write(out, [[field.name for field in fields]])
    out.writelines(lines(report, fields, options, lambda text: text.translate(_ESCAPES), "\t"))


def render_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write one line per assertion."""
    rows = [[cell(getattr(each, name)).translate(_ESCAPES) for name in ASSERTION] for each in checked.assertions]
    _write(out, [list(ASSERTION), *rows])


def _write(out: BinaryIO, rows: list[list[str]]) -> None:
    out.write("".join("\t".join(row) + "\n" for row in rows).encode("utf-8", "backslashreplace"))
