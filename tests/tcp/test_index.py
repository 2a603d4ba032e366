"""The index from 4-tuples to rows."""

import io
import random

import pytest
from support import captures
from support.wire import Wire

from handshake_inspect.about import build
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.stream import pump_all
from handshake_inspect.tcp import index
from handshake_inspect.tcp.tracker import Tracker


def pumped(pump, taken):
    with open_trace([io.BytesIO(captures.pcap(taken, nano=True))]) as source:
        pump_all(source, pump)


def test_an_index_that_forgot_all_keeps_the_rows_and_names_new_ones():
    wire = Wire().handshake()
    opened = len(wire.frames())
    taken = wire.exchange().frames()
    pump = Pump(Tracker(64))
    table = pump.tracker.table
    pumped(pump, taken[:opened])
    before = bytes(table.connection_rows[0])
    table.forget_all()
    pumped(pump, taken[opened:])
    assert table.connection_count == 2
    assert bytes(table.connection_rows[0]) == before
    row = table.connection_rows[1]
    assert {row.port0, row.port1} == {table.connection_rows[0].port0, table.connection_rows[0].port1}


only_pure = pytest.mark.skipif(build() == "compiled", reason="what only C calls has no Python name there")


def references(table, tag):
    """The rows of a tag, as a search finds them: from its home on to the first empty slot."""
    at, found = tag & table.mask, []
    while table.slots[at]:
        if table.slots[at] >> 32 == tag:
            found.append(table.slots[at] & 0xFFFF_FFFF)
        at = (at + 1) & table.mask
    table.found_at = at
    return found


@only_pure
@pytest.mark.parametrize("bits", [25, 4, 0], ids=["spread", "close", "all at one place"])
def test_an_index_that_grows_and_shrinks_has_what_was_named(monkeypatch, bits):
    """It begins with 8 slots; tags that differ only in few bits have to be next to each other."""
    monkeypatch.setattr(index, "FIRST_INDEX", 8)
    chance = random.Random(5)
    table, named = index.Index(), {}
    for reference in range(1, 120):
        tag = chance.getrandbits(bits) << 7 | 5 if bits else 5
        references(table, tag)
        table.put(tag, reference)
        named[reference] = tag
        if reference % 3 == 0:
            gone = chance.choice(sorted(named))
            table.forget(named.pop(gone), gone)
        assert table.filled == len(named) == sum(slot != 0 for slot in table.slots[: table.mask + 1])
        assert table.filled <= table.most
        for wanted in {*named.values()}:
            assert sorted(references(table, wanted)) == [one for one, tag in named.items() if tag == wanted]
    assert table.mask == 255


@only_pure
def test_a_row_that_is_not_named_is_not_forgotten(monkeypatch):
    monkeypatch.setattr(index, "FIRST_INDEX", 8)
    table = index.Index()
    references(table, 5)
    table.put(5, 1)
    table.forget(5, 2)
    table.forget(13, 1)  # the same home
    assert (references(table, 5), table.filled) == ([1], 1)


@only_pure
def test_a_large_index_is_filled_to_three_quarters(monkeypatch):
    monkeypatch.setattr(index, "FIRST_INDEX", 8)
    monkeypatch.setattr(index, "LARGE_INDEX", 32)
    table, most = index.Index(), []
    for tag in range(100):
        references(table, tag)
        table.put(tag, tag + 1)
        most.append((table.mask + 1, table.most))
    assert sorted(set(most)) == [(8, 4), (16, 8), (32, 16), (64, 48), (128, 96), (256, 192)]
