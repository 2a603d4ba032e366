"""All QUIC connections of a trace as columns, in the order of their first datagrams, which gives their ids."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.quic import quic_rows
from handshake_inspect.quic.initial import InitialData, can_open, open_all
from handshake_inspect.quic.quic_rows import BY_SERVER, CUT, INITIAL_AGAIN, NEGOTIATED, RETRY, STALLS
from handshake_inspect.tls.facts import is_retry_request
from handshake_inspect.verdicts.arrays import Bools, Times
from handshake_inspect.verdicts.columns import Copies, whole_frames
from handshake_inspect.verdicts.limits import Limits
from handshake_inspect.verdicts.sets import host_key, pair_key

NEVER = np.uint32(0xFFFF_FFFF)


@dataclass(frozen=True)
class Quics:
    """The rows in use, and the datagrams stored for them."""

    rows: Any  # a structured array
    kept: Any  # a structured array: all stored datagrams, of any connection
    last_ns: int  # when the capture ended
    limits: Limits

    @classmethod
    def none(cls) -> "Quics":
        """Return no connections."""
        return cls(_rows(None, quic_rows.Quic, 0), _rows(None, quic_rows.Kept, 0), 0, Limits())

    @classmethod
    def of(cls, table: Any, last_ns: int, limits: Limits) -> "Quics":
        """Return the rows that a table holds now."""
        rows = _rows(table.row_storage, quic_rows.Quic, table.count)
        rows = rows[rows["in_use"] != 0]
        rows = rows[np.argsort(rows["first_frame"], kind="stable")]
        return cls(rows, _rows(table.kept_storage, quic_rows.Kept, table.kept_count), last_ns, limits)

    def detached(self, copies: Copies) -> "Quics":
        """Return the same rows copied, to outlive the table's."""
        return replace(self, rows=copies.of("quic", self.rows), kept=copies.of("datagrams", self.kept))

    def __len__(self) -> int:
        return len(self.rows)

    def has(self, flags: int) -> Bools:
        """Return a mask: the connection has any of these flags."""
        found: Bools = self.rows["flags"] & flags != 0
        return found

    def frame(self, name: str, i: int) -> NDArray[np.uint64]:
        """Return the full frame numbers of one connection: one, or a row of them; 0 for none."""
        if name not in self._frames:
            first, column = self.rows["first_frame"], self.rows[name]
            self._frames[name] = whole_frames(first[:, None] if column.ndim > 1 else first, column)
        return self._frames[name][i : i + 1]

    @cached_property
    def _frames(self) -> dict[str, NDArray[np.uint64]]:
        """Cache of columns with full frame numbers."""
        return {}

    @cached_property
    def client_host(self) -> NDArray[np.uint64]:
        """The 64-bit key of every client's address, as for TCP attempts; the address that it began from."""
        return host_key(self.rows["client_hi"], self.rows["client_lo"])

    @cached_property
    def server_host(self) -> NDArray[np.uint64]:
        """The 64-bit key of every server's address."""
        return host_key(self.rows["server_hi"], self.rows["server_lo"])

    @property
    def first_times(self) -> Times:
        """When every connection began."""
        times: Times = self.rows["first_ns"]
        return times

    def first_frames(self, places: Any) -> Times:
        """Return the first frame of each of these connections."""
        frames: Times = self.rows["first_frame"][places].astype(np.int64)
        return frames

    def is_ipv4(self, rows: NDArray[np.intp]) -> Bools:
        """Return a mask over `rows`: it uses IPv4."""
        found: Bools = self.rows["ip_version"][rows] == 4
        return found

    def where(self, mask: Bools) -> NDArray[np.intp]:
        """Return the indices that a mask selects."""
        return np.flatnonzero(mask)

    @cached_property
    def service(self) -> NDArray[np.uint64]:
        """The 64-bit key of every connection's server address and port."""
        return host_key(self.rows["server_hi"], self.rows["server_lo"], self.rows["server_port"])

    @cached_property
    def pair(self) -> NDArray[np.uint64]:
        """The 64-bit key of every connection's client address and service."""
        return pair_key(self.service, self.client_host)

    @cached_property
    def opened(self) -> list[tuple[InitialData, InitialData] | None]:
        """The decrypted Initials of client and server; None if none are stored or no cipher is available.

        Decrypted one connection at a time.
        """
        if not self.rows["kept"].any() or not can_open():
            return [None] * len(self)
        return [open_all(self._datagrams(first)) if first else None for first in self.rows["kept"].tolist()]

    @cached_property
    def asked_again(self) -> Bools:
        """A mask: the server's decrypted answer is a HelloRetryRequest (RFC 8446 section 4.1.4)."""
        return np.array([each is not None and is_retry_request(each[1].crypto) for each in self.opened], dtype=bool)

    @cached_property
    def begun_before(self) -> Bools:
        """A mask: the capture lacks the connection's first Initial, as the keys of a decrypted later one show."""
        foreign = [each is not None and each[0].foreign for each in self.opened]
        return np.array(foreign, dtype=bool) & ~self.has(CUT)

    @cached_property
    def lost(self) -> Bools:
        """A mask: something was retransmitted before the end of the handshake."""
        rows = self.rows
        ended = np.where(rows["finished_frame"] > 0, rows["finished_frame"], NEVER)[:, None]
        waited = self.stalled_by_loss & (rows["stall_frame"] <= ended)
        return self.has(INITIAL_AGAIN) | waited.any(axis=1) | self.hello_again

    @cached_property
    def stalled_by_loss(self) -> Bools:
        """A mask (connection, pause): a retransmission ended this one of the STALLS pauses."""
        losses = self.rows["losses"][:, None]
        lost: Bools = (losses | losses // BY_SERVER) >> np.arange(STALLS) & 1 != 0
        return lost

    @cached_property
    def hello_again(self) -> Bools:
        """A mask: the client repeated its ClientHello after an answer that was lost (if Initials were decrypted)."""
        read = [each is not None and each[0].repeated for each in self.opened]
        return np.array(read, dtype=bool) & ~self.has(INITIAL_AGAIN | RETRY | NEGOTIATED) & (self.rows["losses"] == 0)

    def _datagrams(self, first: int) -> list[tuple[bool, bytes]]:
        """Return the stored datagrams of one connection, the oldest first; `first` is 1 + the index of the newest."""
        found: list[tuple[bool, bytes]] = []
        while first and len(found) <= len(self.kept):
            kept = self.kept[first - 1]
            found.append((bool(kept["from_server"]), kept["bytes"][: kept["length"]].tobytes()))
            first = int(kept["next"])
        return found[::-1]


def _rows(storage: Any, kind: Any, count: int) -> Any:
    if storage is None or not count:
        return np.zeros(0, dtype=np.dtype(kind))
    return np.frombuffer(storage, dtype=np.dtype(kind), count=count)
