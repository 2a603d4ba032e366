"""Columns of set-ups and of their TLS, for the table of fields: null for connections that have none.

Every function here gives what makes a column of attempts.
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
    SETUP_SERVER_FINISHED,
    SETUP_SERVER_HELLO,
)
from handshake_inspect.verdicts.arrays import Array
from handshake_inspect.verdicts.columns import AT_ONCE, batches
from handshake_inspect.verdicts.setup.seen import Seen
from handshake_inspect.verdicts.setup.setups import Setup, setups_of
from handshake_inspect.verdicts.setup.tls import has_alert
from handshake_inspect.verdicts.setup.words import NONE

if TYPE_CHECKING:
    from handshake_inspect.report.attempt_columns import AttemptColumns

Make = Callable[["AttemptColumns"], Column]
Numbered = Callable[[Setup], tuple[Array, Array]]  # values of set-ups, and where they are known
Coded = Callable[[Setup], Array]  # numbers that stand for words, -1 for none

SIDES = ("client", "server")


def those_with_one(attempts: AttemptColumns) -> tuple[Array, Array]:
    """Those of these attempts that have a set-up: their places among them, and the numbers of their connections."""
    present = setups_of(attempts.trace).present
    places = np.flatnonzero(present[attempts.full])
    return places, np.arange(len(present))[attempts.full][places]


def _batches(attempts: AttemptColumns) -> Iterable[tuple[Array, Setup]]:
    """The set-ups with their places, in batches; those of few attempts are kept for the next column."""
    kept: list[tuple[Array, Setup]] | None = vars(attempts).get("_setups")
    if kept is not None:
        return kept
    places, rows = those_with_one(attempts)
    found = setups_of(attempts.trace)
    made = ((places[some], found.of(rows[some])) for some in batches(len(rows), AT_ONCE))
    if len(rows) > AT_ONCE:
        return made
    vars(attempts)["_setups"] = kept = list(made)
    return kept


def whole(attempts: AttemptColumns) -> Setup:
    """The set-ups of these attempts, which all have one and are few."""
    kept = list(_batches(attempts))
    if len(kept) == 1:
        return kept[0][1]
    return setups_of(attempts.trace).of(those_with_one(attempts)[1])


# -- kinds of columns --------------------------------------------------------------------------------------------------


def number(of: Numbered) -> Make:
    """Numbers, times and durations."""

    def column(attempts: AttemptColumns) -> Numbers:
        values, known = np.zeros(len(attempts), dtype=np.int64), np.zeros(len(attempts), dtype=bool)
        for places, setup in _batches(attempts):
            values[places], known[places] = of(setup)
        return Numbers(values, known)

    return column


def measured(of: Coded) -> Make:
    """Numbers that are -1 where they are not known."""

    def values(setup: Setup) -> tuple[Array, Array]:
        known = of(setup)
        return known, known >= 0

    return number(values)


def flag(of: Numbered) -> Make:
    """True and false."""
    make = number(of)

    def column(attempts: AttemptColumns) -> Numbers:
        numbers = make(attempts)
        return Numbers(numbers.values.astype(bool), numbers.known)  # type: ignore[union-attr]

    return column


def word(of: Coded, vocabulary: Sequence[str]) -> Make:
    """Words, as their places in a vocabulary."""

    def column(attempts: AttemptColumns) -> Words:
        codes = np.full(len(attempts), -1, dtype=np.intp)
        for places, setup in _batches(attempts):
            codes[places] = of(setup)
        return Words(codes, vocabulary)

    return column


def written(of: Coded, write: Callable[[Any, int], str]) -> Make:
    """Texts by numbers: each different one is written once, and an empty one is none.  `write` gets the trace too."""
    make = word(of, ())

    def column(attempts: AttemptColumns) -> Words:
        different, places = np.unique(make(attempts).codes, return_inverse=True)  # type: ignore[union-attr]
        texts = [write(attempts.trace, value) if value >= 0 else "" for value in different.tolist()]
        codes = np.array([place if each else -1 for place, each in enumerate(texts)], dtype=np.intp)
        return Words(codes[places.reshape(-1)], texts)

    return column


def never(attempts: AttemptColumns) -> Numbers:
    """Numbers that no connection has yet."""
    return Numbers(np.zeros(len(attempts), dtype=np.int64), np.zeros(len(attempts), dtype=bool))


def wordless(attempts: AttemptColumns) -> Words:
    """Words that no connection has yet."""
    return Words(np.full(len(attempts), -1, dtype=np.intp), ())


# -- parts of a set-up -------------------------------------------------------------------------------------------------


def start(name: str) -> Make:
    """When a span began."""

    def of(setup: Setup) -> Array:
        span = setup.measured[name]
        return np.where(span.there, span.start, -1)

    return measured(of)


def length(name: str, part: str) -> Make:
    """`low`, `high` or `value` of a span."""
    return measured(lambda setup: getattr(setup.measured[name].length, part))


def round_trips(name: str) -> Make:
    """How often the client waited inside of a span."""

    def of(setup: Setup) -> Array:
        span = setup.measured[name]
        return np.where(span.there & (span.method != NONE), span.round_trips, -1)

    return measured(of)


def method(name: str) -> Coded:
    """How a span is known."""

    def of(setup: Setup) -> Array:
        span = setup.measured[name]
        return np.where(span.there, span.method.astype(np.intp), -1)

    return of


def reason(name: str) -> Coded:
    """Why a span is not."""

    def of(setup: Setup) -> Array:
        span = setup.measured[name]
        return np.where(span.there & (span.method == NONE), span.reason.astype(np.intp), -1)

    return of


def own_time(name: str, part: str) -> Make:
    """`low`, `high` or `value` of what one end took itself."""
    return measured(lambda setup: getattr(getattr(setup.spans, name), part))


def moment(name: str, part: int) -> Make:
    """When (0) something passed the capture, or its frame (1)."""

    def of(setup: Setup) -> tuple[Array, Array]:
        there, when, frame = setup.spans.moment(name)
        return ((when, frame.astype(np.int64))[part], there)

    return number(of)


# -- TLS ---------------------------------------------------------------------------------------------------------------


def of_tls(of: Callable[[Seen], Array]) -> Coded:
    """Codes that count only with TLS."""
    return lambda setup: np.where(setup.seen.tls, of(setup.seen).astype(np.intp), -1)


def tls_flag(of: Callable[[Seen], tuple[Array, Array]]) -> Make:
    """Whether something was so, and whether that is known."""

    def column(setup: Setup) -> tuple[Array, Array]:
        so, known = of(setup.seen)
        return so, known & setup.seen.tls

    return flag(column)


def tls_size(name: str) -> Make:
    """How many bytes; 0 is not known."""
    return number(lambda setup: (setup.seen[name], setup.seen.tls & (setup.seen[name] > 0)))


def flight_size(setup: Setup) -> tuple[Array, Array]:
    """How many bytes the server's flight has; not known where the capture does not show that it ended."""
    seen = setup.seen
    ended = seen.flag(SETUP_CLIENT_FINISHED | SETUP_SERVER_FINISHED | SETUP_ALERT)
    return seen["server_flight_bytes"], seen.tls & ended & (seen["server_flight_bytes"] > 0)


def agreed(name: str) -> Coded:
    """A number of ServerHello; 0 is not known."""
    return of_tls(lambda seen: np.where((seen[name] > 0) & seen.flag(SETUP_SERVER_HELLO), seen[name], -1))


def alerted(setup: Setup, *, clear: bool = False) -> Array:
    """Where an alert ended it, and is in the clear if it is to be."""
    seen = setup.seen
    return seen.tls & has_alert(seen) & ~(seen.flag(SETUP_ALERT_ENCRYPTED) & clear)


def alert_from(setup: Setup) -> Array:
    """Who sent the alert, as a place in SIDES."""
    return np.where(alerted(setup), setup.seen.flag(SETUP_ALERT_SERVER).astype(np.intp), -1)


def alert_frame(setup: Setup) -> tuple[Array, Array]:
    """The frame of the alert."""
    frames = setup.seen.frame("alert")
    return frames.astype(np.int64), alerted(setup) & (frames > 0)


def alert_number(name: str) -> Coded:
    """Level or code of an alert in the clear."""
    return lambda setup: np.where(alerted(setup, clear=True), setup.seen[name], -1)
