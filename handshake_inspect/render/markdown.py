"""The report as Markdown, short enough for a job summary: outcomes, RTT, services, findings, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from handshake_inspect.render import Options
from handshake_inspect.render.cells import advice, code, plain, table
from handshake_inspect.render.rows import cell, columns, values
from handshake_inspect.render.units import address, durations, plural, share
from handshake_inspect.report.checked import Checked
from handshake_inspect.report.host import host_words
from handshake_inspect.report.model import Connection, Distribution, Endpoint, Finding, Report

SERVICES_SHOWN = 20
TROUBLE_SHOWN = 20
SIGNS = {"critical": "🔴", "warning": "🟠", "info": "🔵"}


def render(report: Report, out: BinaryIO, options: Options) -> None:
    """Write the summary; with chosen fields a table of the connections follows, with `every` of all of them."""
    _put(out, _report(report, options))


def render_check(checked: Checked, out: BinaryIO, _: Options) -> None:
    """Write one row per assertion, and under the table the connections that broke them."""
    _put(out, _check(checked))


def _put(out: BinaryIO, lines: Iterator[str]) -> None:
    out.writelines(line.encode("utf-8", "backslashreplace") + b"\n" for line in lines)


def _report(report: Report, options: Options) -> Iterator[str]:
    summary = report.summary
    counts = summary.outcomes.as_dict()
    yield f"## TCP connections: {counts['established']:,} of {summary.connections:,} established"
    yield ""
    sources = ", ".join("standard input" if name == "-" else code(name) for name in report.capture.sources)
    yield f"{sources}: {plural(report.capture.frames, 'frame')}, {plural(report.capture.tcp_segments, 'TCP segment')}"
    if counted := host_words(report.capture.host):
        yield f"\nThis host: {counted}"
    for problem in report.capture.problems:
        yield f"\n> **{problem.kind}**: {plain(problem.message)}"
    rows = [[code(word), f"{n:,}", share(n, summary.connections)] for word, n in counts.items() if n]
    if rows:
        yield ""
        yield from table(["outcome", "connections", "share"], rows, (1, 2))
    legs = {"SYN to SYN-ACK": summary.rtt.synack, "SYN-ACK to ACK": summary.rtt.ackdat, "connect": summary.rtt.total}
    rows = [[name, *_figures(leg)] for name, leg in legs.items() if leg.count]
    if rows:
        yield "\n### Handshake RTT\n"
        yield from table(["leg", "measured", "min", "p50", "p90", "p95", "p99", "max"], rows, range(1, 8))
    yield from _services(report)
    yield from _findings(report.findings)
    if options.connections:
        yield from _connections(report, options)


def _figures(leg: Distribution) -> list[str]:
    known = [leg.min_ns, leg.p50_ns, leg.p90_ns, leg.p95_ns, leg.p99_ns, leg.max_ns]
    return [f"{leg.count:,}", *durations(known)]


def _services(report: Report) -> Iterator[str]:
    if not len(report.services):
        return
    yield "\n### Services\n"
    rows = []
    for service in report.services[:SERVICES_SHOWN]:
        counts = service.outcomes.as_dict()
        others = ", ".join(f"{n:,} {word}" for word, n in counts.items() if n and word != "established")
        rtt = durations([service.rtt.total.p50_ns, service.rtt.total.p95_ns])
        rows.append(
            [code(address(service.server)), f"{service.connections:,}", f"{counts['established']:,}", others, *rtt]
        )
    yield from table(["service", "connections", "established", "others", "RTT p50", "p95"], rows, (1, 2, 4, 5))
    if len(report.services) > SERVICES_SHOWN:
        yield f"\nand {len(report.services) - SERVICES_SHOWN:,} more services"


def _findings(findings: list[Finding]) -> Iterator[str]:
    if not findings:
        return
    yield "\n### Findings\n"
    for finding in findings:
        target = finding.target
        name = (
            ""
            if target is None
            else code(target.ip if target.port is None else address(Endpoint(target.ip, target.port)))
        )
        about = f" {name}" if name else ""
        yield f"- {SIGNS[finding.severity]} {finding.severity} **{finding.id}**{about}: {plain(finding.title)}."
        yield f"  {advice(finding.advice)}"


def _connections(report: Report, options: Options) -> Iterator[str]:
    if options.fields:
        fields = columns(options)
        yield "\n### Connections\n"
        numbers = [i for i, field in enumerate(fields) if field.kind in ("number", "duration", "time")]
        yield from table([code(field.name) for field in fields], (), numbers)
        for made in values(report, fields, options):
            for row in zip(*made, strict=True):
                yield f"| {' | '.join(plain(cell(value)) for value in row)} |"
        return
    total = report.connections.trouble_count
    shown = report.connections.trouble(None if options.every else TROUBLE_SHOWN) if total else []
    if shown:
        yield f"\n### Connections with trouble: {total:,}\n"
        yield from table(["frame", "client", "server", "outcome", "why"], map(_trouble, shown), (0,))
    if len(shown) < total:
        yield f"\nand {total - len(shown):,} more"


def _trouble(c: Connection) -> list[str]:
    words = c.outcome if c.cause is None else f"{c.outcome}, {c.cause}"
    doubt = "" if c.decided else "?"
    return [str(c.first_frame), code(address(c.client)), code(address(c.server)), f"{words}{doubt}", plain(c.why)]


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
        ["❌" if each.status == "failed" else "✅", code(each.rule), plain(each.measured), plain(each.allowed)]
        for each in checked.assertions
    ]
    yield from table(["", "assertion", "measured", "allowed"], rows)
    for each in checked.assertions:
        if each.status == "failed" and (each.breaches or each.findings):
            yield f"\n### {plain(each.rule)}\n"
            yield from (f"- {plain(finding)}" for finding in each.findings)
            yield from (
                f"- {plain(breach.name)}: **{breach.outcome}**: {plain(breach.why)}" for breach in each.breaches
            )
            if each.broken > len(each.breaches) and each.breaches:
                yield f"- and {each.broken - len(each.breaches):,} more"
    if checked.notes:
        yield ""
        yield from (f"> {plain(note)}\n" for note in checked.notes)
