"""Sets and counts of 64-bit keys, made for millions of rows.

One sort of plain integers is 0.1 s for 3 million; `np.unique` of random ones is seconds.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.sets import counts, distinct, frequent, is_member, run_starts

Indices = NDArray[Any]  # numbers of rows, of any width

__all__ = ["Indices", "count_distinct", "counts", "distinct", "frequent", "is_member", "run_starts"]


def count_distinct(keys: NDArray[Any], rows: Indices | None = None) -> int:
    """How many different keys there are, of all or of some rows."""
    mine = keys.copy() if rows is None else keys[rows]
    mine.sort()
    return int(np.count_nonzero(run_starts(mine)))
