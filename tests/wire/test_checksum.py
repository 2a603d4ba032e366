"""The Internet checksum against its definition."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from handshake_inspect.wire import checksum


def by_definition(data):
    data += b"\0" * (len(data) % 2)
    total = 0
    for (word,) in struct.iter_unpack(">H", data):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(st.binary(max_size=200), st.integers(0, 9), st.integers(0, 9), st.integers(0, 2**40))
def test_any_stretch(data, skip, rest, more):
    stretch = data[skip : len(data) - rest] if skip + rest <= len(data) else b""
    start = min(skip, len(data))
    right = 0xFFFF ^ checksum.fold(by_definition(stretch) + more)
    for field in (right, right ^ 0x0100, right ^ 0x0001):
        summed = checksum.fold(by_definition(stretch) + more + field)
        assert checksum.is_valid(data, start, start + len(stretch), more + field) == (summed == 0xFFFF)


def test_the_example_of_rfc_1071():
    data = bytes.fromhex("0001f203f4f5f6f7")
    assert checksum.is_valid(data, 0, 8, 0xFFFF ^ 0xDDF2)
    assert not checksum.is_valid(data, 0, 8, 0xDDF2)


def test_zeros_add_up_to_no_ones():
    assert not checksum.is_valid(b"\0" * 8, 0, 8, 0)
    assert checksum.is_valid(b"\xff" * 8, 0, 8, 0)


@given(st.integers(0, 2**40))
def test_folding_keeps_the_sum(total):
    folded = checksum.fold(total)
    assert 0 <= folded <= 0xFFFF
    assert (folded - total) % 0xFFFF == 0
