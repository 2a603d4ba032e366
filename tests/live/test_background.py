"""A background capture: no frame is missed or left in the kernel, and errors are reported."""

import io
import socket
import threading
from contextlib import suppress

import pytest
from live.network import LAST, PATIENCE_S, Watcher
from support import captures, frames

from handshake_inspect.capture.source import open_source
from handshake_inspect.engine import analyze
from handshake_inspect.engine.background import Background
from handshake_inspect.errors import LiveError
from handshake_inspect.live.pipe import PipeSource
from handshake_inspect.live.session import open_live

LONG_S = 5  # a time that a test would notice


def attempt(port, address="127.0.0.1"):
    with suppress(ConnectionRefusedError):
        socket.create_connection((address, port), timeout=PATIENCE_S).close()


def on_loopback(network, **options):
    with network.client():
        return open_live("lo", filter_text=f"tcp port {LAST}", **options)


@pytest.mark.parametrize("quiet_s", [0, 0.1])
def test_nothing_is_missed_from_the_first_frame_to_the_last(network, quiet_s):
    """The kernel hands over a block when it is full or times out, so the latest frames are still in its buffer."""
    for count in (1, 2, 40):
        with Background(on_loopback(network)) as background:
            background.start()
            with network.client():
                for _ in range(count):
                    attempt(LAST)
            report = background.finish(quiet_s)
        assert report.summary.outcomes.refused == report.summary.connections == count
        assert report.capture.frames == 2 * count
        assert report.capture.complete


def test_frames_captured_before_start_are_included(network):
    with Background(on_loopback(network)) as background:
        with network.client():
            attempt(LAST)
        background.start()
        assert background.finish(0).summary.outcomes.refused == 1


def test_an_idle_interface(network):
    with Background(on_loopback(network)) as background:
        background.start()
        report = background.finish(LONG_S)
    assert (report.summary.connections, report.capture.frames, report.findings) == (0, 0, [])


def test_the_report_is_that_of_the_frames(network, tmp_path):
    kept = tmp_path / "kept.pcapng"
    with network.client():
        source = open_live("wire", filter_text="tcp", write_to=str(kept))
    with Background(source) as background:
        background.start()
        network.exchange()
        report = background.finish()
    offline = analyze([kept])
    assert list(report.connections) == list(offline.connections)
    assert (report.summary, report.findings) == (offline.summary, offline.findings)
    assert report.summary.outcomes.established == 2


class Clock:
    """A clock under the control of a test."""

    now = 0.0

    def __call__(self):
        return self.now


def test_idle_time_belongs_to_the_capture(network):
    """A command that waited in vain for an answer has shown that there was none."""
    network.client.ip("neigh", "replace", "10.93.7.99", "lladdr", "02:00:00:00:00:99", "dev", "wire")
    clock = Clock()
    with network.client():
        source = open_live("wire", filter_text=f"tcp port {LAST}")
        with Background(source, clock=clock) as background, socket.socket() as waiting:
            background.start()
            waiting.setblocking(False)
            waiting.connect_ex(("10.93.7.99", LAST))
            with background._changed:
                assert background._changed.wait_for(lambda: background.pump.frames, PATIENCE_S)
            clock.now += 3.5
            report = background.finish(0)
    (found,) = report.connections
    assert (found.outcome, found.decided) == ("timed-out", True)
    assert report.capture.frames == 1


# The end of what is being closed


class Open:
    """A connection whose server closes on request."""

    def __init__(self, network, background):
        self.network = network
        with network.client():
            self.listener = socket.create_server(("127.0.0.1", LAST))
            self.client = socket.create_connection(("127.0.0.1", LAST))
        self.server, _ = self.listener.accept()
        self.closed_soon = threading.Thread(target=self.close_late, args=(background,))

    def close_late(self, background):
        with background._changed:
            # The handshake and the FIN of the client were read.
            background._changed.wait_for(lambda: background.pump.tcp_segments >= 4, PATIENCE_S)
        self.close()

    def close(self):
        for each in (self.client, self.server, self.listener):
            each.close()


def test_a_connection_gets_time_to_close(network):
    with Background(on_loopback(network)) as background:
        background.start()
        connection = Open(network, background)
        connection.client.shutdown(socket.SHUT_WR)
        connection.closed_soon.start()  # closes after a look at what was captured: when `finish` is waiting
        report = background.finish(LONG_S)
        connection.closed_soon.join()
    assert [each.close.how for each in report.connections] == ["fin"]


def test_finish_does_not_wait_for_a_connection_that_stays_open(network):
    with Background(on_loopback(network)) as background:
        background.start()
        connection = Open(network, background)
        report = background.finish(0.05)
        connection.close()
    (found,) = report.connections
    assert (found.outcome, found.close.how) == ("established", "open")


class Endless(io.RawIOBase):
    """An endless capture that repeats a refused attempt."""

    def __init__(self):
        self.left = captures.pcap([])
        self.again = captures.pcap([(0, frames.syn()), (1, frames.rst(seq=0, ack=1, src=frames.SERVER))])[24:]

    def readable(self):
        return True

    def readinto(self, buffer):
        self.left = self.left or self.again
        count = min(len(buffer), len(self.left))
        buffer[:count], self.left = self.left[:count], self.left[count:]
        return count


def test_waiting_is_bounded():
    """If the link is never idle and a connection never ends."""
    with Background(PipeSource(open_source(Endless(), 512), None)) as background:
        background.start()
        report = background.finish(0.01)
    assert report.capture.frames > 0
    assert background.failure is None


# What ends it


def test_a_count_and_a_duration(network):
    with Background(on_loopback(network), frames=3) as background:
        background.start()
        with network.client():
            attempt(LAST)
            attempt(LAST)
        assert background.wait(PATIENCE_S)
        assert background.finish().capture.frames == 3
    with Background(on_loopback(network), duration_s=0.05) as background:
        background.start()
        assert not background.wait(0)
        assert background.wait(PATIENCE_S)
        assert background.finish().capture.frames == 0


def test_an_interface_that_goes_away(network):
    with network.client(), Background(open_live("wire")) as background:
        background.start()
        network.client.ip("link", "del", "wire")
        try:
            assert background.wait(PATIENCE_S)
            report = background.finish()
        finally:
            network.plug()
    assert not report.capture.complete
    assert "interface-gone" in [each.kind for each in report.capture.problems]
    assert "was removed" in str(background.failure)


class Broken(PipeSource):
    """A source that fails on read."""

    def __init__(self, error):
        super().__init__(open_source(io.BytesIO(captures.pcap([(0, frames.syn())]))), None)
        self.error = error

    def fill(self):
        raise self.error


@pytest.mark.parametrize("error", [LiveError("no room"), MemoryError()])
def test_errors_of_the_thread_are_raised_by_finish(error):
    with Background(Broken(error)) as background:
        background.start()
        assert background.wait(PATIENCE_S)
        with pytest.raises(type(error)) as caught:
            background.finish()
        assert caught.value is error


def test_close_without_a_report(network):
    with network.client(), suppress(ZeroDivisionError), Background(open_live("lo")) as background:
        background.start()
        raise ZeroDivisionError
    assert background._thread is not None
    assert not background._thread.is_alive()
    background.close()  # once more


def test_pending_shows_frames_left_in_the_kernel(network):
    with on_loopback(network) as source:
        assert source.pending() is False
        with network.client():
            attempt(LAST)
        assert source.pending() is True
        watcher = Watcher(source)
        while source.pending():
            assert source.fill()
            watcher.drain()
        assert source.pending() is False
        assert [each.flags for each in watcher.seen] == [0x02, 0x14]
    assert source.pending() is False
