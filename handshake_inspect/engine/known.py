"""What a live run remembers of every attempt between two looks at the table: its id, and what was told of it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import FACT_ABORTED, FACT_LAST_ACK_SEEN, FACT_REFUSED, FACT_RST
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.words import ESTABLISHED, HALF_OPEN, MIDSTREAM, REJECTED

Bools = NDArray[np.bool_]

_OPEN, _OVER = 0x1000, 0x2000  # what was told is of a connection that goes on, or that has ended

SETTLED_NS = 3_000_000_000  # a connection that goes on is told when it is this old
SILENT_NS = 130_000_000_000  # twice the longest pause between two SYNs of any common stack (RFC 6298: 60 s)


@dataclass
class Known:
    """Columns by attempt, sorted by `keys`: the first frames, by which an attempt is known again."""

    keys: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    told: NDArray[np.uint16] = field(default_factory=lambda: np.zeros(0, dtype=np.uint16))
    decided: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    begun: int = 0  # attempts ever seen: the next id

    def meet(self, case: Case) -> "Meeting":
        """Find the attempts of a case again; those that are new get ids in the order of their first frames."""
        trace = case.trace
        keys = trace.first_frame
        at = np.minimum(np.searchsorted(self.keys, keys), max(len(self.keys) - 1, 0))
        old = self.keys[at] == keys if len(self.keys) else np.zeros(len(keys), dtype=np.bool_)
        ids = np.zeros(len(keys), dtype=np.int64)
        told = np.zeros(len(keys), dtype=np.uint16)
        decided = np.zeros(len(keys), dtype=np.bool_)
        ids[old], told[old], decided[old] = self.ids[at[old]], self.told[at[old]], self.decided[at[old]]
        new = trace.order[~old[trace.order]]
        ids[new] = np.arange(self.begun, self.begun + len(new))
        self.begun += len(new)
        return Meeting(case, keys, ids, told, decided, len(new))

    def keep(self, meeting: "Meeting", rows: Any) -> None:
        """Remember these rows of a meeting, and no others."""
        order = rows[np.argsort(meeting.keys[rows], kind="stable")]
        self.keys, self.ids, self.told = meeting.keys[order], meeting.ids[order], meeting.told[order]
        self.decided = meeting.case.outcomes.decided[order]


@dataclass
class Meeting:
    """All attempts at one moment, in row order, with what is remembered of them."""

    case: Case
    keys: NDArray[np.uint64]
    ids: NDArray[np.int64]
    told: NDArray[np.uint16]
    decided: NDArray[np.bool_]  # as of the meeting before
    new: int

    def __post_init__(self) -> None:
        """See which of them have ended."""
        trace, outcome = self.case.trace, self.case.outcomes.outcome
        count = len(trace.connections)
        self.over = np.zeros(len(outcome), dtype=np.bool_)
        ended = trace.facts & (FACT_RST | FACT_REFUSED | FACT_ABORTED | FACT_LAST_ACK_SEEN) != 0
        self.over[:count] = (ended | trace.replaced) & self.case.outcomes.decided[:count]
        self.last_ns = np.concatenate([trace.connections["last_ns"], trace.embryos["first_ns"]])

    @property
    def half_open(self) -> int:
        """How many handshakes are waiting for their final ACK."""
        return int(np.count_nonzero((self.case.outcomes.outcome == HALF_OPEN) & ~self.over))

    @property
    def silent(self) -> Bools:
        """Attempts that came to nothing and of which nothing was heard for so long that nothing is to be expected."""
        outcome = self.case.outcomes.outcome
        unfinished = (outcome != ESTABLISHED) & (outcome != MIDSTREAM)
        silent: Bools = unfinished & (self.last_ns < self.case.trace.last_ns - SILENT_NS)
        return silent

    def news(self) -> NDArray[np.intp]:
        """Rows of which something is to be told, by id: decided, and ended or settled, and not told like this before.

        What is told of a connection that goes on is its outcome; when it has ended, also how.
        """
        outcomes, trace = self.case.outcomes, self.case.trace
        settled = (trace.first_times <= trace.last_ns - SETTLED_NS) | (outcomes.outcome == REJECTED)
        codes = self._codes()
        return self._by_id(np.flatnonzero(outcomes.decided & (self.over | settled) & (codes != self.told)))

    def rest(self) -> NDArray[np.intp]:
        """Rows of which the last word is not told yet, for when the capture ends."""
        return self._by_id(np.flatnonzero((self.told & _OVER == 0) | (self._codes() != self.told)))

    def tell(self, rows: NDArray[np.intp]) -> None:
        """Remember that these rows were told."""
        self.told[rows] = self._codes()[rows]

    def _by_id(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        return rows[np.argsort(self.ids[rows], kind="stable")]

    def _codes(self) -> NDArray[np.uint16]:
        outcomes = self.case.outcomes
        outcome = outcomes.outcome.astype(np.uint16) << 8
        return np.where(self.over, _OVER | outcome | outcomes.cause, _OPEN | outcome).astype(np.uint16)
