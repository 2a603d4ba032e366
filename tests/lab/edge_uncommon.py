"""Segments that few stacks send: damaged, with options that are seldom seen, in pieces, or beside the window's edges.

`ACTS` are steps of a walk; `SYN_OPTIONS` is what a SYN of the played end may offer besides MSS and timestamps.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from edge_kernel import LINGER_0, MASK, WINDOW_SCALE, Play
from edge_states import ACKS, KINDS, SEQS, Event, is_beyond_sight
from lab.packet import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG

SACK_PERMITTED = b"\x01\x01\x04\x02"
SYN_OPTIONS = (
    b"",
    SACK_PERMITTED,
    SACK_PERMITTED + b"\x01" + WINDOW_SCALE + b"\x07",
    WINDOW_SCALE + b"\x0e" + b"\x04\x02" + b"\x01" * 3,  # another order, the largest shift
    WINDOW_SCALE + b"\xff\x00" + SACK_PERMITTED,  # an option behind the end of the list, and a shift beyond 14
    b"\x22\x02\x01\x01",  # Fast Open: asks for a cookie
    b"\x22\x0a" + b"COOKIE..\x01\x01",  # Fast Open: with a cookie that the kernel never gave
    b"\x1e\x0c\x01\x81" + b"KEY.KEY.",  # MP_CAPABLE of MPTCP version 1
    b"\xac\x0b" + bytes(9) + b"\x01",  # AccECN, order 0
    b"\xfd\x04\xf9\x89\x05\x02\x01\x01",  # an experiment, and an option of no meaning
    b"\x09\x01\x01\x01",  # a length that cannot be: parsing ends
    b"\x09\x28\x01\x01",  # a length beyond the header
)
PARSABLE = SYN_OPTIONS[:-2]  # Linux drops some SYNs whose options end before the MSS
ANY = tuple(kind for kind in KINDS if kind != "syn-rst")
FLAGS_OF_ECN = (ECE, CWR, ECE | CWR, 0x100, 0x100 | ECE | CWR, 0xE00)  # AE, and reserved ones


def takes_data(play: Play) -> bool:
    """Whether data may come: else only a capture that lacks the handshake explains it."""
    return play.reads and play.state not in {"CLOSED", "SYN_SENT"}


def old_blocks(play: Play) -> None:
    """D-SACK: the kernel is told that something came twice."""
    una = play.acknowledged or play.peer_iss
    sacked(play, (una - 10, una), ACK)


def blocks_in_flight(play: Play) -> None:
    """The kernel is told that a part of what it sent is missing."""
    una, nxt = play.acknowledged or play.peer_iss, play.peer_nxt
    if (nxt - una) & MASK > 2:
        sacked(play, (nxt - 1, nxt), ACK, ack=una)


def blocks_of_nothing(play: Play) -> None:
    """Blocks of what was never sent."""
    push = PSH if takes_data(play) else 0
    sacked(play, (play.peer_nxt + 100, play.peer_nxt + 200), ACK | play.dice.choice((0, push)))


def sacked(play: Play, block: tuple[int, int], flags: int, ack: int | None = None) -> None:
    option = b"\x01\x01\x05\x0a" + struct.pack("!II", block[0] & MASK, block[1] & MASK)
    play.send(flags, ack=ack, payload=b"0123456789" if flags & PSH else b"", options=option)
    play.resume()


def without_timestamps(play: Play) -> None:
    """Any segment without the timestamps that were agreed on."""
    one_of_many(play, stamped=False)


def from_the_past(play: Play) -> None:
    """Any segment with a TSval before those that were sent."""
    if play.timestamps:
        one_of_many(play, tsval=play.clock - play.dice.choice((150, 2_000, 1 << 20)))


def with_options(play: Play) -> None:
    """Any segment without SYN, with options of one."""
    one_of_many(play, [kind for kind in ANY if not kind.startswith("syn")], options=play.dice.choice(PARSABLE))


def with_congestion(play: Play) -> None:
    """Any segment with the bits of ECN, AccECN, or reserved ones."""
    one_of_many(play, more=play.dice.choice(FLAGS_OF_ECN))


def damaged(play: Play) -> None:
    """Any segment that a wrong checksum has the kernel drop.

    It takes a right one of the same path, behind the SYN, to show that the card of the sender does not fill them in.
    """
    if play.undamaged > 1:
        one_of_many(play, damaged=True)


def one_of_many(play: Play, kinds: Sequence[str] = ANY, **words: Any) -> None:
    kind = play.dice.choice(kinds)
    seq, ack = play.dice.choice(("", "", "", *SEQS)), play.dice.choice(("", "", "", *ACKS))
    event = Event(kind, "isn" if kind.startswith("syn") and not seq else seq, ack)
    asks = play.state == "SYN_SENT" and not kind.startswith(("syn", "rst"))  # see `takes_data`
    if asks or is_beyond_sight(play.state, play.reads, event):
        return
    event.play(play, **words)
    play.resume()


def half_before(play: Play) -> None:
    """Data that begins before what the kernel has taken, with new data behind; perhaps with FIN."""
    if takes_data(play):
        fin = play.dice.choice((0, FIN))
        play.send(PSH | ACK | fin, seq=play.nxt - 5, payload=b"0123456789")
        play.resume()


def half_behind(play: Play) -> None:
    """Data that begins in the window and ends beyond it; perhaps with FIN."""
    if 0 < play.peer_window < 66_000 and takes_data(play):
        fin = play.dice.choice((0, FIN))
        play.send(PSH | ACK | fin, seq=play.nxt + play.peer_window - 5, payload=b"0123456789")
        play.resume()


def keep_alive(play: Play) -> None:
    """A probe of an idle peer, with or without a byte of garbage."""
    play.send(ACK, seq=play.nxt - 1, payload=play.dice.choice((b"", b"\0")))
    play.resume()


def shut_window(play: Play) -> None:
    """The played end takes no more, and the kernel's application goes on to write."""
    play.send(ACK, window=0)
    play.window = play.dice.choice((0, 30_000))
    play.write(play.dice.choice((1, 20)))
    play.resume()


def out_of_order(play: Play) -> None:
    """Three segments in any order, the last one perhaps with FIN."""
    if not takes_data(play):
        return
    size, at = 8, play.nxt
    pieces = [(0, 0), (size, 0), (2 * size, play.dice.choice((0, FIN)))]
    play.dice.shuffle(pieces)
    for offset, fin in pieces:
        play.send(PSH | ACK | fin, seq=at + offset, payload=b"x" * size)
    play.resume()


def urgent(play: Play) -> None:
    """Urgent data, whose pointer is anywhere."""
    play.send(URG | PSH | ACK, payload=b"urgent", urgent=play.dice.choice((0, 1, 6, 100, 0xFFFF)))
    play.resume()


def opens_again(play: Play) -> None:
    """A SYN of another incarnation, which may end TIME-WAIT."""
    seq = play.nxt + play.dice.choice((1, 100_000, 1 << 30, -1, -100_000))
    if seq == play.isn:
        return  # a SYN that comes again so soon with other options: only its options show that it is no copy
    play.send(SYN, seq=seq, options=play.dice.choice(PARSABLE))
    play.resume()


def writes_urgently(play: Play) -> None:
    play.pause()
    if play.sock is not None and play.state != "SYN_SENT":
        with contextlib.suppress(OSError):
            play.sock.send(b"!", socket.MSG_OOB)
    play.collect()


def aborts(play: Play) -> None:
    """The kernel's application closes without grace: the kernel resets, but in states that may end in silence."""
    if play.sock is not None and play.state not in {"SYN_SENT", "CLOSING", "LAST_ACK", "TIME_WAIT"}:
        play.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        play.close()


def resets_beside(play: Play) -> None:
    """A RST with data, with FIN, or with options, in the window."""
    if play.state not in {"SYN_SENT", "FIN_WAIT_2"} and play.reads:
        flags, payload = play.dice.choice(((RST | ACK, b"why"), (RST | PSH | ACK, b""), (RST, b"no")))
        play.send(flags, seq=play.nxt + play.dice.choice((0, 1, 7)), payload=payload)
        play.resume()


ACTS: tuple[tuple[Callable[[Play], None], int], ...] = (
    (old_blocks, 1), (blocks_in_flight, 1), (blocks_of_nothing, 1), (without_timestamps, 2), (from_the_past, 2),
    (with_options, 2), (with_congestion, 2), (damaged, 3), (half_before, 2), (half_behind, 2), (keep_alive, 2),
    (shut_window, 1), (out_of_order, 2), (urgent, 1), (opens_again, 2), (writes_urgently, 1), (aborts, 1),
    (resets_beside, 1),
)  # fmt: skip
