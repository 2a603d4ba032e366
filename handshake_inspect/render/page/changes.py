"""Charts of a comparison: the RTT histograms of both reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from handshake_inspect.render.page import svg
from handshake_inspect.report.model import Report
from handshake_inspect.report.pictures import Leg, Pictures

LEGS: dict[Leg, str] = {"synack": "SYN to SYN-ACK", "ackdat": "SYN-ACK to ACK", "total": "connect RTT"}


@dataclass(frozen=True)
class Change:
    """The overlaid histograms of one leg."""

    title: str
    picture: Markup


def changes(reports: Sequence[Report]) -> Iterator[Change]:
    """Yield the legs that both reports have measured."""
    if len(reports) != 2:
        return
    then, now = map(Pictures, reports)
    for leg, title in LEGS.items():
        one, other = then.scale(leg), now.scale(leg)
        if one is None or other is None:
            continue
        scale = min(one[0], other[0]), max(one[1], other[1])
        before, after = then.histogram(leg, scale), now.histogram(leg, scale)
        if before is None or after is None:
            continue
        marks = [
            (words, ns)
            for words, report in (("median then", reports[0]), ("now", reports[1]))
            if (ns := getattr(report.summary.rtt, leg).p50_ns) is not None
        ]
        yield Change(title, svg.histogram(after, f"{title}, then and now", marks, before))
