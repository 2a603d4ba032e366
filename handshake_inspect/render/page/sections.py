"""The contents of the HTML page by section: words, numbers and charts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from functools import cached_property

from markupsafe import Markup

from handshake_inspect.render import Options
from handshake_inspect.render.afterwards import afterwards_columns, subject
from handshake_inspect.render.capture_lines import capture_facts
from handshake_inspect.render.layout import Column, Style
from handshake_inspect.render.next_step import PIPES
from handshake_inspect.render.page import svg
from handshake_inspect.render.page.connections import QUIC, PageConnections, Shown, listed_quic
from handshake_inspect.render.page.findings import FindingShown, shown_finding
from handshake_inspect.render.page.parts import LegShown, ServiceShown, Tile, figures, since_start
from handshake_inspect.render.page.waterfall import waterfall
from handshake_inspect.render.quic import MEANING as QUIC_MEANING
from handshake_inspect.render.quic_ladder import VERSIONS
from handshake_inspect.render.setups import setup_columns, setup_figures, setup_remarks
from handshake_inspect.render.spread import ENOUGH, usual
from handshake_inspect.report.headline import (
    MEANING,
    captured,
    failures,
    gravest_of,
    verdict,
    why_nothing,
)
from handshake_inspect.report.model import TROUBLE_OUTCOMES, Distribution, Finding, Report, Service
from handshake_inspect.report.pictures import Leg, Pictures, Timeline
from handshake_inspect.report.process import owner_text
from handshake_inspect.report.quic import QuicConnection
from handshake_inspect.wire.text import duration, printable, share

SERVICES = 25
FINDINGS = 60
UNFOLDED = 12  # findings expanded initially
BANDS = 12
SOURCES = 20  # limit for showing the command line
ROOM = 300  # characters per name
PROBLEMS = 20
RTTS = ("median", "p95", "max")  # columns of services
SPARKS = 20  # services with a sparkline
STYLE = Style(color=False, encoding="utf-8")
LEGS: dict[Leg, tuple[str, str]] = {
    "synack": ("SYN to SYN-ACK", "the path to the server and the server"),
    "ackdat": ("SYN-ACK to ACK", "the path to the client and the client"),
}


class Sections:
    """The sections of one report, computed when the template accesses them."""

    def __init__(self, report: Report, options: Options) -> None:
        self.report = report
        self.options = options
        self.pictures = Pictures(report)
        self.connections = PageConnections(report, self.pictures, options)
        self.verdict = verdict(report, options.applied_filter)
        self.captured = "".join(captured(report.capture))
        self.total = report.summary.connections

    # -- summary -----------------------------------------------------------------------------------------------------

    @property
    def gravest(self) -> Finding | None:
        """The most severe finding, named in the verdict."""
        return gravest_of(self.report)

    @property
    def look(self) -> str:
        """The colour class of the verdict."""
        gravest = self.gravest
        return gravest.severity if gravest is not None else "fine" if self.total else "none"

    @property
    def nothing(self) -> str:
        """Why there is nothing to show; empty if there is something."""
        report = self.report
        if self.total or report.quic_connections or report.findings:
            return ""
        return why_nothing(report.capture, self.options.applied_filter)

    @property
    def tiles(self) -> Iterator[Tile]:
        """The numbers at the top."""
        summary, total = self.report.summary, self.total
        if total or not self.report.quic_connections:
            yield Tile("connections", f"{total:,}")
        if total:
            good = summary.outcomes.established == total
            yield Tile("established", share(summary.outcomes.established, total), "good" if good else "")
            counts = summary.outcomes.as_dict()
            failed = sum(counts[word] for word in TROUBLE_OUTCOMES)
            yield Tile("failed", f"{failed:,}", "bad" if failed else "good")
        if self.report.quic_connections:
            yield Tile("QUIC", f"{len(self.report.quic_connections):,}")
        rtt = summary.rtt.total
        yield from (Tile(f"connect {name}", duration(ns)) for name, ns in figures(rtt))

    # -- timeline ----------------------------------------------------------------------------------------------------

    @cached_property
    def timeline(self) -> Timeline | None:
        """Attempts over time; None if there are too few."""
        return self.pictures.timeline() if len(self.report.connections) > 2 else None

    @property
    def attempts(self) -> Markup | None:
        """The chart of attempts."""
        return None if self.timeline is None else svg.attempts(self.timeline)

    @property
    def bar_words(self) -> str:
        """The duration of one bar."""
        return "" if self.timeline is None else duration(self.timeline.bin_ns)

    @property
    def kept(self) -> str:
        """The number of connections in the charts, if a live run kept only the last ones."""
        kept = len(self.report.connections)
        return f", of the last {kept:,} connections" if 0 < kept < self.total else ""

    @property
    def legend(self) -> list[tuple[str, str, str]]:
        """The outcomes that occur: word, count and meaning."""
        counts = self.report.summary.outcomes.as_dict()
        return [(word, f"{count:,}", MEANING[word]) for word, count in counts.items() if count]

    @property
    def bands(self) -> Markup | None:
        """The chart of the periods of findings."""
        timeline = self.timeline
        if timeline is None:
            return None
        timed = [each for each in self.report.findings if each.start_ns is not None and each.end_ns is not None]
        spans = [
            (each.severity, each.id, each.title, timeline.place(each.start_ns or 0), timeline.place(each.end_ns or 0))
            for each in timed[:BANDS]
        ]
        return svg.bands(spans) if spans else None

    @property
    def half_open(self) -> Markup | None:
        """The chart of simultaneously half-open connections, if interesting.

        It covers the busiest service with a known listener, with its backlog, or else all services.
        """
        if self.timeline is None:
            return None
        known = self.listening
        levels = self.pictures.half_open(None if known is None else known.server)
        if max(levels) < 2:
            return None
        limit = None if known is None or known.listener is None else known.listener.backlog
        words = None if limit is None else (f"backlog {limit:,}", limit)
        return svg.steps(levels, f"Half-open connections over time, at most {max(levels):,}", self.timeline, words)

    @cached_property
    def listening(self) -> Service | None:
        """The busiest service with a known listener."""
        return next((each for each in self.report.services[:SERVICES] if each.listener is not None), None)

    # -- durations ---------------------------------------------------------------------------------------------------

    @property
    def legs(self) -> Iterator[LegShown]:
        """Histograms of both RTT halves on a common scale, if there are enough values."""
        if self.report.summary.rtt.synack.count < ENOUGH:
            return
        scale = self.pictures.scale(*LEGS)
        for leg, (title, what) in LEGS.items():
            counted = self.pictures.histogram(leg, scale)
            measured: Distribution = getattr(self.report.summary.rtt, leg)
            if counted is not None:
                marks = figures(measured)
                yield LegShown(title, what, f"{measured.count:,}", svg.histogram(counted, f"{title}: {what}", marks))

    @property
    def few_legs(self) -> list[tuple[str, str]]:
        """The RTTs as text, if there are only a few values."""
        rtt = self.report.summary.rtt
        of_all = [(title, getattr(rtt, leg)) for leg, (title, _) in LEGS.items()] + [("SYN to ACK", rtt.total)]
        return [
            (title, ", ".join(f"{name} {duration(ns)}" for name, ns in figures(leg)).removeprefix("RTT "))
            for title, leg in of_all
            if leg.count
        ]

    @property
    def cloud(self) -> Markup | None:
        """The scatter plot of the connect RTT over time."""
        counted = (
            self.pictures.cloud()
            if self.timeline is not None and self.report.summary.rtt.total.count >= ENOUGH
            else None
        )
        return None if counted is None or self.timeline is None else svg.cloud(counted, self.timeline)

    # -- findings, services, set-up ----------------------------------------------------------------------------------

    unfolded = UNFOLDED

    @cached_property
    def findings(self) -> list[FindingShown]:
        """The listed findings."""
        return [shown_finding(each, self.report.capture, self.pictures) for each in self.report.findings[:FINDINGS]]

    @property
    def pictured(self) -> FindingShown | None:
        """The first finding with a chart."""
        return next((each for each in self.findings if each.picture is not None), None)

    @property
    def more_findings(self) -> int:
        """The number of findings that are not listed."""
        return max(len(self.report.findings) - FINDINGS, 0)

    @property
    def services(self) -> Iterator[ServiceShown]:
        """The busiest services."""
        for place, service in enumerate(self.report.services[:SERVICES]):
            rtt = service.rtt.total
            drawn = place < SPARKS and service.connections >= ENOUGH and len(self.report.connections) > 0
            spark = self.pictures.timeline(service.server) if drawn else None
            yield ServiceShown(
                str(service.server),
                "" if service.listener is None else owner_text(service.listener),
                service,
                share(service.outcomes.established, service.connections),
                svg.shares(service.outcomes.as_dict(), "outcomes"),
                failures(service.outcomes),
                svg.spark(spark) if spark is not None and spark.attempts else None,
                {name: (ns, "" if ns is None else duration(ns)) for name in RTTS for ns in [usual(rtt, name)]},
            )

    def measured(self, services: Sequence[ServiceShown]) -> list[str]:
        """Return the RTT columns that any of these services has."""
        return [name for name in RTTS if any(each.rtt[name][1] for each in services)]

    @property
    def afterwards(self) -> list[Column]:
        """The columns of the AFTERWARDS table."""
        lives = self.report.summary.afterwards
        return [] if lives is None else afterwards_columns(lives, STYLE)

    @property
    def afterwards_subject(self) -> str:
        """The subtitle of the AFTERWARDS table."""
        lives = self.report.summary.afterwards
        return "" if lives is None else subject(lives)

    @property
    def more_services(self) -> int:
        """The number of services that are not listed."""
        return max(len(self.report.services) - SERVICES, 0)

    @property
    def setup_figures(self) -> str:
        """The subtitle of the SET-UP table."""
        return setup_figures(self.report)

    @property
    def setups(self) -> list[Column]:
        """The columns of the SET-UP table, by service and protocol."""
        return setup_columns(self.report, STYLE)

    @property
    def setup_remarks(self) -> str:
        """The remarks below the SET-UP table."""
        return setup_remarks(self.report, STYLE)

    # -- QUIC --------------------------------------------------------------------------------------------------------

    versions = VERSIONS

    @property
    def quic_outcomes(self) -> list[tuple[str, str, str, str]]:
        """The outcomes of QUIC connections: word, count, share and meaning."""
        outcomes = [each.outcome for each in self.report.quic_connections]
        counts = {word: outcomes.count(word) for word in QUIC_MEANING if word in outcomes}
        return [(word, f"{n:,}", share(n, len(outcomes)), QUIC_MEANING[word]) for word, n in counts.items()]

    @property
    def quic(self) -> list[tuple[QuicConnection, str, Markup | None, Markup | None]]:
        """Some QUIC connections, when they began, how they were set up, and their ladders; those in trouble first."""
        if not self.options.connections:
            return []
        ordered = listed_quic(self.report)
        falls = [None if each.setup is None else waterfall(each.setup) for each in ordered]
        times = since_start(self.report.capture, [each.first_ns for each in ordered])
        return list(zip(ordered, times, falls, map(self.connections.quic_ladder, ordered), strict=True))

    @property
    def more_quic(self) -> int:
        """How many are not listed."""
        return max(len(self.report.quic_connections) - QUIC, 0) if self.options.connections else 0

    # -- capture -----------------------------------------------------------------------------------------------------

    @property
    def facts(self) -> Iterator[tuple[str, str]]:
        """Facts about the capture."""
        yield from capture_facts(self.report.capture, ROOM, STYLE)

    @property
    def problems(self) -> list[str]:
        """Problems of the capture."""
        return [each.message for each in self.report.capture.problems[:PROBLEMS]]

    @property
    def command(self) -> str:
        """The command that recreates this page; empty if unknown."""
        sources = self.report.capture.sources
        if not sources or len(sources) > SOURCES or self.report.capture.host is not None:
            return ""
        names = ("-" if each in PIPES else shlex.quote(printable(each)) for each in sources)
        return f"hsi -o report.html {' '.join(names)}"

    @property
    def tool(self) -> str:
        """The tool and version that made the report."""
        return f"{self.report.tool.name} {self.report.tool.version}"

    @property
    def shown(self) -> list[Shown]:
        """All connections on the page."""
        return self.connections.shown
