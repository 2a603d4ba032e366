"""Sockets of the capturing host that belong to connections: owning processes and the kernel's TCP state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from handshake_inspect.report.words import Count, DurationNs, TcpState
from handshake_inspect.verdicts.sockets import is_full

if TYPE_CHECKING:
    from handshake_inspect.report.attempt_columns import AttemptColumns
    from handshake_inspect.verdicts.case import Case

# The kernel's TCP_* states, numbered from 1; NEW_SYN_RECV is 12.
KERNEL_STATES: tuple[TcpState, ...] = (
    "CLOSED", "ESTABLISHED", "SYN_SENT", "SYN_RECEIVED", "FIN_WAIT_1", "FIN_WAIT_2", "TIME_WAIT", "CLOSED",
    "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "SYN_RECEIVED",
)  # fmt: skip
_US = 1_000


class Kernel(Struct, frozen=True, gc=False):
    """What `ss -ti` shows of a socket: `rtt_ns` is the kernel's smoothed one, `cwnd` is in segments.

    It is as of the last look at it; a socket that is gone keeps what was seen last.
    """

    state: TcpState
    rtt_ns: DurationNs | None
    rtt_var_ns: DurationNs | None
    min_rtt_ns: DurationNs | None
    retransmissions: Count | None
    cwnd: Count | None


class Owner(Struct, frozen=True, gc=False):
    """The process that has a socket open, its user, and the systemd unit or the container that it is in.

    `kernel` is null where only the listener is known.
    """

    pid: Count | None
    name: str | None
    uid: Count
    unit: str | None
    container: str | None
    kernel: Kernel | None


class Listener(Struct, frozen=True, gc=False):
    """The listener of a service on the capturing host, and whose it is, as `Owner` says.

    `queued` connections wait for accept(), as of the last look; more than `backlog` have no room.
    """

    pid: Count | None
    name: str | None
    uid: Count
    unit: str | None
    container: str | None
    queued: Count
    backlog: Count

    @property
    def is_full(self) -> bool:
        """Return True if more connections wait than the backlog allows."""
        return is_full(self)


class Process(Struct, frozen=True, gc=False):
    """Whose the ends are that this host has; null for the others."""

    client: Owner | None
    server: Owner | None


def owner_text(owner: Owner | Listener) -> str:
    """Return the owner as text: `nginx (812, nginx.service)`, or the user if no process is known."""
    if owner.pid is None:
        return f"user {owner.uid}"
    where = f"container {owner.container}" if owner.container else owner.unit
    return f"{owner.name or 'process'} ({owner.pid}{f', {where}' if where else ''})"


def processes(attempts: AttemptColumns) -> Iterable[Process | None]:
    """Return the `Process` of each attempt, or None."""
    if not attempts.case.sockets:
        return repeat(None, len(attempts))
    return _processes(attempts)


def listener_of(case: Case, end: tuple[int, int, int]) -> Listener | None:
    """Return the listener at this address and port, or None."""
    found = _listener(case, end)
    if found is None:
        return None
    return Listener(found.pid, found.name, found.uid, found.unit, found.container, found.queued, found.backlog)


def _listener(case: Case, end: tuple[int, int, int]) -> Any:
    if not case.sockets:
        return None
    return case.sockets.listener(end, is_local=case.host is not None and case.host.has(end[:2]))


def _processes(attempts: AttemptColumns) -> Iterator[Process | None]:
    sockets = attempts.case.sockets
    assert sockets is not None  # noqa: S101
    ends = ([attempts.address(who, part).tolist() for part in ("hi", "lo", "port")] for who in ("client", "server"))
    clients, servers = (zip(*columns, strict=True) for columns in ends)
    times = (attempts.connection(name).tolist() for name in ("first_ns", "last_ns"))
    begun = (attempts.connection("syn_count") > 0).tolist()
    listeners = _Listeners(attempts.case)
    for client, server, first_ns, last_ns, whole in zip(clients, servers, *times, begun, strict=True):
        since_ns = first_ns if whole else 0  # without a SYN, the socket may be older than the capture
        asked = sockets.connected(client, server, since_ns, last_ns)
        answers = sockets.connected(server, client, since_ns, last_ns)
        if asked is None and answers is None:
            yield listeners[server]
        else:
            yield Process(_owner(asked), _owner(answers, listeners.found[server]))


class _Listeners(dict[Any, Any]):
    """A cache by server of the `Process` for connections without a known socket, made from the listener."""

    def __init__(self, case: Case) -> None:
        self.found: dict[Any, Any] = _Found(case)

    def __missing__(self, server: Any) -> Process | None:
        found = self.found[server]
        self[server] = process = None if found is None else Process(None, _owner(None, found))
        return process


class _Found(dict[Any, Any]):
    """A cache of listeners by server endpoint."""

    def __init__(self, case: Case) -> None:
        self._case = case

    def __missing__(self, server: Any) -> Any:
        self[server] = found = _listener(self._case, server)
        return found


def _owner(found: Any, listener: Any = None) -> Owner | None:
    """Return the owner of a socket; before accept() and after close it has none, so the listener's owner counts."""
    who = found if found is not None and (found.pid is not None or listener is None) else listener
    if who is None:
        return None
    return Owner(who.pid, who.name, who.uid, who.unit, who.container, None if found is None else _kernel(found))


def _kernel(found: Any) -> Kernel:
    state: TcpState = KERNEL_STATES[found.state] if found.state < len(KERNEL_STATES) else "CLOSED"
    rtt, var, least = (None if us is None else us * _US for us in (found.rtt_us, found.rtt_var_us, found.min_rtt_us))
    return Kernel(state, rtt, var, least, found.retransmissions, found.cwnd)
