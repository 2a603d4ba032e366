"""`capture-quality`: what is wrong with the capture itself, one finding per problem; it limits the other verdicts.

* *one-sided*: only one direction was captured although the other must exist (what was captured acknowledges or proves
  it), on `ONE_SIDED` or more of the connections that could show it. An unanswered SYN proves nothing, but where answers
  are not captured, silence is no verdict (`visibility.blind`).
* *filtered*: a flag filter dropped every segment without SYN, FIN and RST, so the final ACKs of handshakes, and perhaps
  answers, are missing (`flag_filter.py`).
* *duplicated*: `DUPLICATED` or more of the segments, and at least `FEW_DUPLICATES`, are copies of one packet: from a
  bridge, a bond, both sides of a router (TTL one lower), two capture points, or both sides of a firewall that rewrites
  sequence numbers. Networks duplicate single packets.
* *reordered*: answers stored before their question, a clock that goes back, or data stored after its acknowledgment on
  `STORED_LATE` or more of the connections (a NIC with several queues stores one whole direction late). If no frame is
  older than its predecessor, the timestamps are late as well, and sorting does not help.
* *midstream*: connections with data, or that both ends keep alive, whose opening is not in the capture.
* *cut*, *dropped*, *snap-length*: the file ends within a record, the kernel dropped packets, or TCP headers (or their
  options) were cut.

Severity: `warning` if verdicts suffer, `info` if hsi copes (it recognises copies and marks midstream connections).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from handshake_inspect.tcp.facts import (
    FACT_CLIENT_LATE,
    FACT_LAST_ACK_SEEN,
    FACT_RENUMBERED,
    FACT_REORDERED,
    FACT_RST,
    FACT_SERVER_LATE,
    FACT_TTL_TWIN,
    TRAIT_SEEN,
)
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.finding import Finding, Kind, Metric
from handshake_inspect.verdicts.findings.base import earliest, ratio
from handshake_inspect.verdicts.findings.stray_flood import stray_rows
from handshake_inspect.verdicts.flag_filter import hidden_answers, hidden_final_acks, hides_final_acks
from handshake_inspect.verdicts.numbering import AttemptRows, chained
from handshake_inspect.verdicts.visibility import blind, half_seen
from handshake_inspect.verdicts.words import CAUSE, HALF_OPEN, MIDSTREAM
from handshake_inspect.wire.text import capitalized, plural, share

ONE_SIDED = 0.05
DUPLICATED = 0.05
STORED_LATE = 0.05
FEW_DUPLICATES = 3
FEW_FILTERED = 3


def detect(case: Case) -> list[Finding]:
    """Return one finding per problem of the capture."""
    return [*files(case), *one_sided(case), *filtered(case), *duplicated(case), *reordered(case), *midstream(case)]


KIND = Kind(
    "capture-quality",
    "Limits of the capture",
    "What the capture lacks, such as a direction, frames, or the headers' ends, and what cannot be judged for it.",
    detect,
    {
        "kind": Metric(
            str,
            "What is wrong: `cut`, `dropped`, `snap-length`, `one-sided`, `filtered`, `duplicated`, `reordered` or "
            "`midstream`.",
        ),
        "frames": Metric(int, "cut: frames that were read."),
        "dropped": Metric(int, "dropped: packets that the capturing kernel lost."),
        "dropped_ratio": Metric(float | None, "dropped: packets lost of all.", "ratio"),
        "cut_headers": Metric(int, "snap-length: frames whose TCP header was cut."),
        "one_sided": Metric(int, "one-sided: connections of which one direction is missing."),
        "two_sided": Metric(int, "one-sided: connections with both directions."),
        "server_not_heard": Metric(int, "one-sided: those whose server's direction is missing."),
        "client_not_heard": Metric(int, "one-sided: those whose client's direction is missing."),
        "undecidable": Metric(int, "one-sided, filtered: attempts whose outcome cannot be known."),
        "final_ack_hidden": Metric(int, "filtered: handshakes whose final ACK was left out, if there was one."),
        "answer_hidden": Metric(int, "filtered: SYNs whose answer was left out, if there was one."),
        "duplicates": Metric(int, "duplicated: segments that were captured again."),
        "duplicate_ratio": Metric(float | None, "duplicated: `duplicates` of all segments.", "ratio"),
        "connections": Metric(int, "duplicated: connections with such segments; midstream: all attempts."),
        "other_ttl": Metric(int, "duplicated: connections whose copies have another TTL."),
        "renumbered": Metric(int, "duplicated: connections whose copies have other sequence numbers."),
        "frames_back_in_time": Metric(int, "reordered: frames older than the one before."),
        "handshakes_out_of_order": Metric(int, "reordered: SYN-ACKs before their SYN, or behind their ACK."),
        "stored_late": Metric(int, "reordered: connections with data behind its acknowledgment."),
        "midstream": Metric(int, "midstream: connections that were open before the capture began."),
    },
)


def quality(
    case: Case,
    kind: str,
    severity: str,
    title: str,
    advice: str,
    metrics: dict[str, Any],
    rows: AttemptRows | None = None,
    frames: tuple[int, ...] = (),
) -> Finding:
    """Build a finding about the capture: it has no target and spans the whole capture."""
    cited: tuple[int, ...] = ()
    if rows is not None:
        first = earliest(case.attempts, rows)
        cited, frames = tuple(first.tolist()), frames or tuple(case.attempts.first_frames(first).tolist())
    start, end = (case.attempts.first_ns, case.attempts.last_ns) if case.capture.frames else (None, None)
    return Finding(
        KIND, severity, capitalized(title), None, None, start, end, {"kind": kind, **metrics}, advice, frames, cited
    )


def files(case: Case) -> Iterator[Finding]:
    """Yield what the file, the snap length and the capturing kernel lost."""
    capture = case.capture
    if not capture.complete:
        problem = next((one for one in capture.problems if one.offset is not None), None)
        message = problem.message if problem else "the capture is cut or damaged"
        frames = (problem.frame,) if problem and problem.frame else ()
        advice = (
            "Capture again, and let tcpdump end (-c, or one SIGINT) before the file is copied; -U writes whole frames."
        )
        yield quality(case, "cut", "warning", message, advice, {"frames": capture.frames}, frames=frames)
    if capture.dropped:
        part = share(capture.dropped, capture.dropped + capture.frames)
        lost = f"the capture lost {plural(capture.dropped, 'packet')}, {part}"
        title = f"{lost}: what seems to be missing may have been on the wire"
        metrics = {
            "dropped": capture.dropped,
            "dropped_ratio": ratio(capture.dropped, capture.dropped + capture.frames),
        }
        advice = "Capture less of each packet and with a larger buffer: `tcpdump -s 128 -B 65536`, and a filter."
        yield quality(case, "dropped", "warning", title, advice, metrics)
    options = next((problem for problem in capture.problems if problem.kind == "cut-options"), None)
    if capture.cut_headers or options:
        first = capture.first_cut_header or (options.frame if options else 0)
        what = "headers" if capture.cut_headers else "options"
        title = f"the snap length cuts TCP {what}: what they say is not known"
        advice = "Capture with `tcpdump -s 128` or more: Ethernet, IPv6 and TCP with options take 114 bytes."
        metrics = {"cut_headers": capture.cut_headers}
        yield quality(case, "snap-length", "warning", title, advice, metrics, frames=(first,) if first else ())


def one_sided(case: Case) -> Iterator[Finding]:
    """Yield the finding for directions that the capture lacks."""
    trace = case.attempts
    proved = trace.of_connections(case.outcomes.cause) == CAUSE["one-sided"]
    rows = trace.tracked_where(half_seen(trace) | proved)
    both = int(np.count_nonzero(trace.both_ends & TRAIT_SEEN))
    if not len(rows) or len(rows) < ONE_SIDED * (both + len(rows)):
        return
    server_missing = int(trace.seen_ends[rows, trace.connections["client"][rows]].sum())
    metrics = {
        "one_sided": len(rows),
        "two_sided": both,
        "server_not_heard": server_missing,
        "client_not_heard": len(rows) - server_missing,
        "undecidable": int(blind(trace).sum()),
    }
    side = "client" if server_missing * 2 >= len(rows) else "server"
    other = "server" if side == "client" else "client"
    affected = (
        f"{len(rows):,} of {plural(both + len(rows), 'connection')} {'is' if len(rows) == 1 else 'are'} one-sided"
    )
    title = f"the capture lacks what the {other} sent: {affected}"
    advice = "Capture where both directions pass (routing may be asymmetric), or mirror both: receive and transmit."
    yield quality(case, "one-sided", "warning", title, advice, metrics, rows)


def filtered(case: Case) -> Iterator[Finding]:
    """Yield the finding for attempts whose course a flag filter hides."""
    trace, outcomes = case.attempts, case.outcomes
    half_open = trace.tracked_where(trace.of_connections(outcomes.outcome) == HALF_OPEN)
    unseen = trace.where(hidden_answers(trace))
    open_ended = half_open[hidden_final_acks(trace, half_open)]
    rows = chained(open_ended, unseen)
    if len(rows) < FEW_FILTERED:
        return
    kept = "a filter on flags let no bare ACK pass" if hides_final_acks(trace) else "only SYNs were captured"
    title = f"{kept}: the outcome of {len(rows):,} of {plural(len(trace), 'attempt')} is unknown"
    metrics = {"undecidable": len(rows), "final_ack_hidden": len(open_ended), "answer_hidden": len(unseen)}
    advice = "Capture without a filter on flags: `tcpdump -s 128 tcp` keeps the headers of all segments."
    yield quality(case, "filtered", "info", title, advice, metrics, rows)


def duplicated(case: Case) -> Iterator[Finding]:
    """Yield the finding for packets that were captured more than once."""
    trace = case.attempts
    copies = int(trace.endpoints["duplicates"].sum(dtype=np.int64))
    if copies < FEW_DUPLICATES or copies < DUPLICATED * case.capture.tcp_segments:
        return
    rows = trace.tracked_where(trace.endpoints["duplicates"][0::2] | trace.endpoints["duplicates"][1::2])
    twins = int((trace.facts[rows] & FACT_TTL_TWIN != 0).sum())
    renumbered = int((trace.facts[rows] & FACT_RENUMBERED != 0).sum())
    metrics = {
        "duplicates": copies,
        "duplicate_ratio": ratio(copies, case.capture.tcp_segments),
        "connections": len(rows),
        "other_ttl": twins,
        "renumbered": renumbered,
    }
    where = "on both sides of a router" if twins * 2 >= len(rows) else "at more than one point"
    if renumbered * 2 >= len(rows):
        where = "on both sides of what rewrites their sequence numbers"
    title = (
        f"{copies} of {case.capture.tcp_segments} segments were captured again, {where}: not counted as retransmissions"
    )
    advice = "Capture on one interface instead of `-i any`, or remove copies with `editcap -d`."
    if renumbered:
        advice = "Capture on one side of the firewall: `editcap -d` cannot remove copies whose numbers differ."
    yield quality(case, "duplicated", "info", title, advice, metrics, rows)


def reordered(case: Case) -> Iterator[Finding]:
    """Yield the finding for frames out of time order and answers before their questions."""
    facts, capture = case.attempts.facts, case.capture
    handshakes = facts & FACT_REORDERED != 0
    late = facts & (FACT_CLIENT_LATE | FACT_SERVER_LATE) != 0
    if late.sum() < STORED_LATE * len(late):
        late &= False
    rows = case.attempts.tracked_where(handshakes | late)
    if not len(rows) and not capture.backwards:
        return
    metrics = {
        "frames_back_in_time": capture.backwards,
        "handshakes_out_of_order": int(handshakes.sum()),
        "stored_late": int(late.sum()),
    }
    title = "the capture is not in order: " + ", ".join(
        text
        for count, text in (
            (capture.backwards, f"{plural(capture.backwards, 'frame')} older than the one before"),
            (
                handshakes.sum(),
                f"{plural(int(handshakes.sum()), 'handshake')} out of order, of which no RTT is reported",
            ),
            (late.sum(), f"data of {late_senders(facts[late])} behind its acknowledgment"),
        )
        if count
    )
    frames = (capture.first_backwards,) if capture.first_backwards else ()
    yield quality(case, "reordered", "info", title, order_advice(capture.backwards), metrics, rows, frames)


def late_senders(facts: Any) -> str:
    """Return whose data was stored late."""
    clients, servers = (bool((facts & fact).any()) for fact in (FACT_CLIENT_LATE, FACT_SERVER_LATE))
    if clients and servers:
        return "both ends"
    return "clients" if clients else "servers"


def order_advice(backwards: int) -> str:
    """Return the advice: sorting helps only if the timestamps are right."""
    if backwards:
        return "Sort it with `reordercap`; capture with one queue (`ethtool -L DEV combined 1`) and a steady clock."
    return (
        "The timestamps are as late as the frames, so `reordercap` cannot sort it: capture with one queue "
        "(`ethtool -L DEV combined 1`), or with timestamps of the card (`tcpdump -j adapter_unsynced`)."
    )


def midstream(case: Case) -> Iterator[Finding]:
    """Yield the finding for connections that were open before the capture began."""
    trace = case.attempts
    rows = trace.tracked_where((trace.of_connections(case.outcomes.outcome) == MIDSTREAM) & ~stray_rows(case))
    moved = trace.endpoints["bytes"][2 * rows] + trace.endpoints["bytes"][2 * rows + 1] > 0
    moved |= (trace.both_ends[rows] & TRAIT_SEEN != 0) & (trace.facts[rows] & (FACT_RST | FACT_LAST_ACK_SEEN) == 0)
    rows = rows[moved]
    if not len(rows):
        return
    were_open = f"{len(rows):,} of {plural(len(trace), 'connection')} {'was' if len(rows) == 1 else 'were'} open"
    title = f"{were_open} before the capture began: no handshake, roles inferred"
    metrics = {"midstream": len(rows), "connections": len(trace)}
    advice = "Start the capture before the traffic (and the application), if their handshakes matter."
    yield quality(case, "midstream", "info", title, advice, metrics, rows)
