"""What the SYNs of a kernel offer, and those that a tool makes mostly do not: options.

A SYN of which the capture lacks some of the options (`OPT_CUT`) shows nothing by what is not there.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from handshake_inspect.verdicts.arrays import Bools
from handshake_inspect.wire.const import OPT_CUT, OPT_MSS, OPT_SACK_PERMITTED, OPT_TIMESTAMPS, OPT_WINDOW_SCALE

RICH = OPT_SACK_PERMITTED | OPT_TIMESTAMPS | OPT_WINDOW_SCALE  # every current stack offers at least one


def is_poor(options: NDArray[Any]) -> Bools:
    """Which SYNs offer none of what every current stack offers."""
    poor: Bools = np.bitwise_and(options, RICH | OPT_CUT) == 0
    return poor


def is_bare(options: NDArray[Any]) -> Bools:
    """Which SYNs offer not even a segment size."""
    bare: Bools = np.bitwise_and(options, RICH | OPT_MSS | OPT_CUT) == 0
    return bare
