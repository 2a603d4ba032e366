"""Columns over attempts, which are either connection rows or lone (unanswered) SYNs.

In every column, connections come first, then lone SYNs (see `verdicts.attempts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.column import Numbers, Words
from handshake_inspect.verdicts import aliases
from handshake_inspect.verdicts.answered import AnsweredCopies, answered_syn_acks, answered_syns
from handshake_inspect.verdicts.arrays import Array
from handshake_inspect.verdicts.attempts import LONE_CLIENT, LONE_SERVER, LONE_SYN, Who
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.columns import whole_frames
from handshake_inspect.verdicts.legs import Leg

NONE: NDArray[np.intp] = np.zeros(0, dtype=np.intp)  # no rows
_LONE: dict[Who, dict[str, str | int]] = {"client": LONE_CLIENT, "server": LONE_SERVER}


class Taken(dict[str, Array]):
    """Columns of some rows of a table, selected on first access."""

    def __init__(self, table: Any, rows: Any) -> None:
        self._table, self._rows = table, rows

    def __missing__(self, field: str) -> Array:
        column: Array = self._table[field][self._rows]
        self[field] = column
        return column


class AttemptColumns:
    """Columns of some attempts: `full` are indices of connection rows, `alone` of lone SYNs; `...` means all."""

    def __init__(self, case: Case, names: Array, full: Any, alone: Any) -> None:
        """`names` are the ids of all attempts, in row order."""
        trace = case.attempts
        clients: Any = trace.client_rows[full]
        if full is not ...:  # NumPy indexes faster with pointer-sized integers
            full, clients = full.astype(np.intp, copy=False), clients.astype(np.intp)
        self.case, self.trace, self.names, self.full, self.alone = case, trace, names, full, alone
        self.c = Taken(trace.connections, full)
        self.client, self.server = Taken(trace.endpoints, clients), Taken(trace.endpoints, clients ^ 1)
        self.full_count = len(clients)
        self.alone_count = len(trace.embryos) if alone is ... else len(alone)
        self.memo: dict[Any, Any] = {}

    def __len__(self) -> int:
        """Return the number of attempts."""
        return self.full_count + self.alone_count

    @cached_property
    def lone(self) -> Any:
        """The rows of the lone SYNs."""
        return self.trace.embryos if self.alone is ... else self.trace.embryos[self.alone]

    def joined(self, full: Any, alone: Any, kind: Any = np.int64) -> Array:
        """Concatenate the values of connections and of lone SYNs; either may be a scalar."""
        if not self.alone_count and isinstance(full, np.ndarray):
            return full.astype(kind, copy=False)
        column = np.empty(len(self), dtype=kind)
        column[: self.full_count], column[self.full_count :] = full, alone
        return column

    def where(self, full: Any, known: Any, alone: Any = 0, *, lone_known: bool = False) -> Numbers:
        """Return a column with a mask of known values; lone SYNs are all known or all unknown."""
        return Numbers(self.joined(full, alone), self.joined(known, lone_known, bool))

    def measured(self, full: Any) -> Numbers:
        """Return a column of connections in which -1 means unknown; it is unknown for lone SYNs."""
        return self.where(full, full >= 0, -1)

    def word(self, full: Any, alone: Any, vocabulary: Sequence[str]) -> Words:
        """Return a column of words, given as indices into a vocabulary."""
        return Words(self.joined(full, alone, np.intp), vocabulary)

    def of_all(self, values: Array) -> Array:
        """Select these attempts from a column over all attempts of the trace in row order."""
        if self.full is ... and self.alone is ...:
            return values
        full: Array = self.trace.of_connections(values)[self.full]
        return np.concatenate([full, self.trace.of_lone(values)[self.alone]]) if self.alone_count else full

    def connection(self, name: str, kind: Any = np.int64) -> Array:
        """Return a field of connection rows."""
        return self.joined(self.c[name], self._alone(LONE_SYN, name), kind)

    @cached_property
    def _aftermath(self) -> tuple[Array, Array]:
        """Indices of the attempts that have a row in `aftermaths`, and the index of that row."""
        places = self.connection("aftermath")
        known = np.flatnonzero(places)
        return known, places[known] - 1

    def shut_ns(self, who: Who) -> Array:
        """Return how long the windows of the clients or servers were zero, up to their last segments, in ns."""
        known, rows = self._aftermath
        side = self.connection("client")[known] ^ int(who == "server")
        # Select one field at a time: NumPy copies structured rows field by field.
        since, before = (self.trace.aftermaths[name][rows, side] for name in ("shut_since_ns", "shut_ns"))
        lasting = np.maximum(self.connection("last_ns")[known] - since, 0)
        shut = np.zeros(len(self), dtype=np.int64)
        shut[known] = before + np.where(since, lasting, 0)
        return shut

    def end(self, who: Who, name: str) -> Array:
        """Return a field of the endpoint rows of the clients or servers, or `zero_window_ns`."""
        if name == "zero_window_ns":
            return self.shut_ns(who)
        rows = self.client if who == "client" else self.server
        return self.joined(rows[name], self._alone(_LONE[who], name))

    def _alone(self, table: Mapping[str, str | int], name: str) -> Any:
        source = table.get(name, 0)
        return self.lone[source] if isinstance(source, str) else source

    def address(self, who: Who, part: str, kind: Any = np.uint64) -> Array:
        """Return `hi`, `lo` or `port` of the clients or servers."""
        far = int(who == "server")
        full = np.where(self.c["client"] == far, self.c[f"{part}0"], self.c[f"{part}1"])
        return self.joined(full, self.lone[f"{who}_{part}"], kind)

    @property
    def first_frame(self) -> Array:
        """The number of each attempt's first frame."""
        if self.alone is ...:
            return np.asarray(self.of_all(self.trace.first_frame)).astype(np.int64)
        return self.joined(self.c["first_frame"], self.trace.embryo_frames(self.alone))

    @property
    def ids(self) -> Array:
        """The id of each attempt."""
        return self.of_all(self.names)

    def both(self, name: str) -> Array:
        """Return a counter summed over both ends."""
        return self.end("client", name) + self.end("server", name)

    @property
    def streams(self) -> Array:
        """Wireshark's `tcp.stream` of each; Wireshark also numbers streams that have no row of their own here."""
        others = self.case.without_rows
        return self.ids + np.searchsorted(others, self.first_frame) if len(others) else self.ids

    @cached_property
    def outcome(self) -> Array:
        """The outcome of each, as an index into OUTCOMES."""
        return self.of_all(self.case.outcomes.outcome)

    @cached_property
    def syns(self) -> AnsweredCopies:
        """The SYN to report for each connection: the answered copy."""
        return answered_syns(self.trace, self.c, self.client)

    @cached_property
    def syn_acks(self) -> AnsweredCopies:
        """The SYN-ACK to report for each connection: the acknowledged copy."""
        return answered_syn_acks(self.trace, self.c, self.server)

    def frames(self, name: str) -> Array:
        """Return the full frame number of the `name` segment of each connection; 0 if there is none."""
        low = self.syns.frame if name == "syn" else self.syn_acks.frame if name == "synack" else self.c[f"{name}_frame"]
        return whole_frames(self.c["first_frame"], low)

    @cached_property
    def legs(self) -> tuple[Leg, Leg, Leg]:
        """The three legs of the handshake RTT of connections."""
        return self.case.legs.of(self.full).all

    @property
    def completeness(self) -> Array:
        """Wireshark's `tcp.completeness`; 1 (SYN) for lone SYNs."""
        frames = self.client["frames"] + self.server["frames"]
        return self.joined(aliases.completeness(self.c["completeness"], frames), 1)
