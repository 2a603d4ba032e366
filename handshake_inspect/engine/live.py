"""A live run: frames from a source into the table, and about once a second a look at it.

A look judges all rows, tells an observer what is new, and retires rows when there are too many that have ended.  Looks
are as rare as they are dear: with the search for findings they never take more than a twenty-fifth of the time, and
where nobody listens there are only those that retire rows.  Time is that of the frames; on an idle link it goes on as
fast as the clock of this machine.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np

from handshake_inspect.capture.frames import NEED_MORE
from handshake_inspect.engine import Options
from handshake_inspect.engine.conclusion import case_of, end_of, report_of
from handshake_inspect.engine.known import Known, Meeting
from handshake_inspect.engine.logging_tracker import LoggingTracker
from handshake_inspect.engine.observer import Nobody, Observer
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.remembered import Remembered
from handshake_inspect.engine.retirement import Retired, Rows, give_back
from handshake_inspect.engine.segment_log import SEGMENTS, RecentLogs
from handshake_inspect.engine.telling import Taken, Telling, apart, connections_of, in_place
from handshake_inspect.expression.questions import Test
from handshake_inspect.expression.select import about, filtered, passing
from handshake_inspect.live.base import Counters, LiveSource
from handshake_inspect.report.build import finding as told_finding
from handshake_inspect.report.host import HostCounters
from handshake_inspect.report.model import OUTCOMES, Connection, Finding, Report
from handshake_inspect.report.segment_log import SegmentLog
from handshake_inspect.report.services import RowServices, rtt_distributions
from handshake_inspect.report.snapshot import Second, Snapshot
from handshake_inspect.tcp.facts import FACT_ACKED
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.findings import find_all
from handshake_inspect.verdicts.findings.past import Past
from handshake_inspect.verdicts.findings.rollups import absorb

NS = 1_000_000_000
LOOK_EVERY_S = 1.0
LOOK_SHARE = 0.025  # of the time, at most, goes into looks
FINDINGS_EVERY_S = 3.0
FINDINGS_SHARE = 0.015  # and into what they find
PATIENCE_S = 0.25  # the longest wait for frames
HISTORY = 60  # seconds
RECENT_NS = HISTORY * NS
SERVICES_SHOWN = 50
TROUBLE_SHOWN = 50


@dataclass(frozen=True)
class LiveOptions(Options):
    """What a user may set of a live run."""

    keep: int = 100_000  # connections that have ended and are kept whole; beyond that the oldest are only counted
    frames: int | None = None  # end after so many
    duration_s: float | None = None  # end after this time
    where: Test | None = None  # only connections that pass are told of, and are in the report


class LiveRun:
    """One source, from its first frame to the report.  `stop` may be called from a signal handler or another thread."""

    def __init__(
        self,
        source: LiveSource,
        options: LiveOptions | None = None,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        self.options = options or LiveOptions()
        self.observer: Observer = observer or Nobody()
        limit, drawn = self.options.max_connections, self.observer.wants_picture
        tracker = LoggingTracker(limit, SEGMENTS) if drawn else Tracker(limit)
        self.pump = Pump(tracker)
        self._logs = RecentLogs(tracker) if drawn else None
        if self.options.frames is not None:
            self.pump.most = self.options.frames
        self.known = Known()
        self.retired = Retired()
        self.latest: Snapshot | None = None  # may be read by another thread
        self.stopped = False
        self._clock = clock
        self._began = clock()
        self._heard = self._began  # when the last frames came
        self._quiet: float | None = None  # when it was last seen that nothing came after those
        self._looked = self._began
        self._looked_ns = 0
        self._next_look = self._began
        self._next_findings = self._began + FINDINGS_EVERY_S
        self._begun = 0  # rows that were taken into use, as of the last look
        self._room = self._room_beside(0)  # rows that may be taken into use before the next look
        self._listened = self.observer.wants_connections or self.observer.wants_picture
        self._half_open_peak = 0
        self._gone = np.zeros(len(OUTCOMES), dtype=np.int64)  # outcomes of the rows that were given back
        self._history: deque[Second] = deque(maxlen=HISTORY)
        self._findings = Remembered(self.observer.finding)
        self._telling = Telling(self.observer)
        self._past: Past | None = None  # failures of rows that are gone

    def run(self) -> Report:
        """Pump until the source ends, is stopped, or has given what was asked for; the report over all of it."""
        deadline = None if self.options.duration_s is None else self._began + self.options.duration_s
        while self.pump.frames < self.pump.most:
            if deadline is not None and self._clock() >= deadline:
                deadline = None
                self.stop()
            if not self.source.wait(0 if self._telling.busy else self._patience(deadline)):
                self._quiet = self._clock()
            elif not self._take():
                break
            if self._is_due():
                self.look()
            elif self._telling.busy:
                self._telling.go_on()
        return self._conclude()

    def stop(self) -> None:
        """Capture no more, and come to an end."""
        self.stopped = True
        self.source.stop()
        self._end_host()

    def _end_host(self) -> None:
        """Let the host's counters stand as they are when the capture ends, not when its last frame was judged."""
        if self.source.host is not None:
            self.source.host.end()

    def counters(self) -> Counters:
        """What the source received and dropped."""
        return self.source.counters()

    @property
    def now_ns(self) -> int:
        """The time of the capture: of its last frame, and on an idle link this machine's clock since then."""
        return self.pump.last_ns + (0 if self._quiet is None else int((self._quiet - self._heard) * NS))

    def look(self) -> Meeting:
        """Judge what is in the table, tell what is new, retire what has ended long ago."""
        self._telling.finish()
        began = self._clock()
        now_ns = self.now_ns
        meeting = self.known.meet(case_of(self.source, self.pump, self.options, now_ns, self._past))
        leaving = self.retired.choose(meeting, self.options.keep)
        snapshot = self._snapshot(meeting, now_ns) if self._listened else None
        self._next_look = began + max(LOOK_EVERY_S, (self._clock() - began) / LOOK_SHARE)
        if len(leaving) or (self._listened and began >= self._next_findings):
            self._find(meeting)
        if snapshot is not None:
            news = np.union1d(meeting.news(), leaving[meeting.told[leaving] == 0])
            self._tell(meeting, news, snapshot, apart)
        staying = np.ones(len(meeting.ids), dtype=np.bool_)
        if len(leaving):
            staying[leaving] = False
            self._gone += np.bincount(meeting.case.outcomes.outcome[leaving], minlength=len(OUTCOMES))
            self.retired.take(meeting, self._passing(meeting, leaving))
            self._past = self._past or Past()
            absorb(self._past, meeting.case, leaving)
            give_back(meeting.case.trace, leaving, self.pump.tracker.table)
        left = np.flatnonzero(staying)
        self.known.keep(meeting, left)
        ended = int(np.count_nonzero((meeting.over | meeting.silent)[left]))
        self._room = max(self._room_beside(ended), len(left) // 4)  # else many open rows would be judged over and over
        self._looked, self._looked_ns, self._begun = began, now_ns, self.pump.tracker.table.begun
        return meeting

    def _take(self) -> bool:
        """Pump a block; False when there will be no more."""
        before = self.pump.frames
        if not self.source.fill():
            return False
        got = self.pump.drain(self.source.reader)
        if self.pump.frames > before:
            self._heard = self._clock()
            self._quiet = None
        return bool(got == NEED_MORE)

    def _room_beside(self, ended: int) -> int:
        """How many rows make half as many ended connections again as are kept; most take two, one while a lone SYN."""
        return 2 * (self.options.keep + self.options.keep // 2 - ended)

    def _patience(self, deadline: float | None) -> float:
        return PATIENCE_S if deadline is None else max(0.0, min(PATIENCE_S, deadline - self._clock()))

    def _is_due(self) -> bool:
        if not self.pump.frames:
            return False  # there is no time yet
        if self.pump.tracker.table.begun - self._begun > self._room:
            return True
        if not self._listened:
            return False
        now = self._clock()
        later = now - self._looked >= LOOK_EVERY_S or self.pump.last_ns - self._looked_ns >= LOOK_EVERY_S * NS
        return later and now >= self._next_look

    def _snapshot(self, meeting: Meeting, now_ns: int) -> Snapshot:
        case = meeting.case
        outcome = case.outcomes.outcome
        half_open = meeting.half_open
        self._half_open_peak = max(self._half_open_peak, half_open)
        fresh = np.bincount(outcome[case.outcomes.decided & ~meeting.decided], minlength=len(OUTCOMES)).tolist()
        self._history.append(Second(now_ns, meeting.new, {w: n for w, n in zip(OUTCOMES, fresh, strict=True) if n}))
        c = case.trace.connections
        recent = np.flatnonzero((case.trace.facts & FACT_ACKED != 0) & (c["ack_ns"] > now_ns - RECENT_NS))
        counters = self.source.counters()
        drawn = self.observer.wants_picture
        totals = self._gone + np.bincount(outcome, minlength=len(OUTCOMES))
        trouble, logs = self._trouble(meeting) if drawn else ([], {})
        return Snapshot(
            at_ns=now_ns,
            elapsed_ns=max(now_ns - case.trace.first_ns, 0) if self.pump.timed else 0,
            interface=self.source.name,
            frames=self.pump.frames,
            tcp_segments=self.pump.tcp_segments,
            connections=self.known.begun,
            tracked=len(outcome),
            outcomes=dict(zip(OUTCOMES, totals.tolist(), strict=True)),
            half_open=half_open,
            half_open_peak=self._half_open_peak,
            rtt=rtt_distributions(case.legs.of(recent)),
            history=list(self._history),
            services=RowServices(case.trace, case.outcomes, case.legs)[:SERVICES_SHOWN] if drawn else [],
            trouble=trouble,
            findings=self._findings.now,
            received=counters.received,
            dropped=counters.dropped,
            host=None if case.host is None else HostCounters(**case.host.counters),
            logs=logs,
        )

    def _trouble(self, meeting: Meeting) -> tuple[list[Connection], dict[int, SegmentLog]]:
        """The newest connections in trouble, newest first, and by their ids how they came to that."""
        made = connections_of(meeting)
        rows = self._passing(meeting, np.flatnonzero(made.troubled))
        newest = rows[np.argsort(-meeting.ids[rows], kind="stable")][:TROUBLE_SHOWN]
        return made.of_rows(newest), self._logs_of(meeting, newest)

    def _logs_of(self, meeting: Meeting, rows: Rows) -> dict[int, SegmentLog]:
        if self._logs is None:
            return {}
        tracked, alone = meeting.case.trace.split(rows)
        ids = meeting.ids[rows]
        whole = rows < len(meeting.case.trace.connections)
        logs = self._logs.of(tracked.tolist(), alone.tolist())
        return dict(zip([*ids[whole].tolist(), *ids[~whole].tolist()], logs, strict=True))

    def _tell(self, meeting: Meeting, rows: Rows, snapshot: Snapshot, taken: Taken) -> None:
        """Tell of these rows, in the order of their ids, and how things are."""
        rows = self._passing(meeting, rows if self.observer.wants_connections else rows[:0])
        rows = rows[np.argsort(meeting.ids[rows], kind="stable")]
        self.latest = snapshot
        self._telling.begin(*taken(meeting, rows), snapshot)
        meeting.tell(rows)

    def _passing(self, meeting: Meeting, rows: Rows) -> Rows:
        """Those of these rows that are wanted."""
        if self.options.where is None or not len(rows):
            return rows
        return rows[passing(connections_of(meeting, meeting.case.trace.ids[rows]), self.options.where)]

    def _find(self, meeting: Meeting) -> None:
        """See which findings hold now, and tell which of them begin and which end."""
        began = self._clock()
        found = [told_finding(meeting.ids, each) for each in find_all(meeting.case)]
        self._findings.note(self._about_wanted(meeting, found))
        now = self._clock()
        self._next_findings = now + max(FINDINGS_EVERY_S, (now - began) / FINDINGS_SHARE)

    def _about_wanted(self, meeting: Meeting, findings: list[Finding]) -> list[Finding]:
        """The findings about the whole capture, or about an end of a connection that is or was wanted."""
        if self.options.where is None:
            return findings
        connections = connections_of(meeting)
        kept = about(findings, connections, passing(connections, self.options.where))
        services = self.retired.services
        return [each for each in findings if each in kept or (each.target is not None and services.has(each.target))]

    def _conclude(self) -> Report:
        """Tell what is left to tell; the report, as `analyze` would write it of the same frames."""
        self._end_host()
        self._note_end()
        self._telling.finish()
        case = case_of(self.source, self.pump, self.options, end_of(self.source, self.pump), self._past)
        meeting = self.known.meet(case)
        report = report_of(self.source, self.pump, case, meeting.ids)
        if self.options.where is not None:
            wanted = self._about_wanted(meeting, report.findings)
            report = msgspec.structs.replace(filtered(report, self.options.where), findings=wanted)
        if self._gone.any():
            report = self._with_past(self.retired.merged(report), meeting)
        snapshot = self._snapshot(meeting, max(case.trace.last_ns, self._looked_ns))
        self._tell(meeting, meeting.rest(), snapshot, in_place)
        self._telling.finish()
        self._findings.note(report.findings)
        self._findings.note([])
        self.observer.ending(report)
        return report

    def _note_end(self) -> None:
        """Let the source know until when nothing came after the last frame: not sooner than any look has said."""
        end_ns = max(self.now_ns, self._looked_ns)
        if self.pump.timed and end_ns > self.pump.last_ns:
            self.source.note_end(end_ns)

    def _with_past(self, report: Report, meeting: Meeting) -> Report:
        """The report with findings, too, that held when rows were there that are gone now."""

        def listed(ids: list[int]) -> list[int]:
            return [number for number in ids if number in there]

        there = frozenset(meeting.ids.tolist())
        return msgspec.structs.replace(report, findings=self._findings.of_the_run(report.findings, listed))
