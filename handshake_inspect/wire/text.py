"""Format numbers, times, endpoints and untrusted text for people.

All output uses these functions, so that the same value looks the same in titles, sentences, tables and on screens.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from handshake_inspect.wire.const import NS_PER_SECOND

_UNITS = ((1, "ns"), (1_000, "µs"), (1_000_000, "ms"), (NS_PER_SECOND, "s"))
_LARGE = ((1e6, "M"), (1e9, "G"), (1e12, "T"))


# -- numbers -------------------------------------------------------------------------------------------------------


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """Return `1 frame` or `2,000 frames`; pass `nouns` for other plurals, as in `2 SYNs dropped`."""
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"


def capitalized(text: str) -> str:
    """Capitalize a sentence, unless it begins with an address, a number or another word that is not all letters."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text


def rounded(count: float) -> str:
    """Format a count briefly: `0.4`, `12,345`, `3.00 M`."""
    if count < 10 and count != int(count):
        return f"{count:.1f}"
    if count < 1_000_000:
        return f"{count:,.0f}"
    size, unit = next((large for large in _LARGE if count < large[0] * 999.5), _LARGE[-1])
    value = count / size
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"


def share(part: int, whole: int) -> str:
    """Format a percentage with one decimal; never round to 0 or 100 % what is not; empty if `whole` is 0."""
    if not whole:
        return ""
    percent = f"{100 * part / whole:.1f}"
    if part and percent == "0.0":
        return "<0.1 %"
    if part < whole and percent == "100.0":
        return ">99.9 %"
    return f"{percent} %"


def probability(value: float | None) -> str:
    """Format a p-value: `p = 0.0042`, `p < 0.001`; empty for None."""
    if value is None:
        return ""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def listing(words: Sequence[str]) -> str:
    """Join words: `a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


# -- times ---------------------------------------------------------------------------------------------------------


def duration(ns: float, micro: str = "µ") -> str:
    """Format a duration to three digits: `23 µs`, `400 ms`, `1.04 s`, `127 s`, `40 min`, `2 h 05 min`.

    Uses seconds over the range of TCP timers, for comparison with them.  `micro` is the terminal's micro sign.
    """
    if not ns:
        return "0 s"
    for size, unit in _UNITS:
        if abs(ns) >= 1_000 * size:
            continue
        value = f"{ns / size:.3g}"
        if abs(float(value)) < 1_000:
            return f"{value} {unit.replace('µ', micro)}"
    return _clock(ns)


def bounds(ns: int | None, least_ns: int | None, most_ns: int | None, micro: str = "µ") -> str:
    """Format a duration, or its bounds if only those are known: `40.1 ms`, `1.2 ms to 40 ms`."""
    known = (least_ns, most_ns) if ns is None else (ns,)
    # Bounds that format alike are shown once.
    return " to ".join(dict.fromkeys(duration(each, micro) for each in known if each is not None))


def interval(least_ns: int, most_ns: int, dash: str, micro: str = "µ") -> str:
    """Format bounds for a narrow cell, sharing the unit: `41.5-83.5 ms`, `0-4.83 ms`, `116 µs-44.7 ms`."""
    least, most = (duration(each, micro) for each in (least_ns, most_ns))
    if least == most:
        return most
    figure, unit = least.split(" ", maxsplit=1)
    return f"{figure if most.endswith(f' {unit}') or not least_ns else least}{dash}{most}"


def gap(ns: int, micro: str = "µ") -> str:
    """Format the time since the previous event: `+3.13 µs`, or `-64.7 µs` if the clock went back."""
    return ("" if ns < 0 else "+") + duration(ns, micro)


def span(ns: int, micro: str = "µ") -> str:
    """Format the length of a capture or a run: as `duration`, but from 1 min on as `5 min 12 s`, `2 d 04 h`."""
    return duration(ns, micro) if ns < 60 * NS_PER_SECOND else _clock(ns)


def _clock(ns: float) -> str:
    return _on_clock(ns).removesuffix(" 0 s").removesuffix(" 00 min").removesuffix(" 00 h")


def _on_clock(ns: float) -> str:
    minutes, seconds = divmod(round(abs(ns) / NS_PER_SECOND), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    sign = "-" if ns < 0 else ""
    if days:
        return f"{sign}{days:,} d {hours:02} h"
    return f"{sign}{hours} h {minutes:02} min" if hours else f"{sign}{minutes} min {seconds} s"


def durations(column: Sequence[int | None], micro: str = "µ") -> list[str]:
    """Format durations as table cells, empty for None."""
    return ["" if ns is None else duration(ns, micro) for ns in column]


def offsets(column: Sequence[int], longest: int) -> list[str]:
    """Format times since the start of the capture in seconds; `longest` determines the number of decimals."""
    decimals = 6 if longest < 10 * NS_PER_SECOND else 3 if longest < 10_000 * NS_PER_SECOND else 1
    return [f"{ns / NS_PER_SECOND:.{decimals}f} s" for ns in column]


def moment(ns: int) -> str:
    """Format a UTC time to the microsecond; as seconds since the epoch if it is outside the calendar."""
    seconds, fraction = divmod(ns, NS_PER_SECOND)
    try:
        day = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{seconds:,} s since 1970"
    return f"{day:%Y-%m-%d %H:%M:%S}.{fraction // 1_000:06} UTC"


def iso_time(ns: int) -> str:
    """Format a UTC time as ISO 8601, `2026-11-20T21:25:50.428752Z`; empty if it is outside the calendar."""
    seconds, fraction = divmod(ns, NS_PER_SECOND)
    try:
        day = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # outside the calendar
        return ""
    return f"{day:%Y-%m-%dT%H:%M:%S}.{fraction // 1_000:06}Z"


# -- endpoints and foreign text ------------------------------------------------------------------------------------


def endpoint_text(ip: str, port: int | None = None) -> str:
    """Format an endpoint as in a URL (RFC 3986 section 3.2.2): `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`."""
    if port is None:
        return ip
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def printable(text: str) -> str:
    """Escape characters that could control a terminal: control characters, direction marks, lone surrogates."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def utf8_safe(text: str) -> str:
    """Escape lone surrogates, which represent bytes of a name that is not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
