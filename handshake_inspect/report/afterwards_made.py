"""Counting what became of open connections: over columns of rows, or of connections that exist already."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.afterwards import TALLIES, Afterwards, Ended, Holder, Tally
from handshake_inspect.report.attempt_columns import NONE, AttemptColumns
from handshake_inspect.report.connection import Close, Connection
from handshake_inspect.report.endings import closes
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.sets import host_key
from handshake_inspect.verdicts.words import ESTABLISHED, MIDSTREAM
from handshake_inspect.wire.address import address_text

HOLDERS = 5

Array = NDArray[Any]


def of_rows(case: Case, names: Array, rows: Array | None = None, *, waiting: bool = True) -> Afterwards | None:
    """Of these attempts, all if not given; `names` are the ids in row order.  None where none was ever open.

    Who holds TIME_WAIT is counted if `waiting`.
    """
    outcome = case.outcomes.outcome
    is_open = case.attempts.of_connections((outcome == ESTABLISHED) | (outcome == MIDSTREAM))
    if rows is None:
        full = np.flatnonzero(is_open)
    else:
        full = np.sort(rows[rows < len(is_open)])
        full = full[is_open[full]]
    if not len(full):
        return None
    lives = AttemptColumns(case, names, full, NONE)
    codes, meanings = closes(lives)
    return _counted(
        np.asarray(names[full]),
        codes,
        meanings,
        {name: lives.end("client", name) + lives.end("server", name) for name in ("frames", *TALLIES)},
        _in_time_wait(lives) if waiting else Counter(),
    )


def _in_time_wait(lives: AttemptColumns) -> Counter[str]:
    """How many of these connections hosts hold in TIME_WAIT: those with the most, and all with as many as the last."""
    halves: list[list[Array]] = [[], []]
    for place, who in enumerate(("client", "server")):
        waits = lives.of_all(lives.case.states[place]) == TcpState.TIME_WAIT
        for half, part in zip(halves, ("hi", "lo"), strict=True):
            half.append(lives.address(who, part)[waits])  # type: ignore[arg-type]
    hi, lo = map(np.concatenate, halves)
    _, first, counts = np.unique(host_key(hi, lo), return_index=True, return_counts=True)
    if not len(counts):
        return Counter()
    most = np.flatnonzero(counts >= np.sort(counts)[-HOLDERS:][0])
    return Counter(
        {address_text(int(hi[at]), int(lo[at])): n for at, n in zip(first[most], counts[most].tolist(), strict=True)}
    )


def of_connections(connections: Iterable[Connection]) -> Afterwards | None:
    """Of connections that exist already."""
    lives = [each for each in connections if each.outcome in ("established", "midstream")]
    if not lives:
        return None
    places: dict[Close, int] = {}
    codes = [places.setdefault(each.close, len(places)) for each in lives]
    held = Counter(each.client.ip for each in lives if each.state.client == "TIME_WAIT")
    held.update(each.server.ip for each in lives if each.state.server == "TIME_WAIT")
    return _counted(
        np.array([each.id for each in lives]),
        np.array(codes, dtype=np.intp),
        {code: close for close, code in places.items()},
        {name: np.array([_sent(each, name) for each in lives]) for name in ("frames", *TALLIES)},
        held,
    )


def added(kept: Afterwards | None, gone: Afterwards | None) -> Afterwards | None:
    """Both together; examples, and who holds TIME_WAIT, are of those that are `kept`, where there are any."""
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
    )


def _sum(kept: Tally | None, gone: Tally | None) -> Tally | None:
    if kept is None or gone is None:
        return kept or gone
    return Tally(kept.segments + gone.segments, kept.connections + gone.connections, kept.example)


def _sent(connection: Connection, name: str) -> int:
    counts: Sequence[int] = [getattr(way, name) for way in (connection.client_to_server, connection.server_to_client)]
    return sum(counts)


def _counted(
    ids: Array, codes: Array, meanings: Mapping[int, Close], sent: Mapping[str, Array], held: Counter[str]
) -> Afterwards:
    tallies = {name: _tally(ids, sent[name]) for name in TALLIES}
    most_first = sorted(held.items(), key=lambda item: (-item[1], item[0]))
    return Afterwards(
        len(ids),
        int(sent["frames"].sum()),
        _endings(ids, codes, meanings),
        **tallies,
        time_wait=[Holder(ip, count) for ip, count in most_first[:HOLDERS]],
    )


def _endings(ids: Array, codes: Array, meanings: Mapping[int, Close]) -> list[Ended]:
    alike: defaultdict[tuple[Any, Any], list[int]] = defaultdict(list)
    for code, close in meanings.items():
        alike[close.how, close.reset_by if close.how.startswith("rst") else close.first].append(code)
    endings = []
    for (how, by), same in alike.items():
        of_these = ids[np.isin(codes, same)]
        endings.append(Ended(how, by, len(of_these), int(of_these.min())))
    return sorted(endings, key=lambda ending: (-ending.connections, ending.example))


def _tally(ids: Array, segments: Array) -> Tally | None:
    total = int(segments.sum())
    if not total:
        return None
    most = ids[segments == segments.max()]
    return Tally(total, int(np.count_nonzero(segments)), int(most.min()))
