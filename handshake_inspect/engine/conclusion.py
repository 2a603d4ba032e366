"""From what was pumped to a report.  It needs NumPy, which takes its time to import: a pump can run meanwhile."""

from typing import TYPE_CHECKING, Any

import handshake_inspect
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.remarks import remarks
from handshake_inspect.report.build import build
from handshake_inspect.report.host import told_host
from handshake_inspect.report.model import Capture, Position, Report, Tool
from handshake_inspect.report.model import Problem as ToldProblem
from handshake_inspect.verdicts.case import CaptureFacts, Case
from handshake_inspect.verdicts.elsewhere import joined
from handshake_inspect.verdicts.findings import find_all
from handshake_inspect.verdicts.findings.past import Past
from handshake_inspect.verdicts.host import HostFacts
from handshake_inspect.verdicts.legs import Legs
from handshake_inspect.verdicts.limits import Limits
from handshake_inspect.verdicts.outcome import judge
from handshake_inspect.verdicts.trace import Trace
from handshake_inspect.wire.linktypes import link_type_name

if TYPE_CHECKING:
    from handshake_inspect.engine import Options


def conclude(source: Any, pump: Pump, options: "Options") -> Report:
    """The report of all that was pumped."""
    return report_of(source, pump, case_of(source, pump, options, end_of(source, pump)))


def end_of(source: Any, pump: Pump) -> int:
    """When the capture ended: with its last frame, unless who captured says that it went on in silence."""
    return max(pump.last_ns, source.seen_until_ns or 0) if pump.timed else pump.last_ns


def report_of(source: Any, pump: Pump, case: Case, names: Any = None) -> Report:
    """The report of a case, with everything that is to be found in it; `names` as in RowConnections."""
    evicted = pump.tracker.table.evicted
    return build(_tool(), _capture(source, pump, case), case, find_all(case), evicted, names)


def case_of(source: Any, pump: Pump, options: "Options", now_ns: int, past: Past | None = None) -> Case:
    """All attempts that are in the table, judged as of `now_ns`; `past` knows of those that were."""
    tracker = pump.tracker
    problems = [*source.problems, *remarks(pump)]
    limits = Limits(options.unanswered_ns, options.time_wait_ns)
    others = pump.frames > pump.tcp_segments + pump.icmp_errors
    trace = joined(Trace.of(tracker.table, pump.first_ns, now_ns, limits, source.reader.frames, others=others))
    facts = CaptureFacts(
        frames=pump.frames,
        tcp_segments=pump.tcp_segments,
        complete=source.complete,
        dropped=source.dropped,
        backwards=pump.backwards,
        first_backwards=pump.first_backwards,
        cut_headers=pump.cut_headers,
        first_cut_header=pump.first_cut_header,
        stray_icmp=tracker.stray_icmp,
        problems=tuple(problems),
    )
    watch = getattr(source, "host", None)  # live sources may have one
    host = None if watch is None else HostFacts(*watch.view())
    return Case(trace, judge(trace), Legs(trace), facts, host, past)


def _tool() -> Tool:
    return Tool("hsi", handshake_inspect.__version__)


def _capture(source: Any, pump: Pump, case: Case) -> Capture:
    return Capture(
        list(source.names),
        source.format,
        [link_type_name(number) for number in source.link_types],
        pump.frames,
        pump.tcp_segments,
        pump.first_ns if pump.timed else None,
        pump.last_ns if pump.timed else None,
        source.dropped,
        source.complete,
        [ToldProblem.of(problem) for problem in case.capture.problems],
        _position(case),
        None if case.host is None else told_host(case.host),
        case.trace.last_ns if pump.timed and case.trace.last_ns > pump.last_ns else None,
    )


def _position(case: Case) -> Position | None:
    where = case.position
    if where.place is None or where.share is None:
        return None
    return Position(where.place, round(where.share, 4), where.connections)  # type: ignore[arg-type]
