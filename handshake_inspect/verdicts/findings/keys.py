"""Sets and counts of 64-bit keys, fast enough for millions of rows.

Sorting 3 million plain integers takes 0.1 s; `np.unique` on random ones takes seconds.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.sets import counts, distinct, frequent, is_member, run_starts

Indices = NDArray[Any]  # row numbers of any integer width

__all__ = ["Indices", "count_distinct", "counts", "distinct", "frequent", "is_member", "run_starts"]


def count_distinct(keys: NDArray[Any], rows: Indices | None = None) -> int:
    """Count the distinct keys, of all rows or of `rows`."""
    mine = keys.copy() if rows is None else keys[rows]
    mine.sort()
    return int(np.count_nonzero(run_starts(mine)))
