"""The suggested next command, which explains a connection."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from handshake_inspect.render import Options
from handshake_inspect.render.layout import Style
from handshake_inspect.report.consequences import shown_together
from handshake_inspect.report.model import Capture, Connection, Report
from handshake_inspect.wire.text import printable

LIVE = "live"  # the capture format of live captures
PIPES = {"-", "standard input"}  # names of standard input in commands and captures


def explaining(capture: Capture, number: int | str, saved: str = "") -> str:
    """Return the command that explains a connection, by id or address; empty if the capture cannot be read again.

    An interface cannot, but the file that its frames were `saved` to.
    """
    sources = [saved] if saved else capture.sources
    if len(sources) != 1 or sources[0] in PIPES or (capture.format == LIVE and not saved):
        return ""
    return f"hsi explain {shlex.quote(printable(sources[0]))} {number}"


def first_to_explain(report: Report, trouble: Sequence[Connection]) -> int | str | None:
    """Return the id of the connection to look at first: one in trouble, else one cited by a finding, else the first."""
    if trouble:
        return trouble[0].id
    quic = sorted(report.quic_connections, key=lambda each: each.outcome in ("established", "pending"))
    if quic and quic[0].outcome not in ("established", "pending"):
        return f"q{quic[0].id}"
    for finding, _ in shown_together(report.findings):
        if finding.evidence.connections:
            return finding.evidence.connections[0]
    if report.connections:
        return report.connections[0].id
    return f"q{quic[0].id}" if quic else None


def _more(number: int | str, options: Options) -> str:
    """Return what the command shows beyond this report."""
    quic = str(number).startswith("q")
    if options.stories:
        return "with what each datagram did" if quic else "with options and evidence"
    return "datagram by datagram" if quic else "segment by segment"


def next_step(report: Report, number: int | str, options: Options, style: Style) -> Iterator[str]:
    """Yield an empty line and the command, if there is one."""
    command, remark = explaining(report.capture, number, options.saved), f"  {_more(number, options)}"
    unsaved = report.capture.format == LIVE and not options.saved and not PIPES.intersection(report.capture.sources)
    if unsaved:
        command, remark = "hsi live -w FILE", "  keeps the frames, for hsi explain FILE"
    if command:
        yield ""
        fits = len("next: ") + len(command) + len(remark) <= options.width
        yield style.paint("next: ", "dim") + style.paint(command, "bold") + style.paint(remark if fits else "", "dim")
