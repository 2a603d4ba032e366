"""Counters and tables of a pump as plain values that can be pickled, and their concatenation over several pumps.

The result has the attributes of a pump that a report needs (`engine.reporting`).  Rows refer to each other by number;
when tables are concatenated, these numbers are offset by the rows before them.  Parts are merged one by one and freed,
into arrays of the final size, which are files where memory is short (`row_arrays`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from handshake_inspect.cluster.row_arrays import allocate
from handshake_inspect.dns.lookups import Lookups
from handshake_inspect.engine.pump import Pump
from handshake_inspect.quic.quic_rows import ROWS as QUIC_ROWS
from handshake_inspect.tcp.rows import ROWS
from handshake_inspect.tcp.setup.facts import EXCHANGE_SETUP
from handshake_inspect.tls.facts import Facts, unpack
from handshake_inspect.verdicts.arrays import Array

# For each object: counters to add, frame numbers of which the first is kept, and flags to combine with `or`.
PUMP = (
    ("frames", "tcp_segments", "icmp_errors", "backwards", "fragments", "cut_headers", "damaged_headers", "cut_options",
     "bad_options", "datagrams"),
    ("first_backwards", "first_cut_header", "first_damaged_header", "first_cut_options", "first_bad_options"),
    ("has_times",),
)  # fmt: skip
CHECKSUMS = ("good", "bad", "bad_ip"), ("first_bad", "first_bad_ip"), ()
TABLE = ("evicted",), (), ("beyond", "holds_plain", "holds_bare")
SETUPS = ("starved",), (), ()
QUICS = ("evicted", "not_kept"), (), ()

# Row arrays of a table: name -> type of the rows, name of the counter, and rows per count.
TABLE_ROWS = {
    "connection": ("Connection", "connection_count", 1),
    "endpoint": ("Endpoint", "connection_count", 2),
    "alias": ("Alias", "connection_count", 1),
    "retry": ("Retries", "retry_count", 1),
    "aftermath": ("Aftermath", "aftermath_count", 1),
    "embryo": ("Embryo", "embryo_count", 1),
    "address": ("Addresses", "embryo_count", 1),
}
SETUP_ROWS = {"setup": ("Setup", "setup_count"), "extra": ("Extra", "extra_count")}

ROW_TYPES = {
    **{name: np.dtype(ROWS[kind]) for name, (kind, _, _) in TABLE_ROWS.items()},
    **{name: np.dtype(ROWS[kind]) for name, (kind, _) in SETUP_ROWS.items()},
    "exchange": np.dtype(ROWS["Exchange"]),
    "high": np.dtype(np.uint64),
    "rows": np.dtype(QUIC_ROWS["Quic"]),
    "kept": np.dtype(QUIC_ROWS["Kept"]),
}

Counts = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass
class Pumped:
    """The counters and tables of a pump."""

    counts: dict[str, dict[str, int]]
    times: tuple[int, int] | None  # of the first and of the last frame
    reassembled: int  # reassembled fragments
    stray_icmp: int
    unsupported: dict[int, int]
    unread: dict[int, int]
    rows: dict[str, Array]
    names: list[bytes]  # strings of hellos, from number 1 on
    refused: int  # strings rejected by the memory limit
    senders: set[tuple[int, int]]  # hosts that sent anything but TCP

    @property
    def nbytes(self) -> int:
        """Bytes of the rows."""
        return sum(rows.nbytes for rows in self.rows.values())


def pumped(pump: Pump) -> Pumped:
    """Return the counters of a pump, and views of its rows, to which no more are added."""
    tracker, table = pump.tracker, pump.tracker.table
    setups, quic = table.setups, pump.quic.table
    rows = {name: _rows(getattr(table, f"{name}_rows"), kind, getattr(table, count) * each)
            for name, (kind, count, each) in TABLE_ROWS.items()}  # fmt: skip
    rows["exchange"] = _rows(setups.exchange_rows, "Exchange", table.connection_count)
    rows |= {name: _rows(getattr(setups, f"{name}_rows"), kind, getattr(setups, count))
             for name, (kind, count) in SETUP_ROWS.items()}  # fmt: skip
    if table.beyond:
        rows["high"] = np.frombuffer(table.high_rows, dtype=np.uint64, count=table.embryo_count)
    counted = {
        "pump": _counts(pump, PUMP),
        "checksums": _counts(tracker.checksums, CHECKSUMS),
        "table": _counts(table, TABLE),
        "setups": _counts(setups, SETUPS),
        "quic": _counts(quic, QUICS),
    }
    names = [setups.names.text(number) for number in range(1, setups.names.count + 1)]
    if quic.row_storage is not None:
        rows["rows"] = _array(quic.row_storage, QUIC_ROWS["Quic"], quic.count)
        rows["kept"] = _array(quic.kept_storage, QUIC_ROWS["Kept"], quic.kept_count)
    return Pumped(
        counted, (pump.first_ns, pump.last_ns) if pump.has_times else None, pump.reassembler.reassembled,
        tracker.stray_icmp,
        dict(pump.unsupported), dict(pump.unread), rows, names, setups.names.refused,
        set(pump.senders.hosts),
    )  # fmt: skip


def _counts(thing: Any, counts: Counts) -> dict[str, int]:
    return {name: int(getattr(thing, name)) for names in counts for name in names}


def _rows(storage: Any, kind: str, count: int) -> Array:
    return _array(storage, ROWS[kind], count)


def _array(storage: Any, kind: Any, count: int) -> Array:
    dtype = np.dtype(kind)
    return np.frombuffer(storage, dtype=dtype, count=count) if count else np.zeros(0, dtype=dtype)


class NameTable:
    """The strings of hellos, by number; has the read interface of `tls.names.Names`."""

    def __init__(self, texts: Sequence[bytes], refused: int) -> None:
        self._texts = texts
        self.refused = refused

    def text(self, number: int) -> bytes:
        """Return the string of a number; empty if there is none."""
        return self._texts[number - 1] if 0 < number <= len(self._texts) else b""

    def facts(self, number: int) -> Facts:
        """Return the offers of the ClientHello with this number."""
        return unpack(self.text(number))


def sizes_of(part: Pumped) -> dict[str, int]:
    """Count the rows of a part, by name of their array."""
    return {name: len(rows) for name, rows in part.rows.items()}


def merged(
    sizes: Sequence[dict[str, int]],
    parts: Iterable[Pumped],
    lookups: Lookups,
    types: Mapping[str, Any] = ROW_TYPES,
) -> Any:
    """Merge the results of several pumps into an object with the attributes of a pump that a report needs.

    `sizes` are those of the parts, whose rows, of these `types`, are taken out of them.
    """
    whole = _Whole(sizes, types)
    known = [whole.take(part) for part in parts]
    made = _added(known, "pump", PUMP)
    times = [part.times for part in known if part.times is not None]
    made.first_ns = min((first for first, _ in times), default=0)
    made.last_ns = max((last for _, last in times), default=0)
    made.reassembler = SimpleNamespace(reassembled=sum(part.reassembled for part in known))
    made.unsupported = _summed(part.unsupported for part in known)
    made.unread = _summed(part.unread for part in known)
    made.lookups = lookups
    made.senders = SimpleNamespace(hosts=set().union(*(part.senders for part in known)))
    made.tracker = SimpleNamespace(
        stray_icmp=sum(part.stray_icmp for part in known),
        checksums=_added(known, "checksums", CHECKSUMS),
        table=whole.table(known),
    )
    made.quic = SimpleNamespace(table=whole.quic_table(known))
    return made


def _added(parts: Sequence[Pumped], thing: str, counts: Counts) -> SimpleNamespace:
    known = [part.counts[thing] for part in parts]
    sums, firsts, flags = counts
    return SimpleNamespace(
        **{name: sum(each[name] for each in known) for name in sums},
        **{name: min((each[name] for each in known if each[name]), default=0) for name in firsts},
        **{name: any(each[name] for each in known) for name in flags},
    )


def _summed(counts: Iterable[dict[int, int]]) -> dict[int, int]:
    total: dict[int, int] = {}
    for each in counts:
        for key, count in each.items():
            total[key] = total.get(key, 0) + count
    return total


class _Whole:
    """The concatenated rows of all tables."""

    def __init__(self, sizes: Sequence[dict[str, int]], types: Mapping[str, Any]) -> None:
        totals = {name: sum(each.get(name, 0) for each in sizes) for name in ROW_TYPES}
        if any("high" in each for each in sizes):
            totals["high"] = totals["embryo"]
        else:
            del totals["high"]
        self._rows = allocate(totals, types)
        self._before = dict.fromkeys(totals, 0)
        self._names: dict[bytes, int] = {}

    def take(self, part: Pumped) -> Pumped:
        """Append the rows of a part, offset their numbers, and return the part without them."""
        mine = {name: self._placed(name, rows) for name, rows in part.rows.items()}
        if "high" in self._rows and "high" not in part.rows:
            begin = self._before["high"]
            self._rows["high"][begin : begin + len(mine["embryo"])] = 0
            mine["high"] = mine["embryo"]
        _shift(mine, self._before, self._names, part.names)
        for name, rows in mine.items():
            self._before[name] += len(rows)
        part.rows, part.names = {}, []  # to free them now
        return part

    def _placed(self, name: str, rows: Array) -> Array:
        begin = self._before[name]
        own = self._rows[name][begin : begin + len(rows)]
        own[:] = rows
        return own

    def table(self, known: Sequence[Pumped]) -> SimpleNamespace:
        """Return an object with the attributes of a table that a report needs."""
        names = NameTable(list(self._names), sum(part.refused for part in known))
        return _table(self._rows, _added(known, "table", TABLE), _added(known, "setups", SETUPS), names)

    def quic_table(self, known: Sequence[Pumped]) -> SimpleNamespace:
        """Return the same for QUIC connections and their kept datagrams."""
        quics = _added(known, "quic", QUICS)
        quics.row_storage, quics.kept_storage = self._rows["rows"], self._rows["kept"]
        quics.count, quics.kept_count = len(quics.row_storage), len(quics.kept_storage)
        return quics


def table_of(part: Pumped) -> SimpleNamespace:
    """Return the same object for a single part, over its own rows."""
    names = NameTable(part.names, part.refused)
    return _table(part.rows, _added([part], "table", TABLE), _added([part], "setups", SETUPS), names)


def _table(
    rows: dict[str, Array], table: SimpleNamespace, setups: SimpleNamespace, names: NameTable
) -> SimpleNamespace:
    for name, (_, count, each) in TABLE_ROWS.items():
        setattr(table, f"{name}_rows", rows[name])
        setattr(table, count, len(rows[name]) // each)
    if "high" in rows:
        table.high_rows = rows["high"]
    for name, (_, count) in SETUP_ROWS.items():
        setattr(setups, f"{name}_rows", rows[name])
        setattr(setups, count, len(rows[name]))
    setups.exchange_rows, setups.names = rows["exchange"], names
    table.setups, table.forget_all = setups, _no_op
    return table


def _no_op() -> None:
    """Do nothing: there is no index to free."""


def _shift(rows: dict[str, Array], before: dict[str, int], numbers: dict[bytes, int], names: Sequence[bytes]) -> None:
    """Offset the row numbers within a part; `before` has the number of rows in the tables before it."""
    connections, setups = rows["connection"], rows["setup"]
    _offset(connections, "previous", before["connection"])
    _offset(connections, "retries", before["retry"])
    _offset(connections, "aftermath", before["aftermath"])
    _offset(connections, "provisional", before["embryo"])
    exchange = rows["exchange"]["setup"]
    exchange[exchange & EXCHANGE_SETUP != 0] += before["setup"]
    _offset(setups, "extras", before["extra"])
    _offset(rows["extra"], "next", before["extra"])
    own = [0, *(numbers.setdefault(name, len(numbers) + 1) for name in names)]
    for name in {"hello", "alpn"}.intersection(setups.dtype.names or ()):
        setups[name] = np.array(own, dtype=setups[name].dtype)[setups[name]]
    if "rows" in rows:
        _offset(rows["rows"], "kept", before["kept"])
        _offset(rows["kept"], "next", before["kept"])


def _offset(rows: Array, name: str, before: int) -> None:
    """Add `before` to a column of row numbers, if these rows have it, except where it is 0 (none)."""
    if name in (rows.dtype.names or ()):
        column = rows[name]
        column[column != 0] += before
