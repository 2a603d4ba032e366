"""What the kernel itself says of a connection: errno, TCP_INFO and `ss`."""

from __future__ import annotations

import errno
import select
import socket
import struct
from dataclasses import dataclass, field

from lab.namespace import Host

# ss's words for the states of RFC 9293 section 3.3.2.
STATES = {
    "ESTAB": "ESTABLISHED",
    "SYN-SENT": "SYN_SENT",
    "SYN-RECV": "SYN_RECEIVED",
    "FIN-WAIT-1": "FIN_WAIT_1",
    "FIN-WAIT-2": "FIN_WAIT_2",
    "TIME-WAIT": "TIME_WAIT",
    "CLOSE-WAIT": "CLOSE_WAIT",
    "LAST-ACK": "LAST_ACK",
    "CLOSING": "CLOSING",
    "LISTEN": "LISTEN",
}


def tcp_info(sock: socket.socket) -> dict[str, int]:
    """The round-trip times of TCP_INFO, in microseconds, and what was retransmitted."""
    raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
    field_at = {"rtt_us": 68, "rttvar_us": 72, "total_retrans": 100, "min_rtt_us": 148}
    return {name: struct.unpack_from("=I", raw, at)[0] for name, at in field_at.items()}


def endpoint(address: tuple[object, ...]) -> tuple[str, int]:
    """Address and port of what the socket module returns for either family."""
    return str(address[0]), int(str(address[1]))


@dataclass
class Attempt:
    """One connect(): who, to whom, and what became of it."""

    sock: socket.socket
    client: tuple[str, int]
    server: tuple[str, int]
    error: str | None = "EINPROGRESS"
    info: dict[str, int] = field(default_factory=dict)

    def wait(self, timeout: float) -> Attempt:
        """Wait for the end of the attempt and read TCP_INFO before any data changes it."""
        _, writable, _ = select.select([], [self.sock], [], timeout)
        if writable:
            number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.error = errno.errorcode[number] if number else None
            if self.error is None:
                self.info = tcp_info(self.sock)
                self.sock.settimeout(20)
            else:  # as an application does: an ICMP error may otherwise leave the socket trying
                self.sock.close()
        return self


_next_port = 40000


def next_port() -> int:
    """A client port that this process has not used yet: bound, so that a failed attempt still has a name."""
    global _next_port  # noqa: PLW0603 - one process makes one sample
    _next_port += 1
    return _next_port


def start_connect(client: Host, server: Host, port: int, source: int = 0, sock: socket.socket | None = None) -> Attempt:
    """Begin to connect without waiting."""
    sock = sock or client.socket()
    sock.setblocking(False)
    mine = (client.ip, source or next_port())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(mine)
    attempt = Attempt(sock, mine, (server.ip, port))
    try:
        sock.connect((server.ip, port))
    except BlockingIOError:
        return attempt
    except OSError as refused:  # a veth answers within the call
        attempt.error = errno.errorcode[refused.errno or 0]
        return attempt
    return attempt.wait(0)


def connect(client: Host, server: Host, port: int, timeout: float = 10, source: int = 0) -> Attempt:
    """Connect and wait for the outcome, at most `timeout` seconds."""
    attempt = start_connect(client, server, port, source)
    return attempt.wait(timeout) if attempt.error == "EINPROGRESS" else attempt


def sockets(host: Host) -> list[dict[str, str]]:
    """Every TCP socket of a host, as `ss -tan` has it."""
    found = []
    for line in host.run("ss", "-tanH").splitlines():
        word, _, _, local, peer = line.split()[:5]
        found.append({"state": word, "local": local, "peer": peer})
    return found


def written(address: tuple[str, int]) -> str:
    """An endpoint the way ss writes it."""
    ip, port = address
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
