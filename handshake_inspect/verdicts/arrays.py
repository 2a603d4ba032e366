"""Array types, named after what each element means."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Bools = NDArray[np.bool_]
Codes = NDArray[np.uint8]  # indices in a vocabulary
Indices = NDArray[Any]  # indices in other arrays, of any integer width
Keys = NDArray[np.uint64]  # hashes of addresses, endpoints or pairs of them
Rows = NDArray[np.intp]  # indices in other arrays
Times = NDArray[np.int64]  # times or durations in nanoseconds
