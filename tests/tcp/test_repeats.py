"""Segments that say nothing new: retransmissions, copies of a packet, keep-alives, window probes, late ones."""

import pytest
from support import captures, frames
from support.wire import MS, SECOND, START, Wire, merged, report_of, states

NONE = {"retransmissions": 0, "out_of_order": 0, "duplicates": 0, "keep_alives": 0}


def counted(wire, who="client", **words):
    connection = wire.connection(**words)
    direction = connection["client_to_server" if who == "client" else "server_to_client"]
    return {key: direction[key] for key in NONE}


def opened(**words):
    return Wire(**words).handshake().exchange()


def test_nothing_is_repeated():
    wire = opened().exchange(50_000).close()
    assert counted(wire) == counted(wire, "server") == NONE


def test_data_sent_again():
    wire = opened()
    seq = wire.client.snd_nxt
    wire.client.data(1000, lost="after")
    wire.wait(200 * MS)
    wire.client.data(1000, seq=seq)
    wire.server.ack()
    assert counted(wire) == NONE | {"retransmissions": 1}


def test_the_first_copy_was_lost_before_the_capture():
    """The capture shows a hole that is filled late: sent again, for other segments came and a timer passed."""
    wire = opened(at="server")
    seq = wire.client.snd_nxt
    wire.client.data(1000, lost="before", stay=True)
    wire.client.data(1000, stay=True)
    wire.client.data(1000, stay=True)
    wire.wait(20 * MS)
    wire.server.ack(ack=seq)
    wire.server.ack(ack=seq)
    wire.wait(200 * MS)
    wire.client.data(1000, seq=seq)
    assert counted(wire) == NONE | {"retransmissions": 1}


@pytest.mark.parametrize("marks", [{}, {"timestamps": False}, {"ident": False}, {"timestamps": False, "ident": False}])
def test_a_segment_that_was_only_overtaken(marks):
    wire = opened(at="server", **marks)
    wire.client.data(1000, later=MS, stay=True)
    wire.client.data(1000, stay=True)
    wire.wait(30 * MS)
    assert counted(wire) == NONE | {"out_of_order": 1}


@pytest.mark.parametrize("marks", [{}, {"timestamps": False}, {"ident": False}])
def test_a_needless_repair_of_the_first_of_two_segments_that_were_overtaken(marks):
    """The receiver asked for it before it asked for the other, and both came meanwhile."""
    wire = opened(at="server", **marks)
    first = wire.client.snd_nxt
    asked = {23: 1, 24: 1, 25: 6, 34: 12, 35: 12, 36: 17}  # milliseconds: the segment that the receiver waits for
    for at in range(60):
        if at == 45:
            wire.client.data(1000, seq=first + 1000, stay=True)
        wire.client.data(1000, seq=first + 1000 * at, stay=True, later=4 * MS + MS // 2 if at in (1, 12) else 0)
        if at in asked:
            wire.server.ack(ack=first + 1000 * asked[at], stay=True)
        wire.wait(MS)
    assert counted(wire) == NONE | {"retransmissions": 1, "out_of_order": 2}


@pytest.mark.parametrize("marks", [{}, {"timestamps": False}, {"ident": False}, {"timestamps": False, "ident": False}])
@pytest.mark.parametrize("what", ["syn", "syn_ack", "ack", "data", "fin"])
def test_a_packet_that_the_network_doubled(what, marks):
    """Frames are counted, what happened is not."""
    wire = Wire(**marks)
    twice = {name: {"times": 2 if name == what else 1} for name in ("syn", "syn_ack", "ack", "data", "fin")}
    wire.client.syn(**twice["syn"])
    wire.server.syn_ack(**twice["syn_ack"])
    wire.client.ack(**twice["ack"])
    wire.client.data(100, **twice["data"])
    wire.server.data(100)
    wire.client.fin(**twice["fin"])
    wire.server.fin()
    wire.client.ack()
    connection = wire.connection()
    who = "server" if what == "syn_ack" else "client"
    assert counted(wire, who) == NONE | {"duplicates": 1}
    assert (connection["handshake"]["syn_count"], connection["handshake"]["synack_count"]) == (1, 1)
    assert connection["client_to_server"]["bytes"] == 100
    assert connection["rtt"]["total"]["method"] == "exact"
    assert states(connection) == ("TIME_WAIT", "CLOSED")


def routed(frame):
    """The frame behind a router."""
    head = frame[14:22] + bytes([frame[22] - 1]) + frame[23:24] + b"\0\0" + frame[26:34]
    return frame[:14] + head[:10] + frames.checksum(head).to_bytes(2, "big") + head[12:] + frame[34:]


def test_both_sides_of_a_router():
    """`-i any` on a router: every packet twice, the second time with a TTL one lower."""
    wire = Wire(at="middle").handshake().exchange().close()
    one = wire.frames()
    both = sorted([*one, *((ns + 20_000, routed(frame)) for ns, frame in one)], key=lambda each: each[0])
    (connection,) = report_of(captures.pcap(both, nano=True))["connections"]
    assert connection["client_to_server"]["retransmissions"] == connection["server_to_client"]["retransmissions"] == 0
    assert connection["client_to_server"]["duplicates"] == wire.connection()["client_to_server"]["frames"]
    assert connection["outcome"] == "established"
    assert connection["handshake"]["syn_count"] == 1
    assert states(connection) == ("TIME_WAIT", "CLOSED")


@pytest.mark.parametrize("garbage", [0, 1])
def test_keep_alives(garbage):
    """One byte below SND.NXT, with one byte of garbage or none (RFC 9293 section 3.8.4)."""
    wire = opened()
    seq = wire.client.snd_nxt - 1
    for _ in range(3):
        wire.wait(75 * SECOND)
        wire.client.send("A", garbage, seq=seq)
        wire.server.ack()
    assert counted(wire) == NONE | {"keep_alives": 3}
    assert counted(wire, "server") == NONE
    assert states(wire.connection()) == ("ESTABLISHED", "ESTABLISHED")


def test_a_zero_window_and_its_probes():
    wire = opened()
    wire.client.data(1000)
    wire.server.ack(window=0)
    seq = wire.client.snd_nxt - 1
    for pause in (200, 400, 800):
        wire.wait(pause * MS)
        wire.client.ack(seq=seq)
        wire.server.ack(window=0)
    wire.server.ack(window=500)
    wire.exchange()
    connection = wire.connection()
    assert counted(wire) == NONE
    assert connection["server_to_client"]["zero_windows"] == 4
    assert connection["server_to_client"]["zero_window_ns"] == 1400 * MS + 7 * wire.delay  # each segment takes it
    assert connection["client_to_server"]["zero_window_ns"] == 0
    assert connection["close"]["how"] == "open"


@pytest.mark.parametrize("opens", ["A", "data", None])
def test_how_long_a_window_was_zero(opens):
    """Until it opens, whatever opens it, else until the last segment; opened for a while it does not count."""
    wire = opened()
    for _ in range(2):
        wire.client.data(1000)
        wire.server.ack(window=0)
        wire.wait(300 * MS)
        if opens == "A":
            wire.server.ack(window=500)
        elif opens:
            wire.server.data(10)
        else:
            wire.client.data(1, seq=wire.client.snd_nxt - 1)
            break
        wire.wait(900 * MS)
    shut = 2 * (300 * MS + wire.delay) if opens else 300 * MS  # captured beside the client, whose segments take no time
    assert wire.connection()["server_to_client"]["zero_window_ns"] == shut


def test_a_window_probe_of_a_byte_is_sent_again_with_the_rest():
    """The receiver had to refuse the byte: that it comes again shows no loss (Wireshark says the same)."""
    wire = opened()
    wire.client.data(1000)
    wire.server.ack(window=0)
    seq = wire.client.snd_nxt
    for pause in (200, 400):
        wire.wait(pause * MS)
        wire.client.data(1, seq=seq)
        wire.server.ack(window=0, ack=seq)
    wire.server.ack(ack=seq)
    wire.client.data(500, seq=seq)
    wire.server.ack()
    assert counted(wire) == NONE


def test_a_keep_alive_that_is_never_answered_ends_in_a_rst():
    wire = opened()
    for _ in range(3):
        wire.wait(SECOND)
        wire.client.ack(seq=wire.client.snd_nxt - 1, lost="after")
    wire.client.rst_ack()
    connection = wire.connection()
    assert counted(wire)["keep_alives"] == 3
    assert connection["cause"] == "dead-peer"
    assert connection["close"] == {"how": "timeout", "first": None, "reset_by": None}


def test_the_same_in_two_files():
    """Two capture points merged: the copies lie a good part of the path's delay apart, and nobody repeated anything."""
    near, far = Wire(at="client"), Wire(at="server")
    for wire in (near, far):
        wire.handshake().exchange().close()
    (connection,) = merged(near, far)["connections"]
    assert connection["client_to_server"]["retransmissions"] == 0
    assert connection["server_to_client"]["retransmissions"] == 0
    assert connection["outcome"] == "established"
    assert connection["handshake"]["syn_count"] == 1


def test_a_gso_segment_far_above_the_mtu():
    wire = opened()
    wire.client.data(60_000)
    wire.server.ack()
    assert wire.connection()["client_to_server"]["bytes"] == 60_100


def test_data_over_the_wrap():
    wire = Wire(client_isn=0xFFFF_FFFF - 5000).handshake()
    for _ in range(10):
        wire.client.data(1000)
    seq = wire.client.snd_nxt
    wire.client.data(1000, seq=seq - 1000)
    wire.server.ack(ack=seq)
    assert counted(wire) == NONE | {"retransmissions": 1}


def test_a_datagram_of_others_is_a_frame_and_no_segment():
    report = opened().quiet(SECOND).report()
    assert report["capture"]["frames"] == report["capture"]["tcp_segments"] + 1
    assert report["capture"]["first_ns"] == START
    assert frames.udp()


def test_repeated_acks_with_other_sack_blocks_are_no_copies():
    """Without an IP identification, and in one tick of the clock, nothing else distinguishes them."""
    wire = Wire(client=frames.CLIENT6, server=frames.SERVER6).handshake().exchange()
    stamp = frames.timestamps(wire.client.tsval, wire.client.echo)
    for number in range(1, 12):
        blocks = frames.nop(2) + frames.sack((8000, 8000 + 1440 * number))
        wire.client.ack(options=stamp + blocks, stay=True)
        wire.now += 1000
    assert wire.connection()["client_to_server"]["duplicates"] == 0
