"""Sets of keys for the sieves."""

from hypothesis import given
from hypothesis import strategies as st

from handshake_inspect.cluster.sieves import KeySet

KEYS = st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3) | st.sampled_from([n << 32 | n for n in range(4000)]))


@given(KEYS, KEYS)
def test_a_set_contains_the_added_keys(first, later):
    keys = KeySet(first)
    for key in later:
        keys.add(key)
    assert keys.keys().tolist() == sorted({*first, *later})
    assert all(keys.has(key) for key in (*first, *later))
    assert [key for key in range(8) if keys.has(key)] == [key for key in range(8) if key in (*first, *later)]


def test_collisions_and_growth():
    keys = KeySet()
    for key in range(5000):
        keys.add(key << 40)
    assert keys.keys().tolist() == [key << 40 for key in range(5000)]
    assert keys.has(0)
    assert not keys.has(1 << 39)
