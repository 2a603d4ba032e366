"""Runs hsi and its peers over the same captures, side by side, and prints what they took.

    python benchmarks/run.py [--rounds N] [--quick] [--tools hsi,tcpdump,...] [--markdown]

Rounds are interleaved (A B C A B C ...), so that what the machine does meanwhile hits all alike; figures are medians.
This process imports nothing big: a child's peak memory cannot be seen below that of the process that forked it.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
CAPTURES = ("mix", "flood")
STARTS = 10
TIMEOUT_S = 600
MEMORY_GIB = 12
QUICK_ONCE = 10.0  # seconds; with --quick, what took longer is not run again


@dataclass(frozen=True)
class Tool:
    """A command line; `{}` stands for the capture."""

    name: str
    command: tuple[str, ...]
    slow: bool = False


TOOLS = (
    Tool("hsi", ("hsi", "analyze", "{}")),
    Tool("hsi-summary", ("hsi", "analyze", "--no-connections", "{}")),
    Tool("hsi-json", ("hsi", "analyze", "-T", "json", "{}")),
    Tool("tcpdump", ("tcpdump", "-r", "{}", "-w", "/dev/null")),
    # -X: without the settings of /etc/argus.conf.
    Tool("argus", ("argus", "-X", "-r", "{}", "-w", "/dev/null")),
    # -n: without asking the name servers.
    Tool("tcptrace", ("tcptrace", "-n", "-l", "-r", "{}"), slow=True),
    Tool("tshark", ("tshark", "-n", "-q", "-z", "conv,tcp", "-r", "{}"), slow=True),
    Tool("dpkt-loop", (sys.executable, str(HERE / "dpkt_loop.py"), "{}"), slow=True),
)


@dataclass(frozen=True)
class Run:
    """One child, from start to exit: seconds, and peak resident bytes."""

    wall: float
    user: float
    system: float
    peak: int
    failure: str | None = None


@dataclass
class Series:
    """All runs of one tool over one capture."""

    tool: Tool
    runs: list[Run] = field(default_factory=list)

    @property
    def failure(self) -> str | None:
        """Why the tool is out, if it is."""
        return next((run.failure for run in self.runs if run.failure), None)

    def median(self, figure: str) -> float:
        """The median of one figure over the rounds."""
        return float(statistics.median(getattr(run, figure) for run in self.runs))


def measure(command: list[str], timeout: int, memory: int) -> Run:
    """Run a command with its output thrown away; a child that takes too long or too much is ended and said so."""

    def limits() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        signal.alarm(timeout)  # survives exec

    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            preexec_fn=limits,  # noqa: PLW1509 -- this process has one thread
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait for it again
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip().splitlines()
    return Run(
        wall, usage.ru_utime, usage.ru_stime, usage.ru_maxrss * 1024, _failure(child.returncode, said, timeout, memory)
    )


def seconds(command: list[str]) -> float:
    """User and system time of a command, which must succeed."""
    run = measure(command, TIMEOUT_S, MEMORY_GIB << 30)
    if run.failure:
        sys.exit(f"failed: {' '.join(command)}: {run.failure}")
    return run.user + run.system


def _failure(code: int, said: list[str], timeout: int, memory: int) -> str | None:
    if code == 0:
        return None
    if code == -signal.SIGALRM:
        return f"ended after {timeout} s"
    how = f"signal {-code}" if code < 0 else f"exit {code}"
    return f"{how} (limit {memory >> 30} GiB): {said[-1] if said else 'no message'}"


def resolve(wanted: Iterable[str] | None, hsi: str | None) -> tuple[list[Tool], list[str]]:
    """The tools that are here, with full paths, and the names of those that are not."""
    found, missing = [], []
    beside = Path(sys.executable).parent / "hsi"
    for tool in TOOLS:
        if wanted and tool.name not in wanted:
            continue
        program = tool.command[0]
        if program == "hsi":
            path = hsi or (str(beside) if beside.exists() else shutil.which("hsi"))
        else:
            path = shutil.which(program)
        if path is None or (tool.name == "dpkt-loop" and not _has_dpkt()):
            missing.append(tool.name)
        else:
            found.append(Tool(tool.name, (path, *tool.command[1:]), tool.slow))
    return found, missing


def _has_dpkt() -> bool:
    return subprocess.run([sys.executable, "-c", "import dpkt"], capture_output=True, check=False).returncode == 0


def warm(path: Path) -> None:
    """Bring the whole file into the page cache."""
    block = bytearray(1 << 20)
    with path.open("rb", buffering=0) as file:
        while file.readinto(block):
            pass


def compare(tools: list[Tool], path: Path, options: argparse.Namespace) -> list[Series]:
    """Interleaved rounds of all tools over one capture; a tool that failed is not asked again."""
    series = [Series(tool) for tool in tools]
    warm(path)
    for nth in range(options.rounds):
        for one in series:
            if one.failure or (nth and options.quick and (one.tool.slow or one.runs[0].wall > QUICK_ONCE)):
                continue
            command = [part.replace("{}", str(path)) for part in one.tool.command]
            run = measure(command, options.timeout, options.memory << 30)
            one.runs.append(run)
            print(f"  {path.stem} {nth + 1}/{options.rounds} {one.tool.name} {run.wall:.2f} s", file=sys.stderr)
    return series


def starts(tools: list[Tool], path: Path, options: argparse.Namespace) -> list[Series]:
    """What starting up costs: `hsi --version`, and every tool over twenty frames."""
    hsi = next((tool for tool in tools if tool.name == "hsi"), None)
    small = [Tool("hsi --version", (hsi.command[0], "--version"))] if hsi else []
    series = [Series(tool) for tool in [*small, *tools]]
    for _ in range(STARTS):
        for one in series:
            if not one.failure:
                command = [part.replace("{}", str(path)) for part in one.tool.command]
                one.runs.append(measure(command, options.timeout, options.memory << 30))
    return series


def table(series: list[Series], frames: int) -> list[list[str]]:
    """Heading and rows."""
    walls = {one.tool.name: one.median("wall") for one in series if not one.failure}
    rows = [["tool", "wall s", "user s", "sys s", "Mframes/s", "x hsi", "x tcpdump", "peak MB", "runs"]]
    for one in series:
        if one.failure:
            rows.append([one.tool.name, one.failure, "", "", "", "", "", "", str(len(one.runs))])
            continue
        wall = one.median("wall")
        ratios = [f"{wall / walls[name]:.2f}" if name in walls else "" for name in ("hsi", "tcpdump")]
        times = [f"{one.median(figure):.3f}" for figure in ("wall", "user", "system")]
        speed = f"{frames / wall / 1e6:.3f}" if frames > 1000 else ""
        rows.append([one.tool.name, *times, speed, *ratios, f"{one.median('peak') / 1e6:.0f}", str(len(one.runs))])
    return rows


def show(title: str, rows: list[list[str]], markdown: bool) -> None:
    """Print a table, plain or as Markdown."""
    widths = [max(len(row[i]) for row in rows if i != 1 or row[2] or row is rows[0]) for i in range(len(rows[0]))]
    print(f"\n{'### ' if markdown else ''}{title}\n")
    for nth, row in enumerate(rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print(f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip())
        if markdown and nth == 0:
            print("|" + "|".join(["---", *["---:"] * (len(row) - 1)]) + "|")


def describe(tools: list[Tool], missing: list[str], options: argparse.Namespace) -> None:
    """Say on which machine, with which versions and under what load the figures were measured."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = models[0] if models else cpu
    floor = measure(["true"], 10, options.memory << 30).peak
    print(f"{cpu}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}, Python {platform.python_version()}")
    print(f"load average at the start {os.getloadavg()[0]:.2f}; peak memory below {floor / 1e6:.0f} MB is not seen")
    if any(tool.name == "hsi" for tool in tools):
        hsi = next(tool for tool in tools if tool.name == "hsi").command[0]
        print(subprocess.run([hsi, "--version"], capture_output=True, text=True, check=False).stdout.strip())
    for name in missing:
        print(f"not here: {name}")


def captures(directory: Path) -> None:
    """Make the captures that are not there yet."""
    for name in (*CAPTURES, "small"):
        if not (directory / f"{name}.json").exists():
            maker = [sys.executable, str(HERE / "make_captures.py"), "--dir", str(directory), "--only", name]
            subprocess.run(maker, check=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run hsi and its peers over the same captures, side by side.")
    names = ", ".join(tool.name for tool in TOOLS)
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "hsi-benchmarks")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--tools", help=f"comma-separated, of: {names}")
    parser.add_argument("--captures", default=",".join(CAPTURES), help="comma-separated (default: %(default)s)")
    parser.add_argument("--hsi", help="the hsi to measure (default: beside this Python, else on the path)")
    parser.add_argument("--quick", action="store_true", help="slow tools once")
    parser.add_argument("--no-starts", action="store_true", help="leave start-up out")
    parser.add_argument("--markdown", action="store_true", help="tables to paste into documentation")
    parser.add_argument("--timeout", type=int, default=TIMEOUT_S, help="seconds per run (default: %(default)s)")
    parser.add_argument(
        "--memory", type=int, default=MEMORY_GIB, help="address space per run in GiB (default: %(default)s)"
    )
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    unknown = set((options.tools or "").split(",")) - {tool.name for tool in TOOLS} - {""}
    unknown |= set(options.captures.split(",")) - set(CAPTURES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return options


def main() -> None:
    """Measure and print."""
    options = arguments()
    captures(options.dir)
    tools, missing = resolve(options.tools.split(",") if options.tools else None, options.hsi)
    describe(tools, missing, options)
    for name in options.captures.split(","):
        path = options.dir / f"{name}.pcap"
        about = json.loads(path.with_suffix(".json").read_text())
        title = f"{name}: {about['frames']:,} frames, {about['connections']:,} connections"
        show(title, table(compare(tools, path, options), about["frames"]), options.markdown)
    if not options.no_starts:
        rows = table(starts(tools, options.dir / "small.pcap", options), 20)
        show(f"start-up: 20 frames, median of {STARTS}", rows, options.markdown)


if __name__ == "__main__":
    main()
