"""Sequence arithmetic across the wrap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_inspect.wire import seqspace

numbers = st.integers(0, 0xFFFFFFFF)
near = st.integers(-0x7FFFFFFF, 0x7FFFFFFF)


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        (5, 3, 2),
        (3, 5, -2),
        (0, 0xFFFFFFFF, 1),
        (0xFFFFFFFF, 0, -1),
        (0x80000000, 0, -0x80000000),
        (0, 0x80000000, -0x80000000),
        (0x7FFFFFFF, 0, 0x7FFFFFFF),
    ],
)
def test_distance_is_signed(a, b, distance):
    assert seqspace.seq_diff(a, b) == distance


@given(numbers, near)
def test_what_is_added_is_the_distance(seq, count):
    moved = (seq + count) & 0xFFFFFFFF
    assert seqspace.seq_diff(moved, seq) == count


@given(numbers, near)
def test_comparisons_agree_with_the_distance(seq, count):
    moved = (seq + count) & 0xFFFFFFFF
    assert seqspace.seq_gt(moved, seq) is (count > 0)
    assert seqspace.seq_ge(moved, seq) is (count >= 0)
    assert seqspace.seq_lt(moved, seq) is (count < 0)
    assert seqspace.seq_le(moved, seq) is (count <= 0)
    assert seqspace.seq_max(moved, seq) == seqspace.seq_max(seq, moved) == (moved if count > 0 else seq)
