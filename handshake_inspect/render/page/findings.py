"""Findings on the HTML page: explanation, advice, metrics, evidence, and charts of scans and floods."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from markupsafe import Markup

from handshake_inspect.render.finding_lines import figures, listed
from handshake_inspect.render.layout import Style
from handshake_inspect.render.next_step import PIPES
from handshake_inspect.render.page import svg
from handshake_inspect.report.docs import FINDING_DOCS
from handshake_inspect.report.model import Capture, Finding
from handshake_inspect.report.pictures import Pictures
from handshake_inspect.wire.text import duration, moment, plural, printable

STYLE = Style(color=False, encoding="utf-8")
FRAMES = 24
PROBES = 1_200
OPEN = 40  # open ports listed by name


@dataclass(frozen=True)
class FindingShown:
    """One finding, formatted."""

    finding: Finding
    means: str
    when: str
    metrics: list[tuple[str, str]]
    frames: str
    command: str
    connections: list[int]
    more_connections: int
    picture: Markup | None
    caption: str
    legend: list[str]


def shown_finding(finding: Finding, capture: Capture, pictures: Pictures) -> FindingShown:
    """Return everything that the page shows below the title."""
    picture, caption, legend = _picture(finding, pictures)
    frames = finding.evidence.frames
    return FindingShown(
        finding,
        FINDING_DOCS.get(finding.id, ("", ""))[1],
        _when(finding, capture),
        [(name.replace("_", " "), value) for name, value in figures(finding.metrics, STYLE) if value],
        listed(frames, FRAMES),
        _command(frames[:FRAMES], capture),
        finding.evidence.connections[:FRAMES],
        max(len(finding.evidence.connections) - FRAMES, 0),
        picture,
        caption,
        legend,
    )


def _when(finding: Finding, capture: Capture) -> str:
    if finding.start_ns is None or finding.end_ns is None:
        return ""
    since = (
        ""
        if capture.first_ns is None
        else f", {duration(max(finding.start_ns - capture.first_ns, 0))} into the capture"
    )
    lasting = f", for {duration(finding.end_ns - finding.start_ns)}" if finding.end_ns > finding.start_ns else ""
    return f"{moment(finding.start_ns)}{since}{lasting}"


def _command(frames: list[int], capture: Capture) -> str:
    """Return the tshark command that shows these frames; empty unless the capture is a single file."""
    if not frames or len(capture.sources) != 1 or capture.sources[0] in PIPES or capture.host is not None:
        return ""
    numbers = ", ".join(map(str, frames))
    return f"tshark -r {shlex.quote(printable(capture.sources[0]))} -Y 'frame.number in {{{numbers}}}'"


def _picture(finding: Finding, pictures: Pictures) -> tuple[Markup | None, str, list[str]]:
    target = finding.target
    if target is None or not len(pictures.report.connections):
        return None, "", []
    if finding.id == "port-scan":
        return _scan(target.ip, pictures)
    if finding.id in ("syn-flood", "ack-flood", "rst-flood"):
        counts = pictures.sources(target.ip, target.port)
        if sum(counts) >= 20:
            caption = (
                f"{plural(sum(counts), 'source')} by the first byte of their addresses: forged ones are everywhere"
            )
            return svg.sources(counts), caption, []
    return None, "", []


def _scan(client: str, pictures: Pictures) -> tuple[Markup | None, str, list[str]]:
    probes = pictures.probes(client, PROBES)
    if len(probes) < 2:
        return None, "", []
    hosts = len({probe.server.ip for probe in probes})
    more = f", the first {PROBES:,}" if len(probes) == PROBES else ""
    on = f" on {plural(hosts, 'host')}" if hosts > 1 else f" of {probes[0].server.ip}"
    found = [str(probe.server if hosts > 1 else probe.server.port) for probe in probes if probe.state == "open"]
    caption = f"{plural(len(probes), 'port')}{on} that were tried{more}; open: {listed(found, OPEN) or 'none'}"
    states = [state for state in svg.PROBED if any(probe.state == state for probe in probes)]
    return svg.ports(probes, hosts=hosts > 1), caption, states
