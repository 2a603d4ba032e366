"""The lists of the live screen: newest connections, connections in trouble grouped by kind, and their segment logs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handshake_inspect.engine.attempt_ids import TableView
from handshake_inspect.engine.export import connections_of
from handshake_inspect.engine.segment_log import RecentLogs
from handshake_inspect.engine.trouble import PastTrouble, grouped, newest_first
from handshake_inspect.expression.predicates import Predicate
from handshake_inspect.expression.select import passing
from handshake_inspect.report.model import Connection, Endpoint
from handshake_inspect.report.segment_log import SegmentLog
from handshake_inspect.report.snapshot import TroubleGroup
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.verdicts.words import CAUSES, OUTCOMES
from handshake_inspect.wire.address import address_text

SHOWN = 50  # connections of each list, and groups
OF_EACH = 3  # connections of every group that are always listed
MAX_FILTERED = 4096  # newest connections that the screen's filter is applied to


@dataclass(frozen=True)
class Picture:
    """The lists of the screen, newest first, and the segment logs of all connections in them, by id."""

    newest: list[Connection]
    trouble: list[Connection]
    groups: list[TroubleGroup]
    logs: dict[int, SegmentLog]


NOTHING = Picture([], [], [], {})


def picture(
    view: TableView, where: Predicate | None, shown: Predicate | None, logs: RecentLogs, past: PastTrouble
) -> Picture:
    """Return the lists of the connections that pass both tests; `shown` is applied only to the newest ones.

    `past` counts expired connections that passed `where`.
    """
    made = connections_of(view)
    every = newest_first(view, view.case.attempts.where(np.ones(len(view.ids), dtype=np.bool_)))
    troubled = newest_first(view, view.case.attempts.where(made.trouble_kinds != 0))
    every, troubled = (_passing(view, _passing(view, rows, where), shown, MAX_FILTERED) for rows in (every, troubled))
    groups, examples = _shown_groups(view, troubled, past if shown is None else None)
    newest = every[:SHOWN]
    listed = newest_first(view, AttemptRows(np.union1d(troubled[:SHOWN], examples)))
    both = AttemptRows(np.union1d(newest, listed))
    connections = dict(zip(both.tolist(), made.of_rows(both), strict=True))
    newer, trouble = ([connections[row] for row in rows.tolist()] for rows in (newest, listed))
    return Picture(newer, trouble, groups, _logs_of(view, both, logs))


def _passing(view: TableView, rows: AttemptRows, test: Predicate | None, most: int | None = None) -> AttemptRows:
    """Return the rows among the first `most` that pass."""
    if test is None or not len(rows):
        return rows
    rows = rows[:most]
    return rows[passing(connections_of(view, view.case.attempts.ids[rows]), test)]


def _shown_groups(
    view: TableView, rows: AttemptRows, past: PastTrouble | None
) -> tuple[list[TroubleGroup], AttemptRows]:
    """Return groups, newest first, of rows (newest first) and expired connections, and sample rows of each group."""
    found = grouped(view, rows)
    listed = list((found if past is None else past.with_(found)).items())[:SHOWN]
    groups = [
        TroubleGroup(OUTCOMES[outcome], CAUSES[cause], Endpoint(address_text(hi, lo), port), group.count, group.last_ns)
        for (outcome, cause, hi, lo, port), group in listed
    ]
    return groups, AttemptRows(np.concatenate([rows[:0], *(group.rows[:OF_EACH] for _, group in listed)]))


def _logs_of(view: TableView, rows: AttemptRows, logs: RecentLogs) -> dict[int, SegmentLog]:
    tracked, alone = view.case.attempts.in_table(rows)
    ids, whole = view.ids[rows], view.case.attempts.is_tracked(rows)
    made = logs.of(tracked.tolist(), alone.tolist())
    return dict(zip([*ids[whole].tolist(), *ids[~whole].tolist()], made, strict=True))
