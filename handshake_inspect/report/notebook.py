"""The HTML of a report in a notebook cell: verdict, outcomes, findings and services."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from handshake_inspect.report.headline import verdict
from handshake_inspect.wire.text import plural, printable

_ROWS = 10


def summary(report: Any) -> str:
    """Return one line: `2 of 3 connections established, 1 finding`."""
    outcomes = report.summary.outcomes
    return (
        f"{outcomes.established:,} of {plural(report.summary.connections, 'connection')} established,"
        f" {plural(len(report.findings), 'finding')}"
    )


def page(report: Any) -> str:
    """Return escaped HTML without styles."""
    outcomes = [(name, count) for name, count in report.summary.outcomes.as_dict().items() if count]
    services = [
        (each.server, each.connections, each.outcomes.established, _ms(each.rtt.total.p50_ns),
         _ms(each.rtt.total.max_ns))
        for each in report.services[:_ROWS]
    ]  # fmt: skip
    findings = [(each.severity, each.title, each.advice) for each in report.findings[:_ROWS]]
    sources = ", ".join(report.capture.sources)
    parts = [
        f"<p><strong>{_text(verdict(report))}</strong> ({_text(sources)})</p>",
        _table(("outcome", "connections"), outcomes),
        _table(("severity", "finding", "what to do"), findings),
        _table(("server", "connections", "established", "RTT p50, ms", "RTT max, ms"), services),
    ]
    if left := len(report.services) - len(services):
        parts.append(f"<p>and {_text(plural(left, 'other service'))}</p>")
    return "".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["<tr>" + "".join(f"<td>{_text(each)}</td>" for each in row) + "</tr>" for row in rows]
    names = "".join(f"<th>{_text(name)}</th>" for name in head)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{''.join(lines)}</tbody></table>" if lines else ""


def _text(value: object) -> str:
    return escape(printable(str(value)))


def _ms(duration_ns: int | None) -> str:
    return "" if duration_ns is None else f"{duration_ns / 1e6:.3f}"
