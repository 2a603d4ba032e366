"""Groups of connections in trouble, by outcome, cause and server: those in the table, and counts of expired ones."""

from dataclasses import dataclass, field

import numpy as np

from handshake_inspect.engine.attempt_ids import TableView
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.verdicts.words import CAUSES, OUTCOMES

Kind = tuple[int, int, int, int, int]  # indexes in OUTCOMES and CAUSES, address (hi, lo) and port of the server

MAX_KINDS = 20_000  # kinds kept of expired connections; beyond that the least frequent are dropped


@dataclass
class Group:
    """The number of connections of a kind, the start of the newest, and their rows in the order given."""

    count: int
    last_ns: int
    rows: AttemptRows = field(default_factory=lambda: AttemptRows(np.zeros(0, dtype=np.intp)))


def newest_first(view: TableView, rows: AttemptRows) -> AttemptRows:
    """Sort rows, the newest connection first."""
    return rows[np.argsort(-view.ids[rows], kind="stable")]


def grouped(view: TableView, rows: AttemptRows) -> dict[Kind, Group]:
    """Group these attempts by kind; kinds are in the order of their first rows."""
    if not len(rows):
        return {}
    attempts, outcomes = view.case.attempts, view.case.outcomes
    keys = np.ravel_multi_index(
        (outcomes.outcome[rows], outcomes.cause[rows], attempts.service[rows]),
        (len(OUTCOMES), len(CAUSES), len(attempts.services)),
    )
    _, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    order, ends = np.argsort(first, kind="stable"), np.cumsum(counts)
    newest, members = rows[first[order]], rows[np.argsort(inverse, kind="stable")]
    service = (*attempts.halves("server", newest), attempts.address("server", "port", newest))
    columns = (
        (outcomes.outcome[newest], outcomes.cause[newest], *service),
        (counts[order], attempts.first_times[newest], ends[order]),
    )
    kinds, sizes = (zip(*(column.tolist() for column in each), strict=True) for each in columns)
    return {
        kind: Group(count, last_ns, members[end - count : end])
        for kind, (count, last_ns, end) in zip(kinds, sizes, strict=True)
    }


class PastTrouble:
    """Counts of the trouble of expired attempts."""

    def __init__(self) -> None:
        self.of: dict[Kind, Group] = {}

    def add(self, view: TableView, rows: AttemptRows) -> None:
        """Count these attempts before their rows are freed."""
        for kind, now in grouped(view, newest_first(view, rows)).items():
            before = self.of.get(kind, Group(0, now.last_ns))
            self.of[kind] = Group(before.count + now.count, max(before.last_ns, now.last_ns))
        if len(self.of) > MAX_KINDS:
            most = sorted(self.of.items(), key=lambda each: -each[1].count)
            self.of = dict(most[: MAX_KINDS // 2])

    def with_(self, kept: dict[Kind, Group]) -> dict[Kind, Group]:
        """Return all groups, those of `kept` merged with expired ones, newest first."""
        every = dict(kept)
        for kind, gone in self.of.items():
            now = kept.get(kind, Group(0, gone.last_ns))
            every[kind] = Group(now.count + gone.count, max(now.last_ns, gone.last_ns), now.rows)
        return dict(sorted(every.items(), key=lambda each: -each[1].last_ns))
