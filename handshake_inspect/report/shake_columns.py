"""Columns of handshakes: their frames, numbers, options and copies, their RTTs, and the states that they led to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.attempt_columns import AttemptColumns
from handshake_inspect.report.column import Column, Numbers, Words
from handshake_inspect.report.parts import METHODS, STATE_NAMES
from handshake_inspect.tcp.facts import TRAIT_ISS
from handshake_inspect.verdicts.attempts import Who
from handshake_inspect.verdicts.words import HALF_OPEN

_METHODS = list(dict.fromkeys(METHODS))
_METHOD_CODES = np.array([_METHODS.index(word) for word in METHODS])


def frame(name: str, attempts: AttemptColumns) -> Column:
    """The frame of the SYN or SYN-ACK that was answered, or of the final ACK."""
    frames = attempts.frames(name)
    if name == "syn":
        return attempts.where(frames, frames != 0, attempts.first_frame[attempts.full_count :], lone_known=True)
    return attempts.where(frames, frames != 0)


def isn(who: Who, attempts: AttemptColumns) -> Column:
    """The initial sequence number of an end."""
    return Numbers(attempts.end(who, "iss"), attempts.end(who, "traits") & TRAIT_ISS != 0)


def option(who: Who, name: str, bit: int, attempts: AttemptColumns) -> Column:
    """An option of a SYN or SYN-ACK: a value, or with an empty `name` whether it was there."""
    known = attempts.end(who, "traits") & TRAIT_ISS != 0
    copies, lone = (attempts.syns, attempts.lone) if who == "client" else (attempts.syn_acks, None)

    def offered(field: str) -> NDArray[Any]:
        return attempts.joined(getattr(copies, field), 0 if lone is None else lone[field])

    there = offered("options") & bit != 0
    return Numbers(offered(name), known & there) if name else Numbers(there, known)


def copy(kind: str, attempts: AttemptColumns) -> Column:
    """Which copy of the SYN or SYN-ACK was answered, from 1."""
    copies, alone = (attempts.syns, 1) if kind == "syn" else (attempts.syn_acks, 0)
    return attempts.where(copies.number, copies.number > 0, alone, lone_known=bool(alone))


def leg(place: int, part: str, attempts: AttemptColumns) -> Column:
    """A bound of one leg of the RTT (its `place`: `synack`, `ackdat`, `total`) in nanoseconds, or its method."""
    found = attempts.legs[place]
    if part == "method":
        none = _METHODS.index("none")
        return attempts.word(np.where(found.high >= 0, _METHOD_CODES[found.method], none), none, _METHODS)
    return attempts.measured(getattr(found, part))


def value(place: int, attempts: AttemptColumns) -> Column:
    """One leg of the RTT in nanoseconds."""
    return attempts.measured(attempts.case.legs.of(attempts.full).values[place])


def age(attempts: AttemptColumns) -> Column:
    """The time since the first SYN-ACK of a half-open connection, in nanoseconds."""
    since = np.maximum(attempts.trace.last_ns - attempts.c["synack_ns"], 0)
    return attempts.where(since, attempts.outcome[: attempts.full_count] == HALF_OPEN)


def state(place: int, attempts: AttemptColumns) -> Column:
    """The state of the client (0) or the server (1) when the capture ended."""
    return Words(attempts.of_all(attempts.case.states[place]).astype(np.intp), STATE_NAMES)
