"""The rule of `report.trouble` over columns: which of some attempts had trouble."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.report.attempt_columns import AttemptColumns
from handshake_inspect.report.endings import closes
from handshake_inspect.report.trouble import ENDED, MANY, PERCENT
from handshake_inspect.report.words import TROUBLE_OUTCOMES
from handshake_inspect.verdicts.words import ESTABLISHED, MIDSTREAM, OUTCOMES

_FAILED = np.array([outcome in TROUBLE_OUTCOMES for outcome in OUTCOMES])


def troubled(attempts: AttemptColumns) -> NDArray[np.bool_]:
    """Whether each failed, or had trouble as it opened, while it was open or as it ended."""
    is_open = (attempts.outcome == ESTABLISHED) | (attempts.outcome == MIDSTREAM)
    repeated = (attempts.connection("syn_count") > 1) | (attempts.connection("synack_count") > 1)
    mask: NDArray[np.bool_] = (attempts.outcome == ESTABLISHED) & repeated | is_open & _had_trouble(attempts)
    return _FAILED[attempts.outcome] | mask


def _had_trouble(attempts: AttemptColumns) -> NDArray[Any]:
    codes, meanings = closes(attempts)
    ended = [code for code, close in meanings.items() if (close.how, close.reset_by) in ENDED]
    mask: NDArray[Any] = np.isin(codes, ended)
    for who in ("client", "server"):
        frames, again, shut = (attempts.end(who, name) for name in ("frames", "retransmissions", "zero_windows"))
        mask = mask | (shut > 0) | (again >= MANY) & (again * 100 >= PERCENT * frames)
    return mask
