"""What to type to see more of a connection."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from handshake_inspect.render import Options
from handshake_inspect.render.layout import Style
from handshake_inspect.report.model import Capture, Connection, Report
from handshake_inspect.wire.text import printable

LIVE = "live"  # the format of what was captured on an interface
PIPES = {"-", "standard input"}  # as commands and as captures call it


def explaining(capture: Capture, number: int | str, saved: str = "") -> str:
    """The command that explains a connection, by its id or an end; empty where the capture cannot be read once more.

    An interface cannot, but the file that its frames were `saved` to.
    """
    sources = [saved] if saved else capture.sources
    if len(sources) != 1 or sources[0] in PIPES or (capture.format == LIVE and not saved):
        return ""
    return f"hsi explain {shlex.quote(printable(sources[0]))} {number}"


def next_step(report: Report, connection: Connection, options: Options, style: Style) -> Iterator[str]:
    """An empty line and the command, if there is one."""
    if command := explaining(report.capture, connection.id, options.saved):
        remark = "  with options and evidence" if options.stories else "  segment by segment"
        yield ""
        fits = len("next: ") + len(command) + len(remark) <= options.width
        yield style.paint("next: ", "dim") + style.paint(command, "bold") + style.paint(remark if fits else "", "dim")
