#!/usr/bin/env python3
"""One capture in parts, beside one process: bytes that move and seconds, here, by threads, and by a Dask cluster.

The reports are compared as well.  Bytes are those of the values that stages hand on from one worker to another.
Seconds of a Dask cluster are those of a run: what its start costs is shown apart, and paid once.

With `--here`, `local:2` of the uncut capture instead, as commands of their own: processor time and memory.
"""

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import distributed
from make_captures import default_directory
from many_files import cut

from handshake_inspect import engine
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.cli import memory
from handshake_inspect.cluster import scanning, threads
from handshake_inspect.cluster.analysis import InlineRunner, analyze
from handshake_inspect.cluster.parts import Sizes, parts_of
from handshake_inspect.cluster.scheduler import Workers
from handshake_inspect.cluster.tables import Pumped
from handshake_inspect.engine import Options
from handshake_inspect.render import FORMATS
from handshake_inspect.render import Options as Written

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.captures import records
from support.wire import written

MOVES = {"tuples": "hashes", "datagrams": "datagrams", "times": "times"}
LOOK_S = 0.01  # seconds between two looks at the memory of a run
EACH = Sizes(least=0)  # every file is a part


class Counting(InlineRunner):
    """Counts what moves."""

    def __init__(self):
        self.moved = dict.fromkeys(["hashes", "segments", "datagrams", "times", "rows"], 0)

    def submit(self, stage, function, *given):
        value = super().submit(stage, function, *given)
        if function.__name__ == "shard_of":
            self.moved["segments"] += value.nbytes
        if stage == "fetch":
            self.moved["rows"] += value.nbytes
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


def timed(function, client=None):
    """What it returned, its seconds, and those of the processors: of this process and of a client's workers."""
    before, began = cpu(client), time.monotonic()
    made = function()
    return made, time.monotonic() - began, cpu(client) - before


def cpu(client):
    """Seconds of the processors so far."""
    workers = sum(client.run(time.process_time).values()) if client is not None else 0
    return time.process_time() + workers


@contextmanager
def cluster(count):
    """A client of so many processes."""
    with (
        distributed.LocalCluster(
            n_workers=count, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as local,
        distributed.Client(local) as client,
    ):
        yield client


def show(what, wall, used, size=0, moved=None):
    """A line."""
    moves = "" if moved is None else "".join(f"  {name} {100 * n / size:.1f} %" for name, n in moved.items() if n)
    print(f"{what:32} {wall:6.2f} s  {used:6.2f} s of CPU{moves}", flush=True)


def main():
    """Cut, run, and print a line for each."""
    parser = argparse.ArgumentParser(description="The cost of parts.")
    parser.add_argument("--parts", type=int, nargs="*", default=[8, 64])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="how often to run; the least time counts")
    parser.add_argument("--here", action="store_true", help="measure local:2 of the uncut capture")
    parser.add_argument("capture", nargs="?", type=Path, default=default_directory() / "mix.pcap")
    given = parser.parse_args()
    if given.here:
        measure_here(given)
        return
    memory.dedicated = True
    memory.tune()
    data = given.capture.read_bytes()
    ends = records(data)
    began, used = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as name, cluster(given.workers) as client:
        used = time.process_time() - used + sum(client.run(time.process_time).values())
        show(f"start of {given.workers} Dask workers", time.monotonic() - began, used)
        for parts in given.parts:
            cut(data, ends, parts, Path(name) / str(parts))
        size = len(data)
        del data
        measure(given, sorted(Path(name).iterdir()), size, client)


def measure(given, directories, size, client):
    """The lines of each directory of parts."""
    alone = partial(engine.analyze, [given.capture], options=Options(jobs=0))
    show("one process", *best(given.rounds, alone)[1:])
    show("a dataset by one process", *best(1, lambda: dataset(alone()))[1:])
    for directory in directories:
        paths, counting = sorted(directory.iterdir()), Counting()
        said = f"{len(paths)} parts, "
        analyze(paths, counting, sizes=EACH)
        expected = written(engine.analyze(paths))
        with threads.started(given.workers) as own:
            ways = {"here": (InlineRunner(), None), f"{given.workers} threads": (own, None),
                    f"{given.workers} Dask workers": (Workers(client), client)}  # fmt: skip
            for what, (runner, there) in ways.items():
                report, wall, used = best(given.rounds, partial(analyze, paths, runner, sizes=EACH), there)
                show(said + what, wall, used, size, counting.moved if what == "here" else None)
                if written(report) != expected:
                    sys.exit("the reports differ")
        counting = Counting()
        analyze(paths, counting, sizes=EACH, apart=True)
        there = Workers(client)
        _, wall, used = best(1, lambda: dataset(analyze(paths, there, sizes=EACH, apart=True)), client)  # noqa: B023
        show(f"{said}a dataset by them", wall, used, size, counting.moved)


def dataset(report):
    """Write a dataset, and drop it."""
    with tempfile.TemporaryDirectory() as directory:
        FORMATS["parquet"].write_dataset(report, Path(directory), Written())


# -- `local:2`, as commands --------------------------------------------------------------------------------------------

# hsi, with rows in a file as where memory is short.
FILED = "import handshake_inspect.cluster.row_arrays as a, handshake_inspect.cli as cli; a.memory = int; cli.main()"
WAYS = {"one process": (), "local:2": ("--cluster", "local:2")}


def measure_here(given):
    """The lines of `local:2`, beside one process."""
    small = str(given.capture.parent / "small.pcap")
    start = {way: run(given.rounds, ["-q", small, *more]) for way, more in WAYS.items()}
    used, peaks = zip(*start.values(), strict=True)
    print(f"20 frames: {used[1] - used[0]:.2f} s of CPU more for local:2; {peaks[0]:.0f} MB in one process")
    first = min(timed(partial(first_pass, given.capture))[2] for _ in range(given.rounds))
    whole = min(
        timed(partial(engine.analyze, [given.capture], options=Options(jobs=0)))[2] for _ in range(given.rounds)
    )
    print(f"the first pass is {first / whole:.2f} of an analysis")
    for what, more in {**WAYS, "local:2, rows in a file": (*WAYS["local:2"], FILED)}.items():
        for output in ([], ["-T", "parquet", "-o"]):
            used, peak = run(given.rounds, ["-q", str(given.capture), *more, *output])
            print(f"{what:24} {'dataset' if output else '-q':8} {used:6.2f} s of CPU  {peak:5.0f} MB", flush=True)


def first_pass(capture):
    """Scan the capture."""
    with open_trace([str(capture)]) as trace:
        parts = parts_of(trace, [str(capture)], Sizes())
    for part in parts:
        scanning.scan(part, False)


def run(rounds, words):
    """The least processor seconds of this command, and the least of its peaks of memory in MB."""
    start = ["-c", words.pop(words.index(FILED))] if FILED in words else ["-m", "handshake_inspect"]
    seen = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as directory:
            last = [f"{directory}/dataset/"] if words[-1] == "-o" else []
            child = subprocess.Popen([sys.executable, "-P", *start, *words, *last], stdout=subprocess.DEVNULL)
            seen.append(watched(child))
            if child.returncode:
                sys.exit(f"{words} failed")
    return min(used for used, _ in seen), min(peak for _, peak in seen)


def watched(child):
    """Processor seconds of a child, and its peak of memory without mapped files, which the system may take away."""
    ended, peak = 0, 0
    while not ended:
        with suppress(OSError):
            status = Path(f"/proc/{child.pid}/status").read_text()
            peak = max([peak, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))])
        time.sleep(LOOK_S)
        ended, status, spent = os.wait4(child.pid, os.WNOHANG)
    child.returncode = os.waitstatus_to_exitcode(status)
    return spent.ru_utime + spent.ru_stime, peak * 1024 / 1e6


def best(rounds, function, client=None):
    """As `timed`, of the round that took the least of the processors."""
    return min((timed(function, client) for _ in range(rounds)), key=lambda each: each[2])


if __name__ == "__main__":
    main()
