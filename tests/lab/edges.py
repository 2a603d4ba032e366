"""State, event and edge of the window: one stray segment into each state of a real kernel, and what hsi makes of it.

    sudo python tests/lab/edges.py [--every N] [--only TEXT] [--pairs] [--show] [--save DIR]

For each scenario a connection is brought into a state, one segment is sent whose numbers lie on an edge, then the
connection is led to its end as if nothing had been.  After each frame hsi's state of the kernel's end, from the capture
so far, is held against /proc/net/tcp.  It needs root for a network of its own; CI plays a part of it
(`test_edges.py`).
"""

from __future__ import annotations

import argparse
import io
import itertools
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from edge_kernel import MASK, OURS, Kernel, Play
from lab.packet import ACK, FIN, PSH, RST, SYN, URG, parse

from handshake_inspect.capture.frames import NEED_MORE
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.reporting import _capture as capture_of
from handshake_inspect.engine.reporting import case_of, end_of
from handshake_inspect.report.build import build
from handshake_inspect.report.model import Tool
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.verdicts.limits import Limits

ISNS = (1000, 77_777, 2_147_483_640, 4_294_967_290)  # of the end that is played: plain ones, and two that wrap
SYNCHRONIZED = {"ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT"}

# -- states: how the kernel gets there


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

    def play(self, play: Play) -> None:
        flags, payload = KINDS[self.kind]
        una = play.acknowledged or play.peer_iss
        seq = play.isn if self.seq == "isn" else play.nxt + SEQS[self.seq](play.peer_window)
        ack = ACKS[self.ack](una, play.peer_nxt) if flags & ACK else None
        tsval = play.clock + STAMPS[self.stamp] if self.stamp else None
        play.send(flags, seq=seq, ack=ack, payload=payload, tsval=tsval)


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
    both = itertools.product(("ack", "fin", "fin-data"), ("left", "hole", "right"), ("old", "next", "unsent"))
    yield from itertools.starmap(Event, both)


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


@dataclass(frozen=True)
class Scenario:
    way: str
    events: tuple[Event, ...]
    version: int = 4
    timestamps: bool = False

    def __str__(self) -> str:
        kind = f"IPv{self.version}{' timestamps' if self.timestamps else ' plain'}"
        return f"{self.way} {' '.join(map(str, self.events))} {kind}"

    def play(self, kernel: Kernel) -> Play:
        dice = random.Random(str(self))
        play = Play(kernel, self.version, self.timestamps, dice.choice(ISNS), dice)
        WAYS[self.way](play)
        for event in self.events:
            event.play(play)
            play.resume()
        lead_to_the_end(play)
        play.end()
        return play


def scenarios() -> Iterator[Scenario]:
    for version, timestamps in ((4, False), (4, True), (6, False), (6, True)):
        for way in WAYS:
            for event in events(timestamps):
                yield Scenario(way, (event,), version, timestamps)


def pairs(count: int = 10_000) -> Iterator[Scenario]:
    """Two events in a row, drawn at random, the same each time."""
    dice = random.Random(count)
    for _ in range(count):
        version, timestamps = dice.choice((4, 6)), dice.random() < 0.3
        choice = list(events(timestamps))
        yield Scenario(dice.choice(list(WAYS)), (dice.choice(choice), dice.choice(choice)), version, timestamps)


def is_beyond_sight(scenario: Scenario) -> bool:
    """Whether nobody could tell from the capture, as far as it goes, or Linux does what nobody else does.

    - A RST that acknowledges more than the SYN: the capture may lack the connection that it ends.
    - A RST just beside RCV.NXT ends a FIN-WAIT-2 that no application holds, and no other; neither answers.
    - A RST with data is left alone while the application reads nothing, as all that does not fit.
    - A SYN with FIN ends TIME-WAIT where somebody listens, and nothing answers.
    """
    beyond = {"next", "within", "unsent"}
    for event in scenario.events:
        if scenario.way == "SYN_SENT" and event.kind in {"rst-ack", "rst-data"} and event.ack in beyond:
            return True
        if scenario.way == "FIN_WAIT_2_ORPHAN" and event.kind.startswith("rst") and event.seq in {"before", "edge"}:
            return True
        if scenario.way == "ZERO_WINDOW" and event.kind == "rst-data":
            return True
        if scenario.way.startswith("TIME_WAIT") and event.kind == "syn-fin":
            return True
    return False


# -- what hsi makes of it


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
            pump.most = count
            while pump.drain(source.reader) == NEED_MORE and pump.frames < count and source.fill():
                pass
            yield rows_of(source, pump, play)


def rows_of(source: object, pump: Pump, play: Play) -> list[Row]:
    case = case_of(source, pump, Limits(), end_of(source, pump))
    report = build(Tool("hsi", ""), capture_of(source, pump, case), case, [], 0)
    made = []
    for row in report.connections:
        is_client = row.client.ip == OURS[play.version]
        state = row.state.client if is_client else row.state.server
        way = row.client_to_server if is_client else row.server_to_client
        made.append(Row(state, row.outcome, way.retransmissions))
    return made


def compare(play: Play) -> Iterator[tuple[int, str]]:
    """Where hsi and the kernel disagree: (frame, how)."""
    synchronized = False
    for number, (taken, rows) in enumerate(zip(play.taken, rows_after_each(play), strict=True), 1):
        if taken.state is None:
            continue
        live = [row.state for row in rows if row.state != "CLOSED"]
        if live != ([] if taken.state == "CLOSED" else [taken.state]):
            yield number, f"state {'+'.join(row.state for row in rows) or 'none'} is {taken.state}"
        synchronized = synchronized or taken.state in SYNCHRONIZED
        outcome = rows[0].outcome if rows else None
        lied = outcome == "established" and not synchronized
        if len(rows) == 1 and live and (lied or (synchronized and not play.actively and outcome != "established")):
            yield number, f"outcome {outcome}, state {taken.state}"
        told = sum(row.retransmissions for row in rows)
        if taken.retransmissions is not None and len(rows) == 1 and told != taken.retransmissions:
            yield number, f"retransmissions {told} are {taken.retransmissions}"


def show(play: Play) -> None:
    """Each frame, with numbers from the ISNs on, and both states after it."""
    for number, (taken, rows) in enumerate(zip(play.taken, rows_after_each(play), strict=True), 1):
        segment = parse(b"\0" * 12 + (b"\x86\xdd" if play.version == 6 else b"\x08\x00") + taken.packet)
        assert segment is not None
        letters = "".join(letter for bit, letter in enumerate("FSRPAU") if segment.flags >> bit & 1) or "-"
        mine, other = (play.peer_iss, play.first_isn) if taken.by_kernel else (play.first_isn, play.peer_iss)
        told = "+".join(f"{row.state} {row.outcome}" for row in rows)
        print(
            f"  {number:3} {'kernel' if taken.by_kernel else 'played'} {letters:4} seq {(segment.seq - mine) & MASK}"
            f" ack {(segment.ack - other) & MASK} len {len(segment.payload)}   {taken.state}   hsi: {told}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--every", type=int, default=1, help="play one scenario in so many")
    parser.add_argument("--only", default="", help="play those whose name has this in it")
    parser.add_argument("--pairs", action="store_true", help="two stray segments each, instead of one")
    parser.add_argument("--show", action="store_true", help="print every frame of those that disagree")
    parser.add_argument("--save", type=Path, help="keep the captures of disagreements there")
    options = parser.parse_args()
    kernel = Kernel()
    played = wrong = 0
    for at, scenario in enumerate(pairs() if options.pairs else scenarios()):
        if at % options.every or options.only not in str(scenario) or is_beyond_sight(scenario):
            continue
        play = scenario.play(kernel)
        played += 1
        found = list(compare(play))
        wrong += bool(found)
        for number, how in found[:1]:
            print(f"{scenario}: frame {number}: {how}")
            if options.show:
                show(play)
        if found and options.save:
            options.save.mkdir(exist_ok=True)
            (options.save / f"{str(scenario).replace(' ', '_')}.pcap").write_bytes(play.pcap())
    print(f"{played - wrong}/{played}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
