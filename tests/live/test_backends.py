"""All backends capture the same frames of the same traffic, on a cable, on loopback and on all interfaces."""

import socket
import time
from contextlib import ExitStack, suppress

import pytest
from live.network import CLIENT, CLOSED, LAST, OPEN, SERVER, SERVER6, Watcher, needs

from handshake_inspect.engine.pump import Pump
from handshake_inspect.errors import LiveError, UsageError
from handshake_inspect.live.child import installed
from handshake_inspect.live.session import BACKENDS, open_live
from handshake_inspect.tcp.tracker import Tracker

OURS = f"tcp and (host {SERVER} or host {SERVER6})"
backends = pytest.mark.parametrize("backend", BACKENDS)


@pytest.mark.parametrize("interface", ["wire", "any"])
def test_all_backends_see_the_same(network, interface):
    with ExitStack() as stack:
        watchers = {}
        with network.client():
            for backend in BACKENDS:
                if backend == "ring" or installed(backend):
                    source = stack.enter_context(open_live(interface, backend=backend, filter_text=OURS))
                    watchers[backend] = Watcher(source)
        begun = time.time_ns()
        network.exchange()
        ended = time.time_ns()
        for watcher in watchers.values():
            watcher.until_last().finish()
            assert watcher.source.complete
            assert watcher.source.problems == []
    ring = watchers["ring"]
    assert {(each.source, each.flags) for each in ring.seen if each.source[1] in (CLOSED, LAST)} == {
        ((SERVER, CLOSED), 0x14),
        ((SERVER, LAST), 0x14),
    }
    # Two handshakes, data both ways and the ends of both.
    assert sum(each.flags == 0x12 for each in ring.seen) == 2
    assert sum(each.payload for each in ring.seen if each.destination in ((SERVER, OPEN), (SERVER6, OPEN))) == 4000
    for backend, watcher in watchers.items():
        assert sorted(watcher.seen) == sorted(ring.seen), backend
        assert begun <= min(watcher.times) <= max(watcher.times) <= ended, backend


@backends
def test_loopback_frames_once(network, backend):
    needs(backend)
    with network.client(), open_live("lo", backend=backend, filter_text=f"port {LAST}") as source:
        watcher = Watcher(source)
        with suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", LAST))
        watcher.until_last().finish()
        assert [each.flags for each in watcher.seen] == [0x02, 0x14]
        assert source.link_types == [1]
        assert source.name == "lo"


@backends
def test_no_traffic_of_the_backend_itself_on_loopback(network, backend):
    """A tshark that captures by itself runs androiddump, which connects to port 5037 of this host."""
    needs(backend)
    with network.client(), open_live("lo", backend="ring") as beside, open_live("lo", backend=backend) as source:
        watchers = [Watcher(beside), Watcher(source)]
        with suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", LAST))
        for watcher in watchers:
            watcher.until_last().finish()
    assert [[each.flags for each in watcher.seen] for watcher in watchers] == [[0x02, 0x14]] * 2


def test_loopback_frames_once_on_any(network):
    with network.client(), open_live("any") as source:
        watcher = Watcher(source)
        with suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", LAST))
        watcher.until_last().finish()
        assert [each.flags for each in watcher.seen] == [0x02, 0x14]


@backends
def test_outgoing_and_incoming_frames(network, backend):
    needs(backend)
    with network.server(), open_live("wire", backend=backend, filter_text=f"tcp port {LAST}") as source:
        watcher = Watcher(source)
        network.knock(LAST)
        watcher.until_last().finish()
    assert [(each.source[0], each.flags) for each in watcher.seen] == [(CLIENT, 0x02), (SERVER, 0x14)]
    # tcpdump's default there is the older cooked header on `any`; on a cable nothing is cooked.
    assert source.link_types == [1]


@backends
def test_counters_of_received_frames(network, backend):
    needs(backend)
    with network.client(), open_live("wire", backend=backend, filter_text="tcp") as source:
        watcher = Watcher(source)
        network.exchange()
        watcher.until_last().finish()
    assert source.counters() == (len(watcher.seen), 0)
    assert (source.received, source.dropped) == source.counters()


@backends
def test_snap_length(network, backend):
    needs(backend)
    with network.client(), open_live("wire", backend=backend, filter_text="tcp", snap_len=70) as source:
        watcher = Watcher(source)
        network.exchange()
        watcher.until_last().finish()
    assert max(map(len, watcher.captured)) == 70
    assert max(watcher.wire_lengths) >= 1000
    assert all(seen >= len(data) for seen, data in zip(watcher.wire_lengths, watcher.captured, strict=True))


@backends
def test_the_pump_tracks_captured_frames(network, backend):
    needs(backend)
    pump = Pump(Tracker(1 << 16))
    with (
        network.client(),
        open_live("wire", backend="ring", filter_text="tcp") as beside,
        open_live("wire", backend=backend, filter_text="tcp") as source,
    ):
        network.exchange()
        frames = len(Watcher(beside).until_last().captured)
        while pump.frames < frames:  # a program that is stopped sooner loses what it has not written
            assert source.fill()
            pump.drain(source.reader)
        source.stop()
        while source.fill():
            pump.drain(source.reader)
    assert pump.tcp_segments == pump.frames == source.received


@backends
def test_no_frames_after_stop(network, backend):
    needs(backend)
    with network.client(), open_live("wire", backend=backend, filter_text="tcp") as source:
        watcher = Watcher(source)
        network.knock(LAST)
        watcher.until_last().finish()
        network.knock(LAST)
        assert not source.fill()
        assert source.wait(0)  # the answer, that there is nothing, is there at once
        assert [each.flags for each in watcher.seen] == [0x02, 0x14]
        source.stop()  # twice is once


@backends
def test_wait_times_out_on_an_idle_link(network, backend):
    needs(backend)
    with network.client(), open_live("lo", backend=backend) as source:
        watcher = Watcher(source)
        while source.wait(0):  # a program's first block is the header of its file
            assert source.fill()
            watcher.drain()
        assert not source.wait(0.01)
        assert watcher.seen == []


@backends
def test_no_such_interface(network, backend):
    needs(backend)
    with network.client(), pytest.raises(LiveError, match=r"^wira: no such interface; did you mean wire\?.*$"):
        open_live("wira", backend=backend)


@backends
def test_an_invalid_filter_is_rejected_with_libpcap_s_message(network, backend):
    needs(backend)
    with network.client(), pytest.raises(UsageError, match=r"^filter 'tcp prot 80': .*syntax error.*$") as refused:
        open_live("lo", backend=backend, filter_text="tcp prot 80")
    assert "\n" not in str(refused.value)


@backends
def test_an_interface_by_its_number(network, backend):
    needs(backend)
    with network.client(), open_live("1", backend=backend) as source:
        assert source.name == "lo"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backend": "pcap"}, "--backend pcap: no such backend; choose from ring, dumpcap, tcpdump, tshark"),
        ({"snap_len": -1}, "a snap length of -1 bytes: must be from 0"),
        ({"snap_len": 300_000}, "a snap length of 300000 bytes: must be from 0"),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(UsageError, match=message):
        open_live("lo", **arguments)
