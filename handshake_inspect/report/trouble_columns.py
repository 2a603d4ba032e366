"""The rules of `report.trouble`, evaluated over columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.attempt_columns import NONE, AttemptColumns
from handshake_inspect.report.endings import closes
from handshake_inspect.report.trouble import ENDED, ENDING, LOSSY, MANY, OPENING, PERCENT, SHUT
from handshake_inspect.report.words import TROUBLE_OUTCOMES, Side
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.columns import batches, marked
from handshake_inspect.verdicts.words import ESTABLISHED, MIDSTREAM, OUTCOMES

_FAILED = np.array([OPENING if outcome in TROUBLE_OUTCOMES else 0 for outcome in OUTCOMES], dtype=np.uint8)
_ENDS: tuple[tuple[Side, str], ...] = (("client", "syn_count"), ("server", "synack_count"))


def trouble_kinds(case: Case, names: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the kinds of trouble of each attempt as bits, in row order; 0 for none."""
    outcome = case.outcomes.outcome
    kinds: NDArray[np.uint8] = _FAILED[outcome]
    of_connections = case.attempts.of_connections(outcome)
    was_open = marked((of_connections == ESTABLISHED) | (of_connections == MIDSTREAM))
    for some in batches(len(was_open)):
        attempts = AttemptColumns(case, names, was_open[some], NONE)
        repeated = (attempts.connection("syn_count") > 1) | (attempts.connection("synack_count") > 1)
        kinds[was_open[some]] = _where((attempts.outcome == ESTABLISHED) & repeated, OPENING) | _while_open(attempts)
    return kinds


def _while_open(attempts: AttemptColumns) -> NDArray[np.uint8]:
    codes, meanings = closes(attempts)
    endings = np.zeros(max(meanings, default=0) + 1, dtype=np.uint8)
    for code, close in meanings.items():
        endings[code] = ENDING.get(ENDED.get((close.how, close.reset_by), ""), 0)
    kinds: NDArray[np.uint8] = endings[codes]
    for who, opening in _ENDS:
        frames, again, shut = (attempts.end(who, name) for name in ("frames", "retransmissions", "zero_windows"))
        again = again.astype(np.int64) - np.maximum(attempts.connection(opening).astype(np.int64) - 1, 0)
        kinds |= _where(shut > 0, SHUT[who])
        kinds |= _where((again >= MANY) & (again * 100 >= PERCENT * frames.astype(np.int64)), LOSSY[who])
    return kinds


def _where(mask: NDArray[Any], kind: int) -> NDArray[np.uint8]:
    return mask * np.uint8(kind)
