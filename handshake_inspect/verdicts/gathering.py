"""Build `Attempts` from the rows of a connection table, and subsets of them with all the rows that they need."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp import rows
from handshake_inspect.tcp.facts import EMBRYO_FREE, EMBRYO_GIVEN_UP, EMBRYO_STATE, EMBRYO_SUCCESSOR, EMBRYO_WAITING
from handshake_inspect.tcp.setup.facts import EXCHANGE_SETUP
from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import Copies, Rows, batches, marked, take_rows
from handshake_inspect.verdicts.limits import Limits
from handshake_inspect.verdicts.lone_syns import LoneSyns
from handshake_inspect.verdicts.numbering import AttemptRows, ConnectionRows, chained
from handshake_inspect.verdicts.row_store import AttachedRows, Remote
from handshake_inspect.verdicts.sets import keys_of
from handshake_inspect.wire.const import MASK32


class PassedByFilter(Protocol):
    """What a capture filter passed: see `capture.filters.FilterCoverage`."""

    @property
    def bare_acks(self) -> bool:
        """Whether segments without SYN, FIN, RST and data passed."""

    @property
    def answers(self) -> bool:
        """Whether SYN-ACKs and the RSTs that refuse a SYN passed."""


def attempts_of_table(
    table: Any,
    first_ns: int,
    last_ns: int,
    limits: Limits,
    frames: int = 0,
    *,
    left: PassedByFilter | None = None,
    senders: Collection[tuple[int, int]] = (),
    over: bool = False,
    copies: Copies | None = None,
    remote: Remote | None = None,
) -> Attempts:
    """Return the attempts that a table holds now.

    `frames`: the number of the newest frame; `left`: what a flag filter passed, None without one; `senders`: the
    addresses that sent anything but TCP; `over`: the capture has ended, so rows of SYNs may be moved; `copies`: memory
    for rows that are not contiguous, valid until the next call; `remote`: has the fields that the rows lack.
    """
    count = table.connection_count
    connections = table_rows(table.connection_rows, "Connection", count)
    endpoints = table_rows(table.endpoint_rows, "Endpoint", 2 * count)
    aliases = table_rows(table.alias_rows, "Alias", count)
    exchanges = table_rows(table.setups.exchange_rows, "Exchange", count)
    numbers = None
    if not connections["in_use"].all() or table.evicted:
        numbers = np.flatnonzero(connections["in_use"])
        copies = copies or Copies()
        aliases, exchanges = copies.taken("aliases", aliases, numbers), copies.taken("exchanges", exchanges, numbers)
        endpoints = copies.taken("endpoints", endpoints, ends_of(numbers))
        connections = renumbered(copies.taken("connections", connections, numbers), numbers, count)
    highs = np.frombuffer(table.high_rows, dtype=np.uint64) if table.beyond or frames > MASK32 else None
    lone_syns, embryo_numbers = lone_syns_of(table, highs, over=over)
    return Attempts(
        connections,
        endpoints,
        aliases,
        table_rows(table.retry_rows, "Retries", table.retry_count),
        table_rows(table.aftermath_rows, "Aftermath", table.aftermath_count),
        lone_syns,
        first_ns,
        last_ns,
        limits,
        numbers,
        embryo_numbers,
        highs=highs,
        exchanges=exchanges,
        setups=table_rows(table.setups.setup_rows, "Setup", table.setups.setup_count),
        extras=table_rows(table.setups.extra_rows, "Extra", table.setups.extra_count),
        names=getattr(table.setups, "names", None),
        senders=keys_of(senders),
        filtered=left is not None,
        answers_pass=left is not None and left.answers,
        remote=remote,
    )


def lone_syns_of(
    table: Any, highs: NDArray[np.uint64] | None, *, over: bool
) -> tuple[LoneSyns, NDArray[np.int32] | None]:
    """Return the unanswered SYNs and the numbers of their rows, None if these are the first rows.

    `highs`: bits 32 and up of their frame numbers; `over`: the capture has ended, so rows may be moved.
    """
    embryos = table_rows(table.embryo_rows, "Embryo", table.embryo_count)
    addresses = table_rows(table.address_rows, "Addresses", table.embryo_count)
    alive = are_attempts(embryos)
    numbers = None
    if not alive.all() and over:
        kept = close_up(embryos, addresses, highs, alive)
        embryos, addresses = embryos[:kept], addresses[:kept]
    elif not alive.all():
        numbers = marked(alive)
    return LoneSyns(embryos, addresses, numbers), numbers


def are_attempts(embryos: Rows) -> Bools:
    """Return a mask over rows of SYNs: the row is an attempt of its own."""
    alive = np.empty(len(embryos), dtype=bool)
    for some in batches(len(embryos)):
        state = embryos["options"][some] & EMBRYO_STATE
        alive[some] = (state == EMBRYO_WAITING) | (state == EMBRYO_GIVEN_UP) | (state == EMBRYO_SUCCESSOR)
    return alive


def close_up(embryos: Rows, addresses: Rows, highs: NDArray[np.uint64] | None, alive: Bools) -> int:
    """Move the last attempts into the gaps, with their addresses and frame bits; return the number of attempts.

    Columns without gaps are read in place, and need no row numbers.
    """
    count = int(np.count_nonzero(alive))
    holes = np.flatnonzero(~alive[:count])
    moved = count + np.flatnonzero(alive[count:])
    embryos[holes] = embryos[moved]
    wide = embryos["client"][holes] | embryos["server"][holes] == 0  # only these rows use `addresses`
    addresses[holes[wide]] = addresses[moved[wide]]
    if highs is not None:
        highs[holes] = highs[moved]
    embryos["options"][moved] = EMBRYO_FREE
    return count


def table_rows(storage: Any, kind: str, count: int) -> Rows:
    """Return the first `count` rows of a table's storage as a structured array over the same memory."""
    if isinstance(storage, np.ndarray):
        return storage[:count]  # of this kind already, perhaps without some of its fields
    return (
        np.frombuffer(storage, dtype=np.dtype(rows.ROWS[kind]), count=count) if count else np.zeros(0, rows.ROWS[kind])
    )


def ends_of(connections: Rows) -> Rows:
    """Return the rows of both ends of each of these connections."""
    ends: Rows = (2 * connections[:, None] + np.arange(2)).reshape(-1)
    return ends


def renumbered(connections: Rows, numbers: NDArray[np.intp], count: int) -> Rows:
    """Make `previous` refer to these rows, or to none if that row has expired or was reused for another 4-tuple."""
    place = np.zeros(count + 1, dtype=np.uint32)
    place[numbers + 1] = np.arange(1, len(numbers) + 1)
    previous = place[np.minimum(connections["previous"], count)]
    later = np.flatnonzero(previous)
    before = connections[previous[later].astype(np.intp) - 1]
    after = connections[later]
    ports = ("port0", "port1")
    same = np.ones(len(later), dtype=bool)
    for one in ports:
        same &= (before[one] == after["port0"]) | (before[one] == after["port1"])
    same &= before["first_ns"] <= after["first_ns"]
    previous[later[~same]] = 0
    connections["previous"] = previous
    return connections


# -- subsets -------------------------------------------------------------------------------------------------------


def subset(attempts: Attempts, mask: Bools) -> Attempts:
    """Return the marked attempts only; for counting, not for judging, which needs the other attempts."""
    full = attempts.of_connections(mask)
    numbers, embryo_numbers = attempts.in_table(attempts.where(mask))
    return replace(
        attempts,
        numbers=numbers,
        embryo_numbers=embryo_numbers,
        connections=attempts.connections.here(full),
        endpoints=attempts.endpoints.here(np.repeat(full, 2)),
        aliases=attempts.aliases[full],
        exchanges=None if attempts.exchanges is None else attempts.exchanges[full],
        embryos=attempts.embryos[np.flatnonzero(attempts.of_lone(mask))],
    )


def copied(attempts: Attempts, numbers: AttemptRows) -> tuple[Attempts, AttemptRows, AttemptRows]:
    """Return copies of these attempts with all rows that belong to them, to outlive the table's.

    Also return the attempts in the order of the copies, and the index of each attempt among the copies.
    """
    whole = attempts.is_tracked(numbers)
    full, alone = attempts.split(numbers)
    connections = attempts.connections.copies(full)
    order = chained(numbers[whole], numbers[~whole])
    in_table, embryos_in_table = attempts.in_table(numbers)
    copy = replace(
        attempts,
        numbers=in_table,
        embryo_numbers=embryos_in_table,
        connections=connections,
        endpoints=attempts.endpoints.copies(ends_of(full)),
        aliases=take_rows(attempts.aliases, full),
        retries=_moved(connections, "retries", attempts.retries),
        aftermaths=_moved(connections, "aftermath", attempts.aftermaths),
        embryos=attempts.embryos.copies(alone),
        **_copied_setups(attempts, full),
        elsewhere=None if attempts.elsewhere is None else attempts.elsewhere.select(order),
        translated=None if attempts.translated is None else attempts.translated.select(order),
    )
    places = np.empty(len(numbers), dtype=np.intp)
    places[whole], places[~whole] = np.arange(len(full)), np.arange(len(full), len(numbers))
    return copy, order, AttemptRows(places)


def detached(attempts: Attempts, copies: Copies) -> Attempts:
    """Return the same attempts with private copies of all table rows."""
    kept = ("aliases", "retries", "aftermaths", "highs", "exchanges", "setups", "extras")
    reserves: dict[str, Any] = {
        name: copies.of(name, rows_) for name in kept if (rows_ := getattr(attempts, name)) is not None
    }
    return replace(
        attempts,
        connections=attempts.connections.detached("connections", copies),
        endpoints=attempts.endpoints.detached("endpoints", copies),
        embryos=attempts.embryos.detached(copies),
        **reserves,
    )


def _moved(connections: Rows, name: str, reserve: Rows) -> Rows:
    """Copy the rows of a reserve that these connections refer to, and make them refer to the copies."""
    having = np.flatnonzero(connections[name])
    copies = take_rows(reserve, connections[name][having].astype(np.intp) - 1)
    connections[name][having] = np.arange(1, len(having) + 1)
    return copies


def _copied_setups(attempts: Attempts, full: Rows) -> dict[str, Any]:
    """Return copies of the set-up rows of these connections."""
    if attempts.exchanges is None or attempts.setups is None or attempts.extras is None:
        return {}
    exchanges = take_rows(attempts.exchanges, full)
    number = exchanges["setup"] & EXCHANGE_SETUP
    having = np.flatnonzero(number)
    exchanges["setup"][having] ^= number[having] ^ np.arange(1, len(having) + 1, dtype=number.dtype)
    setups = take_rows(attempts.setups, number[having].astype(np.intp) - 1)
    return {"exchanges": exchanges, "setups": setups, "extras": attempts.extras.copy()}


def without(
    attempts: Attempts,
    answers: ConnectionRows,
    asked: AttemptRows,
    into: Literal["elsewhere", "translated"] = "elsewhere",
) -> Attempts:
    """Return the attempts without `answers`, which are moved to field `into` and assigned to the attempts `asked`."""
    connections, count = attempts.connections, len(attempts.connections)
    kept = ~attempts.mask(answers)
    place = np.cumsum(kept) - 1
    numbers = np.flatnonzero(kept[:count])
    in_table = np.arange(count) if attempts.numbers is None else attempts.numbers
    order = np.lexsort((connections["first_frame"][answers], connections["first_ns"][answers], asked))
    left_out: dict[str, Any] = {
        name: None if known is None else replace(known, attempts=AttemptRows(place[known.attempts]))
        for name, known in (("elsewhere", attempts.elsewhere), ("translated", attempts.translated))
    }
    left_out[into] = AttachedRows(
        AttemptRows(place[asked[order]]), connections.copies(answers[order]), in_table[answers[order]]
    )
    return replace(
        attempts,
        connections=renumbered(connections.copies_here(numbers), numbers, count),
        endpoints=attempts.endpoints.copies_here(ends_of(numbers)),
        aliases=take_rows(attempts.aliases, numbers),
        exchanges=None if attempts.exchanges is None else take_rows(attempts.exchanges, numbers),
        numbers=in_table[numbers],
        **left_out,
    )
