"""The rule of `report.trouble` over columns: which of some attempts had trouble."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.attempt_columns import NONE, AttemptColumns
from handshake_inspect.report.endings import closes
from handshake_inspect.report.trouble import ENDED, MANY, PERCENT
from handshake_inspect.report.words import TROUBLE_OUTCOMES
from handshake_inspect.verdicts.case import Case
from handshake_inspect.verdicts.columns import batches, marked
from handshake_inspect.verdicts.words import ESTABLISHED, MIDSTREAM, OUTCOMES

_FAILED = np.array([outcome in TROUBLE_OUTCOMES for outcome in OUTCOMES])


def troubled(case: Case, names: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each attempt failed, or had trouble as it opened, while it was open or as it ended, in row order."""
    outcome = case.outcomes.outcome
    mask: NDArray[np.bool_] = _FAILED[outcome]
    of_connections = case.attempts.of_connections(outcome)
    was_open = marked((of_connections == ESTABLISHED) | (of_connections == MIDSTREAM))
    for some in batches(len(was_open)):
        attempts = AttemptColumns(case, names, was_open[some], NONE)
        repeated = (attempts.connection("syn_count") > 1) | (attempts.connection("synack_count") > 1)
        mask[was_open[some]] |= (attempts.outcome == ESTABLISHED) & repeated | _had_trouble(attempts)
    return mask


def _had_trouble(attempts: AttemptColumns) -> NDArray[Any]:
    codes, meanings = closes(attempts)
    ended = [code for code, close in meanings.items() if (close.how, close.reset_by) in ENDED]
    mask: NDArray[Any] = np.isin(codes, ended)
    for who, opening in (("client", "syn_count"), ("server", "synack_count")):
        frames, again, shut = (
            attempts.end(who, name)  # type: ignore[arg-type]
            for name in ("frames", "retransmissions", "zero_windows")
        )
        again = again.astype(np.int64) - np.maximum(attempts.connection(opening).astype(np.int64) - 1, 0)
        mask = mask | (shut > 0) | (again >= MANY) & (again * 100 >= PERCENT * frames.astype(np.int64))
    return mask
