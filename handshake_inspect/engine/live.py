"""A live run: reads frames from a source into the connection table, and judges the table about once a second.

Each refresh judges all rows, exports news to the observer, and expires rows if too many connections have ended.
Refreshes take at most `REFRESH_SHARE` of run time, the search for findings (`search.py`) at most `SHARE`.  Without an
observer that wants data, a refresh runs only when rows must expire.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import msgspec
import numpy as np

from handshake_inspect.engine import Options
from handshake_inspect.engine.attempt_ids import AttemptIds, TableView
from handshake_inspect.engine.expiry import Expired, free
from handshake_inspect.engine.export import Exporter, Observer, RowSource, connections_of, copied, uncopied
from handshake_inspect.engine.finding_history import FindingHistory
from handshake_inspect.engine.logging_tracker import LoggingTracker
from handshake_inspect.engine.pace import Pace
from handshake_inspect.engine.packet_exports import PacketExports
from handshake_inspect.engine.picture import NOTHING, picture
from handshake_inspect.engine.quic_exports import QuicExports
from handshake_inspect.engine.reporting import case_of, end_of, report_of
from handshake_inspect.engine.search import Search
from handshake_inspect.engine.segment_log import ENTRIES, SEGMENTS, RecentLogs
from handshake_inspect.engine.stream import MAX_WAIT_S, NS, Stream
from handshake_inspect.expression.predicates import Predicate
from handshake_inspect.expression.select import filtered, findings_about, passing
from handshake_inspect.live.base import Counters, LiveSource
from handshake_inspect.report.build import finding as finding_of
from handshake_inspect.report.host import HostCounters
from handshake_inspect.report.model import OUTCOMES, Finding, Report, Service
from handshake_inspect.report.services import RowServices, rtt_distributions
from handshake_inspect.report.snapshot import Second, Snapshot
from handshake_inspect.tcp.facts import FACT_ACKED
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.columns import Copies
from handshake_inspect.verdicts.findings import find_all
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.verdicts.sockets import Sockets

REFRESH_INTERVAL_S = 1.0
REFRESH_SHARE = 0.02  # maximum share of run time spent in refreshes
HISTORY = 60  # seconds
RECENT_NS = HISTORY * NS
SERVICES_SHOWN = 50
SERVICES_LISTED = 5  # in a line of counters, without a screen
FEW_SERVICES = 4096
SINGLE = 64  # rows; a capture that uses more holds more than one connection


@dataclass(frozen=True)
class LiveOptions(Options):
    """User settings for a live run."""

    keep: int = 100_000  # ended connections kept in full; beyond that the oldest are only counted
    frames: int | None = None  # stop after this many frames
    duration_s: float | None = None  # stop after this many seconds
    where: Predicate | None = None  # export and report only connections that pass


class LiveRun:
    """A run of one source, from its first frame to the report.  `stop` is safe in signal handlers and other threads."""

    def __init__(
        self,
        source: LiveSource,
        options: LiveOptions | None = None,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.thread_time,
    ) -> None:
        """`spent` returns the CPU time of this thread, in seconds: on a busy machine, wall time overstates the cost."""
        self.source = source
        self.options = options or LiveOptions()
        self.observer: Observer = observer or Observer()
        limit, packets = self.options.max_connections, self.observer.wants_packets
        drawn = self.observer.wants_picture or self.observer.wants_single
        logging = LoggingTracker(limit, ENTRIES if packets else SEGMENTS) if drawn or packets else None
        tracker = logging or Tracker(limit)
        tracker.reads = self.options.setup
        self._logs = RecentLogs(tracker) if drawn else None
        self._packets = PacketExports(tracker, self.observer, clock, source) if packets else None
        several = self.observer.wants_picture or packets or self.options.where is not None
        self._for_single = None if several else logging  # the tracker that logs while there is a single connection
        self.stream = Stream(
            source, tracker, frames=self.options.frames, duration_s=self.options.duration_s, clock=clock
        )
        self.pump = self.stream.pump
        self.ids = AttemptIds()
        self.expired = Expired()
        self.sockets = Sockets()
        self._asked = 0  # rows ever used, as of the last request for sockets
        self.latest: Snapshot | None = None  # may be read by another thread
        self.shown: Predicate | None = None  # the screen's own filter; may be set by another thread
        self._clock = clock
        self._spent = spent
        self._refreshes = Pace(REFRESH_INTERVAL_S, REFRESH_SHARE, self.stream.began_s - REFRESH_INTERVAL_S)
        self._refreshed_ns = 0
        self._rows_used = 0  # rows ever used, as of the last refresh
        self._rows_allowed = self._rows_until_expiry(0)  # rows that may be used before the next refresh
        self._observed = self.observer.wants_connections or self.observer.wants_picture
        self._half_open_peak = 0
        self._found_ns: int | None = None  # capture time of the search that the current findings come from
        self._copies = Copies()  # rows copied for the search thread
        self._gathered = Copies()  # rows compacted at each refresh, because freed rows lie between them
        self._search_ns = 0  # capture time at which the running search began
        self._search = Search(beside=source.pending() is not None, clock=clock, spent=spent)
        self._history: deque[Second] = deque(maxlen=HISTORY)
        self._findings = FindingHistory(self.observer.finding)
        self._exporter = Exporter(self.observer)
        self._quics = QuicExports()

    def run(self) -> Report:
        """Capture until the source ends, is stopped or reaches its limit; return the report of the whole run."""
        with self._search:
            self.stream.restart()
            self._take_all()
            return self._conclude()

    def _take_all(self) -> None:
        """Read frames until the source ends; refresh and export in between."""
        while not self.stream.is_full:
            if self.stream.wait(0 if self._exporter.busy else MAX_WAIT_S):
                more = self.stream.take()
                self._stop_logging_for_single()
                if self._packets is not None:
                    self._packets.export()
                self._request_sockets()
                if not more:
                    break
            if not self._search.running:
                self._note_findings()
            if self._is_due():
                self.refresh()
            elif self._exporter.busy:
                self._exporter.export_next()

    def _stop_logging_for_single(self) -> None:
        """Stop logging if segments were wanted only of a single connection, and there are several."""
        if self._for_single is not None and self.pump.tracker.table.begun > SINGLE:
            self._for_single.log_none()
            self._for_single = self._logs = None

    def _request_sockets(self) -> None:
        """Request the sockets and processes of new connections, while these exist."""
        begun = self.pump.tracker.table.begun
        if self.source.sockets is not None and begun != self._asked:
            self._asked = begun
            self.source.sockets.request()

    def _case(self, now_ns: int) -> Case:
        if self.source.sockets is not None:
            self.sockets.learn(self.source.sockets.take())
        known = self.expired.past, self.sockets
        return case_of(self.source, self.pump, self.options.limits, now_ns, *known, copies=self._gathered)

    def stop(self) -> None:
        """Stop capturing and let `run` finish."""
        self.stream.stop()

    @property
    def stopped(self) -> bool:
        """Return True if it was stopped or its duration is over."""
        return self.stream.stopped

    def counters(self) -> Counters:
        """Return the source's counts of received and dropped frames."""
        return self.source.counters()

    def refresh(self) -> TableView:
        """Judge the table, export news, and expire the oldest ended connections."""
        self._exporter.finish()
        self._note_findings()
        began, spent = self._clock(), self._spent()
        now_ns = self.stream.now_ns
        view = self.ids.view(replace(self._case(now_ns), ongoing=True))
        leaving = self.expired.choose(view, self.options.keep)
        snapshot = self._snapshot(view, now_ns) if self._observed else None
        took = self._spent() - spent  # searching and exporting have budgets of their own
        if len(leaving) or (self._observed and self._search.is_due(began, self._rows)):
            self._find(view, leaving)
        elif self._observed and self._search.beside:
            self._search.prepare(partial(self._copies.reserve, view.case.sizes()))
        if snapshot is not None:
            changed = AttemptRows(np.union1d(view.changed(), leaving[view.exported[leaving] == 0]))
            self._export(view, changed, snapshot, copied)
        if self.observer.wants_connections and (decided := self._quics.news(view.case)):
            self.observer.quic_connections(decided)
        spent = self._spent()
        staying = np.ones(len(view.ids), dtype=np.bool_)
        if len(leaving):
            staying[leaving] = False
            free(view.case.attempts, leaving, self.pump.tracker.table)
        left = view.case.attempts.where(staying)
        self.ids.keep(view, left)
        ended = int(np.count_nonzero((view.ended | view.silent)[left]))
        # With very many open rows, do not judge all of them again for each few new ones.
        self._rows_allowed = max(self._rows_until_expiry(ended), len(left) // 4)
        self._refreshed_ns, self._rows_used = now_ns, self.pump.tracker.table.begun
        self._refreshes.note(began, took + self._spent() - spent, self._rows)
        return view

    def _rows_until_expiry(self, ended: int) -> int:
        """Return the number of new rows, up to two per connection, until ended connections exceed `keep` by half."""
        return 2 * (self.options.keep + self.options.keep // 2 - ended)

    def _is_due(self) -> bool:
        if not self.pump.frames:
            return False  # no capture time yet
        if self.pump.tracker.table.begun - self._rows_used > self._rows_allowed:
            return True
        if not self._observed or self._search.running:
            return False
        return self._refreshes.is_due(self._clock(), self._rows)

    @property
    def _rows(self) -> int:
        table = self.pump.tracker.table
        return int(table.connection_count + table.embryo_count)

    def _snapshot(self, view: TableView, now_ns: int) -> Snapshot:
        case = view.case
        outcome = case.outcomes.outcome
        half_open = view.half_open
        self._half_open_peak = max(self._half_open_peak, half_open)
        fresh = np.bincount(outcome[case.outcomes.decided & ~view.decided], minlength=len(OUTCOMES)).tolist()
        self._history.append(Second(now_ns, view.new, {w: n for w, n in zip(OUTCOMES, fresh, strict=True) if n}))
        c = case.attempts.connections
        recent = np.flatnonzero((case.attempts.facts & FACT_ACKED != 0) & (c["ack_ns"] > now_ns - RECENT_NS))
        counters = self.source.counters()
        drawn = self.observer.wants_picture
        totals = self.expired.total + np.bincount(outcome, minlength=len(OUTCOMES))
        seen = (
            NOTHING
            if self._logs is None
            else picture(view, self.options.where, self.shown, self._logs, self.expired.trouble)
        )
        return Snapshot(
            at_ns=now_ns,
            elapsed_ns=max(now_ns - case.attempts.first_ns, 0) if self.pump.has_times else 0,
            interface=self.source.name,
            frames=self.pump.frames,
            tcp_segments=self.pump.tcp_segments,
            connections=self.ids.begun,
            tracked=len(outcome),
            outcomes=dict(zip(OUTCOMES, totals.tolist(), strict=True)),
            half_open=half_open,
            half_open_peak=self._half_open_peak,
            rtt=rtt_distributions(case.legs.of(recent)),
            history=list(self._history),
            services=self._services(case, SERVICES_SHOWN if drawn else SERVICES_LISTED),
            trouble=seen.trouble,
            findings=self._findings.now,
            received=counters.received,
            dropped=counters.dropped,
            host=None if case.host is None else HostCounters(**case.host.counters),
            logs=seen.logs,
            newest=seen.newest,
            groups=seen.groups,
            found_ns=self._found_ns,
        )

    def _services(self, case: Case, most: int) -> list[Service]:
        """Return the busiest services; if there are very many, without expired ones, to keep the refresh short."""
        kept = RowServices(case)
        few = len(kept) + len(self.expired.services.of) <= FEW_SERVICES
        return list((self.expired.with_services(kept) if few else kept)[:most])

    def _export(self, view: TableView, rows: AttemptRows, snapshot: Snapshot, taken: RowSource) -> None:
        """Export these attempts, sorted by id, then the snapshot."""
        rows = self._passing(view, rows if self.observer.wants_connections else rows[:0])
        rows = rows[np.argsort(view.ids[rows], kind="stable")]
        self.latest = snapshot
        self._exporter.begin(*taken(view, rows), snapshot)
        view.mark_exported(rows)

    def _passing(self, view: TableView, rows: AttemptRows) -> AttemptRows:
        """Return the rows that pass -Y."""
        if self.options.where is None or not len(rows):
            return rows
        return rows[passing(connections_of(view, view.case.attempts.ids[rows]), self.options.where)]

    def _find(self, view: TableView, leaving: AttemptRows) -> None:
        """Start a search for findings, which also counts the attempts to expire; no refresh runs until it is done."""
        self._search.settle()
        spent = self._spent()
        case = view.case.detached(self._copies) if self._search.beside else view.case

        def find() -> list[Finding]:
            seen = replace(view, case=case)
            found = self._about_wanted(seen, [finding_of(seen.ids, each) for each in find_all(seen.case)])
            if len(leaving):
                self.expired.take(seen, leaving, self._passing(seen, leaving))
            return found

        self._search_ns = view.case.attempts.last_ns
        self._search.begin(find, self._rows, self._spent() - spent)
        if not self._search.beside:
            self._note_findings()

    def _note_findings(self) -> None:
        """Wait for the running search, if any, and export the findings that begin or end."""
        if self._search.begun:
            self._findings.note(self._search.finish())
            self._found_ns = self._search_ns

    def _about_wanted(self, view: TableView, findings: list[Finding]) -> list[Finding]:
        """Return the findings about the whole capture, or about an end of a connection that passes or passed -Y."""
        if self.options.where is None:
            return findings
        connections = connections_of(view)
        kept = findings_about(findings, connections, passing(connections, self.options.where))
        services = self.expired.services
        return [each for each in findings if each in kept or (each.target is not None and services.has(each.target))]

    def _conclude(self) -> Report:
        """Export the rest and return the report, the same as `analyze` would return for these frames."""
        self.stream.end_host()
        self.stream.note_end(self._refreshed_ns)  # no earlier than the time of any snapshot
        self._exporter.finish()
        self._note_findings()
        case = self._case(end_of(self.source, self.pump))
        view = self.ids.view(case)
        report = report_of(self.source, self.pump, case, view.ids)
        if self.options.where is not None:
            wanted = self._about_wanted(view, report.findings)
            report = msgspec.structs.replace(filtered(report, self.options.where), findings=wanted)
        if self.expired.total.any():
            report = self._with_past(self.expired.merged(report), view)
        snapshot = self._snapshot(view, max(case.attempts.last_ns, self._refreshed_ns))
        self._export(view, view.unfinished(), snapshot, uncopied)
        self._exporter.finish()
        self._findings.note(report.findings)
        self._findings.note([])
        if self.observer.wants_connections:
            self.observer.quic_connections(self._quics.left(report.quic_connections))
        self.observer.ending(report)
        return report

    def _with_past(self, report: Report, view: TableView) -> Report:
        """Return the report including findings that held for attempts that have expired."""

        def listed(ids: list[int]) -> list[int]:
            return [number for number in ids if number in there]

        there = frozenset(view.ids.tolist())
        return msgspec.structs.replace(report, findings=self._findings.of_the_run(report.findings, listed))
