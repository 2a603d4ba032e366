"""Connections in trouble by what it is and with whom: those in the table, and what is left of those that are gone."""

from dataclasses import dataclass, field

import numpy as np

from handshake_inspect.engine.attempt_ids import TableView
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.verdicts.words import CAUSES, OUTCOMES

Kind = tuple[int, int, int, int, int]  # places in OUTCOMES and CAUSES, address and port of the server

MOST = 20_000  # kinds that are gone; beyond that those that happened least are forgotten


@dataclass
class Group:
    """How many of a kind there are, when the newest began, and which rows they are, in the order they were given."""

    count: int
    last_ns: int
    rows: AttemptRows = field(default_factory=lambda: AttemptRows(np.zeros(0, dtype=np.intp)))


def newest_first(view: TableView, rows: AttemptRows) -> AttemptRows:
    """The same rows, the newest connection first."""
    return rows[np.argsort(-view.ids[rows], kind="stable")]


def grouped(view: TableView, rows: AttemptRows) -> dict[Kind, Group]:
    """These attempts by kind; of the newest first the kind of the newest is the first."""
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
    """Trouble of attempts whose rows are gone."""

    def __init__(self) -> None:
        self.of: dict[Kind, Group] = {}

    def add(self, view: TableView, rows: AttemptRows) -> None:
        """Count these, which are about to go."""
        for kind, now in grouped(view, newest_first(view, rows)).items():
            before = self.of.get(kind, Group(0, now.last_ns))
            self.of[kind] = Group(before.count + now.count, max(before.last_ns, now.last_ns))
        if len(self.of) > MOST:
            most = sorted(self.of.items(), key=lambda each: -each[1].count)
            self.of = dict(most[: MOST // 2])

    def with_(self, kept: dict[Kind, Group]) -> dict[Kind, Group]:
        """All groups, those of `kept` with what is gone of them; the newest first."""
        every = dict(kept)
        for kind, gone in self.of.items():
            now = kept.get(kind, Group(0, gone.last_ns))
            every[kind] = Group(now.count + gone.count, max(now.last_ns, gone.last_ns), now.rows)
        return dict(sorted(every.items(), key=lambda each: -each[1].last_ns))
