"""TCP options that a kernel's SYNs offer, and tool-made SYNs mostly do not.

A SYN whose options were cut (`OPT_CUT`) shows nothing by what is missing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.wire.const import OPT_CUT, OPT_MSS, OPT_SACK_PERMITTED, OPT_TIMESTAMPS, OPT_WINDOW_SCALE

RICH = OPT_SACK_PERMITTED | OPT_TIMESTAMPS | OPT_WINDOW_SCALE  # every current stack offers at least one


def is_poor(options: NDArray[Any]) -> Bools:
    """Return a mask over SYNs without any option that every current stack offers."""
    poor: Bools = np.bitwise_and(options, RICH | OPT_CUT) == 0
    return poor


def is_bare(options: NDArray[Any]) -> Bools:
    """Return a mask over SYNs that do not even offer an MSS."""
    bare: Bools = np.bitwise_and(options, RICH | OPT_MSS | OPT_CUT) == 0
    return bare
