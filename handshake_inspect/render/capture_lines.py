"""The CAPTURE section of text reports: sources, extent, quality and problems."""

from __future__ import annotations

from collections.abc import Iterator

from handshake_inspect.render.layout import INDENT, LABEL, Style, heading, labelled, paragraph
from handshake_inspect.report.headline import captured, quality, source_names
from handshake_inspect.report.host import host_words
from handshake_inspect.report.model import Capture
from handshake_inspect.wire.text import moment, plural, printable, span

PROBLEMS_SHOWN = 8


def in_one_line(capture: Capture, width: int, style: Style) -> Iterator[str]:
    """Yield one (wrapped) line: first source, size, duration and quality."""
    name, what = captured(capture, style.micro)
    line = style.elide(name, max(width - len(what), width // 2)) + what
    yield from (style.paint(part, "dim") for part in paragraph(line, width, ""))


def capture_lines(capture: Capture, width: int, style: Style) -> Iterator[str]:
    """Yield all facts about the capture and its problems."""
    yield from heading("CAPTURE", "", style)
    for label, value in capture_facts(capture, width - len(INDENT) - LABEL, style):
        yield from labelled(label, value, width, style)
    for problem in capture.problems[:PROBLEMS_SHOWN]:
        at = [f"frame {problem.frame:,}"] if problem.frame is not None else []
        at += [f"byte {problem.offset:,}"] if problem.offset is not None else []
        text = printable(problem.message) + (f" ({', '.join(at)})" if at else "")
        yield from labelled("problem", text, width, style, "bold")
    more = len(capture.problems) - PROBLEMS_SHOWN
    if more > 0:
        yield from labelled("", f"and {plural(more, 'problem')} more", width, style)


def capture_facts(capture: Capture, room: int, style: Style) -> Iterator[tuple[str, str]]:
    """Yield labels and values of at most `room` characters."""
    names = source_names(capture)
    kinds = ", ".join([*([capture.format] if capture.format else []), *map(printable, capture.link_types)])
    for name in names[:3]:
        yield ("file" if name is names[0] else "", style.elide(name, room))
    if len(names) > 3:
        yield "", f"and {plural(len(names) - 3, 'file')} more"
    if kinds:
        yield "format", style.shorten(kinds, room)
    for text in capture.filters[:3]:
        yield ("filter" if text is capture.filters[0] else "", style.elide(printable(text), room))
    if capture.first_ns is not None and capture.last_ns is not None:
        lasting = f", lasting {span(capture.last_ns - capture.first_ns, style.micro)}" if capture.frames > 1 else ""
        yield "time", moment(capture.first_ns) + lasting
    yield "contents", f"{plural(capture.frames, 'frame')}, {plural(capture.tcp_segments, 'TCP segment')}"
    yield "quality", quality(capture)
    if capture.position is not None:
        yield "position", _POSITIONS[capture.position.place]
    if counted := host_words(capture.host):
        yield "this host", counted


_POSITIONS = {
    "client": "next to the clients, judging by TTLs and round trips",
    "server": "next to the servers, judging by TTLs and round trips",
    "between": "between clients and servers, judging by TTLs and round trips",
}
