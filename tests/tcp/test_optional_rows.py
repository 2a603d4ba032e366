"""Rows that few connections have are freed and used again; only C calls these functions when compiled."""

import pytest

from handshake_inspect.about import build
from handshake_inspect.tcp.rows import Connection
from handshake_inspect.tcp.table import Table

if build() == "compiled":
    pytest.skip("what only C calls has no Python name there", allow_module_level=True)

LIMIT = 16


def free_retries(table, one):
    table.free_retry(one.retries - 1)


def free_aftermath(table, one):
    table.release_aftermath(one.aftermath - 1)


# What allocates a row, its number, and what frees it.
KINDS = {
    "retries": (Table.new_retries, lambda _, one: one.retries, free_retries),
    "aftermath": (Table.new_aftermath, lambda _, one: one.aftermath, free_aftermath),
    "order": (Table.new_order, lambda table, one: table.aftermaths[one.aftermath - 1].order, free_aftermath),
    "renumbering": (Table.new_renumbering, lambda table, one: table.retries[one.retries - 1].renumbering, free_retries),
}


def filled(take, number):
    """A table without a free row of this kind, and the connections that have them."""
    table, having = Table(LIMIT), []
    while True:
        one = Connection()
        if not take(table, one):
            return table, having
        having.append(one)
        assert number(table, one) == len(having)


@pytest.mark.parametrize(("take", "number", "free"), KINDS.values(), ids=KINDS)
def test_each_row_belongs_to_one_connection(take, number, free):
    table, having = filled(take, number)
    assert 1 <= len(having) <= LIMIT
    for one in having:
        before = number(table, one)
        assert take(table, one)  # it has one
        assert number(table, one) == before


@pytest.mark.parametrize(("take", "number", "free"), KINDS.values(), ids=KINDS)
def test_freed_rows_are_used_again(take, number, free):
    """All of them, the last one first, and none twice."""
    table, having = filled(take, number)
    numbers = [number(table, one) for one in having]
    for one in having:
        free(table, one)
    again = [Connection() for _ in numbers]
    assert all(take(table, one) for one in again)
    assert [number(table, one) for one in again] == numbers[::-1]
    assert not take(table, Connection())


@pytest.mark.parametrize("kind", ["order", "renumbering"])
def test_a_row_without_the_other_is_freed_too(kind):
    """A connection may have an `Aftermath` row and no `Order` row."""
    take, number, free = KINDS[{"order": "aftermath", "renumbering": "retries"}[kind]]
    table, having = filled(take, number)
    free(table, having[0])
    other, number_of_other, _ = KINDS[kind]
    one = Connection()
    assert other(table, one)
    assert number_of_other(table, one) == 1


def test_a_row_used_again_is_as_new():
    table, one = Table(LIMIT), Connection()
    assert table.new_order(one)
    assert table.new_renumbering(one)
    order, retries = table.order_of(one), table.retries[one.retries - 1]
    fresh = bytes(order), bytes(table.renumberings[retries.renumbering - 1])
    order.copied_us[1], table.renumberings[retries.renumbering - 1].offset[2], retries.syn_ns[1] = 7, 8, 9
    table.release_aftermath(one.aftermath - 1)
    table.free_retry(one.retries - 1)
    one = Connection()
    assert table.new_order(one)
    assert table.new_renumbering(one)
    retries = table.retries[one.retries - 1]
    assert (bytes(table.order_of(one)), bytes(table.renumberings[retries.renumbering - 1])) == fresh
    assert retries.syn_ns[1] == 0
