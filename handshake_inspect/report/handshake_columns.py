"""Columns of the handshake: frames, ISNs, options, copies, RTT legs, and final states."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.attempt_columns import AttemptColumns
from handshake_inspect.report.column import Column, Numbers, Words
from handshake_inspect.report.parts import METHODS, STATE_NAMES
from handshake_inspect.tcp.facts import METHOD_ONE_SIDED, METHOD_REORDERED, METHOD_SIMULTANEOUS, TRAIT_ISS
from handshake_inspect.verdicts.attempts import Who
from handshake_inspect.verdicts.masks import first_match
from handshake_inspect.verdicts.words import HALF_OPEN, OUTCOMES
from handshake_inspect.wire.const import OPT_CUT, OPT_ECN

# Why a leg of the RTT was not measured; `_BY_OUTCOME` applies if only the outcome explains it.
REASONS = (
    "refused", "rejected", "no-answer", "no-final-ack", "aborted", "midstream", "reordered", "simultaneous-open",
    "one-sided", "no-syn", "not-captured", "no-time", "unsolicited",
)  # fmt: skip
_REASON = {word: place for place, word in enumerate(REASONS)}
_OTHERWISE = {
    "timed-out": "no-answer", "pending": "no-answer", "half-open": "no-final-ack", "established": "not-captured",
}  # fmt: skip
_BY_OUTCOME = np.array([_REASON[_OTHERWISE.get(word, word)] for word in OUTCOMES])
_WITHOUT_SYN = np.array([word in ("midstream", "unsolicited") for word in OUTCOMES])
_UNFINISHED = np.array([word in ("refused", "rejected", "timed-out", "pending") for word in OUTCOMES])
_METHODS = list(dict.fromkeys(METHODS))
_METHOD_CODES = np.array([_METHODS.index(word) for word in METHODS])


def frame(name: str, attempts: AttemptColumns) -> Column:
    """Return the frame of the answered SYN or SYN-ACK, or of the final ACK."""
    frames = attempts.frames(name)
    if name == "syn":
        return attempts.where(frames, frames != 0, attempts.first_frame[attempts.full_count :], lone_known=True)
    return attempts.where(frames, frames != 0)


def isn(who: Who, attempts: AttemptColumns) -> Column:
    """Return the initial sequence number of an end."""
    return Numbers(attempts.end(who, "iss"), attempts.end(who, "traits") & TRAIT_ISS != 0)


def option(who: Who, name: str, bit: int, attempts: AttemptColumns) -> Column:
    """Return an option of the SYN or SYN-ACK: its value, or whether it is present if `name` is empty.

    If the snap length cut the options, a missing option is unknown, except ECN, which uses header bits.
    """
    known = attempts.end(who, "traits") & TRAIT_ISS != 0
    copies, lone = (attempts.syns, attempts.lone) if who == "client" else (attempts.syn_acks, None)

    def offered(field: str) -> NDArray[Any]:
        return attempts.joined(getattr(copies, field), 0 if lone is None else lone[field])

    options = offered("options")
    there = options & bit != 0
    if name:
        return Numbers(offered(name), known & there)
    return Numbers(there, known & (there | (options & OPT_CUT == 0) | (bit == OPT_ECN)))


def copy(kind: str, attempts: AttemptColumns) -> Column:
    """Return which copy of the SYN or SYN-ACK was answered, from 1."""
    copies, alone = (attempts.syns, 1) if kind == "syn" else (attempts.syn_acks, 0)
    return attempts.where(copies.number, copies.number > 0, alone, lone_known=bool(alone))


def leg(place: int, part: str, attempts: AttemptColumns) -> Column:
    """Return a bound of an RTT leg in ns, or its method; `place` is 0 for synack, 1 for ackdat, 2 for total."""
    found = attempts.legs[place]
    if part == "method":
        none = _METHODS.index("none")
        return attempts.word(np.where(found.high >= 0, _METHOD_CODES[found.method], none), none, _METHODS)
    return attempts.measured(getattr(found, part))


def value(place: int, attempts: AttemptColumns) -> Column:
    """Return the value of an RTT leg in ns."""
    return attempts.measured(attempts.case.legs.of(attempts.full).values[place])


def reason(place: int, attempts: AttemptColumns) -> Column:
    """Return why an RTT leg was not measured; null if it was."""
    synack, ackdat, total = attempts.legs
    if place == 0:
        codes = np.where(synack.measured, -1, _reasons(attempts, "synack"))
    elif place == 1:
        codes = np.where(ackdat.measured, -1, _reasons(attempts, "ackdat"))
    else:
        of_halves = np.where(ackdat.measured, _REASON["not-captured"], _reasons(attempts, "ackdat"))
        of_halves = np.where(synack.measured, of_halves, _reasons(attempts, "synack"))
        codes = np.where(total.measured, -1, of_halves)
    return attempts.word(codes, _REASON["no-answer"], REASONS)


def _reasons(attempts: AttemptColumns, half: str) -> NDArray[np.intp]:
    """Return the codes of why a half (`synack` or `ackdat`) would not be measured, for connection rows."""
    c, method, outcome = attempts.c, attempts.c[f"{half}_method"], attempts.outcome[: attempts.full_count]
    answered = (c["synack_count"] > 0) & (half == "ackdat")
    rules = [
        (attempts.trace.untimed[attempts.full], _REASON["no-time"]),
        (method == METHOD_REORDERED, _REASON["reordered"]),
        (method == METHOD_SIMULTANEOUS, _REASON["simultaneous-open"]),
        (method == METHOD_ONE_SIDED, _REASON["one-sided"]),
        ((c["syn_count"] == 0) & ~_WITHOUT_SYN[outcome], _REASON["no-syn"]),
        (answered & _UNFINISHED[outcome], _REASON["no-final-ack"]),
    ]
    return first_match(rules, _BY_OUTCOME[outcome], len(outcome)).astype(np.intp)


def age(attempts: AttemptColumns) -> Column:
    """Return the time since the first SYN-ACK of half-open connections, in ns."""
    since = np.maximum(attempts.trace.last_ns - attempts.c["synack_ns"], 0)
    return attempts.where(since, attempts.outcome[: attempts.full_count] == HALF_OPEN)


def state(place: int, attempts: AttemptColumns) -> Column:
    """Return the state of the client (0) or the server (1) at the end of the capture."""
    return Words(attempts.of_all(attempts.case.states[place]).astype(np.intp), STATE_NAMES)
