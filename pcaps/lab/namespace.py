"""One host of the laboratory: a network namespace that sockets and commands can be made in."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PREFIX = "hsi"
_CLONE_NEWNET = 0x40000000
Socket = socket.socket
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(descriptor: int) -> None:
    """Move the calling thread into a network namespace (`os.setns` came only with Python 3.12)."""
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "setns")


def run(*command: str, timeout: float = 60, check: bool = True) -> str:
    """Run a command to its end and return what it wrote; a failure carries the command's own words."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Listener(socket.socket):
    """A listening socket that keeps what it accepts: a connection that nobody holds would be closed."""

    def accept(self) -> tuple[Socket, Any]:
        """Accept a connection."""
        accepted, address = super().accept()
        self.__dict__.setdefault("kept", []).append(accepted)
        return accepted, address


class Host:
    """A network namespace named after this process, so that nothing else is touched and leftovers are recognised."""

    def __init__(self, label: str, ipv6: bool = False) -> None:
        self.label = label
        self.namespace = f"{PREFIX}-{os.getpid()}-{label}"
        self.ip = ""
        self._listeners: list[Socket] = []  # a listener that nobody holds would be closed
        run("ip", "netns", "add", self.namespace)
        self._inside = os.open(f"/run/netns/{self.namespace}", os.O_RDONLY)
        self._outside = os.open("/proc/self/ns/net", os.O_RDONLY)
        if not ipv6:
            self.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        else:  # no router solicitations and no duplicate address detection: only what the scenario sends
            self.sysctl("net.ipv6.conf.default.router_solicitations", 0)
            self.sysctl("net.ipv6.conf.default.accept_dad", 0)
        self.run("ip", "link", "set", "lo", "up")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Have the calling thread live in this namespace; sockets made meanwhile stay in it."""
        _setns(self._inside)
        try:
            yield
        finally:
            _setns(self._outside)

    def run(self, *command: str, timeout: float = 60, check: bool = True) -> str:
        """Run a command on this host."""
        return run("ip", "netns", "exec", self.namespace, *command, timeout=timeout, check=check)

    def spawn(self, *command: str) -> subprocess.Popen[str]:
        """Start a command on this host; its standard error can be read line by line."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sysctl(self, name: str, value: int | str) -> None:
        """Set a network sysctl of this host."""
        with self.inside():
            Path("/proc/sys", name.replace(".", "/")).write_text(str(value))

    def firewall(self, hook: str, *rules: str) -> None:
        """Replace the nftables rules of this host with `rules` on one hook; none clears them."""
        self.run("nft", "flush", "ruleset")
        if rules:
            self.run("nft", "add table inet lab")
            self.run("nft", f"add chain inet lab {hook} {{ type filter hook {hook} priority 0; }}")
        for rule in rules:
            self.run("nft", f"add rule inet lab {hook} {rule}")

    def socket(self, kind: int = socket.SOCK_STREAM, protocol: int = 0, family: int | None = None) -> Socket:
        """Make a socket on this host, of the family of its address by default."""
        if family is None:
            family = socket.AF_INET6 if ":" in self.ip else socket.AF_INET
        with self.inside():
            return socket.socket(family, kind, protocol)

    def listen(self, port: int, backlog: int = 128, protocol: int = 0) -> Listener:
        """Listen on a port of this host."""
        with self.inside():
            listener = Listener(socket.AF_INET6 if ":" in self.ip else socket.AF_INET, socket.SOCK_STREAM, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.ip, port))
        listener.listen(backlog)
        listener.settimeout(20)
        self._listeners.append(listener)
        return listener

    def remove(self) -> None:
        """Delete the namespace, and with it its interfaces."""
        for descriptor in (self._inside, self._outside):
            os.close(descriptor)
        run("ip", "netns", "del", self.namespace, check=False)


def remove_leftovers(pid: int) -> None:
    """Delete the namespaces that a process of this laboratory left behind, when it was killed."""
    for line in run("ip", "netns", "list").splitlines():
        if line.startswith(f"{PREFIX}-{pid}-"):
            run("ip", "netns", "del", line.split()[0], check=False)
