"""The first lines of a report, shared by all text formats: the verdict and the extent of the capture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from handshake_inspect.report.capture import Capture
from handshake_inspect.report.consequences import shown_together
from handshake_inspect.report.finding import Finding
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.report.summary import Outcomes, Summary
from handshake_inspect.report.trouble import ENDED
from handshake_inspect.report.words import Outcome
from handshake_inspect.wire.text import listing, plural, printable, share, span

FEW_SOURCES = 3  # sources named if there are many
FEW = 20  # no percentages below this number of connections
FAILURES_OF = {"port-scan": "probes", "backscatter": "connections"}  # metrics of findings that count failures
NOT_SEEN = {"not-looked-into", "unsupported-link-type"}  # problems that hide frames
MEANING: dict[Outcome, str] = {
    "established": "the handshake completed",
    "refused": "a RST answered the SYN",
    "rejected": "an ICMP error answered the SYN",
    "timed-out": "nothing answered the SYN",
    "pending": "no answer yet when the capture ended",
    "half-open": "SYN answered, handshake never completed",
    "aborted": "the client itself reset the attempt",
    "unsolicited": "an answer without any SYN in the capture",
    "midstream": "already open when the capture began",
}


class Report(Protocol):
    """What a headline needs of `report.model.Report`, which itself shows a headline in notebooks."""

    @property
    def summary(self) -> Summary:
        """The outcomes."""

    @property
    def findings(self) -> Sequence[Finding]:
        """The findings, the most severe first."""

    @property
    def quic_connections(self) -> Sequence[QuicConnection]:
        """All QUIC connections."""


class AppliedFilter(NamedTuple):
    """The filter expression, and the number of TCP connections before filtering (None if unknown)."""

    where: str
    among: int | None = None

    def nothing(self) -> str:
        """Return the message that no connection matches."""
        return self.share(0) or f"no connection matches -Y '{printable(self.where)}'"

    def share(self, count: int) -> str:
        """Return the message how many connections match; empty if the total is unknown or all match."""
        if self.among is None or count >= self.among:
            return ""
        match = "matches" if self.among == 1 else "match"
        return f"{count:,} of {plural(self.among, 'connection')} {match} -Y '{printable(self.where)}'"


def verdict(report: Report, applied_filter: AppliedFilter | None = None) -> str:
    """Return the verdict: `2 of 3 connections established, 1 half-open: accept queue of 10.0.0.2:80 is full`.

    The reason is the most severe finding, else a scan or backscatter that explains most failures, else trouble of open
    connections.  `applied_filter` is the filter of the report.
    """
    gravest = gravest_of(report) or _source_of_failures(report)
    asked = applied_filter is not None and applied_filter.among  # of TCP alone
    if report.summary.connections or asked or not report.quic_connections:
        text = headline(report, few=FEW, applied_filter=applied_filter)
    else:
        text = f"{_of_quic(report.quic_connections)}; no TCP"
    if gravest is not None:
        return f"{text}: {_reason(gravest, report)}"
    return "; ".join(filter(None, [text, troubles(report)]))


def _of_quic(connections: Sequence[QuicConnection]) -> str:
    """Return the outcomes of QUIC connections: `2 of 3 QUIC connections established, 1 timed-out`."""
    counts = Counter(each.outcome for each in connections)
    established = counts.pop("established", 0)
    words = [f"{established:,} of {plural(len(connections), 'QUIC connection')} established"]
    return ", ".join(words + [f"{count:,} {outcome}" for outcome, count in counts.most_common()])


def gravest_of(report: Report) -> Finding | None:
    """Return the finding that the verdict names, or None."""
    return next((each for each, _ in shown_together(report.findings) if each.severity != "info"), None)


def _source_of_failures(report: Report) -> Finding | None:
    """Return the scan or backscatter finding that accounts for most failed connections, or None."""
    failed = report.summary.connections - report.summary.outcomes.established
    for kind, counter in FAILURES_OF.items():
        findings = [each for each in report.findings if each.id == kind]
        if findings and 0 < failed < 2 * sum(each.metrics.get(counter, 0) for each in findings):
            return findings[0]
    return None


def _reason(gravest: Finding, report: Report) -> str:
    """Return a short reason: the title, or targets and cause if the finding only sums up an outcome already named."""
    cause = gravest.metrics.get("cause")
    outcomes = report.summary.outcomes
    counts = outcomes.as_dict()
    if gravest.id not in counts or not cause or gravest.target is None:
        return _first_part(printable(gravest.title))
    ports = gravest.metrics.get("port_count", 1)
    where = f"{ports:,} ports of {gravest.target}" if ports > 1 else str(gravest.target)
    where += _others_like(gravest, report.findings)
    several = sum(map(bool, counts.values())) - bool(outcomes.established) > 1
    return printable(f"{where} {gravest.id} ({cause})" if several else f"{where} ({cause})")


def _others_like(gravest: Finding, findings: Sequence[Finding]) -> str:
    """Return how many other findings have the same outcome and cause: ` and 9 others`; empty if none."""
    kind = [each for each, _ in shown_together(findings) if each.id == gravest.id]
    others = sum(each.metrics.get("cause") == gravest.metrics["cause"] for each in kind) - 1
    least = "at least " if any("not_listed" in each.metrics for each in kind) else ""
    return f" and {least}{plural(others, 'other')}" if others else ""


def _first_part(title: str) -> str:
    """Return a title up to its first colon, in lower case, for use in a sentence."""
    part = title.split(": ", maxsplit=1)[0]
    return part[:1].lower() + part[1:] if part[1:2].islower() else part


def troubles(report: Report) -> str:
    """Return the trouble of open connections: `1 reset by the server and 2 stopped by a zero window`."""
    lives = report.summary.afterwards
    if lives is None:
        return ""
    ended = {(each.how, each.by): each.connections for each in lives.endings}
    counts: Counter[str] = Counter()
    for key, words in ENDED.items():
        counts[words] += ended.get(key, 0)
    parts = [f"{count:,} {words}" for words, count in counts.items() if count]
    if lives.zero_windows is not None:
        parts.append(f"{lives.zero_windows.connections:,} stopped by a zero window")
    return listing(parts)


def headline(report: Report, few: int = 1, applied_filter: AppliedFilter | None = None) -> str:
    """Return outcomes in one line: `148,211 of 150,000 connections established (98.8 %), 1,200 half-open, 312 refused`.

    The percentage is left out below `few` connections and if all or none are established.
    """
    total, outcomes = report.summary.connections, report.summary.outcomes
    if not total:
        return (
            applied_filter.nothing()
            if applied_filter is not None and applied_filter.among != 0
            else "no TCP connections"
        )
    established = f"{outcomes.established:,} of {plural(total, 'connection')} established"
    percent = f" ({share(outcomes.established, total)})" if total >= few and 0 < outcomes.established < total else ""
    words = failures(outcomes)
    return established + percent + (f", {words}" if words else "")


def failures(outcomes: Outcomes, written: Callable[[int], str] = "{:,}".format) -> str:
    """List all outcomes but established, most frequent first: `312 refused, 5 timed-out`."""
    others = [(count, outcome) for outcome, count in outcomes.as_dict().items() if count and outcome != "established"]
    return ", ".join(f"{written(count)} {outcome}" for count, outcome in sorted(others, key=lambda item: -item[0]))


def source_names(capture: Capture) -> list[str]:
    """Return the printable names of the sources."""
    return ["standard input" if source == "-" else printable(source) for source in capture.sources]


def few_sources(capture: Capture, written: Callable[[str], str] = str) -> str:
    """Return the names of the sources; of many, only the first few."""
    names = source_names(capture)
    more = [f"{len(names) - FEW_SOURCES:,} files more"] if len(names) > FEW_SOURCES + 1 else []
    shown = names[:FEW_SOURCES] if more else names
    return ", ".join([*(written(name) if name != "standard input" else name for name in shown), *more])


def captured(capture: Capture, micro: str = "µ") -> tuple[str, str]:
    """Return the sources, `a.pcap and 2 more`, and the extent, `: 13 frames in 3.13 s, complete`."""
    names = source_names(capture)
    name = names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "") if names else "nothing"
    lasting = ""
    if capture.first_ns is not None and capture.last_ns is not None and capture.frames > 1:
        lasting = f" in {span(capture.last_ns - capture.first_ns, micro)}"
    return name, f": {plural(capture.frames, 'frame')}{lasting}, {quality(capture)}"


def why_nothing(capture: Capture, applied_filter: AppliedFilter | None) -> str:
    """Return why a report has no connections; `applied_filter` is the filter of the report."""
    if not capture.frames:
        return "The capture holds no frames: check the interface and the capture filter."
    if not capture.tcp_segments and any(problem.kind in NOT_SEEN for problem in capture.problems):
        return "No TCP was found, and not all frames could be looked into: see the problems below."
    if not capture.tcp_segments:
        return "None of the frames is TCP: check the capture filter."
    if applied_filter is not None and applied_filter.among != 0:
        words = applied_filter.nothing()
        return f"{words[:1].upper()}{words[1:]}."
    return "None of the TCP segments belongs to a connection."


def quality(capture: Capture) -> str:
    """Return whether the capture is complete, in words."""
    whole = "complete" if capture.complete else "INCOMPLETE: cut or damaged, analysed as far as it goes"
    if capture.dropped_by_kernel is None:
        return whole
    if capture.dropped_by_kernel == 0:
        return f"{whole}, no drops reported"
    return f"{whole}, {plural(capture.dropped_by_kernel, 'frame')} DROPPED while capturing"
