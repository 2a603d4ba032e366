"""Which rows hold attempts: connections and embryos, and what of a column of all attempts is of which.

Only this module and those that gather rows know; who judges asks for columns (`attempts.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_REPLACED, FACT_UNTIMED, TRAIT_SEEN
from handshake_inspect.verdicts.arrays import Bools, Keys
from handshake_inspect.verdicts.columns import Gathered, Rows, batches
from handshake_inspect.verdicts.limits import Limits
from handshake_inspect.verdicts.lone_syns import LoneSyns
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows, EndpointRows

OF_CONNECTIONS = (
    "facts", "client", "retries", "aftermath", "previous", "syn_count", "synack_count", "reack_count", "resent_count",
    "synack_method", "ackdat_method", "rst_side",
)  # fmt: skip
OF_ENDPOINTS = ("state", "traits", "options", "retransmissions")


@dataclass(frozen=True, eq=False, repr=False)
class Answers:
    """Rows that belong to attempts: by attempt and time, several of one attempt where several hosts answered."""

    attempts: AttemptRows  # ascending
    answers: Rows  # connection rows, whose server answered
    numbers: Rows  # of these in the table

    def of(self, attempt: int) -> Any:
        """The row of the first that answered this attempt, None if nobody did."""
        at = int(np.searchsorted(self.attempts, attempt))
        return self.answers[at] if at < len(self.attempts) and self.attempts[at] == attempt else None

    def chosen(self, rows: AttemptRows) -> "Answers":
        """Those of these attempts, whose places among `rows` are their numbers from now on."""
        order = np.argsort(rows, kind="stable")
        at = np.minimum(np.searchsorted(rows[order], self.attempts), max(len(rows) - 1, 0))
        known = np.flatnonzero(rows[order[at]] == self.attempts) if len(rows) else np.zeros(0, dtype=np.intp)
        by_place = known[np.argsort(order[at[known]], kind="stable")]
        return Answers(AttemptRows(order[at[by_place]]), self.answers[by_place], self.numbers[by_place])


@dataclass(frozen=True, eq=False, repr=False)
class Held:
    """The rows of one capture, and the capture's own times."""

    connections: Any  # Rows, Gathered
    endpoints: Any  # as `connections`; two for each of them
    aliases: Rows
    retries: Rows
    aftermaths: Rows
    embryos: LoneSyns
    first_ns: int
    last_ns: int
    limits: Limits = field(default_factory=Limits)
    numbers: NDArray[np.intp] | None = None  # rows of the table that `connections` are, None for all in order
    embryo_numbers: NDArray[np.int32] | None = None  # as `numbers`, for `embryos`
    elsewhere: Answers | None = None  # answers from elsewhere, whose rows are left out
    translated: Answers | None = None  # the same connections with translated addresses, as `elsewhere`
    highs: NDArray[np.uint64] | None = None  # by row of the table: bits 32 and up of embryos' frames; None for none
    exchanges: Rows | None = None  # request and response of every connection; None where no table was read
    setups: Rows | None = None  # the set-ups that these name
    extras: Rows | None = None  # and the waits that those name
    names: Any = None  # what hellos say in words, by the numbers in set-ups
    senders: Keys | None = None  # hosts that sent anything but TCP
    filtered: bool = False  # a filter on flags left no bare ACKs in the capture
    answers_pass: bool = False  # but is known to have let SYN-ACKs and RSTs pass
    made: dict[Callable[..., Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Have the columns that every judge asks for side by side."""
        for name, names in (("connections", OF_CONNECTIONS), ("endpoints", OF_ENDPOINTS)):
            if isinstance(plain := getattr(self, name), np.ndarray):
                object.__setattr__(self, name, Gathered(plain, names, self.highs is not None))

    def __len__(self) -> int:
        """How many attempts there are."""
        return len(self.connections) + len(self.embryos)

    def split(self, rows: AttemptRows) -> tuple[ConnectionRows, Rows]:
        """The connections among these attempts, and the numbers of the embryos, each in the order of `rows`."""
        full, alone, _ = self.parted(rows)
        return full, alone

    def parted(self, rows: AttemptRows) -> tuple[ConnectionRows, Rows, Bools | None]:
        """What `split` returns, and which of `rows` are connections if these are not the first ones."""
        count = len(self.connections)
        whole = rows < count
        first = int(np.count_nonzero(whole))
        if whole[:first].all():
            return ConnectionRows(rows[:first]), rows[first:] - count, None
        return ConnectionRows(rows[whole]), rows[~whole] - count, whole

    def tracked(self, rows: AttemptRows) -> ConnectionRows:
        """The connections among these attempts, in their order."""
        whole = rows < len(self.connections)
        first = int(np.count_nonzero(whole))
        return ConnectionRows(rows[:first] if whole[:first].all() else rows[whole])

    def is_tracked(self, rows: AttemptRows) -> Bools:
        """Which of these attempts are connections."""
        whole: Bools = rows < len(self.connections)
        return whole

    def in_table(self, rows: AttemptRows) -> tuple[Rows, Rows]:
        """Rows of the table that these attempts are: connections, and SYNs that nothing answered."""
        full, alone = self.split(rows)
        numbers = full if self.numbers is None else self.numbers[full]
        return numbers, alone if self.embryo_numbers is None else self.embryo_numbers[alone]

    def where(self, mask: Bools) -> AttemptRows:
        """The attempts that a column of all marks."""
        return AttemptRows(np.flatnonzero(mask))

    def of_connections(self, column: NDArray[Any]) -> NDArray[Any]:
        """The part of a column of all attempts that is of connections: a view, which may be written to."""
        return column[: len(self.connections)]

    def of_lone(self, column: NDArray[Any]) -> NDArray[Any]:
        """The part of a column of all attempts that is of lone SYNs: a view, which may be written to."""
        return column[len(self.connections) :]

    def column(self, connections: Any, lone: Any, kind: Any = None) -> NDArray[Any]:
        """A column of all attempts, of a column (or value) of connections and one of lone SYNs."""
        column = np.empty(len(self), dtype=connections.dtype if kind is None else kind)
        self.of_connections(column)[:] = connections
        self.of_lone(column)[:] = lone
        return column

    def mask(self, *rows: AttemptRows) -> Bools:
        """Which of all attempts are among these."""
        return _mask(len(self), rows)

    def connection_mask(self, *rows: ConnectionRows) -> Bools:
        """Which of all connections are among these."""
        return _mask(len(self.connections), rows)

    def lone_batches(self) -> Iterator[tuple[slice, Any]]:
        """The rows of lone SYNs, some at a time, and their places in a column of all attempts."""
        count = len(self.connections)
        for some in batches(len(self.embryos)):
            yield slice(count + some.start, count + some.stop), self.embryos[some]

    def lone(self, name: str, numbers: Rows) -> NDArray[Any]:
        """A field of these embryos."""
        column: NDArray[Any] = self.embryos[numbers][name]
        return column

    # -- columns of connections ------------------------------------------------------------------------------------

    @cached_property
    def client_rows(self) -> EndpointRows:
        """For every connection the endpoint row of its client."""
        return EndpointRows(2 * np.arange(len(self.connections), dtype=np.int32) + self.connections["client"])

    @cached_property
    def server_rows(self) -> EndpointRows:
        """For every connection the endpoint row of its server."""
        return self.client_rows ^ 1

    @cached_property
    def either_end(self) -> NDArray[np.uint8]:
        """The TRAIT_* bits that one of a connection's ends has, or both have."""
        traits: NDArray[np.uint8] = self.endpoints["traits"]
        return traits[0::2] | traits[1::2]

    @cached_property
    def both_ends(self) -> NDArray[np.uint8]:
        """The TRAIT_* bits that both ends of a connection have."""
        traits: NDArray[np.uint8] = self.endpoints["traits"]
        return traits[0::2] & traits[1::2]

    @cached_property
    def seen_ends(self) -> Bools:
        """Which sides of each connection the capture holds segments of, a row each."""
        sides: Bools = self.endpoints["traits"].reshape(-1, 2) & TRAIT_SEEN != 0
        return sides

    @cached_property
    def facts(self) -> NDArray[np.uint64]:
        """FACT_* bits of every connection."""
        facts: NDArray[np.uint64] = self.connections["facts"]
        return facts

    @cached_property
    def replaced(self) -> Bools:
        """Connections whose 4-tuple a later incarnation took."""
        return self.facts & FACT_REPLACED != 0

    def tracked_where(self, mask: Bools) -> ConnectionRows:
        """The connections that a column of all of them marks."""
        return ConnectionRows(np.flatnonzero(mask))

    def reborn(self) -> tuple[ConnectionRows, ConnectionRows]:
        """Connections whose 4-tuple had an earlier incarnation, and the connections that these were."""
        previous = self.connections["previous"]
        later = np.flatnonzero((previous > 0) & (previous <= len(self.connections)))
        return ConnectionRows(later), ConnectionRows(previous[later].astype(np.intp) - 1)

    @cached_property
    def untimed(self) -> Bools:
        """Connections of whose handshake the capture lacks a time; all, where it has no time but 0."""
        if self.last_ns == 0:
            return np.ones(len(self.connections), dtype=bool)
        return self.facts & FACT_UNTIMED != 0


def _mask(count: int, sets: tuple[Rows, ...]) -> Bools:
    mask = np.zeros(count, dtype=bool)
    for rows in sets:
        mask[rows] = True
    return mask
