"""A program of its own that stays root when hsi does not: it reports who has the TCP sockets of a namespace.

It takes the descriptor of a netlink socket (sock_diag(7)) of the namespace, and needs nothing but the standard library:
`python -I -S socket_finder.py DESCRIPTOR`.  Who may not see the descriptors of other users sees only those of its own.
Nothing that it reads comes from frames: whatever arrives on standard input means "look again".  It ends with its
standard input.

A look dumps all sockets, as `ss -tani` shows them, and writes a line of JSON if anything is new: the time
and, for each socket that is new or has changed, a list in the order of `FIELDS`.  Looks take at most `SHARE` of
one CPU.  Connections of other hosts are asked for as well, so it looks only if the kernel has counted new ones here:
the kernel goes through all of its hash table even for a single socket.
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
EVERY_S = 1.0
TRIES = 3
AFTERWARDS = 3  # looks after one that may have shown something new: a socket is found, and accepted, a moment later
PAUSE_S = 0.05  # between two questions whether anything new was opened
MANY = 2_000  # sockets: with more, only new ones are reported, and those whose state changed
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
    """All TCP sockets: cookie, ends, state, user, inode, and what the kernel measures."""
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
    """One socket: its row, with the inode for the process that is not known yet."""
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
    """RTT, its variance and the smallest one in microseconds, segments sent again, and the congestion window."""

    def word(at: int) -> int | None:
        return int.from_bytes(info[at : at + 4], sys.byteorder) if at + 4 <= len(info) else None

    rtt, least = word(_RTT), word(_MIN_RTT)
    known = rtt or None  # 0: not measured yet
    return [known, word(_RTT + 4) if known else None, None if least in (0, 0xFFFFFFFF) else least,
            word(_RETRANSMITTED), word(_CWND)]  # fmt: skip


class Processes:
    """Whose inodes of sockets are, remembered as long as they are asked for."""

    def __init__(self, root: str = "/proc") -> None:
        self._root = root
        self._known: dict[int, list[Any]] = {}
        self._tries: dict[int, int] = {}

    def of(self, inodes: set[int]) -> dict[int, list[Any]]:
        """PID, name, unit and container for each of these inodes that is anybody's."""
        self._known = {inode: self._known[inode] for inode in inodes & self._known.keys()}
        # A process has a socket a moment after the kernel does; what is still nobody's is out of our sight.
        self._tries = {inode: self._tries.get(inode, 0) + 1 for inode in inodes - self._known.keys()}
        if wanted := {f"socket:[{inode}]": inode for inode, tries in self._tries.items() if tries <= TRIES}:
            self._search(wanted)
        return self._known

    def _search(self, wanted: dict[str, int]) -> None:
        """Go through the descriptors of all processes; of those who share a socket the first has it.

        Who has sockets already comes first: servers accept, and clients connect again.
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
        """PID, name, systemd unit and container of a process."""
        name = _text(f"{self._root}/{pid}/comm").rstrip("\n") or None
        return [pid, name, *group(_text(f"{self._root}/{pid}/cgroup"))]


def group(text: str) -> tuple[str | None, str | None]:
    """The systemd unit and the container that a process is in, by its cgroups."""
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
        return  # it has ended, or is not ours to see


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(4096)
    except OSError:
        return ""


class Finder:
    """Looks, and reports what is new."""

    def __init__(self, netlink: socket.socket, processes: Processes | None = None) -> None:
        self._netlink = netlink
        self._processes = processes or Processes()
        self._reported: dict[int, list[Any]] = {}

    def look(self) -> list[Row]:
        """The rows of sockets that are new or changed."""
        rows = list(dump(self._netlink))
        owners = self._processes.of({row[7] for row in rows if row[7]})
        many = len(rows) > MANY
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


class Opened:
    """Whether sockets have been opened in this network namespace since looks that found all that there was."""

    def __init__(self, path: str = "/proc/self/net/snmp") -> None:
        self._path = path
        self._count: list[str] = []
        self._looks = 0  # since it changed

    def note_look(self) -> None:
        """Note that a look begins."""
        count = self._read()
        self._looks = self._looks + 1 if count == self._count else 0
        self._count = count

    def anything(self) -> bool:
        """Whether a look may find new ones; True where the kernel does not count."""
        return self._looks < AFTERWARDS or not self._count or self._read() != self._count

    def _read(self) -> list[str]:
        """ActiveOpens and PassiveOpens (RFC 4022): what was counted of connections made and accepted."""
        return _text(self._path).rpartition("\nTcp: ")[2].split(None, 6)[4:6]


def asked(opened: Opened, until: float) -> bool:
    """Wait until it is time to look; False when nobody will ask any more, also where that time is over already."""
    while select.select([0], [], [], max(until - time.monotonic(), 0))[0]:
        if not os.read(0, 4096):
            return False
        if opened.anything() or time.monotonic() >= until:
            break
        time.sleep(PAUSE_S)
    return True


def main(descriptor: int) -> None:
    """Look when asked to, and now and then."""
    os.nice(5)
    finder, opened = Finder(socket.socket(fileno=descriptor)), Opened()
    going = True
    while going:
        at = time.time_ns()
        began = time.monotonic()
        opened.note_look()
        news = finder.look()
        took = time.monotonic() - began
        if news:
            sys.stdout.write(json.dumps([at, news], separators=(",", ":")) + "\n")
            sys.stdout.flush()
        time.sleep(took / SHARE)
        going = asked(opened, began + EVERY_S)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except (OSError, KeyboardInterrupt):
        sys.exit(1)
