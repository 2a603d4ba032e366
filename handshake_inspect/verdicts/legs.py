"""The handshake RTT of every connection as columns: bounds, value and method of each leg."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_ICMP,
    FACT_REFUSED,
    FACT_SYN,
    FACT_SYNACK,
    METHOD_AMBIGUOUS,
    METHOD_DATA_ACK,
    METHOD_EXACT,
    METHOD_NONE,
    METHOD_ONE_SIDED,
    METHOD_TSECR,
)
from handshake_inspect.verdicts.masks import first_match
from handshake_inspect.verdicts.trace import Trace

NAMEABLE = 0.05  # bounds closer than this part of the upper one still name a value

Times = NDArray[np.int64]


@dataclass(frozen=True)
class Leg:
    """One leg; `value` is -1 where none can be named and bounds are -1 where nothing was measured."""

    low: Times
    high: Times
    value: Times
    method: NDArray[np.uint8]

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Whether there is an interval at all."""
        return self.high >= 0


@dataclass(frozen=True)
class Legs:
    """All legs of all connections of a trace, in row order."""

    synack: Leg
    ackdat: Leg
    total: Leg
    reject_ns: Times


def measure(trace: Trace) -> Legs:
    """Collect what the tracker bounded."""
    c = trace.connections
    facts = trace.facts
    one_sided = c["synack_method"] == METHOD_ONE_SIDED
    synack = leg(c["synack_min_ns"], c["synack_max_ns"], c["synack_method"], facts & FACT_SYNACK != 0)
    ackdat = leg(c["ackdat_min_ns"], c["ackdat_max_ns"], c["ackdat_method"], facts & FACT_ACKED != 0)
    both = synack.measured & ackdat.measured
    method = np.where(both, combined(synack.method, ackdat.method), METHOD_NONE)
    method = np.where(one_sided, METHOD_ONE_SIDED, method).astype(np.uint8)
    low = np.where(one_sided, c["synack_min_ns"], synack.low + ackdat.low)
    high = np.where(one_sided, c["synack_max_ns"], synack.high + ackdat.high)
    known = both | (one_sided & (c["synack_max_ns"] >= 0))
    total = named(np.where(known, low, -1), np.where(known, high, -1), method)
    return Legs(synack, ackdat, total, rejections(trace))


def leg(low: Times, high: Times, method: NDArray[np.uint8], reached: NDArray[np.bool_]) -> Leg:
    """One half: measured where its answer was seen and the method is a measurement."""
    good = reached & (method >= METHOD_EXACT) & (method <= METHOD_DATA_ACK)
    return named(np.where(good, low, -1), np.where(good, high, -1), np.ascontiguousarray(method))


def named(low: Times, high: Times, method: NDArray[np.uint8]) -> Leg:
    """Name a value where the bounds agree."""
    value = np.where(high - low <= NAMEABLE * high, (low + high) // 2, -1)
    return Leg(low, high, np.where(high >= 0, value, -1), method)


def combined(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The method of a sum is the weaker of its parts."""
    rules = [
        ((one == METHOD_AMBIGUOUS) | (other == METHOD_AMBIGUOUS), METHOD_AMBIGUOUS),
        (other == METHOD_DATA_ACK, METHOD_DATA_ACK),
        ((one == METHOD_TSECR) | (other == METHOD_TSECR), METHOD_TSECR),
    ]
    return first_match(rules, METHOD_EXACT, len(one))


def rejections(trace: Trace) -> Times:
    """Delay of the RST or ICMP error that answered the SYN, from the latest SYN before it; -1 for none."""
    c, facts = trace.connections, trace.facts
    when = np.where(facts & FACT_REFUSED != 0, c["rst_ns"], -1)
    icmp = (facts & FACT_ICMP != 0) & (facts & (FACT_SYNACK | FACT_REFUSED | FACT_ACKED) == 0)
    when = np.where(icmp, c["icmp_ns"], when)
    answered = (when >= 0) & (facts & FACT_SYN != 0)
    asked = np.where(answered, c["syn_ns"], 0)
    repeated, copies, counts = trace.syn_copies
    for column in range(copies.shape[1] if len(repeated) else 0):
        copy = copies[:, column]
        before = (column < counts) & (copy <= when[repeated])
        asked[repeated] = np.where(before, copy, asked[repeated])
    return np.where(answered, np.maximum(when - asked, 0), -1)
