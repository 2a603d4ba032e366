"""The handshake RTT of every connection as columns: bounds, value and method of each leg."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import (
    FACT_ABORTED,
    FACT_ACKED,
    FACT_ICMP,
    FACT_MIDSTREAM,
    FACT_REFUSED,
    FACT_SERVER_PROVED,
    FACT_SYN,
    FACT_SYNACK,
    METHOD_AMBIGUOUS,
    METHOD_DATA_ACK,
    METHOD_EXACT,
    METHOD_NONE,
    METHOD_ONE_SIDED,
    METHOD_TSECR,
)
from handshake_inspect.verdicts.arrays import Times
from handshake_inspect.verdicts.attempts import Attempts
from handshake_inspect.verdicts.columns import AT_ONCE, batches
from handshake_inspect.verdicts.masks import first_match
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.numbering import ConnectionRows
from handshake_inspect.verdicts.repeats import repeated_syns
from handshake_inspect.verdicts.sets import shared

NAMEABLE = 0.05  # a value is given if the bounds differ by at most this share of the upper one


@dataclass(frozen=True, eq=False, repr=False)
class Leg:
    """One leg in nanoseconds. `value` is -1 if the bounds differ too much; all columns are -1 if not measured."""

    low: Times
    high: Times
    value: Times
    method: NDArray[np.uint8]

    @property
    def measured(self) -> NDArray[np.bool_]:
        """A mask: there is an interval."""
        return self.high >= 0


@dataclass(frozen=True)
class Legs:
    """The legs of some connections; columns are computed on access and not kept."""

    trace: Attempts
    rows: Any = ...  # connection row numbers; all by default

    def of(self, rows: Any) -> "Legs":
        """Return the legs of these connection rows."""
        return Legs(self.trace, rows)

    def _column(self, name: str) -> NDArray[Any]:
        column: NDArray[Any] = self.trace.connections[name][self.rows]
        return column

    @property
    def synack(self) -> Leg:
        """SYN to SYN-ACK."""
        return self._half("synack", FACT_SYNACK)

    @property
    def ackdat(self) -> Leg:
        """SYN-ACK to final ACK; if a flag filter hides that, an acknowledging FIN gives an upper bound."""
        half = self._half("ackdat", FACT_ACKED)
        if not self.trace.filtered:
            return half
        method = np.where(half.measured, np.uint8(METHOD_DATA_ACK), half.method)
        return named(np.where(half.measured, 0, -1), half.high, method)

    def _half(self, name: str, fact: int) -> Leg:
        reached = (self._column("facts") & fact != 0) & ~self.trace.untimed[self.rows]
        return leg(
            self._column(f"{name}_min_ns"), self._column(f"{name}_max_ns"), self._column(f"{name}_method"), reached
        )

    @property
    def total(self) -> Leg:
        """SYN to final ACK: the sum, or what a one-sided capture shows."""
        return self.all[2]

    @property
    def all(self) -> tuple[Leg, Leg, Leg]:
        """Both legs and the total, computed together."""
        synack, ackdat = self.synack, self.ackdat
        one_sided = (self._column("synack_method") == METHOD_ONE_SIDED) & ~self.trace.untimed[self.rows]
        both = synack.measured & ackdat.measured
        method = np.where(both, combined(synack.method, ackdat.method), METHOD_NONE)
        low, high = synack.low + ackdat.low, synack.high + ackdat.high
        known = both
        if one_sided.any():
            method = np.where(one_sided, METHOD_ONE_SIDED, method)
            low = np.where(one_sided, self._column("synack_min_ns"), low)
            high = np.where(one_sided, self._column("synack_max_ns"), high)
            known = both | (one_sided & (high >= 0))
        total = named(np.where(known, low, -1), np.where(known, high, -1), method.astype(np.uint8))
        return synack, ackdat, total

    @property
    def values(self) -> tuple[Times, Times, Times]:
        """The values of all three legs, computed once per trace."""
        whole = all_values(self.trace)
        return whole if self.rows is ... else (whole[0][self.rows], whole[1][self.rows], whole[2][self.rows])

    @property
    def reject_ns(self) -> Times:
        """The delay of the RST or ICMP error that answered the SYN, -1 for none."""
        rows = ConnectionRows(np.arange(len(self.trace.connections))) if self.rows is ... else self.rows
        return rejections(self.trace).of(rows)


@once
def all_values(trace: Attempts) -> tuple[Times, Times, Times]:
    """Return the values of the legs of every connection.

    Works in batches, because bounds and methods need five times the memory.
    """
    count = len(trace.facts)
    synack, ackdat, total = (np.empty(count, dtype=np.int64) for _ in range(3))
    for some in batches(count, AT_ONCE):
        legs = Legs(trace, some).all
        synack[some], ackdat[some], total[some] = (each.value for each in legs)
    return synack, ackdat, total


def leg(low: Times, high: Times, method: NDArray[np.uint8], reached: NDArray[np.bool_]) -> Leg:
    """Return one leg: measured if its answer was seen and the method is a measurement."""
    good = reached & (method >= METHOD_EXACT) & (method <= METHOD_DATA_ACK)
    return named(np.where(good, low, -1), np.where(good, high, -1), np.ascontiguousarray(method))


def named(low: Times, high: Times, method: NDArray[np.uint8]) -> Leg:
    """Build a leg, with a value where the bounds agree."""
    value = np.where(high - low <= NAMEABLE * high, (low + high) >> 1, -1)
    return Leg(low, high, np.where(high >= 0, value, -1), method)


def combined(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the method of a sum: the weaker one."""
    rules = [
        ((one == METHOD_AMBIGUOUS) | (other == METHOD_AMBIGUOUS), METHOD_AMBIGUOUS),
        (other == METHOD_DATA_ACK, METHOD_DATA_ACK),
        ((one == METHOD_TSECR) | (other == METHOD_TSECR), METHOD_TSECR),
    ]
    return first_match(rules, METHOD_EXACT, len(one))


@dataclass(frozen=True, eq=False, repr=False)
class Rejections:
    """Connections whose SYN was answered with a RST or ICMP error (ascending), and the delays."""

    rows: ConnectionRows
    delays: Times

    def of(self, rows: ConnectionRows) -> Times:
        """Return the delay of each of these connections, -1 for none."""
        delays = np.full(len(rows), -1, dtype=np.int64)
        mine, at = shared(rows, self.rows)
        delays[mine] = self.delays[at]
        return delays


@once
def rejections(trace: Attempts) -> Rejections:
    """Return the delays of RSTs and ICMP errors that answered SYNs, from the latest SYN before each."""
    c, facts = trace.connections, trace.facts
    lived = facts & (FACT_SERVER_PROVED | FACT_MIDSTREAM) != 0
    asked = (facts & (FACT_REFUSED | FACT_ICMP) != 0) & (facts & FACT_SYN != 0)
    rows = trace.tracked_where(asked & ~lived & ~trace.untimed)
    facts, rst_ns, icmp_ns = facts[rows], c["rst_ns"][rows], c["icmp_ns"][rows]
    when = np.where(facts & FACT_REFUSED != 0, rst_ns, -1)
    icmp = facts & (FACT_SYNACK | FACT_REFUSED | FACT_ACKED) == 0  # not refused: it was an ICMP error
    icmp &= (facts & FACT_ABORTED == 0) | (icmp_ns <= rst_ns)
    when = np.where(icmp, icmp_ns, when)
    rows, when = rows[when >= 0], when[when >= 0]
    return Rejections(rows, np.maximum(when - _last_before(trace, rows, when), 0))


def _last_before(trace: Attempts, rows: ConnectionRows, when: Times) -> Times:
    """Return when each of these connections last sent a SYN not later than `when`."""
    asked: Times = trace.connections["syn_ns"][rows]
    again = repeated_syns(trace)
    mine, at = again.among(rows)
    times, counts = again.times[at], again.counts[at]
    for column in range(times.shape[1] if len(mine) else 0):
        copy = times[:, column]
        before = (column < counts) & (copy <= when[mine])
        asked[mine] = np.where(before, copy, asked[mine])
    return asked
