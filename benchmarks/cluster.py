#!/usr/bin/env python3
"""One capture in parts: bytes that move and seconds, beside one process; here, and by the workers of a local cluster.

The reports are compared as well.  Bytes are those of the values that stages hand on from one worker to another.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from make_captures import default_directory
from many_files import cut

from handshake_inspect import engine
from handshake_inspect.cluster.analysis import Here, analyze
from handshake_inspect.cluster.parts import Sizes
from handshake_inspect.cluster.scheduler import Workers, connected
from handshake_inspect.cluster.tables import Pumped
from handshake_inspect.engine import Options

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.captures import records
from support.wire import written

MOVES = {"tuples": "hashes", "datagrams": "datagrams", "times": "times"}


class Counting(Here):
    """Counts what moves."""

    def __init__(self):
        self.moved = dict.fromkeys(["hashes", "segments", "datagrams", "times", "rows"], 0)

    def submit(self, stage, function, *given):
        value = super().submit(stage, function, *given)
        if function.__name__ == "one_way":
            self.moved["segments"] += value.nbytes
        return value

    def item(self, submitted, name):
        value = super().item(submitted, name)
        if name in MOVES:
            self.moved[MOVES[name]] += size_of(value)
        return value

    def results(self, submitted, done=None):
        found = super().results(submitted, done)
        self.moved["rows"] += sum(each.nbytes for each in found if isinstance(each, Pumped))
        return found


def size_of(value):
    """Bytes of arrays, of records, and of lists of these."""
    return sum(map(size_of, value)) if isinstance(value, list) else 0 if value is None else value.nbytes


def timed(function):
    """What it returned, its seconds, and those of the processors: of this process and of children that have ended."""
    before, began = cpu(), time.monotonic()
    made = function()
    return made, time.monotonic() - began, cpu() - before


def cpu():
    """Seconds of the processors so far."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def by_workers(paths, count):
    """The report of so many workers."""
    with connected(f"local:{count}") as client:
        return analyze(paths, Workers(client), sizes=Sizes(least=0))


def show(what, wall, used, size, moved=None):
    """A line."""
    moves = "" if moved is None else "".join(f"  {name} {100 * n / size:.1f} %" for name, n in moved.items() if n)
    print(f"{what:22} {wall:6.1f} s  {used:6.1f} s of CPU{moves}", flush=True)


def main():
    """Cut, run, and print a line for each."""
    parser = argparse.ArgumentParser(description="The cost of parts.")
    parser.add_argument("--parts", type=int, nargs="*", default=[8, 64])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("capture", nargs="?", type=Path, default=default_directory() / "mix.pcap")
    given = parser.parse_args()
    data = given.capture.read_bytes()
    ends = records(data)
    with tempfile.TemporaryDirectory() as name:
        one, wall, used = timed(lambda: engine.analyze([given.capture], options=Options(jobs=0)))
        show("one process", wall, used, len(data))
        for parts in given.parts:
            directory = Path(name) / str(parts)
            cut(data, ends, parts, directory)
            paths = sorted(directory.iterdir())
            runner = Counting()
            here, wall, used = timed(lambda paths=paths, runner=runner: analyze(paths, runner, sizes=Sizes(least=0)))
            show(f"{parts} parts, here", wall, used, len(data), runner.moved)
            there, wall, used = timed(lambda paths=paths: by_workers(paths, given.workers))
            show(f"{parts} parts, {given.workers} workers", wall, used, len(data))
            expected = written(engine.analyze(paths))
            if not written(here) == written(there) == expected:
                sys.exit("the reports differ")
        if one.summary != here.summary:
            sys.exit("the report of one file differs")


if __name__ == "__main__":
    main()
