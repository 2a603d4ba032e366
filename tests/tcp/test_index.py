"""The index from 4-tuples to rows."""

import io

from support import captures
from support.wire import Wire

from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.stream import pump_all
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
