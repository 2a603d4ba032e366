"""A stream reads its source, and the capture clock advances while the link is idle."""

import io
import itertools

import pytest
from support import captures, frames

from handshake_inspect.capture.source import open_source
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.stream import MAX_WAIT_S, Stream, pump_all
from handshake_inspect.live.pipe import PipeSource
from handshake_inspect.tcp.tracker import Tracker

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
COUNT = 40


class Clock:
    """A clock under the control of a test."""

    now = 100.0

    def __call__(self):
        return self.now


class Link:
    """A source whose link is idle a given number of times before each block."""

    def __init__(self, source, idle, clock):
        self.source, self.idle, self.clock = source, idle, clock
        self.waits, self.ends, self.stops = [], [], 0
        self.error = None
        self.host = None

    def __getattr__(self, name):
        return getattr(self.source, name)

    def wait(self, timeout_s):
        self.waits.append(timeout_s)
        if next(self.idle, False):
            self.clock.now += timeout_s
            return False
        return True

    def note_end(self, ns):
        self.ends.append(ns)

    def stop(self):
        self.stops += 1
        if self.error is not None:
            raise self.error


class Host:
    ended = 0

    def end(self):
        self.ended += 1


def content(count=COUNT):
    return captures.pcap(
        [(START + n * SECOND, frames.syn(src=("10.0.0.1", 2000 + n))) for n in range(count)], nano=True
    )


def linked(idle=(), clock=None, **options):
    clock = clock or Clock()
    link = Link(PipeSource(open_source(io.BytesIO(content()), 512), None), iter(idle), clock)
    return Stream(link, Tracker(1 << 10), clock=clock, **options), link, clock


def drained(stream):
    while not stream.is_full:
        if stream.wait() and not stream.take():
            break
    return stream.pump.frames


def test_all_frames_are_read_in_order():
    stream, link, _ = linked()
    assert drained(stream) == COUNT
    assert stream.now_ns == stream.pump.last_ns == START + (COUNT - 1) * SECOND
    assert set(link.waits) == {MAX_WAIT_S}
    stream.note_end()
    assert link.ends == []  # nobody waited after the last frame


def test_the_clock_advances_on_an_idle_link_and_returns_to_frame_times():
    stream, link, clock = linked()
    while not stream.pump.has_times:
        assert stream.wait()
        assert stream.take()
    link.idle = iter([True, True])
    at = stream.pump.last_ns
    clock.now += 5  # whoever drives the stream was busy: that is no sign of an idle link
    assert stream.now_ns == at
    assert not stream.wait(2.0)
    assert not stream.wait(1.0)
    assert stream.now_ns == at + 8 * SECOND
    stream.note_end()
    stream.note_end(not_before_ns=at + 60 * SECOND)
    assert link.ends == [at + 8 * SECOND, at + 60 * SECOND]
    assert stream.wait()
    stream.take()
    assert stream.now_ns == stream.pump.last_ns > at


def test_no_end_is_noted_before_the_first_frame():
    stream, link, _ = linked(idle=[True])
    assert not stream.wait()
    stream.note_end(START)
    assert link.ends == []


@pytest.mark.parametrize("frames_wanted", [0, 1, 7, COUNT, COUNT + 1])
def test_the_frame_limit_is_exact(frames_wanted):
    stream, _, _ = linked(frames=frames_wanted)
    assert drained(stream) == min(frames_wanted, COUNT)
    assert stream.is_full == (frames_wanted <= COUNT)


def test_it_stops_at_its_deadline():
    stream, link, clock = linked(idle=itertools.repeat(True, 3), duration_s=0.4)
    assert [stream.wait() for _ in range(2)] == [False, False]
    assert link.waits == [MAX_WAIT_S, pytest.approx(0.15)]
    assert not stream.stopped
    clock.now += 1e-6
    stream.wait()
    assert (stream.stopped, link.stops) == (True, 1)
    assert link.waits[-1] == MAX_WAIT_S
    assert stream.wait()  # what was captured until then is still to be taken
    assert stream.take()
    assert link.stops == 1


def test_restart_restarts_the_duration():
    stream, link, clock = linked(duration_s=10.0)
    clock.now += 60
    stream.restart()
    stream.wait()
    assert link.stops == 0
    clock.now += 10
    stream.wait()
    assert link.stops == 1


def test_stop_ignores_a_vanished_interface():
    stream, link, _ = linked()
    link.host, link.error = Host(), OSError("no such device")
    stream.stop()
    assert stream.stopped
    assert link.host.ended == 1


def test_a_capture_is_pumped_to_its_end():
    pump, steps = Pump(Tracker(1 << 10)), []
    with open_source(io.BytesIO(content()), 512) as source:
        pump_all(source, pump, lambda done, total: steps.append((done, total)))
    assert pump.frames == COUNT
    assert len(steps) > 1
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1][0] == len(content())
