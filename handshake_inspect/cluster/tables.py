"""What a pump counted and what its tables hold as plain values, which travel, and those of several put together.

They offer what a report asks of a pump (`engine.reporting`).  Rows name each other by number: behind the rows of other
tables each number grows by how many there are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from handshake_inspect.dns.lookups import Lookups
from handshake_inspect.engine.pump import Pump
from handshake_inspect.quic.quic_rows import ROWS as QUIC_ROWS
from handshake_inspect.tcp.rows import ROWS
from handshake_inspect.tcp.setup.facts import EXCHANGE_SETUP
from handshake_inspect.tls.facts import Facts, unpack
from handshake_inspect.verdicts.arrays import Array, Keys

# Of each thing: what adds up, frames of which the first one counts, and what holds if it holds anywhere.
PUMP = (
    ("frames", "tcp_segments", "icmp_errors", "backwards", "fragments", "cut_headers", "damaged_headers", "cut_options",
     "bad_options", "datagrams"),
    ("first_backwards", "first_cut_header", "first_damaged_header", "first_cut_options", "first_bad_options"),
    ("timed",),
)  # fmt: skip
CHECKSUMS = ("good", "bad", "bad_ip"), ("first_bad", "first_bad_ip"), ()
TABLE = ("evicted",), (), ("beyond", "holds_plain", "holds_bare")
SETUPS = ("starved",), (), ()
QUICS = ("evicted", "not_kept"), (), ()

# The rows of a table: their name, what they are, whose count theirs is, and how many of them there are for each.
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

Counts = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass
class Pumped:
    """What a pump counted, and the rows of its tables."""

    counts: dict[str, dict[str, int]]
    times: tuple[int, int] | None  # of the first and of the last frame
    joined: int  # fragments that found their segment
    stray_icmp: int
    unsupported: dict[int, int]
    unread: dict[int, int]
    rows: dict[str, Array]
    names: list[bytes]  # of setups, from number 1 on
    refused: int  # names that there was no room for
    senders: set[tuple[int, int]]  # hosts that sent anything but TCP
    quics: dict[str, Array] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of its rows."""
        return sum(rows.nbytes for rows in (*self.rows.values(), *self.quics.values()))


def pumped(pump: Pump) -> Pumped:
    """What a pump has: views of its rows, which nobody adds to any more."""
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
    made = Pumped(
        counted, (pump.first_ns, pump.last_ns) if pump.has_times else None, pump.reassembler.joined, tracker.stray_icmp,
        dict(pump.unsupported), dict(pump.unread), rows, names, setups.names.refused,
        set(pump.senders.hosts),
    )  # fmt: skip
    if quic.row_storage is not None:
        made.quics = {
            "rows": _array(quic.row_storage, QUIC_ROWS["Quic"], quic.count),
            "kept": _array(quic.kept_storage, QUIC_ROWS["Kept"], quic.kept_count),
        }
    return made


def _counts(thing: Any, counts: Counts) -> dict[str, int]:
    return {name: int(getattr(thing, name)) for names in counts for name in names}


def _rows(storage: Any, kind: str, count: int) -> Array:
    return _array(storage, ROWS[kind], count)


def _array(storage: Any, kind: Any, count: int) -> Array:
    dtype = np.dtype(kind)
    return np.frombuffer(storage, dtype=dtype, count=count) if count else np.zeros(0, dtype=dtype)


class Texts:
    """What hellos say, by number; offers what `tls.names.Names` offers those who read."""

    def __init__(self, texts: Sequence[bytes], refused: int) -> None:
        self._texts = texts
        self.refused = refused

    def text(self, number: int) -> bytes:
        """The string of a number; nothing for one that is none."""
        return self._texts[number - 1] if 0 < number <= len(self._texts) else b""

    def facts(self, number: int) -> Facts:
        """What the ClientHello offers whose facts have this number."""
        return unpack(self.text(number))


def merged(parts: Sequence[Pumped], lookups: Lookups) -> Any:
    """Several as one, which offers what a report asks of a pump."""
    made = _added(parts, "pump", PUMP)
    times = [part.times for part in parts if part.times is not None]
    made.first_ns = min((first for first, _ in times), default=0)
    made.last_ns = max((last for _, last in times), default=0)
    made.reassembler = SimpleNamespace(joined=sum(part.joined for part in parts))
    made.unsupported = _summed(part.unsupported for part in parts)
    made.unread = _summed(part.unread for part in parts)
    made.lookups = lookups
    made.senders = SimpleNamespace(hosts=set().union(*(part.senders for part in parts)))
    made.tracker = SimpleNamespace(
        stray_icmp=sum(part.stray_icmp for part in parts),
        checksums=_added(parts, "checksums", CHECKSUMS),
        table=_table(parts),
    )
    made.quic = SimpleNamespace(table=_quics(parts))
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


def _table(parts: Sequence[Pumped]) -> SimpleNamespace:
    """The rows of all tables, one behind the other."""
    table = _added(parts, "table", TABLE)
    numbers: dict[bytes, int] = {}
    before = dict.fromkeys([*TABLE_ROWS, *SETUP_ROWS], 0)
    for part in parts:
        _shift(part, before, numbers)
        for name in before:
            before[name] += len(part.rows[name])
    rows = {name: np.concatenate([part.rows[name] for part in parts]) for name in (*before, "exchange")}
    for name, (_, count, each) in TABLE_ROWS.items():
        setattr(table, f"{name}_rows", rows[name])
        setattr(table, count, len(rows[name]) // each)
    if table.beyond:
        table.high_rows = np.concatenate([part.rows.get("high", _lows(part)) for part in parts])
    table.setups = _added(parts, "setups", SETUPS)
    for name, (_, count) in SETUP_ROWS.items():
        setattr(table.setups, f"{name}_rows", rows[name])
        setattr(table.setups, count, len(rows[name]))
    table.setups.exchange_rows = rows["exchange"]
    table.setups.names = Texts(list(numbers), sum(part.refused for part in parts))
    table.forget_all = _nothing
    return table


def _lows(part: Pumped) -> Keys:
    return np.zeros(len(part.rows["embryo"]), dtype=np.uint64)


def _nothing() -> None:
    """There is no index to forget."""


def _shift(part: Pumped, before: dict[str, int], numbers: dict[bytes, int]) -> None:
    """Let the rows of a part name those of all tables; `before` are the rows of the tables before it."""
    connections, setups = part.rows["connection"], part.rows["setup"]
    _grow(connections, "previous", before["connection"])
    _grow(connections, "retries", before["retry"])
    _grow(connections, "aftermath", before["aftermath"])
    _grow(connections, "provisional", before["embryo"])
    exchange = part.rows["exchange"]["setup"]
    exchange[exchange & EXCHANGE_SETUP != 0] += before["setup"]
    _grow(setups, "extras", before["extra"])
    _grow(part.rows["extra"], "next", before["extra"])
    own = [0, *(numbers.setdefault(name, len(numbers) + 1) for name in part.names)]
    for name in ("hello", "alpn"):
        setups[name] = np.array(own, dtype=setups[name].dtype)[setups[name]]


def _grow(rows: Array, name: str, before: int) -> None:
    """Add to the numbers of rows, which are 0 where there is none."""
    column = rows[name]
    column[column != 0] += before


def _quics(parts: Sequence[Pumped]) -> SimpleNamespace:
    """The rows of all QUIC connections, and the datagrams that are kept of them."""
    quics = _added(parts, "quic", QUICS)
    having = [part.quics for part in parts if part.quics]
    before = 0
    for each in having:
        _grow(each["rows"], "kept", before)
        _grow(each["kept"], "next", before)
        before += len(each["kept"])
    for name, kind in (("rows", "Quic"), ("kept", "Kept")):
        empty = np.zeros(0, dtype=np.dtype(QUIC_ROWS[kind]))
        setattr(quics, "row_storage" if name == "rows" else "kept_storage",
                np.concatenate([empty, *(each[name] for each in having)]))  # fmt: skip
    quics.count, quics.kept_count = len(quics.row_storage), len(quics.kept_storage)
    return quics
