"""Random scenarios with the real kernel, and what the kernel says of each connection against what hsi says.

Run as root: `sudo python tests/lab/truth.py OUT [--runs N] [--seed S]`.  Every run is one client and one server with
many connections of random behaviour over a random path, captured at one end or in the middle, and stopped at a random
moment: the applications stop, the path stands still, then `ss` is asked on both hosts.  A run leaves `SEED.pcap` and
`SEED.json` (what the kernels, the applications and the path know); `compare.py` beside this file reads them.

It takes seconds per run and needs root for its namespaces, so it is no part of the ordinary tests: what it taught is
held
by `tests/tcp/test_truth.py`.
"""

from __future__ import annotations

import argparse
import errno
import heapq
import itertools
import json
import os
import random
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path as File
from typing import Any

ROOT = File(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "pcaps"))

from lab import kernel  # noqa: E402 - found through the line above
from lab.capture import Capture, DisturbedError  # noqa: E402
from lab.namespace import Host, remove_leftovers  # noqa: E402
from lab.packet import Segment, parse  # noqa: E402
from lab.path import Path  # noqa: E402
from lab.sample import acquaint, address_interface  # noqa: E402

Script = Iterator[float]
LINGER_0 = struct.pack("ii", 1, 0)
TCP_FASTOPEN, MSG_FASTOPEN = 23, 0x20000000

# Ports of the server, by what meets a SYN there.
OPEN, TINY, LATE, NOBODY, DROP_IN, RESET, UNREACHABLE, PROHIBITED, DROP_OUT, DEAF, FAST, DEFER = range(1000, 1012)
PORTS = {name: value for name, value in list(globals().items()) if isinstance(value, int) and 1000 <= value < 1012}


@dataclass
class Truth:
    """What everybody but the capture knows of one connection."""

    client: tuple[str, int]
    server: tuple[str, int]
    what: list[str] = field(default_factory=list)
    error: str | None = None  # of connect(); "never" while it is not known
    info: dict[str, int] = field(default_factory=dict)
    accepted: bool = False
    received: dict[str, int] = field(default_factory=lambda: {"client": 0, "server": 0})
    at_eof: dict[str, bool] = field(default_factory=lambda: {"client": False, "server": False})
    log: list[tuple[float, str, int, int, int, int, list[float], bool]] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    in_flight: int = 0


class RandomPath(Path):
    """A path that loses, doubles and delays segments at random, and remembers what it did with each."""

    def __init__(self, client: Host, server: Host, delay: float, dice: random.Random, fate: dict[str, float]) -> None:
        super().__init__(client, server, delay)
        self.dice, self.fate = dice, fate
        self.frozen = False
        self.truths: dict[tuple[Any, ...], Truth] = {}

    def _forward(self, source: str, frame: bytes, now: float) -> None:
        if self.frozen:
            return
        segment = parse(frame)
        if segment is None:
            super()._forward(source, frame, now)
            return
        target = "server" if source == "client" else "client"
        fates = [0.0]
        seen = True
        if self.dice.random() < self.fate["loss"]:
            fates = []
            seen = self.dice.random() < 0.5
        elif self.dice.random() < self.fate["double"]:
            fates = [0.0, self.dice.random() * 0.02]
        elif self.dice.random() < self.fate["late"]:
            fates = [self.dice.random() * 0.1]
        for extra in fates:
            self._send(now + self.delay + extra, self._taps[target], frame)
        if seen:
            for extra in fates or [0.0]:
                for tap, tag, part in self._mirrors:
                    share = part if source == "client" else 1 - part
                    part_of_extra = extra * share
                    self._send(now + self.delay * share + part_of_extra, tap, frame[:12] + tag + frame[12:])
        if (truth := self.truths.get(key(segment))) is not None:
            entry = (time.time(), source, segment.flags, segment.seq, segment.ack, len(segment.payload), fates, seen)
            truth.log.append(entry)

    def freeze(self) -> None:
        """Let nothing arrive any more, and count what was under way."""
        self.frozen = True
        with self._lock:
            ends = {self._taps["client"], self._taps["server"]}
            waiting = [frame for _, _, descriptor, frame in self._queue if descriptor in ends]
            self._queue.clear()
        for frame in waiting:
            segment = parse(frame)
            if segment is not None and (truth := self.truths.get(key(segment))) is not None:
                truth.in_flight += 1


def key(segment: Segment) -> tuple[Any, ...]:
    """The 4-tuple in either direction."""
    return tuple(sorted([(segment.src, segment.sport), (segment.dst, segment.dport)]))


class Run:
    """One random scenario."""

    def __init__(self, seed: int, out: File) -> None:
        self.seed, self.out = seed, out
        self.dice = random.Random(seed)
        self.stack = ExitStack()
        self.queue: list[tuple[float, int, Script]] = []
        self.count = itertools.count()
        self.truths: list[Truth] = []
        self.plans: dict[int, Callable[[socket.socket, Truth], Script]] = {}
        self.by_port: dict[int, Truth] = {}
        self.sockets: list[socket.socket] = []
        self.settings: dict[str, Any] = {}

    # --- the network ---

    def build(self) -> None:
        """Hosts, path, rules and listeners."""
        dice = self.dice
        ipv6 = dice.random() < 0.25
        self.client, self.server = Host("client", ipv6), Host("server", ipv6)
        self.stack.callback(self.client.remove)
        self.stack.callback(self.server.remove)
        delay = dice.choice([0.0, 0.0005, dice.uniform(0, 0.02), dice.uniform(0, 0.12)])
        loss = dice.choice([0.0, 0.0, 0.02, 0.1, 0.2])
        fate = {"loss": loss, "double": dice.choice([0, 0, 0.05]), "late": dice.choice([0, 0, 0.05])}
        self.path = RandomPath(self.client, self.server, delay, dice, fate)
        self.stack.callback(self.path.stop)
        place = dice.choice(["client", "server", "middle"])
        part = dice.uniform(0.05, 0.95)
        self.settings = {"ipv6": ipv6, "delay": delay, **fate, "place": place, "part": part}
        self.place = {"client": self.client, "server": self.server}.get(place)
        if self.place is None:
            self.place = Host("mirror", ipv6)
            self.stack.callback(self.place.remove)
            self.path.mirror(self.place, part)
            self.place.run("ip", "link", "set", "eth0", "up")
        for host, address in zip(
            (self.client, self.server), ("fd00::1", "fd00::2") if ipv6 else ("10.0.0.1", "10.0.0.2"), strict=True
        ):
            address_interface(host, "eth0", address)
        acquaint(self.client, self.server)
        self.path.start()
        self.tune()
        self.fence(ipv6)
        self.listen()

    def tune(self) -> None:
        """Random settings of both kernels."""
        choices: dict[str, tuple[int, ...]] = {
            "tcp_timestamps": (1, 1, 0), "tcp_window_scaling": (1, 1, 0), "tcp_sack": (1, 1, 0),
            "tcp_ecn": (2, 2, 1, 0), "tcp_syncookies": (1, 1, 0, 2), "tcp_syn_linear_timeouts": (4, 0),
            "tcp_syn_retries": (6, 2, 1), "tcp_synack_retries": (5, 2, 1), "tcp_abort_on_overflow": (0, 0, 1),
            "tcp_retries2": (15, 4), "tcp_fin_timeout": (60, 2),
        }  # fmt: skip
        for host in (self.client, self.server):
            for name, values in choices.items():
                value = self.dice.choice(values)
                self.settings[f"{host.label}.{name}"] = value
                host.sysctl(f"net.ipv4.{name}", value)
            host.sysctl("net.ipv4.tcp_fastopen", 3)

    def fence(self, ipv6: bool) -> None:
        """Firewall rules at the server, and one at the client."""
        kind = "icmpv6" if ipv6 else "icmp"
        self.server.run("nft", "add table inet lab")
        for hook in ("input", "output"):
            self.server.run("nft", f"add chain inet lab {hook} {{ type filter hook {hook} priority 0; }}")
        for rule in (
            f"input tcp dport {DROP_IN} drop",
            f"input tcp dport {RESET} reject with tcp reset",
            f"input tcp dport {UNREACHABLE} reject with {kind} type port-unreachable",
            f"input tcp dport {PROHIBITED} reject with {kind} type admin-prohibited",
            f"output tcp sport {DROP_OUT} drop",
        ):
            self.server.run("nft", f"add rule inet lab {rule}")
        self.client.firewall("input", f"tcp sport {DEAF} drop")

    def listen(self) -> None:
        """Listeners, and the acceptors that work on them."""
        backlogs = {TINY: self.dice.choice([0, 1]), LATE: self.dice.choice([0, 1, 3])}
        for port in PORTS.values():
            if port == NOBODY:
                continue
            listener = self.server.listen(port, backlogs.get(port, 128))
            listener.setblocking(False)
            if port == FAST:
                listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 16)
            if port == DEFER:
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
            if port != TINY:
                self.start(self.accept(listener, self.dice.uniform(1, 5) if port == LATE else 0.0))

    # --- the applications, each a script that says how long it waits ---

    def start(self, script: Script, after: float = 0.0) -> None:
        """Let a script run."""
        heapq.heappush(self.queue, (time.monotonic() + after, next(self.count), script))

    def work(self, seconds: float) -> None:
        """Run the scripts for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.queue or self.queue[0][0] > time.monotonic():
                time.sleep(0.001)
                continue
            _, _, script = heapq.heappop(self.queue)
            try:
                wait = next(script)
            except StopIteration:
                continue
            except OSError:
                continue
            self.start(script, wait)

    def accept(self, listener: socket.socket, after: float) -> Script:
        """Accept for ever."""
        yield after
        while True:
            try:
                sock, address = socket.socket.accept(listener)
            except BlockingIOError:
                yield 0.003
                continue
            sock.setblocking(False)
            self.sockets.append(sock)
            truth = self.by_port.get(address[1])
            if truth is not None:
                truth.accepted = True
                self.start(self.plans[address[1]](sock, truth))
            yield 0.0

    def actions(self, sock: socket.socket, truth: Truth, me: str, plan: list[tuple[str, float]]) -> Script:
        """Do what the plan says with a connected socket, reading all the time by default."""
        reading = True
        for what, wait in plan:
            until = time.monotonic() + wait
            while time.monotonic() < until:
                if reading:
                    self.read(sock, truth, me)
                yield min(0.01, max(0.0, until - time.monotonic()))
            if what.startswith("send"):
                sock.send(b"x" * int(what[4:]))
            elif what == "shutdown":
                sock.shutdown(socket.SHUT_WR)
            elif what == "close":
                sock.close()
                return
            elif what == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
                sock.close()
                return
            elif what == "deaf":
                reading = False
            elif what == "keepalive":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
            elif what == "wait-eof":
                while not truth.at_eof[me]:
                    self.read(sock, truth, me)
                    yield 0.005
        while reading:
            self.read(sock, truth, me)
            yield 0.05

    def read(self, sock: socket.socket, truth: Truth, me: str) -> None:
        """Take what there is."""
        try:
            while data := sock.recv(65536):
                truth.received[me] += len(data)
            truth.at_eof[me] = True
        except BlockingIOError:
            return

    def plan(self) -> list[tuple[str, float]]:
        """A random life of one side."""
        dice = self.dice
        steps: list[tuple[str, float]] = []
        if dice.random() < 0.1:
            steps.append(("keepalive", 0.0))
        if dice.random() < 0.1:
            steps.append(("deaf", 0.0))
        steps += [
            (f"send{dice.choice([1, 10, 500, 3000, 20000])}", dice.choice([0, 0.01, dice.random()]))
            for _ in range(dice.choice([0, 0, 1, 1, 2, 4]))
        ]
        last = dice.choice(["none", "close", "close", "shutdown", "reset", "wait-eof-close", "wait-eof-reset"])
        wait = dice.choice([0, 0, 0.05, dice.uniform(0, 2)])
        if last == "shutdown":
            steps += [("shutdown", wait), ("wait-eof", 0.0), ("close", dice.choice([0, 0.5]))]
        elif last.startswith("wait-eof"):
            steps += [("wait-eof", wait), (last.removeprefix("wait-eof-"), 0.0)]
        elif last != "none":
            steps.append((last, wait))
        return steps

    def attempt(self, source: int, port: int, *, patience: float, plan: list[tuple[str, float]], fast: bool) -> Script:
        """One connect() and what follows."""
        truth = self.by_port[source]
        sock = self.client.socket()
        self.sockets.append(sock)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.client.ip, source))
        truth.error = "never"
        try:
            if fast:
                sock.sendto(b"f" * 100, MSG_FASTOPEN, (self.server.ip, port))
            else:
                sock.connect((self.server.ip, port))
        except BlockingIOError:
            pass
        except OSError as problem:
            truth.error = errno.errorcode[problem.errno or 0]
            return
        end = time.monotonic() + patience
        while time.monotonic() < end:
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                truth.error = errno.errorcode[number]
                sock.close()
                return
            try:
                sock.getpeername()
            except OSError:
                yield 0.002
                continue
            break
        else:
            truth.what.append("cancelled")
            truth.error = "cancelled"
            sock.close()
            return
        truth.error = None
        truth.info = kernel.tcp_info(sock)
        yield from self.actions(sock, truth, "client", plan)

    def simultaneous(self, source: int, target: int) -> Script:
        """Both ends connect to each other."""
        truth = self.by_port[source]
        ends = []
        for host, mine, peer in (
            (self.client, source, (self.server.ip, target)),
            (self.server, target, (self.client.ip, source)),
        ):
            sock = host.socket()
            sock.setblocking(False)
            sock.bind((host.ip, mine))
            self.sockets.append(sock)
            ends.append((sock, peer))
        for sock, peer in ends:
            try:
                sock.connect(peer)
            except BlockingIOError:
                pass
            except OSError as problem:
                truth.error = errno.errorcode[problem.errno or 0]
        yield 1.0
        for (sock, _), me in zip(ends, ("client", "server"), strict=True):
            self.start(self.actions(sock, truth, me, self.plan()))

    def conceive(self, number: int, seconds: float) -> None:
        """Plan connection `number`, somewhere in the run."""
        dice = self.dice
        source = 40001 + number
        common = [OPEN] * 12 + [FAST, DEFER] * 2
        port = dice.choice(common + list(PORTS.values()))
        target = 41000 + number if dice.random() < 0.04 else 0
        truth = Truth((self.client.ip, source), (self.server.ip, target or port))
        truth.what.append("simultaneous" if target else next(n for n, p in PORTS.items() if p == port))
        self.truths.append(truth)
        self.by_port[source] = truth
        ends = sorted([truth.client, truth.server])
        self.path.truths[tuple(ends)] = truth
        after = dice.uniform(0, seconds * 0.9)
        if target:
            self.start(self.simultaneous(source, target), after)
            return
        mine, theirs = self.plan(), self.plan()
        truth.what += ["client:" + ",".join(w for w, _ in mine), "server:" + ",".join(w for w, _ in theirs)]
        self.plans[source] = lambda sock, truth: self.actions(sock, truth, "server", theirs)
        patience = dice.choice([0.01, 0.5, 2, 100, 100, 100, 100])
        fast = port == FAST
        self.start(self.attempt(source, port, patience=patience, plan=mine, fast=fast), after)

    # --- the end ---

    def go(self) -> None:
        """Make the run and write what is known."""
        dice = self.dice
        with self.stack:
            self.build()
            file = self.out / f"{self.seed}.pcap"
            assert self.place is not None
            running = Capture(self.place, file)
            self.stack.callback(running.kill)
            seconds = dice.choice([0.5, 2, 4, 8, 14])
            drain = dice.choice([0.0, 0.01, 0.1, 0.4])
            self.settings |= {"seconds": seconds, "drain": drain}
            for number in range(dice.choice([20, 50])):
                self.conceive(number, seconds)
            self.work(seconds)
            time.sleep(drain)
            self.path.freeze()
            running.settle(quiet=0.04, limit=0.3)
            found = {host.label: kernel.sockets(host) for host in (self.client, self.server)}
            running.stop()
        for truth in self.truths:
            for me, here, there in (
                ("client", truth.client, truth.server),
                ("server", truth.server, truth.client),
            ):
                truth.states[me] = state(found[me], here, there)
        document = {"seed": self.seed, "settings": self.settings, "truths": [asdict(each) for each in self.truths]}
        (self.out / f"{self.seed}.json").write_text(json.dumps(document))


def state(found: list[dict[str, str]], here: tuple[str, int], there: tuple[str, int]) -> str:
    """The state of one socket; none is CLOSED."""
    for each in found:
        if each["local"] == kernel.written(here) and each["peer"] == kernel.written(there):
            return kernel.STATES[each["state"]]
    return "CLOSED"


def main() -> int:
    """Make runs, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=File)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.one:
        try:
            Run(options.seed, options.out).go()
        except DisturbedError as disturbed:
            print(disturbed)
            return os.EX_TEMPFAIL
        finally:
            remove_leftovers(os.getpid())
        return 0
    for seed in range(options.seed, options.seed + options.runs):
        worker = subprocess.run(
            [sys.executable, __file__, str(options.out), "--one", "--seed", str(seed)],
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        print(seed, worker.returncode or "made", worker.stdout.strip(), worker.stderr.strip()[-600:], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
