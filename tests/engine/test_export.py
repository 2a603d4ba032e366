"""Connections are exported as they were judged, while the table changes."""

import io

import numpy as np
import pytest
from support import captures, frames
from support.samples import DIRECTORY, SAMPLES

from handshake_inspect.capture.frames import NEED_MORE
from handshake_inspect.capture.source import open_source
from handshake_inspect.engine import Options, export
from handshake_inspect.engine.attempt_ids import AttemptIds
from handshake_inspect.engine.export import Observer
from handshake_inspect.engine.live import LiveOptions, LiveRun
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.reporting import case_of, end_of
from handshake_inspect.live.pipe import PipeSource
from handshake_inspect.live.session import open_file
from handshake_inspect.tcp.tracker import Tracker

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
MOST = 300  # connections of a sample


@pytest.mark.parametrize(
    ("sample", "start"), [*((sample, 0) for sample in SAMPLES[::2]), *((sample, 2**32 - 4) for sample in SAMPLES[::20])]
)
def test_copies_give_the_same_export_as_the_rows(sample, start):
    pump = Pump(Tracker(1 << 16))
    with open_file(str(DIRECTORY / f"{sample}.pcap")) as source:
        source.reader.frames = start
        while pump.drain(source.reader) == NEED_MORE and source.fill():
            pass
        view = AttemptIds().view(case_of(source, pump, Options().limits, end_of(source, pump)))
    rows = np.random.default_rng(9293).permutation(len(view.ids))[:MOST]
    copies, places = export.copied(view, rows)
    originals, same = export.uncopied(view, rows)
    assert copies.of_rows(places) == originals.of_rows(same)
    assert len(places) == min(MOST, len(view.ids))


class Listener(Observer):
    """Records the frame and the outcome at which each connection was exported."""

    wants_connections = True

    def __init__(self):
        self.run = None
        self.exported = []

    def connections(self, connections):
        self.exported += [(self.run.pump.frames, connection.id, connection.outcome) for connection in connections]

    def snapshot(self, snapshot):
        self.exported.append((self.run.pump.frames, None, snapshot.frames))


def test_frames_are_read_between_batches_of_exports(monkeypatch):
    monkeypatch.setattr(export, "BATCH_SIZE", 4)
    packets = []
    for number in range(400):
        ns, client, server = START + number * SECOND // 50, ("10.0.0.1", 2000 + number), ("10.9.0.1", 80)
        packets.append((ns, frames.syn(src=client, dst=server)))
        packets.append((ns + 1000, frames.rst(seq=0, ack=frames.CLIENT_ISN + 1, src=server, dst=client)))
    source = PipeSource(open_source(io.BytesIO(captures.pcap(packets, nano=True)), 4096), None)
    listener = Listener()
    ticks = iter(range(1 << 20))
    run = listener.run = LiveRun(source, LiveOptions(keep=40), listener, lambda: next(ticks) / 10)
    report = run.run()
    shown = [(at, number) for at, number, _ in listener.exported if number is not None]
    assert [number for _, number in shown] == list(range(400))
    assert {outcome for _, number, outcome in listener.exported if number is not None} == {"refused"}
    late = [at for at, number, looked_at in listener.exported if number is None and at > looked_at]
    assert late  # frames came between a look and its last word
    assert report.summary.connections == 400
    assert listener.exported[-1] == (800, None, 800)
