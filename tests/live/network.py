"""Two hosts as network namespaces of the real kernel, a cable between them, and a watcher."""

import ctypes
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import dpkt
import pytest

from handshake_inspect.capture.frames import FRAME
from handshake_inspect.live.base import LiveSource
from handshake_inspect.live.child import installed

CLIENT, SERVER = "10.93.7.1", "10.93.7.2"
CLIENT6, SERVER6 = "fd93:7::1", "fd93:7::2"
OPEN, CLOSED, LAST = 8080, 9, 9999  # ports of the server; on LAST the last attempt of an exchange is refused
PATIENCE_S = 30  # a test that waits longer has failed

_NEW_NET = 0x4000_0000
_libc = ctypes.CDLL(None, use_errno=True)


def why_not() -> str | None:
    """Return why tests with the kernel cannot run here, or None."""
    if not sys.platform.startswith("linux"):
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root (network namespaces, packet sockets)"
    try:
        done = subprocess.run(["ip", "netns", "add", f"hsi-try-{os.getpid()}"], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", f"hsi-try-{os.getpid()}"], capture_output=True, check=False)
    except OSError:
        return "needs ip (iproute2)"
    return None if done.returncode == 0 else "may not make network namespaces here"


def needs(backend: str) -> None:
    """Skip a test if the program of a backend is missing."""
    if backend != "ring" and not installed(backend):
        pytest.skip(f"{backend} is not installed")


class Host:
    """A network namespace."""

    def __init__(self, name: str) -> None:
        self.name = name

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Enter this host: sockets and child processes created in the block belong to it."""
        with Path("/proc/thread-self/ns/net").open() as before, Path(f"/run/netns/{self.name}").open() as here:
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def run(self, *command: str) -> None:
        subprocess.run(["ip", "netns", "exec", self.name, *command], check=True, capture_output=True)

    def ip(self, *arguments: str) -> None:
        subprocess.run(["ip", "-n", self.name, *arguments], check=True, capture_output=True)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _NEW_NET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Network:
    """A client and a server, `wire` on both ends, and a listener on the server."""

    def __init__(self) -> None:
        tag = f"hsi-{os.getpid():x}"
        self.client, self.server = Host(f"{tag}-c"), Host(f"{tag}-s")
        for host in (self.client, self.server):
            subprocess.run(["ip", "netns", "add", host.name], check=True)
            # Addresses at once and nothing that talks by itself.
            host.run(
                "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.router_solicitations=0",
                "net.ipv4.tcp_tw_reuse=0",  # no connection takes the 4-tuple of one of an earlier test
            )  # fmt: skip
            host.ip("link", "set", "lo", "up")
        self.plug()
        self._listeners = []
        for family, address in ((socket.AF_INET, SERVER), (socket.AF_INET6, SERVER6)):
            with self.server():
                listener = socket.socket(family)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((address, OPEN))
                listener.listen()
            self._listeners.append(listener)

    def plug(self) -> None:
        self.client.ip("link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", self.server.name)
        for host, address, address6 in ((self.client, CLIENT, CLIENT6), (self.server, SERVER, SERVER6)):
            host.ip("addr", "add", f"{address}/24", "dev", "wire")
            host.ip("addr", "add", f"{address6}/64", "dev", "wire", "nodad")
            host.ip("link", "set", "wire", "up")

    @property
    def listener(self) -> socket.socket:
        """The listener on the IPv4 address of the server."""
        return self._listeners[0]

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()
        for host in (self.client, self.server):
            subprocess.run(["ip", "netns", "del", host.name], check=False, capture_output=True)

    def exchange(self) -> None:
        """Make connections of every common kind; the last is refused on port LAST."""
        for listener, address in zip(self._listeners, (SERVER, SERVER6), strict=True):
            with self.client():
                talk = socket.create_connection((address, OPEN), timeout=PATIENCE_S)
            accepted, _ = listener.accept()
            with talk, accepted:
                talk.sendall(b"ping" * 500)
                received = 0
                while received < 2000:
                    received += len(accepted.recv(4096))
                accepted.sendall(b"pong")
                assert talk.recv(4096) == b"pong"
                talk.shutdown(socket.SHUT_WR)
                assert accepted.recv(1) == b""
        self.knock(CLOSED)
        self.knock(LAST)

    def knock(self, port: int, address: str = SERVER) -> None:
        with self.client(), suppress(ConnectionRefusedError):
            socket.create_connection((address, port), timeout=PATIENCE_S).close()


class Seen(NamedTuple):
    """A dissected frame."""

    source: tuple[str, int]
    destination: tuple[str, int]
    flags: int
    seq: int
    ack: int
    payload: int  # bytes on the wire

    @property
    def is_last(self) -> bool:
        return self.source[1] == LAST and bool(self.flags & dpkt.tcp.TH_RST)


class Watcher:
    """Reads a source and keeps its frames."""

    def __init__(self, source: LiveSource) -> None:
        self.source = source
        self.captured: list[bytes] = []
        self.times: list[int] = []
        self.wire_lengths: list[int] = []
        self.seen: list[Seen] = []

    def drain(self) -> None:
        reader = self.source.reader
        while reader.advance() == FRAME:
            data = bytes(memoryview(reader.buffer)[reader.frame_start : reader.frame_end])
            self.captured.append(data)
            self.times.append(reader.ts_ns)
            self.wire_lengths.append(reader.wire_len)
            seen = dissect(data, reader.link_type)
            if seen:
                self.seen.append(seen)

    def until(self, done: Callable[["Watcher"], bool]) -> "Watcher":
        """Pump until `done`; fails after PATIENCE_S."""
        deadline = time.monotonic() + PATIENCE_S
        while not done(self):
            assert time.monotonic() < deadline, f"{self.source.backend}: only {self.seen}"
            if self.source.wait(1):
                assert self.source.fill(), self.source.failure
                self.drain()
        return self

    def until_last(self) -> "Watcher":
        return self.until(lambda watcher: any(each.is_last for each in watcher.seen))

    def finish(self) -> "Watcher":
        """Stop, and read the remaining frames."""
        self.source.stop()
        return self.to_the_end()

    def to_the_end(self) -> "Watcher":
        while self.source.fill():
            self.drain()
        return self


def dissect(data: bytes, link_type: int) -> Seen | None:
    """Dissect a frame with dpkt; return None if it is not TCP."""
    ethertype, packet = network_layer(data, link_type)
    ip: Any
    if ethertype == 0x0800:
        ip = dpkt.ip.IP(packet)
        length = ip.len - ip.hl * 4
        names = [socket.inet_ntop(socket.AF_INET, each) for each in (ip.src, ip.dst)]
    elif ethertype == 0x86DD:
        ip = dpkt.ip6.IP6(packet)
        length = ip.plen
        names = [socket.inet_ntop(socket.AF_INET6, each) for each in (ip.src, ip.dst)]
    else:
        return None
    tcp = ip.data
    if not isinstance(tcp, dpkt.tcp.TCP):
        return None
    ends = (names[0], tcp.sport), (names[1], tcp.dport)
    return Seen(*ends, tcp.flags, tcp.seq, tcp.ack, length - tcp.off * 4)


def network_layer(data: bytes, link_type: int) -> tuple[int, bytes]:
    at = {1: 12, 113: 14, 276: 0}[link_type]
    ethertype = int.from_bytes(data[at : at + 2], "big")
    start = {1: 14, 113: 16, 276: 20}[link_type]
    while ethertype in (0x8100, 0x88A8):
        ethertype = int.from_bytes(data[start + 2 : start + 4], "big")
        start += 4
    return ethertype, data[start:]


def wait_readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], PATIENCE_S)[0])
