"""State, event and edge of the window: one stray segment into each state of a real kernel, and what hsi makes of it.

    sudo python tests/lab/edges.py [--every N] [--only TEXT]
        [--pairs | --walks N [--first SEED] [--settings] [--uncommon]] [--timers] [--jobs N] [--show] [--save DIR]

For each scenario a connection is brought into a state, one segment is sent whose numbers lie on an edge, or an ICMP
error, then the connection is led to its end as if nothing had been.  After each frame hsi's state of the kernel's end,
from the capture so far, is held against /proc/net/tcp.  `--walks` are exchanges at random (`edge_walks.py`);
`--timers` lets time pass, so that the kernel sends again, with many kernels at a time (`--jobs`).

It needs root for a network of its own; CI plays a part of it (`test_edges.py`).
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from edge_compare import compare, shown
from edge_kernel import Kernel, Play
from edge_states import ISNS, WAYS, Complaint, Event, complaints, events, is_beyond_sight, lead_to_the_end
from edge_walks import Walk, walks

PLAIN = str.maketrans(" /", "_-")  # of the names of files


@dataclass(frozen=True)
class Scenario:
    way: str
    events: tuple[Event | Complaint, ...]
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
            for event in (*events(timestamps), *complaints(version)):
                yield Scenario(way, (event,), version, timestamps)


def pairs(count: int = 10_000) -> Iterator[Scenario]:
    """Two events in a row, drawn at random, the same each time."""
    dice = random.Random(count)
    for _ in range(count):
        version, timestamps = dice.choice((4, 6)), dice.random() < 0.3
        choice = list(events(timestamps))
        yield Scenario(dice.choice(list(WAYS)), (dice.choice(choice), dice.choice(choice)), version, timestamps)


def play_all(options: argparse.Namespace, job: int) -> tuple[int, int]:
    """The share of one of the kernels: how many scenarios, and in how many of them hsi disagrees."""
    kernel = Kernel(timers=options.timers)
    played = wrong = 0
    for scenario in itertools.islice(chosen(options), job, None, options.jobs):
        for _ in range(2):  # the kernel of a busy machine may answer late, which is no state of its own
            play = scenario.play(kernel)
            found = list(compare(play))
            if not found:
                break
        played += 1
        wrong += bool(found)
        if found:
            number, how = found[0]
            text = [f"{scenario}: frame {number}: {how}", *(shown(play, number + 2) if options.show else ())]
            print("\n".join(text), flush=True)
        if found and options.save:
            options.save.mkdir(exist_ok=True)
            (options.save / f"{str(scenario).translate(PLAIN)}.pcap").write_bytes(play.pcap())
    return played, wrong


def play_apart(options: argparse.Namespace, job: int) -> int:
    """As `play_all`, in a process of its own; where its figures can be read."""
    reads, writes = os.pipe()
    if os.fork() == 0:
        os.write(writes, struct.pack("II", *play_all(options, job)))
        os._exit(0)
    os.close(writes)
    return reads


def chosen(options: argparse.Namespace) -> Iterator[Scenario | Walk]:
    """What the options ask for."""
    if options.walks:
        source: Iterator[Scenario | Walk] = walks(
            options.first,
            options.walks,
            settings=options.settings,
            timers=options.timers,
            uncommon=options.uncommon,
        )
    else:
        source = pairs() if options.pairs else scenarios()
    for at, scenario in enumerate(source):
        beyond = any(is_beyond_sight(scenario.way, scenario.way != "ZERO_WINDOW", event) for event in scenario.events)
        if at % options.every == 0 and options.only in str(scenario) and not beyond:
            yield scenario


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--every", type=int, default=1, help="play one scenario in so many")
    parser.add_argument("--only", default="", help="play those whose name has this in it")
    parser.add_argument("--pairs", action="store_true", help="two stray segments each, instead of one")
    parser.add_argument("--walks", type=int, default=0, help="so many random exchanges instead")
    parser.add_argument("--first", type=int, default=0, help="with --walks: begin with this one, to play others")
    parser.add_argument("--settings", action="store_true", help="with --walks: kernels that are set up unlike others")
    parser.add_argument("--uncommon", action="store_true", help="with --walks: also segments that few stacks send")
    parser.add_argument("--timers", action="store_true", help="let time pass, so that the kernel's timers run out")
    parser.add_argument("--jobs", type=int, default=1, help="so many kernels at a time")
    parser.add_argument("--show", action="store_true", help="print every frame of those that disagree")
    parser.add_argument("--save", type=Path, help="keep the captures of disagreements there")
    options = parser.parse_args()
    if options.jobs == 1:
        played, wrong = play_all(options, 0)
    else:
        figures = [os.read(each, 8) for each in [play_apart(options, job) for job in range(options.jobs)]]
        played, wrong = map(sum, zip(*(struct.unpack("II", each) for each in figures), strict=True))
    print(f"{played - wrong}/{played}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
