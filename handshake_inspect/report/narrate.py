"""Convert logged segments to the steps of a story: relative sequence numbers, options, events and anomalies."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from msgspec.structs import replace

from handshake_inspect.report.anomalies import anomalies
from handshake_inspect.report.connection import Connection
from handshake_inspect.report.connection_parts import Leg, States
from handshake_inspect.report.events import events
from handshake_inspect.report.parts import offers
from handshake_inspect.report.segment_log import Change, LoggedSegment, SegmentLog, side_of
from handshake_inspect.report.setup_events import Marks
from handshake_inspect.report.story import Elided, Mark, Proof, Reporter, RttMark, SegmentOptions, Step
from handshake_inspect.report.words import Side
from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_ICMP,
    FACT_MIDSTREAM,
    FACT_RST_IGNORED,
    FACT_SYNACK,
    TRAIT_ISS,
    TRAIT_SEEN,
)
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts.words import ICMP_CAUSES
from handshake_inspect.wire.address import address_text
from handshake_inspect.wire.const import (
    ACK,
    AE,
    CWR,
    ECE,
    FIN,
    KIND_ICMP_ERROR,
    MASK32,
    OPT_ACCECN,
    OPT_ECN,
    OPT_MPTCP,
    OPT_MSS,
    OPT_SACK,
    OPT_SACK_PERMITTED,
    OPT_SIGNED,
    OPT_TFO,
    OPT_TIMESTAMPS,
    OPT_WINDOW_SCALE,
    PSH,
    RST,
    SYN,
    URG,
)
from handshake_inspect.wire.seqspace import seq_diff

ROLES: tuple[Side, Side] = ("client", "server")
STATES: tuple[Any, ...] = tuple(state.name for state in TcpState)
NEAR = 1 << 30  # sequence numbers farther from the ISN belong to another connection
_LETTERS = ((FIN, "F"), (SYN, "S"), (RST, "R"), (PSH, "P"), (ACK, "."), (URG, "U"), (ECE, "E"), (CWR, "W"), (AE, "e"))


def flag_letters(flags: int) -> str:
    """Return the flags of a segment in tcpdump's notation."""
    return "".join(letter for bit, letter in _LETTERS if flags & bit) or "none"


def steps(log: SegmentLog, connection: Connection) -> list[Step]:
    """Return a step for each logged segment of the connection."""
    narrator = Narrator(log, _Judged(connection), [_base(side, log) for side in (0, 1)])
    all_steps = [narrator.step(number) for number in range(len(log.logged))]
    return list(_look_back(all_steps, _ignored_resets(log.logged)))


class Known(Protocol):
    """What is known of a connection besides its segments; `completes` is True if the handshake completed."""

    first_ns: int
    completes: bool

    def marks(self, frame: int) -> tuple[Sequence[Mark], Sequence[Mark]]:
        """Return additional events and anomalies of this frame."""

    def rtt(self, change: Change) -> Iterator[RttMark]:
        """Yield the legs of the handshake RTT that end with this segment."""


class _Judged:
    """What a report knows of a connection, with its verdict."""

    def __init__(self, connection: Connection) -> None:
        self.first_ns = connection.first_ns
        self.completes = connection.outcome == "established"
        self.marks = Marks(connection).of
        self._connection = connection

    def rtt(self, change: Change) -> Iterator[RttMark]:
        shake, rtt, frame = self._connection.handshake, self._connection.rtt, change.segment.frame
        if change.gained(FACT_SYNACK) and _known(rtt.synack):
            yield RttMark("synack", shake.syn_frame, rtt.synack)
        if frame == shake.ack_frame and frame != shake.synack_frame:
            if _known(rtt.ackdat):
                yield RttMark("ackdat", shake.synack_frame, rtt.ackdat)
            if _known(rtt.total):
                yield RttMark("total", shake.syn_frame, rtt.total)


class Narrator:
    """Makes the steps of one connection; `base` are the initial sequence numbers of its sides, or None."""

    def __init__(self, log: SegmentLog, known: Known, base: Sequence[int | None]) -> None:
        self.logged = log.logged
        self.known = known
        self.client = log.last.connection.client
        self.base = base

    def step(self, number: int) -> Step:
        """Return the step of the segment at this index of the log."""
        at = self.logged[number]
        previous = self.logged[number - 1] if number else None
        change = Change(at)
        segment, side = at.segment, change.side
        names = (ROLES[side ^ self.client], ROLES[side ^ self.client ^ 1])
        icmp = segment.kind == KIND_ICMP_ERROR
        acks = bool(segment.flags & ACK)
        marked = self.known.marks(segment.frame)
        scaled = segment.window if segment.flags & SYN else segment.window << change.sender.shift
        return Step(
            frame=segment.frame,
            ts_ns=segment.ts_ns,
            since_first_ns=segment.ts_ns - self.known.first_ns,
            since_previous_ns=segment.ts_ns - previous.segment.ts_ns if previous else 0,
            elided_before=self.elided(previous, at),
            sender=names[0],
            icmp=_reporter(segment) if icmp else None,
            flags=flag_letters(segment.flags),
            raw_seq=segment.seq,
            raw_ack=segment.ack if acks else None,
            seq=_relative(segment.seq, self.base[side]),
            ack=_relative(segment.ack, self.base[side ^ 1]) if acks else None,
            length=segment.payload_len,
            window=scaled,
            ttl=segment.ttl,
            options=self.options(segment, self.base[side ^ 1], change.peer.options),
            state=States(STATES[at.after.ends[self.client].state], STATES[at.after.ends[self.client ^ 1].state]),
            events=_icmp_event(change, at)
            if icmp
            else [*events(change, names, completes=self.known.completes), *marked[0]],
            rtt=[] if icmp else list(self.known.rtt(change)),
            anomalies=[*anomalies(change, names), *marked[1]],
        )

    def elided(self, previous: LoggedSegment | None, at: LoggedSegment) -> Elided | None:
        """Return a summary of segments left out between two steps or before the first, or None."""
        count = at.place - (previous.place + 1 if previous else 0)
        if count <= 0 or at.before is None:
            return None
        sides = (self.client, self.client ^ 1)
        before = [previous.after.ends[side].bytes if previous else 0 for side in sides]
        moved = [at.before.ends[side].bytes - had for side, had in zip(sides, before, strict=True)]
        return Elided(count, *moved)

    def options(self, segment: Any, acknowledged: int | None, offered: int) -> SegmentOptions:
        """Return the options of a segment; SACK blocks are relative.  `offered` are the peer's options."""
        bits = segment.options
        has_time = bits & OPT_TIMESTAMPS
        sack = None
        if bits & OPT_SACK and acknowledged is not None:
            sack = [(edge - acknowledged) & MASK32 for edge in (segment.sack_left, segment.sack_right)]
        return SegmentOptions(
            segment.mss if bits & OPT_MSS else None,
            segment.window_scale if bits & OPT_WINDOW_SCALE else None,
            offers(bits, OPT_SACK_PERMITTED),
            sack,
            segment.tsval if has_time else None,
            segment.tsecr if has_time else None,
            offers(bits, OPT_TFO),
            segment.tfo_cookie_len if bits & OPT_TFO else None,
            offers(bits, OPT_MPTCP),
            segment.flags & SYN != 0 and bits & (OPT_ECN | offered & OPT_ACCECN) != 0,
            offers(bits, OPT_SIGNED),
        )


def _known(leg: Leg) -> bool:
    return leg.max_ns is not None


def _base(side: int, log: SegmentLog) -> int | None:
    """Return the initial sequence number of a side or a substitute; None if unknown."""
    end = log.last.ends[side]
    if end.traits & TRAIT_ISS or end.iss:
        return int(end.iss)
    for at in log.logged:
        mine = side_of(log.last.connection, at.segment) == side
        if mine and end.traits & TRAIT_SEEN:
            return (int(at.segment.seq) - 1) & MASK32
        if not mine and at.segment.flags & ACK:
            return (int(at.segment.ack) - 1) & MASK32
    return None


def _relative(number: int, base: int | None) -> int | None:
    if base is None:
        return None
    distance = seq_diff(number, base)
    return distance if -NEAR < distance < NEAR else None


def _reporter(segment: Any) -> Reporter:
    cause = ICMP_CAUSES.get((segment.ip_version, segment.icmp_type, segment.icmp_code), "icmp-error")
    ip = address_text(segment.reporter_hi, segment.reporter_lo)
    return Reporter(ip, segment.icmp_type, segment.icmp_code, cause)


def _icmp_event(change: Change, at: LoggedSegment) -> list[Mark]:
    """Return the event of an ICMP error before the SYN is answered: the first one rejects the attempt."""
    if at.after.connection.facts & (FACT_SYNACK | FACT_ACKED | FACT_MIDSTREAM):
        return []
    reporter = _reporter(at.segment)
    text = f"{reporter.ip} says by ICMP: {reporter.cause.replace('-', ' ')}"
    if change.gained(FACT_ICMP):
        return [Mark("rejected", f"{text}. Most stacks give up at that.", "RFC 5461")]
    return [Mark("rejected-again", f"{text}, again.", "RFC 5461")]


def _look_back(steps: Sequence[Step], ignored: Mapping[int, int]) -> Iterator[Step]:
    """Add marks that depend on other segments: challenge ACKs, and RSTs (`ignored`) that had no effect."""
    previous: Step | None = None
    for step in steps:
        marks, done = list(step.anomalies), step.events
        if previous is not None and _is_challenge(previous, step):
            marks.append(_CHALLENGE)
        if step.frame & MASK32 in ignored:
            text = f"This RST had no effect: its target carries on in frame {ignored[step.frame & MASK32]}."
            marks.append(Mark("rst-without-effect", text, "RFC 9293 section 3.5.3"))
            done = [mark for mark in done if mark.id not in _ENDS]
        yield replace(step, events=done, anomalies=marks)
        previous = step


def _ignored_resets(logged: Sequence[LoggedSegment]) -> dict[int, int]:
    """Return the RSTs that were ignored, by frame, with the frame that proves it."""
    changes = [Change(at) for at in logged]
    return {
        change.after.connection.rst_frame: change.segment.frame for change in changes if change.gained(FACT_RST_IGNORED)
    }


_ENDS = {"reset", "refused", "aborted"}  # events to remove from a RST without effect
_CHALLENGE = Mark(
    "challenge-ack", "A challenge ACK: the sender of the previous segment must confirm it.", "RFC 5961 section 4"
)


def _is_challenge(previous: Step, step: Step) -> bool:
    drew = {mark.id for mark in previous.anomalies} & {"blind-syn", "rst-not-believed"}
    bare = step.flags == "." and not step.length and not step.events and not step.anomalies
    return bool(drew) and bare and step.sender != previous.sender


def evidence(connection: Connection, shown: Sequence[Step]) -> list[Proof]:
    """Return what each frame of the evidence proves."""
    by_frame = {step.frame: step for step in shown}
    shake = connection.handshake
    roles = {shake.syn_frame: "the SYN", shake.synack_frame: "the SYN-ACK", shake.ack_frame: "the final ACK"}
    other = connection.answered_from
    elsewhere = None
    if other is not None:
        elsewhere = f"not to or from the server: {other} answered the SYN"
    return [Proof(frame, _shown(by_frame.get(frame), roles.get(frame) or elsewhere)) for frame in connection.evidence]


def _shown(step: Step | None, role: str | None) -> str:
    if step is None:
        return role or "not listed"
    marks = [*step.anomalies, *step.events]
    if marks:
        return marks[0].text
    return role or f"[{step.flags}] of the {step.sender}"
