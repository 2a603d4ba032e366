"""Durations that are known within bounds."""

import numpy as np
import pytest
from support.wire import MS

from handshake_inspect.verdicts.setup.intervals import bounded


@pytest.mark.parametrize(
    ("low", "high", "value"),
    [
        (40 * MS, 41 * MS - 1, 40_499_999),
        (40 * MS, 41 * MS, None),
        (98 * MS + 1, 100 * MS, 99 * MS),
        (98 * MS, 100 * MS, None),
        (0, 0, 0),
        (-1, -1, None),
    ],
)
def test_bounds_that_differ_by_less_than_a_millisecond_or_two_percent_name_a_value(low, high, value):
    found = bounded(np.array([low]), np.array([high])).value[0]
    assert (None if found < 0 else found) == value
