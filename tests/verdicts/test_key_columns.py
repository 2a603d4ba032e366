"""Columns of keys by number behave like arrays of keys."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_inspect.verdicts import key_columns, sets
from handshake_inspect.verdicts.columns import batches
from handshake_inspect.verdicts.key_columns import KeyColumn, ServiceNumbers
from handshake_inspect.verdicts.sets import nearly_in_order

parts = st.lists(st.lists(st.integers(0, 9), max_size=8), max_size=6)


def added(pieces):
    """The columns of services that come in pieces, and the services and hosts themselves."""
    services = np.array([n for piece in pieces for n in piece], dtype=np.uint64)
    known = ServiceNumbers(len(services))
    for piece in pieces:
        mine = np.array(piece, dtype=np.uint64)
        known.add(mine, lambda at, mine=mine: mine[at] // np.uint64(3))
    return known.columns(), services


@pytest.mark.parametrize("most", [1 << 14, 3])
@given(parts)
def test_columns_of_services_say_what_was_added(most, pieces):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_columns, "MOST", most)
        (keys, hosts, different, numbers), services = added(pieces)
    assert keys[:].tolist() == services.tolist()
    assert hosts[:].tolist() == (services // np.uint64(3)).tolist()
    assert different.tolist() == sorted(set(services.tolist()))
    if numbers is not None:
        assert different[numbers].tolist() == services.tolist()
    else:
        assert len(different) > most


def test_a_column_of_names_is_asked_as_an_array_is():
    named = KeyColumn(np.array([1, 0, 1, 2], dtype=np.uint16), np.array([10, 20, 20], dtype=np.uint64))
    assert len(named) == 4
    assert named[1:3].tolist() == [10, 20]
    assert named[np.array([0, 3])].tolist() == [20, 20]
    assert named[0] == 20
    assert (named == 20).tolist() == [True, False, True, True]
    assert (named == 10).tolist() == [False, True, False, False]
    assert (named == 11).tolist() == [False] * 4
    assert np.sort(named).tolist() == [10, 20, 20, 20]
    assert (np.arange(4, dtype=np.uint64) ^ named).tolist() == [20, 11, 22, 23]


@pytest.mark.parametrize("most", [1, 4, 1 << 14])
@given(
    st.lists(st.integers(0, 30)),
    st.lists(st.integers(0, 60)),
    st.lists(st.tuples(st.integers(0, 59), st.integers(0, 60)), max_size=3),
)
def test_what_is_nearly_in_order_is_put_in_order(most, apart, values, moved):
    values = sorted(values)
    for place, value in moved:
        if values:
            values[place % len(values)] = value
    both = np.array(apart + values, dtype=np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "batches", lambda count: batches(count, most))
        order = nearly_in_order(both, len(apart))
    assert order.tolist() == np.argsort(both, kind="stable").tolist()
