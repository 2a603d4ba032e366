"""Lines made of columns say what JSON says of each value."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handshake_inspect.report.lines import Lines, ReusedBuffer, joined
from handshake_inspect.wire.address import address_halves, address_text

INT64 = st.integers(-(2**63), 2**63 - 1)
EDGES = [0, 9, 10, 99, 100, 999, 10_000, 2**32, 10**18 - 1, 10**18, 2**63 - 1, -1, -10, -99, -100, -(2**63)]


def written(lines, room=None):
    """Each line as what it holds."""
    return [json.loads(line) for line in bytes(lines.written(room or ReusedBuffer())).splitlines()]


def of_column(count, fill):
    """Lines that hold one column."""
    lines = Lines(count)
    fill(lines, lines.all)
    lines.same(lines.all, b"\n")
    return written(lines)


def numbers(values):
    known = np.array([value is not None for value in values], dtype=bool)
    return np.array([value or 0 for value in values], dtype=np.int64), known


@given(st.lists(st.none() | INT64 | st.sampled_from(EDGES), min_size=1))
def test_numbers(values):
    assert of_column(len(values), lambda lines, rows: lines.numbers(rows, *numbers(values))) == values


@given(st.lists(st.none() | st.text() | st.lists(INT64), min_size=1))
def test_values(values):
    assert of_column(len(values), lambda lines, rows: lines.values(rows, values)) == values


@given(st.lists(st.text(), min_size=1, unique=True), st.data())
def test_words(vocabulary, data):
    codes = data.draw(st.lists(st.integers(-1, len(vocabulary) - 1), min_size=1))
    meant = [None if code < 0 else vocabulary[code] for code in codes]
    assert of_column(len(codes), lambda lines, rows: lines.words(rows, np.array(codes), vocabulary)) == meant


@given(st.lists(st.ip_addresses().map(str), min_size=1))
def test_addresses(texts):
    hi, lo = (np.array(half, dtype=np.uint64) for half in zip(*map(address_halves, texts), strict=True))
    assert of_column(len(texts), lambda lines, rows: lines.addresses(rows, hi, lo)) == list(map(address_text, hi, lo))


def test_a_name_that_is_not_utf_8_is_escaped():
    assert of_column(2, lambda lines, rows: lines.values(rows, ["caf\udce9", "b"])) == ["caf\\udce9", "b"]


@pytest.mark.parametrize("chosen", [[], [0], [1, 3], [0, 1, 2, 3]])
def test_a_column_may_be_of_some_lines_only(chosen):
    lines = Lines(4)
    here = np.isin(lines.all, chosen)
    lines.same(lines.all, b'{"a":')
    lines.numbers(lines.all, np.arange(4), np.ones(4, dtype=bool))
    lines.same(lines.all[here], b',"b":')
    lines.numbers(lines.all[here], np.arange(4)[here] * 100, np.ones(len(chosen), dtype=bool))
    lines.same(lines.all, b"}\n")
    assert written(lines) == [{"a": i, "b": i * 100} if i in chosen else {"a": i} for i in range(4)]


class Loud:
    """Texts as they are, even if they hold newlines."""

    none, quote = b"-", b""

    def one(self, value):
        return b"-" if value is None else value.encode()

    def many(self, values):
        return joined(list(map(self.one, values)))


def test_another_style():
    lines = Lines(3, Loud())
    lines.values(lines.all, ["a\nb", None, ""])
    lines.same(lines.all, b";")
    lines.words(lines.all, np.array([1, -1, 0]), ["one", "two\n"])
    lines.same(lines.all, b";")
    lines.numbers(lines.all, *numbers([7, None, 8]))
    lines.addresses(lines.all, np.zeros(3, dtype=np.uint64), np.full(3, 0xFFFF_0A00_0001, dtype=np.uint64))
    lines.same(lines.all, b"|")
    assert bytes(lines.written(ReusedBuffer())) == b"a\nb;two\n;710.0.0.1|-;-;-10.0.0.1|;one;810.0.0.1|"


def test_a_room_is_used_again():
    room = ReusedBuffer()
    for text in (b"1\n", b"12345678901234567890123\n", b"2\n"):
        lines = Lines(3)
        lines.same(lines.all, text)
        assert bytes(lines.written(room)) == text * 3


def test_no_lines():
    lines = Lines(0)
    lines.numbers(lines.all, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool))
    lines.words(lines.all, np.zeros(0, dtype=np.intp), [])
    lines.addresses(lines.all, np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.uint64))
    assert bytes(lines.written(ReusedBuffer())) == b""
