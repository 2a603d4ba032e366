"""Build the report from the tracked connections, including problems with the capture itself.

This module imports NumPy, which is slow to load: `engine.analyze` imports it in a thread while the pump runs.
"""

from collections.abc import Iterator
from typing import Any

from handshake_inspect.about import version
from handshake_inspect.capture.filters import HANDSHAKES_ONLY, FilterCoverage, filter_coverage
from handshake_inspect.engine.pump import Pump
from handshake_inspect.errors import Problem
from handshake_inspect.report.build import build
from handshake_inspect.report.host import host_section
from handshake_inspect.report.model import Capture, Position, Report, Tool
from handshake_inspect.report.model import Problem as ReportProblem
from handshake_inspect.verdicts import elsewhere, translated
from handshake_inspect.verdicts.case import CaptureFacts, Case
from handshake_inspect.verdicts.columns import Copies
from handshake_inspect.verdicts.findings import find_all
from handshake_inspect.verdicts.findings.expired_failures import ExpiredAttempts
from handshake_inspect.verdicts.gathering import attempts_of_table
from handshake_inspect.verdicts.host import HostFacts
from handshake_inspect.verdicts.limits import Limits
from handshake_inspect.verdicts.quic.quics import Quics
from handshake_inspect.verdicts.sockets import Sockets
from handshake_inspect.wire.encapsulation import link_type_name, unread_name
from handshake_inspect.wire.text import plural

UNREAD_SHOWN = 5  # kinds of unread packets that are named


def conclude(source: Any, pump: Pump, limits: Limits) -> Report:
    """Return the report at the end of a capture; frees the table's index first, which takes a tenth of the memory."""
    pump.tracker.table.forget_all()
    return report_of(source, pump, case_of(source, pump, limits, end_of(source, pump), over=True))


def end_of(source: Any, pump: Pump) -> int:
    """Return the end of the capture: its last frame, or later if the source says that it stayed idle after that."""
    return max(pump.last_ns, source.seen_until_ns or 0) if pump.has_times else pump.last_ns


def report_of(source: Any, pump: Pump, case: Case, names: Any = None) -> Report:
    """Return the report of a case, with all its findings; `names` as in RowConnections."""
    evicted = pump.tracker.table.evicted
    return build(_tool(), _capture(source, pump, case), case, find_all(case), evicted, names)


def case_of(
    source: Any,
    pump: Pump,
    limits: Limits,
    now_ns: int,
    past: ExpiredAttempts | None = None,
    sockets: Sockets | None = None,
    *,
    over: bool = False,
    copies: Copies | None = None,
) -> Case:
    """Judge all attempts in the table as of `now_ns`; `past` counts those that have expired.

    `over`: the capture has ended.  `copies`: buffers for rows that are not contiguous, valid until the next call.
    """
    tracker = pump.tracker
    problems = [*source.problems, *_problems(pump)]
    left = left_by_filter(source, pump)
    trace = attempts_of_table(
        tracker.table,
        pump.first_ns,
        now_ns,
        limits,
        source.reader.frames,
        left=left,
        senders=pump.senders.hosts,
        over=over,
        copies=copies,
        remote=getattr(tracker.table, "remote", None),  # only a table of parts
    )
    trace = elsewhere.attach_answers(translated.merge_translated(trace))
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
        frame_locator=getattr(source, "frame_locator", None),  # only if there are several files
    )
    watch = getattr(source, "host", None)  # only live sources
    host = None if watch is None else HostFacts(*watch.view())
    return Case.of(trace, facts, host, past, pump.lookups.all(), Quics.of(pump.quic.table, now_ns, limits), sockets)


def left_by_filter(source: Any, pump: Pump) -> FilterCoverage | None:
    """Return what a capture filter on TCP flags let through, as recorded or as inferred; None without such a filter."""
    table = pump.tracker.table
    known = [None if text is None else filter_coverage(text.replace(HANDSHAKES_ONLY, "tcp")) for text in source.filters]
    if not table.holds_bare and any(each is not None and not each.bare_acks for each in known):
        return FilterCoverage(bare_acks=False, answers=all(each is not None and each.answers for each in known))
    if None not in known:
        return None
    others = pump.frames > pump.tcp_segments + pump.icmp_errors
    return None if table.holds_plain or others else FilterCoverage(bare_acks=False, answers=False)


def _tool() -> Tool:
    return Tool("hsi", version())


def _capture(source: Any, pump: Pump, case: Case) -> Capture:
    return Capture(
        list(source.names),
        source.format,
        [link_type_name(number) for number in source.link_types],
        pump.frames,
        pump.tcp_segments,
        pump.first_ns if pump.has_times else None,
        pump.last_ns if pump.has_times else None,
        source.dropped,
        source.complete,
        [ReportProblem.of(problem) for problem in case.capture.problems],
        _position(case),
        None if case.host is None else host_section(case.host),
        case.attempts.last_ns if pump.has_times and case.attempts.last_ns > pump.last_ns else None,
        [text for text in source.filters if text],
    )


def _position(case: Case) -> Position | None:
    where = case.position
    if where.place is None or where.share is None:
        return None
    return Position(where.place, round(where.share, 4), where.connections)  # type: ignore[arg-type]


def _problems(pump: Pump) -> Iterator[Problem]:
    """Yield problems with the capture that the pump counted: each kind once, with the first frame that shows it."""
    tracker = pump.tracker
    if pump.cut_headers:
        cut = plural(pump.cut_headers, "frame")
        message = f"the snap length cut {cut} inside the TCP or IP header; capture with -s 128 or more"
        yield Problem("snap-length", message, pump.first_cut_header)
    if pump.cut_options:
        message = f"the snap length cut {plural(pump.cut_options, 'frame')} behind the flags of the TCP header"
        yield Problem("cut-options", message, pump.first_cut_options)
    if pump.bad_options:
        message = f"TCP options are malformed in {plural(pump.bad_options, 'frame')}"
        yield Problem("bad-options", message, pump.first_bad_options)
    if pump.damaged_headers:
        message = f"impossible header lengths in {plural(pump.damaged_headers, 'frame')}: left out"
        yield Problem("bad-header", message, pump.first_damaged_header)
    checksums = tracker.checksums
    if checksums.bad:
        bad = plural(checksums.bad, "frame")
        message = f"wrong TCP checksum in {bad}: damaged on the way, or left to the network card"
        yield Problem("bad-checksum", message, checksums.first_bad)
    if checksums.bad_ip:
        message = f"wrong IP header checksum in {plural(checksums.bad_ip, 'frame')}: damaged on the way"
        yield Problem("bad-ip-checksum", message, checksums.first_bad_ip)
    apart = pump.fragments - pump.reassembler.reassembled
    if apart > 0:
        verb = "is an IP fragment" if apart == 1 else "are IP fragments"
        message = f"{plural(apart, 'frame')} {verb} of TCP segments that are not whole: their bytes are not counted"
        yield Problem("fragments", message)
    if pump.backwards:
        older = plural(pump.backwards, "frame")
        message = f"{older} older than the frame before: stored out of order, or the clock was set back"
        yield Problem("clock-backwards", message, pump.first_backwards)
    yield from _not_looked_into(pump)
    if tracker.table.evicted:
        message = (
            f"{tracker.table.evicted:,} connections were dropped to make room for newer ones; raise --max-connections"
        )
        yield Problem("evicted", message)
    setups = tracker.table.setups
    if unread := setups.starved + setups.names.refused:
        yield Problem("hellos-unread", f"{plural(unread, 'TLS hello')} left unread to bound memory")
    quics = pump.quic.table
    if quics.evicted:
        message = (
            f"{quics.evicted:,} QUIC connections were dropped to make room for newer ones; raise --max-connections"
        )
        yield Problem("quic-evicted", message)
    if quics.not_kept:
        yield Problem("initials-unread", f"{plural(quics.not_kept, 'QUIC datagram')} left unopened to bound memory")
    if pump.lookups.dropped:
        yield Problem("lookups-dropped", f"{plural(pump.lookups.dropped, 'DNS lookup')} forgotten to bound memory")


def _not_looked_into(pump: Pump) -> Iterator[Problem]:
    """Yield problems for frames that may hold unread TCP segments, most frequent first, and for a lack of any TCP."""
    for number, count in sorted(pump.unsupported.items()):
        frames = plural(count, "frame")
        message = f"{frames} of {link_type_name(number)} cannot be decoded; capture on another interface"
        yield Problem("unsupported-link-type", message)
    unread = sorted(pump.unread.items(), key=lambda item: (-item[1], item[0]))
    for code, count in unread[:UNREAD_SHOWN]:
        name, encrypted = unread_name(code)
        what = f"{plural(count, 'frame')} of {name}"
        why = "encrypted; capture where it is not" if encrypted else "hsi cannot read it; capture inside the tunnel"
        yield Problem("not-looked-into", f"{what} not looked into: {why}")
    if rest := unread[UNREAD_SHOWN:]:
        frames = plural(sum(count for _, count in rest), "frame")
        yield Problem("not-looked-into", f"{frames} of {plural(len(rest), 'other kind')} of tunnels not looked into")
    if pump.frames and not (pump.tcp_segments or pump.icmp_errors or pump.quic.table.count):
        udp = f", {pump.datagrams:,} hold UDP" if pump.datagrams else ""
        message = f"none of {plural(pump.frames, 'frame')} holds a TCP segment{udp}: check interface and capture filter"
        yield Problem("no-tcp", message)
