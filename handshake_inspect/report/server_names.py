"""Columns of server names (from the client's TLS SNI, else from its DNS lookups) and of lookups before connecting.

Each column is made once per batch of attempts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from handshake_inspect.dns.messages import AAAA, HTTPS, A
from handshake_inspect.report import setup_columns as c
from handshake_inspect.report.column import Numbers, Words
from handshake_inspect.report.setup import Span
from handshake_inspect.report.setup_names import named, server_name
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.names import MOST_NAMES, other_awaited
from handshake_inspect.verdicts.setup.words import Question, SpanMethod

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from handshake_inspect.dns.lookups import Lookup
    from handshake_inspect.report.attempt_columns import AttemptColumns
    from handshake_inspect.verdicts.case import Case

METHODS: tuple[SpanMethod, ...] = ("exact", "lost")
QUESTIONS: tuple[Question, ...] = get_args(Question)
_QUESTIONS: dict[int, Question] = {A: "A", AAAA: "AAAA", HTTPS: "HTTPS"}
_asked_for = c.written(named, server_name)


class Name(NamedTuple):
    """A server name with its basis, and all names if they differ."""

    name: str | None
    basis: str | None
    names: list[str] | None


@once
def names_of(attempts: AttemptColumns) -> dict[int, Name]:
    """Return the server names of these attempts by index, without those that have none."""
    return dict(_names_of(attempts))


def all_names(attempts: AttemptColumns) -> list[list[str] | None]:
    """Return all names of each server if they differ, else None."""
    listed: list[list[str] | None] = [None] * len(attempts)
    for place, known in names_of(attempts).items():
        listed[place] = known.names
    return listed


def _names_of(attempts: AttemptColumns) -> Iterable[tuple[int, Name]]:
    if not attempts.trace.limits.names:
        return
    asked = _asked_for(attempts)
    looked_up = attempts.case.names.all_names
    known = dict.fromkeys(np.flatnonzero(asked.known).tolist())
    if looked_up:
        rows = np.asarray(attempts.of_all(np.arange(len(attempts.trace)))).tolist()
        known |= {place: None for place, row in enumerate(rows) if row in looked_up}
    texts = asked.to_list()  # type: ignore[union-attr]
    for place in known:
        sni, dns = texts[place], looked_up.get(rows[place], []) if looked_up else []
        yield place, chosen(sni, dns)


def chosen(sni: str | None, dns: list[str]) -> Name:
    """Choose a name: the SNI first, else a DNS name if it is the only one; keep all names if they differ."""
    every = list(dict.fromkeys([*([sni] if sni else []), *dns]))[:MOST_NAMES]
    names = every if len(every) > 1 else None
    if sni:
        return Name(sni, "sni", names)
    return Name(None, None, names) if names else Name(dns[0], "dns", None)


def name(attempts: AttemptColumns) -> Words:
    """Return the name of each server."""
    return _words(attempts, [each.name for each in names_of(attempts).values()])


def basis(attempts: AttemptColumns) -> Words:
    """Return the basis of each server's name."""
    return _words(attempts, [each.basis for each in names_of(attempts).values()])


def _words(attempts: AttemptColumns, texts: list[str | None]) -> Words:
    """Return a column of texts given in the order of `names_of`."""
    codes = np.full(len(attempts), -1, dtype=np.intp)
    vocabulary: dict[str, int] = {}
    for place, text in zip(names_of(attempts), texts, strict=True):
        if text is not None:
            codes[place] = vocabulary.setdefault(text, len(vocabulary))
    return Words(codes, list(vocabulary))


# -- lookups before connecting -----------------------------------------------------------------------------------------


class Waited(NamedTuple):
    """The spans before a connection that waited for a lookup, their sum, and the other question it waited for."""

    spans: dict[str, Span]
    total_ns: int
    other: Question | None


def waited_of(lookups: Sequence[Lookup], place: int, begun_ns: int) -> Waited:
    """Return the spans of the lookup (one round trip; `lost` if the query was repeated) and of the wait after it."""
    lookup, other = lookups[place], other_awaited(lookups, place, begun_ns)
    took, after = lookup.answer_ns - lookup.first_ns, begun_ns - lookup.answer_ns
    spans = {
        "lookup": Span(None, took, took, took, 1, "lost" if lookup.queries > 1 else "exact"),
        "before_connect": Span(None, after, after, after, 0, "exact"),
    }
    return Waited(spans, took + after, None if other is None else _QUESTIONS[other.kind])


def waits_of(case: Case) -> dict[int, Waited]:
    """Return the lookups that attempts waited for, by row."""
    if not case.lookups:
        return {}
    began = case.attempts.first_times
    return {row: waited_of(case.lookups, place, int(began[row])) for row, place in case.waited[0].items()}


def lookup_span(name: str, part: str) -> c.Make:
    """Return the column function of a part of the span `lookup` or `before_connect`."""

    def column(attempts: AttemptColumns) -> Numbers:
        values, known = np.zeros(len(attempts), dtype=np.int64), np.zeros(len(attempts), dtype=bool)
        for place, waited in _waited(attempts).items():
            values[place], known[place] = getattr(waited.spans[name], part), True
        return Numbers(values, known)

    return column


def lookup_method(name: str) -> c.Make:
    """Return the column function of the span's method: `lost` if the query was repeated, else `exact`."""

    def column(attempts: AttemptColumns) -> Words:
        codes = np.full(len(attempts), -1, dtype=np.intp)
        for place, waited in _waited(attempts).items():
            codes[place] = METHODS.index(waited.spans[name].method)
        return Words(codes, METHODS)

    return column


def with_lookup(attempts: AttemptColumns) -> Numbers:
    """Return the time from the first DNS query to the first byte of the response."""
    whole = c.measured(lambda setup: setup.measured["first_byte"].length.value)(attempts)
    values, known = np.zeros(len(attempts), dtype=np.int64), np.zeros(len(attempts), dtype=bool)
    for place, waited in _waited(attempts).items():
        if whole.known[place]:
            values[place] = whole.values[place] + waited.total_ns  # type: ignore[union-attr]
            known[place] = True
    return Numbers(values, known)


def awaited(attempts: AttemptColumns) -> Words:
    """Return the question of the other DNS answer that arrived before the client connected."""
    codes = np.full(len(attempts), -1, dtype=np.intp)
    for place, waited in _waited(attempts).items():
        if waited.other is not None:
            codes[place] = QUESTIONS.index(waited.other)
    return Words(codes, QUESTIONS)


@once
def _waited(attempts: AttemptColumns) -> dict[int, Waited]:
    """Return the lookups of attempts with a set-up, by index."""
    waited, case = attempts.case.waited[0], attempts.case
    if not waited:
        return {}
    places, rows = c.those_with_one(attempts)
    began = attempts.trace.first_times
    return {
        place: waited_of(case.lookups, waited[row], int(began[row]))
        for place, row in zip(places.tolist(), np.asarray(rows).tolist(), strict=True)
        if row in waited
    }
