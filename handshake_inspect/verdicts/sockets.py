"""Sockets of the capturing host, looked up by address and port.

The kernel knows a socket only while it exists; the last known state of up to `MOST` sockets is kept.
"""

from collections.abc import Iterable
from typing import Any

Address = tuple[int, int]
End = tuple[int, int, int]  # address and port
MOST = 1 << 16
_SLACK_NS = 1_000_000_000  # a poll may be so late
_EARLY_NS = 10_000_000  # a poll may see a socket before its SYN gets its timestamp
_ANY = ((0, 0), (0, 0xFFFF << 32))  # wildcard addresses of listeners


def is_full(listener: Any) -> bool:
    """Return True if the accept queue of a listener holds more connections than its backlog."""
    return bool(listener.queued > listener.backlog)


class Sockets:
    """Connected sockets by both endpoints, listeners by their own."""

    def __init__(self) -> None:
        self._connected: dict[tuple[End, End], tuple[int, Any]] = {}  # first seen, last state
        self._listening: dict[End, Any] = {}

    def __bool__(self) -> bool:
        return bool(self._connected or self._listening)

    def learn(self, seen: Iterable[Any]) -> None:
        """Add observed sockets, each a `live.sockets.Socket`."""
        for each in seen:
            local, remote = (*each.local, each.local_port), (*each.remote, each.remote_port)
            if each.listens:
                self._listening[local] = each
                continue
            key = local, remote
            since_ns, before = self._connected.pop(key, (each.seen_ns, None))
            if before is not None and before.pid is not None and each.pid not in (before.pid, None):
                since_ns = each.seen_ns  # another socket has the same ends
            elif before is not None and each.pid is None:
                each = each._replace(pid=before.pid, name=before.name, unit=before.unit, container=before.container)  # noqa: PLW2901
            self._connected[key] = since_ns, each
            if len(self._connected) > MOST:
                del self._connected[next(iter(self._connected))]

    def full(self, addresses: Iterable[Address]) -> list[End]:
        """Return the listeners at these addresses whose accept queue was full when last seen."""
        full = [each for each, found in self._listening.items() if is_full(found)]
        some = {each for each in full if each[:2] not in _ANY}
        return sorted(some | {(*own, each[2]) for own in addresses for each in full if each[:2] in _ANY})

    def connected(self, local: End, remote: End, first_ns: int, last_ns: int) -> Any:
        """Return the socket of this end of a connection that was seen in this period, or None."""
        since_ns, found = self._connected.get((local, remote), (0, None))
        if found is None or since_ns > last_ns + _SLACK_NS or since_ns < first_ns - _EARLY_NS:
            return None
        return found

    def listener(self, end: End, *, is_local: bool) -> Any:
        """Return the listener at an address and port, or None; wildcard listeners only for local addresses."""
        exact = self._listening.get(end)
        if exact is not None or not is_local:
            return exact
        return next((found for hi, lo in _ANY if (found := self._listening.get((hi, lo, end[2])))), None)
