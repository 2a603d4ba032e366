"""SVG elements and charts: bars, bands, steps and scatter plots.

Horizontal positions are percentages, so that a chart fills the available width while its text keeps its size; vertical
ones are pixels.  Colours are attributes, which style sheets may override and which remain where styles are blocked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup, escape

from handshake_inspect.report.model import Outcome
from handshake_inspect.report.pictures import BINS, BUCKETS, CLOUD, Cloud, Histogram, Probe, Timeline
from handshake_inspect.report.scales import log_place, ticks
from handshake_inspect.wire.const import NS_PER_SECOND
from handshake_inspect.wire.text import duration, plural, printable

# The Okabe-Ito palette, distinguishable for colour-blind people; colours are always accompanied by words.
COLORS = {
    "established": "#009e73", "refused": "#d55e00", "rejected": "#8c3b00", "timed-out": "#e69f00",
    "half-open": "#b85a93", "aborted": "#7f7f7f", "pending": "#b8a900", "unsolicited": "#56b4e9",
    "midstream": "#7fa7c4", "failed": "#d55e00",
}  # fmt: skip
SEVERITIES = {"critical": "#c8102e", "warning": "#e69f00", "info": "#3b7dd8"}
PROBED = {"open": "#009e73", "closed": "#d0d5da", "filtered": "#e69f00"}
INK, MUTED, _RULE = "#1d232a", "#5b6570", "#d5dae0"
_FONT = "system-ui, sans-serif"
SQUARES = 60  # per row, of a scan
_AXIS = 16  # height of the labels below a chart, in pixels


def number(value: float) -> str:
    """Format a number with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


def tag(name: str, *content: Markup | str, **attributes: object) -> Markup:
    """Return an element; plain text is escaped, and `class_` and `font_size` become `class` and `font-size`."""
    pairs = (
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(each if isinstance(each, Markup) else printable(each) for each in content)
    opened = f"<{name}{''.join(pairs)}"
    return Markup(f"{opened}>{inside}</{name}>" if content else f"{opened}/>")  # noqa: S704 - all of it is escaped


def _attribute(value: object) -> Markup:
    return escape(number(value) if isinstance(value, float) else printable(str(value)))


def percent(share: float) -> str:
    """Return a horizontal position: `37.5%`."""
    return f"{number(100 * share)}%"


def picture(height: float, label: str, *content: Markup, **attributes: object) -> Markup:
    """Return a full-width chart of this height; `label` describes it for screen readers."""
    return tag(
        "svg", *content, width="100%", height=height, role="img", aria_label=label, font_family=_FONT, **attributes
    )


def text(
    words: str, x: str | float, y: float, kind: str = "ax", *, anchor: str | None = None, dx: int | None = None
) -> Markup:
    """Return text at a position, shifted by `dx` pixels; `kind` is its class."""
    size, fill = 11.5 if kind == "note" else 11, MUTED if kind == "ax" else INK
    return tag("text", words, x=x, y=float(y), dx=dx, class_=kind, fill=fill, font_size=size, text_anchor=anchor)


def rule(y: float) -> Markup:
    """Return a horizontal line."""
    return tag("line", x1="0", x2="100%", y1=float(y), y2=float(y), class_="rule", stroke=_RULE)


def box(x: float, y: float, width: float, height: float, kind: str, fill: str, *content: Markup) -> Markup:
    """Return a rectangle; `x` and `width` are fractions of the chart's width."""
    return tag(
        "rect", *content, x=percent(x), y=float(y), width=percent(width), height=float(height), class_=kind, fill=fill
    )


# --- timelines --------------------------------------------------------------------------------------------------------


def attempts(timeline: Timeline, height: int = 150) -> Markup:
    """Return a stacked bar chart of attempts over time, coloured by outcome."""
    most = max(timeline.most, 1)
    room = height - _AXIS - 14
    bars = []
    for place in range(BINS):
        parts, y = [], float(height - _AXIS)
        for outcome, counts in timeline.attempts.items():
            if counts[place]:
                tall = max(counts[place] * room / most, 0.6)
                y -= tall
                parts.append(box(place / BINS, y, 0.86 / BINS, tall, f"o-{outcome}", COLORS[outcome]))
        if parts:
            summary = ", ".join(f"{n[place]:,} {word}" for word, n in timeline.attempts.items() if n[place])
            since = duration(place * timeline.bin_ns) if place else "0 s"
            bars.append(tag("g", tag("title", f"from {since}: {summary}"), *parts))
    label = f"Attempts to connect over time, at most {plural(most, 'attempt')} in {duration(timeline.bin_ns)}"
    top = [text(f"{most:,}", 0, 10)]
    return picture(height, label, rule(14), rule(height - _AXIS), *bars, *top, *clock(timeline, height - 3))


def clock(timeline: Timeline, y: float) -> list[Markup]:
    """Return the labels of the time axis, relative to the start of the capture."""
    whole = timeline.bin_ns * BINS
    labels = []
    for ns in round_times(whole):
        share = ns / whole
        anchor = None if share < 0.05 else "end" if share > 0.95 else "middle"  # thresholds suit phones
        labels.append(text(duration(ns), percent(share), y, anchor=anchor))
    return labels


_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def round_times(whole_ns: int, most: int = 5) -> list[int]:
    """Return a few round times from 0 up to the end of a time span."""
    unit = NS_PER_SECOND
    while whole_ns < unit * most and unit > 1:
        unit //= 10
    steps = [step * unit for step in (_STEPS if unit == NS_PER_SECOND else (1, 2, 5, 10, 20, 50))]
    longest = max(steps[-1] * -(-whole_ns // (steps[-1] * most)), 1)
    step = next((step for step in steps if whole_ns // step <= most), longest)
    return list(range(0, whole_ns + 1, step))


def bands(spans: Sequence[tuple[str, str, str, float, float]]) -> Markup:
    """Return the chart of findings' periods: severity, words, title, and begin and end as fractions of the time."""
    rows = [_band(20.0 * row, *span) for row, span in enumerate(spans)]
    return picture(20 * len(spans) + 2, "When findings held, on the same scale of time", *rows)


def _band(y: float, severity: str, words: str, title: str, begin: float, end: float) -> Markup:
    """Return the band of one finding; its words start at the side with more room."""
    wide = max(end - begin, 0.006)
    at, color = min(begin, 1 - wide), SEVERITIES[severity]
    left = at < 0.6
    named: dict[str, object] = {"class_": f"b-{severity}", "fill": color, "y": y + 2, "height": 15}
    return tag(
        "g",
        tag("title", title),
        tag("rect", x=percent(at), width=percent(wide), rx=2, fill_opacity="0.28", **named),
        tag("rect", x=percent(at), width=3, **named),
        text(
            words,
            percent(at if left else at + wide),
            y + 13,
            "band",
            anchor=None if left else "end",
            dx=7 if left else -5,
        ),
    )


def steps(
    levels: Sequence[int], label: str, timeline: Timeline, limit: tuple[str, int] | None = None, height: int = 90
) -> Markup:
    """Return a step chart of a level over time, with a line at `limit` unless that is far above."""
    most = max(1, *levels)
    limit = limit if limit is not None and limit[1] <= 3 * most else None
    most = max(most, limit[1] if limit is not None else 0)
    room = height - _AXIS - 14
    path = f"M0 {room}" + "".join(f"V{number(room - level * room / most)}h1" for level in levels) + f"V{room}z"
    inner = tag(
        "svg",
        tag("path", d=path, class_="area", fill=COLORS["half-open"], fill_opacity="0.55"),
        x="0", y=14, width="100%", height=room, viewBox=f"0 0 {len(levels)} {room}", preserveAspectRatio="none",
    )  # fmt: skip
    line = [] if limit is None else _limit(limit[0], height - _AXIS - limit[1] * room / most)
    top = text(f"{most:,}", 0, 10)
    return picture(height, label, rule(14), rule(height - _AXIS), inner, top, *line, *clock(timeline, height - 3))


def _limit(words: str, y: float) -> list[Markup]:
    line = tag("line", x1="0", x2="100%", y1=y, y2=y, class_="mark", stroke=INK, stroke_dasharray="5 3")
    return [line, text(words, "100%", y - 4, anchor="end")]


def spark(timeline: Timeline) -> Markup:
    """Return a sparkline of attempts over time."""
    totals = [sum(bars) for bars in zip(*timeline.attempts.values(), strict=True)]
    most = max(*totals, 1)
    path = "".join(f"M{i} 18v{number(-max(18 * n / most, 1))}h1V18z" for i, n in enumerate(totals) if n)
    return tag(
        "svg", tag("path", d=path, class_="spark", fill=MUTED), width=BINS, height=18, viewBox=f"0 0 {BINS} 18",
        role="img", aria_label="attempts over time",
    )  # fmt: skip


# --- durations --------------------------------------------------------------------------------------------------------


def histogram(
    counted: Histogram, label: str, marks: Sequence[tuple[str, int]], before: Histogram | None = None, height: int = 130
) -> Markup:
    """Return a histogram on a logarithmic scale with marks (percentiles); `before` is overlaid as lines."""
    base = float(height - _AXIS)
    now, then = (max(sum(each.counts), 1) if each is not None else 1 for each in (counted, before))
    most = max(*(n / now for n in counted.counts), *(n / then for n in (before.counts if before else (0, 0))))
    scale = (base - 44) / most  # relative counts, so that samples of different size can be compared
    parts = [_bar(place, n, scale / now, base) for place, n in enumerate(counted.counts) if n]
    parts += [_line(place, n, scale / then, base) for place, n in enumerate(before.counts if before else ()) if n]
    for row, (words, ns) in enumerate(marks):
        parts.extend(_mark(f"{words} {duration(ns)}", counted.place(ns), 11.0 + 13 * row, base))
    for tick in ticks(counted.low_ns, counted.high_ns):
        share = counted.place(tick)
        anchor = None if share < 0.04 else "end" if share > 0.94 else "middle"
        parts.append(text(duration(tick), percent(share), height - 3, anchor=anchor))
    return picture(height, label, rule(base), *parts)


def _bar(place: int, count: int, scale: float, base: float) -> Markup:
    tall, words = max(count * scale, 1.0), tag("title", f"{count:,}")
    return box(place / BUCKETS, base - tall, 0.9 / BUCKETS, tall, "bar", SEVERITIES["info"], words)


def _line(place: int, count: int, scale: float, base: float) -> Markup:
    y, ends = base - max(count * scale, 1.0), (percent(place / BUCKETS), percent((place + 1) / BUCKETS))
    return tag("line", x1=ends[0], x2=ends[1], y1=y, y2=y, class_="before", stroke=COLORS["timed-out"], stroke_width=3)


def _mark(words: str, share: float, y: float, base: float) -> tuple[Markup, Markup]:
    line = tag(
        "line", x1=percent(share), x2=percent(share), y1=float(y - 9), y2=float(base), class_="mark", stroke=INK,
        stroke_dasharray="2 3",
    )  # fmt: skip
    left = share > 0.66
    return line, text(words, percent(share), y, anchor="end" if left else None, dx=-4 if left else 4)


def cloud(counted: Cloud, timeline: Timeline, height: int = 150) -> Markup:
    """Return a scatter plot of durations over time; denser cells are darker."""
    across, up = CLOUD
    base, room = height - _AXIS, height - _AXIS - 6
    paths = []
    for least, most, opacity in ((1, 1, "0.45"), (2, 7, "0.7"), (8, None, "1")):
        cells = [(x, y) for x, y, n in counted.cells if n >= least and (most is None or n <= most)]
        if cells:
            d = "".join(f"M{x} {up - 1 - y}h1v1h-1z" for x, y in cells)
            paths.append(tag("path", d=d, class_="dot", fill=SEVERITIES["info"], fill_opacity=opacity))
    inner = tag(
        "svg", *paths, x="0", y=6, width="100%", height=room, viewBox=f"0 0 {across} {up}", preserveAspectRatio="none"
    )
    rules, words, last = [], [], base + 16.0
    for ns in ticks(counted.low_ns, counted.high_ns):
        y = base - log_place(ns, counted.low_ns, counted.high_ns) * room
        rules.append(rule(y))
        if 16 < y < last - 16:
            words.append(text(duration(ns), 2, y - 3, "halo"))
            last = y
    label = "Connect RTT over time, on a logarithmic scale"
    return picture(height, label, *rules, rule(base), inner, *words, *clock(timeline, height - 3))


# --- shares, ports and sources ----------------------------------------------------------------------------------------


def shares(counts: Mapping[Outcome, int], label: str) -> Markup:
    """Return a bar divided by outcome."""
    whole, at, parts = max(sum(counts.values()), 1), 0.0, []
    for outcome, count in counts.items():
        if count:
            parts.append(
                box(at, 0, count / whole, 12, f"o-{outcome}", COLORS[outcome], tag("title", f"{count:,} {outcome}"))
            )
            at += count / whole
    return tag("svg", *parts, width=140, height=12, role="img", aria_label=label)


def ports(probes: Iterable[Probe], *, hosts: bool) -> Markup:
    """Return the result of a scan: a square per probed port or host."""
    listed = list(probes)
    columns = SQUARES
    rows = -(-len(listed) // columns)
    squares = [
        tag(
            "rect",
            tag("title", f"{probe.server if hosts else probe.server.port}: {probe.state}"),
            x=place % columns * 12, y=place // columns * 12, width=10, height=10, class_=f"p-{probe.state}",
            fill=PROBED[probe.state],
        )
        for place, probe in enumerate(listed)
    ]  # fmt: skip
    label = f"What the scan learnt of {plural(len(listed), 'port')}, in their order"
    wide = min(len(listed), columns) * 12
    return tag(
        "svg", *squares, width=wide, height=rows * 12, viewBox=f"0 0 {wide} {rows * 12}", class_="strip", role="img",
        aria_label=label,
    )  # fmt: skip


def sources(counts: Sequence[int], height: int = 70) -> Markup:
    """Return a bar chart of clients by first address byte, in which spoofed addresses are spread evenly."""
    most, base = max(counts), height - _AXIS
    bars = [
        box(place / 256, base - max(count * (base - 4) / most, 1), 0.9 / 256, max(count * (base - 4) / most, 1), "bar",
            SEVERITIES["info"], tag("title", f"{place}.0.0.0/8: {count:,}"))
        for place, count in enumerate(counts)
        if count
    ]  # fmt: skip
    labels = [
        text(f"{at}", percent(at / 256), height - 3, anchor="end" if at > 250 else "middle" if at else None)
        for at in (0, 64, 128, 192, 255)
    ]
    return picture(height, "Clients by the first byte of their address", rule(base), *bars, *labels)
