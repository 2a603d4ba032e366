"""Kernels and applications that are set up unlike others: what each changes, and what of it the wire does not show.

A setting is of the kernel (sysctls of its network namespace), of the listener, of the connection's socket, or of the
end that is played (the options of its SYN).
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from edge_kernel import LINGER_0, LISTENS, OURS, STATES, THEIRS, WINDOW_SCALE, Blind, Options, Play
from lab.packet import ACK, RST, SYN, Segment

BACKLOG = 1024


@dataclass(frozen=True)
class Setting:
    """What is unlike the defaults.

    `lasting`: only with timers does it make a difference.
    """

    sysctls: Mapping[str, object] = field(default_factory=dict)
    listener: Options = ()
    backlog: int = BACKLOG
    socket: Options = ()
    syn: bytes = b""  # options of the SYN that is played, besides MSS and timestamps
    before: Callable[[Play], None] | None = None
    acts: tuple[Callable[[Play], None], ...] = ()
    blind: Blind = field(default_factory=Blind)
    lasting: bool = False


# -- what others do with the same listener


def come(play: Play, *, whole: bool) -> None:
    """Another client: its SYN alone, or all of its handshake."""
    port = 1024 + len(play.others)
    syn = Segment(THEIRS[play.version], port, OURS[play.version], LISTENS, SYN, 5000, 0, 30_000)
    answers = play.beside(syn)
    play.others.append((port, 5001))
    if whole and answers:
        play.beside(answers[0].answer(ACK, window=30_000))


def leave(play: Play) -> None:
    """The others reset, wherever they are."""
    for port, seq in play.others:
        play.beside(Segment(THEIRS[play.version], port, OURS[play.version], LISTENS, RST, seq))
    play.others.clear()


def fill_requests(play: Play) -> None:
    """So many SYNs that the listener's queue of requests is full."""
    for _ in range(3):
        come(play, whole=False)


def fill_accepted(play: Play) -> None:
    """The application does not accept, and the queue behind the handshake is full."""
    play.accepts = False
    for _ in range(2):
        come(play, whole=True)


def drain(play: Play) -> None:
    """The application accepts at last, all there are."""
    play.pause()
    play.accepts = True
    play.collect()


def stop_reading(play: Play) -> None:
    play.reads = False


def stop_receiving(play: Play) -> None:
    """shutdown(SHUT_RD) sends nothing, and the kernel goes on to take data."""
    if play.sock is not None and play.state != "SYN_SENT":
        with contextlib.suppress(OSError):
            play.sock.shutdown(socket.SHUT_RD)


def window_scale(shift: int) -> bytes:
    return b"\x01" + WINDOW_SCALE + bytes([shift])


TCP, SOL = socket.IPPROTO_TCP, socket.SOL_SOCKET
KEEP_ALIVE: Options = (
    (SOL, socket.SO_KEEPALIVE, 1), (TCP, socket.TCP_KEEPIDLE, 1), (TCP, socket.TCP_KEEPINTVL, 1),
    (TCP, socket.TCP_KEEPCNT, 2),
)  # fmt: skip
SILENT = Blind(silent=True)
COOKIES = Blind(silent=True, stateless=True)
# The final ACK alone opens nothing; a bare ACK or RST behind it may be the answer of either state.
DEFERRED = Blind(silent=True, excused=frozenset({("ESTABLISHED", "SYN_RECEIVED"), ("CLOSED", "SYN_RECEIVED")}))
# A RST or the acknowledgment of a FIN that was dropped seems to have ended the connection.
UNCHALLENGED = Blind(silent=True, excused=frozenset(("CLOSED", state) for state in STATES.values()))
SACK_PERMITTED = b"\x01\x01\x04\x02"
SETTINGS: dict[str, Setting] = {
    "scaled": Setting(syn=window_scale(7)),
    "scaled by none": Setting(syn=window_scale(0) + SACK_PERMITTED),
    "scale of the peer only": Setting({"tcp_window_scaling": 0}, syn=window_scale(9)),
    "sack": Setting(syn=SACK_PERMITTED),
    "without timestamps, sack and scale": Setting({"tcp_timestamps": 0, "tcp_sack": 0, "tcp_window_scaling": 0}),
    "without timestamps": Setting({"tcp_timestamps": 0}, syn=SACK_PERMITTED),
    "timestamps from zero": Setting({"tcp_timestamps": 2}),
    "cookies always": Setting({"tcp_syncookies": 2}, blind=COOKIES),
    "cookies in a flood": Setting({"tcp_syncookies": 1}, backlog=1, before=fill_requests, blind=COOKIES),
    "full queue of requests": Setting({"tcp_syncookies": 0}, backlog=1, acts=(fill_requests,), blind=SILENT),
    "full queue": Setting(backlog=0, acts=(fill_accepted, drain), blind=SILENT),
    "full queue, aborting": Setting({"tcp_abort_on_overflow": 1}, backlog=0, acts=(fill_accepted, drain), blind=SILENT),
    "deferred": Setting(listener=((TCP, socket.TCP_DEFER_ACCEPT, 5),), blind=DEFERRED),
    "few challenges": Setting({"tcp_challenge_ack_limit": 1}, blind=UNCHALLENGED),
    "no challenges": Setting({"tcp_challenge_ack_limit": 0}, blind=UNCHALLENGED),
    "rfc1337": Setting({"tcp_rfc1337": 1}, blind=SILENT),
    "reuse of TIME-WAIT": Setting({"tcp_tw_reuse": 1}),
    "lingers not": Setting(socket=((SOL, socket.SO_LINGER, LINGER_0),)),
    "reads nothing": Setting(acts=(stop_reading,)),
    "receives nothing": Setting(acts=(stop_receiving,)),
    "no SYN-ACK again": Setting({"tcp_synack_retries": 0}, lasting=True, blind=SILENT),
    "one SYN-ACK again": Setting({"tcp_synack_retries": 1}, lasting=True, blind=SILENT),
    "one SYN again": Setting({"tcp_syn_retries": 1, "tcp_syn_linear_timeouts": 0}, lasting=True, blind=SILENT),
    "short FIN-WAIT-2": Setting({"tcp_fin_timeout": 1}, lasting=True, blind=SILENT),
    "keep-alives": Setting(socket=KEEP_ALIVE, lasting=True, blind=SILENT),
    "gives up soon": Setting(socket=((TCP, socket.TCP_USER_TIMEOUT, 400),), lasting=True, blind=SILENT),
    "few retransmissions": Setting({"tcp_retries2": 1, "tcp_orphan_retries": 1}, lasting=True, blind=SILENT),
}


def prepare(play: Play, setting: Setting) -> None:
    """Set kernel, listeners and both ends up, until the next one is prepared."""
    kernel = play.kernel
    kernel.change(setting.sysctls)
    for listener in kernel.listeners.values():
        listener.setsockopt(TCP, socket.TCP_DEFER_ACCEPT, 0)
        for level, name, value in setting.listener:
            listener.setsockopt(level, name, value)
        listener.listen(setting.backlog)
    play.syn_options, play.socket_options, play.blind = setting.syn, setting.socket, setting.blind
    if setting.before is not None:
        setting.before(play)
