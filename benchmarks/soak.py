#!/usr/bin/env python3
"""A live run of millions of connections through a small table: how fast, and that memory stays flat.

    python benchmarks/soak.py --connections 5000000 --keep 100000

The frames are made while they are read (`endless.py`), so that the figures are of the run, and a little of making them
(`--only-frames` says how much).  One line for each tenth of the connections.
"""

import argparse
import resource
import time
from pathlib import Path

from endless import FRAMES_PER_TEN, Endless

from handshake_inspect.capture.source import open_source
from handshake_inspect.engine.live import LiveOptions, LiveRun
from handshake_inspect.live.pipe import PipeSource

MIB = 1 << 20
LINES = 10


def rss_mib() -> float:
    """Resident memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / MIB


class Meter(Endless):
    """Prints a line whenever a tenth of the connections has begun."""

    run: LiveRun | None = None
    began = 0.0

    def readinto(self, room: memoryview) -> int:  # type: ignore[override]
        """As Endless."""
        before = self.begun * LINES // self.connections
        taken = super().readinto(room)
        if self.begun * LINES // self.connections > before:
            self.tell()
        return taken

    def tell(self) -> None:
        """One line."""
        seconds = time.perf_counter() - self.began
        rows = self.run.pump.tracker.table.connection_count if self.run else 0
        print(
            f"{self.begun:>12,} {seconds:>9.1f} {self.begun / seconds:>14,.0f} {rss_mib():>9.1f} {rows:>10,}",
            flush=True,
        )


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=5_000_000)
    parser.add_argument("--keep", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=10_000, help="connections a second, in the time of the capture")
    parser.add_argument("--services", type=int, default=50)
    parser.add_argument("--only-frames", action="store_true", help="make the frames and do nothing with them")
    options = parser.parse_args()
    stream = Meter(options.connections, options.rate, options.services)
    print(f"{'connections':>12} {'seconds':>9} {'connections/s':>14} {'RSS MiB':>9} {'rows':>10}")
    stream.began = time.perf_counter()
    if options.only_frames:
        room = memoryview(bytearray(MIB))
        while stream.readinto(room):
            pass
        return
    with PipeSource(open_source(stream), None) as source:
        stream.run = LiveRun(source, LiveOptions(keep=options.keep))
        report = stream.run.run()
    seconds = time.perf_counter() - stream.began
    print(f"{report.summary.connections:,} connections, {report.capture.frames:,} frames in {seconds:.1f} s", end=", ")
    print(f"{FRAMES_PER_TEN / 10:g} frames each; {len(report.connections):,} listed; peak", end=" ")
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f} MiB")
    print({name: count for name, count in report.summary.outcomes.as_dict().items() if count})
    print("findings:", ", ".join(sorted({finding.id for finding in report.findings})) or "none")


if __name__ == "__main__":
    main()
