"""Who has which socket: asked of a small program that stays root (see `socket_finder`), so that nothing here waits."""

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
_GOODBYE_S = 5
_LINES = msgspec.json.Decoder(tuple[int, list[list[Any]]])

Address = tuple[int, int]  # as rows hold them


class Socket(NamedTuple):
    """A TCP socket as the kernel had it at `seen_ns` (since the epoch), and the process that has it open."""

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
    queued: int | None  # of a listener: connections that wait for accept(), and how many may
    backlog: int | None

    @property
    def listens(self) -> bool:
        """Whether it is a listener."""
        return self.state == socket_finder.LISTEN


class SocketWatch:
    """The sockets of the network namespace that this thread is in now."""

    def __init__(self) -> None:
        """Begin; OSError where the kernel lists no sockets."""
        self._rest = b""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as netlink:
            script = str(Path(socket_finder.__file__).with_suffix(".py"))
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-I", "-S", script, str(netlink.fileno())],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                pass_fds=[netlink.fileno()], start_new_session=True,  # Ctrl-C is not for it
            )  # fmt: skip
        for stream in (self._process.stdin, self._process.stdout):
            os.set_blocking(stream.fileno(), False)  # type: ignore[union-attr]

    def fileno(self) -> int:
        """For select(): it has reported something."""
        assert self._process.stdout is not None  # noqa: S101
        return self._process.stdout.fileno()

    def ask(self) -> None:
        """Have it look soon: there are new connections."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with suppress(OSError):  # it has enough to do, or has ended
                os.write(self._process.stdin.fileno(), b"\n")

    def take(self) -> list[Socket]:
        """What it has reported since the last time."""
        *lines, self._rest = (self._rest + self._read()).split(b"\n")
        return [_socket(at, row) for at, rows in map(_LINES.decode, filter(None, lines)) for row in rows]

    def close(self) -> None:
        """Let it end."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GOODBYE_S)

    def _read(self) -> bytes:
        parts = []
        stream = self._process.stdout
        with suppress(OSError, ValueError):  # nothing more there, or closed
            while stream is not None and (part := os.read(stream.fileno(), _READ)):
                parts.append(part)
        return b"".join(parts)


def watch_sockets() -> SocketWatch | None:
    """Begin to watch; None where nothing can be said."""
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
