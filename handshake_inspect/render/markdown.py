"""Markdown output, short enough for a CI job summary: outcomes, RTT, services, findings and trouble."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from handshake_inspect.render import Format, Options
from handshake_inspect.render.diff_text import change, failures, interesting, rtt, verdict
from handshake_inspect.render.rows import cell, columns, values
from handshake_inspect.render.spread import spread, usual
from handshake_inspect.report import headline
from handshake_inspect.report.checked import Checked
from handshake_inspect.report.difference import Difference
from handshake_inspect.report.host import host_words
from handshake_inspect.report.model import Connection, Distribution, Finding, Report
from handshake_inspect.wire.text import durations, plural, printable, share

SERVICES_SHOWN = 20
TROUBLE_SHOWN = 20
CHANGES_SHOWN = 100  # services in a comparison
SIGNS = {"critical": "🔴", "warning": "🟠", "info": "🔵"}
# Characters with a meaning in Markdown or HTML.
_MARKUP = re.compile(r"([\\`*_\[\]<>|~])")


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write the summary; `fields` adds a table of connections, and `every` includes all of them."""
    _put(out, _report(report, options))


def render_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write one row per assertion, and the offending connections below the table."""
    _put(out, _check(checked))


def render_diff(difference: Difference, out: BinaryIO, _: Options) -> None:
    """Write the regressions, then the services that changed."""
    _put(out, _diff(difference))


def _put(out: BinaryIO, lines: Iterator[str]) -> None:
    out.writelines(line.encode("utf-8", "backslashreplace") + b"\n" for line in lines)


def _report(report: Report, options: Options) -> Iterator[str]:
    summary = report.summary
    counts = summary.outcomes.as_dict()
    yield f"## {_plain(headline.verdict(report, options.applied_filter))}"
    yield ""
    sources = headline.few_sources(report.capture, _code)
    yield f"{sources}: {plural(report.capture.frames, 'frame')}, {plural(report.capture.tcp_segments, 'TCP segment')}"
    if counted := host_words(report.capture.host):
        yield f"\nThis host: {counted}"
    for problem in report.capture.problems:
        yield f"\n> **{problem.kind}**: {_plain(problem.message)}"
    rows = [[_code(word), f"{n:,}", share(n, summary.connections)] for word, n in counts.items() if n]
    if rows:
        yield ""
        yield from _table(["outcome", "connections", "share"], rows, (1, 2))
    legs = {"SYN to SYN-ACK": summary.rtt.synack, "SYN-ACK to ACK": summary.rtt.ackdat, "connect": summary.rtt.total}
    figures = list(spread(list(legs.values())))
    rows = [[name, *_figures(leg, figures)] for name, leg in legs.items() if leg.count]
    if rows:
        yield "\n### Handshake RTT\n"
        yield from _table(["leg", "measured", *figures], rows, range(1, 2 + len(figures)))
    yield from _services(report)
    yield from _findings(report.findings)
    if options.connections:
        yield from _connections(report, options)


def _figures(leg: Distribution, names: Sequence[str]) -> list[str]:
    return [f"{leg.count:,}", *durations([usual(leg, name) for name in names])]


def _services(report: Report) -> Iterator[str]:
    if not len(report.services):
        return
    yield "\n### Services\n"
    rows = []
    for service in report.services[:SERVICES_SHOWN]:
        established, rest = f"{service.outcomes.established:,}", headline.failures(service.outcomes)
        rtt = durations([usual(service.rtt.total, name) for name in ("median", "p95")])
        rows.append([_code(str(service.server)), f"{service.connections:,}", established, rest, *rtt])
    titles = ["service", "connections", "established", "not established", "RTT median", "RTT p95"]
    shown = [place for place in range(len(titles)) if any(row[place] for row in rows)]
    numbers = [at for at, place in enumerate(shown) if place in (1, 2, 4, 5)]
    yield from _table([titles[place] for place in shown], [[row[place] for place in shown] for row in rows], numbers)
    if len(report.services) > SERVICES_SHOWN:
        yield f"\nand {len(report.services) - SERVICES_SHOWN:,} more services"


def _findings(findings: list[Finding]) -> Iterator[str]:
    if not findings:
        return
    yield "\n### Findings\n"
    for finding in findings:
        target = finding.target
        name = "" if target is None else _code(str(target))
        about = f" {name}" if name else ""
        yield f"- {SIGNS[finding.severity]} {finding.severity} **{finding.id}**{about}: {_plain(finding.title)}."
        yield f"  {_advice(finding.advice)}"


def _connections(report: Report, options: Options) -> Iterator[str]:
    if options.fields:
        fields = columns(options)
        yield "\n### Connections\n"
        numbers = [i for i, field in enumerate(fields) if field.kind in ("number", "decimal", "duration", "time")]
        yield from _table([_code(field.name) for field in fields], (), numbers)
        for chunk in values(report, fields, options):
            for row in zip(*chunk, strict=True):
                yield f"| {' | '.join(_plain(cell(value)) for value in row)} |"
        return
    total = report.connections.trouble_count
    shown = report.connections.trouble(None if options.every else TROUBLE_SHOWN) if total else []
    if shown:
        yield f"\n### Connections with trouble: {total:,}\n"
        yield from _table(["frame", "client", "server", "outcome", "why"], map(_trouble, shown), (0,))
    if len(shown) < total:
        yield f"\nand {total - len(shown):,} more"


def _trouble(c: Connection) -> list[str]:
    words = c.outcome if c.cause is None else f"{c.outcome}, {c.cause}"
    doubt = "" if c.decided else "?"
    return [str(c.first_frame), _code(str(c.client)), _code(str(c.server)), f"{words}{doubt}", _plain(c.why)]


def _check(checked: Checked) -> Iterator[str]:
    failed = sum(each.status == "failed" for each in checked.assertions)
    verdict = (
        "✅ passed" if checked.passed else f"❌ failed: {failed} of {plural(len(checked.assertions), 'assertion')}"
    )
    yield f"## hsi check {verdict}"
    yield ""
    left = f", {checked.undecided:,} undecided" if checked.undecided else ""
    left += f", {checked.ignored:,} ignored" if checked.ignored else ""
    yield f"{plural(checked.connections, 'connection')}{left}"
    yield ""
    rows = [
        ["❌" if each.status == "failed" else "✅", _code(each.rule), _plain(each.measured), _plain(each.allowed)]
        for each in checked.assertions
    ]
    yield from _table(["", "assertion", "measured", "allowed"], rows)
    for each in checked.assertions:
        if each.status == "failed" and (each.breaches or each.findings):
            yield f"\n### {_plain(each.rule)}\n"
            yield from (f"- {_plain(finding)}" for finding in each.findings)
            yield from (
                f"- {_plain(breach.name)}: **{breach.outcome}**: {_plain(breach.why)}" for breach in each.breaches
            )
            if each.broken > len(each.breaches) and each.breaches:
                yield f"- and {each.broken - len(each.breaches):,} more"
    if checked.notes:
        yield ""
        yield from (f"> {_plain(note)}\n" for note in checked.notes)


def _diff(difference: Difference) -> Iterator[str]:
    yield f"## hsi diff {'❌' if difference.regressed else '✅'} {verdict(difference)}"
    yield ""
    yield from (f"- {_plain(regression)}" for regression in difference.regressions)
    then, now = difference.old_outcomes.as_dict(), difference.new_outcomes.as_dict()
    rows = [[_code(word), f"{then[word]:,}", f"{now[word]:,}"] for word in then if then[word] or now[word]]
    yield "\n### Outcomes\n"
    yield from _table(["outcome", "then", "now"], rows, (1, 2))
    changed = interesting(difference)
    if changed:
        yield "\n### Services\n"
        cells = [
            [_code(each.name), change(each), failures(each.old_failed, each.old_tried),
             failures(each.new_failed, each.new_tried), rtt(each)]
            for each in changed[:CHANGES_SHOWN]
        ]  # fmt: skip
        yield from _table(["service", "change", "failed then", "now", "median connect RTT"], cells)
    if len(changed) > CHANGES_SHOWN:
        yield f"\nand {len(changed) - CHANGES_SHOWN:,} more"
    for title, findings in (("New findings", difference.new_findings), ("Gone findings", difference.gone_findings)):
        if findings:
            yield f"\n### {title}\n"
            yield from (f"- {each.severity} **{each.id}**: {_plain(each.title)}" for each in findings)


# --- syntax -----------------------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """Escape text."""
    return _MARKUP.sub(r"\\\1", printable(text))


def _advice(text: str) -> str:
    """Convert our own prose, with commands in backticks."""
    return printable(text).replace("<", "&lt;").replace("|", "\\|")


def _code(text: str) -> str:
    """Format text as code; `|` is replaced, because it would end a table cell even there."""
    return f"`{printable(text).replace('`', chr(39)).replace('|', '/')}`"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    """Yield the lines of a table; columns in `right` are right-aligned."""
    yield f"| {' | '.join(header)} |"
    yield f"|{'|'.join('---:' if i in right else '---' for i in range(len(header)))}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


FORMATS = {
    "markdown": Format(render, (".md",), columns=True, check=render_check, diff=render_diff),
}
