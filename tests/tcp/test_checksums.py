"""Segments that were damaged on the way: whose checksum shows it, and what is left of them."""

import io

import pytest
from support import captures
from support.detected import found, merged
from support.frames import SERVER
from support.wire import MS, SECOND, START, Wire, report_of, states

from handshake_inspect.engine import analyze

ETHERNET = 14


@pytest.mark.parametrize(
    ("byte", "kind", "letter"),
    [(ETHERNET + 8, "bad-ip-checksum", ""), (ETHERNET + 20 + 32 + 5, "bad-checksum", "C")],
    ids=["IP header", "payload"],
)
def test_a_damaged_segment_is_left_out(byte, kind, letter):
    """Its receiver drops it; Zeek drops a wrong IP header before its connections see it."""
    wire = Wire().handshake().exchange()
    wire.client.data(100)
    taken = wire.frames()
    when, frame = taken[-1]
    broken = bytearray(frame)
    broken[byte] ^= 0x10
    report = report_of(captures.pcap([*taken[:-1], (when, bytes(broken))], nano=True))
    (connection,) = report["connections"]
    assert [(problem["kind"], problem["frame"]) for problem in report["capture"]["problems"]] == [(kind, len(taken))]
    assert connection["client_to_server"]["bytes"] == 100
    assert connection["aliases"]["zeek"]["history"] == "ShADd" + letter


def test_what_was_damaged_and_sent_again_is_a_retransmission():
    wire = Wire().handshake().exchange()
    wire.client.data(100, lost="after")
    wire.wait(300 * MS)
    wire.client.data(100, seq=wire.client.snd_nxt - 100)
    wire.server.ack()
    wire.exchange()
    taken = wire.frames()
    when, frame = taken[6]
    taken[6] = (when, frame[:-1] + b"?")
    (connection,) = report_of(captures.pcap(taken, nano=True))["connections"]
    assert connection["client_to_server"]["retransmissions"] == 1
    assert connection["client_to_server"]["bytes"] == 300
    assert connection["client_to_server"]["out_of_order"] == 0


def test_what_was_damaged_for_the_capture_only():
    """It is acknowledged, so that nothing is missing."""
    wire = Wire().handshake().exchange()
    wire.exchange()
    wire.close()
    taken = wire.frames()
    when, frame = taken[6]
    taken[6] = (when, frame[:-1] + b"?")
    (connection,) = report_of(captures.pcap(taken, nano=True))["connections"]
    assert connection["client_to_server"]["retransmissions"] == 0
    assert connection["close"]["how"] == "fin"
    assert states(connection) == ("TIME_WAIT", "CLOSED")


def in_time(frames):
    return sorted(frames, key=lambda each: each[0])


def spoiled(frames, sender):
    """The same frames with wrong checksums in all that one host sent, as a capture before its network card may have."""
    taken = []
    for when, frame in frames:
        mine = frame[ETHERNET + 12 : ETHERNET + 16] == bytes(map(int, sender.split(".")))
        data = bytearray(frame)
        if mine:
            data[ETHERNET + 20 + 16] ^= 0x5A
        taken.append((when, bytes(data)))
    return taken


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_host_whose_checksums_are_never_right_is_seen(who):
    """Among many connections whose checksums are all right: it is judged by its own."""
    many = [frame for n in range(40) for frame in Wire(client=("192.0.2.9", 4000 + n)).handshake().exchange().frames()]
    odd = Wire(client=("192.0.2.77", 4000), server=("198.51.100.77", 443)).handshake().exchange().close()
    address = odd.client.address[0] if who == "client" else odd.server.address[0]
    report = report_of(captures.pcap(in_time([*many, *spoiled(odd.frames(), address)]), nano=True))
    (mine,) = [one for one in report["connections"] if one["client"]["ip"] == "192.0.2.77"]
    assert (mine["outcome"], mine["roles"], mine["close"]["how"]) == ("established", "observed", "fin")
    assert mine["rtt"]["total"]["method"] == "exact"
    assert (mine["client_to_server"]["bytes"], mine["server_to_client"]["bytes"]) == (100, 100)


def test_a_refusal_of_what_was_captured_with_a_wrong_checksum():
    others = [frame for n in range(40) for frame in Wire(client=("192.0.2.9", 4000 + n)).handshake().frames()]
    wire = Wire(client=("192.0.2.77", 4000))
    wire.client.syn()
    wire.server.refuse()
    report = report_of(captures.pcap(in_time([*others, *spoiled(wire.frames(), "192.0.2.77")]), nano=True))
    (mine,) = [one for one in report["connections"] if one["client"]["ip"] == "192.0.2.77"]
    assert (mine["outcome"], mine["cause"]) == ("refused", "closed-port")


def test_a_damaged_first_segment_of_a_host_that_is_known_is_left_out():
    """Its SYN was damaged, and sent again; the host's other connections have right checksums."""
    before = Wire(client=("192.0.2.77", 3999)).handshake().frames()
    wire = Wire(client=("192.0.2.77", 4000), start=before[-1][0] + MS)
    wire.client.syn(lost="after")
    damaged = spoiled(wire.frames(), "192.0.2.77")
    wire.taken.clear()
    wire.wait(1000 * MS)
    wire.handshake()
    report = report_of(captures.pcap([*before, *damaged, *wire.frames()], nano=True))
    mine = report["connections"][-1]
    assert (mine["outcome"], mine["handshake"]["syn_count"]) == ("established", 1)


@pytest.mark.parametrize("hosts", [("192.0.2.9", "192.0.2.77"), ("2001:db8::9", "2001:db8::77")], ids=["IPv4", "IPv6"])
def test_what_a_guest_sends_to_its_neighbour_is_seen_though_others_get_right_checksums(hosts):
    """Between guests of one machine nobody fills checksums in; to the outside a network card does."""
    away, near = hosts
    server = ("198.51.100.2" if "." in away else "2001:db8:ffff::2", 443)
    wires = [Wire(client=(away, 4000 + n), server=server).handshake().exchange() for n in range(20)]
    for number in range(5):
        wire = Wire(client=(near, 5000 + number), server=server)
        wire.client.syn()
        wire.server.syn_ack(tcp_checksum="bad")
        wire.client.data(100)
        wire.server.data(200, tcp_checksum="bad")
        wire.client.fin()
        wire.server.fin(tcp_checksum="bad")
        wire.client.ack()
        wires.append(wire)
    report = merged(*wires)
    mine = [one for one in report["connections"] if one["client"]["ip"] == near]
    assert {(one["outcome"], one["close"]["how"], one["server_to_client"]["bytes"]) for one in mine} == {
        ("established", "fin", 200)
    }
    assert found(report, "capture-quality") == []


def served(client, **words):
    """A connection of this client: enough to know how both ends fill in their checksums."""
    return Wire(client=(client, 4000), **words).handshake().frames()


def test_a_host_stays_known_whoever_else_comes():
    """Of eight hosts with right checksums each sends damaged segments, after thousands of others came by."""
    known = [f"192.0.2.{77 + n}" for n in range(8)]
    early = [frame for client in known for frame in served(client)]
    strangers = [frame for n in range(2200) for frame in served(f"10.1.{n >> 8}.{n & 0xFF}", start=START + SECOND)]
    late = [
        frame
        for n, client in enumerate(known)
        for frame in spoiled(served(client, start=START + 2 * SECOND, server=(SERVER[0], 81), client_isn=n), client)
    ]
    report = analyze([io.BytesIO(captures.pcap(in_time([*early, *strangers, *late]), nano=True))])
    damaged = [one for one in report.connections if one.server.port == 81]
    assert [one.handshake.syn_count for one in damaged] == [0] * len(known)


def test_the_neighbour_of_a_host_that_is_known():
    """Its address is one more and its TTL one less; its checksums are never right, and it is read."""
    wire = Wire(client=("192.0.2.78", 4000), start=START + SECOND)
    wire.client.ttl = 63
    wire.handshake().exchange()
    frames = [*served("192.0.2.77"), *spoiled(wire.frames(), "192.0.2.78")]
    report = report_of(captures.pcap(frames, nano=True))
    (mine,) = [one for one in report["connections"] if one["client"]["ip"] == "192.0.2.78"]
    assert (mine["roles"], mine["client_to_server"]["bytes"]) == ("observed", 100)
