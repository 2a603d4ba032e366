#!/usr/bin/env python3
"""One capture in one file, as a ring of thousands of files, and as the rings of two sensors: CPU seconds of each.

The reports are compared as well: only names of files may differ.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from make_captures import default_directory
from run import seconds

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.captures import records

HEADER = 24


def cut(data, ends, count, directory):
    """Write `count` files of about as many records each, as `tcpdump -C` names them."""
    directory.mkdir()
    bounds = [number * (len(ends) - 1) // count for number in range(count + 1)]
    for number in range(count):
        part = data[ends[bounds[number]] : ends[bounds[number + 1]]]
        (directory / f"ring.pcap{number or ''}").write_bytes(data[:HEADER] + part)


def halves(data, ends):
    """Every other run of 64 records: what two sensors captured."""
    for first in (0, 64):
        runs = range(first, len(ends) - 1, 128)
        yield data[:HEADER] + b"".join(data[ends[at] : ends[min(at + 64, len(ends) - 1)]] for at in runs)


def summary(command):
    """What a run says in one line."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main():
    """Cut, run, and print a line for each."""
    parser = argparse.ArgumentParser(description="The cost of many files.")
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hsi", default=f"{sys.executable} -P -m handshake_inspect", help="how hsi is run")
    parser.add_argument("capture", nargs="?", type=Path, default=default_directory() / "mix.pcap")
    given = parser.parse_args()
    data = given.capture.read_bytes()
    ends = records(data)
    command = [*given.hsi.split(), "-q"]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        cut(data, ends, given.files, directory / "ring")
        for half, part in zip("ab", halves(data, ends), strict=True):
            cut(part, records(part), given.files // 2, directory / f"sensor-{half}")
        kinds = {
            "one file": [str(given.capture)],
            f"{given.files} files, one sensor": [str(directory / "ring")],
            f"{given.files} files, two sensors": [str(directory / "sensor-a"), str(directory / "sensor-b")],
        }
        if len({summary([*command, *paths]) for paths in kinds.values()}) != 1:
            sys.exit("the reports differ")
        taken = {kind: [] for kind in kinds}
        for _ in range(given.rounds):
            for kind, paths in kinds.items():
                taken[kind].append(seconds([*command, *paths]))
    least = statistics.median(taken["one file"])
    for kind, each in taken.items():
        middle = statistics.median(each)
        print(f"{kind:28} {middle:6.2f} s of CPU  {middle / least:5.2f} x")


if __name__ == "__main__":
    main()
