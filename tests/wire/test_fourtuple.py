"""The hash of a connection: the same both ways, spread well where real traffic counts up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_inspect.wire.address import address_halves
from handshake_inspect.wire.fourtuple import hash_four_tuple

ends = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 65535))


@given(ends, ends)
def test_direction_does_not_matter(a, b):
    assert hash_four_tuple(*a, *b) == hash_four_tuple(*b, *a) < 2**64


def test_it_never_changes():
    client, server = address_halves("192.0.2.1"), address_halves("198.51.100.2")
    assert hash_four_tuple(*client, 40000, *server, 443) == 0xC94DECB5D625FF68


def sequential_ports():
    client, server = address_halves("10.0.0.1"), address_halves("10.0.0.2")
    return [hash_four_tuple(*client, 1024 + i, *server, 80) for i in range(60000)]


def sequential_addresses():
    server = address_halves("10.0.0.2")
    return [hash_four_tuple(0, 0xFFFF0A000000 + i, 1024, *server, 80) for i in range(60000)]


def ports_and_addresses_in_step():
    """A flood that counts up in both, and a scan whose ends move against each other."""
    server = address_halves("10.0.0.2")
    return [hash_four_tuple(0, 0xFFFF0A000000 + i, 1024 + i, *server, 80) for i in range(60000)]


def ends_that_move_apart():
    return [hash_four_tuple(0, 0xFFFF0A000000 + i, 1024, 0, 0xFFFF0B000000 - i, 80) for i in range(60000)]


def six():
    net = 0x20010DB800000000
    return [hash_four_tuple(net + i % 256, i // 256, 1024 + i % 7, net, 1, 443) for i in range(60000)]


@pytest.mark.parametrize(
    "family", [sequential_ports, sequential_addresses, ports_and_addresses_in_step, ends_that_move_apart, six]
)
@pytest.mark.parametrize("bits", [lambda h: h & 0xFFFF, lambda h: h >> 48, lambda h: h >> 24 & 0xFFFF])
def test_real_traffic_spreads_like_chance(family, bits):
    hashes = family()
    assert len(set(hashes)) == len(hashes)
    # 60 000 balls in 65 536 bins fill 1 - e^-0.916 of them, 39 300, give or take some hundred.
    assert 38600 < len({bits(h) for h in hashes}) < 40000
