"""Stable ids for the attempts of a live run, whose rows are freed and reused, and what was last exported of each."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_ABORTED, FACT_LAST_ACK_SEEN, FACT_REFUSED, FACT_RST
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.verdicts.words import ESTABLISHED, HALF_OPEN, MIDSTREAM, REJECTED

_OPEN, _ENDED = 0x1000, 0x2000  # the exported state was that of an open, or of an ended, connection

SETTLED_NS = 3_000_000_000  # age at which an open connection is exported
SILENT_NS = 130_000_000_000  # twice the longest pause between two SYNs of any common stack (RFC 6298: 60 s)


@dataclass
class AttemptIds:
    """One array entry per attempt, sorted by `keys`: 64-bit first frame numbers, which are unique per attempt."""

    keys: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    exported: NDArray[np.uint16] = field(default_factory=lambda: np.zeros(0, dtype=np.uint16))
    decided: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    begun: int = 0  # attempts seen so far; also the next id

    def view(self, case: Case) -> "TableView":
        """Return the attempts of a case with their ids; new ones are numbered in the order of their first frames."""
        trace = case.attempts
        keys = trace.first_frame
        at = np.minimum(np.searchsorted(self.keys, keys), max(len(self.keys) - 1, 0))
        old = self.keys[at] == keys if len(self.keys) else np.zeros(len(keys), dtype=np.bool_)
        ids = np.zeros(len(keys), dtype=np.int64)
        exported = np.zeros(len(keys), dtype=np.uint16)
        decided = np.zeros(len(keys), dtype=np.bool_)
        ids[old], exported[old], decided[old] = self.ids[at[old]], self.exported[at[old]], self.decided[at[old]]
        new = trace.order[~old[trace.order]]
        ids[new] = np.arange(self.begun, self.begun + len(new))
        self.begun += len(new)
        return TableView(case, keys, ids, exported, decided, len(new))

    def keep(self, view: "TableView", rows: AttemptRows) -> None:
        """Remember only these attempts of a view; forget all others."""
        order = rows[np.argsort(view.keys[rows], kind="stable")]
        self.keys, self.ids, self.exported = view.keys[order], view.ids[order], view.exported[order]
        self.decided = view.case.outcomes.decided[order]


@dataclass
class TableView:
    """A snapshot of all attempts, in row order, with their ids.  Arrays have one entry per attempt."""

    case: Case
    keys: NDArray[np.uint64]
    ids: NDArray[np.int64]
    exported: NDArray[np.uint16]  # code of the state exported last; 0 if never exported
    decided: NDArray[np.bool_]  # as of the previous view
    new: int  # attempts that are not in any previous view

    def __post_init__(self) -> None:
        """Compute which attempts have ended, and when each was last seen."""
        trace = self.case.attempts
        closed = trace.facts & (FACT_RST | FACT_REFUSED | FACT_ABORTED | FACT_LAST_ACK_SEEN) != 0
        decided = trace.of_connections(self.case.outcomes.decided)
        self.ended: Bools = trace.column((closed | trace.replaced) & decided, False)
        self.last_ns = trace.last_times

    @property
    def half_open(self) -> int:
        """Number of handshakes that wait for their final ACK."""
        return int(np.count_nonzero((self.case.outcomes.outcome == HALF_OPEN) & ~self.ended))

    @property
    def silent(self) -> Bools:
        """Boolean mask: attempts that were never established and have been idle longer than any SYN retry interval."""
        outcome = self.case.outcomes.outcome
        unfinished = (outcome != ESTABLISHED) & (outcome != MIDSTREAM)
        silent: Bools = unfinished & (self.last_ns < self.case.attempts.last_ns - SILENT_NS)
        return silent

    def changed(self) -> AttemptRows:
        """Rows to export, sorted by id: decided, ended or settled, and in a state that was not exported before.

        The state of an open connection is its outcome; that of an ended one is its outcome and cause.
        """
        outcomes, trace = self.case.outcomes, self.case.attempts
        settled = (trace.first_times <= trace.last_ns - SETTLED_NS) | (outcomes.outcome == REJECTED)
        codes = self._codes()
        return self._by_id(trace.where(outcomes.decided & (self.ended | settled) & (codes != self.exported)))

    def unfinished(self) -> AttemptRows:
        """Rows without an exported final record, sorted by id: those to export when the capture ends."""
        return self._by_id(self.case.attempts.where((self.exported & _ENDED == 0) | (self._codes() != self.exported)))

    def mark_exported(self, rows: AttemptRows) -> None:
        """Record that these attempts were exported in their present state."""
        self.exported[rows] = self._codes()[rows]

    def _by_id(self, rows: AttemptRows) -> AttemptRows:
        return rows[np.argsort(self.ids[rows], kind="stable")]

    def _codes(self) -> NDArray[np.uint16]:
        outcomes = self.case.outcomes
        outcome = outcomes.outcome.astype(np.uint16) << 8
        return np.where(self.ended, _ENDED | outcome | outcomes.cause, _OPEN | outcome).astype(np.uint16)
