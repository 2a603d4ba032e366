"""What the judges see: the rows as NumPy columns, and the capture's own times.  No frame, no tracker.

Attempts are numbered in row order here: connections first, then the SYNs that nothing answered.  `order` is the order
of first frames, which gives them their ids.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp import rows
from handshake_inspect.tcp.facts import (
    EMBRYO_GIVEN_UP,
    EMBRYO_SUCCESSOR,
    EMBRYO_WAITING,
    FACT_REPLACED,
    FACT_UNTIMED,
)
from handshake_inspect.verdicts.columns import AT_ONCE, BATCH, Gathered, Selection, batches, marked, taken
from handshake_inspect.verdicts.limits import Limits
from handshake_inspect.verdicts.sets import distinct, places
from handshake_inspect.wire.const import MASK32

if TYPE_CHECKING:
    from handshake_inspect.verdicts.elsewhere import Answers

Rows = NDArray[Any]
Keys = NDArray[np.uint64]

OF_CONNECTIONS = (
    "facts", "client", "retries", "aftermath", "previous", "syn_count", "synack_count", "reack_count", "resent_count",
    "synack_method", "ackdat_method", "rst_side",
)  # fmt: skip
OF_ENDPOINTS = ("state", "traits", "options", "retransmissions")


def table_rows(storage: Any, kind: str, count: int) -> Rows:
    """The first `count` rows of a reserve as a structured array over the same memory."""
    return (
        np.frombuffer(storage, dtype=np.dtype(rows.ROWS[kind]), count=count) if count else np.zeros(0, rows.ROWS[kind])
    )


@dataclass(frozen=True)
class Trace:
    """All rows of one trace."""

    connections: Any  # Rows, Gathered
    endpoints: Any  # as `connections`; two for each of them
    aliases: Rows
    retries: Rows
    aftermaths: Rows
    embryos: Any  # Rows, or a Selection of them
    first_ns: int
    last_ns: int
    limits: Limits = field(default_factory=Limits)
    numbers: NDArray[np.intp] | None = None  # rows of the table that `connections` are, None for all in order
    embryo_numbers: NDArray[np.int32] | None = None  # as `numbers`, for `embryos`
    elsewhere: "Answers | None" = None  # answers from elsewhere, whose rows are left out
    highs: NDArray[np.uint64] | None = None  # by row of the table: bits 32 and up of embryos' frames; None for none
    exchanges: Rows | None = None  # request and response of every connection; None where no table was read
    setups: Rows | None = None  # the set-ups that these name
    extras: Rows | None = None  # and the waits that those name
    filtered: bool = False  # the capture holds nothing but segments with SYN, FIN or RST, and ICMP errors

    def __post_init__(self) -> None:
        """Have the columns that every judge asks for side by side."""
        for name, names in (("connections", OF_CONNECTIONS), ("endpoints", OF_ENDPOINTS)):
            if isinstance(plain := getattr(self, name), np.ndarray):
                object.__setattr__(self, name, Gathered(plain, names, self.highs is not None))

    @classmethod
    def of(
        cls, table: Any, first_ns: int, last_ns: int, limits: Limits, frames: int = 0, *, others: bool = True
    ) -> "Trace":
        """The rows that a table holds now.

        `frames`: the number of the newest frame; `others`: the capture has frames that are neither TCP nor its errors.
        """
        count = table.connection_count
        connections = table_rows(table.connection_rows, "Connection", count)
        endpoints = table_rows(table.endpoint_rows, "Endpoint", 2 * count)
        aliases = table_rows(table.alias_rows, "Alias", count)
        exchanges = table_rows(table.setups.exchange_rows, "Exchange", count)
        numbers = np.flatnonzero(connections["in_use"])
        if len(numbers) < count or table.evicted:
            ends = (2 * numbers[:, None] + np.arange(2)).reshape(-1)
            aliases, endpoints = taken(aliases, numbers), taken(endpoints, ends)
            exchanges = taken(exchanges, numbers)
            connections = renumbered(taken(connections, numbers), numbers, count)
        embryos: Any = table_rows(table.embryo_rows, "Embryo", table.embryo_count)
        alive = np.empty(len(embryos), dtype=bool)
        for some in batches(len(embryos)):
            state = embryos["state"][some].copy()
            alive[some] = (state == EMBRYO_WAITING) | (state == EMBRYO_GIVEN_UP) | (state == EMBRYO_SUCCESSOR)
        embryo_numbers = None
        if not alive.all():
            embryo_numbers = marked(alive)
            embryos = Selection(embryos, embryo_numbers)
        return cls(
            connections,
            endpoints,
            aliases,
            table_rows(table.retry_rows, "Retries", table.retry_count),
            table_rows(table.aftermath_rows, "Aftermath", table.aftermath_count),
            embryos,
            first_ns,
            last_ns,
            limits,
            numbers,
            embryo_numbers,
            highs=np.frombuffer(table.high_rows, dtype=np.uint64) if table.beyond or frames > MASK32 else None,
            exchanges=exchanges,
            setups=table_rows(table.setups.setup_rows, "Setup", table.setups.setup_count),
            extras=table_rows(table.setups.extra_rows, "Extra", table.setups.extra_count),
            filtered=not (table.holds_plain or others),
        )

    def __len__(self) -> int:
        """How many attempts there are."""
        return len(self.connections) + len(self.embryos)

    def split(self, rows_: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Rows of the table that these attempts are: connections, and SYNs that nothing answered."""
        count = len(self.connections)
        full, alone = rows_[rows_ < count], rows_[rows_ >= count] - count
        numbers = full if self.numbers is None else self.numbers[full]
        return numbers, alone if self.embryo_numbers is None else self.embryo_numbers[alone]

    @property
    def first_frame(self) -> NDArray[np.uint64]:
        """The first frame of every attempt."""
        frames = np.empty(len(self), dtype=np.uint64)
        frames[: len(self.connections)] = self.connections["first_frame"]
        for some in batches(len(self.embryos)):
            frames[len(self.connections) + some.start :][: some.stop - some.start] = self.embryos[some]["first_frame"]
        if self.highs is not None:
            frames[len(self.connections) :] |= self._high(np.arange(len(self.embryos)))
        return frames

    def embryo_frames(self, numbers: NDArray[Any]) -> NDArray[np.uint64]:
        """The frames of these SYNs that nothing answered."""
        frames = self.of_embryos("first_frame", numbers).astype(np.uint64)
        return frames if self.highs is None else frames | self._high(numbers)

    def _high(self, embryos: NDArray[Any]) -> NDArray[np.uint64]:
        """The bits of the frames of these embryos that their rows have no room for, in place."""
        assert self.highs is not None  # noqa: S101
        return self.highs[embryos if self.embryo_numbers is None else self.embryo_numbers[embryos]] << np.uint64(32)

    def first_frames(self, rows_: NDArray[Any]) -> NDArray[np.int64]:
        """The first frame of each of these attempts."""
        count = len(self.connections)
        tracked = rows_ < count
        frames = np.empty(len(rows_), dtype=np.int64)
        frames[tracked] = self.connections["first_frame"][rows_[tracked]]
        alone = rows_[~tracked] - count
        frames[~tracked] = self.embryo_frames(alone)
        return frames

    def of_embryos(self, column: str, numbers: NDArray[Any]) -> NDArray[Any]:
        """A column of these embryos, without a copy of whole rows where they lie close together."""
        if len(numbers) > BATCH:
            return self.embryos[column][numbers]
        low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
        if high - low < 4 * len(numbers):
            return self.embryos[low : high + 1][column][numbers - low]
        return self.embryos[numbers][column]

    def earliest(self, rows_: NDArray[Any], most: int) -> NDArray[Any]:
        """Those of these attempts that began first, in their order: taken from batches, since most begin later."""
        chosen, frames = rows_[:0], np.zeros(0, dtype=np.int64)
        for some in batches(len(rows_)):
            mine = rows_[some]
            first = self.first_frames(mine)
            if len(frames) == most:
                sooner = first < frames[-1]
                mine, first = mine[sooner], first[sooner]
            if len(mine):
                chosen, frames = np.concatenate([chosen, mine]), np.concatenate([frames, first])
                order = np.argsort(frames, kind="stable")[:most]
                chosen, frames = chosen[order], frames[order]
        return chosen

    @cached_property
    def order(self) -> NDArray[np.int32]:
        """Attempts by their first frame: `order[id]` is the row."""
        return np.argsort(self.first_frame, kind="stable").astype(np.int32)

    @cached_property
    def ids(self) -> NDArray[np.int32]:
        """The id of every attempt."""
        ids = np.empty(len(self), dtype=np.int32)
        ids[self.order] = np.arange(len(self), dtype=np.int32)
        return ids

    @cached_property
    def client_rows(self) -> NDArray[np.int32]:
        """For every connection the endpoint row of its client."""
        return 2 * np.arange(len(self.connections), dtype=np.int32) + self.connections["client"]

    @property
    def server_rows(self) -> NDArray[np.int32]:
        """For every connection the endpoint row of its server."""
        return self.client_rows ^ 1

    def server(self, part: str) -> NDArray[Any]:
        """`hi`, `lo` or `port` of every attempt's server."""
        return self._end(part, "server")

    def client(self, part: str) -> NDArray[Any]:
        """`hi`, `lo` or `port` of every attempt's client."""
        return self._end(part, "client")

    def _end(self, part: str, who: str) -> NDArray[Any]:
        return np.concatenate([end_of(self.connections, part, who), self.embryos[f"{who}_{part}"]])

    @cached_property
    def _keys(self) -> tuple[Keys, Keys, Keys]:
        """Keys of all services, servers and clients: made together, since they are of the same octets."""
        service, server, client = (np.empty(len(self), dtype=np.uint64) for _ in range(3))
        count = len(self.connections)
        for some in batches(count, AT_ONCE):
            rows_ = self.connections[some]
            first = self.connections["client"][some] == 0  # the client sent the first frame
            hi0, lo0, hi1, lo1 = (rows_[part] for part in ("hi0", "lo0", "hi1", "lo1"))
            hi, lo = np.where(first, hi1, hi0), np.where(first, lo1, lo0)
            server[some] = host_key(hi, lo)
            service[some] = host_key(hi, lo, np.where(first, rows_["port1"], rows_["port0"]))
            client[some] = host_key(np.where(first, hi0, hi1), np.where(first, lo0, lo1))
        for some in batches(len(self.embryos)):
            embryos = self.embryos[some]
            hi, lo, place = embryos["server_hi"], embryos["server_lo"], slice(count + some.start, count + some.stop)
            service[place], server[place] = host_key(hi, lo, embryos["server_port"]), host_key(hi, lo)
            client[place] = host_key(embryos["client_hi"], embryos["client_lo"])
        return service, server, client

    @property
    def server_key(self) -> Keys:
        """A 64-bit name of every attempt's service (server address and port)."""
        return self._keys[0]

    @property
    def server_host(self) -> Keys:
        """A 64-bit name of every attempt's server address."""
        return self._keys[1]

    @property
    def client_host(self) -> Keys:
        """A 64-bit name of every attempt's client address."""
        return self._keys[2]

    @cached_property
    def pair(self) -> Keys:
        """A 64-bit name of the client and the service of every connection."""
        count = len(self.connections)
        return self.server_key[:count] * np.uint64(0x9E3779B97F4A7C15) ^ self.client_host[:count]

    @cached_property
    def services(self) -> Keys:
        """The different values of `server_key`, sorted."""
        return distinct(self.server_key)

    @cached_property
    def service(self) -> NDArray[Any]:
        """The place of every attempt's service in `services`: in 16 bits if there are few, which sort at once."""
        numbers = np.empty(len(self), dtype=np.uint16 if len(self.services) <= 1 << 16 else np.int32)
        for some in batches(len(self)):
            numbers[some] = places(self.server_key[some], self.services)[0]
        return numbers

    @cached_property
    def first_times(self) -> NDArray[np.int64]:
        """When every attempt began."""
        return np.concatenate([self.connections["first_ns"], self.embryos["first_ns"]])

    def begun(self, rows_: NDArray[np.intp]) -> NDArray[np.int64]:
        """When these attempts began."""
        return self.first_times[rows_]

    @cached_property
    def replaced(self) -> NDArray[np.bool_]:
        """Connections whose 4-tuple a later incarnation took."""
        return self.facts & FACT_REPLACED != 0

    @cached_property
    def facts(self) -> NDArray[np.uint64]:
        """FACT_* bits of every connection."""
        facts: NDArray[np.uint64] = self.connections["facts"]
        return facts

    @cached_property
    def untimed(self) -> NDArray[np.bool_]:
        """Connections of whose handshake the capture lacks a time; all, where it has no time but 0."""
        if self.last_ns == 0:
            return np.ones(len(self.connections), dtype=bool)
        return self.facts & FACT_UNTIMED != 0

    @cached_property
    def last_syn_ns(self) -> NDArray[np.int64]:
        """When every connection's SYN was last sent, as far as copies are kept."""
        return self._last("syn")

    @property
    def last_gap_ns(self) -> NDArray[np.int64]:
        """The time between the last two SYNs of every connection, 0 for a single one."""
        return self._gap("syn")

    @property
    def last_synack_gap_ns(self) -> NDArray[np.int64]:
        """The time between the last two SYN-ACKs of every connection, 0 for a single one."""
        return self._gap("synack")

    def _last(self, kind: str) -> NDArray[np.int64]:
        times = self.connections[f"{kind}_ns"].copy()
        repeated, copies, counts = self._copies(kind)
        times[repeated] = copies[np.arange(len(repeated)), counts - 1]
        return times

    def _gap(self, kind: str) -> NDArray[np.int64]:
        gaps = np.zeros(len(self.connections), dtype=np.int64)
        repeated, copies, counts = self._copies(kind)
        last = copies[np.arange(len(repeated)), counts - 1]
        before = copies[np.arange(len(repeated)), np.maximum(counts - 2, 0)]
        before = np.where(counts > 1, before, self.connections[f"{kind}_ns"][repeated])
        gaps[repeated] = last - before
        return gaps

    @cached_property
    def syn_copies(self) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.intp]]:
        """Connections with repeated SYNs, the times of the copies, and how many are kept."""
        return self._copies("syn")

    def _copies(self, kind: str) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.intp]]:
        """Connections with repeated SYNs (or SYN-ACKs), the times of the copies, and how many are kept."""
        c = self.connections
        repeated = np.flatnonzero((c["retries"] > 0) & (c[f"{kind}_count"] > 1))
        copies = self.retries[f"{kind}_ns"][c["retries"][repeated].astype(np.intp) - 1]
        counts = np.minimum(c[f"{kind}_count"][repeated].astype(np.intp) - 1, rows.RETRIES_KEPT)
        return repeated, copies, counts


def renumbered(connections: Rows, numbers: NDArray[np.intp], count: int) -> Rows:
    """Let `previous` name places among these rows, and none where that row is gone or was used for another 4-tuple."""
    place = np.zeros(count + 1, dtype=np.uint32)
    place[numbers + 1] = np.arange(1, len(numbers) + 1)
    previous = place[np.minimum(connections["previous"], count)]
    later = np.flatnonzero(previous)
    before = connections[previous[later].astype(np.intp) - 1]
    after = connections[later]
    ports = ("port0", "port1")
    same = np.ones(len(later), dtype=bool)
    for one in ports:
        same &= (before[one] == after["port0"]) | (before[one] == after["port1"])
    same &= before["first_ns"] <= after["first_ns"]
    previous[later[~same]] = 0
    connections["previous"] = previous
    return connections


def end_of(connections: Rows, part: str, who: str) -> NDArray[Any]:
    """`hi`, `lo` or `port` of the clients or servers of connection rows."""
    far = int(who == "server")
    return np.where(connections["client"] == far, connections[f"{part}0"], connections[f"{part}1"])


def host_key(hi: NDArray[Any], lo: NDArray[Any], port: NDArray[Any] | None = None) -> NDArray[np.uint64]:
    """Mix an address, and a port, to 64 bits: equal for equal ends, and for others only by a rare chance."""
    key = hi * np.uint64(0x9E3779B97F4A7C15)
    key ^= lo
    if port is not None:
        key ^= port.astype(np.uint64) << np.uint64(48)
    key *= np.uint64(0xD6E8FEB86659FD93)
    key ^= key >> np.uint64(32)
    key *= np.uint64(0xFF51AFD7ED558CCD)
    return key
