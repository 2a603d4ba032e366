"""Rows that a tracker makes of frames: what no report shows."""

import io

from handshake_inspect.capture.frames import NEED_MORE
from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.pump import Pump
from handshake_inspect.tcp.tracker import Tracker
from support import captures

MS = 1_000_000


def tracked(*built):
    """The table after these frames, numbered from 1 and a millisecond apart, unless one is (time in ns, frame)."""
    packets = [each if isinstance(each, tuple) else (i * MS, each) for i, each in enumerate(built)]
    pump = Pump(Tracker(16))
    with open_trace([io.BytesIO(captures.pcap(packets, nano=True))]) as trace:
        while pump.drain(trace.reader) == NEED_MORE and trace.fill():
            pass
    return pump.tracker.table


def ends_of(*built):
    """The rows of both ends of the one connection of these frames; side 0 sent the first."""
    table = tracked(*built)
    assert table.connection_count == 1
    return table.endpoint_rows[0], table.endpoint_rows[1]
