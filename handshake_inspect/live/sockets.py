"""Sockets of this host and their processes, from a helper program that keeps root privileges (see `socket_finder`).

The helper runs asynchronously, so that capturing never waits for it.
"""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from handshake_inspect.live import socket_finder
from handshake_inspect.wire.const import IPV4_MAPPED, MASK64

_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_READ = 1 << 16
_EXIT_TIMEOUT_S = 5
_LINES = msgspec.json.Decoder(tuple[int, list[list[Any]]])

Address = tuple[int, int]  # (hi, lo) halves, as in connection rows


class Socket(NamedTuple):
    """A TCP socket at time `seen_ns` (since the epoch), and the process that has it open."""

    seen_ns: int
    local: Address
    local_port: int
    remote: Address
    remote_port: int
    state: int  # TCP_* of the kernel
    uid: int
    pid: int | None
    name: str | None
    unit: str | None
    container: str | None
    rtt_us: int | None
    rtt_var_us: int | None
    min_rtt_us: int | None
    retransmissions: int | None
    cwnd: int | None
    queued: int | None  # for a listener: connections that wait for accept(), and their limit
    backlog: int | None

    @property
    def listens(self) -> bool:
        """Return True for a listener."""
        return self.state == socket_finder.LISTEN


class SocketWatch:
    """Watches the sockets of the network namespace of the thread that creates it."""

    def __init__(self) -> None:
        """Start the helper program; raises OSError if the kernel does not support sock_diag."""
        self._rest = b""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as netlink:
            script = str(Path(socket_finder.__file__).with_suffix(".py"))
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-I", "-S", script, str(netlink.fileno())],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                pass_fds=[netlink.fileno()], start_new_session=True,  # Ctrl-C must not reach it
            )  # fmt: skip
        for stream in (self._process.stdin, self._process.stdout):
            os.set_blocking(stream.fileno(), False)  # type: ignore[union-attr]

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when there are reports."""
        assert self._process.stdout is not None  # noqa: S101
        return self._process.stdout.fileno()

    def request(self) -> None:
        """Request a poll, since there are new connections."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with suppress(OSError):  # enough requests are pending, or it has ended
                os.write(self._process.stdin.fileno(), b"\n")

    def take(self) -> list[Socket]:
        """Return the sockets reported since the last call."""
        *lines, self._rest = (self._rest + self._read()).split(b"\n")
        return [_socket(at, row) for at, rows in map(_LINES.decode, filter(None, lines)) for row in rows]

    def close(self) -> None:
        """End the helper program."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_TIMEOUT_S)

    def _read(self) -> bytes:
        parts = []
        stream = self._process.stdout
        with suppress(OSError, ValueError):  # no more data, or closed
            while stream is not None and (part := os.read(stream.fileno(), _READ)):
                parts.append(part)
        return b"".join(parts)


def watch_sockets() -> SocketWatch | None:
    """Start to watch; return None if that is not supported."""
    if not sys.platform.startswith("linux") or not sys.executable:
        return None
    try:
        return SocketWatch()
    except OSError:
        return None


def _socket(at: int, row: list[Any]) -> Socket:
    _, local, local_port, remote, remote_port, *rest = row
    return Socket(at, _halves(local), local_port, _halves(remote), remote_port, *rest)


def _halves(digits: str) -> Address:
    value = int(digits, 16)
    return (0, IPV4_MAPPED | value) if len(digits) == 8 else (value >> 64, value & MASK64)
