"""What the kernel of this host counts while a capture runs, and the settings that decide it.

Counters and settings are those of one network namespace, that of the process that opens their files under /proc: a
container has its own, and a listener in another one is counted there.  All is opened when the watch begins, so that it
stays the namespace of the capture, and can be read after root was given up.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from handshake_inspect.live.interfaces import interfaces
from handshake_inspect.wire.address import address_halves

Number = int | None  # None: this kernel does not say
Setting = int | list[int] | None

# Keys of a report and the names of the kernel, as nstat has them.
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
_ROOM = 1 << 18  # bytes: a file of counters is a few thousand


class HostView(NamedTuple):
    """What was counted from `start_ns` to `end_ns` (this machine's clock), and how the host was set at the start."""

    start_ns: int
    end_ns: int
    counters: dict[str, Number]
    settings: dict[str, Setting]
    addresses: frozenset[tuple[int, int]]  # of all interfaces, at the start


class HostWatch:
    """Counts from now on, until `end`, of one namespace, even if this process moves to another."""

    def __init__(self) -> None:
        """Begin; OSError where the kernel shows no counters."""
        self._files: list[int] = []
        self._last: tuple[int, dict[str, int]] | None = None
        try:
            # A thread may live in another namespace than its process.
            self._files += [os.open(f"/proc/thread-self/net/{name}", os.O_RDONLY) for name in _FILES]
            self._start = self._read()
            self._settings = {key: _setting(name) for key, name in SETTINGS.items()}
            known = interfaces()
        except BaseException:
            self._let_go()
            raise
        self.interfaces = frozenset(each.name for each in known)
        self._addresses = frozenset(address_halves(address) for each in known for address in each.addresses)

    def view(self) -> HostView:
        """What was counted so far."""
        end_ns, now = self._last or self._read()
        start_ns, before = self._start
        counters = {key: _grown(before, now, name) for key, name in COUNTERS.items()}
        return HostView(start_ns, end_ns, counters, self._settings, self._addresses)

    def end(self) -> None:
        """Count no more: `view` stays what it is now.  A second end changes nothing."""
        if self._last is None:
            self._last = self._read()

    def close(self) -> None:
        """Let go of the files; the view stays."""
        self.end()
        self._let_go()

    def _let_go(self) -> None:
        while self._files:
            os.close(self._files.pop())

    def _read(self) -> tuple[int, dict[str, int]]:
        found: dict[str, int] = {}
        for file in self._files:
            found.update(_counters(os.pread(file, _ROOM, 0).decode("ascii", "replace")))
        return time.time_ns(), found


def watch_host(interface: str) -> HostWatch | None:
    """Begin to watch the host that has this interface; None if it is not this host, or its kernel has no counters."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        watch = HostWatch()
    except OSError:
        return None
    # Capturing programs know interfaces of their own, which may be on the other side of the world.
    if interface in watch.interfaces:
        return watch
    watch.close()
    return None


def _counters(text: str) -> Iterator[tuple[str, int]]:
    """Read pairs of lines, `Tcp: ActiveOpens …` and `Tcp: 12 …`: each number by its name in nstat."""
    lines = [line.partition(":") for line in text.splitlines()]
    for (group, _, names), (other, _, numbers) in zip(lines[::2], lines[1::2], strict=False):
        if group == other:
            yield from zip((group + name for name in names.split()), map(int, numbers.split()), strict=False)


def _grown(before: dict[str, int], now: dict[str, int], name: str) -> Number:
    return max(now[name] - before[name], 0) if name in before and name in now else None


def _setting(name: str) -> Setting:
    """Read a sysctl: one number, or several."""
    try:
        words = Path("/proc/sys", name.replace(".", "/")).read_text().split()
        numbers = [int(word) for word in words]
    except (OSError, ValueError):
        return None
    return numbers[0] if len(numbers) == 1 else numbers or None
