"""Which server names clients had looked up, and which TCP or QUIC connection waited for which lookup.

A connection's name comes from the newest answer with the server's address that its own client got before its first SYN,
no older than its time to live or `LIVES_NS`, whichever is longer. Answers to other clients prove nothing. If two valid
names share an address, none is chosen.

An HTTPS record only hints at addresses: a client that has them from A or AAAA uses those (RFC 9460 section 7.3). So a
hint counts only if it was new to the client.

A host has an address per family, and queries from one of them for both. An address without queries is taken for a
client's other address if that client is the only one, of the other family, that got the server's address, or the only
one that got it within `AT_ONCE_NS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.dns.lookups import Lookup
from handshake_inspect.dns.messages import AAAA, HTTPS, A
from handshake_inspect.verdicts.sets import distinct, host_key, is_member, pair_key, run_starts

LIVES_NS = 600_000_000_000  # programs keep answers for longer than they should
AT_ONCE_NS = 1_000_000_000  # a connection that waited for a lookup begins within this of the answer
MOST_NAMES = 4  # names per connection
LOOKUP_WINDOW = 64  # other clients' lookups may lie between those that a client starts together
MAX_CONSIDERED = 16  # older answers considered per connection; attempts considered per address without queries
MOST_ANSWERS = 256  # newest lookups considered per server address
_MAPPED = bytes(10) + b"\xff\xff"

Places = NDArray[np.intp]


class TimedConnections(Protocol):
    """Connections as columns: client, server and start time."""

    @property
    def client_host(self) -> NDArray[np.uint64]:
        """The 64-bit key of every client's address."""

    @property
    def server_host(self) -> NDArray[np.uint64]:
        """The 64-bit key of every server's address."""

    @property
    def first_times(self) -> NDArray[np.int64]:
        """When every connection began."""

    def first_frames(self, rows: Any) -> NDArray[np.int64]:
        """Return the first frame of each of these connections."""

    def is_ipv4(self, rows: Any) -> NDArray[np.bool_]:
        """Return a mask over `rows`: it uses IPv4."""

    def where(self, mask: NDArray[np.bool_]) -> Any:
        """Return the indices that a mask over all connections selects."""


@dataclass(frozen=True)
class Names:
    """The names of all attempts of a capture; `lookups` are in the order of their first queries."""

    attempts: TimedConnections
    lookups: Sequence[Lookup]

    @cached_property
    def _entries(self) -> tuple[NDArray[np.uint64], NDArray[np.int64], Places]:
        """Every address of every answer, sorted by key and time: key of client and address, time, index of lookup."""
        found = [(place, address) for place, one in enumerate(self.lookups) for address in one.addresses]
        clients = [self.lookups[place].client for place, _ in found]
        keys = _pair(_halves(clients), _halves([address for _, address in found]))
        times = np.array([self.lookups[place].answer_ns for place, _ in found], dtype=np.int64)
        places = np.array([place for place, _ in found], dtype=np.intp)
        order = np.lexsort((times, keys))
        order = order[self._is_news(keys[order], times[order], places[order])]
        return keys[order], times[order], places[order]

    def _is_news(self, keys: NDArray[np.uint64], times: NDArray[np.int64], places: Places) -> NDArray[np.bool_]:
        """Return a mask over entries, without hints at what another valid or recent answer for the same name gave."""
        names: dict[str, int] = {}
        whose = np.array([names.setdefault(one.names[0], len(names)) for one in self.lookups], dtype=np.intp)
        hints = np.array([one.kind == HTTPS for one in self.lookups], dtype=bool)
        fresh = np.array([max(one.ttl_s * 1_000_000_000, AT_ONCE_NS) for one in self.lookups], dtype=np.int64)
        news = np.ones(len(keys), dtype=bool)
        order = np.lexsort((hints[places], times, whose[places], keys))
        keys, times, places = keys[order], times[order], places[order]
        known = np.maximum.accumulate(np.where(hints[places], -1, np.arange(len(places))))
        before = np.maximum(known, 0)
        same = (known >= 0) & (keys[before] == keys) & (whose[places[before]] == whose[places])
        news[order] = ~(hints[places] & same & (times - times[before] <= fresh[places[before]]))
        return news

    @cached_property
    def _asked(self) -> Places:
        """Attempts whose client ever got their server's address from a lookup."""
        keys = self._entries[0]
        if not len(keys):
            return np.zeros(0, dtype=np.intp)
        return np.flatnonzero(is_member(self._attempt_keys, distinct(keys)))

    @cached_property
    def _attempt_keys(self) -> NDArray[np.uint64]:
        clients = self.attempts.client_host.copy()
        for other, client in self._other_addresses.items():
            clients[clients == other] = client
        return pair_key(clients, self.attempts.server_host)

    @cached_property
    def _lookups_of(self) -> dict[int, list[int]]:
        """The lookups that returned each address (keys like `client_host`), in order."""
        found: dict[int, list[int]] = {}
        for place, one in enumerate(self.lookups):
            for address in dict.fromkeys(one.addresses):
                found.setdefault(_key(address), []).append(place)
        return found

    @cached_property
    def _other_addresses(self) -> dict[np.uint64, np.uint64]:
        """Addresses without queries, and the clients whose other address they are."""
        given, asked = self._lookups_of, {_key(one.client) for one in self.lookups}
        if not given:
            return {}
        servers, clients = self.attempts.server_host, self.attempts.client_host
        rows = self.attempts.where(is_member(servers, np.sort(np.array(list(given), dtype=np.uint64))))
        rows = rows[~is_member(clients[rows], np.sort(np.array(list(asked), dtype=np.uint64)))]
        rows = rows[np.argsort(self.attempts.first_frames(rows))]
        found: dict[np.uint64, np.uint64] = {}
        tries: dict[int, int] = {}
        for row, is_v4 in zip(rows.tolist(), self.attempts.is_ipv4(rows).tolist(), strict=True):
            client = int(clients[row])
            tries[client] = tries.get(client, 0) + 1
            if client not in found and tries[client] <= MAX_CONSIDERED:
                whose = self._whose(given[int(servers[row])], self._begun(row), is_v4=not is_v4)
                if whose is not None:
                    found[np.uint64(client)] = np.uint64(_key(whose))
        return found

    def _whose(self, places: Sequence[int], now_ns: int, *, is_v4: bool) -> bytes | None:
        """Return the only client of that address family that got an answer from one of these lookups, or None."""
        alive = [
            self.lookups[place]
            for place in places[-MOST_ANSWERS:]
            if (self.lookups[place].client[:12] == _MAPPED) == is_v4
            and 0 <= now_ns - self.lookups[place].answer_ns <= self._lives[place]
        ]
        for those in (alive, [one for one in alive if now_ns - one.answer_ns <= AT_ONCE_NS]):
            clients = {one.client for one in those}
            if len(clients) == 1:
                return clients.pop()
        return None

    @cached_property
    def _newest(self) -> Places:
        """For each of `_asked`, the index in `_entries` of the newest valid answer at its first SYN, -1 for none."""
        keys, times, _ = self._entries
        if not len(self._asked):
            return self._asked
        mine, begun = self._attempt_keys[self._asked], self.attempts.first_times.take(self._asked)
        _, moments = np.unique(np.concatenate([times, begun]), return_inverse=True)
        _, ranks = np.unique(np.concatenate([keys, mine]), return_inverse=True)
        codes = ranks.astype(np.int64) << 32 | moments
        at = np.searchsorted(codes[: len(keys)], codes[len(keys) :], side="right") - 1
        there = (at >= 0) & (keys[np.maximum(at, 0)] == mine)
        return np.where(there & self._alive(at, begun), at, -1)

    def _alive(self, entries: Places, now_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        _, times, places = self._entries
        lives = self._lives[places[np.maximum(entries, 0)]]
        alive: NDArray[np.bool_] = now_ns - times[np.maximum(entries, 0)] <= lives
        return alive

    @cached_property
    def _lives(self) -> NDArray[np.int64]:
        return np.array([max(one.ttl_s * 1_000_000_000, LIVES_NS) for one in self.lookups], dtype=np.int64)

    @cached_property
    def lookup_of(self) -> dict[int, int]:
        """The index of the newest lookup, per attempt whose client had looked up the server's address."""
        places = self._entries[2]
        there = self._newest >= 0
        return dict(zip(self._asked[there].tolist(), places[self._newest[there]].tolist(), strict=True))

    @cached_property
    def all_names(self) -> dict[int, list[str]]:
        """Up to `MOST_NAMES` valid names of the server's address per such attempt, the newest first."""
        keys, _, places = self._entries
        there = np.flatnonzero(self._newest >= 0)
        if not len(there):
            return {}
        rows, entries, begun = (
            self._asked[there],
            self._newest[there],
            self.attempts.first_times.take(self._asked[there]),
        )
        found: dict[int, list[str]] = {row: [] for row in rows.tolist()}
        for back in range(MAX_CONSIDERED):
            at = entries - back
            same = (at >= 0) & (keys[np.maximum(at, 0)] == keys[entries])
            alive = same & self._alive(at, begun)
            for row, place in zip(rows[alive].tolist(), places[np.maximum(at, 0)][alive].tolist(), strict=True):
                for name in self.lookups[place].names:
                    if name not in found[row] and len(found[row]) < MOST_NAMES:
                        found[row].append(name)
        return found

    def name(self, attempt: int) -> str | None:
        """Return the name of an attempt's server, or None if none or several are known."""
        names = self.all_names.get(attempt, [])
        return names[0] if len(names) == 1 else None

    @cached_property
    def firsts(self) -> dict[int, tuple[int, int, int]]:
        """The start, first frame and row of the first attempt after each lookup that was used."""
        there = self._newest >= 0
        if not there.any():
            return {}
        rows, places = self._asked[there], self._entries[2][self._newest[there]]
        begun, frames = self.attempts.first_times.take(rows), self.attempts.first_frames(rows)
        order = np.lexsort((frames, begun, places))
        first = order[run_starts(places[order])]
        each = (column[first].tolist() for column in (begun, frames, rows))
        return dict(zip(places[first].tolist(), zip(*each, strict=True), strict=True))

    def _begun(self, attempt: int) -> int:
        return int(self.attempts.first_times[attempt])


def waited_for(*every: Names) -> list[dict[int, int]]:
    """Return per `Names` the attempts that waited for a lookup, with the lookup's index.

    That is the first attempt of all of them after the answer, if it began at once. Later ones found the answer in a
    cache.
    """
    waited: list[dict[int, int]] = [{} for _ in every]
    for place in {place for names in every for place in names.firsts}:
        those = [(names.firsts[place], at) for at, names in enumerate(every) if place in names.firsts]
        (begun, _, attempt), which = min(those)
        if begun - every[which].lookups[place].answer_ns <= AT_ONCE_NS:
            waited[which][attempt] = place
    return waited


def other_awaited(lookups: Sequence[Lookup], place: int, begun_ns: int) -> Lookup | None:
    """Return the client's other lookup for the same server that was still open when this one was answered, or None.

    If several were answered before the client connected, the last one: A, AAAA and HTTPS are queried together, and a
    client often waits for all. Lookups are in query order, so they are close to each other.
    """
    mine = lookups[place]
    others = [
        one
        for one in lookups[max(place - LOOKUP_WINDOW, 0) : place + LOOKUP_WINDOW]
        if one.client == mine.client and one.kind != mine.kind and one.kind in (A, AAAA, HTTPS)
        if one.first_ns <= mine.answer_ns < one.answer_ns <= begun_ns and not set(one.names).isdisjoint(mine.names)
    ]
    return max(others, key=lambda one: one.answer_ns, default=None)


def _halves(addresses: Sequence[bytes]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Split 16-byte addresses into upper and lower halves."""
    words = np.frombuffer(b"".join(addresses), dtype=">u8").astype(np.uint64).reshape(-1, 2)
    return words[:, 0], words[:, 1]


def _key(address: bytes) -> int:
    """Return the key of an address, as in `client_host`."""
    return int(host_key(*_halves([address]))[0])


def _pair(
    client: tuple[NDArray[np.uint64], NDArray[np.uint64]], server: tuple[NDArray[np.uint64], NDArray[np.uint64]]
) -> NDArray[np.uint64]:
    return pair_key(host_key(*client), host_key(*server))
