"""A firewall that rewrites sequence numbers, captured on both sides: each connection is one, each packet seen twice."""

import random
import struct

import pytest
from support import captures, frames
from support.tracked import tracked
from support.wire import MS, SECOND, Wire, report_of, states

US = 1000
ASA = 2_111_444_333  # what it adds to the client's numbers
OTHER = 987_654_321  # and to the server's, where it rewrites both


def rewritten(packet, *, seq=0, ack=0, hops=0, clamp=None, ident=None, sacks=True, strip_window=None):
    """An IP packet as it is on the other side of the firewall."""
    six = packet[0] >> 4 == 6
    at = 40 if six else (packet[0] & 15) * 4
    head, tcp = bytearray(packet[:at]), bytearray(packet[at:])
    head[7 if six else 8] -= hops
    if ident is not None and not six:
        head[4:6] = struct.pack(">H", ident)
    flags = tcp[13]
    if tcp[4:8] != bytes(4) or not flags & frames.RST:  # a closed port has no number
        tcp[4:8] = struct.pack(">I", (int.from_bytes(tcp[4:8], "big") + seq) & 0xFFFFFFFF)
    if flags & frames.ACK:
        tcp[8:12] = struct.pack(">I", (int.from_bytes(tcp[8:12], "big") + ack) & 0xFFFFFFFF)
    i, end = 20, (tcp[12] >> 4) * 4
    while i < end and tcp[i]:
        if tcp[i] == 1:
            i += 1
            continue
        if tcp[i] == 2 and clamp:
            tcp[i + 2 : i + 4] = struct.pack(">H", clamp)
        if tcp[i] == 5 and sacks:
            for block in range(i + 2, i + tcp[i + 1], 4):
                tcp[block : block + 4] = struct.pack(
                    ">I", (int.from_bytes(tcp[block : block + 4], "big") + ack) & 0xFFFFFFFF
                )
        i += tcp[i + 1]
    if not six:
        head[10:12] = b"\0\0"
        head[10:12] = struct.pack(">H", frames.checksum(bytes(head)))
    tcp[16:18] = b"\0\0"
    source, destination = (head[8:24], head[24:40]) if six else (head[12:16], head[16:20])
    pseudo = bytes(source + destination) + (
        struct.pack(">IHBB", len(tcp), 0, 0, 6) if six else struct.pack(">HH", 6, len(tcp))
    )
    tcp[16:18] = struct.pack(">H", frames.checksum(pseudo + bytes(tcp)))
    return bytes(head + tcp)


def both(wire, *, client=ASA, server=0, hops=1, lag=60 * US, skew=0, idents=None, lost=(), **words):
    """What is captured beside the client, and beyond the firewall, whose capture point's clock is ahead by `skew`."""
    out = []
    for number, (ns, name, packet) in enumerate(sorted(wire.taken, key=lambda each: each[0])):
        out.append((ns, wire.link(packet)))
        if number in lost or name not in {"client", "server"}:
            continue
        ident = next(idents) if idents else None
        if name == "client":
            there = rewritten(packet, seq=client, ack=server, hops=hops, ident=ident, **words)
            out.append((ns + lag + skew, wire.link(there)))
        else:
            there = rewritten(packet, seq=server, ack=client, hops=-hops, ident=ident, **words)
            out.append((ns - lag + skew, wire.link(there)))
    return sorted(out, key=lambda each: each[0])


def seen_from_outside(wire, **words):
    """The same, where the capture begins with the packet beyond the firewall."""
    words["client"], words["server"] = -words.get("client", ASA), -words.get("server", 0)
    return both(wire, **words)


def connections(taken):
    return report_of(captures.pcap(taken, nano=True))


def held(wire, **words):
    """One connection, as if it had been captured once, of which each packet was captured twice."""
    report = connections(both(wire, **words))
    once = wire.connection()
    assert len(report["connections"]) == 1, [(one["outcome"], one["cause"]) for one in report["connections"]]
    (connection,) = report["connections"]
    for key in ("outcome", "cause", "decided", "state", "close"):
        assert connection[key] == once[key], key
    for way in ("client_to_server", "server_to_client"):
        for key in ("retransmissions", "out_of_order", "bytes", "keep_alives", "zero_windows"):
            assert connection[way][key] == once[way][key], (way, key)
        assert connection[way]["duplicates"] == once[way]["frames"], way
        assert connection[way]["frames"] == 2 * once[way]["frames"], way
    assert connection["handshake"]["syn_count"] == once["handshake"]["syn_count"]
    assert connection["handshake"]["synack_count"] == once["handshake"]["synack_count"]
    assert connection["rtt"]["total"]["method"] == once["rtt"]["total"]["method"]
    found = {finding["id"] for finding in report["findings"]} - {"capture-quality"}
    assert found == {finding["id"] for finding in wire.report()["findings"]} - {"capture-quality"}
    return connection


REWRITERS = {
    "the client's": {},
    "the server's": {"client": 0, "server": OTHER},
    "both": {"server": OTHER},
    "downwards": {"client": -ASA & 0xFFFFFFFF},
    "by half the space": {"client": 1 << 31},
    "beyond the wrap": {"client": 0xFFFFFFFF - 5000, "server": 0x7FFF0000},
}
MARKS = {
    "all": {},
    "no timestamps": {"timestamps": False},
    "no IP ID": {"ident": False},
}


@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("rewriter", REWRITERS)
def test_a_whole_connection(rewriter, marks):
    wire = Wire(**MARKS[marks]).handshake().exchange().exchange(3000).close()
    held(wire, **REWRITERS[rewriter])


@pytest.mark.parametrize("hops", [1, 0])
@pytest.mark.parametrize("lag", [60 * US, 4 * MS])
@pytest.mark.parametrize("rewriter", REWRITERS)
def test_nothing_but_time_and_numbers(rewriter, lag, hops):
    """IPv6, no timestamps: the hop limit is all there is, and a transparent firewall leaves even that alone."""
    wire = Wire(client=frames.CLIENT6, server=frames.SERVER6, timestamps=False).handshake().exchange().close()
    if not hops and rewriter == "beyond the wrap":
        pytest.skip("a second attempt of one clock looks the same")
    held(wire, hops=hops, lag=lag, **REWRITERS[rewriter])


@pytest.mark.parametrize("apart", [10 * MS, 300 * US])
def test_another_answer_that_does_not_come_as_late_as_the_syn(apart):
    """A second point had the SYN 4 ms later, so that a SYN-ACK with another ISN would come there as late."""
    wire = Wire(timestamps=False, ident=False)
    wire.client.syn(stay=True)
    wire.now += 4 * MS
    wire.client.syn(again=True)
    wire.server.syn_ack(stay=True)
    wire.now += apart
    wire.server.syn_ack(seq=2_000_000_000, stay=True, window=wire.server.window + (apart < MS))
    wire.wait(wire.delay)
    wire.client.ack(ack=5001)
    assert "address-conflict" in {finding["id"] for finding in wire.quiet(SECOND).report()["findings"]}


@pytest.mark.parametrize("rewriter", REWRITERS)
@pytest.mark.parametrize(
    "words",
    [{"hops": 0}, {"clamp": 1380}, {"hops": 3, "lag": 4 * MS}, {"sacks": False}, {"idents": range(1, 60_000, 777)}],
    ids=["transparent", "clamped", "far", "no SACK", "other IP IDs"],
)
def test_how_firewalls_differ(rewriter, words):
    wire = Wire().handshake().exchange().exchange(3000).close()
    if "idents" in words:
        if rewriter == "the server's":
            pytest.skip("nothing shows that both SYNs are one")
        words = words | {"idents": iter(words["idents"])}
    held(wire, **words | REWRITERS[rewriter])


@pytest.mark.parametrize("rewriter", ["the client's", "both"])
def test_a_transparent_firewall_and_windows(rewriter):
    """No timestamps, no hop; the server (Linux) has no IP ID."""
    wire = Wire(timestamps=False)
    wire.server.ident = 0
    held(wire.handshake().exchange().close(), hops=0, **REWRITERS[rewriter])


@pytest.mark.parametrize("rewriter", REWRITERS)
@pytest.mark.parametrize("skew", [-5 * MS, -50 * US, 5 * MS], ids=str)
def test_clocks_that_differ(rewriter, skew):
    """Where the second point's clock is behind, the packet beyond the firewall comes first."""
    held(Wire().handshake().exchange().close(), skew=skew, **REWRITERS[rewriter])


@pytest.mark.parametrize("rewriter", ["the client's", "both", "beyond the wrap"])
def test_a_capture_of_clocks_that_differ_by_more_than_the_round_trip(rewriter):
    report = connections(both(Wire(delay=MS).handshake().exchange().close(), skew=8 * MS, **REWRITERS[rewriter]))
    assert [one["outcome"] for one in report["connections"]] == ["established"]


@pytest.mark.parametrize("rewriter", REWRITERS)
def test_segments_lost_and_sent_again(rewriter):
    wire = Wire().handshake()
    seq = wire.client.snd_nxt
    wire.client.data(1000, lost="after")
    wire.client.data(1000)
    for _ in range(3):
        sack = frames.nop(2) + frames.sack((seq + 1000, seq + 2000)) + wire.server.options(frames.ACK)
        wire.server.ack(ack=seq, options=sack)
    wire.wait(MS)
    wire.client.data(1000, seq=seq)
    wire.server.ack(ack=seq + 2000)
    wire.close()
    connection = held(wire, **REWRITERS[rewriter])
    assert connection["client_to_server"]["retransmissions"] == 1


@pytest.mark.parametrize("rewriter", REWRITERS)
@pytest.mark.parametrize("sacks", [True, False])
def test_sack_is_read_in_the_numbers_of_the_first_point(sacks, rewriter):
    """Whether the firewall rewrites it or leaves it alone."""
    wire = Wire().handshake()
    seq = wire.client.snd_nxt
    wire.client.data(1000, lost="after")
    wire.client.data(1000)
    wire.server.ack(ack=seq, options=frames.nop(2) + frames.sack((seq + 1000, seq + 2000)))
    table = tracked(*both(wire, sacks=sacks, **REWRITERS[rewriter]))
    assert table.order_rows[0].sacked[0] == seq + 2000


@pytest.mark.parametrize("rewriter", REWRITERS)
@pytest.mark.parametrize("marks", MARKS)
def test_a_window_of_segments_between_both_points(rewriter, marks):
    """Twelve are seen at one point before the first of them at the other."""
    wire = Wire(**MARKS[marks]).handshake().exchange()
    for _ in range(12):
        wire.server.data(1400, stay=True)
        wire.now += 10 * US
    wire.wait(40 * MS)
    wire.client.ack()
    held(wire.close(), lag=800 * US, **REWRITERS[rewriter])


@pytest.mark.parametrize("rewriter", REWRITERS)
def test_syns_sent_again(rewriter):
    wire = Wire()
    wire.client.syn(lost="after")
    wire.wait(SECOND)
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack()
    held(wire.exchange().close(), **REWRITERS[rewriter])


@pytest.mark.parametrize("rewriter", ["the client's", "both"])
@pytest.mark.parametrize("tries", [1, 2, 4])
def test_nothing_answers(rewriter, tries):
    wire = Wire()
    for _ in range(tries):
        wire.client.syn(lost="after")
        wire.wait(SECOND)
    held(wire.quiet(4 * SECOND), **REWRITERS[rewriter])


def test_refused():
    wire = Wire()
    wire.client.syn()
    wire.server.refuse()
    held(wire)


def test_refused_and_the_first_try_again_of_windows():
    wire = Wire()
    for _ in range(3):
        wire.client.syn()
        wire.server.refuse()
        wire.wait(500 * MS)
    held(wire)


@pytest.mark.parametrize("rewriter", REWRITERS)
def test_reset_after_data(rewriter):
    wire = Wire().handshake().exchange()
    wire.client.rst()
    held(wire, **REWRITERS[rewriter])


def test_aborted():
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.rst(seq=wire.client.isn + 1)
    held(wire)


@pytest.mark.parametrize("rewriter", REWRITERS)
def test_a_syn_ack_that_comes_again(rewriter):
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack(lost="after")
    wire.wait(SECOND)
    wire.server.syn_ack()
    wire.client.ack()
    held(wire.exchange().close(), **REWRITERS[rewriter])


@pytest.mark.parametrize("rewriter", REWRITERS)
def test_fast_open(rewriter):
    wire = Wire()
    wire.client.syn(size=200, options=wire.client.options(frames.SYN) + frames.fast_open(b"cookie88"))
    wire.server.syn_ack(ack=wire.client.isn + 201)
    wire.client.ack()
    held(wire.exchange().close(), **REWRITERS[rewriter])


@pytest.mark.parametrize("rewriter", REWRITERS)
def test_keep_alives_and_the_windows_probes(rewriter):
    wire = Wire().handshake().exchange()
    seq = wire.client.snd_nxt - 1
    for _ in range(3):
        wire.wait(75 * SECOND)
        wire.client.send("A", 1, seq=seq)
        wire.server.ack()
    held(wire.close(), **REWRITERS[rewriter])


@pytest.mark.parametrize("rewriter", REWRITERS)
@pytest.mark.parametrize("pause", [0, 10 * SECOND, 90 * SECOND], ids=str)
@pytest.mark.parametrize("how", ["fin", "fin of the server", "rst", "refused"])
def test_the_port_is_used_again(how, pause, rewriter):
    """Two connections, each of them captured twice, and the firewall chooses other numbers for each.

    Where the server closed first, its TIME-WAIT may still drop the SYN (RFC 9293 section 3.6.1).
    """
    wire = Wire()
    if how == "refused":
        wire.client.syn()
        wire.server.refuse()
    else:
        wire.handshake().exchange()
        wire.client.rst() if how == "rst" else wire.close("client" if how == "fin" else "server")
    first = both(wire, **REWRITERS[rewriter])
    wire.wait(pause)
    wire.client.isn, wire.server.isn = 3_000_000_000, 2_000_000_000
    wire.client.snd_nxt, wire.server.snd_nxt, wire.client.rcv_nxt, wire.server.rcv_nxt = (
        wire.client.isn,
        wire.server.isn,
        0,
        0,
    )
    wire.taken = []
    wire.handshake().exchange().close()
    offsets = {
        key: (value * 3 + 77) & 0xFFFFFFFF if value else 0
        for key, value in ({"client": ASA, "server": 0} | REWRITERS[rewriter]).items()
    }
    report = connections(first + both(wire, **offsets))
    assert [one["outcome"] for one in report["connections"]] == [
        "refused" if how == "refused" else "established",
        "established",
    ]
    for one in report["connections"]:
        for way in ("client_to_server", "server_to_client"):
            assert one[way]["retransmissions"] == 0
            assert 2 * one[way]["duplicates"] == one[way]["frames"]
    assert states(report["connections"][1]) == ("TIME_WAIT", "CLOSED")


@pytest.mark.parametrize("rewriter", REWRITERS)
@pytest.mark.parametrize("marks", [{}, {"timestamps": False}, {"ident": False}], ids=str)
@pytest.mark.parametrize("first", ["client", "server"])
def test_a_capture_that_begins_later(first, marks, rewriter):
    wire = Wire(**marks, client_isn=0x7000_0000, server_isn=0x1000_0000).handshake().exchange()
    wire.taken = []
    if first == "server":
        wire.server.data(300)
        wire.client.ack()
    held(wire.exchange().exchange(2000).close(), **REWRITERS[rewriter])


def test_an_error_about_the_syn_beyond():
    """The router is outside and quotes what it saw."""
    wire = Wire()
    wire.client.syn(lost="after")
    taken = both(wire)
    outside = taken[1][1][14:]
    wire.icmp_error(outside, code=13, reporter="192.0.2.254")
    taken.append((wire.now, wire.link(wire.taken[-1][2])))
    (connection,) = connections(taken)["connections"]
    assert (connection["outcome"], connection["cause"]) == ("rejected", "admin-prohibited")


def test_many_connections_of_many_numbers():
    """Whatever it adds."""
    chance = random.Random(8)
    for _ in range(40):
        wire = Wire(
            client_isn=chance.getrandbits(32), server_isn=chance.getrandbits(32), delay=chance.choice([MS, 30 * MS])
        )
        wire.handshake().exchange(chance.randrange(1, 9000)).close()
        held(
            wire,
            client=chance.getrandbits(32) | 1 << 22,
            server=chance.choice([0, chance.getrandbits(32) | 1 << 22]),
            lag=chance.randrange(2, 900) * US,
        )


# What is no rewriting.


def attempts(*syns):
    """SYNs of one 4-tuple: (after so many ns, words)."""
    wire = Wire(delay=100 * MS)
    for after, words in syns:
        wire.now += after
        wire.client.syn(lost="after", stay=True, **words)
    return [one["outcome"] for one in wire.quiet(4 * SECOND).connections()]


@pytest.mark.parametrize(
    "words",
    [
        {"ident": 1001},  # the next packet of the same host
        {"ident": 0},
        {"ident": 0, "options": frames.mss(1460)},
        {"ident": 1001, "ttl": 200},
        {"ident": 1000, "options": frames.mss(1460)},  # not the same offers
        {"ident": 1000, "options": frames.linux_syn_options(700_001)},  # another time
        {"ident": 1000, "options": b"", "ttl": 64},
    ],
    ids=range(7),
)
def test_a_second_attempt_at_once(words):
    """A script that binds its port closes one attempt and makes another."""
    assert attempts((0, {}), (MS, {"seq": 3_000_000_000} | words)) == ["timed-out", "timed-out"]


def test_a_second_attempt_later():
    """One IP ID for all, as some tools have it, and 30 ms."""
    assert attempts((0, {"ident": 7}), (30 * MS, {"seq": 3_000_000_000, "ident": 7})) == ["timed-out"] * 2


@pytest.mark.parametrize("timestamps", [True, False])
def test_a_second_attempt_of_a_clock(timestamps):
    """RFC 6528: the ISN is one of a clock that goes at 250 kHz or so; IPv6, within one tick of the timestamps."""
    wire = Wire(client=frames.CLIENT6, server=frames.SERVER6, timestamps=timestamps)
    wire.client.syn(lost="after", stay=True)
    wire.now += 300 * US
    wire.client.syn(seq=wire.client.isn + 75, lost="after", stay=True)
    assert len(wire.quiet(4 * SECOND).connections()) == 2


@pytest.mark.parametrize("options", [b"", frames.mss(1460), frames.linux_syn_options(5)], ids=["none", "MSS", "all"])
@pytest.mark.parametrize("ident", [0, 54321], ids=["0", "54321"])
def test_a_flood_from_one_port(options, ident):
    """Each with another ISN, all else alike."""
    chance = random.Random(3)
    seen = attempts(
        *((50 * US, {"seq": chance.getrandbits(32), "ident": ident, "options": options}) for _ in range(100))
    )
    assert len(seen) >= 99


def test_a_second_attempt_after_a_refusal():
    """Within a millisecond, on the same host: the IP ID decides."""
    wire = Wire(delay=50 * US)
    for isn in (1000, 3_000_000_000, 1_500_000_000):
        wire.client.rcv_nxt = wire.server.rcv_nxt = 0
        wire.client.syn(seq=isn)
        wire.server.refuse(ack=isn + 1)
    assert [one["outcome"] for one in wire.connections()] == ["refused"] * 3


def test_two_connections_of_one_port_that_began_before():
    """A capture that begins with the end of one and the middle of another: no rewriting."""
    wire = Wire(client_isn=1000, server_isn=0x6000_0000).handshake().exchange()
    wire.taken = []
    wire.client.fin(stay=True)
    wire.now += MS
    wire.client.data(50, seq=2_000_000_000, ack=1_000_000_000, stay=True)
    (connection,) = wire.connections()
    assert connection["client_to_server"]["duplicates"] == 0


@pytest.mark.parametrize("timestamps", [True, False])
def test_two_hosts_own_the_address(timestamps):
    """One SYN, two answers: not one answer twice, also where the capture has two points."""
    wire = Wire(timestamps=timestamps)
    wire.server.ident = 0
    wire.client.syn()
    wire.server.syn_ack(stay=True)
    wire.now += 300 * US
    wire.server.clock += 777_777
    wire.server.syn_ack(seq=2_000_000_000, stay=True)
    wire.now += 40 * MS
    wire.client.ack(ack=5001)
    wire.client.rst(seq=1001)
    report = wire.report()
    assert "address-conflict" in {finding["id"] for finding in report["findings"]}


def conflict(at, *, apart, marks):
    """Two hosts answer, and the one whose ISN the client did not take knows nothing of its ACK."""
    wire = Wire(at=at, **marks)
    wire.client.syn()
    wire.server.syn_ack(stay=True)
    wire.now += apart
    wire.server.syn_ack(seq=2_000_000_000, stay=True)
    wire.wait(wire.delay)
    wire.client.ack(ack=5001)
    for pause in (1, 2):
        wire.wait(pause * SECOND)
        wire.server.syn_ack(seq=2_000_000_000)
        wire.client.ack(ack=5001)
    return wire.quiet(9 * SECOND)


@pytest.mark.parametrize("marks", [{}, {"ident": False}, {"timestamps": False, "ident": False}], ids=str)
@pytest.mark.parametrize("apart", [10 * US, 300 * US])
@pytest.mark.parametrize("skew", [0, -50 * MS, 50 * MS])
def test_two_hosts_own_the_address_at_two_points(skew, apart, marks):
    """Each answer passes both points as it is: no firewall between them rewrites the server's numbers."""
    near, far = (conflict(at, apart=apart, marks=marks) for at in ("client", "server"))
    taken = near.frames() + [(ns + skew, frame) for ns, frame in far.frames()]
    report = connections(sorted(taken, key=lambda each: each[0]))
    (connection,), (once,) = report["connections"], near.connections()
    assert (connection["outcome"], connection["cause"]) == (once["outcome"], once["cause"])
    found = {finding["id"] for finding in report["findings"]} - {"capture-quality"}
    assert found == {"address-conflict"}


def synproxy(*, exchanges=3):
    """What a SYN proxy (SYNPROXY of Linux) does, captured on both sides of it: its own ISN for the server's."""
    wire = Wire(delay=0, timestamps=False, server_isn=0x2000_0000)
    x, y, z = 1000, 0x7000_0000, 0x2000_0000
    client, server = wire.client, wire.server

    def both_ways(who, size):
        for ack_of in (y, z) if who is client else (z, y):
            numbers = {"seq": x + 1 + sent[client], "ack": ack_of + 1 + sent[server]}
            if who is server:
                numbers = {"seq": ack_of + 1 + sent[server], "ack": x + 1 + sent[client]}
            who.send("PA" if size else "A", size, ident=ids[who], ttl=64 if ack_of == y else 63, **numbers)
            wire.now += 40 * US
        sent[who] += size
        ids[who] += 1
        wire.now += 10 * MS

    sent, ids = {client: 0, server: 0}, {client: 2000, server: 7000}
    client.syn(ident=1999)
    wire.now += 30 * US
    server.syn_ack(seq=y, ack=x + 1, ident=0, ttl=64, window=0)
    wire.now += 20 * MS
    both_after = {"seq": x + 1, "ack": y + 1}
    client.ack(**both_after)
    wire.now += 40 * US
    client.syn(ident=0, ttl=64)
    wire.now += MS
    server.syn_ack(seq=z, ack=x + 1, ident=0)
    wire.now += 30 * US
    client.ack(seq=x + 1, ack=z + 1, ident=0, ttl=64)
    wire.now += 30 * US
    server.ack(seq=y + 1, ack=x + 1, ident=0, ttl=64)
    wire.now += 10 * MS
    for _ in range(exchanges):
        both_ways(client, 100)
        both_ways(server, 500)
        both_ways(client, 0)
    return wire


def test_a_syn_proxy():
    report = synproxy().report()
    (connection,) = report["connections"]
    assert connection["outcome"] == "established"
    assert connection["server_to_client"]["retransmissions"] == 0
    assert connection["server_to_client"]["bytes"] == 1500
    assert connection["client_to_server"]["bytes"] == 300
    assert {finding["id"] for finding in report["findings"]} <= {"capture-quality", "syn-retransmission"}


def test_the_capture_is_said_to_have_two_points():
    report = connections(both(Wire().handshake().exchange().close()))
    (finding,) = [each for each in report["findings"] if each["id"] == "capture-quality"]
    assert (finding["metrics"]["kind"], finding["metrics"]["renumbered"]) == ("duplicated", 1)
    assert "rewrites their sequence numbers" in finding["title"]


@pytest.mark.parametrize(("lag", "count"), [(20 * MS, 1), (20 * MS + US, 2)])
@pytest.mark.parametrize("marks", [{}, {"timestamps": False}], ids=["stamped", "numbered"])
def test_how_far_apart_both_points_may_be(marks, lag, count):
    """A firewall is faster by far, but the clocks of two capture points may differ by as much as 20 ms."""
    wire = Wire(delay=60 * MS, **marks).handshake().exchange().close()
    assert connections(both(wire, lag=lag))["summary"]["connections"] == count
