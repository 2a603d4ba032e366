"""Ids of attempts are stable while rows are freed and reused, and each change of an attempt is exported once."""

import io

import numpy as np
from support import captures, frames

from handshake_inspect.capture.source import open_source
from handshake_inspect.engine import Options
from handshake_inspect.engine.attempt_ids import SETTLED_NS, SILENT_NS, AttemptIds
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.reporting import case_of
from handshake_inspect.tcp.tracker import Tracker

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


class Table:
    """A table to which frames are added, and the ids of its attempts."""

    def __init__(self):
        self.pump, self.ids, self.source = Pump(Tracker(1 << 10)), AttemptIds(), None
        self.frames = 0

    def add(self, *packets):
        self.source = open_source(io.BytesIO(captures.pcap(packets, nano=True)))
        self.source.reader.frames = self.frames
        while self.pump.drain(self.source.reader) == 0 and self.source.fill():
            pass
        self.frames = self.source.reader.frames

    def view(self, now_ns=None):
        return self.ids.view(case_of(self.source, self.pump, Options().limits, now_ns or self.pump.last_ns))


def ends(number):
    return ("10.0.0.1", 2000 + number), ("10.9.0.1", 80)


def opened(number, ns):
    client, server = ends(number)
    seq, ack = frames.CLIENT_ISN + 1, frames.SERVER_ISN + 1
    return [
        (ns, frames.syn(src=client, dst=server)),
        (ns + 1000, frames.syn_ack(src=server, dst=client)),
        (ns + 2000, frames.ack(seq=seq, ack=ack, src=client, dst=server)),
    ]


def reset(number, ns):
    client, server = ends(number)
    return ns, frames.rst(seq=frames.CLIENT_ISN + 1, ack=frames.SERVER_ISN + 1, src=client, dst=server)


def port_of(view, row):
    return int(view.case.attempts.client("port")[row])


def test_ids_follow_first_frames_and_are_stable():
    table = Table()
    client, server = ends(0)
    table.add((START, frames.syn(src=client, dst=server)), *opened(1, START + SECOND))
    first = table.view()
    assert (first.new, table.ids.begun) == (2, 2)
    assert {port_of(first, row): int(first.ids[row]) for row in range(2)} == {2000: 0, 2001: 1}
    table.ids.keep(first, np.arange(2))
    # The lone SYN becomes a connection: another row, the same attempt.
    later = START + 2 * SECOND
    table.add((later, frames.syn_ack(src=server, dst=client)), *opened(2, later + SECOND))
    second = table.view()
    assert (second.new, table.ids.begun) == (1, 3)
    assert {port_of(second, row): int(second.ids[row]) for row in range(3)} == {2000: 0, 2001: 1, 2002: 2}


def test_attempts_that_are_not_kept_are_forgotten():
    table = Table()
    table.add(*opened(0, START), *opened(1, START + SECOND))
    view = table.view()
    table.ids.keep(view, np.flatnonzero(view.ids == 1))
    assert table.ids.ids.tolist() == [1]
    assert table.view().new == 1


def test_a_connection_is_exported_when_it_has_settled_and_again_when_it_ends():
    table = Table()
    table.add(*opened(0, START))
    young = table.view()
    assert young.changed().tolist() == []
    assert young.unfinished().tolist() == [0]
    settled = table.view(START + SETTLED_NS)
    assert settled.changed().tolist() == [0]
    settled.mark_exported(np.array([0]))
    assert settled.changed().tolist() == []
    assert settled.unfinished().tolist() == [0]
    table.ids.keep(settled, np.arange(1))
    assert table.view(START + 2 * SETTLED_NS).changed().tolist() == []
    table.add(reset(0, START + 3 * SETTLED_NS))
    closed = table.view()
    assert closed.ended.tolist() == [True]
    assert closed.changed().tolist() == [0]
    closed.mark_exported(np.array([0]))
    assert closed.unfinished().tolist() == []


def test_rows_are_exported_in_the_order_of_ids():
    table = Table()
    client, server = ends(0)
    refused = frames.rst(seq=0, ack=frames.CLIENT_ISN + 1, src=server, dst=client)
    table.add((START, frames.syn(src=client, dst=server)), *opened(1, START + 1), reset(1, START + SECOND))
    table.add((START + 2 * SECOND, refused))
    view = table.view()
    assert view.ids[view.changed()].tolist() == [0, 1]


def test_unfinished_attempts_become_silent():
    table = Table()
    client, server = ends(0)
    table.add((START, frames.syn(src=client, dst=server)), *opened(1, START))
    assert not table.view(START + SILENT_NS).silent.any()
    silent = table.view(START + SILENT_NS + SECOND).silent
    view = table.view(START + SILENT_NS + SECOND)
    assert [port_of(view, row) for row in np.flatnonzero(silent)] == [2000]


def test_half_open_attempts_wait_for_the_final_ack():
    table = Table()
    client, server = ends(0)
    table.add((START, frames.syn(src=client, dst=server)), (START + 1000, frames.syn_ack(src=server, dst=client)))
    table.add(*opened(1, START + 2000), (START + 60 * SECOND, frames.syn(src=("10.0.0.7", 7), dst=server)))
    assert table.view().half_open == 1
