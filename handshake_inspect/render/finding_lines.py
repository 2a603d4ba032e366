"""Findings as lines of text: title, advice, and with `-v` metrics and evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from handshake_inspect.render import Options
from handshake_inspect.render.layout import INDENT, Style, labelled, paragraph
from handshake_inspect.report.consequences import shown_together
from handshake_inspect.report.model import Finding
from handshake_inspect.wire.text import duration, moment, rounded, share

SEVERITY_LOOKS = {"critical": "red", "warning": "yellow", "info": "cyan"}
ALIKE_SHOWN = 3  # findings of one kind and cause
LISTED = 20  # values, frames or connections per list


def all_findings(found: Sequence[Finding], options: Options, style: Style) -> Iterator[str]:
    """Yield every finding with those that follow from it; of many with one cause, only the first and their number."""
    explained: set[str] = set()
    together = list(shown_together(found))
    counts, seen = Counter(_alike(finding) for finding, _ in together), Counter[tuple[str, ...]]()
    for finding, others in together:
        kind = _alike(finding)
        seen[kind] += 1
        left = counts[kind] - ALIKE_SHOWN if options.verbosity <= 0 else 0
        if left > 1 and seen[kind] > ALIKE_SHOWN:
            continue
        yield from finding_lines(finding, options, style)
        for other in others:
            yield from follower_lines(other, options, style)
        new = [word for word in dict.fromkeys(each.id for each in (finding, *others)) if word not in explained]
        explained.update(new)
        if new:
            yield INDENT + style.paint(f"more: {', '.join(f'hsi help {word}' for word in new)}", "dim")
        if left > 1 and seen[kind] == ALIKE_SHOWN:
            yield ""
            yield f"and {left:,} more findings like these {ALIKE_SHOWN}: -v shows all"


def _alike(finding: Finding) -> tuple[str, ...]:
    """Return a key that is equal for findings that differ only in their targets."""
    return finding.severity, finding.id, str(finding.metrics.get("cause") or finding.metrics.get("kind") or "")


def finding_lines(finding: Finding, options: Options, style: Style) -> Iterator[str]:
    """Yield an empty line, the title and the advice."""
    yield ""
    severity = finding.severity.upper()
    title, advice = (style.clean(text) for text in (finding.title, finding.advice))
    first, *others = paragraph(f"{severity}  {title}", options.width, "")
    yield style.paint(severity, "bold", SEVERITY_LOOKS[finding.severity]) + first.removeprefix(severity)
    yield from others
    yield from paragraph(advice, options.width, INDENT)
    if options.verbosity > 0:
        yield from _details(finding, options.width, style)


def follower_lines(finding: Finding, options: Options, style: Style) -> Iterator[str]:
    """Yield a finding that follows from the one above it."""
    title = style.clean(finding.title)
    text = title[:1].lower() + title[1:] if title[1:2].islower() else title
    yield from paragraph(f"also: {text}", options.width, INDENT)
    if options.verbosity > 0:
        yield from paragraph(style.clean(finding.advice), options.width, INDENT)
        yield from _details(finding, options.width, style)


def _details(finding: Finding, width: int, style: Style) -> Iterator[str]:
    """Yield all metrics, and the frames and connections of the evidence."""
    if finding.start_ns is not None and finding.end_ns is not None:
        lasting = duration(finding.end_ns - finding.start_ns, style.micro)
        yield from labelled("when", f"{moment(finding.start_ns)}, for {lasting}", width, style)
    numbers = [f"{name.replace('_', ' ')} {value}" for name, value in figures(finding.metrics, style)]
    for number, line in enumerate(paragraph("; ".join(numbers), width, INDENT * 6)):
        label = "numbers" if number == 0 else ""
        yield from labelled(label, line.strip(), width, style)
    for label, what, numbered in (
        ("evidence", "frame", finding.evidence.frames),
        ("", "connection", finding.evidence.connections),
    ):
        if numbered:
            noun = what if len(numbered) == 1 else f"{what}s"
            yield from labelled(label, f"{noun} {listed(numbered)}", width, style)


def figures(metrics: Mapping[str, Any], style: Style) -> Iterator[tuple[str, str]]:
    """Yield names of metrics without the unit suffix, and values formatted with the unit."""
    for name, value in metrics.items():
        if value is None:
            continue
        if isinstance(value, Mapping):
            yield from ((f"{name} {inside}", text) for inside, text in figures(value, style))
            continue
        yield _written(name, value, style)


def _written(name: str, value: Any, style: Style) -> tuple[str, str]:
    if isinstance(value, (list, tuple)):
        each = (" ".join(map(str, one.values())) if isinstance(one, Mapping) else one for one in value)
        return name, style.clean(listed(list(each)))
    if isinstance(value, bool):
        return name, "yes" if value else "no"
    if isinstance(value, str):
        return name, style.clean(value)
    for ending, write in _UNITS.items():
        if name.endswith(ending):
            return name.replace(ending, _KEPT.get(ending, "")), write(value).replace("µ", style.micro)
    return name, f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


_KEPT = {"_ratio": "_share"}  # replaced rather than dropped, to distinguish the share from the count
_UNITS: dict[str, Callable[[Any], str]] = {
    "_ns": duration,
    "_bytes": lambda value: f"{value:,} bytes",
    "_ratio": lambda value: share(round(value * 10_000), 10_000),
    "_per_s": lambda value: f"{rounded(value)} per s",
}


def listed(values: Sequence[Any], most: int = LISTED) -> str:
    """Join the first values of a list and the number of further ones."""
    more = f" and {len(values) - most:,} more" if len(values) > most else ""
    return ", ".join(map(str, values[:most])) + more
