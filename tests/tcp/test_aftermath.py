"""The rows of what happens after the handshake: made when needed, and used again."""

import io

from support import captures
from support.detected import SECOND, crowd

from handshake_inspect.capture.frames import NEED_MORE
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.pump import Pump
from handshake_inspect.tcp.tracker import Tracker


def tracked(wires, limit):
    taken = sorted((each for wire in wires for each in wire.frames()), key=lambda each: each[0])
    pump = Pump(Tracker(limit))
    with open_trace([io.BytesIO(captures.pcap(taken, nano=True))]) as source:
        while pump.drain(source.reader) == NEED_MORE and source.fill():
            pass
    return pump.tracker.table


def paused(wire, number):
    wire.handshake().exchange()
    wire.wait(2 * SECOND)
    wire.exchange(1000).close()


def plain(wire, number):
    wire.handshake().exchange().close()


def test_plain_connections_have_none():
    assert tracked(crowd(20, plain), 64).aftermath_count == 0


def test_rows_are_used_again():
    table = tracked(crowd(100, paused, every=10 * SECOND), 16)
    assert table.evicted > 50
    assert 0 < table.aftermath_count <= 16
    rows = [row for row in table.aftermath_rows[: table.aftermath_count] if row.resumed_ns]
    owners = [row.aftermath for row in table.connection_rows[: table.connection_count] if row.aftermath]
    assert len(set(owners)) == len(owners) == len(rows)


def test_the_longest_payload_of_each_end():
    table = tracked(crowd(1, paused), 16)
    assert [end.largest for end in table.endpoint_rows[:2]] == [1000, 1000]
