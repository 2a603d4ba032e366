"""Count what happened after the handshake, from columns of rows or from `Connection` objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from handshake_inspect.report.afterwards import TALLIES, Afterwards, Ended, Holder, Tally
from handshake_inspect.report.attempt_columns import NONE, AttemptColumns
from handshake_inspect.report.connection import Connection
from handshake_inspect.report.connection_parts import Close
from handshake_inspect.report.endings import closes
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts.arrays import Array
from handshake_inspect.verdicts.attempts import Who
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.columns import batches, marked
from handshake_inspect.verdicts.numbering import AttemptRows
from handshake_inspect.verdicts.sets import counts, is_member
from handshake_inspect.verdicts.words import ESTABLISHED, MIDSTREAM
from handshake_inspect.wire.address import address_text

HOLDERS = 5


def of_rows(case: Case, names: Array, rows: Array | None = None, *, waiting: bool = True) -> Afterwards | None:
    """Count over the attempts `rows` (all if None); return None if none of them was ever open.

    `names` are the ids in row order.  `waiting` also counts the hosts that hold connections in TIME_WAIT.
    """
    outcome = case.attempts.of_connections(case.outcomes.outcome)
    is_open = (outcome == ESTABLISHED) | (outcome == MIDSTREAM)
    if rows is None:
        full = marked(is_open)
    else:
        full = np.sort(rows[rows < len(is_open)])
        full = full[is_open[full]]
    if not len(full):
        return None
    count = _Count()
    for some in batches(len(full)):
        lives = AttemptColumns(case, names, full[some], NONE)
        codes, meanings = closes(lives)
        count.add(np.asarray(names[full[some]]), codes, meanings, lives.both)
    return count.result(_in_time_wait(case, full) if waiting else Counter())


def _in_time_wait(case: Case, full: Array) -> Counter[str]:
    """Count connections in TIME_WAIT per host, for the top hosts including ties with the last one."""
    trace, held = case.attempts, Counter[str]()
    waiting = [full[trace.of_connections(states)[full] == TcpState.TIME_WAIT] for states in case.states]
    rows = np.concatenate(waiting)
    hosts = np.concatenate([trace.client_host[waiting[0]], trace.server_host[waiting[1]]])
    if not len(hosts):
        return held
    different, often = counts(hosts)
    most = often >= np.sort(often)[-HOLDERS:][0]
    mine = np.flatnonzero(is_member(hosts, different[most]))
    examples = mine[np.unique(hosts[mine], return_index=True)[1]]
    by_client = examples < len(waiting[0])
    ends: list[tuple[Who, Array]] = [("client", by_client), ("server", ~by_client)]
    for who, here in ends:
        hi, lo = trace.halves(who, AttemptRows(rows[examples[here]]))
        texts = map(address_text, hi.tolist(), lo.tolist())
        held.update(dict(zip(texts, often[most][here].tolist(), strict=True)))
    return held


def of_connections(connections: Iterable[Connection]) -> Afterwards | None:
    """Count over `Connection` objects; return None if none of them was ever open."""
    lives = [each for each in connections if each.outcome in ("established", "midstream")]
    if not lives:
        return None
    places: dict[Close, int] = {}
    codes = [places.setdefault(each.close, len(places)) for each in lives]
    held = Counter(each.client.ip for each in lives if each.state.client == "TIME_WAIT")
    held.update(each.server.ip for each in lives if each.state.server == "TIME_WAIT")
    count = _Count()
    count.add(
        np.array([each.id for each in lives]),
        np.array(codes, dtype=np.intp),
        {code: close for close, code in places.items()},
        lambda name: np.array([getattr(each, name) for each in lives]),
    )
    return count.result(held)


def added(kept: Afterwards | None, gone: Afterwards | None) -> Afterwards | None:
    """Add two counts; examples and TIME_WAIT hosts come from `kept` if it has any."""
    if kept is None or gone is None:
        return kept or gone
    endings = {(each.how, each.by): each for each in gone.endings}
    for each in kept.endings:
        other = endings.get((each.how, each.by))
        more = other.connections if other is not None else 0
        endings[each.how, each.by] = Ended(each.how, each.by, each.connections + more, each.example)
    return Afterwards(
        kept.connections + gone.connections,
        kept.segments + gone.segments,
        sorted(endings.values(), key=lambda ending: (-ending.connections, ending.example)),
        **{name: _sum(getattr(kept, name), getattr(gone, name)) for name in TALLIES},
        time_wait=kept.time_wait,
        zero_window_ns=(kept.zero_window_ns or 0) + (gone.zero_window_ns or 0) or None,
    )


def _sum(kept: Tally | None, gone: Tally | None) -> Tally | None:
    if kept is None or gone is None:
        return kept or gone
    return Tally(kept.segments + gone.segments, kept.connections + gone.connections, kept.example)


class _Count:
    """Accumulates counts over chunks of connections, so that the columns of a chunk fit the CPU cache."""

    def __init__(self) -> None:
        self._connections = self._segments = self._shut_ns = 0
        self._endings: dict[Close, tuple[int, int]] = {}  # number of connections, and the lowest id
        self._tallies: dict[str, Tally] = {}
        self._most: dict[str, int] = {}  # segments of the example of each tally

    def add(self, ids: Array, codes: Array, meanings: Mapping[int, Close], sent: Callable[[str], Array]) -> None:
        """Add a chunk: ids, codes of endings with their `meanings`, and `sent(name)`, a counter over both ends."""
        self._connections += len(ids)
        self._segments += int(sent("frames").sum())
        self._shut_ns += int(sent("zero_window_ns").sum())
        for code, close in meanings.items():
            mine = ids[codes == code]
            often, first = self._endings.get(close, (0, int(mine[0])))
            self._endings[close] = often + len(mine), min(first, int(mine.min()))
        for name in TALLIES:
            self._tally(name, ids, sent(name))

    def _tally(self, name: str, ids: Array, segments: Array) -> None:
        most = int(segments.max())
        if not most:
            return
        example, before = int(ids[segments == most].min()), self._most.get(name, 0)
        tally = Tally(int(segments.sum()), int(np.count_nonzero(segments)), example)
        if (known := self._tallies.get(name)) is not None:
            example = min([(-before, known.example), (-most, example)])[1]  # the lowest id on ties
            tally = Tally(known.segments + tally.segments, known.connections + tally.connections, example)
        self._tallies[name], self._most[name] = tally, max(before, most)

    def result(self, held: Counter[str]) -> Afterwards:
        """Return the result; `held` is the number of connections in TIME_WAIT per host."""
        most_first = sorted(held.items(), key=lambda item: (-item[1], item[0]))
        return Afterwards(
            self._connections,
            self._segments,
            self._ended(),
            **self._tallies,
            time_wait=[Holder(ip, often) for ip, often in most_first[:HOLDERS]],
            zero_window_ns=self._shut_ns or None,
        )

    def _ended(self) -> list[Ended]:
        alike: dict[tuple[Any, Any], list[tuple[int, int]]] = {}
        for close, counted in self._endings.items():
            by = close.reset_by if close.how.startswith("rst") else close.first
            alike.setdefault((close.how, by), []).append(counted)
        endings = [
            Ended(how, by, sum(often for often, _ in same), min(first for _, first in same))
            for (how, by), same in alike.items()
        ]
        return sorted(endings, key=lambda ending: (-ending.connections, ending.example))
