"""All attempts of a capture as one table of columns, whichever rows store them. No frames, no tracker.

An attempt is a connection row, or a lone SYN that nothing answered, which is stored in a smaller row (an embryo).
Attempts are numbered in row order: connections first, so that a connection has the same number as an attempt, then the
lone SYNs. `order` sorts them by first frame, which gives their ids.

A lone SYN has the columns of a connection and of its two ends; `LONE_SYN`, `LONE_CLIENT` and `LONE_SERVER` define them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_SYN, TRAIT_ISS, TRAIT_SEEN
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.columns import AT_ONCE, BATCH, Rows, batches
from handshake_inspect.verdicts.grouping import Groups
from handshake_inspect.verdicts.key_columns import ServiceNumbers
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows, ReportIds, chained
from handshake_inspect.verdicts.row_store import RowStore
from handshake_inspect.verdicts.sets import host_key, nearly_in_order, pair_key, places
from handshake_inspect.wire.address import is_ipv4
from handshake_inspect.wire.const import MASK32

Who = Literal["client", "server"]
Attempted = TypeVar("Attempted", bound=AttemptRows)
Part = Literal["hi", "lo", "port"]

# Connection fields of a lone SYN: the field of its own row, or a constant.
LONE_SYN: dict[str, str | int] = {
    "first_ns": "first_ns", "last_ns": "first_ns", "facts": FACT_SYN, "syn_count": 1, "synack_count": 0,
}  # fmt: skip
# The same for its two ends; fields not listed are 0.
LONE_CLIENT: dict[str, str | int] = {
    "frames": 1, "traits": TRAIT_ISS | TRAIT_SEEN, "iss": "iss", "options": "options", "mss": "mss", "syn_ttl": "ttl",
    "syn_tsval": "tsval",
}  # fmt: skip
LONE_SERVER: dict[str, str | int] = {}
NARROWED = 8  # batches larger than this many times the wanted number are partitioned before sorting
_HALVES: tuple[Part, Part] = ("hi", "lo")
_LONE: dict[Who, dict[str, str | int]] = {"client": LONE_CLIENT, "server": LONE_SERVER}


@dataclass(frozen=True, eq=False, repr=False)
class Attempts(RowStore):
    """All attempts of one capture, and the capture's own times."""

    # -- columns of all attempts -----------------------------------------------------------------------------------

    def server(self, part: Part) -> NDArray[Any]:
        """Return `hi`, `lo` or `port` of every attempt's server."""
        return self._end(part, "server")

    def client(self, part: Part) -> NDArray[Any]:
        """Return `hi`, `lo` or `port` of every attempt's client."""
        return self._end(part, "client")

    def _end(self, part: Part, who: Who) -> NDArray[Any]:
        return np.concatenate([self._of_ends(part, who, ...), self.embryos[f"{who}_{part}"]])

    def _of_ends(self, part: Part, who: Who, full: Any) -> NDArray[Any]:
        c, far = self.connections, int(who == "server")
        return np.where(c["client"][full] == far, c[f"{part}0"][full], c[f"{part}1"][full])

    @cached_property
    def first_times(self) -> NDArray[np.int64]:
        """When every attempt began, in nanoseconds."""
        times = np.empty(len(self), dtype=np.int64)
        self.of_connections(times)[:] = self.connections["first_ns"]
        for some, lone in self.lone_batches():
            times[some] = lone["first_ns"]
        return times

    @property
    def last_times(self) -> NDArray[np.int64]:
        """When every attempt was last seen, in nanoseconds."""
        return np.concatenate([self.connections["last_ns"], self.embryos["first_ns"]])

    @property
    def first_frame(self) -> NDArray[np.uint64]:
        """The first frame of every attempt."""
        return self._first_frames(np.uint64)

    def _first_frames(self, kind: type[np.unsignedinteger[Any]]) -> NDArray[Any]:
        frames = np.empty(len(self), dtype=kind)
        self.of_connections(frames)[:] = self.connections["first_frame"]
        for some, lone in self.lone_batches():
            frames[some] = lone["first_frame"]
        if self.highs is not None:
            self.of_lone(frames)[:] |= self._high(np.arange(len(self.embryos)))
        return frames

    @cached_property
    def order(self) -> AttemptRows:
        """Attempt rows sorted by first frame: `order[id]` is the row."""
        narrow = self.highs is None and self.connections["first_frame"].max(initial=0) <= MASK32
        frames = self._first_frames(np.uint32 if narrow else np.uint64)
        return AttemptRows(nearly_in_order(frames, len(self.connections)))

    @cached_property
    def ids(self) -> ReportIds:
        """The report id of every attempt."""
        order = self.order  # first, so that the ids can reuse the memory of the sort
        ids = np.empty(len(self), dtype=np.int32)
        for some in batches(len(self)):
            ids[order[some]] = np.arange(some.start, some.stop, dtype=np.int32)
        return ReportIds(ids)

    def in_order(self, rows: Attempted) -> Attempted:
        """Sort these attempts by first frame, so that results do not depend on row order."""
        ids = self.ids[rows]
        return rows if bool((ids[1:] > ids[:-1]).all()) else rows[np.argsort(ids)]

    # -- keys ------------------------------------------------------------------------------------------------------

    @cached_property
    def _keys(self) -> tuple[Any, Any, Keys, Keys, NDArray[Any] | None]:
        """Keys of all services, servers and clients, computed together because they read the same bytes."""
        known, clients = ServiceNumbers(len(self)), np.empty(len(self), dtype=np.uint64)
        service, server = (np.empty(len(self.connections), dtype=np.uint64) for _ in range(2))
        for some in batches(len(self.connections), AT_ONCE):
            rows_ = self.connections.here(some)
            first = self.connections["client"][some] == 0  # the client sent the first frame
            hi0, lo0, hi1, lo1 = (rows_[part] for part in ("hi0", "lo0", "hi1", "lo1"))
            hi, lo = np.where(first, hi1, hi0), np.where(first, lo1, lo0)
            server[some] = host_key(hi, lo)
            service[some] = host_key(hi, lo, np.where(first, rows_["port1"], rows_["port0"]))
            clients[some] = host_key(np.where(first, hi0, hi1), np.where(first, lo0, lo1))
        for some in batches(len(self.connections)):
            known.add(service[some], server[some].__getitem__)
        for some, lone in self.lone_batches():
            hi, lo = lone["server_hi"], lone["server_lo"]
            known.add(host_key(hi, lo, lone["server_port"]), partial(_hosts, hi, lo))
            clients[some] = host_key(lone["client_hi"], lone["client_lo"])
        services, servers, different, numbers = known.columns()
        return services, servers, clients, different, numbers

    @property
    def server_key(self) -> Any:
        """The 64-bit key of every attempt's service (server address and port): an array, or indexable like one."""
        return self._keys[0]

    @property
    def server_host(self) -> Any:
        """The 64-bit key of every attempt's server address, like `server_key`."""
        return self._keys[1]

    @property
    def client_host(self) -> Keys:
        """The 64-bit key of every attempt's client address."""
        return self._keys[2]

    @cached_property
    def pair(self) -> Keys:
        """The 64-bit key of the client and the service of every connection."""
        return self.pair_of(slice(len(self.connections)))

    def pair_of(self, rows: Any) -> Keys:
        """Return `pair` for these attempts."""
        return pair_key(self.server_key[rows], self.client_host[rows])

    @property
    def services(self) -> Keys:
        """The distinct values of `server_key`, sorted."""
        return self._keys[3]

    @cached_property
    def service(self) -> NDArray[Any]:
        """The index of every attempt's service in `services`: 16 bits if there are few services, which sort fast."""
        if (numbers := self._keys[4]) is not None:
            return numbers
        numbers = np.empty(len(self), dtype=np.int32)
        for some in batches(len(self)):
            numbers[some] = places(self.server_key[some], self.services)[0]
        return numbers

    @cached_property
    def by_service(self) -> Groups[ConnectionRows]:
        """The connections to each of `services`, ascending; groups may be empty."""
        numbers = self.of_connections(self.service)
        order = np.argsort(numbers, kind="stable").astype(np.int32)
        sizes = np.bincount(numbers, minlength=len(self.services))
        ends = np.cumsum(sizes)
        return Groups(ConnectionRows(order), ends - sizes, ends)

    def on_service(self, number: int) -> ConnectionRows:
        """Return the connections to the service with this index in `services`, ascending."""
        return self.by_service.of(number)

    def on_services(self, numbers: NDArray[np.intp]) -> Groups[ConnectionRows]:
        """Return the connections to several services, grouped in the order of `numbers`."""
        return self.by_service.select(numbers)

    @cached_property
    def service_hosts(self) -> Keys:
        """The `server_host` of each of `services`."""
        hosts = np.empty(len(self.services), dtype=np.uint64)
        for some in batches(len(self)):
            hosts[self.service[some]] = self.server_host[some]
        return hosts

    def on_hosts(self, hosts: Keys, mask: Bools) -> tuple[ConnectionRows, NDArray[np.intp]]:
        """Return the marked connections to one of these hosts (sorted keys), and the index of each one's host.

        Services are looked up, not single connections.
        """
        at, known = places(self.service_hosts, hosts)
        service = self.of_connections(self.service)
        rows = self.tracked_where(mask & known[service])
        return rows, at[service[rows]]

    # -- columns of some attempts, in their order ------------------------------------------------------------------

    def connection(self, name: str, rows: AttemptRows) -> NDArray[Any]:
        """Return a connection field of these attempts."""
        return self._picked(rows, lambda full: self.connections[name][full], LONE_SYN.get(name, 0))

    def end(self, who: Who, name: str, rows: AttemptRows) -> NDArray[Any]:
        """Return an endpoint field of the clients or servers of these attempts."""
        far = int(who == "server")
        return self._picked(
            rows, lambda full: self.endpoints[name][self.client_rows[full] ^ far], _LONE[who].get(name, 0)
        )

    def address(self, who: Who, part: Part, rows: AttemptRows) -> NDArray[Any]:
        """Return `hi`, `lo` or `port` of the clients or servers of these attempts."""
        return self._picked(rows, lambda full: self._of_ends(part, who, full), f"{who}_{part}")

    def halves(self, who: Who, rows: AttemptRows) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Return the address halves of the clients or servers of these attempts."""
        full, alone, mixed = self.parted(rows)
        high, low = (self._of_ends(part, who, full) for part in _HALVES)
        if not len(alone):
            return high, low
        lone = self.embryos[alone]
        others = lone[f"{who}_hi"], lone[f"{who}_lo"]
        return (_together(high, others[0], mixed), _together(low, others[1], mixed)) if len(full) else others

    def client_ends(self, rows: AttemptRows) -> Keys:
        """Return the key of the client address and port of each of these attempts, built like service keys."""
        return host_key(*self.halves("client", rows), self.address("client", "port", rows))

    def is_ipv4(self, rows: AttemptRows) -> Bools:
        """Return a mask over `rows`: the attempt uses IPv4."""
        full, alone, mixed = self.parted(rows)
        ends = (self.lone(f"server_{half}", alone).tolist() for half in ("hi", "lo"))
        others = np.array(list(map(is_ipv4, *ends)), dtype=bool)
        return _together(self.connections["ip_version"][full] == 4, others, mixed)

    def one_end(self, who: Who, row: int) -> tuple[int, int, int]:
        """Return the address halves and the port of the client or server of one attempt."""
        count = len(self.connections)
        if row >= count:
            lone = self.embryos[row - count : row - count + 1]
            return int(lone[f"{who}_hi"][0]), int(lone[f"{who}_lo"][0]), int(lone[f"{who}_port"][0])
        connection = self.connections.here(row)
        side = int(connection["client"]) ^ (who == "server")
        return int(connection[f"hi{side}"]), int(connection[f"lo{side}"]), int(connection[f"port{side}"])

    def first_frames(self, rows: AttemptRows) -> NDArray[np.int64]:
        """Return the first frame of each of these attempts."""
        full, alone, mixed = self.parted(rows)
        frames = self.connections["first_frame"][full].astype(np.int64)
        return _together(frames, self.embryo_frames(alone).astype(np.int64), mixed) if len(alone) else frames

    def earliest(self, rows: Attempted, most: int) -> Attempted:
        """Return the `most` attempts that began first, in order. Works in batches, most of which begin too late."""
        if len(rows) > BATCH < most:
            every = cast("Attempted", self.order)
            return every[self.mask(rows)[every]][:most]
        chosen, frames = rows[:0], np.zeros(0, dtype=np.int64)
        for some in batches(len(rows), max(BATCH, most)):
            mine = rows[some]
            first = self.first_frames(mine)
            if len(frames) == most:
                sooner = first < frames[-1]
                mine, first = mine[sooner], first[sooner]
            if len(mine) > NARROWED * most:  # most are too late to be worth sorting
                sooner = first <= np.partition(first, most - 1)[most - 1]
                mine, first = mine[sooner], first[sooner]
            if len(mine):
                chosen, frames = chained(chosen, mine), np.concatenate([frames, first])
                order = np.argsort(frames, kind="stable")[:most]
                chosen, frames = chosen[order], frames[order]
        return chosen

    def embryo_frames(self, numbers: Rows) -> NDArray[np.uint64]:
        """Return the frame numbers of these lone SYNs."""
        frames = self.lone("first_frame", numbers).astype(np.uint64)
        return frames if self.highs is None else frames | self._high(numbers)

    def _high(self, embryos: Rows) -> NDArray[np.uint64]:
        """Return bits 32 and up of the frame numbers of these embryos, whose rows store only the low ones."""
        assert self.highs is not None  # noqa: S101
        return self.highs[embryos if self.embryo_numbers is None else self.embryo_numbers[embryos]] << np.uint64(32)

    def _picked(
        self, rows: AttemptRows, pick: Callable[[ConnectionRows], NDArray[Any]], lone: str | int
    ) -> NDArray[Any]:
        """Combine `pick` of the connections with field or constant `lone` of the embryos, in the order of `rows`."""
        full = self.tracked(rows)
        if len(full) == len(rows):
            return pick(full)
        values = pick(full)
        if not isinstance(lone, str):
            column = np.full(len(rows), lone, dtype=values.dtype)
            column[self.is_tracked(rows)] = values
            return column
        column = np.empty(len(rows), dtype=np.result_type(values, self.lone(lone, full[:0])))
        at = 0
        for some in batches(len(rows)):  # avoids temporary arrays for millions of rows
            whole, alone, mixed = self.parted(rows[some])
            column[some] = _together(values[at : at + len(whole)], self.lone(lone, alone), mixed)
            at += len(whole)
        return column


def _hosts(hi: Keys, lo: Keys, at: Any) -> Keys:
    return host_key(hi[at], lo[at])


def _together(full: NDArray[Any], lone: NDArray[Any], mixed: Bools | None) -> NDArray[Any]:
    """Merge columns of connections and lone SYNs; the latter follow, or stand where `mixed` is not set."""
    if mixed is None:
        return np.concatenate([full, lone])
    column = np.empty(len(mixed), dtype=np.result_type(full, lone))
    column[mixed], column[~mixed] = full, lone
    return column
