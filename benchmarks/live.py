"""Sends frames over a cable at a steady rate, and measures who captures them: hsi with its screen, without, and peers.

    sudo python benchmarks/live.py [--rate 200000] [--seconds 15] [--rounds 3] [--tools hsi-screen,...] [--markdown]
    sudo python benchmarks/live.py --stalls [--rate 200000] [--seconds 15] [--rounds 3]

The cable is a veth pair between two network namespaces of its own; the frames are those of `mix` (make_captures.py),
as short as they were stored.  Tools are run one after the other, round by round, each over the same frames.  CPU time
is that of the tool and its children while frames come, and a second and a half longer; what the kernel does to give it
the frames is not in it, and frames that were dropped do not count.  `tcpdump` looks into no frame; what it takes to
decode and print each of them is `tcpdump-text`.

`--stalls` measures for how long no frames are taken from the ring instead, and why: by a look at the table, by what the
search for findings adds to it, and while that search runs; it is the hsi that this Python imports.  Of each kind the
longest one by the clock, and the longest by the CPU time of the thread that takes frames, whatever else runs.

Needs root, Linux, iproute2 and two processors; ends by itself.
"""

import argparse
import contextlib
import ctypes
import fcntl
import mmap
import os
import pty
import re
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from run import describe, show

HERE = Path(__file__).resolve().parent
SNAP = 2048  # as hsi captures by default
WIRE = "wire"
BATCH = 64  # frames that are sent with one call
PATIENCE_S = 30
TICK = os.sysconf("SC_CLK_TCK")
_QDISC_BYPASS = 20
_SOL_PACKET = 263

Options = argparse.Namespace


@dataclass(frozen=True)
class Tool:
    """A command line; `ready` is what it says when it captures, `screen` whether it gets a terminal."""

    name: str
    command: tuple[str, ...]
    ready: str
    screen: bool = False


TCPDUMP = ("tcpdump", "-n", "-i", WIRE, "-s", str(SNAP), "-w", "/dev/null")
TOOLS = (
    Tool("hsi-screen", ("hsi", "live", "-i", WIRE), "waiting for the first frames", screen=True),
    Tool("hsi-ndjson", ("hsi", "live", "-i", WIRE, "-T", "ndjson", "-o", "/dev/null"), "listening on"),
    Tool("hsi-text", ("hsi", "live", "-i", WIRE, "-T", "text", "-o", "/dev/null"), "listening on"),
    Tool("hsi-json", ("hsi", "live", "-i", WIRE, "-T", "json", "-o", "/dev/null"), "listening on"),
    Tool("tcpdump", TCPDUMP, "listening on"),
    Tool("tcpdump-32MiB", (*TCPDUMP, "-B", "32768"), "listening on"),
    Tool("tcpdump-text", TCPDUMP[:-2], "listening on"),
    Tool("tshark", ("tshark", "-n", "-i", WIRE, "-s", str(SNAP)), "Capturing on"),
)
# What keeps frames waiting: taking a block of them, the same while findings are looked for, a look, and of that what
# the search for findings takes.
STALLS = ("block", "block beside a search", "look", "findings")
COUNTS = {
    "captured": re.compile(r"(\d+) packets? captured"),
    "dropped": re.compile(r"(\d+) packets? dropped(?: by kernel| from)"),
}


@dataclass
class Series:
    """What one tool did in every round."""

    tool: Tool
    offered: list[int] = field(default_factory=list)
    captured: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  # seconds per million frames that were captured
    rate: list[float] = field(default_factory=list)  # of the sender


# --- the cable --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def cable() -> Iterator[tuple[str, str]]:
    """Two namespaces with one end of a cable each; nothing in them talks by itself."""
    names = [f"hsi-bench-{os.getpid()}-{end}" for end in "ab"]
    try:
        for name in names:
            ip("netns", "add", name)
            quiet = "net.ipv6.conf.default.disable_ipv6=1"
            subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw", quiet], check=True)
        ip("-n", names[0], "link", "add", WIRE, "type", "veth", "peer", "name", WIRE, "netns", names[1])
        for name in names:
            ip("-n", name, "link", "set", WIRE, "up")
        yield names[0], names[1]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


# --- the sender, a process of its own: `live.py --send CAPTURE RATE SECONDS` ------------------------------------------


def send(path: str, rate: int, seconds: float) -> None:
    """Send frames at a steady rate, and say how many it were and how long it took."""
    with Path(path).open("rb") as stream:
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    count = int(rate * seconds)
    batches, keep = messages(data, count)
    libc = ctypes.CDLL(None, use_errno=True)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as wire:
        wire.setsockopt(_SOL_PACKET, _QDISC_BYPASS, 1)
        wire.bind((WIRE, 0))
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.monotonic()
        sent = 0
        for address, frames in batches:
            due = began + sent / rate
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            done = 0
            while done < frames:
                got = libc.sendmmsg(wire.fileno(), ctypes.c_void_p(address + 64 * done), frames - done, 0)
                if got <= 0:
                    code = ctypes.get_errno()
                    raise OSError(code, os.strerror(code))
                done += got
            sent += frames
        lasted = time.monotonic() - began
    print(sent, lasted, flush=True)
    del keep


def messages(data: mmap.mmap, count: int) -> tuple[list[tuple[int, int]], list[Any]]:
    """The `struct mmsghdr` of every frame of a pcap file (x86-64 and ARM64 alike), as batches: address and number."""
    view = np.frombuffer(data, dtype=np.uint8)
    base = view.ctypes.data
    starts, lengths = [], []
    at, size = 24, len(data)
    while at < size and len(starts) < count:
        length = int.from_bytes(data[at + 8 : at + 12], sys.byteorder)
        starts.append(at + 16)
        lengths.append(length)
        at += 16 + length
    vectors = np.zeros((len(starts), 2), dtype=np.uint64)
    vectors[:, 0] = base + np.array(starts, dtype=np.uint64)
    vectors[:, 1] = lengths
    headers = np.zeros((len(starts), 8), dtype=np.uint64)
    headers[:, 2] = vectors.ctypes.data + 16 * np.arange(len(starts), dtype=np.uint64)
    headers[:, 3] = 1
    first = headers.ctypes.data
    places = range(0, len(starts), BATCH)
    return [(first + 64 * place, min(BATCH, len(starts) - place)) for place in places], [view, vectors, headers]


# --- one run ----------------------------------------------------------------------------------------------------------


class Capture:
    """A tool that captures in a namespace; what it says is read meanwhile, as a terminal would."""

    def __init__(self, tool: Tool, namespace: str) -> None:
        self.tool = tool
        self.said = b""
        self._terminal: int | None = None
        command = ["ip", "netns", "exec", namespace, *tool.command]
        if tool.screen:
            self._terminal, slave = pty.openpty()
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
            streams: dict[str, Any] = {"stdin": slave, "stdout": slave, "stderr": slave}
        else:
            streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        environment = os.environ | {"TERM": "xterm-256color"}
        self.process = subprocess.Popen(command, env=environment, start_new_session=True, **streams)
        if tool.screen:
            os.close(slave)
        source = self._terminal if self._terminal is not None else self.process.stderr.fileno()  # type: ignore[union-attr]
        self._reader = threading.Thread(target=self._read, args=(source,), daemon=True)
        self._reader.start()

    def _read(self, source: int) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(source, 1 << 16):
                self.said = (self.said + data)[-(1 << 20) :]

    def wait_ready(self) -> None:
        """Wait until it captures."""
        end = time.monotonic() + PATIENCE_S
        while self.tool.ready.encode() not in self.said:
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{self.tool.name} does not capture: {self.said.decode(errors='replace')[-500:]}")
            time.sleep(0.05)
        time.sleep(1)  # tools that fork say so a little early

    def cpu_s(self) -> float:
        """User and system seconds so far, of its children that are there too."""
        return sum(map(_spent, _family(self.process.pid)))

    def end(self) -> dict[str, int]:
        """Stop it; what it counted."""
        for pid in _family(self.process.pid)[:1]:
            os.kill(pid, signal.SIGINT)
        try:
            self.process.wait(4 * PATIENCE_S)  # tshark goes on with what it has not shown yet
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(2)
        text = self.said.decode(errors="replace")
        found = {name: pattern.findall(text) for name, pattern in COUNTS.items()}
        return {name: int(numbers[-1]) if numbers else 0 for name, numbers in found.items()}


def _family(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [each for child in task.read_text().split() for each in _family(int(child))]
    return found


def _spent(pid: int) -> float:
    try:
        parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(parts[11]) + int(parts[12])) / TICK


def measure(series: Series, ends: tuple[str, str], options: Options, capture_file: Path) -> None:
    """One round of one tool."""
    here, there = ends
    sender = begun(here, options, capture_file)
    capture = Capture(series.tool, there)
    capture.wait_ready()
    before = capture.cpu_s()
    sent, rate = sent_by(sender, options)
    time.sleep(1.5)  # what is in the ring is taken, and a look is taken
    spent = capture.cpu_s() - before
    counted = capture.end()
    series.offered.append(sent)
    series.captured.append(counted["captured"])
    series.dropped.append(counted["dropped"])
    series.cpu.append(spent / (counted["captured"] or sent) * 1e6)
    series.rate.append(rate)


def begun(namespace: str, options: Options, capture_file: Path) -> "subprocess.Popen[str]":
    """A sender that has all in memory and waits."""
    command = [sys.executable, __file__, "--send", str(capture_file), str(options.rate), str(options.seconds)]
    sender = subprocess.Popen(
        ["ip", "netns", "exec", namespace, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert sender.stdout is not None
    if sender.stdout.readline() != "ready\n":
        sys.exit("the sender did not start")
    return sender


def sent_by(sender: "subprocess.Popen[str]", options: Options) -> tuple[int, float]:
    """Let it send; how many frames it sent, and at what rate."""
    assert sender.stdin is not None
    assert sender.stdout is not None
    sender.stdin.write("go\n")
    sender.stdin.flush()
    select.select([sender.stdout], [], [], options.seconds * 10 + PATIENCE_S)
    sent, lasted = sender.stdout.readline().split()
    sender.wait()
    return int(sent), int(sent) / float(lasted)


# --- stalls, in a process of its own: `live.py --watch` ---------------------------------------------------------------


def watch() -> None:
    """Capture until a line comes, as for a screen; print how many rows there were, and the longest stalls in ms."""
    from handshake_inspect.engine.export import Observer  # noqa: PLC0415 - --hsi may name another one
    from handshake_inspect.engine.live import LiveRun  # noqa: PLC0415
    from handshake_inspect.live.session import open_live  # noqa: PLC0415

    observer = Observer()
    observer.wants_picture = True
    longest = {kind: [0.0, 0.0] for kind in STALLS}
    with open_live(WIRE, snap_len=SNAP, host=False) as source:
        run = LiveRun(source, observer=observer)

        def timed(owner: Any, method: str, kind: Callable[[], str]) -> None:
            """Note how long a method takes, by the kind that it has when it begins."""
            call = getattr(owner, method)

            def measured(*given: Any) -> Any:
                name, began = kind(), (time.perf_counter(), time.thread_time())
                result = call(*given)
                took = time.perf_counter() - began[0], time.thread_time() - began[1]
                longest[name] = list(map(max, longest[name], took))
                return result

            setattr(owner, method, measured)

        timed(run, "refresh", lambda: "look")
        timed(run, "_find", lambda: "findings")
        timed(run.stream, "take", lambda: "block beside a search" if run._search.running else "block")
        threading.Thread(target=lambda: (sys.stdin.readline(), run.stop()), daemon=True).start()
        print("ready", flush=True)
        report = run.run()
        counters = source.counters()
    stalls = [f"{1000 * seconds:.1f}" for kind in STALLS for seconds in longest[kind]]
    print(len(report.connections), counters.dropped or 0, *stalls, flush=True)


def stalled(ends: tuple[str, str], options: Options, capture_file: Path) -> list[str]:
    """One round of `watch`: the numbers that it printed."""
    command = ["ip", "netns", "exec", ends[1], sys.executable, __file__, "--watch"]
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert watcher.stdin is not None
    assert watcher.stdout is not None
    if watcher.stdout.readline() != "ready\n":
        sys.exit("nothing captures")
    sender = begun(ends[0], options, capture_file)
    _, rate = sent_by(sender, options)
    watcher.stdin.write("end\n")
    watcher.stdin.flush()
    numbers = watcher.stdout.readline().split()
    watcher.wait()
    return [f"{rate:,.0f}", *numbers]


def table(series: list[Series]) -> list[list[str]]:
    """Head and rows: medians."""
    rows = [["tool", "frames/s", "offered", "captured", "dropped", "dropped %", "CPU s/Mframe", "x tcpdump", "runs"]]
    base = next((statistics.median(each.cpu) for each in series if each.tool.name == "tcpdump" and each.cpu), 0.0)
    for each in series:
        if not each.cpu:
            continue
        offered, captured, dropped = (int(statistics.median(n)) for n in (each.offered, each.captured, each.dropped))
        cpu = statistics.median(each.cpu)
        rows.append([
            each.tool.name, f"{statistics.median(each.rate):,.0f}", f"{offered:,}", f"{captured:,}", f"{dropped:,}",
            f"{100 * dropped / offered:.2f}", f"{cpu:.2f}", f"{cpu / base:.2f}" if base else "", str(len(each.cpu)),
        ])  # fmt: skip
    return rows


def resolved(options: Options) -> tuple[list[Tool], list[str]]:
    """The tools that are here, with the hsi that is to be measured, and the names of the others."""
    wanted = options.tools.split(",") if options.tools else [tool.name for tool in TOOLS]
    hsi = options.hsi or shutil.which("hsi", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    chosen, missing = [], []
    for tool in TOOLS:
        if tool.name not in wanted:
            continue
        program = hsi if tool.command[0] == "hsi" else shutil.which(tool.command[0])
        if program is None:
            missing.append(tool.name)
        else:
            chosen.append(Tool(tool.name, (program, *tool.command[1:]), tool.ready, tool.screen))
    return chosen, missing


def arguments() -> Options:
    """The command line."""
    parser = argparse.ArgumentParser(description="Capture frames that come at a steady rate with hsi and its peers.")
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "hsi-benchmarks")
    parser.add_argument("--rate", type=int, default=200_000, help="frames per second (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=15, help="of every run (default: %(default)s; at most 20)")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--tools", help=f"comma-separated, of: {', '.join(tool.name for tool in TOOLS)}")
    parser.add_argument("--hsi", help="the hsi to measure (default: beside this Python, else on the path)")
    parser.add_argument("--stalls", action="store_true", help="measure for how long hsi takes no frames")
    parser.add_argument("--markdown", action="store_true", help="a table to paste into documentation")
    options = parser.parse_args()
    if options.rate * options.seconds > 4_000_000:
        parser.error("`mix` holds four million frames: a lower --rate or fewer --seconds")
    if os.geteuid() != 0:
        parser.error("network namespaces and packet sockets need root")
    return options


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--send"]:
        send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
        return
    if sys.argv[1:2] == ["--watch"]:
        watch()
        return
    options = arguments()
    capture_file = options.dir / "mix.pcap"
    if not capture_file.exists():
        maker = [sys.executable, str(HERE / "make_captures.py"), "--dir", str(options.dir), "--only", "mix"]
        subprocess.run(maker, check=True)
    if options.stalls:
        head = ["frames/s", "connections", "dropped", *(f"{kind}, {what}" for kind in STALLS for what in ("ms", "CPU"))]
        with cable() as ends:
            rows = [stalled(ends, options, capture_file) for _ in range(options.rounds)]
        show(f"longest stalls: {options.rate:,} frames/s for {options.seconds:g} s", [head, *rows], options.markdown)
        return
    tools, missing = resolved(options)
    series = [Series(tool) for tool in tools]
    with cable() as ends:
        for _ in range(options.rounds):
            for each in series:
                measure(each, ends, options, capture_file)
    options.memory = 12
    describe([], missing, options)
    show(f"live: {options.rate:,} frames/s for {options.seconds:g} s", table(series), options.markdown)


if __name__ == "__main__":
    main()
