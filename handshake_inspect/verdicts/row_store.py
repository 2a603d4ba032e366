"""Which rows store attempts: connections and embryos, and which part of a column belongs to which.

Only this module and `gathering.py` know the rows; everything else uses the columns of `attempts.py`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_REPLACED, FACT_UNTIMED, TRAIT_SEEN
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.columns import CachedColumns, Rows, batches
from handshake_inspect.verdicts.limits import Limits
from handshake_inspect.verdicts.lone_syns import LoneSyns
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows, EndpointRows
from handshake_inspect.verdicts.remote_rows import RemoteColumns, Source

OF_CONNECTIONS = (
    "facts", "client", "retries", "aftermath", "previous", "syn_count", "synack_count", "reack_count", "resent_count",
    "synack_method", "ackdat_method", "rst_side",
)  # fmt: skip
OF_ENDPOINTS = ("state", "traits", "options", "retransmissions")


@dataclass(frozen=True, eq=False, repr=False)
class AttachedRows:
    """Rows that belong to attempts, sorted by attempt and time; several per attempt if several hosts answered."""

    attempts: AttemptRows  # ascending
    answers: Rows  # connection rows whose server answered
    numbers: Rows  # their row numbers in the table

    def of(self, attempt: int) -> Any:
        """Return the first row that answered this attempt, or None."""
        at = int(np.searchsorted(self.attempts, attempt))
        return self.answers[at] if at < len(self.attempts) and self.attempts[at] == attempt else None

    def select(self, rows: AttemptRows) -> "AttachedRows":
        """Return the answers to these attempts, which are renumbered by their index in `rows`."""
        order = np.argsort(rows, kind="stable")
        at = np.minimum(np.searchsorted(rows[order], self.attempts), max(len(rows) - 1, 0))
        known = np.flatnonzero(rows[order[at]] == self.attempts) if len(rows) else np.zeros(0, dtype=np.intp)
        by_place = known[np.argsort(order[at[known]], kind="stable")]
        return AttachedRows(AttemptRows(order[at[by_place]]), self.answers[by_place], self.numbers[by_place])


class Remote(Protocol):
    """Source of the fields that the rows lack."""

    def of(self, name: str, numbers: NDArray[Any] | None) -> Source:
        """Return those of `connections` or of `endpoints`, for the connections with these numbers in the table."""


@dataclass(frozen=True, eq=False, repr=False)
class RowStore:
    """The rows of one capture, and the capture's own times."""

    connections: Any  # Rows, then CachedColumns
    endpoints: Any  # like `connections`, two rows per connection
    aliases: Rows
    retries: Rows
    aftermaths: Rows
    embryos: LoneSyns
    first_ns: int
    last_ns: int
    limits: Limits = field(default_factory=Limits)
    numbers: NDArray[np.intp] | None = None  # table rows of `connections`, None for all in order
    embryo_numbers: NDArray[np.int32] | None = None  # like `numbers`, for `embryos`
    elsewhere: AttachedRows | None = None  # answers from elsewhere, without rows of their own
    translated: AttachedRows | None = None  # copies of connections with translated addresses, likewise
    highs: NDArray[np.uint64] | None = None  # bits 32 and up of embryos' frames, by table row; None if all are 0
    exchanges: Rows | None = None  # request and response per connection; None without a table
    setups: Rows | None = None  # the set-ups that exchanges refer to
    extras: Rows | None = None  # the waits that set-ups refer to
    names: Any = None  # texts of hellos, by their number in set-ups
    senders: Keys | None = None  # keys of hosts that sent anything but TCP
    filtered: bool = False  # a flag filter removed all bare ACKs
    answers_pass: bool = False  # but is known to pass SYN-ACKs and RSTs
    remote: Remote | None = None  # has the fields that `connections` and `endpoints` lack
    memo: dict[Callable[..., Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the columns that every rule uses contiguous."""
        for name, names in (("connections", OF_CONNECTIONS), ("endpoints", OF_ENDPOINTS)):
            if isinstance(plain := getattr(self, name), np.ndarray):
                object.__setattr__(self, name, self._columns(name, plain, names))

    def _columns(self, name: str, plain: Rows, names: tuple[str, ...]) -> CachedColumns:
        if self.remote is None:
            return CachedColumns(plain, names, self.highs is not None)
        return RemoteColumns(plain, names, self.remote.of(name, self.numbers))

    def __len__(self) -> int:
        """Return the number of attempts."""
        return len(self.connections) + len(self.embryos)

    def split(self, rows: AttemptRows) -> tuple[ConnectionRows, Rows]:
        """Return the connections among these attempts and the embryo numbers, each in the order of `rows`."""
        full, alone, _ = self.parted(rows)
        return full, alone

    def parted(self, rows: AttemptRows) -> tuple[ConnectionRows, Rows, Bools | None]:
        """Return `split`, and a mask over `rows` of the connections if they do not come first."""
        count = len(self.connections)
        whole = rows < count
        first = int(np.count_nonzero(whole))
        if whole[:first].all():
            return ConnectionRows(rows[:first]), rows[first:] - count, None
        return ConnectionRows(rows[whole]), rows[~whole] - count, whole

    def tracked(self, rows: AttemptRows) -> ConnectionRows:
        """Return the connections among these attempts, in order."""
        whole = rows < len(self.connections)
        first = int(np.count_nonzero(whole))
        return ConnectionRows(rows[:first] if whole[:first].all() else rows[whole])

    def is_tracked(self, rows: AttemptRows) -> Bools:
        """Return a mask over `rows`: the attempt is a connection."""
        whole: Bools = rows < len(self.connections)
        return whole

    def in_table(self, rows: AttemptRows) -> tuple[Rows, Rows]:
        """Return the table rows of these attempts: of connections, and of lone SYNs."""
        full, alone = self.split(rows)
        numbers = full if self.numbers is None else self.numbers[full]
        return numbers, alone if self.embryo_numbers is None else self.embryo_numbers[alone]

    def where(self, mask: Bools) -> AttemptRows:
        """Return the marked attempts."""
        return AttemptRows(np.flatnonzero(mask))

    def of_connections(self, column: NDArray[Any]) -> NDArray[Any]:
        """Return the connections' part of a column over all attempts: a writable view."""
        return column[: len(self.connections)]

    def of_lone(self, column: NDArray[Any]) -> NDArray[Any]:
        """Return the lone SYNs' part of a column over all attempts: a writable view."""
        return column[len(self.connections) :]

    def column(self, connections: Any, lone: Any, kind: Any = None) -> NDArray[Any]:
        """Build a column over all attempts from a column (or value) for connections and one for lone SYNs."""
        column = np.empty(len(self), dtype=connections.dtype if kind is None else kind)
        self.of_connections(column)[:] = connections
        self.of_lone(column)[:] = lone
        return column

    def mask(self, *rows: AttemptRows) -> Bools:
        """Return a mask over all attempts: it is among `rows`."""
        return _mask(len(self), rows)

    def connection_mask(self, *rows: ConnectionRows) -> Bools:
        """Return a mask over all connections: it is among `rows`."""
        return _mask(len(self.connections), rows)

    def lone_batches(self) -> Iterator[tuple[slice, Any]]:
        """Yield the rows of lone SYNs in batches, with their slice of a column over all attempts."""
        count = len(self.connections)
        for some in batches(len(self.embryos)):
            yield slice(count + some.start, count + some.stop), self.embryos[some]

    def lone(self, name: str, numbers: Rows) -> NDArray[Any]:
        """Return a field of these embryos."""
        column: NDArray[Any] = self.embryos[numbers][name]
        return column

    # -- columns of connections ------------------------------------------------------------------------------------

    @cached_property
    def client_rows(self) -> EndpointRows:
        """The endpoint row of the client, per connection."""
        return EndpointRows(2 * np.arange(len(self.connections), dtype=np.int32) + self.connections["client"])

    @cached_property
    def server_rows(self) -> EndpointRows:
        """The endpoint row of the server, per connection."""
        return self.client_rows ^ 1

    @cached_property
    def either_end(self) -> NDArray[np.uint8]:
        """The TRAIT_* bits that at least one end has, per connection."""
        traits: NDArray[np.uint8] = self.endpoints["traits"]
        return traits[0::2] | traits[1::2]

    @cached_property
    def both_ends(self) -> NDArray[np.uint8]:
        """The TRAIT_* bits that both ends have, per connection."""
        traits: NDArray[np.uint8] = self.endpoints["traits"]
        return traits[0::2] & traits[1::2]

    @cached_property
    def seen_ends(self) -> Bools:
        """A mask (connection, side): the capture holds segments from that side."""
        sides: Bools = self.endpoints["traits"].reshape(-1, 2) & TRAIT_SEEN != 0
        return sides

    @cached_property
    def facts(self) -> NDArray[np.uint64]:
        """The FACT_* bits of every connection."""
        facts: NDArray[np.uint64] = self.connections["facts"]
        return facts

    @cached_property
    def replaced(self) -> Bools:
        """A mask over connections whose 4-tuple a later incarnation took."""
        return self.facts & FACT_REPLACED != 0

    def tracked_where(self, mask: Bools) -> ConnectionRows:
        """Return the connections that a mask over all connections selects."""
        return ConnectionRows(np.flatnonzero(mask))

    def reborn(self) -> tuple[ConnectionRows, ConnectionRows]:
        """Return the connections with an earlier incarnation of their 4-tuple, and those incarnations."""
        previous = self.connections["previous"]
        later = np.flatnonzero((previous > 0) & (previous <= len(self.connections)))
        return ConnectionRows(later), ConnectionRows(previous[later].astype(np.intp) - 1)

    @cached_property
    def untimed(self) -> Bools:
        """A mask over connections without usable handshake times; all of them if the capture has no times but 0."""
        if self.last_ns == 0:
            return np.ones(len(self.connections), dtype=bool)
        return self.facts & FACT_UNTIMED != 0


def _mask(count: int, sets: tuple[Rows, ...]) -> Bools:
    mask = np.zeros(count, dtype=bool)
    for rows in sets:
        mask[rows] = True
    return mask
