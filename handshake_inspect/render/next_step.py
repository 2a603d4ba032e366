"""What to type to see more of a connection."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from handshake_inspect.render.layout import Style
from handshake_inspect.report.model import Capture, Connection, Report
from handshake_inspect.wire.text import printable

PIPES = {"-", "standard input"}  # as commands and as captures call it


def explaining(capture: Capture, number: int) -> str:
    """The command that explains a connection; empty where the capture cannot be read once more."""
    sources = capture.sources
    if len(sources) != 1 or sources[0] in PIPES:
        return ""
    return f"hsi explain {shlex.quote(printable(sources[0]))} {number}"


def next_step(report: Report, connection: Connection, width: int, style: Style) -> Iterator[str]:
    """An empty line and the command, if there is one."""
    if command := explaining(report.capture, connection.id):
        remark = "  segment by segment"
        yield ""
        fits = len("next: ") + len(command) + len(remark) <= width
        yield style.paint("next: ", "dim") + style.paint(command, "bold") + style.paint(remark if fits else "", "dim")
