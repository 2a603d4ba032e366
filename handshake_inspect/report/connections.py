"""Rows to connections of the report, made in batches when they are asked for."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.attempt_columns import AttemptColumns
from handshake_inspect.report.batch import Batch
from handshake_inspect.report.column import Column
from handshake_inspect.report.embryos import Embryos
from handshake_inspect.report.fields import FIELDS
from handshake_inspect.report.made import Parts
from handshake_inspect.report.model import Connection, Connections, fair_shares
from handshake_inspect.report.table import table
from handshake_inspect.verdicts import aliases as names
from handshake_inspect.verdicts import stage
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.legs import Legs
from handshake_inspect.verdicts.outcome import Outcomes
from handshake_inspect.verdicts.states import connection_states, embryo_states
from handshake_inspect.verdicts.words import ESTABLISHED, OUTCOMES

TROUBLE = np.array([code in (1, 2, 3, 5, 6) for code in range(len(OUTCOMES))])  # refused to half-open, aborted


class RowConnections(Connections):
    """The connections of a trace, or some of them; only those asked for become objects."""

    def __init__(
        self,
        trace: Attempts,
        outcomes: Outcomes,
        legs: Legs,
        ids: NDArray[Any] | None = None,
        names: NDArray[Any] | None = None,
    ) -> None:
        """With `ids` the connections that have these, in their order; columns are those of all the same.

        In a live run rows are used again while ids go on: `names` are the ids that attempts, in row order, are told by.
        """
        self.trace = trace
        self.outcomes = outcomes
        self.legs = legs
        self.ids = ids
        self.names = trace.ids if names is None else names

    @property
    def outcome(self) -> NDArray[np.uint8]:
        """The outcome of every attempt in row order, as places in OUTCOMES."""
        return self.outcomes.outcome

    @cached_property
    def states(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Final states of clients and servers of connection rows."""
        return connection_states(self.trace)

    @cached_property
    def stages(self) -> NDArray[np.uint8]:
        """How far attempts had come when they died, in row order."""
        return stage.stages(self.trace, self.outcomes)

    @cached_property
    def embryo_clients(self) -> NDArray[np.uint8]:
        """Final states of the clients of unanswered SYNs."""
        return embryo_states(self.trace)

    @cached_property
    def reject_ns(self) -> NDArray[np.int64]:
        """Delay of the RST or ICMP error that answered the SYN of connection rows; -1 for none."""
        return self.legs.reject_ns

    @cached_property
    def conn_states(self) -> NDArray[np.uint8]:
        """Zeek's conn_state of connection rows."""
        return names.conn_state(self.trace.aliases, self.trace.endpoints)

    @cached_property
    def troubled(self) -> NDArray[np.bool_]:
        """Whether an attempt failed or needed a second SYN or SYN-ACK, in row order."""
        c = self.trace.connections
        repeated = self.trace.column((c["syn_count"] > 1) | (c["synack_count"] > 1), False)
        return TROUBLE[self.outcome] | ((self.outcome == ESTABLISHED) & repeated)

    def __len__(self) -> int:
        """How many connections there are."""
        return len(self.trace) if self.ids is None else len(self.ids)

    def _numbered(self, start: int, stop: int) -> NDArray[Any]:
        """The ids of those at these places."""
        return np.arange(start, stop) if self.ids is None else self.ids[start:stop]

    def connection(self, index: int) -> Connection:
        """Make the connection at this place: its id, unless only some were chosen or rows were used again."""
        return self.made(self._numbered(index, index + 1))[0]

    def chunks(self, size: int) -> Iterator[list[Connection]]:
        """All connections as lists of at most `size`."""
        for start in range(0, len(self), size):
            yield self.made(self._numbered(start, min(start + size, len(self))))

    def __iter__(self) -> Iterator[Connection]:
        """Make the connections batch by batch."""
        for chunk in self.chunks(512):
            yield from chunk

    def table(self) -> NDArray[Any]:
        """All connections as a NumPy structured array (see `report.table`)."""
        return table(self)

    def column(self, name: str) -> Column | None:
        """The column of the field with this name, in order of ids; None for one that only made connections have."""
        make = FIELDS[name].column
        if make is None:
            return None
        order = self.trace.order
        return make(AttemptColumns(self, ..., ...)).at(order if self.ids is None else order[self.ids])

    @property
    def trouble_count(self) -> int:
        """How many connections had trouble."""
        return len(self._troubled_ids())

    def _troubled_ids(self) -> NDArray[Any]:
        order = self.trace.order
        if self.ids is None:
            return np.flatnonzero(self.troubled[order])
        return self.ids[self.troubled[order[self.ids]]]

    def trouble(self, limit: int | None = None) -> list[Connection]:
        """At most `limit` connections with trouble, every outcome represented."""
        ids = self._troubled_ids()
        if limit is not None and len(ids) > limit:
            codes = self.outcome[self.trace.order[ids]]
            often = np.bincount(codes, minlength=len(OUTCOMES)).tolist()
            counts = {word: count for word, count in zip(OUTCOMES, often, strict=True) if count}
            shares = fair_shares(counts, limit)
            chosen = [ids[codes == OUTCOMES.index(word)][:share] for word, share in shares.items()]
            ids = np.sort(np.concatenate(chosen))
        return [connection for start in range(0, len(ids), 512) for connection in self.made(ids[start : start + 512])]

    def made(self, ids: NDArray[Any]) -> list[Connection]:
        """Make the connections with these ids."""
        return self.of_rows(self.trace.order[ids])

    def of_rows(self, rows: NDArray[Any]) -> list[Connection]:
        """Make the connections of these rows, in this order."""
        kinds, full = self._batches(rows)
        return _merged([kind.connections() for kind in kinds], full)

    def values(self, fields: Sequence[str], size: int) -> Iterator[list[list[Any]]]:
        """Columns of the fields with these names, of at most `size` connections at a time; only these are made."""
        for start in range(0, len(self), size):
            kinds, full = self._batches(self.trace.order[self._numbered(start, min(start + size, len(self)))])
            columns = zip(*(kind.values(fields) for kind in kinds), strict=True)
            yield [_merged(list(halves), full) for halves in columns]

    def _batches(self, rows: NDArray[Any]) -> tuple[list[Parts], NDArray[np.bool_]]:
        """What makes these rows: connections, embryos or both; and of which of the two each is."""
        ids, full = self.names[rows], self.trace.is_tracked(rows)
        tracked, alone = self.trace.split(rows)
        kinds: list[Parts] = []
        if len(tracked):
            kinds.append(Batch(self, ids[full], tracked))
        if len(alone):
            kinds.append(Embryos(self, ids[~full], alone, rows[~full]))
        return kinds, full


def _merged(halves: list[list[Any]], full: NDArray[np.bool_]) -> list[Any]:
    """What was made of connections and of embryos, in the order of the rows."""
    if len(halves) < 2:
        return halves[0] if halves else []
    one, other = map(iter, halves)
    return [next(one) if each else next(other) for each in full.tolist()]
