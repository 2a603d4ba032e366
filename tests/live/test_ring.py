"""The kernel's ring: stripped tags are restored, drops are counted, and its end is reported."""

import random
import socket
import struct
import subprocess
import threading

import pytest
from live.network import CLIENT, LAST, SERVER, Watcher, network_layer

from handshake_inspect.errors import LiveError
from handshake_inspect.live import packet_socket
from handshake_inspect.live.ring import RingReader
from handshake_inspect.live.session import open_live

SYN = bytes.fromhex("4500002800000000400600000a5d07010a5d0702") + struct.pack(
    "!HHIIBBHHH", 4000, LAST, 1, 0, 0x50, 0x02, 1024, 0, 0
)
ADDRESSES = bytes.fromhex("020000000001 020000000002")


def send(host, *frames):
    with host(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("wire", 0))
        for frame in frames:
            sender.send(frame)


@pytest.mark.parametrize("tag", ["8100 2064", "88a8 0064", "8100 0000"])
@pytest.mark.parametrize("interface", ["wire", "any"])
def test_a_vlan_tag_is_restored(network, tag, interface):
    sent = ADDRESSES + bytes.fromhex(tag) + b"\x08\x00" + SYN
    with network.server(), open_live(interface) as source:
        watcher = Watcher(source)
        send(network.client, sent)
        watcher.until(lambda watcher: watcher.seen).finish()
    data, wire_len = watcher.captured[0], watcher.wire_lengths[0]
    if interface == "wire":
        assert data[: len(sent)] == sent
        assert wire_len == len(data)
    else:
        assert data[:2] + data[20:22] == bytes.fromhex(tag)
        assert wire_len == len(data)
        assert data[4:8] == struct.pack("!I", index_of(network.server, "wire"))
    assert network_layer(data, source.link_types[0]) == (0x0800, data[-len(SYN) :])


def index_of(host, name):
    with host():
        return socket.if_nametoindex(name)


def test_double_tags_are_preserved(network):
    sent = ADDRESSES + bytes.fromhex("88a8 0007 8100 0009 0800") + SYN
    with network.server(), open_live("wire") as source:
        watcher = Watcher(source)
        send(network.client, sent)
        watcher.until(lambda watcher: watcher.seen).finish()
    assert watcher.captured[0][: len(sent)] == sent


def test_a_vlan_filter_works_on_stripped_tags(network):
    tagged = [ADDRESSES + b"\x81\x00" + struct.pack("!H", vlan) + b"\x08\x00" + SYN for vlan in (5, 6)]
    with network.server(), open_live("wire", filter_text="vlan 6 and tcp") as source:
        watcher = Watcher(source)
        send(network.client, ADDRESSES + b"\x08\x00" + SYN, *tagged)
        watcher.until(lambda watcher: watcher.seen).finish()
    assert [data[: len(tagged[1])] for data in watcher.captured] == [tagged[1]]


def test_handshakes_only(network):
    with network.client(), open_live("wire", handshakes_only=True, filter_text="tcp") as source:
        watcher = Watcher(source)
        network.exchange()
        watcher.until_last().finish()
    assert len(watcher.seen) > 10
    assert all(each.payload == 0 or each.flags & 7 for each in watcher.seen)
    assert {each.source[0] for each in watcher.seen} > {CLIENT, SERVER}  # and the two of IPv6
    assert sum(each.flags == 0x12 for each in watcher.seen) == 2


def test_drops_are_counted(network):
    """The reader sleeps while more frames arrive than the ring holds."""
    frame = ADDRESSES + b"\x08\x00" + SYN + bytes(1400)
    with network.server(), open_live("wire", ring_mib=1, snap_len=0, filter_text=f"port {LAST}") as source:
        watcher = Watcher(source)
        send(network.client, *[frame] * 2000)
        watcher.finish()
        received, dropped = source.counters()
    assert received == 2000
    assert dropped == received - len(watcher.captured)
    assert 0 < dropped < 2000
    assert source.counters() == (received, dropped)  # also when it is closed


def test_frames_in_many_blocks_are_complete_and_in_order(network):
    payloads = [random.Random(number).randbytes(number % 900) for number in range(3000)]
    frames = [ADDRESSES + b"\x12\x34" + struct.pack("!I", number) + each for number, each in enumerate(payloads)]
    with network.server(), open_live("wire", ring_mib=2, snap_len=0) as source:
        watcher = Watcher(source)
        for start in range(0, len(frames), 500):
            send(network.client, *frames[start : start + 500])
            watcher.until(lambda watcher, goal=start + 500: len(ours(watcher)) >= goal)
        watcher.finish()
        assert source.counters().dropped == 0
    assert ours(watcher) == frames
    assert watcher.times == sorted(watcher.times)


def ours(watcher):
    return [data for data in watcher.captured if data[12:14] == b"\x12\x34"]


def test_promiscuous_mode_is_optional(network):
    def count():
        command = ["ip", "-n", network.client.name, "-d", "link", "show", "wire"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return int(said.split("promiscuity ")[1].split()[0])

    with network.client():
        with open_live("wire"):
            assert count() == 1
        assert count() == 0
        with open_live("wire", promiscuous=False):
            assert count() == 0


def test_stop_from_another_thread_ends_a_wait(network):
    with network.client(), open_live("lo") as source:
        stopper = threading.Thread(target=source.stop)
        stopper.start()
        assert not source.fill()
        stopper.join()
        assert source.failure is None


def test_an_interface_that_is_down(network):
    network.client.ip("link", "add", "dull", "type", "veth", "peer", "name", "dull1")
    try:
        with network.client(), pytest.raises(LiveError, match=r"^dull: is down; .*ip link set dull up$"):
            open_live("dull")
    finally:
        network.client.ip("link", "del", "dull")


def test_an_interface_that_goes_down_and_is_then_removed(network):
    network.client.ip("link", "add", "frail", "type", "veth", "peer", "name", "frail1")
    network.client.ip("link", "set", "frail", "up")
    network.client.ip("link", "set", "frail1", "up")
    with network.client(), open_live("frail") as source:
        watcher = Watcher(source)
        network.client.ip("link", "set", "frail", "down")
        while not source.problems:
            if source.wait(1):
                assert source.fill()
                watcher.drain()
        assert source.problems[0].message == "frail: the interface went down; capturing goes on when it is up again"
        assert source.failure is None
        network.client.ip("link", "set", "frail", "up")
        network.client.ip("link", "del", "frail")
        watcher.to_the_end()
        assert "removed" in str(source.failure)
        assert not source.complete
        assert source.wait(0)


@pytest.mark.parametrize(
    ("mib", "message"), [(0, "too small"), (1 << 20, "too large: it can be .* MiB at most"), (1 << 40, "too large")]
)
def test_invalid_ring_sizes(network, mib, message):
    with network.client(), pytest.raises(LiveError, match=f"^lo: a ring of {mib} MiB is {message}"):
        open_live("lo", ring_mib=mib)


def test_the_default_ring_is_limited_by_free_memory(network, monkeypatch):
    monkeypatch.setattr(packet_socket, "_affordable_mib", lambda: 3)
    with network.client(), open_live("lo") as source:
        assert len(source.reader.buffer) == 3 << 20


# The reader alone, over a ring that is not the kernel's

HEADERS = 68


def block(*frames, size=4096, count=None):
    """Build a block as the kernel writes it; a frame is (bytes, changes to its header)."""
    out = bytearray(size)
    struct.pack_into("=5I", out, 0, 1, 48, 1, len(frames) if count is None else count, 48)
    at = 48
    for data, changes in frames:
        header = {
            "next": 96 + HEADERS + len(data),
            "mac": HEADERS + 24,
            "captured": len(data),
            "status": 0,
        } | changes
        struct.pack_into(
            "=6I2H", out, at, header["next"], 7, 9, header["captured"], 60, header["status"], header["mac"], 0
        )
        out[at + HEADERS + 24 : at + HEADERS + 24 + len(data)] = data
        at += header["next"]
    return out


def read(ring, link_type=1):
    reader = RingReader(ring, link_type, 0)
    reader.set_block(0, len(ring))
    found = []
    while reader.advance():
        found.append(bytes(ring[reader.frame_start : reader.frame_end]))
        assert reader.ts_ns == 7_000_000_009
    return found, reader


def test_frames_of_a_block():
    found, reader = read(block((b"one", {}), (b"second", {})))
    assert found == [b"one", b"second"]
    assert reader.frames == 2
    assert reader.problems == []
    assert reader.incomplete_at() == -1


@pytest.mark.parametrize(
    "changes",
    [
        {"next": 0},
        {"next": 8},
        {"next": 2**32 - 1},
        {"mac": 10},
        {"mac": 65535},
        {"captured": 5000},
        {"captured": 2**32 - 1},
    ],
)
def test_invalid_headers_end_the_block(changes):
    ring = block((b"frame", {}), (b"bad", {}), (b"never", {}))
    found, reader = read(ring)
    assert len(found) == 3
    second = 48 + 96 + HEADERS + 5
    for name, value in changes.items():
        place, form = {"next": (0, "=I"), "captured": (12, "=I"), "mac": (24, "=H")}[name]
        struct.pack_into(form, ring, second + place, value)
    found, reader = read(ring)
    assert found[0] == b"frame"
    assert len(found) < 3
    assert reader.bad_timestamps == 1


def test_more_frames_than_the_block_holds():
    found, reader = read(block((b"frame", {}), count=1000))
    assert found == [b"frame"]
    assert len(reader.problems) == 1


@pytest.mark.parametrize("link_type", [1, 276])
def test_any_bytes_at_all(link_type):
    for seed in range(300):
        chance = random.Random(seed)
        ring = bytearray(chance.randbytes(2048))
        struct.pack_into("=2I", ring, 12, chance.randrange(50), chance.choice([48, chance.randrange(2048)]))
        if seed % 2:  # believable headers with anything behind them
            at = 48
            while at + 300 < len(ring):
                struct.pack_into("=I", ring, at, 288)
                struct.pack_into("=I", ring, at + 12, chance.randrange(150))
                struct.pack_into("=H", ring, at + 24, chance.randrange(60, 120))
                at += 288
        reader = RingReader(ring, link_type, 0)
        reader.set_block(0, len(ring))
        while reader.advance():
            assert 0 <= reader.frame_start <= reader.frame_end <= len(ring)


def test_a_block_outside_the_ring():
    reader = RingReader(bytearray(4096), 1, 0)
    for place, size in ((4096, 4096), (-1, 100), (0, 10), (0, 5000)):
        with pytest.raises(ValueError, match="no such block"):
            reader.set_block(place, size)
    reader.detach()
    assert reader.advance() == 0
