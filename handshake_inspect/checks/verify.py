"""Compare hsi's report with Wireshark's dissection of the same capture, and explain the differences.

A difference gets a reason only if the segments of the capture show one.  A difference without a reason is
`unexplained`: a bug in hsi, in Wireshark or in this list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, get_args

import numpy as np

from handshake_inspect.capture.wireshark import DissectedSegment
from handshake_inspect.checks.wireshark_join import RetransmittedSegments, WiresharkJoin
from handshake_inspect.report.model import Connection, Tool
from handshake_inspect.report.segment_columns import SegmentColumns
from handshake_inspect.report.verified import (
    Agreement,
    Aspect,
    Disagreement,
    Verified,
    VerifiedAspect,
    VerifiedConnection,
    View,
)
from handshake_inspect.tcp.facts import COMPLETE_RST, COMPLETE_SYN
from handshake_inspect.wire.const import ACK, NOTE_CONTINUED, NOTE_FIRST_FRAGMENT, NOTE_TUNNELED, RST, SYN
from handshake_inspect.wire.text import plural

ROUNDING_NS = 1_000  # Wireshark's times are differences of floats
ASPECTS: tuple[Aspect, ...] = get_args(Aspect)
_UNEXPLAINED = ("unexplained", "the capture shows no reason: please report it with the capture")

# Why hsi and Wireshark differ, in words: docs/verify.md has each.
REASONS = {
    "another-isn": "Wireshark begins a stream with any SYN of another ISN; hsi waits until a SYN-ACK takes it",
    "renumbered-copies": "the same packets are stored twice, once renumbered by a box between",
    "same-isn": "the ISN was used again after the connection had ended: Wireshark goes on with the old stream",
    "answered-from": "the answer came from another address or port; Wireshark makes it a stream of its own",
    "translated": "the connection is captured once more with translated addresses: `translated_to` says which",
    "syn-not-first": "a dissector had announced the connection, and Wireshark counts a SYN only as its first frame",
    "other-incarnation": "segments of the incarnation before, by their numbers, came after the next one had begun",
    "copies": "packets are stored twice, and Wireshark takes the copies for new ones",
    "any-copy": "nothing proves which copy was answered: hsi gives an interval, Wireshark a value in it",
    "upper-bound": "the final ACK is not in the capture: Wireshark's value is an upper bound, as hsi says",
    "answered-copy": "hsi knows by timestamps, ISNs or order which copy was answered; Wireshark takes another one",
    "not-accepted": "Wireshark takes a segment that the server does not accept for the final ACK",
    "no-rtt": "what answered is no SYN-ACK in order, and no RTT",
    "headers-cut": "headers are cut, and Wireshark does not analyse those segments",
    "nothing-again": "nothing in those segments had been sent before: they were overtaken, or lost before the capture",
    "again": "their bytes had been sent before",
    "late": "Wireshark calls them out of order; by the RTT they were sent again",
    "mostly-missing": "numbers run on by more than any window: the capture lacks most of what was sent",
    "tunnel": "they are in tunnels that Wireshark does not open",
    "fragments": "they are in IP fragments: Wireshark shows the segment at the one that completes it, hsi at the first",
    "several-in-a-frame": "some frames hold several packets (an A-MSDU); Wireshark's list shows the last of each",
    "wrong-checksum": "their checksums are wrong: hsi leaves them out",
    "stream": "Wireshark's stream is not the same as the connection",
}


def compare_with_wireshark(columns: SegmentColumns, dissected: Iterable[DissectedSegment], dissector: Tool) -> Verified:
    """Compare the report of a trace with Wireshark's dissection of its segments."""
    joined = WiresharkJoin(columns, dissected)
    report = columns.report
    shared = Counter(_ends(connection) for connection in report.connections)
    connections = [_ConnectionComparison(joined, each, shared[_ends(each)] > 1).result() for each in report.connections]
    whole = list(_outside_connections(joined))
    aspects = [_aspect_counts(aspect, connections, whole) for aspect in ASPECTS]
    return Verified(
        tool=report.tool, dissector=dissector, capture=report.capture,
        passed=not any(each.unexplained for each in aspects), aspects=aspects, whole=whole, connections=connections,
    )  # fmt: skip


def _ends(connection: Connection) -> frozenset[tuple[str, int]]:
    return frozenset((end.ip, end.port) for end in (connection.client, connection.server))


def _aspect_counts(aspect: Aspect, connections: list[VerifiedConnection], whole: list[Disagreement]) -> VerifiedAspect:
    counts: Counter[str] = Counter(
        each.agreement for connection in connections for each in connection.disagreements if each.aspect == aspect
    )
    agrees = len(connections) - counts.total()
    counts.update(each.agreement for each in whole if each.aspect == aspect)
    return VerifiedAspect(aspect, agrees, counts["hsi-knows-more"], counts["unexplained"])


def _disagreement(aspect: Aspect, reason: str | None) -> Disagreement:
    if reason is None:
        return Disagreement(aspect, "unexplained", *_UNEXPLAINED)
    return Disagreement(aspect, "hsi-knows-more", reason, REASONS[reason])


# --- one connection ---------------------------------------------------------------------------------------------------


class _ConnectionComparison:
    """The comparison of one connection."""

    def __init__(self, joined: WiresharkJoin, connection: Connection, reused_tuple: bool) -> None:
        self.joined = joined
        self.connection = connection
        self.reused_tuple = reused_tuple  # the 4-tuple was used by several connections
        self.rows = joined.rows(connection.id)
        ends = connection.client_to_server, connection.server_to_client
        self.copies = sum(end.duplicates for end in ends)
        alias = connection.aliases.tshark
        self.ours = View(
            None if alias is None else alias.stream, len(self.rows), None if alias is None else alias.completeness,
            connection.rtt.total.value_ns, sum(end.retransmissions for end in ends),
            int(((self.rows["flags"] & RST) != 0).sum()),
        )  # fmt: skip
        self.theirs = joined.view(connection.id)

    def result(self) -> VerifiedConnection:
        """Return both views and their differences."""
        connection = self.connection
        found = list(self._disagreements())
        worst: Agreement = "agrees"
        if found:
            worst = "unexplained" if any(each.agreement == "unexplained" for each in found) else "hsi-knows-more"
        return VerifiedConnection(
            connection.id, connection.client, connection.server.service, connection.first_frame, worst, self.ours,
            self.theirs, found,
        )  # fmt: skip

    def _disagreements(self) -> Iterator[Disagreement]:
        if self.theirs is None:
            yield _disagreement("segments", _why_not_shown(self.rows))
            return
        stream_mismatch = self._stream()
        if stream_mismatch is not None:
            yield stream_mismatch
        for aspect, look in _ASPECT_CHECKS.items():
            found = look(self, self.theirs)
            if found is not None and found.agreement == "unexplained" and stream_mismatch is not None:
                found = _disagreement(aspect, "stream") if stream_mismatch.agreement != "unexplained" else found
            if found is not None:
                yield found

    def _stream(self) -> Disagreement | None:
        """Return the disagreement if connection and stream do not correspond one to one."""
        streams = self.joined.streams_of[self.connection.id]
        owners = self.joined.owners_of[streams[0]]
        if len(streams) > 1:
            return _disagreement("stream", self._further_streams(streams[1:]))
        if len([owner for owner in owners if owner >= 0]) == 1:
            return None
        syn = self.connection.handshake.syn_frame == self.connection.first_frame
        return _disagreement("stream", "same-isn" if syn or owners[0] == self.connection.id else None)

    def _further_streams(self, streams: list[int]) -> str | None:
        """Return why Wireshark splits the connection: each further stream begins with a SYN with another ISN."""
        begins = [self.joined.streams[stream].first_frame for stream in streams]
        first = {int(row["frame"]): row for row in self.rows if int(row["frame"]) in begins}
        if len(first) < len(begins) or any(int(row["flags"]) & (SYN | ACK) != SYN for row in first.values()):
            return None
        return "renumbered-copies" if self.copies else "another-isn"

    def segments(self, theirs: View) -> Disagreement | None:
        """Compare the number of segments."""
        if self.ours.segments == theirs.segments:
            return None
        if len(np.unique(self.rows["frame"])) < len(self.rows):
            return _disagreement("segments", "several-in-a-frame")
        return _disagreement(
            "segments", _why_not_shown(self.rows) or ("other-incarnation" if self.reused_tuple else None)
        )

    def completeness(self, theirs: View) -> Disagreement | None:
        """Compare `tcp.completeness`."""
        ours, bits = self.ours.completeness, theirs.completeness
        if ours == bits or ours is None or bits is None:
            return None
        if ours ^ bits == COMPLETE_SYN and ours & COMPLETE_SYN:
            return _disagreement("completeness", "syn-not-first")
        if self.reused_tuple and ours ^ bits == COMPLETE_RST:
            return _disagreement("completeness", "other-incarnation")
        return _disagreement("completeness", None)

    def initial_rtt(self, theirs: View) -> Disagreement | None:
        """Compare the handshake RTT with `tcp.analysis.initial_rtt`."""
        total, value = self.connection.rtt.total, theirs.initial_rtt_ns
        if total.value_ns is None and value is None:
            return None
        if total.value_ns is not None and value is not None and abs(total.value_ns - value) <= ROUNDING_NS:
            return None
        return _disagreement("initial-rtt", self._other_rtt(value))

    def _other_rtt(self, value: int | None) -> str | None:
        total = self.connection.rtt.total
        if value is None:
            kinds = {problem.kind for problem in self.joined.columns.report.capture.problems}
            return "headers-cut" if kinds & {"snap-length", "cut-options"} else None
        if total.method == "none":
            return "no-rtt"
        inside = (total.min_ns or 0) - ROUNDING_NS <= value <= (total.max_ns or 0) + ROUNDING_NS
        if total.value_ns is None and inside:
            return "upper-bound" if total.method == "data-ack" else "any-copy"
        if self.copies:
            return "copies"
        if self._ends_before_the_ack(value):
            return "not-accepted"
        return "answered-copy" if total.method == "tsecr" or self._is_from_a_syn(value) else None

    def _is_from_a_syn(self, value: int) -> bool:
        """Whether some SYN precedes the final ACK by `value` ns."""
        ended_ns = self.connection.handshake.ack_ns
        if ended_ns is None:
            return False
        began_ns = self.rows["ts_ns"][self.rows["flags"] & (SYN | ACK) == SYN]
        return bool((np.abs(ended_ns - began_ns - value) <= ROUNDING_NS).any())

    def _ends_before_the_ack(self, value: int) -> bool:
        """Whether a segment with ACK comes `value` ns after the SYN, between SYN-ACK and final ACK."""
        handshake = self.connection.handshake
        if handshake.syn_ns is None or handshake.synack_ns is None or handshake.ack_ns is None:
            return False
        times = self.rows["ts_ns"][self.rows["flags"] & ACK != 0]
        between = (times > handshake.synack_ns) & (times < handshake.ack_ns)
        return bool((np.abs(times[between] - handshake.syn_ns - value) <= ROUNDING_NS).any())

    def retransmissions(self, theirs: View) -> Disagreement | None:
        """Compare the number of retransmissions."""
        beyond = self.ours.retransmissions - theirs.retransmissions
        if beyond == 0:
            return None
        if self.copies:
            return _disagreement("retransmissions", "copies")
        again = RetransmittedSegments(self.rows)
        streams = [self.joined.streams[number] for number in self.joined.streams_of[self.connection.id]]
        marked = {frame for stream in streams for frame in stream.retransmissions}
        reason = None
        if again.jumps:
            reason = "mostly-missing"
        elif beyond < 0 and -beyond <= len(marked - again.frames):
            reason = "nothing-again"
        elif 0 < beyond <= len(again.frames - marked):
            reason = "again"
        elif 0 < beyond <= sum(len(stream.out_of_order) for stream in streams):
            reason = "late"
        return _disagreement("retransmissions", reason)

    def resets(self, theirs: View) -> Disagreement | None:
        """Compare the number of RSTs."""
        if self.ours.resets == theirs.resets:
            return None
        return _disagreement(
            "resets", _why_not_shown(self.rows) or ("other-incarnation" if self.reused_tuple else None)
        )


_ASPECT_CHECKS: dict[Aspect, Callable[[_ConnectionComparison, View], Disagreement | None]] = {
    "segments": _ConnectionComparison.segments,
    "completeness": _ConnectionComparison.completeness,
    "initial-rtt": _ConnectionComparison.initial_rtt,
    "retransmissions": _ConnectionComparison.retransmissions,
    "resets": _ConnectionComparison.resets,
}


def _why_not_shown(rows: Any) -> str | None:
    """Return why Wireshark does not show some of these segments, or None."""
    notes = rows["notes"]
    if (notes & (NOTE_FIRST_FRAGMENT | NOTE_CONTINUED)).any():
        return "fragments"
    return "tunnel" if (notes & NOTE_TUNNELED).any() else None


# --- the whole trace --------------------------------------------------------------------------------------------------


def _outside_connections(joined: WiresharkJoin) -> Iterator[Disagreement]:
    """Yield differences outside connections: segments that only one tool shows, and streams without a connection."""
    kinds = {problem.kind for problem in joined.columns.report.capture.problems}
    alone = joined.columns.rows[joined.hsi_only]
    if len(alone):
        found = _disagreement("segments", _why_not_shown(alone))
        yield _with_prefix(
            found, f"{plural(len(alone), 'segment')} that Wireshark does not show, from frame {alone['frame'][0]}"
        )
    if theirs := joined.wireshark_only:
        fragments = (joined.columns.rows["notes"] & NOTE_FIRST_FRAGMENT).any() or "fragments" in kinds
        # For a fragmented tunnel packet, hsi reads the first fragment, and Wireshark shows the segment at the last.
        fragments = fragments or len(theirs) <= ((alone["notes"] & NOTE_TUNNELED) != 0).sum()
        wrong = kinds & {"bad-checksum", "bad-ip-checksum"}
        found = _disagreement("segments", "fragments" if fragments else "wrong-checksum" if wrong else None)
        yield _with_prefix(found, f"{plural(len(theirs), 'segment')} that hsi does not show, from frame {theirs[0]}")
    elsewhere = {(each.answered_from.ip, each.answered_from.port) for each in joined.columns.report.connections
                 if each.answered_from is not None}  # fmt: skip
    translated = any(each.translated_to is not None for each in joined.columns.report.connections)
    strays = [number for number, owners in joined.owners_of.items() if owners == [-1]]
    if strays:
        found = _disagreement("stream", "translated" if translated else "answered-from" if elsewhere else None)
        yield _with_prefix(found, f"{plural(len(strays), 'stream')} without a connection, from {min(strays)}")


def _with_prefix(found: Disagreement, what: str) -> Disagreement:
    return Disagreement(found.aspect, found.agreement, found.reason, f"{what}: {found.text}")
