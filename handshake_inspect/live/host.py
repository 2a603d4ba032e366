"""Kernel counters of this host over the time of a capture, and the sysctl settings that explain them.

Counters and settings belong to a network namespace: that of the thread that opens their files under /proc.  Listeners
in a container are counted in the container's namespace.  The files are opened when the watch begins, so that they stay
those of the capture's namespace, and can still be read after root privileges are dropped.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from handshake_inspect.live.interfaces import interfaces
from handshake_inspect.wire.address import address_halves

Number = int | None  # None if this kernel does not provide it
Setting = int | list[int] | None

# Keys in the report -> names of the kernel's counters, as printed by nstat.
COUNTERS = {
    "active_opens": "TcpActiveOpens",
    "passive_opens": "TcpPassiveOpens",
    "attempt_fails": "TcpAttemptFails",
    "listen_overflows": "TcpExtListenOverflows",
    "listen_drops": "TcpExtListenDrops",
    "syncookies_sent": "TcpExtSyncookiesSent",
    "syncookies_recv": "TcpExtSyncookiesRecv",
    "syncookies_failed": "TcpExtSyncookiesFailed",
    "tcp_req_q_full_drop": "TcpExtTCPReqQFullDrop",
    "tcp_req_q_full_do_cookies": "TcpExtTCPReqQFullDoCookies",
    "tcp_syn_retrans": "TcpExtTCPSynRetrans",
    "tcp_time_wait_overflow": "TcpExtTCPTimeWaitOverflow",
}
SETTINGS = {
    "somaxconn": "net.core.somaxconn",
    "tcp_syncookies": "net.ipv4.tcp_syncookies",
    "tcp_max_syn_backlog": "net.ipv4.tcp_max_syn_backlog",
    "tcp_syn_retries": "net.ipv4.tcp_syn_retries",
    "tcp_synack_retries": "net.ipv4.tcp_synack_retries",
    "tcp_abort_on_overflow": "net.ipv4.tcp_abort_on_overflow",
    "tcp_tw_reuse": "net.ipv4.tcp_tw_reuse",
    "tcp_max_tw_buckets": "net.ipv4.tcp_max_tw_buckets",
    "ip_local_port_range": "net.ipv4.ip_local_port_range",
}

_FILES = ("snmp", "netstat")
_MAX_READ = 1 << 18  # bytes; the files have a few thousand


class HostView(NamedTuple):
    """Increases of the counters from `start_ns` to `end_ns` (local clock), and the settings at the start."""

    start_ns: int
    end_ns: int
    counters: dict[str, Number]
    settings: dict[str, Setting]
    addresses: frozenset[tuple[int, int]]  # (hi, lo) of all interfaces, at the start


class HostWatch:
    """Counter increases of one namespace from creation to `end`, even if this process moves to another namespace."""

    def __init__(self) -> None:
        """Open the files and read the initial values; raises OSError if the kernel provides no counters."""
        self._files: list[int] = []
        self._last: tuple[int, dict[str, int]] | None = None
        try:
            # A thread may be in another namespace than its process.
            self._files += [os.open(f"/proc/thread-self/net/{name}", os.O_RDONLY) for name in _FILES]
            self._start = self._read()
            self._settings = {key: _setting(name) for key, name in SETTINGS.items()}
            known = interfaces()
        except BaseException:
            self._close_files()
            raise
        self.interfaces = frozenset(each.name for each in known)
        self._addresses = frozenset(address_halves(address) for each in known for address in each.addresses)

    def view(self) -> HostView:
        """Return the increases so far."""
        end_ns, now = self._last or self._read()
        start_ns, before = self._start
        counters = {key: _increase(before, now, name) for key, name in COUNTERS.items()}
        return HostView(start_ns, end_ns, counters, self._settings, self._addresses)

    def end(self) -> None:
        """Freeze the counters: `view` no longer changes.  Idempotent."""
        if self._last is None:
            self._last = self._read()

    def close(self) -> None:
        """Close the files; `view` stays available."""
        self.end()
        self._close_files()

    def _close_files(self) -> None:
        while self._files:
            os.close(self._files.pop())

    def _read(self) -> tuple[int, dict[str, int]]:
        found: dict[str, int] = {}
        for file in self._files:
            found.update(_counters(os.pread(file, _MAX_READ, 0).decode("ascii", "replace")))
        return time.time_ns(), found


def watch_host(interface: str) -> HostWatch | None:
    """Start to watch this host; return None if it lacks the interface, or if its kernel provides no counters."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        watch = HostWatch()
    except OSError:
        return None
    # Capture programs have interfaces of their own, which may be on a remote host.
    if interface in watch.interfaces:
        return watch
    watch.close()
    return None


def _counters(text: str) -> Iterator[tuple[str, int]]:
    """Parse pairs of lines, `Tcp: ActiveOpens …` and `Tcp: 12 …`, into (nstat name, value)."""
    lines = [line.partition(":") for line in text.splitlines()]
    for (group, _, names), (other, _, numbers) in zip(lines[::2], lines[1::2], strict=False):
        if group == other:
            yield from zip((group + name for name in names.split()), map(int, numbers.split()), strict=False)


def _increase(before: dict[str, int], now: dict[str, int], name: str) -> Number:
    return max(now[name] - before[name], 0) if name in before and name in now else None


def _setting(name: str) -> Setting:
    """Read a sysctl, which has one number or several; None if it is missing."""
    try:
        words = Path("/proc/sys", name.replace(".", "/")).read_text().split()
        numbers = [int(word) for word in words]
    except (OSError, ValueError):
        return None
    return numbers[0] if len(numbers) == 1 else numbers or None
