"""Numbers, times and foreign text in words a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from handshake_inspect.report.model import Endpoint

NS_PER_SECOND = 1_000_000_000


def printable(text: str) -> str:
    """Escape what could drive a terminal: control characters, direction marks, lone surrogates."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def address(endpoint: Endpoint) -> str:
    """`192.0.2.1:443`, `[2001:db8::1]:443`."""
    ip = printable(endpoint.ip)
    return f"[{ip}]:{endpoint.port}" if ":" in ip else f"{ip}:{endpoint.port}"


def plural(count: int, noun: str) -> str:
    """`1 frame`, `2,000 frames`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def share(part: int, whole: int) -> str:
    """Percentage that never rounds something to nothing, nor nearly all to all."""
    if not whole:
        return ""
    percent = f"{100 * part / whole:.1f}"
    if part and percent == "0.0":
        return "<0.1 %"
    if part < whole and percent == "100.0":
        return ">99.9 %"
    return f"{percent} %"


def durations(column: Sequence[int | None], micro: str = "µ") -> list[str]:
    """Nanoseconds as cells that are read together: one unit, one number of decimals, nothing for None."""
    known = [ns for ns in column if ns is not None]
    if not known:
        return [""] * len(column)
    if max(known) < 1_000_000:
        unit, scale = f"{micro}s", 1_000
    elif max(known) < 10 * NS_PER_SECOND:
        unit, scale = "ms", 1_000_000
    else:
        unit, scale = "s", NS_PER_SECOND
    # Three digits of the smallest value, as far as a thousandth of the unit, or a hundredth beside thousands.
    smallest = min((ns for ns in known if ns), default=0) / scale
    decimals = next((digits for digits, least in enumerate((100, 10, 1)) if smallest >= least), 3)
    if max(known) >= 1_000 * scale:
        decimals = min(decimals, 2)
    return ["" if ns is None else f"{ns / scale:,.{decimals}f} {unit}" for ns in column]


def offsets(column: Sequence[int], longest: int) -> list[str]:
    """Write times since the start of the capture, in seconds; `longest` decides how finely."""
    decimals = 6 if longest < 10 * NS_PER_SECOND else 3 if longest < 10_000 * NS_PER_SECOND else 1
    return [f"{ns / NS_PER_SECOND:.{decimals}f} s" for ns in column]


def span(ns: int, micro: str = "µ") -> str:
    """Say a length of time: `40.1 ms`, `12.5 s`, `5 min 12 s`, `3 h 05 min`, `2 d 04 h`."""
    if ns < 60 * NS_PER_SECOND:
        (text,) = durations([ns], micro) if ns < NS_PER_SECOND else [f"{ns / NS_PER_SECOND:.3g} s"]
        return text
    minutes, seconds = divmod(round(ns / NS_PER_SECOND), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days:,} d {hours:02} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds} s"


def moment(ns: int) -> str:
    """Write a time in UTC to the microsecond; a clock beyond the calendar in seconds since the epoch."""
    seconds, fraction = divmod(ns, NS_PER_SECOND)
    try:
        day = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{seconds:,} s since 1970"
    return f"{day:%Y-%m-%d %H:%M:%S}.{fraction // 1_000:06} UTC"
