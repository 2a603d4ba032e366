"""A separate program that keeps root privileges and reports the TCP sockets of a namespace and their processes.

Usage: `python -I -S socket_finder.py DESCRIPTOR`, with the descriptor of a netlink socket (sock_diag(7)) of the
namespace.  It needs only the standard library.  Without root it finds only processes of the same user.  It reads
nothing that comes from frames: any byte on standard input requests a poll, and end of file ends the program.

A poll dumps all sockets, like `ss -tani`.  If any are new or have changed, it writes a line of JSON: the time, and a
list per socket in the order of `FIELDS`.  Polls take at most `SHARE` of one CPU.  Requests also arrive for connections
of other hosts, so it polls only if the kernel has counted new connections on this host: a dump walks the kernel's whole
hash table even for a single socket.
"""
# ruff: noqa: PTH115, PTH123, PTH208

from __future__ import annotations

import json
import os
import re
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any

Row = list[Any]

FIELDS = (
    "cookie", "local", "local_port", "remote", "remote_port", "state", "uid", "pid", "name", "unit", "container",
    "rtt_us", "rtt_var_us", "min_rtt_us", "retransmissions", "cwnd", "queued", "backlog",
)  # fmt: skip
SHARE = 0.04
INTERVAL_S = 1.0
MAX_TRIES = 3
EXTRA_POLLS = 3  # polls after the last new connection: its process is known, and it is accepted, slightly later
PAUSE_S = 0.05  # between checks for new connections
MAX_DETAILED = 2_000  # with more sockets, report only new ones and changes of state, not of measurements
LISTEN = 10
_DIAG, _DONE, _ERROR = 20, 3, 2
_DUMP = 0x301
_INFO = 2  # INET_DIAG_INFO
_STATES = 0xFFF & ~(1 << 6 | 1 << 3 | 1 << 7)  # all but those without a process: TIME_WAIT, SYN_RECV and CLOSE
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI48x")
_MESSAGE = struct.Struct("=BBBB HH 16s16s I II IIIII".replace(" ", ""))
_ATTRIBUTE = struct.Struct("=HH")
_RTT, _CWND, _RETRANSMITTED, _MIN_RTT = 68, 80, 100, 148  # in struct tcp_info
_CONTAINER = re.compile(r"(?:^|[-/_])([0-9a-f]{64})(?:\.scope)?(?:/|$)")
_LXC = re.compile(r"/lxc(?:\.payload)?[./]([^/]+)")


def dump(netlink: socket.socket) -> Iterator[Row]:
    """Yield the rows of all TCP sockets (see `read`)."""
    for family in (socket.AF_INET, socket.AF_INET6):
        body = _REQUEST.pack(family, socket.IPPROTO_TCP, 1 << (_INFO - 1), _STATES)
        netlink.send(_HEADER.pack(_HEADER.size + len(body), _DIAG, _DUMP, family, 0) + body)
        yield from _answers(netlink)


def _answers(netlink: socket.socket) -> Iterator[Row]:
    while True:
        message = netlink.recv(1 << 18)
        at = 0
        while at + _HEADER.size <= len(message):
            length, kind, _, _, _ = _HEADER.unpack_from(message, at)
            if kind in (_DONE, _ERROR) or length < _HEADER.size:
                return
            if kind == _DIAG:
                yield read(message[at + _HEADER.size : at + length])
            at += (length + 3) & -4
        if not message:
            return


def read(body: bytes) -> Row:
    """Parse an inet_diag_msg into a row in the order of `FIELDS`, with the inode in place of the PID."""
    family, state, _, _, sport, dport, src, dst, _, low, high, _, queued, room, uid, inode = _MESSAGE.unpack_from(body)
    size = 4 if family == socket.AF_INET else 16
    info = _attribute(body, _INFO)
    listens = state == LISTEN
    return [
        low | high << 32, src[:size].hex(), socket.ntohs(sport), dst[:size].hex(), socket.ntohs(dport), state, uid,
        inode, None, None, None, *(_measured(info) if not listens else [None] * 5),
        queued if listens else None, room if listens else None,
    ]  # fmt: skip


def _attribute(body: bytes, wanted: int) -> bytes:
    at = _MESSAGE.size
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size:
            break
        if kind & 0x3FFF == wanted:
            return body[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & -4
    return b""


def _measured(info: bytes) -> list[int | None]:
    """Return smoothed RTT, its variation and minimum in microseconds, retransmissions, and congestion window."""

    def word(at: int) -> int | None:
        return int.from_bytes(info[at : at + 4], sys.byteorder) if at + 4 <= len(info) else None

    rtt, least = word(_RTT), word(_MIN_RTT)
    known = rtt or None  # 0: not measured yet
    return [known, word(_RTT + 4) if known else None, None if least in (0, 0xFFFFFFFF) else least,
            word(_RETRANSMITTED), word(_CWND)]  # fmt: skip


class Processes:
    """Maps socket inodes to processes; keeps the inodes of the last query."""

    def __init__(self, root: str = "/proc") -> None:
        self._root = root
        self._known: dict[int, list[Any]] = {}
        self._tries: dict[int, int] = {}

    def of(self, inodes: set[int]) -> dict[int, list[Any]]:
        """Return PID, name, unit and container for each of these inodes whose process is found."""
        self._known = {inode: self._known[inode] for inode in inodes & self._known.keys()}
        # The descriptor appears slightly later than the socket; after `MAX_TRIES` the process is taken as invisible.
        self._tries = {inode: self._tries.get(inode, 0) + 1 for inode in inodes - self._known.keys()}
        if wanted := {f"socket:[{inode}]": inode for inode, tries in self._tries.items() if tries <= MAX_TRIES}:
            self._search(wanted)
        return self._known

    def _search(self, wanted: dict[str, int]) -> None:
        """Search the descriptors of all processes; a shared socket is assigned to the first one found.

        Processes with known sockets come first: they are likely to have the new ones, too.
        """
        busy = {about[0] for about in self._known.values()}
        pids = (int(name) for name in os.listdir(self._root) if name.isdigit())
        for pid in sorted(pids, key=lambda pid: (pid not in busy, pid)):
            found = {wanted.pop(link) for link in _links(f"{self._root}/{pid}/fd") if link in wanted}
            if found:
                self._known.update(dict.fromkeys(found, self.about(pid)))
            if not wanted:
                return

    def about(self, pid: int) -> list[Any]:
        """Return PID, name, systemd unit and container of a process."""
        name = _text(f"{self._root}/{pid}/comm").rstrip("\n") or None
        return [pid, name, *unit_and_container(_text(f"{self._root}/{pid}/cgroup"))]


def unit_and_container(text: str) -> tuple[str | None, str | None]:
    """Parse /proc/PID/cgroup into systemd unit and container."""
    paths = [line.split(":", 2)[2] for line in text.splitlines() if line.count(":") >= 2]
    container = next((match[1][:12] for path in paths for match in _CONTAINER.finditer(path)), None)
    container = container or next((match[1] for path in paths for match in _LXC.finditer(path)), None)
    units = [part for path in paths for part in path.split("/") if part.endswith((".service", ".scope"))]
    return (None if container else units[-1] if units else None), container


def _links(folder: str) -> Iterator[str]:
    try:
        for name in os.listdir(folder):
            yield os.readlink(f"{folder}/{name}")
    except OSError:
        return  # the process has ended, or is not visible


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(4096)
    except OSError:
        return ""


class Finder:
    """Polls the sockets and returns what is new."""

    def __init__(self, netlink: socket.socket, processes: Processes | None = None) -> None:
        self._netlink = netlink
        self._processes = processes or Processes()
        self._reported: dict[int, list[Any]] = {}

    def poll(self) -> list[Row]:
        """Return the rows of sockets that are new or have changed."""
        rows = list(dump(self._netlink))
        owners = self._processes.of({row[7] for row in rows if row[7]})
        many = len(rows) > MAX_DETAILED
        reported: dict[int, list[Any]] = {}
        news = []
        for row in rows:
            row[7:11] = owners.get(row[7], [None] * 4)
            key = row[0]
            reported[key] = [row[5], row[7]] if many else row[5:]
            if self._reported.get(key) != reported[key]:
                news.append(row)
        self._reported = reported
        return news


class OpenCounter:
    """Detects from kernel counters whether connections were opened in this namespace since the last polls."""

    def __init__(self, path: str = "/proc/self/net/snmp") -> None:
        self._path = path
        self._count: list[str] = []
        self._polls = 0  # since the count changed

    def note_poll(self) -> None:
        """Record that a poll begins."""
        count = self._read()
        self._polls = self._polls + 1 if count == self._count else 0
        self._count = count

    def may_have_new(self) -> bool:
        """Return True if a poll may find new sockets, or if the kernel provides no counters."""
        return self._polls < EXTRA_POLLS or not self._count or self._read() != self._count

    def _read(self) -> list[str]:
        """Read ActiveOpens and PassiveOpens (RFC 4022)."""
        return _text(self._path).rpartition("\nTcp: ")[2].split(None, 6)[4:6]


def wait_for_request(counter: OpenCounter, until: float) -> bool:
    """Wait for a request with news, at most until `until`; return False at end of file, even after `until`."""
    while select.select([0], [], [], max(until - time.monotonic(), 0))[0]:
        if not os.read(0, 4096):
            return False
        if counter.may_have_new() or time.monotonic() >= until:
            break
        time.sleep(PAUSE_S)
    return True


def main(descriptor: int) -> None:
    """Poll on request, and at least every `INTERVAL_S`."""
    os.nice(5)
    finder, counter = Finder(socket.socket(fileno=descriptor)), OpenCounter()
    running = True
    while running:
        at = time.time_ns()
        began = time.monotonic()
        counter.note_poll()
        news = finder.poll()
        took = time.monotonic() - began
        if news:
            sys.stdout.write(json.dumps([at, news], separators=(",", ":")) + "\n")
            sys.stdout.flush()
        time.sleep(took / SHARE)
        running = wait_for_request(counter, began + INTERVAL_S)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except (OSError, KeyboardInterrupt):
        sys.exit(1)
