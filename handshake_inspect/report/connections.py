"""The lazy sequence of connections over tracker rows, which builds objects in batches on demand."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.attempt_columns import AttemptColumns
from handshake_inspect.report.batch import Batch
from handshake_inspect.report.batch_parts import Parts
from handshake_inspect.report.column import Column
from handshake_inspect.report.embryos import Embryos
from handshake_inspect.report.fields import ENTRIES
from handshake_inspect.report.json_rows import Writer
from handshake_inspect.report.lines import JSON, Lines, Places, ReusedBuffer, Style
from handshake_inspect.report.model import Connection, Connections, fair_shares
from handshake_inspect.report.table import table
from handshake_inspect.report.trouble_columns import trouble_kinds
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.columns import code_counts, first_marked, marked, take_column
from handshake_inspect.verdicts.numbering import AttemptRows, ReportIds, ascending, chained
from handshake_inspect.verdicts.words import OUTCOMES


class RowConnections(Connections):
    """All or some connections of a case; objects are built on access only."""

    def __init__(
        self,
        case: Case,
        ids: ReportIds | None = None,
        names: NDArray[Any] | None = None,
    ) -> None:
        """Include the connections with these `ids`, in this order; None means all.

        A live run reuses rows while ids keep increasing: `names` are the ids shown to the user, in row order.
        """
        self.case = case
        self.attempts = case.attempts
        self.ids = ids
        self.names = case.attempts.ids if names is None else names

    @property
    def outcome(self) -> NDArray[np.uint8]:
        """The outcome of every attempt in row order, as an index into OUTCOMES."""
        return self.case.outcomes.outcome

    @cached_property
    def trouble_kinds(self) -> NDArray[np.uint8]:
        """The kinds of trouble of every attempt in row order, as bits (see `report.trouble`)."""
        return trouble_kinds(self.case, self.names)

    def __len__(self) -> int:
        """Return the number of connections."""
        return len(self.attempts) if self.ids is None else len(self.ids)

    def _numbered(self, start: int, stop: int) -> ReportIds:
        """The ids of those at these places."""
        return ReportIds(np.arange(start, stop)) if self.ids is None else self.ids[start:stop]

    def connection(self, index: int) -> Connection:
        """Build the connection at this index, which is its id unless connections were selected or rows reused."""
        return self.build(self._numbered(index, index + 1))[0]

    def chunks(self, size: int) -> Iterator[list[Connection]]:
        """Yield all connections in lists of at most `size`."""
        for start in range(0, len(self), size):
            yield self.build(self._numbered(start, min(start + size, len(self))))

    def __iter__(self) -> Iterator[Connection]:
        """Build the connections batch by batch."""
        for chunk in self.chunks(512):
            yield from chunk

    def table(self) -> NDArray[Any]:
        """Return all connections as a masked NumPy structured array (see `report.table`)."""
        return table(self)

    def column(self, name: str) -> Column | None:
        """Return the column of a field in id order; None if only `Connection` objects have the field."""
        make = ENTRIES[name].column
        if make is None:
            return None
        order = self.attempts.order
        return make(AttemptColumns(self.case, self.names, ..., ...)).at(order if self.ids is None else order[self.ids])

    @property
    def trouble_count(self) -> int:
        """The number of connections with trouble."""
        return int(np.count_nonzero(self._troubled))

    @cached_property
    def _rows(self) -> AttemptRows:
        """The rows of the connections, in order."""
        return self.attempts.order if self.ids is None else self.attempts.order[self.ids]

    @cached_property
    def _troubled(self) -> NDArray[np.bool_]:
        """Mask of connections with trouble; smaller than a list of ids if there are millions."""
        troubled: NDArray[np.bool_] = take_column(self.trouble_kinds, self._rows) != 0
        return troubled

    def _at(self, places: NDArray[Any]) -> ReportIds:
        """The ids of those at these places."""
        return ReportIds(places) if self.ids is None else self.ids[places]

    def trouble(self, limit: int | None = None) -> list[Connection]:
        """Return at most `limit` connections with trouble, with every outcome represented."""
        if limit is None or self.trouble_count <= limit:
            ids = self._at(marked(self._troubled))
        else:
            codes = take_column(self.outcome, self._rows)
            codes[~self._troubled] = len(OUTCOMES)
            often = code_counts(codes, len(OUTCOMES) + 1).tolist()
            counts = {word: count for word, count in zip(OUTCOMES, often[:-1], strict=True) if count}
            shares = fair_shares(counts, limit)
            chosen = [self._at(first_marked(codes == OUTCOMES.index(word), share)) for word, share in shares.items()]
            ids = ascending(chained(*chosen))
        return [connection for start in range(0, len(ids), 512) for connection in self.build(ids[start : start + 512])]

    def build(self, ids: ReportIds) -> list[Connection]:
        """Build the connections with these ids."""
        return self.of_rows(self.attempts.order[ids])

    def select(self, rows: AttemptRows) -> "RowConnections":
        """Return a sequence of the connections of these rows, in this order."""
        return RowConnections(self.case, self.attempts.ids[rows], self.names)

    def of_rows(self, rows: AttemptRows) -> list[Connection]:
        """Build the connections of these rows, in this order."""
        kinds, full = self._batches(rows)
        return _merged([kind.connections() for kind in kinds], full)

    def values(self, fields: Sequence[str], size: int) -> Iterator[list[list[Any]]]:
        """Yield the values of these fields, for chunks of at most `size` connections; nothing else is built."""
        for start in range(0, len(self), size):
            kinds, full = self._batches(self.attempts.order[self._numbered(start, min(start + size, len(self)))])
            columns = zip(*(kind.values(fields) for kind in kinds), strict=True)
            yield [_merged(list(halves), full) for halves in columns]

    def as_json(self, size: int, opening: bytes, ending: bytes) -> Iterator[memoryview]:
        """Yield all connections as JSON, directly from columns; a chunk is valid until the next one is requested."""
        return self._written(size, JSON, lambda writer, rows: writer.connections(rows, opening, ending))

    def as_lines(
        self, fields: Sequence[str], size: int, heads: Sequence[bytes], ending: bytes, style: Style
    ) -> Iterator[memoryview]:
        """Yield these fields as lines, directly from columns; a chunk is valid until the next one is requested."""
        return self._written(size, style, lambda writer, rows: writer.fields(rows, fields, heads, ending))

    def _written(self, size: int, style: Style, write: Callable[[Writer, Places], None]) -> Iterator[memoryview]:
        buffer = ReusedBuffer()
        for start in range(0, len(self), size):
            rows = self.attempts.order[self._numbered(start, min(start + size, len(self)))]
            kinds, full = self._batches(rows)
            lines = Lines(len(rows), style)
            for kind, those in zip(kinds, _halves(lines.all, full), strict=True):
                write(Writer(lines, kind), those)
            yield lines.written(buffer)

    def _batches(self, rows: AttemptRows) -> tuple[list[Parts], NDArray[np.bool_]]:
        """Return the builders of these rows (connections, embryos or both), and a mask: True for connections."""
        full = self.attempts.is_tracked(rows)
        tracked, alone = self.attempts.split(rows)
        kinds: list[Parts] = []
        if len(tracked):
            kinds.append(Batch(self.case, self.names, tracked))
        if len(alone):
            kinds.append(Embryos(self.case, self.names, alone, rows[~full]))
        return kinds, full


def _halves(places: Places, full: NDArray[np.bool_]) -> list[Places]:
    """Split indices into those of connections and of embryos, leaving out empty parts."""
    if full.all() or not full.any():
        return [places] if len(places) else []
    return [places[full], places[~full]]


def _merged(halves: list[list[Any]], full: NDArray[np.bool_]) -> list[Any]:
    """Interleave values of connections and of embryos in row order."""
    if len(halves) < 2:
        return halves[0] if halves else []
    one, other = map(iter, halves)
    return [next(one) if each else next(other) for each in full.tolist()]
