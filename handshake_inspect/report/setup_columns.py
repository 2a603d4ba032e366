"""Columns of connection set-up and TLS, null for connections without.

Most functions here return column functions, which make a column from attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from handshake_inspect.report.column import Column, Numbers, Words
from handshake_inspect.tcp.setup.facts import (
    SETUP_ALERT,
    SETUP_ALERT_ENCRYPTED,
    SETUP_ALERT_SERVER,
    SETUP_CLIENT_FINISHED,
    SETUP_CUT,
    SETUP_EARLY_SENT,
    SETUP_SERVER_FINISHED,
    SETUP_SERVER_HELLO,
)
from handshake_inspect.verdicts.arrays import Array
from handshake_inspect.verdicts.columns import AT_ONCE, batches
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.setup.seen import Seen
from handshake_inspect.verdicts.setup.setups import Setup, setups_of
from handshake_inspect.verdicts.setup.tls import has_alert
from handshake_inspect.verdicts.setup.words import NONE

if TYPE_CHECKING:
    from handshake_inspect.report.attempt_columns import AttemptColumns

Make = Callable[["AttemptColumns"], Column]
Numbered = Callable[[Setup], tuple[Array, Array]]  # returns values and the mask of known ones
Coded = Callable[[Setup], Array]  # returns codes of words, -1 for none

SIDES = ("client", "server")


@once
def those_with_one(attempts: AttemptColumns) -> tuple[Array, Array]:
    """Return the attempts that have a set-up: their indices among `attempts`, and their connection rows."""
    present = setups_of(attempts.trace).present
    places = np.flatnonzero(present[attempts.full])
    return places, np.arange(len(present))[attempts.full][places]


def _batches(attempts: AttemptColumns) -> Iterable[tuple[Array, Setup]]:
    """Yield indices and set-ups in batches; a single batch is kept for the next column."""
    places, rows = those_with_one(attempts)
    if len(rows) <= AT_ONCE:
        return _single_batch(attempts)
    found = setups_of(attempts.trace)
    return ((places[some], found.of(rows[some])) for some in batches(len(rows), AT_ONCE))


@once
def _single_batch(attempts: AttemptColumns) -> list[tuple[Array, Setup]]:
    """Return the indices and set-ups of at most AT_ONCE attempts; empty if there are none."""
    places, rows = those_with_one(attempts)
    return [(places, setups_of(attempts.trace).of(rows))] if len(rows) else []


def whole(attempts: AttemptColumns) -> Setup:
    """Return the set-ups of a few attempts that all have one."""
    kept = list(_batches(attempts))
    if len(kept) == 1:
        return kept[0][1]
    return setups_of(attempts.trace).of(those_with_one(attempts)[1])


# -- kinds of columns --------------------------------------------------------------------------------------------------


def number(of: Numbered) -> Make:
    """Return a column function for numbers, times or durations."""

    def column(attempts: AttemptColumns) -> Numbers:
        values, known = np.zeros(len(attempts), dtype=np.int64), np.zeros(len(attempts), dtype=bool)
        for places, setup in _batches(attempts):
            values[places], known[places] = of(setup)
        return Numbers(values, known)

    return column


def measured(of: Coded) -> Make:
    """Return a column function for numbers in which -1 means unknown."""

    def values(setup: Setup) -> tuple[Array, Array]:
        known = of(setup)
        return known, known >= 0

    return number(values)


def flag(of: Numbered) -> Make:
    """Return a column function for flags."""
    make = number(of)

    def column(attempts: AttemptColumns) -> Numbers:
        numbers = make(attempts)
        return Numbers(numbers.values.astype(bool), numbers.known)  # type: ignore[union-attr]

    return column


def word(of: Coded, vocabulary: Sequence[str]) -> Make:
    """Return a column function for words, given as indices into a vocabulary."""

    def column(attempts: AttemptColumns) -> Words:
        codes = np.full(len(attempts), -1, dtype=np.intp)
        for places, setup in _batches(attempts):
            codes[places] = of(setup)
        return Words(codes, vocabulary)

    return column


def written(of: Coded, write: Callable[[Any, int], str]) -> Make:
    """Return a column function for texts that `write` makes of a trace and a code, once per distinct code."""
    make = word(of, ())

    def column(attempts: AttemptColumns) -> Words:
        different, places = np.unique(make(attempts).codes, return_inverse=True)  # type: ignore[union-attr]
        texts = [write(attempts.trace, value) if value >= 0 else "" for value in different.tolist()]
        codes = np.array([place if each else -1 for place, each in enumerate(texts)], dtype=np.intp)
        return Words(codes[places.reshape(-1)], texts)

    return column


def never(attempts: AttemptColumns) -> Numbers:
    """Return a column of unknown numbers."""
    return Numbers(np.zeros(len(attempts), dtype=np.int64), np.zeros(len(attempts), dtype=bool))


def wordless(attempts: AttemptColumns) -> Words:
    """Return a column of unknown words."""
    return Words(np.full(len(attempts), -1, dtype=np.intp), ())


# -- parts of a set-up -------------------------------------------------------------------------------------------------


def start(name: str) -> Make:
    """Return a column function for the start of a span."""

    def of(setup: Setup) -> Array:
        span = setup.measured[name]
        return np.where(span.there, span.start, -1)

    return measured(of)


def length(name: str, part: str) -> Make:
    """Return a column function for `low`, `high` or `value` of a span."""
    return measured(lambda setup: getattr(setup.measured[name].length, part))


def round_trips(name: str) -> Make:
    """Return a column function for the round trips within a span."""

    def of(setup: Setup) -> Array:
        span = setup.measured[name]
        return np.where(span.there & (span.method != NONE), span.round_trips, -1)

    return measured(of)


def method(name: str) -> Coded:
    """Return a code function for the method of a span."""

    def of(setup: Setup) -> Array:
        span = setup.measured[name]
        return np.where(span.there, span.method.astype(np.intp), -1)

    return of


def reason(name: str) -> Coded:
    """Return a code function for the reason why a span was not measured."""

    def of(setup: Setup) -> Array:
        span = setup.measured[name]
        return np.where(span.there & (span.method == NONE), span.reason.astype(np.intp), -1)

    return of


def own_time(name: str, part: str) -> Make:
    """Return a column function for `low`, `high` or `value` of an end's own time."""
    return measured(lambda setup: getattr(getattr(setup.spans, name), part))


def moment(name: str, part: int) -> Make:
    """Return a column function for the time (0) or frame (1) of a milestone."""

    def of(setup: Setup) -> tuple[Array, Array]:
        there, when, frame = setup.spans.moment(name)
        return ((when, frame.astype(np.int64))[part], there)

    return number(of)


# -- TLS ---------------------------------------------------------------------------------------------------------------


def of_tls(of: Callable[[Seen], Array]) -> Coded:
    """Return a code function that is -1 for connections without TLS."""
    return lambda setup: np.where(setup.seen.tls, of(setup.seen).astype(np.intp), -1)


def tls_flag(of: Callable[[Seen], tuple[Array, Array]]) -> Make:
    """Return a column function for a flag of TLS, given as a mask and the mask of those where it is known."""

    def column(setup: Setup) -> tuple[Array, Array]:
        so, known = of(setup.seen)
        return so, known & setup.seen.tls

    return flag(column)


def tls_size(name: str) -> Make:
    """Return a column function for a size in bytes, in which 0 means unknown."""
    return number(lambda setup: (setup.seen[name], setup.seen.tls & (setup.seen[name] > 0)))


def flight_size(setup: Setup) -> tuple[Array, Array]:
    """Return the size of the server's flight in bytes; unknown if the capture does not show its end.

    What answers early data follows it at once, and looks alike where the snap length cuts.
    """
    seen = setup.seen
    ended = seen.flag(SETUP_CLIENT_FINISHED | SETUP_SERVER_FINISHED | SETUP_ALERT)
    ended &= ~(seen.flag(SETUP_CUT) & seen.flag(SETUP_EARLY_SENT))
    return seen["server_flight_bytes"], seen.tls & ended & (seen["server_flight_bytes"] > 0)


def agreed(name: str) -> Coded:
    """Return a code function for a number in ServerHello; 0 means unknown."""
    return of_tls(lambda seen: np.where((seen[name] > 0) & seen.flag(SETUP_SERVER_HELLO), seen[name], -1))


def alerted(setup: Setup, *, clear: bool = False) -> Array:
    """Return the mask of handshakes that an alert ended; with `clear`, only unencrypted alerts."""
    seen = setup.seen
    return seen.tls & has_alert(seen) & ~(seen.flag(SETUP_ALERT_ENCRYPTED) & clear)


def alert_from(setup: Setup) -> Array:
    """Return the sender of the alert, as an index into SIDES."""
    return np.where(alerted(setup), setup.seen.flag(SETUP_ALERT_SERVER).astype(np.intp), -1)


def alert_frame(setup: Setup) -> tuple[Array, Array]:
    """Return the frame of the alert."""
    frames = setup.seen.frame("alert")
    return frames.astype(np.int64), alerted(setup) & (frames > 0)


def alert_number(name: str) -> Coded:
    """Return a code function for level or code of an unencrypted alert."""
    return lambda setup: np.where(alerted(setup, clear=True), setup.seen[name], -1)
