"""Building blocks of the HTML page: tiles, RTT legs, rows of services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from handshake_inspect.render.spread import ENOUGH, spread, usual
from handshake_inspect.report.model import Capture, Distribution, Service
from handshake_inspect.wire.text import offsets


@dataclass(frozen=True)
class Tile:
    """One number at the top of the page; `look` is good, bad or empty."""

    label: str
    value: str
    look: str = ""


@dataclass(frozen=True)
class LegShown:
    """One leg of the handshake RTT."""

    title: str
    what: str
    count: str
    picture: Markup


@dataclass(frozen=True)
class ServiceShown:
    """One row of the table of services."""

    server: str
    owner: str
    service: Service
    established: str
    bar: Markup
    failing: str
    spark: Markup | None
    rtt: dict[str, tuple[int | None, str]]


def since_start(capture: Capture, times_ns: Sequence[int]) -> list[str]:
    """Format times relative to the start of the capture."""
    start = capture.first_ns or 0
    return offsets([ns - start for ns in times_ns], (capture.last_ns or start) - start)


def figures(measured: Distribution) -> list[tuple[str, int]]:
    """Return percentiles; for few values, minimum, median and maximum."""
    names = [name for name in spread([measured]) if name not in ("min", "p90", "max") or measured.count < ENOUGH]
    return [(name, ns) for name in names if (ns := usual(measured, name)) is not None]
