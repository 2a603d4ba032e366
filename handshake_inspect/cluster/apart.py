"""Datasets whose connections stay where they were tracked: each worker writes its own.

The process that writes the report judges all connections of the trace.  Then each worker gets the results for its rows
(`Judged`) and what holds for all of them (`Whole`), and writes these connections as Parquet.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from handshake_inspect.cluster.tables import Pumped, table_of
from handshake_inspect.dns.lookups import Lookup
from handshake_inspect.errors import ClusterError
from handshake_inspect.render.dataset import write_by_day
from handshake_inspect.report.arrow import batches
from handshake_inspect.report.connections import RowConnections
from handshake_inspect.report.fields import chosen
from handshake_inspect.verdicts.arrays import Array, Codes
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.case import CaptureFacts, Case
from handshake_inspect.verdicts.gathering import attempts_of_table, copied
from handshake_inspect.verdicts.limits import Limits
from handshake_inspect.verdicts.numbering import AttemptRows, chained
from handshake_inspect.verdicts.outcome import Outcomes
from handshake_inspect.verdicts.row_store import AttachedRows
from handshake_inspect.verdicts.setup.answer import Tickets
from handshake_inspect.verdicts.setup.setups import setups_of, tickets_of
from handshake_inspect.wire.const import MASK32

Files = list[tuple[str, int]]  # names in the dataset, and sizes


@dataclass(frozen=True)
class Whole:
    """What holds for the whole trace."""

    first_ns: int
    last_ns: int
    limits: Limits
    filtered: bool
    answers_pass: bool
    is_beyond: bool  # frame numbers have more than 32 bits
    capture: CaptureFacts
    lookups: Sequence[Lookup]
    tickets: Tickets
    without_rows: Array  # see `Case`


@dataclass(frozen=True)
class Judged:
    """What was found out about the rows of one part: of connections first, then of lone SYNs."""

    connections: Array  # row numbers in the table of the part, ascending
    embryos: Array  # likewise
    ids: Array  # of each row, as are the next two
    outcomes: Outcomes
    states: tuple[Codes, Codes]  # of the clients and of the servers
    raced: Array | None  # for connections alone: the QUIC connection that each raced with; None without QUIC
    elsewhere: AttachedRows | None
    translated: AttachedRows | None
    names: dict[int, list[str]]  # that clients had looked up, by place in these rows
    waited: dict[int, int]  # the lookup that was waited for, likewise

    def __len__(self) -> int:
        """Return the number of attempts."""
        return len(self.ids)


def whole_of(case: Case) -> Whole:
    """Return what holds for the whole trace."""
    trace = case.attempts
    return Whole(
        trace.first_ns, trace.last_ns, trace.limits, trace.filtered, trace.answers_pass, trace.highs is not None,
        CaptureFacts(frame_locator=case.capture.frame_locator), case.lookups, tickets_of(trace), case.without_rows,
    )  # fmt: skip


def judged_by_part(case: Case, sizes: Sequence[dict[str, int]]) -> Iterator[Judged]:
    """Yield what was found out about each part, in the order in which their tables were merged."""
    trace = case.attempts
    count = len(trace.connections)
    connections = np.arange(count) if trace.numbers is None else trace.numbers
    embryos = np.arange(len(trace.embryos)) if trace.embryo_numbers is None else trace.embryo_numbers
    names, waited, (clients, servers) = case.names.all_names, case.waited[0], case.states
    before = dict.fromkeys(("connection", "embryo"), 0)
    for size in sizes:
        full, full_numbers = _within(connections, before["connection"], size["connection"])
        lone, lone_numbers = _within(embryos, before["embryo"], size["embryo"])
        for name in before:
            before[name] += size[name]
        rows = AttemptRows(np.concatenate([full, count + lone]))
        yield Judged(
            full_numbers,
            lone_numbers,
            trace.ids[rows],
            case.outcomes.at(rows),
            (clients[rows], servers[rows]),
            case.quic.raced_quic[full] if len(case.quics) else None,
            None if trace.elsewhere is None else trace.elsewhere.select(rows),
            None if trace.translated is None else trace.translated.select(rows),
            _known(names, rows),
            _known(waited, rows),
        )


def _within(numbers: Array, begin: int, size: int) -> tuple[Array, Array]:
    """Return the indices of these numbers (ascending) that lie in a part, and the numbers within it."""
    low, high = np.searchsorted(numbers, [begin, begin + size]).tolist()
    return np.arange(low, high), numbers[low:high] - begin


def _known(by_row: dict[int, Any], rows: AttemptRows) -> dict[int, Any]:
    """Return what is known of these rows, by their place."""
    if not by_row:
        return {}
    return {place: by_row[row] for place, row in enumerate(rows.tolist()) if row in by_row}


# -- on a worker -------------------------------------------------------------------------------------------------------


def connections_of(part: Pumped, judged: Judged, whole: Whole) -> RowConnections:
    """Return the connections of a part as they were judged among those of the whole trace."""
    trace = _attempts_of(part, judged, whole)
    case = Case(trace, judged.outcomes, whole.capture, lookups=whole.lookups)
    names = SimpleNamespace(all_names=judged.names)
    case.use(names=names, waited=[judged.waited, {}], states=judged.states, without_rows=whole.without_rows)
    if judged.raced is not None:
        case.use(quic=SimpleNamespace(raced_quic=judged.raced))
    setups_of(trace).use_tickets(whole.tickets)
    return RowConnections(case, names=judged.ids)


def _attempts_of(part: Pumped, judged: Judged, whole: Whole) -> Attempts:
    if whole.is_beyond and "high" not in part.rows:
        part = replace(part, rows=part.rows | {"high": np.zeros(len(part.rows["embryo"]), dtype=np.uint64)})
    frames = MASK32 + 1 if whole.is_beyond else 0
    every = attempts_of_table(table_of(part), whole.first_ns, whole.last_ns, whole.limits, frames)
    full = judged.connections if every.numbers is None else np.searchsorted(every.numbers, judged.connections)
    lone = judged.embryos if every.embryo_numbers is None else np.searchsorted(every.embryo_numbers, judged.embryos)
    rows = chained(AttemptRows(full), AttemptRows(len(every.connections) + lone))
    some = every if len(rows) == len(every) else copied(every, rows)[0]
    return replace(
        some, filtered=whole.filtered, answers_pass=whole.answers_pass, elsewhere=judged.elsewhere,
        translated=judged.translated,
    )  # fmt: skip


def write_part(part: Pumped, judged: Judged, whole: Whole, directory: str, names: Sequence[str], prefix: str) -> Files:
    """Write the connections of a part into a dataset; return the files."""
    if not len(judged):
        return []
    path = Path(directory)
    if not path.parent.is_dir():
        raise ClusterError(f"{path.parent} is not there on a worker: name a directory that all workers can write")
    connections = connections_of(part, judged, whole)
    written = write_by_day(path, chosen(names), partial(batches, connections), prefix)
    return [(str(each.relative_to(path)), each.stat().st_size) for each in written]


# -- in the process that writes the report -----------------------------------------------------------------------------


class ApartConnections(RowConnections):
    """The connections of a trace whose rows are on workers: for counts here, and for a dataset there."""

    def __init__(self, case: Case, sizes: Sequence[dict[str, int]], parts: Sequence[Any], runner: Any) -> None:
        """`parts` are the results of the workers, `sizes` their rows by name."""
        super().__init__(case)
        self._sizes, self._parts, self._runner = sizes, parts, runner

    def write_apart(self, directory: Path, names: Sequence[str]) -> None:
        """Have each worker write its connections."""
        submit = self._runner.submit
        whole = submit("share", _shared, whole_of(self.case))
        written = [
            submit("write", write_part, part, judged, whole, str(directory), list(names), f"part-{number}")
            for number, (part, judged) in enumerate(
                zip(self._parts, judged_by_part(self.case, self._sizes), strict=True)
            )
        ]
        _check(directory, [file for files in self._runner.results(written) for file in files])


def _shared(whole: Whole) -> Whole:
    """Return what every task needs: as a result, it is sent to each worker once, not with each task."""
    return whole


def _check(directory: Path, files: Iterable[tuple[str, int]]) -> None:
    """Raise ClusterError if a file that a worker wrote is not here."""
    for name, size in files:
        path = directory / name
        if not path.is_file() or path.stat().st_size != size:
            raise ClusterError(f"{path} was written by a worker and is not here: name a directory that all share")
