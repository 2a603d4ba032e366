"""Instructions of the compiled modules for each frame, held to a record: a count, which no busy neighbour changes.

    python benchmarks/instructions.py             # fails where a count rose by more than a twentieth
    python benchmarks/instructions.py --record    # after a change that is meant

The pump alone is run, on short captures of the kinds that `make_captures.py` makes, under callgrind.  Python,
NumPy and the C library are not counted, so that only hsi's code and the compiler matter; where another compiler than
the recorded one made it, counts are shown and held to nothing.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from make_captures import make_flood, make_mix
from packets import write_pcap

RECORDED = Path(__file__).with_name("instructions.json")
ALLOWED = 1.05
SEED = 9293
CAPTURES = {"mix": lambda rng: make_mix(rng, 4_000), "flood": lambda rng: make_flood(rng, 90_000)}
PUMP = """
import sys
from handshake_inspect.about import build
from handshake_inspect.capture.pcap import PcapReader
from handshake_inspect.engine.pump import Pump
from handshake_inspect.tcp.tracker import Tracker
if build() != "compiled":
    sys.exit("this is the pure build")
data = open(sys.argv[1], "rb").read()
reader, pump = PcapReader(), Pump(Tracker(1 << 20))
reader.feed(data, 0, len(data), 0)
pump.drain(reader)
print(pump.frames)
"""


def counted(profile: Path) -> int:
    """The instructions that a callgrind profile has for the extensions of hsi."""
    names: dict[str, str] = {}
    total, mine, called = 0, False, False
    for line in profile.read_text().splitlines():
        if found := re.match(r"ob=(\(\d+\))(?: (.*))?", line):
            name = names[found[1]] = found[2] or names[found[1]]
            mine = "/handshake_inspect/" in name
        elif found := re.match(r"cob=(\(\d+\)) (.*)", line):
            names[found[1]] = found[2]
        elif line.startswith("calls="):
            called = True  # the next line is what the callee took
        elif line[:1] in "+-*0123456789" and line:
            if mine and not called:
                total += int(line.split()[-1])
            called = False
    return total


def per_frame(name: str, folder: Path) -> float:
    """Instructions for each frame of a capture of this kind."""
    rows, conns = CAPTURES[name](np.random.default_rng(SEED))
    capture, profile = folder / f"{name}.pcap", folder / f"{name}.callgrind"
    write_pcap(capture, rows, conns)
    grind = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={profile}"]
    command = [*grind, sys.executable, "-P", "-c", PUMP, str(capture)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"failed: {ran.stderr.strip().splitlines()[-1]}")
    return counted(profile) / int(ran.stdout)


def compiler() -> str:
    """Who compiles here."""
    said = subprocess.run(["gcc", "-dumpversion"], capture_output=True, text=True, check=False).stdout.strip()
    return f"gcc {said.partition('.')[0]}"


def main() -> None:
    """Count, and compare or record."""
    parser = argparse.ArgumentParser(description="Instructions for each frame, held to what was recorded.")
    parser.add_argument("--record", action="store_true", help="write the counts down instead")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not here")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as both:
        counts = dict(zip(CAPTURES, both.map(lambda name: round(per_frame(name, Path(folder))), CAPTURES), strict=True))
    print(f"note: {', '.join(f'{name} {count}' for name, count in counts.items())} instructions for each frame")
    if options.record:
        RECORDED.write_text(json.dumps({"compiler": compiler(), **counts}, indent=2) + "\n")
        return
    recorded = json.loads(RECORDED.read_text())
    if recorded["compiler"] != compiler():
        print(f"note: {compiler()} is not {recorded['compiler']}, which the recorded counts are of")
        return
    risen = [name for name, count in counts.items() if count > recorded[name] * ALLOWED]
    if risen:
        sys.exit(
            "\n".join(
                f"{name}: {counts[name]} instructions for each frame, {recorded[name]} recorded" for name in risen
            )
        )


if __name__ == "__main__":
    main()
