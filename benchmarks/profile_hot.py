"""Instructions that hsi spends per frame, which no busy neighbour changes: under perf, else under callgrind.

python benchmarks/profile_hot.py [--capture mix|flood] [--frames N] [--top N]

Two prefixes of a capture are analysed, N and 2 N frames; the difference is what N frames cost
once everything has started.
"""

import argparse
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path


def cut(source: Path, frames: int, target: Path) -> None:
    """Copy the first frames of a little-endian pcap file."""
    with source.open("rb") as file, target.open("wb") as out:
        out.write(file.read(24))
        for _ in range(frames):
            header = file.read(16)
            if len(header) < 16:
                sys.exit(f"{source} has fewer than {frames} frames")
            out.write(header + file.read(struct.unpack("<8xI4x", header)[0]))


def instructions(command: list[str], folder: Path) -> int | None:
    """Instructions in user space, counted by whatever can count here."""
    if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
        sys.exit(f"failed: {' '.join(command)}")
    counts = folder / "counts"
    if shutil.which("perf"):
        perf = ["perf", "stat", "-x", ",", "-e", "instructions:u", "-o", str(counts), *command]
        subprocess.run(perf, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        found = re.search(r"^(\d+),", counts.read_text(), re.MULTILINE) if counts.exists() else None
        if found:
            return int(found[1])
    if shutil.which("valgrind"):  # a virtual machine may have no counters
        grind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder / 'callgrind'}", *command]
        said = subprocess.run(grind, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False).stderr
        found = re.search(r"Collected : (\d+)", said)
        if found:
            return int(found[1])
    return None


def hottest(command: list[str], folder: Path, top: int) -> None:
    """Print where the time goes, if perf can sample."""
    data = str(folder / "perf.data")
    record = ["perf", "record", "-q", "-o", data, *command]
    if not shutil.which("perf") or subprocess.run(record, capture_output=True, check=False).returncode:
        return
    report = ["perf", "report", "-i", data, "--stdio", "-q", "--percent-limit", "0.5", "--sort", "dso,symbol"]
    lines = subprocess.run(report, capture_output=True, text=True, check=False).stdout.splitlines()
    print("\n".join([line for line in lines if line.strip()][:top]))


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description="Instructions per frame, and the hottest functions.")
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "hsi-benchmarks")
    parser.add_argument("--capture", choices=("mix", "flood"), default="mix")
    parser.add_argument("--frames", type=int, default=200_000)
    parser.add_argument("--top", type=int, default=25)
    parser.add_argument("--hsi", default=shutil.which("hsi", path=str(Path(sys.executable).parent)) or "hsi")
    options = parser.parse_args()
    source = options.dir / f"{options.capture}.pcap"
    if not shutil.which(options.hsi):
        sys.exit(f"not here: {options.hsi}")
    if not source.exists():
        sys.exit(f"not here: {source}; make_captures.py makes it")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spent = []
        for times in (1, 2):
            part = folder / f"{times}.pcap"
            cut(source, times * options.frames, part)
            spent.append(instructions([options.hsi, "analyze", "--no-connections", str(part)], folder))
        if spent[0] is None or spent[1] is None:
            sys.exit("neither perf nor valgrind could count instructions here")
        print(f"{(spent[1] - spent[0]) / options.frames:.0f} instructions per frame, {options.capture}")
        print(f"{spent[0] / 1e6:.0f} M instructions for the first {options.frames:,} frames, start-up included")
        hottest([options.hsi, "analyze", "--no-connections", str(source)], folder, options.top)


if __name__ == "__main__":
    main()
