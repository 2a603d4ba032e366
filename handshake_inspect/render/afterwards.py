"""The AFTERWARDS table: how connections ended after the handshake, and what happened until then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from handshake_inspect.render import Options
from handshake_inspect.render.layout import Column, Style, Table, heading
from handshake_inspect.report.afterwards import Afterwards, Ended, Tally
from handshake_inspect.wire.text import duration, listing, plural, share

_ENDED = {
    "fin": ("closed by FIN", "by the {} first"),
    "half-closed": ("half-closed", "only by the {}"),
    "rst": ("reset", "by the {}"),
    "rst-after-fin": ("reset after FIN", "by the {}"),
    "timeout": ("given up", "the other end had stopped answering"),
    "open": ("still open", "when the capture ended"),
}
_WHO = {"middlebox": "path"}  # other names are used as they are
_TALLIES = {
    "retransmissions": ("sent again", "segment", ""),
    "zero_windows": ("zero window", "segment", "the other end had to stop"),
    "keep_alives": ("keep-alive", "probe", ""),
    "out_of_order": ("overtaken", "segment", "out of order, not sent again"),
    "duplicates": ("captured twice", "frame", "not sent again"),
}


@dataclass(frozen=True)
class _Row:
    what: str
    connections: int
    how: str
    example: int | None


def afterwards(lives: Afterwards | None, options: Options, style: Style) -> Iterator[str]:
    """Yield the lines of the section; none if no connection was ever open."""
    if lives is None:
        return
    yield from heading("AFTERWARDS", subject(lives), style)
    yield from Table(options.width, style).lines(afterwards_columns(lives, style))


def subject(lives: Afterwards) -> str:
    """Return the subtitle of the table."""
    count = lives.connections
    who = "the connection that was open" if count == 1 else f"the {count:,} connections that were open"
    return f"what became of {who}"


def afterwards_columns(lives: Afterwards, style: Style) -> list[Column]:
    """Return the columns of the table."""
    rows = [*_endings(lives.endings), *_counted(lives, style), *_waiting(lives)]
    how = [row.how for row in rows]
    examples = ["" if row.example is None else str(row.example) for row in rows]
    return [
        Column("what", [row.what for row in rows]),
        Column("connections", [f"{row.connections:,}" for row in rows], right=True),
        Column("example id", examples, right=True, rank=1),
        Column("how", how, floor=20, soft=20, cut=style.shorten, paint=lambda text: style.paint(text, "dim")),
    ]


def _endings(endings: list[Ended]) -> Iterator[_Row]:
    """Yield a row for each way to end and who caused it."""
    for how, (what, by) in _ENDED.items():
        alike = [each for each in endings if each.how == how]
        if not alike:
            continue
        total = sum(each.connections for each in alike)
        who = [by.format(_WHO.get(each.by or "", each.by)) for each in alike]
        if len(alike) > 1:
            who = [f"{each.connections:,} {words}" for each, words in zip(alike, who, strict=True)]
        yield _Row(what, total, listing(who), min(each.example for each in alike))


def _counted(lives: Afterwards, style: Style) -> Iterator[_Row]:
    for name, (what, noun, usual) in _TALLIES.items():
        tally: Tally | None = getattr(lives, name)
        if tally is not None:
            part = f" ({share(tally.segments, lives.segments)})" if name == "retransmissions" else ""
            remark = usual
            if name == "zero_windows" and lives.zero_window_ns:
                remark = f"shut for {duration(lives.zero_window_ns, style.micro)}"
                remark += " in all" if tally.connections > 1 else ""
            how = plural(tally.segments, noun) + part + (f"; {remark}" if remark else "")
            yield _Row(what, tally.connections, how, tally.example)


def _waiting(lives: Afterwards) -> Iterator[_Row]:
    """Yield a row for each host that holds connections in TIME_WAIT."""
    for number, holder in enumerate(lives.time_wait):
        yield _Row("" if number else "TIME_WAIT", holder.connections, f"held by {holder.ip}", None)
