"""Frames with several segments, or parts of one: A-MSDUs and IP fragments."""

import random
import struct

import pytest
from support import captures, frames
from support.frames import CLIENT, CLIENT6, SERVER, SERVER6
from support.wire import MS, SECOND, START, Wire, report_of

from handshake_inspect.decode import fragments

V6 = {"client": CLIENT6, "server": SERVER6}


def split(packet, size, ident=77):
    """Split an IP packet into fragments of `size` bytes."""
    if packet[0] >> 4 == 4:
        body, src, dst = packet[20:], CLIENT[0], SERVER[0]
        if packet[12:16] != frames.address(src):
            src, dst = dst, src
        return [
            frames.ipv4(
                src, dst, 6, body[at : at + size], ident=ident, fragment_offset=at, dont_fragment=False,
                more_fragments=at + size < len(body),
            )
            for at in range(0, len(body), size)
        ]  # fmt: skip
    body, src, dst = packet[40:], CLIENT6[0], SERVER6[0]
    if packet[8:24] != frames.address(src):
        src, dst = dst, src
    return [
        frames.ipv6(
            src, dst, 6, body[at : at + size],
            extensions=[frames.fragment_header(at, more=at + size < len(body), ident=ident)],
        )
        for at in range(0, len(body), size)
    ]  # fmt: skip


def taken(wire, which, size, order=None, twice=False, link=frames.ethernet):
    """Return the captured frames, with segments number `which` fragmented."""
    out = []
    for number, (when, _, packet) in enumerate(sorted(wire.taken, key=lambda each: each[0])):
        pieces = [packet]
        if number in which:
            pieces = split(packet, size, 77 + number)
            pieces = pieces if order is None else [pieces[i] for i in order]
        for piece in pieces:
            out += [(when, link(piece))] * (2 if twice else 1)
    return out


def connection_of(timed, **header):
    report = report_of(captures.pcap(timed, nano=True, **header))
    (connection,) = report["connections"]
    return connection, report["capture"]


def conversation(**words):
    wire = Wire(timestamps=True, **words).handshake()
    wire.client.data(3000)
    wire.server.ack()
    wire.exchange()
    wire.close()
    return wire


@pytest.mark.parametrize("ends", [{}, V6], ids=["v4", "v6"])
@pytest.mark.parametrize("order", [None, [2, 1, 0], [1, 0, 2], [0, 2, 1]])
@pytest.mark.parametrize("twice", [False, True])
def test_the_bytes_of_later_fragments_count(ends, order, twice):
    wire = conversation(**ends)
    connection, capture = connection_of(taken(wire, {3}, 1480, order, twice))
    client = connection["client_to_server"]
    assert client["bytes"] == 3100
    assert (client["retransmissions"], client["out_of_order"]) == (0, 0)
    assert connection["close"]["how"] == "fin"
    assert capture["problems"] == []
    whole = wire.connection()
    for key in ("outcome", "cause", "state", "rtt"):
        assert connection[key] == whole[key]


@pytest.mark.parametrize("ends", [{}, V6], ids=["v4", "v6"])
@pytest.mark.parametrize("size", [8, 16, 24])
def test_a_fragmented_header_is_reassembled(ends, size):
    wire = conversation(**ends)
    connection, capture = connection_of(taken(wire, {0, 1, 2, 7}, size))
    assert connection["outcome"] == "established"
    assert connection["handshake"]["client_options"] == wire.connection()["handshake"]["client_options"]
    assert connection["client_to_server"]["bytes"] == 3100
    assert connection["client_to_server"]["retransmissions"] == 0
    assert capture["problems"] == []


LINKS = {
    "two tags": (frames.qinq, frames.LINK_ETHERNET),
    "cooked": (frames.sll, frames.LINK_SLL),
    "raw": (frames.raw, frames.LINK_RAW),  # whose versions the packets say themselves
    "loopback": (frames.null, frames.LINK_NULL),
}


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("ends", [{}, V6], ids=["v4", "v6"])
def test_fragments_behind_another_link_layer(name, ends):
    link, link_type = LINKS[name]
    connection, _ = connection_of(taken(conversation(**ends), {0, 3}, 16, link=link), link_type=link_type)
    assert connection["client_to_server"]["bytes"] == 3100


def test_a_fin_after_the_data_of_later_fragments():
    wire = Wire().handshake()
    wire.client.send("FPA", 3000)
    wire.server.fin()
    wire.client.ack()
    connection, _ = connection_of(taken(wire, {3}, 1480))
    assert connection["state"] == {"client": "TIME_WAIT", "server": "CLOSED"}
    assert connection["client_to_server"]["bytes"] == 3000
    assert connection["client_to_server"]["retransmissions"] == 0


def test_a_fragmented_retransmission_counts_once():
    wire = Wire().handshake()
    wire.client.data(3000, lost="after")
    wire.wait(SECOND)
    wire.client.data(3000, seq=wire.client.snd_nxt - 3000)
    wire.server.ack()
    wire.exchange()
    connection, _ = connection_of(taken(wire, {3, 4}, 1480))
    assert connection["client_to_server"]["retransmissions"] == 1
    assert connection["client_to_server"]["bytes"] == 6100


def test_a_port_filter_passes_only_first_fragments():
    timed = taken(conversation(), {3}, 1480)
    connection, _ = connection_of([*timed[:4], *timed[6:]])
    assert connection["outcome"] == "established"
    assert connection["client_to_server"]["bytes"] == 1480 - 32 + 100


def test_incomplete_datagrams_are_reported():
    timed = taken(conversation(), {3}, 1480)
    _, capture = connection_of([*timed[:4], *timed[5:]])
    assert [(problem["kind"], problem["message"][:7]) for problem in capture["problems"]] == [("fragments", "1 frame")]


def test_fragments_time_out_after_30_s_of_capture_time():
    first, *later = split(frames.syn(link=frames.raw, options=frames.mss(1460)), 8)
    late = [(START + 31 * SECOND + at, frames.ethernet(piece)) for at, piece in enumerate(later)]
    report = report_of(captures.pcap([(START, frames.ethernet(first)), *late], nano=True))
    assert report["connections"] == []


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(fragments, "MAX_DATAGRAMS", 8)
    pieces = [split(frames.syn(link=frames.raw), 8, ident)[0] for ident in range(100)]
    timed = [(START + at * MS, frames.ethernet(piece)) for at, piece in enumerate(pieces)]
    assert report_of(captures.pcap(timed, nano=True))["connections"] == []


def test_hostile_fragments():
    """Overlaps, gaps, impossible lengths: there is a report, and no segment is longer than a packet."""
    random_ = random.Random(9)
    timed = []
    for at in range(2000):
        body = random_.randbytes(random_.choice([0, 1, 8, 24, 100]))
        piece = frames.ipv4(
            CLIENT[0], SERVER[0], 6, body, ident=random_.randrange(3), dont_fragment=False,
            fragment_offset=random_.choice([0, 0, 8, 16, 24, 65_528]), more_fragments=random_.random() < 0.7,
        )  # fmt: skip
        timed.append((START + at, frames.ethernet(piece)))
    report = report_of(captures.pcap(timed, nano=True))
    assert all(connection["client_to_server"]["bytes"] < 2000 * 65_536 for connection in report["connections"])


def amsdu(*packets):
    """An 802.11 QoS data frame with several packets."""
    out = struct.pack("<H", 0x0188) + b"\0" * 22 + b"\x80\0"
    for packet in packets:
        msdu = b"\xaa\xaa\x03\0\0\0" + struct.pack(">H", frames.ethertype_of(packet)) + packet
        out += b"\0" * (-(len(out) - 26) % 4) + b"\0" * 12 + struct.pack(">H", len(msdu)) + msdu
    return out


def test_every_packet_of_an_amsdu():
    wire = Wire().handshake()
    for size in (501, 502, 503):
        wire.client.data(size, stay=True)
    wire.wait(40 * MS)
    wire.server.ack()
    packets = [(when, packet) for when, _, packet in sorted(wire.taken, key=lambda each: each[0])]
    arp = frames.ipv4(CLIENT[0], SERVER[0], 17, b"\0" * 8)
    timed = [(when, amsdu(arp, packet)) for when, packet in packets[:3]]
    timed.append((packets[3][0], amsdu(*(packet for _, packet in packets[3:6]))))
    timed += [(when, amsdu(packet)) for when, packet in packets[6:]]
    connection, capture = connection_of(timed, link_type=105)
    assert connection["rtt"]["ackdat"]["method"] == "exact"
    assert connection["client_to_server"]["bytes"] == 501 + 502 + 503
    assert connection["client_to_server"]["frames"] == 5
    assert capture["tcp_segments"] == 7
    assert capture["problems"] == []


def test_an_amsdu_with_more_packets_than_a_batch():
    packets = [frames.syn((CLIENT[0], 2000 + port), SERVER, link=frames.raw) for port in range(300)]
    report = report_of(captures.pcap([(START, amsdu(*packets))], nano=True, link_type=105))
    assert len(report["connections"]) == 300
