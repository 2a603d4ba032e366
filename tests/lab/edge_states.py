"""The states of the kernel's end, the segments that may meet them, and what a sane peer does behind those."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from edge_kernel import MASK, Play
from lab.packet import ACK, FIN, PSH, RST, SYN, URG

ISNS = (1000, 77_777, 2_147_483_640, 4_294_967_290)  # of the end that is played: plain ones, and two that wrap

# -- how the kernel gets there


def listening(play: Play) -> None:
    """Nothing has come yet."""


def syn_sent(play: Play) -> None:
    play.connect()


def syn_received(play: Play) -> None:
    play.say(SYN)


def crossing(play: Play) -> None:
    """SYN-RECEIVED of a simultaneous open."""
    play.connect().say(SYN)


def actively(play: Play) -> None:
    play.connect().say(SYN | ACK)


def passively(play: Play) -> None:
    play.say(SYN).say(ACK)


def crossed(play: Play) -> None:
    play.connect().say(SYN).send(SYN | ACK, seq=play.isn)


def either(play: Play) -> None:
    play.dice.choice((actively, passively))(play)


def exchanged(play: Play) -> None:
    either(play)
    play.write(20).say(ACK).say(PSH | ACK, b"hello")


def in_flight(play: Play) -> None:
    """The kernel waits for the acknowledgment of data."""
    either(play)
    play.write(20)


def zero_window(play: Play) -> None:
    """The application reads nothing, and the kernel's window is full."""
    either(play)
    play.reads = False
    for _ in range(12):
        if play.peer_window == 0:
            break
        play.say(ACK, b"x" * min(play.peer_window, 16_000))
        play.resume()


def fin_wait_1(play: Play) -> None:
    either(play)
    play.shut()


def fin_wait_1_with_data(play: Play) -> None:
    either(play)
    play.write(20).shut()


def fin_wait_2(play: Play) -> None:
    fin_wait_1(play)
    play.say(ACK)


def fin_wait_2_orphan(play: Play) -> None:
    """Nobody has the socket any more: the kernel keeps as little as in TIME-WAIT."""
    either(play)
    play.close().say(ACK)


def closing(play: Play) -> None:
    fin_wait_1(play)
    play.say(FIN | ACK, ack=play.peer_nxt - 1)


def close_wait(play: Play) -> None:
    either(play)
    play.say(FIN | ACK)


def last_ack(play: Play) -> None:
    close_wait(play)
    play.close()


def time_wait(play: Play) -> None:
    fin_wait_2_orphan(play)
    play.say(FIN | ACK)


def time_wait_of_crossing_fins(play: Play) -> None:
    closing(play)
    play.say(ACK)


Way = Callable[[Play], None]
WAYS: dict[str, Way] = {
    "LISTEN": listening,
    "SYN_SENT": syn_sent,
    "SYN_RECEIVED": syn_received,
    "CROSSING": crossing,
    "CROSSED": crossed,
    "ACTIVE": actively,
    "PASSIVE": passively,
    "EXCHANGED": exchanged,
    "IN_FLIGHT": in_flight,
    "ZERO_WINDOW": zero_window,
    "FIN_WAIT_1": fin_wait_1,
    "FIN_WAIT_1_DATA": fin_wait_1_with_data,
    "FIN_WAIT_2": fin_wait_2,
    "FIN_WAIT_2_ORPHAN": fin_wait_2_orphan,
    "CLOSING": closing,
    "CLOSE_WAIT": close_wait,
    "LAST_ACK": last_ack,
    "TIME_WAIT": time_wait,
    "TIME_WAIT_CLOSING": time_wait_of_crossing_fins,
}

# -- events

KINDS: dict[str, tuple[int, bytes]] = {
    "syn": (SYN, b""),
    "syn-data": (SYN, b"stray"),
    "syn-fin": (SYN | FIN, b""),
    "syn-rst": (SYN | RST, b""),
    "syn-ack": (SYN | ACK, b""),
    "ack": (ACK, b""),
    "data": (PSH | ACK, b"0123456789"),
    "fin": (FIN | ACK, b""),
    "fin-data": (FIN | PSH | ACK, b"0123456789"),
    "rst": (RST, b""),
    "rst-ack": (RST | ACK, b""),
    "rst-data": (RST | ACK, b"bye.."),
    "null": (0, b""),
    "push": (PSH, b"0123456789"),
    "fin-alone": (FIN, b""),
    "urgent": (URG | ACK, b"0123456789"),
    "xmas": (FIN | PSH | URG, b""),
    "xmas-ack": (FIN | PSH | URG | ACK, b""),
}
# Where a segment begins, from the kernel's RCV.NXT on (`w`: its window).
SEQS: dict[str, Callable[[int], int]] = {
    "": lambda w: 0,
    "isn": lambda w: 0,  # the ISN again, see `Event.play`
    "far-left": lambda w: -100_000,
    "left": lambda w: -500,
    "before": lambda w: -1,
    "plus1": lambda w: 1,
    "hole": lambda w: 10,
    "last": lambda w: w - 1,
    "edge": lambda w: w,
    "right": lambda w: w + 5_000,
    "far": lambda w: 1_000_000_000,
}
# What it acknowledges, from SND.UNA and SND.NXT on.
ACKS: dict[str, Callable[[int, int], int]] = {
    "": lambda una, nxt: nxt,
    "ancient": lambda una, nxt: una - 100_000,
    "old": lambda una, nxt: una - 1,
    "una": lambda una, nxt: una,
    "within": lambda una, nxt: una + 10,
    "next": lambda una, nxt: nxt + 1,
    "unsent": lambda una, nxt: nxt + 10_000,
    "ahead": lambda una, nxt: nxt + 1_000_000_000,
}
STAMPS: dict[str, int] = {"": 0, "old-clock": -1_000_000, "clock-ahead": 200_000}


@dataclass(frozen=True)
class Event:
    kind: str
    seq: str = ""
    ack: str = ""
    stamp: str = ""

    def __str__(self) -> str:
        parts = [self.kind, f"@{self.seq}" if self.seq else "", f"~{self.ack}" if self.ack else ""]
        return "".join([*parts, f"!{self.stamp}" if self.stamp else ""])

    def play(self, play: Play, **words: Any) -> None:
        """Send it; `words` are of `Play.send`."""
        flags, payload = KINDS[self.kind]
        una = play.acknowledged or play.peer_iss
        seq = play.isn if self.seq == "isn" else play.nxt + SEQS[self.seq](play.peer_window)
        ack = ACKS[self.ack](una, play.peer_nxt) if flags & ACK else None
        if self.stamp:
            words["tsval"] = play.clock + STAMPS[self.stamp]
        play.send(flags, seq=seq, ack=ack, payload=payload, **words)


def events(timestamps: bool) -> Iterator[Event]:
    """Each kind on each edge of one number, with the other one right; and a few on edges of both."""
    for kind, (flags, _) in KINDS.items():
        for seq in SEQS:
            if seq != "isn" or flags & SYN:
                yield Event(kind, seq)
        if flags & ACK:
            yield from (Event(kind, "", ack) for ack in ACKS if ack)
        if timestamps and not flags & RST:
            yield from (Event(kind, "", "", stamp) for stamp in STAMPS if stamp)
    kinds = ("ack", "fin", "fin-data", "rst-ack", "syn-ack")
    both = itertools.product(
        kinds, ("left", "before", "hole", "last", "edge", "right"), ("old", "una", "next", "unsent")
    )
    yield from itertools.starmap(Event, both)


def is_beyond_sight(state: str, reads: bool, event: Event | Complaint) -> bool:
    """Whether nobody could tell from the capture, as far as it goes, or Linux does what nobody else does.

    - A RST that acknowledges more than the SYN: the capture may lack the connection that it ends.
    - A RST just beside RCV.NXT ends a FIN-WAIT-2 that no application holds, and no other; neither answers.
    - A RST with data is left alone while the application reads nothing, as all that does not fit.
    - Data is dropped with its acknowledgment while the application reads nothing and the window is full.
    - A SYN with FIN ends TIME-WAIT where somebody listens, and nothing answers.
    """
    if state == "SYN_SENT" and event.kind in {"rst-ack", "rst-data"}:
        return event.ack in {"next", "within", "unsent"}
    if state in {"FIN_WAIT_2_ORPHAN", "FIN_WAIT_2"} and event.kind.startswith("rst"):
        return event.seq in {"before", "edge"}
    if event.kind == "rst-data" or (state.startswith("FIN_WAIT") and KINDS.get(event.kind, (0, b""))[1]):
        return not reads
    return state.startswith("TIME_WAIT") and event.kind == "syn-fin"


# ICMP errors: type and code.
ERRORS = {
    4: ((3, 0), (3, 1), (3, 2), (3, 3), (3, 13), (11, 0), (12, 0)),
    6: ((1, 0), (1, 1), (1, 3), (1, 4), (3, 0), (4, 1)),
}


@dataclass(frozen=True)
class Complaint:
    """An ICMP error about the first or the last packet of the kernel."""

    type: int
    code: int
    last: bool
    kind: str = "icmp"
    seq: str = ""
    ack: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.type}/{self.code}{' of the last' if self.last else ''}"

    def play(self, play: Play) -> None:
        sent = [taken.packet for taken in play.taken if taken.by_kernel]
        if sent:
            play.complain(self.type, self.code, sent[-1 if self.last else 0])


def complaints(version: int) -> Iterator[Complaint]:
    for (type_, code), last in itertools.product(ERRORS[version], (True, False)):
        yield Complaint(type_, code, last)


# -- what comes behind it


def lead_to_the_end(play: Play) -> None:
    """What a sane peer does, that knows nothing of the stray segment."""
    play.reads = True
    play.collect()
    done: Counter[str] = Counter()
    for _ in range(9):
        state = play.state
        done[state] += 1
        play.resume()
        if state not in NEXT or done[state] > 2 or not NEXT[state](play, done[state]):
            return


def go_on_closed(play: Play, turn: int) -> bool:
    """An ACK that finds nobody; then, where somebody listens, another connection between the same ports."""
    if play.nxt != play.isn:
        play.send(ACK)
        play.isn = (play.isn + 500_000) & MASK
        play.nxt = play.isn
    if play.actively or turn > 1:
        return False
    play.say(SYN)
    return True


def go_on_established(play: Play, turn: int) -> bool:
    play.send(ACK)
    play.write(20).say(ACK).say(PSH | ACK, b"hello").say(FIN | ACK)
    return turn == 1


NEXT: dict[str, Callable[[Play, int], object]] = {
    "CLOSED": go_on_closed,
    "SYN_SENT": lambda play, turn: play.say(SYN | ACK, seq=play.isn),
    "SYN_RECEIVED": lambda play, turn: play.send(ACK),
    "ESTABLISHED": go_on_established,
    "CLOSE_WAIT": lambda play, turn: play.send(ACK).close(),
    "FIN_WAIT_1": lambda play, turn: play.send(ACK),
    "FIN_WAIT_2": lambda play, turn: play.send(ACK).say(FIN | ACK),
    "CLOSING": lambda play, turn: play.send(ACK),
    "LAST_ACK": lambda play, turn: play.send(ACK),
    "TIME_WAIT": lambda play, turn: play.send(FIN | ACK, seq=play.nxt - 1) and False,
}
