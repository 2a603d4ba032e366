"""Tables of connections: one line each with an explanation below, or a list of one host's connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.examples import in_common
from handshake_inspect.render.layout import INDENT, LOOKS, Column, Style, Table, paragraph, written
from handshake_inspect.render.next_step import next_step
from handshake_inspect.render.words import direction_words, ending_words
from handshake_inspect.report.model import Connection, Report, has_trouble
from handshake_inspect.report.trouble import trouble_of_open
from handshake_inspect.wire.text import bounds, durations, offsets, plural, printable

LISTED = 500  # connections of one host


def connection_lines(
    pieces: Iterable[Sequence[Connection]],
    options: Options,
    style: Style,
    start_ns: int,
    length_ns: int,
    kind_of: Callable[[Connection], object] | None = None,
    *,
    ids: bool = False,
) -> Iterator[str]:
    """Yield lines for chunks of connections; times are relative to `start_ns`, the start of the capture.

    `ids` adds a column of ids, for few connections in a single chunk.  Consecutive connections of one kind, or with the
    same explanation, share it.
    """
    table = Table(options.width, style, growing=not ids)
    header = True
    for piece in pieces:
        head, *lines = table.lines(_columns(piece, style, start_ns, length_ns, ids=ids), header=True)
        if header:
            yield head
        header = False
        grouped = kind_of is not None and options.verbosity <= 0
        remarks = [[] if grouped else list(_remarks([connection], options, style)) for connection in piece]
        kinds = list(map(kind_of, piece)) if kind_of is not None and grouped else remarks
        alike: list[Connection] = []
        for line, connection, kind, after in zip(lines, piece, kinds, [*kinds[1:], None], strict=True):
            yield line
            alike.append(connection)
            if kind != after:
                yield from _remarks(alike, options, style)
                alike = []


def _columns(piece: Sequence[Connection], style: Style, start_ns: int, length_ns: int, *, ids: bool) -> list[Column]:
    counted = _some if ids else "{:,}".format  # later chunks may have values where this one has none
    handshakes = [connection.handshake for connection in piece]
    ends = [connection.close for connection in piece]
    names = [printable(connection.server.name or "") for connection in piece]
    return [
        *([Column("id", [str(connection.id) for connection in piece], right=True)] if ids else []),
        Column("frame", [str(connection.first_frame) for connection in piece], right=True),
        Column("time", offsets([c.first_ns - start_ns for c in piece], length_ns), right=True, rank=1),
        Column("client", [printable(str(connection.client)) for connection in piece], floor=15, soft=21),
        Column("server", [printable(str(connection.server)) for connection in piece], floor=15, soft=21),
        Column("outcome", list(map(_outcome, piece)), paint=lambda word: _painted(word, style)),
        Column("handshake RTT", durations([c.rtt.total.value_ns for c in piece], style.micro), right=True, rank=2),
        Column("SYNs", [_some(h.syn_count) for h in handshakes], right=True, rank=3),
        Column("SYN-ACKs", [_some(h.synack_count) for h in handshakes], right=True, rank=4),
        Column("client state", [c.state.client for c in piece], rank=5),
        Column("server state", [c.state.server for c in piece], rank=5),
        Column("bytes out", [counted(c.client_to_server.bytes) for c in piece], right=True, rank=6),
        Column("bytes in", [counted(c.server_to_client.bytes) for c in piece], right=True, rank=6),
        Column("ended", [end.how + (f" by {end.first}" if end.first else "") for end in ends], rank=7),
        *([Column("name", names, rank=2)] if any(names) else []),
    ]


def _outcome(connection: Connection) -> str:
    """Return the outcome, with a question mark if undecided."""
    return connection.outcome if connection.decided else f"{connection.outcome}?"


def _painted(outcome: str, style: Style) -> str:
    return style.paint(outcome, LOOKS.get(outcome.rstrip("?"), "dim"))


def _some(count: int) -> str:
    """Format a count; empty for 0, since columns of empty cells are left out."""
    return f"{count:,}" if count else ""


def _remarks(alike: Sequence[Connection], options: Options, style: Style) -> Iterator[str]:
    """Yield the explanation that similar connections share."""
    last = alike[-1]
    if has_trouble(last) or options.verbosity > 0:
        text = in_common(alike, lambda connection: _remark(connection, style))
        yield from (style.paint(line, "dim") for line in paragraph(text, options.width, INDENT * 3))
    if options.verbosity > 0:
        for text in _details(last, style):
            yield from paragraph(text, options.width, INDENT * 3)


def _remark(connection: Connection, style: Style) -> str:
    """Return the trouble of an open connection, else cause and reason of the outcome."""
    if trouble := trouble_of_open(connection):
        return style.clean(trouble[0].upper() + trouble[1:] + ".")
    why = style.clean(connection.why)
    return f"{connection.cause}: {why}" if connection.cause not in (None, "closed") else why


def _details(connection: Connection, style: Style) -> Iterator[str]:
    if connection.evidence:
        yield "evidence: frames " + ", ".join(map(str, connection.evidence))
    if connection.evidence_in_files:
        yield "in files: " + ", ".join(
            f"{each.frame} of {printable(each.file)}" for each in connection.evidence_in_files
        )
    if connection.first_file is not None:
        yield f"first frame: {connection.frame_in_file} of {printable(connection.first_file)}"
    state = connection.state
    yield f"states: client {state.client}, server {state.server}; ended: {ending_words(connection)}"
    legs = {"SYN-ACK": connection.rtt.synack, "ACK": connection.rtt.ackdat, "total": connection.rtt.total}
    measured = [
        f"{name} {bounds(leg.value_ns, leg.min_ns, leg.max_ns, style.micro)} ({leg.method})"
        for name, leg in legs.items()
        if leg.max_ns is not None
    ]
    if measured:
        yield "RTT: " + ", ".join(measured)
    yield f"client: {direction_words(connection.client_to_server)}"
    yield f"server: {direction_words(connection.server_to_client)}"


def list_connections(report: Report, host: str, out: BinaryIO, options: Options) -> None:
    """Write a line per connection (the first ones, if there are many) and the command to explain one."""
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
