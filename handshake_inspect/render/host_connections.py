"""The connections of one host as a list to choose from."""

from __future__ import annotations

from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.connections import connection_lines
from handshake_inspect.render.layout import Style, written
from handshake_inspect.render.next_step import next_step
from handshake_inspect.report.model import Report, has_trouble
from handshake_inspect.wire.text import plural, printable

LISTED = 500


def list_connections(report: Report, host: str, out: BinaryIO, options: Options) -> None:
    """Write a line for each connection, of very many for the first, and how to see one of them."""
    style = Style(color=options.color, encoding=options.encoding)
    total = len(report.connections)
    shown = report.connections[:LISTED]
    start = report.capture.first_ns or 0
    length = (report.capture.last_ns or 0) - start
    more = f", the first {LISTED} of them" if total > LISTED else ""
    lines = [
        style.paint(f"CONNECTIONS of {printable(host)}", "bold") + f"  {plural(total, 'connection')}{more}",
        *connection_lines([shown], options, style, start, length, ids=True),
        *next_step(report, next(filter(has_trouble, shown), shown[0]).id, options, style),
    ]
    written(out, lines, options.encoding)
