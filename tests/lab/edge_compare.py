"""What hsi makes of an exchange with a real kernel, after each of its frames, and what the kernel said then."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from edge_kernel import MASK, OURS, Play, Taken
from lab.packet import FIN, SYN, Segment, parse

from handshake_inspect.capture.frames import NEED_MORE
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.reporting import case_of, end_of
from handshake_inspect.report.connections import RowConnections
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.limits import Limits

# States behind a handshake; with Fast Open a server may send its FIN before.
SYNCHRONIZED = {"ESTABLISHED", "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT"}

# What the state was before the application closed: its FIN waits behind data that may not be sent yet.
BEFORE_THE_FIN = {"FIN_WAIT_1": "ESTABLISHED", "CLOSING": "CLOSE_WAIT", "LAST_ACK": "CLOSE_WAIT"}

FIELDS = (
    "client.ip", "state.client", "state.server", "outcome", "client_to_server.retransmissions",
    "server_to_client.retransmissions",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    state: str
    outcome: str
    retransmissions: int


def rows_after_each(play: Play) -> Iterator[list[Row]]:
    """The rows that hsi has after each frame."""
    pump = Pump(Tracker(64))
    with open_trace([io.BytesIO(play.pcap())]) as source:
        for count in range(1, len(play.taken) + 1):
            pump.max_frames = count
            while pump.drain(source.reader) == NEED_MORE and pump.frames < count and source.fill():
                pass
            yield rows_of(source, pump, play)


def rows_of(source: object, pump: Pump, play: Play) -> list[Row]:
    case = case_of(source, pump, Limits(), end_of(source, pump))
    made = []
    for columns in RowConnections(case).values(FIELDS, 64):
        for client, by_client, by_server, outcome, *again in zip(*columns, strict=True):
            is_client = client == OURS[play.version]
            made.append(Row(by_client if is_client else by_server, outcome, again[not is_client]))
    return made


def compare(play: Play) -> Iterator[tuple[int, str]]:
    """Where hsi and the kernel disagree: (frame, how)."""
    synchronized = closed = False
    iss = None
    for number, (taken, rows) in enumerate(zip(play.taken, rows_after_each(play), strict=True), 1):
        if taken.by_kernel:
            sent = parsed(play, taken)
            if sent and sent.flags & SYN and sent.seq != iss:  # another incarnation
                closed, iss = False, sent.seq
            closed = closed or (sent is not None and sent.flags & FIN != 0)
        if play.blind.stateless and synchronized and taken.state == "CLOSED":
            return
        synchronized = synchronized or taken.state in SYNCHRONIZED
        if taken.state is None or (play.blind.silent and not taken.by_kernel):
            continue
        now = taken.state if closed else BEFORE_THE_FIN.get(taken.state, taken.state)
        live = [row.state for row in rows if row.state != "CLOSED"]
        if play.blind.stateless and taken.state == "CLOSED":
            live = [state for state in live if state != "SYN_RECEIVED"]
        excused = ((live or ["CLOSED"])[-1], now) in play.blind.excused
        waits = taken.state == "FIN_WAIT_1" and not closed and not synchronized  # its FIN, behind the handshake
        excused = excused or (waits and live == ["SYN_RECEIVED"])
        if live != ([] if now == "CLOSED" else [now]) and not excused:
            yield number, f"state {'+'.join(row.state for row in rows) or 'none'} is {now}"
        outcome = rows[0].outcome if rows else None
        lied = outcome == "established" and not synchronized and taken.state != "FIN_WAIT_1"
        if (
            len(rows) == 1
            and live
            and not excused
            and (lied or (synchronized and not play.actively and outcome != "established"))
        ):
            yield number, f"outcome {outcome}, state {taken.state}"
        reported = sum(row.retransmissions for row in rows)
        counts = taken.retransmissions is not None and not play.blind.stateless
        if counts and len(rows) == 1 and reported != taken.retransmissions:
            yield number, f"retransmissions {reported} are {taken.retransmissions}"


def parsed(play: Play, taken: Taken) -> Segment | None:
    return parse(b"\0" * 12 + (b"\x86\xdd" if play.version == 6 else b"\x08\x00") + taken.packet)


def shown(play: Play, until: int) -> Iterator[str]:
    """Each frame so far, with numbers from the ISNs on, and both states after it."""
    for number, (taken, rows) in enumerate(zip(play.taken, rows_after_each(play), strict=True), 1):
        if number > until:
            return
        reported = "+".join(f"{row.state} {row.outcome}" for row in rows)
        segment = parsed(play, taken)
        after = f"{taken.state}   hsi: {reported}"
        if segment is None:
            yield f"  {number:3} path   ICMP {taken.packet[20 if play.version == 4 else 40 :][:2].hex()}   {after}"
            continue
        letters = "".join(letter for bit, letter in enumerate("FSRPAU") if segment.flags >> bit & 1) or "-"
        mine, other = (play.peer_iss, play.first_isn) if taken.by_kernel else (play.first_isn, play.peer_iss)
        yield (
            f"  {number:3} {'kernel' if taken.by_kernel else 'played'} {letters:4} seq {(segment.seq - mine) & MASK}"
            f" ack {(segment.ack - other) & MASK} len {len(segment.payload)} win {segment.window}"
            f" {segment.options.hex()}   {after}"
        )
