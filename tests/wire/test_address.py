"""Two halves to text and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_inspect.wire import address

halves = st.integers(0, 0xFFFFFFFFFFFFFFFF)


@pytest.mark.parametrize(
    ("text", "hi", "lo"),
    [
        ("192.0.2.1", 0, 0x0000FFFFC0000201),
        ("255.255.255.255", 0, 0x0000FFFFFFFFFFFF),
        ("0.0.0.0", 0, 0x0000FFFF00000000),
        ("2001:db8::1", 0x20010DB800000000, 1),
        ("::1", 0, 1),
        ("::", 0, 0),
        ("ffff::ffff:c000:201", 0xFFFF000000000000, 0x0000FFFFC0000201),
        ("2001:db8:0:1:1:1:1:1", 0x20010DB800000001, 0x0001000100010001),
    ],
)
def test_text(text, hi, lo):
    assert address.address_halves(text) == (hi, lo)
    assert address.address_text(hi, lo) == text


@given(halves, halves)
def test_text_and_back(hi, lo):
    assert address.address_halves(address.address_text(hi, lo)) == (hi, lo)


def test_columns_of_a_table_are_written_too():
    numpy = pytest.importorskip("numpy")
    hi, lo = numpy.array([0x20010DB800000000, 1], dtype=numpy.uint64)
    assert address.address_text(hi, lo) == "2001:db8::1"
    hi, lo = numpy.array([0, 0xFFFFC0000201], dtype=numpy.uint64)
    assert address.address_text(hi, lo) == "192.0.2.1"


def test_what_is_no_address_says_so():
    with pytest.raises(ValueError, match=r"192\.0\.2"):
        address.address_halves("192.0.2")


def test_addresses_of_ipv4_are_found_among_many():
    numpy = pytest.importorskip("numpy")
    listed = [(0, 0xFFFFC0000201), (0, 1), (0, 0x1FFFFC0000201), (1, 0xFFFFC0000201)]
    hi, lo = numpy.array(listed, dtype=numpy.uint64).T
    assert address.are_ipv4(hi, lo).tolist() == [True, False, False, False]
    assert [address.is_ipv4(*halves) for halves in listed] == [True, False, False, False]
