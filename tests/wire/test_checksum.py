"""The Internet checksum against its definition."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from handshake_inspect.wire import checksum


def by_definition(octets):
    octets += b"\0" * (len(octets) % 2)
    total = 0
    for (word,) in struct.iter_unpack(">H", octets):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(st.binary(max_size=200), st.integers(0, 9), st.integers(0, 9), st.integers(0, 2**40))
def test_any_stretch(octets, skip, rest, more):
    stretch = octets[skip : len(octets) - rest] if skip + rest <= len(octets) else b""
    start = min(skip, len(octets))
    right = 0xFFFF ^ checksum.fold(by_definition(stretch) + more)
    for field in (right, right ^ 0x0100, right ^ 0x0001):
        summed = checksum.fold(by_definition(stretch) + more + field)
        assert checksum.is_right(octets, start, start + len(stretch), more + field) == (summed == 0xFFFF)


def test_the_example_of_rfc_1071():
    octets = bytes.fromhex("0001f203f4f5f6f7")
    assert checksum.is_right(octets, 0, 8, 0xFFFF ^ 0xDDF2)
    assert not checksum.is_right(octets, 0, 8, 0xDDF2)


def test_zeros_add_up_to_no_ones():
    assert not checksum.is_right(b"\0" * 8, 0, 8, 0)
    assert checksum.is_right(b"\xff" * 8, 0, 8, 0)


@given(st.integers(0, 2**40))
def test_folding_keeps_the_sum(total):
    folded = checksum.fold(total)
    assert 0 <= folded <= 0xFFFF
    assert (folded - total) % 0xFFFF == 0
