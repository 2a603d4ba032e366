"""Columns of `close`; few combinations of the deciding facts occur, so each combination is evaluated once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report import parts
from handshake_inspect.report.attempt_columns import AttemptColumns
from handshake_inspect.report.column import Column, Words
from handshake_inspect.report.connection_parts import Close
from handshake_inspect.report.words import CloseHow, ResetBy, Side
from handshake_inspect.tcp.facts import FACT_LAST_ACK_SEEN, FACT_RST, TRAIT_FIN
from handshake_inspect.verdicts.memo import once
from handshake_inspect.verdicts.words import CAUSES, OUTCOMES

HOWS: tuple[str, ...] = get_args(CloseHow)
_RADICES = (len(CAUSES), len(OUTCOMES), 2, 2, 2, 3)  # of the digits of a code, lowest first


@once
def closes(attempts: AttemptColumns) -> tuple[NDArray[np.intp], dict[int, Close]]:
    """Return a code of the deciding facts per attempt, and the `Close` of each code."""
    c, facts = attempts.c, attempts.c["facts"]
    fins = (attempts.client["traits"] & TRAIT_FIN != 0).astype(np.intp) + (attempts.server["traits"] & TRAIT_FIN != 0)
    reset = (facts & FACT_RST != 0) & (facts & FACT_LAST_ACK_SEEN == 0)
    sides = ((c[name] ^ c["client"]) & 1 for name in ("fin_side", "rst_side"))
    digits = [
        *(attempts.joined(digit, 0, np.intp) for digit in (fins, reset, *sides)),
        attempts.outcome,
        attempts.of_all(attempts.case.outcomes.cause),
    ]
    codes = np.zeros(len(attempts), dtype=np.intp)
    for digit, radix in zip(digits, reversed(_RADICES), strict=True):
        codes = codes * radix + digit
    present = np.flatnonzero(np.bincount(codes, minlength=1))
    return codes, {code: _close(code) for code in present.tolist()}


def _close(code: int) -> Close:
    cause, outcome, resetter, closer, reset, fins = _digits(code)
    return parts.close(fins, bool(reset), closer, resetter, outcome, CAUSES[cause])


def _digits(code: int) -> Iterator[int]:
    for radix in _RADICES:
        code, digit = divmod(code, radix)
        yield digit


def _part(name: str, words: tuple[str, ...], attempts: AttemptColumns) -> Column:
    codes, meanings = closes(attempts)
    places = np.full(max(meanings, default=0) + 1, -1, dtype=np.intp)
    for code, close in meanings.items():
        word = getattr(close, name)
        places[code] = -1 if word is None else words.index(word)
    return Words(places[codes], words)


how = partial(_part, "how", HOWS)
first = partial(_part, "first", get_args(Side))
reset_by = partial(_part, "reset_by", get_args(ResetBy))


def of_each(attempts: AttemptColumns) -> list[Any]:
    """Return the `Close` of each attempt."""
    codes, meanings = closes(attempts)
    return list(map(meanings.__getitem__, codes.tolist()))
