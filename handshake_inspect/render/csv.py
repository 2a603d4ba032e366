"""Connections as CSV (RFC 4180, but with plain newlines), one per line under a header of field names."""

from __future__ import annotations

import re
from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.rows import ASSERTION, cell, columns, lines
from handshake_inspect.report.checked import Checked
from handshake_inspect.report.model import Report

_SPECIAL = re.compile('[",\r\n]')


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write the chosen columns; cells that a spreadsheet would run as formulas begin with a quote."""
    fields = columns(options)
    out.write(",".join(field.name for field in fields).encode() + b"\n")
    escaped = _quoted if len(fields) > 1 else _alone
    out.writelines(lines(report, fields, options, escaped, ","))


def render_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write one line per assertion."""
    rows = [ASSERTION, *([cell(getattr(each, name)) for name in ASSERTION] for each in checked.assertions)]
    text = "".join(f"{','.join(map(_quoted, row))}\n" for row in rows)
    out.write(text.encode("utf-8", "backslashreplace"))


def _quoted(text: str) -> str:
    return '"{}"'.format(text.replace('"', '""')) if _SPECIAL.search(text) else text


def _alone(text: str) -> str:
    """In the only column an empty cell is quoted: it would be an empty line, which readers leave out."""
    return _quoted(text) or '""'
