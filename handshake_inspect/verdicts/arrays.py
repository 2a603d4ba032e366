"""Types of arrays: of what each element says."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Bools = NDArray[np.bool_]
Codes = NDArray[np.uint8]  # places in a vocabulary
Keys = NDArray[np.uint64]  # of addresses, ends or pairs of them
Rows = NDArray[np.intp]  # places in other arrays
Times = NDArray[np.int64]  # or durations, in nanoseconds
