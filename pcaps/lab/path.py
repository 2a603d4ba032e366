"""A path between two hosts, in user space: delay, loss, duplication, reordering, forged segments, a mirror port.

Each host gets a TAP interface; one thread carries the frames across.  This stands in for `tc netem`, which many kernels
lack, and it can do what netem cannot: lose the second SYN-ACK and nothing else.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import os
import select
import struct
import threading
import time
from collections.abc import Callable

from lab.namespace import Host
from lab.packet import Segment, parse

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 2, 0x1000

# What becomes of a segment: the extra delays (seconds) of its copies, [] for a loss; None leaves it to the next rule.
Rule = Callable[[str, Segment], "list[float] | None"]


def open_tap(host: Host, name: str) -> int:
    """Make a TAP interface on a host and return its descriptor."""
    with host.inside():
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return descriptor


class Path:
    """Carries frames between a client and a server, `delay` seconds each way."""

    def __init__(self, client: Host, server: Host, delay: float = 0.0) -> None:
        self.delay = delay
        self.rules: list[Rule] = []
        self.watchers: list[Callable[[str, Segment], None]] = []
        self._taps = {"client": open_tap(client, "eth0"), "server": open_tap(server, "eth0")}
        self._mirrors: list[tuple[int, bytes, float]] = []
        self._queue: list[tuple[float, int, int, bytes]] = []
        self._order = 0
        self._last: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._wake, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._stopping = False

    def start(self) -> None:
        """Begin to carry frames."""
        self._thread.start()

    def stop(self) -> None:
        """Stop carrying and close the interfaces."""
        self._stopping = True
        os.write(self._waker, b"x")
        self._thread.join(5)
        for descriptor in {*self._taps.values(), *(tap for tap, _, _ in self._mirrors), self._wake, self._waker}:
            os.close(descriptor)

    def mirror(self, host: Host, *parts: float, vlan: int | None = None) -> None:
        """Copy every frame to a TAP on `host`, as a switch's mirror port does, after these parts of the way."""
        tag = b"" if vlan is None else struct.pack("!HH", 0x8100, vlan)
        tap = open_tap(host, "eth0")
        self._mirrors += [(tap, tag, part) for part in parts]

    def inject(self, to: str, segment: Segment, after: float = 0.0) -> None:
        """Send a forged segment to one end; its Ethernet header is that of the traffic it hides in."""
        header = self._last[to]
        self._send(time.monotonic() + after, self._taps[to], header + segment.packet())
        for tap, tag, _ in self._mirrors:
            self._send(time.monotonic() + after, tap, header[:12] + tag + header[12:] + segment.packet())

    def _send(self, due: float, descriptor: int, frame: bytes) -> None:
        with self._lock:
            self._order += 1
            heapq.heappush(self._queue, (due, self._order, descriptor, frame))
        if threading.current_thread() is not self._thread:
            os.write(self._waker, b"x")

    def _forward(self, source: str, frame: bytes, now: float) -> None:
        target = "server" if source == "client" else "client"
        segment = parse(frame)
        fates: list[float] | None = None
        if segment is not None:
            self._last[target] = frame[:14]
            for rule in self.rules:
                fates = rule(source, segment)
                if fates is not None:
                    break
        for extra in [0.0] if fates is None else fates:
            self._send(now + self.delay + extra, self._taps[target], frame)
            for tap, tag, part in self._mirrors:
                share = part if source == "client" else 1 - part
                self._send(now + self.delay * share + extra, tap, frame[:12] + tag + frame[12:])
        if segment is not None:
            for watcher in self.watchers:
                watcher(source, segment)

    def _carry(self) -> None:
        with contextlib.suppress(PermissionError):  # other work on the machine must not look like a slow path
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        poll = select.poll()
        sources = {descriptor: name for name, descriptor in self._taps.items()}
        for descriptor in (*sources, self._wake):
            poll.register(descriptor, select.POLLIN)
        while not self._stopping:
            with self._lock:
                wait = self._queue[0][0] - time.monotonic() if self._queue else 1.0
            for descriptor, _ in poll.poll(max(0.0, wait) * 1000):
                if descriptor == self._wake:
                    os.read(self._wake, 4096)
                    continue
                for _ in range(64):
                    try:
                        frame = os.read(descriptor, 65536)
                    except OSError:  # nothing more to read, or the interface is not up yet
                        break
                    self._forward(sources[descriptor], frame, time.monotonic())
            self._deliver()

    def _deliver(self) -> None:
        while True:
            with self._lock:
                if not self._queue or self._queue[0][0] > time.monotonic():
                    return
                _, _, descriptor, frame = heapq.heappop(self._queue)
            try:
                os.write(descriptor, frame)
            except OSError:  # the interface is down: a real path loses the frame, too
                continue


def nth(source: str, flags: int, fate: list[float], *numbers: int, payload: bool = False) -> Rule:
    """Give `fate` to the nth segments (from 1) that `source` sends with exactly these flags (PSH aside).

    `payload` restricts the count to segments with data, otherwise to those without.
    """
    seen = 0

    def rule(sender: str, segment: Segment) -> list[float] | None:
        nonlocal seen
        if sender != source or segment.flags & ~8 != flags or bool(segment.payload) != payload:
            return None
        seen += 1
        return fate if seen in numbers else None

    return rule
