"""Sets and groups of keys, whether there are few different ones or many."""

import numpy as np
import pytest

from handshake_inspect.verdicts import grouping, sets

COUNTS = [(0, 1), (1, 1), (70_000, 1), (70_000, 30), (200_000, 6_000), (200_000, 150_000)]


def keys_of(count, different):
    """So many keys, of which so many may differ; one of them is 0."""
    random = np.random.default_rng(count + different)
    names = random.integers(0, 1 << 64, different, dtype=np.uint64)
    names[0] = 0
    return names[random.integers(0, different, count)]


@pytest.mark.parametrize(("count", "different"), COUNTS)
def test_distinct(count, different):
    keys = keys_of(count, different)
    assert np.array_equal(sets.distinct(keys), np.unique(keys))


@pytest.mark.parametrize(("count", "different"), COUNTS)
def test_few_keys_are_never_called_many(count, different):
    keys = keys_of(count, different)
    if len(np.unique(keys)) <= sets.FEW:
        assert sets.are_few(keys)


@pytest.mark.parametrize(("count", "different"), COUNTS)
@pytest.mark.parametrize("at_least", [1, 2, 10])
def test_groups(count, different, at_least):
    keys = keys_of(count, different)
    groups = grouping.group(keys, np.arange(count), at_least=at_least)
    names, sizes = np.unique(keys, return_counts=True)
    assert np.array_equal(keys[groups.rows[groups.starts]], names[sizes >= at_least])
    assert np.array_equal(groups.sizes, sizes[sizes >= at_least])
    assert np.array_equal(keys[groups.rows], np.repeat(names[sizes >= at_least], groups.sizes))
    assert (np.diff(groups.rows) > 0)[np.diff(groups.number) == 0].all()  # in the order given


def test_chosen_groups():
    groups = grouping.group(keys_of(5_000, 30), np.arange(5_000))
    some = groups.select(np.array([3, 4, 17]))
    assert [some.of(at).tolist() for at in range(3)] == [groups.of(g).tolist() for g in (3, 4, 17)]


def test_ports():
    assert sets.is_port_of(np.array([0, 21, 22, 65535]), np.array([21, 65535], dtype=np.uint16)).tolist() == [
        False,
        True,
        False,
        True,
    ]
    assert not len(sets.is_port_of(np.zeros(0, dtype=np.int64), np.array([21])))
