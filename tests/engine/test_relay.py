"""Tracking in a second thread gives the same rows, and its exceptions are raised in the decoding thread."""

import ctypes
import threading

import pytest
from support.samples import DIRECTORY

from handshake_inspect.about import build
from handshake_inspect.capture import read_ahead
from handshake_inspect.capture.source import open_source
from handshake_inspect.engine import counters
from handshake_inspect.engine import relay as relays
from handshake_inspect.engine.draining import drain, follow
from handshake_inspect.engine.prefault import LARGE_PAGE, Prefaulter
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.relay import PURE_SLOTS, SLOTS, Relay
from handshake_inspect.tcp.tracker import Tracker

NAMES = sorted(path.name for path in DIRECTORY.glob("*.pcap*"))[::9]
KINDS = ("connection", "endpoint", "embryo", "alias", "retry", "aftermath")


@pytest.fixture
def pump():
    return Pump(Tracker(4096))


@pytest.fixture(params=[PURE_SLOTS, SLOTS])
def relay(request, pump):
    """A relay with a running tracking thread."""
    if request.param > PURE_SLOTS and build() == "pure":
        pytest.skip("the pure build has fewer slots")
    relay = pump.start_relay(request.param)
    thread = threading.Thread(target=follow, args=(relay,))
    thread.start()
    yield relay
    relay.close()
    thread.join()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Use blocks of a few frames."""
    monkeypatch.setattr(read_ahead, "BLOCK", 1 << 10)


def rows(table):
    """Return the bytes of all rows."""
    kept = {f"{kind}_rows": table for kind in KINDS} | {"exchange_rows": table.setups, "setup_rows": table.setups}
    return {name: bytes(getattr(owner, name)) for name, owner in kept.items()}


def pumped(pump, name):
    """Pump a sample and return the rows."""
    with open_source(DIRECTORY / name) as source:
        source.read_ahead()
        drain(pump, source.reader)
        while source.fill():
            drain(pump, source.reader)
        if pump.relay is not None:
            pump.relay.finish()
    return rows(pump.tracker.table)


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_the_same(pump, relay, name):
    assert pumped(pump, name) == pumped(Pump(Tracker(4096)), name)
    assert pump.frames


def test_a_tracking_failure_is_raised_in_the_decoding_thread(pump, relay):
    relay.fail(MemoryError("no more rows"))
    with pytest.raises(MemoryError, match="no more rows"):
        pumped(pump, NAMES[0])


@pytest.mark.skipif(build() == "compiled", reason="C calls the method itself")
def test_the_decoding_thread_does_not_wait_for_a_failed_thread(monkeypatch):
    pump = Pump(Tracker(4096))
    tracking = threading.Thread(target=follow, args=(pump.start_relay(PURE_SLOTS),))
    monkeypatch.setattr(Tracker, "track_all", lambda *_: 1 // 0)
    tracking.start()
    with pytest.raises(ZeroDivisionError):
        pumped(pump, NAMES[0])
    tracking.join(60)
    assert not tracking.is_alive()


@pytest.mark.skipif(build() == "compiled", reason="C calls the method itself")
@pytest.mark.parametrize(("slots", "batches"), [(2, 1), (16, 2), (128, 16)])
def test_the_tracking_thread_is_woken_for_an_eighth_of_the_slots(monkeypatch, slots, batches):
    relay, woken = Relay(Tracker(16), 1, slots), []
    monkeypatch.setattr(relay, "wake", lambda: woken.append(relay.decoded))
    counters.publish(relay.counters, relays.SLEEPING, 1)
    for _ in range(batches):
        relay.put(1)
    assert woken == [batches]


def test_batches_enqueued_before_close_are_tracked(pump):
    relay = pump.start_relay(PURE_SLOTS)
    with open_source(DIRECTORY / "refused.pcap") as source:
        while source.fill():
            drain(pump, source.reader)
        relay.close()
        follow(relay)
    assert pump.tracker.table.begun


def test_prefaulting_does_not_change_rows(pump):
    """Prefaulting has no visible effect, except that it must not touch written rows."""
    prefault = Prefaulter(pump.tracker.table)
    before = pumped(pump, NAMES[0])
    prefault.advance()
    assert rows(pump.tracker.table) == before


@pytest.mark.parametrize("used", [0, 1])
def test_no_page_beyond_the_rows_is_prefaulted(monkeypatch, pump, used):
    asked = []
    monkeypatch.setattr("handshake_inspect.engine.prefault._populate", lambda start, size: asked.append((start, size)))
    prefault = Prefaulter(pump.tracker.table)
    for array in prefault._arrays:
        array._used = lambda array=array: used * (array._end - array._start) // array._width
    prefault.advance()
    prefault.advance()
    table = pump.tracker.table
    dense = (table.connection_rows, table.endpoint_rows, table.embryo_rows)
    within = [range(ctypes.addressof(each), ctypes.addressof(each) + ctypes.sizeof(each) + 1) for each in dense]
    assert all(any(start in each and start + size in each for each in within) for start, size in asked)
    assert len(asked) == len({start for start, _ in asked})
    assert all(start % LARGE_PAGE == 0 for start, _ in asked)
