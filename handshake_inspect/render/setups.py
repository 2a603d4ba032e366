"""The SET-UP table: durations of connection set-up by service, slowest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from handshake_inspect.render.layout import INDENT, Column, Style, Table, heading, paragraph
from handshake_inspect.report.model import Endpoint, Report
from handshake_inspect.report.setup import OwnTime, SetupGroup, SetupSummary
from handshake_inspect.report.setup_summary import slowest
from handshake_inspect.wire.text import bounds, duration, interval, share

SHOWN = 10  # services


@dataclass(frozen=True)
class _Row:
    """One protocol of a service."""

    server: str
    group: SetupGroup


def setups(report: Report, width: int, style: Style) -> Iterator[str]:
    """Yield the table and remarks; nothing if there are no set-ups."""
    columns = setup_columns(report, style)
    if not columns:
        return
    yield from heading("SET-UP", setup_figures(report), style)
    yield from Table(width, style).lines(columns)
    if remarks := setup_remarks(report, style):
        yield from paragraph(remarks, width, INDENT)


def setup_columns(report: Report, style: Style) -> list[Column]:
    """Return the columns of the table; empty if there are no set-ups."""
    rows = list(_shown(report))
    return list(_columns(rows, style)) if rows else []


def setup_figures(report: Report) -> str:
    """Return the subtitle of the table; it mentions medians if a row has several connections."""
    several = any(row.group.connections > 1 for row in _shown(report))
    return f"{'medians ' if several else ''}as seen by the clients, up to the first byte"


def setup_remarks(report: Report, style: Style) -> str:
    """Return the remarks below the table as one line."""
    summary = report.summary.setup
    return "" if summary is None else "; ".join(_remarks(summary, style))


def _shown(report: Report) -> Iterator[_Row]:
    """Return the rows of the table."""
    services = _with_quic(report, slowest(report.services, SHOWN) if report.summary.setup is not None else [])
    return (row for server, setup in services for row in _rows(server, setup))


def _with_quic(report: Report, services: list[tuple[Endpoint, SetupSummary]]) -> list[tuple[Endpoint, SetupSummary]]:
    """Insert the set-ups of QUIC after those of TCP to the same server, or at the end."""
    of_quic = {each.server: each.setup for each in report.quic_services if each.setup is not None}
    found = []
    for server, setup in services:
        found.append((server, setup))
        if server in of_quic:
            found.append((server, of_quic.pop(server)))
    return (found + list(of_quic.items()))[: 2 * SHOWN]


def _rows(server: Endpoint, setup: SetupSummary) -> Iterator[_Row]:
    for number, group in enumerate(setup.groups):
        yield _Row("" if number else str(server), group)


# Numeric columns: field and rank; columns with a higher rank are dropped first on narrow terminals.
_FIGURES = {
    "TCP": ("tcp", 2), "TLS": ("tls", 1), "waits": ("waits", 5), "answer": ("response", 4),
    "first byte": ("first_byte", 0),
}  # fmt: skip
_CONNECTIONS = 3
_NOTHING = 10  # rank of a column of dashes


def _columns(rows: Sequence[_Row], style: Style) -> Iterator[Column]:
    yield Column("server", [row.server for row in rows], floor=15, soft=21)
    yield Column("protocol", [_protocol(row.group) for row in rows])
    yield Column("conns", [f"{row.group.connections:,}" for row in rows], right=True, rank=_CONNECTIONS)
    for title, (name, rank) in _FIGURES.items():
        cells = [_cell(_figure(row.group, name), style) for row in rows]
        empty = all(cell == style.dash for cell in cells)
        yield Column(title, cells, right=True, rank=rank + _NOTHING * empty)


def _figure(group: SetupGroup, name: str) -> OwnTime | None:
    figure: OwnTime | None = getattr(group, name)
    return group.quic if name == "tls" and figure is None else figure


def _protocol(group: SetupGroup) -> str:
    if group.protocol == "tls":
        version = group.version or ""
        return version if version.startswith("SSL") else f"TLS {version}".rstrip()
    return "QUIC" if group.protocol == "quic" else group.protocol


def _cell(figure: OwnTime | None, style: Style) -> str:
    if figure is None:
        return style.dash
    if figure.value_ns is not None:
        return duration(figure.value_ns, style.micro)
    if figure.min_ns is None or figure.max_ns is None:
        return bounds(None, figure.min_ns, figure.max_ns, style.micro)
    return interval(figure.min_ns, figure.max_ns, style.dash, style.micro)


def _remarks(summary: SetupSummary, style: Style) -> Iterator[str]:
    tls = summary.tls
    if tls.resumed:
        yield f"resumed {share(tls.resumed, tls.connections)}"
    if tls.failed:
        yield f"TLS failed {share(tls.failed, tls.connections)}" if tls.connections > 1 else "TLS failed"
    older = sum(count for version, count in tls.versions.items() if not version.startswith("1.3"))
    saved = summary.saveable_ns.tls13
    if older and saved:
        each = duration(round(saved / older), style.micro)
        which = f" each for {older:,} of {tls.connections:,}" if tls.connections > 1 else ""
        yield f"TLS 1.3 would have saved about {each}{which}"
    if extra := [f"{count:,} ({reason})" for reason, count in summary.extra_round_trips.items()]:
        yield f"extra round trips: {', '.join(extra)}"
