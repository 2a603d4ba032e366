"""Rules over columns; if several match a row, the first one counts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rule = tuple[NDArray[np.bool_], Any]  # mask, and the code (or column of codes) for matching rows


def first_match(rules: Sequence[Rule], otherwise: Any, count: int) -> NDArray[np.uint8]:
    """Return the code of the first matching rule for each of `count` rows."""
    codes = np.empty(count, dtype=np.uint8)
    codes[:] = otherwise
    for mask, code in reversed(rules):
        np.copyto(codes, np.asarray(code, dtype=np.uint8), where=mask)
    return codes
