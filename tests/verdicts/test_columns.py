"""Columns of rows do not depend on memory layout or batch sizes."""

import numpy as np
import pytest

from handshake_inspect.verdicts import columns
from handshake_inspect.verdicts.masks import first_match

ROW = np.dtype([("facts", "u8"), ("first_frame", "u8"), ("syn_ns", "i8"), ("syn_frame", "u4"), ("spare", "u4")])


def rows_of(count):
    rows = np.zeros(count, dtype=ROW)
    rows["facts"] = np.arange(count) * 3
    rows["first_frame"] = np.arange(count) + 1
    return rows


@pytest.mark.parametrize(("count", "most"), [(0, 4), (1, 4), (4, 4), (9, 4), (8, 4)])
def test_batches_are_all_numbers_once_and_none_is_longer(count, most):
    pieces = [range(count)[some] for some in columns.batches(count, most)]
    assert [number for piece in pieces for number in piece] == list(range(count))
    assert all(0 < len(piece) <= most for piece in pieces)


@pytest.mark.parametrize("numbers", [[], [0], [6, 2, 2], list(range(9))])
def test_taken_rows_are_copies_in_that_order(numbers):
    rows = rows_of(9)
    some = columns.take_rows(rows, np.array(numbers, dtype=np.intp))
    assert some.tolist() == rows[numbers].tolist()
    some["facts"] = 1
    assert rows["facts"].tolist() == [3 * number for number in range(9)]


@pytest.mark.parametrize("every", [1, 2, 7, 20_000])
@pytest.mark.parametrize("count", [0, 1, 5, columns.BATCH, 3 * columns.BATCH + 11])
def test_marked_numbers(count, every):
    mask = np.arange(count) % every == every - 1
    numbers = columns.marked(mask)
    assert numbers.dtype == np.int32
    assert numbers.tolist() == np.flatnonzero(mask).tolist()


@pytest.mark.parametrize("most", [0, 1, 3, 5_000, 10**6])
@pytest.mark.parametrize("every", [1, 7, 20_000])
@pytest.mark.parametrize("count", [0, 5, 3 * columns.BATCH + 11])
def test_the_first_marked_numbers(count, every, most):
    mask = np.arange(count) % every == every - 1
    assert columns.first_marked(mask, most).tolist() == np.flatnonzero(mask)[:most].tolist()


@pytest.mark.parametrize(
    ("first", "low", "whole"),
    [
        (1, 7, 7),
        (2**32 - 4, 2**32 - 4, 2**32 - 4),
        (2**32 - 4, 3, 2**32 + 3),
        (5 * 2**32 + 9, 9, 5 * 2**32 + 9),
        (5 * 2**32 + 9, 8, 6 * 2**32 + 8),
        (2**40, 0, 0),
    ],
)
def test_a_frame_number_is_the_next_from_the_first_frame_on(first, low, whole):
    found = columns.whole_frames(np.array([first], dtype=np.uint64), np.array([low], dtype=np.uint32))
    assert found.tolist() == [whole]


def test_gathered_columns_are_those_of_the_rows_and_are_not_written_to():
    rows = rows_of(5000)
    gathered = columns.CachedColumns(rows, ["facts"])
    assert len(gathered) == 5000
    for name in ("facts", "first_frame"):
        assert gathered[name].tolist() == rows[name].tolist()
    assert gathered["facts"] is gathered["facts"]
    with pytest.raises(ValueError, match="read-only"):
        gathered["facts"][0] = 1
    assert gathered[17]["first_frame"] == 18
    assert gathered.copies(np.array([3, 1])).tolist() == rows[[3, 1]].tolist()


def test_gathered_frame_numbers_are_whole_beyond_32_bits():
    rows = rows_of(3)
    rows["first_frame"] = 2**32 - 2, 2**32 - 2, 2**32 + 5
    rows["syn_frame"] = 2**32 - 1, 0, 0
    rows["syn_ns"] = 1, 1, 0  # the second SYN was frame 2^32, of which the low bits are 0
    assert columns.CachedColumns(rows, [], beyond=True)["syn_frame"].tolist() == [2**32 - 1, 2**32, 0]


@pytest.mark.parametrize("kinds", [1, 3, 300])
def test_counted_numbers(kinds):
    codes = np.arange(3 * columns.BATCH + 5) % kinds
    assert columns.code_counts(codes, kinds).tolist() == np.bincount(codes, minlength=kinds).tolist()


def test_of_several_rules_the_first_counts():
    odd, big = np.arange(6) % 2 == 1, np.arange(6) > 2
    assert first_match([(odd, 1), (big, 2)], 9, 6).tolist() == [9, 1, 9, 1, 2, 1]
    assert first_match([(big, np.arange(6) * 10), (odd, 1)], 9, 6).tolist() == [9, 1, 9, 30, 40, 50]
    assert first_match([], 4, 3).tolist() == [4, 4, 4]


@pytest.mark.parametrize("kind", [np.int32, np.intp])
@pytest.mark.parametrize("numbers", [[], [4], [2, 3, 4, 5], [2, 4, 3, 5], [5, 4, 3, 2], [7, 7], [0, 8], list(range(9))])
def test_picked_places_are_copies_in_that_order(numbers, kind):
    rows = rows_of(9)
    some = columns.take_column(rows["facts"], np.array(numbers, dtype=kind))
    assert some.tolist() == [3 * number for number in numbers]
    some[:] = 1
    assert rows["facts"].tolist() == [3 * number for number in range(9)]


@pytest.mark.parametrize("kind", [np.int32, np.intp])
def test_more_than_a_batch_is_picked(kind):
    numbers = np.arange(2 * columns.BATCH + 5, dtype=kind)[::-1] // 2
    assert np.array_equal(columns.take_column(np.arange(len(numbers)) * 3, numbers), numbers * 3)


def table_of(count):
    """Rows as a table has them: not in memory of NumPy."""
    return np.frombuffer(bytearray(rows_of(count).tobytes()), dtype=ROW)


def place(array):
    return array.__array_interface__["data"][0]


def test_copies_of_a_table_that_grows_stay_in_one_place():
    """Memory is asked for once: what more is needed lies behind it."""
    copies, places = columns.Copies(), set()
    for count in (10, 1000, 2000, 2000, 5000):
        table = table_of(count)
        copy = copies.of("rows", table)
        table["facts"] = 0
        copies.reserve({"rows": table.nbytes})
        assert (copy == rows_of(count)).all()
        places.add(place(copy))
    assert len(places) == 1


def test_copies_move_when_they_outgrow_their_place(monkeypatch):
    monkeypatch.setattr(columns, "_VAST", 1)
    copies = columns.Copies()
    small = copies.of("rows", table_of(10))
    for count in (1000, 100_000):
        assert (copies.of("rows", table_of(count)) == rows_of(count)).all()
        copies.reserve({"rows": 2 * ROW.itemsize * count})
    assert (small == rows_of(10)).all()


def test_what_is_a_copy_already_is_not_copied():
    own = rows_of(10)[2:]
    assert columns.Copies().of("rows", own) is own


def test_sizes_are_those_of_copies_to_come():
    sizes, table = columns.Sizes(), table_of(10)
    assert sizes.of("rows", table) is table
    sizes.of("others", rows_of(10))  # a copy already
    assert sizes.of_all == {"rows": table.nbytes}


def test_taken_rows_also_have_an_index():
    copies, numbers = columns.Copies(), np.array([7, 2, 2, 9])
    first = copies.taken("rows", table_of(10), numbers)
    assert (first == rows_of(10)[numbers]).all()
    assert (columns.take_rows(table_of(10), numbers) == first).all()
    assert columns.Copies().of("rows", first) is first
    again = copies.taken("rows", table_of(20), np.arange(20)[::-1])
    assert (again == rows_of(20)[::-1]).all()
    assert place(again) == place(first)
    assert not len(copies.taken("none", table_of(10), numbers[:0]))


def test_memory_is_ready_for_the_next_copies_of_rows_that_increase():
    copies = columns.Copies()
    for size in (1 << 20, 3 << 20, 5 << 20):
        copies.reserve({"rows": size})
    assert copies._ready["rows"] >= 7 << 20
    copies.reserve({"rows": 5 << 20})
    assert copies._ready["rows"] <= 9 << 20
