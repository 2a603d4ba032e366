"""The text output of `hsi verify`: agreement by aspect, then both views of connections that differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.layout import INDENT, Column, Style, Table, heading, paragraph, written
from handshake_inspect.report.verified import Verified, VerifiedConnection, View
from handshake_inspect.wire.text import duration, endpoint_text, plural, printable

SHOWN = 40
_LOOKS = {"agrees": "green", "hsi-knows-more": "yellow", "unexplained": "red"}


def render_verified(found: Verified, out: BinaryIO, options: Options) -> None:
    """Write the lines in the terminal's encoding."""
    style = Style(color=options.color, encoding=options.encoding)
    written(out, _lines(found, options, style), options.encoding)


def _lines(found: Verified, options: Options, style: Style) -> Iterator[str]:
    if options.verbosity >= 0:
        yield style.paint("ASPECTS", "bold") + f"  hsi and {found.dissector.name} {found.dissector.version}"
        yield from _aspects(found, options, style)
        yield from _whole(found, options, style)
        yield from _connections(found, options, style)
        yield ""
    total = plural(len(found.connections), "connection")
    unexplained = sum(each.unexplained for each in found.aspects)
    verdict = style.paint("passed", "green") if found.passed else style.paint("failed", "red")
    differences = f"{unexplained:,} unexplained" if unexplained else "nothing unexplained"
    yield f"hsi verify: {verdict}, {differences}, {total}"


def _aspects(found: Verified, options: Options, style: Style) -> Iterator[str]:
    columns = [
        Column("aspect", [each.aspect for each in found.aspects]),
        Column("agrees", [f"{each.agrees:,}" for each in found.aspects], right=True),
        Column("hsi knows more", [f"{each.hsi_knows_more:,}" for each in found.aspects], right=True),
        Column(
            "unexplained", [f"{each.unexplained:,}" for each in found.aspects], right=True,
            paint=lambda cell: style.paint(cell, "red") if cell != "0" else cell,
        ),
    ]  # fmt: skip
    yield from Table(options.width, style).lines(columns)


def _whole(found: Verified, options: Options, style: Style) -> Iterator[str]:
    if found.whole:
        yield from heading("CAPTURE", "", style)
    for each in found.whole:
        yield from _disagreement(each.aspect, each.agreement, each.text, options, style)


def _connections(found: Verified, options: Options, style: Style) -> Iterator[str]:
    differing = sorted((each for each in found.connections if each.disagreements or options.every), key=_order)
    if not differing:
        return
    remark = plural(len(differing), "connection") if options.every else f"{len(differing):,} with differences"
    yield from heading("CONNECTIONS", remark, style)
    shown = differing if options.every else differing[:SHOWN]
    for each in shown:
        yield from _connection(each, options, style)
    if len(differing) > len(shown):
        yield f"{INDENT}and {len(differing) - len(shown):,} more: --all shows every connection"


def _order(each: VerifiedConnection) -> tuple[bool, int]:
    return each.agreement != "unexplained", each.id


def _connection(each: VerifiedConnection, options: Options, style: Style) -> Iterator[str]:
    ends = f"{endpoint_text(each.client.ip, each.client.port)} {style.arrow} " + endpoint_text(
        each.server.ip, each.server.port
    )
    yield f"{INDENT}#{each.id}  {ends}"
    views = [("hsi", each.hsi), *([("Wireshark", each.wireshark)] if each.wireshark is not None else [])]
    columns = [Column("", [f"  {name}" for name, _ in views])]
    columns += [Column(title, [cell(view, style) for _, view in views], right=True) for title, cell in _VIEW.items()]
    yield from Table(options.width, style).lines(columns)
    for one in each.disagreements:
        yield from _disagreement(one.aspect, one.agreement, one.text, options, style)


def _disagreement(aspect: str, agreement: str, text: str, options: Options, style: Style) -> Iterator[str]:
    lines = paragraph(f"{agreement} in {aspect}: {printable(text)}", options.width, INDENT * 3)
    yield from (style.paint(line, _LOOKS[agreement]) for line in lines)


_VIEW: dict[str, Callable[[View, Style], str]] = {
    "stream": lambda view, _: "" if view.stream is None else str(view.stream),
    "segments": lambda view, _: f"{view.segments:,}",
    "completeness": lambda view, _: "" if view.completeness is None else str(view.completeness),
    "initial RTT": lambda view, style: (
        "" if view.initial_rtt_ns is None else duration(view.initial_rtt_ns, style.micro)
    ),
    "sent again": lambda view, _: f"{view.retransmissions:,}",
    "RSTs": lambda view, _: f"{view.resets:,}",
}
