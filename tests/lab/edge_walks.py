"""Exchanges at random: what peers, paths and applications do in no order that anybody planned.

Each step is one segment of the played end on any edge of the window, one that a sane peer would send, an old one again,
an ICMP error about something that the kernel sent, an act of the kernel's application, or a pause.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from edge_kernel import FAST_OPEN_EVERYWHERE, MASK, Kernel, Play
from edge_settings import SETTINGS, UNCHALLENGED, Setting, leave, prepare
from edge_states import ISNS, NEXT, WAYS, Event, complaints, events, is_beyond_sight, lead_to_the_end
from edge_uncommon import ACTS, SYN_OPTIONS
from lab.packet import ACK, SYN


def stray(play: Play) -> None:
    """Any kind of segment on any edge."""
    event = play.dice.choice(list(events(play.timestamps)))
    if is_beyond_sight(play.state, play.reads, event):
        return
    event.play(play)
    if play.dice.random() < 0.7:
        play.resume()


def plain(play: Play) -> None:
    """A usual segment, which may yet be the wrong one for the state."""
    kind, seq, ack = play.dice.choice(
        (("ack", "", ""), ("data", "", ""), ("fin", "", ""), ("fin", "", "una"), ("rst", "", ""), ("syn", "isn", ""),
         ("rst-ack", "", ""), ("syn", "right", ""), ("syn-ack", "isn", ""), ("ack", "", "una"), ("fin-data", "", ""))
    )  # fmt: skip
    event = Event(kind, seq, ack)
    if not is_beyond_sight(play.state, play.reads, event):
        event.play(play)
        play.resume()


def sane(play: Play) -> None:
    """What a sane peer does next."""
    if play.state in NEXT:
        NEXT[play.state](play, 1)
        play.resume()


def again(play: Play) -> None:
    """Something that was sent before, once more: from the path, or because its sender heard nothing."""
    sent = [taken.packet for taken in play.taken if not taken.by_kernel]
    if sent:
        play.inject(play.dice.choice(sent))
        play.resume()


def complaint(play: Play) -> None:
    """An ICMP error about a packet of the kernel."""
    if play.state == "SYN_RECEIVED" and play.sock is not None and not play.actively:
        return  # of Fast Open: what it does depends on whether the application had accepted by then
    play.dice.choice(list(complaints(play.version))).play(play)


def writes(play: Play) -> None:
    play.write(play.dice.choice((1, 20, 3000)))


def shuts(play: Play) -> None:
    if play.state != "SYN_SENT":  # an application that gives up sends nothing
        play.shut()


def closes(play: Play) -> None:
    if play.state != "SYN_SENT":
        play.close()


def waits(play: Play) -> None:
    """Long enough for a timer, where there are any."""
    if play.kernel.timers:
        play.idle(play.dice.choice((0.25, 0.25, 0.6, 1.2)))


STEPS: tuple[tuple[Callable[[Play], None], int], ...] = (
    (stray, 8), (plain, 4), (sane, 4), (again, 2), (complaint, 1), (writes, 2), (shuts, 1), (closes, 1), (waits, 2),
)  # fmt: skip


def on_whole_syn(play: Play) -> None:
    """Fast Open: data in the SYN, which the kernel takes."""
    play.say(SYN, b"request")


def on_open_early(play: Play) -> None:
    """Fast Open of the kernel: data in its SYN."""
    play.connect(b"request")


def on_open_early_and_answered(play: Play) -> None:
    on_open_early(play)
    play.say(SYN | ACK, ack=play.dice.choice((play.peer_nxt, (play.peer_iss + 1) & MASK)))


WALKS = WAYS | {
    "FAST_OPENED": on_whole_syn,
    "FAST_OPENS": on_open_early,
    "FAST_OPEN_ANSWERED": on_open_early_and_answered,
}


@dataclass(frozen=True)
class Walk:
    """An exchange that is the same each time, but for what the kernel does."""

    seed: int
    way: str
    setting: str = ""
    uncommon: bool = False
    events: tuple[Event, ...] = ()

    def __str__(self) -> str:
        kind = f"{self.setting and f' ({self.setting})'}{' uncommon' if self.uncommon else ''}"
        return f"walk {self.seed} {self.way}{kind}"

    def play(self, kernel: Kernel) -> Play:
        dice = random.Random(self.seed)
        play = Play(kernel, dice.choice((4, 4, 6)), dice.random() < 0.3, dice.choice(ISNS), dice)
        taciturn = kernel.timers and self.seed % 2  # it answers two strays at once as if they were one
        kernel.set("tcp_invalid_ratelimit", 500 if taciturn else 0)
        kernel.set("tcp_fastopen", FAST_OPEN_EVERYWHERE if self.way.startswith("FAST") else 0)
        setting = SETTINGS.get(self.setting, Setting())
        prepare(play, setting)
        if taciturn:
            play.blind = replace(play.blind, silent=True, excused=play.blind.excused | UNCHALLENGED.excused)
        if self.uncommon:
            play.syn_options = dice.choice(SYN_OPTIONS)
        steps = STEPS + tuple((act, 4) for act in setting.acts) + (ACTS if self.uncommon else ())
        WALKS[self.way](play)
        for _ in range(dice.randrange(1, 8)):
            dice.choices([step for step, _ in steps], [weight for _, weight in steps])[0](play)
        if dice.random() < 0.7:
            lead_to_the_end(play)
        play.end()
        leave(play)
        return play


def walks(
    first: int, count: int, *, settings: bool = False, timers: bool = False, uncommon: bool = False
) -> Iterator[Walk]:
    """The same each time; with `settings`, each through a kernel or an application that is set up unlike others.

    With `uncommon` they have segments that few stacks send.
    """
    choice = [name for name, setting in SETTINGS.items() if timers or not setting.lasting]
    for seed in range(first, first + count):
        way = random.Random(-seed).choice(list(WALKS))
        yield Walk(seed, way, choice[seed % len(choice)] if settings else "", uncommon)
