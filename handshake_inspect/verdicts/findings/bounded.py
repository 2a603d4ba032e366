"""No more findings of a kind than a reader can use: the largest are told, the rest is counted."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.finding import Finding, Kind
from handshake_inspect.verdicts.findings.keys import rest

MOST = 100


def largest(
    kind: Kind, what: str, numbers: NDArray[np.intp], weights: NDArray[Any], describe: Callable[[int], Finding]
) -> list[Finding]:
    """Describe the groups `numbers`, the heaviest first, up to `MOST`; `what` names the others."""
    order = numbers[np.argsort(-weights.astype(np.int64), kind="stable")].tolist()
    return [describe(g) for g in order[:MOST]] + rest(kind, what, order[MOST:])
