"""path-mtu: long packets that never get through, distinguished from loss, dead peers and offloading."""

import pytest
from support import frames
from support.detected import MS, SECOND, START, crowd, found, merged, only, repeats
from support.wire import Wire


def short(wire, number=0, size=517):
    wire.handshake().exchange(size)
    wire.close()


def long(wire, number=0, *, size=1350, copies=6):
    wire.handshake()
    repeats(wire.client, size, copies)


def between(act, *, bad=3, good=20, size=517, **words):
    """The same two hosts: `bad` wires with `act`, and `good` ones with short requests."""
    client = words.pop("address", "192.0.2.1")
    wires = crowd(good, lambda wire, n: short(wire, n, size), every=900 * MS, address=client, **words)
    for number in range(bad):
        start = wires[0].taken[0][0] + 400 * MS + number * 1500 * MS
        wire = Wire(client=(client, 50000 + number), start=start, client_isn=77 * number + 5, **words)
        act(wire, number)
        wires.append(wire)
    return merged(*wires)


def test_client_hellos_of_post_quantum_size():
    report = between(long)
    finding = only(report, "path-mtu")
    assert finding["severity"] == "warning"
    assert finding["target"] == {"ip": "198.51.100.2", "port": None}
    metrics = finding["metrics"]
    assert (metrics["connections"], metrics["largest_passed_bytes"], metrics["smallest_failed_bytes"]) == (3, 517, 1350)
    # IPv4 and TCP headers with timestamps take 52 bytes.
    assert (metrics["largest_passed_packet_bytes"], metrics["smallest_failed_packet_bytes"]) == (569, 1402)
    assert metrics["icmp_too_big"] == 0
    assert finding["title"] == (
        "Large packets do not get from 192.0.2.1 to 198.51.100.2: payloads of 517 bytes pass, those of 1,350 never, on"
        ' 3 connections; no ICMP "too big" seen'
    )
    failed = [each["id"] for each in report["connections"] if each["client"]["port"] >= 50000]
    assert finding["evidence"]["connections"] == failed
    assert metrics["clamp_mss_to"] == 1360
    assert "clamp MSS to 1360" in finding["advice"]
    assert found(report, "stalled") == []


def test_a_hello_of_two_segments_of_which_the_shorter_one_arrives():
    """The server acknowledges what lies behind the hole: one connection is proof enough."""
    wire = Wire()
    wire.handshake()
    seq = wire.client.snd_nxt
    wire.client.data(1448, lost="after", stay=True)
    wire.client.data(452)
    wire.server.ack(ack=seq, options=frames.sack((seq + 1448, seq + 1900)))
    for pause in (200, 400, 800, 1600):
        wire.wait(pause * MS)
        wire.client.data(1448, seq=seq, lost="after")
    metrics = only(wire.report(), "path-mtu")["metrics"]
    assert (metrics["connections"], metrics["smallest_failed_bytes"]) == (1, 1448)


def test_answers_that_are_too_long_over_ipv6():
    """The server's certificate does not pass, captured beside the server."""

    def answer(wire, number):
        wire.handshake()
        wire.client.data(200)
        repeats(wire.server, 1428, 5)

    words = {"address": frames.CLIENT6[0], "server": frames.SERVER6, "at": "server"}
    finding = only(between(answer, **words), "path-mtu")
    assert finding["target"] == {"ip": frames.CLIENT6[0], "port": None}
    assert finding["metrics"]["sender"] == frames.SERVER6[0]
    assert finding["metrics"]["clamp_mss_to"] == 1492 - 60


def test_the_error_that_names_the_mtu():
    wire = Wire()
    wire.handshake().exchange(10)
    repeats(wire.client, 1448, 1)
    wire.icmp_error(wire.client.packet, type=3, code=4, rest=1380)
    for pause in (400, 800, 1600, 3200):
        wire.wait(pause * MS)
        wire.client.data(1448, seq=wire.client.snd_nxt - 1448, lost="after")
    finding = only(wire.report(), "path-mtu")
    metrics = finding["metrics"]
    assert (metrics["icmp_too_big"], metrics["icmp_mtu"], metrics["clamp_mss_to"]) == (1, 1380, 1340)
    assert finding["title"].endswith('on 1 connection; 1 ICMP "too big" seen')


def test_path_mtu_discovery_that_works_is_silent():
    def discovered(wire, number):
        wire.handshake()
        seq = wire.client.snd_nxt
        wire.client.data(1448, lost="after")
        wire.icmp_error(wire.client.packet, type=3, code=4, rest=1380)
        wire.client.data(1328, seq=seq)
        wire.client.data(120)
        wire.server.ack()

    assert found(between(discovered), "path-mtu") == []


def test_probing_finds_a_size_that_passes():
    """Linux with tcp_mtu_probing=1: after some copies it tries shorter ones, which are acknowledged."""

    def probed(wire, number):
        wire.handshake()
        seq = wire.client.snd_nxt
        repeats(wire.client, 1448, 3)
        wire.wait(SECOND)
        wire.client.data(512, seq=seq)
        wire.server.ack(ack=seq + 512)

    metrics = only(between(probed), "path-mtu")["metrics"]
    assert (metrics["recovered"], metrics["smallest_failed_bytes"]) == (3, 1448)


def test_a_large_segment_whose_pieces_pass_was_only_cut_up():
    """On the sending host TSO makes segments that no wire has; what is lost of them comes again in pieces."""

    def offloaded(wire, number):
        wire.handshake()
        seq = wire.client.snd_nxt
        wire.client.data(14480, lost="after")
        for piece in range(10):
            wire.client.data(1448, seq=seq + 1448 * piece)
        wire.server.ack()

    assert found(between(offloaded), "path-mtu") == []


def test_large_segments_show_that_packets_of_the_mss_pass():
    """A dead connection beside them: its 1448 bytes were not too long."""

    def big(wire, number):
        wire.handshake().exchange(14480)
        wire.close()

    wires = crowd(10, big, every=SECOND)
    dead = Wire(client=("192.0.2.1", 50000))
    dead.handshake().exchange()
    repeats(dead.client, 1448, 6)
    report = merged(*wires, dead)
    assert found(report, "path-mtu") == []
    assert len(found(report, "stalled")) == 1


def test_segments_as_long_that_pass_elsewhere():
    assert found(between(long, size=1400), "path-mtu") == []


def test_a_dead_path_says_nothing_of_lengths():
    """All connections stall at once, and nothing comes back."""

    def cut(wire, number):
        wire.handshake().exchange()
        wire.now = wires_start + 60 * SECOND
        repeats(wire.client, 1448, 6)

    wires_start = Wire().now
    report = merged(*crowd(3, cut))
    assert found(report, "path-mtu") == []
    assert only(report, "stalled")["metrics"]["connections"] == 3


def download(wire, number=0):
    """Captured beside the server: the answer is all full segments, and the client has nothing more to say."""
    wire.handshake().client.data(300)
    repeats(wire.server, 1448, 6)


def test_a_receiver_that_comes_back_later():
    """It was alive until the long answer, and is alive afterwards."""
    for words in ({}, {"client": frames.CLIENT6, "server": frames.SERVER6}, {"timestamps": False}):
        wire = Wire(at="server", **words)
        download(wire)
        later = Wire(at="server", start=wire.now + 40 * SECOND, client_isn=99, **words)
        later.client.address = (later.client.address[0], 50000)
        short(later, size=200)
        report = merged(wire, later)
        assert only(report, "path-mtu")["metrics"]["largest_passed_bytes"] == 200
        assert found(report, "stalled") == []
    wire = Wire(at="server")
    download(wire)
    wire.quiet(60 * SECOND)
    assert [one["id"] for one in wire.report()["findings"]] == ["stalled"]  # it may have died


@pytest.mark.parametrize("pause", [5, 40])
def test_a_receiver_that_was_idle_and_comes_back_later(pause):
    """It may have been away, or a NAT may have forgotten it meanwhile."""
    wire = Wire(at="server")
    wire.handshake().client.data(300)
    wire.server.ack()
    wire.wait(pause * SECOND)
    repeats(wire.server, 1448, 6)
    later = Wire(at="server", start=wire.now + 40 * SECOND, client_isn=99)
    later.client.address = (later.client.address[0], 50000)
    short(later, size=200)
    assert found(merged(wire, later), "path-mtu") == []


def test_a_pause_before_it_is_a_better_reason():
    """Forgotten by a NAT: other connections pass short segments meanwhile."""

    def forgotten(wire, number):
        wire.handshake().exchange()
        wire.wait(600 * SECOND)
        repeats(wire.client, 1448, 6)

    wires = crowd(3, forgotten)
    others = []
    for number in range(40):
        other = Wire(client=("192.0.2.1", 41000 + number), start=wires[0].taken[0][0] + number * 20 * SECOND)
        short(other)
        others.append(other)
    report = merged(*wires, *others)
    assert found(report, "path-mtu") == []
    assert len(found(report, "stalled")) == 1


def test_short_packets_are_never_too_long():
    assert found(between(lambda wire, n: long(wire, n, size=500), size=100), "path-mtu") == []


def test_a_hole_that_opens_midway():
    """Long requests pass until a tunnel takes over; then only short ones do."""

    def moved(wire, number):
        wire.handshake().exchange(1400)
        wire.wait(5 * SECOND)
        repeats(wire.client, 1400, 6)
        wire.server.data(30)  # the way back is good, and so are the client's acknowledgments

    wires = crowd(3, moved, every=10 * MS)
    finding = only(merged(*wires), "path-mtu")
    assert (finding["metrics"]["smallest_failed_bytes"], finding["metrics"]["passed_before"]) == (1400, 3)
    assert "payloads of 1,400 bytes passed before, and no longer do" in finding["title"]


def changed(wire, number=0, *, copies=6, alive=True):
    """Long requests pass, and then, on the same connection, none."""
    wire.handshake()
    for _ in range(3):
        wire.exchange(1400)
    wire.wait(2 * SECOND)
    repeats(wire.client, 1400, copies)
    if alive:
        wire.server.data(30)


def kept_open(number, **words):
    """A connection of the same hosts, from before: long requests at first, short ones later."""
    wire = Wire(client=("192.0.2.1", 45000 + number), client_isn=number, **words).handshake()
    for _ in range(3):
        wire.exchange(1400)
    for _ in range(30):
        wire.wait(SECOND)
        wire.exchange(100)
    return wire


def begun_later(number, size):
    wire = Wire(client=("192.0.2.1", 46000 + number), client_isn=number, start=START + (3 + number) * SECOND)
    return wire.handshake().exchange(size).close()


def test_connections_from_before_the_path_changed_say_nothing_of_it():
    wires = [*crowd(2, changed, every=10 * MS), kept_open(1), kept_open(2)]
    for more in ([], [begun_later(n, 200) for n in range(8)]):
        report = merged(*wires, *more)
        assert only(report, "path-mtu")["metrics"]["connections"] == 2
        assert found(report, "stalled") == []


def test_answers_that_pass_no_more():
    def answer(wire, number):
        wire.handshake()
        for _ in range(3):
            wire.client.data(50)
            wire.server.data(1400)
            wire.client.ack()
        wire.wait(2 * SECOND)
        wire.client.data(50)
        repeats(wire.server, 1400, 6)
        wire.client.data(50)

    report = merged(*crowd(2, answer, every=10 * MS, at="server"), kept_open(1, at="server"))
    assert only(report, "path-mtu")["metrics"]["direction"] == "198.51.100.2 > 192.0.2.1"


def test_an_error_midway_that_the_sender_ignores():
    wire = Wire().handshake()
    for _ in range(3):
        wire.exchange(1400)
    wire.wait(2 * SECOND)
    repeats(wire.client, 1400, 1)
    wire.icmp_error(wire.client.packet, type=3, code=4, rest=1300)
    for pause in (400, 800, 1600, 3200):
        wire.wait(pause * MS)
        wire.client.data(1400, seq=wire.client.snd_nxt - 1400, lost="after")
    metrics = only(merged(wire, kept_open(1)), "path-mtu")["metrics"]
    assert (metrics["icmp_too_big"], metrics["icmp_mtu"], metrics["passed_before"]) == (1, 1300, 1)


def test_a_sender_that_goes_on_with_less():
    wire = Wire()
    changed(wire, copies=4, alive=False)
    seq = wire.client.snd_nxt - 1400
    wire.wait(4 * SECOND)
    for size in (512, 512, 376):
        wire.client.data(size, seq=seq)
        seq += size
        wire.server.ack(ack=seq)
    metrics = only(merged(wire, kept_open(1)), "path-mtu")["metrics"]
    assert (metrics["recovered"], metrics["passed_before"]) == (1, 1)


def test_long_segments_that_pass_on_what_began_later():
    """It is that connection, not the path."""
    wires = [*crowd(2, changed, every=10 * MS), kept_open(1)]
    report = merged(*wires, *(begun_later(n, 1400) for n in range(3)))
    assert found(report, "path-mtu") == []
    assert len(found(report, "stalled")) == 1


def test_a_connection_that_is_lost_midway():
    """Nothing more is seen of it: a device between forgot it, perhaps."""
    report = merged(*crowd(2, lambda wire, n: changed(wire, alive=False), every=10 * MS), kept_open(1))
    assert found(report, "path-mtu") == []


def test_a_few_repeats_are_loss():
    report = merged(*crowd(2, lambda wire, n: changed(wire, copies=3), every=10 * MS), kept_open(1))
    assert found(report, "path-mtu") == []


def test_a_firewall_that_forgot_the_long_uploads():
    """What they send had passed before; new requests, all short, go on."""

    def upload(wire, number):
        wire.handshake()
        for _ in range(3):
            wire.client.data(1448)
            wire.server.ack()
        wire.wait(100 * MS)
        repeats(wire.client, 1448, 6)

    report = between(upload)
    assert found(report, "path-mtu") == []
    assert len(found(report, "stalled")) == 1


def test_short_segments_that_vanish_too():
    """Then the length is not the reason."""

    def vanished(wire, number):
        wire.handshake().exchange()
        repeats(wire.client, 1350 if number else 90, 6)

    assert found(between(vanished), "path-mtu") == []
