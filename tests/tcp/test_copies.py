"""Packets that the capture holds twice: at two points, in pieces, and equal segments that are no copies."""

import pytest
from support import captures, frames
from support.streams import Stream
from support.tracked import tracked
from support.wire import MS, Wire, report_of

V6 = {"client": frames.CLIENT6, "server": frames.SERVER6}
BARE = {"timestamps": False, "ident": False}


def routed(frame, hops):
    """The frame `hops` routers later."""
    if frame[12:14] == b"\x86\xdd":
        return frame[:21] + bytes([frame[21] - hops]) + frame[22:]
    head = frame[14:22] + bytes([frame[22] - hops]) + frame[23:24] + b"\0\0" + frame[26:34]
    return frame[:14] + head[:10] + frames.checksum(head).to_bytes(2, "big") + head[12:] + frame[34:]


def at_both_ends(make, *, client_hops=6, server_hops=5, skew=0):
    """One capture of two points: `make` gives the same exchange as it is seen from either end."""
    taken = []
    for at, other, hops in (("client", "server", server_hops), ("server", "client", client_hops)):
        wire = make(at)
        for ns, name, packet in wire.taken:
            frame = wire.link(packet)
            when = ns + (skew if at == "server" else 0)
            taken.append((when, routed(frame, hops) if name == other else frame))
    taken.sort(key=lambda each: each[0])
    (connection,) = report_of(captures.pcap(taken, nano=True))["connections"]
    return connection


@pytest.mark.wide_table
@pytest.mark.parametrize("marks", [V6 | {"timestamps": False}, V6, BARE, {"ident": False}, {}], ids=str)
@pytest.mark.parametrize("delay", [50_000, MS, 10 * MS, 150 * MS])
@pytest.mark.parametrize("lost", [(), (5,)])
@pytest.mark.parametrize("skew", [0, -1.5])
def test_two_capture_points_with_routers_between(skew, lost, delay, marks):
    """Half the RTT apart, bursts of 30 between a packet and its copy, each direction with its own number of hops."""

    def make(at):
        return Stream(delay=delay, at=at, count=30, gap=delay // 40, lost=lost, **marks).wire

    said = at_both_ends(make, skew=int(skew * delay))
    near, far = (make(at).connection() for at in ("client", "server"))
    sent, got = said["client_to_server"], said["server_to_client"]
    assert sent["retransmissions"] == len(lost)
    assert sent["bytes"] == max(one["client_to_server"]["bytes"] for one in (near, far))
    assert sent["duplicates"] == min(one["client_to_server"]["frames"] for one in (near, far))
    assert (got["retransmissions"], got["duplicates"]) == (0, near["server_to_client"]["frames"])


@pytest.mark.wide_table
@pytest.mark.parametrize("marks", [V6 | {"timestamps": False}, V6, BARE, {}], ids=str)
@pytest.mark.parametrize("delay", [50_000, 300_000, 4 * MS, 150 * MS])
@pytest.mark.parametrize(("count", "lost"), [(3, ()), (6, ()), (30, ()), (30, (5,)), (30, (5, 7))])
@pytest.mark.parametrize("skew", [0, 0.2])
def test_two_capture_points_without_a_router_between(skew, count, lost, delay, marks):
    """No TTL distinguishes them: the handshake shows how far apart they are."""

    def make(at):
        return Stream(delay=delay, at=at, count=count, gap=delay // 40, lost=lost, **marks).wire

    said = at_both_ends(make, client_hops=0, server_hops=0, skew=int(skew * delay))
    near, far = (make(at).connection() for at in ("client", "server"))
    for way in ("client_to_server", "server_to_client"):
        one, other = near[way], far[way]
        assert said[way]["retransmissions"] == max(one["retransmissions"], other["retransmissions"])
        assert said[way]["bytes"] == max(one["bytes"], other["bytes"])


PLACES = {"ahead": ("before", "before"), "between": ("after", "before"), "behind": ("after", "after")}


@pytest.mark.wide_table
@pytest.mark.parametrize("marks", [V6 | {"timestamps": False}, BARE], ids=str)
@pytest.mark.parametrize("delay", [MS, 5 * MS])
@pytest.mark.parametrize(("count", "parts", "lost"), [(30, 4, {1}), (100, 4, {50}), (100, 40, {5})])
@pytest.mark.parametrize("where", PLACES)
def test_what_goes_on_after_a_repair_is_not_sent_again(where, count, parts, lost, delay, marks):
    """The receiver waits for the very segment whose copy comes, but asked for another one."""

    def make(at):
        place = PLACES[where][at == "server"]
        return Stream(delay=delay, at=at, count=count, gap=delay // parts, lost=lost, place=place, **marks).wire

    sent = at_both_ends(make, client_hops=0, server_hops=0)["client_to_server"]
    once = len(make("client" if where == "between" else "server").frames(only="client"))
    assert (sent["retransmissions"], sent["out_of_order"]) == (len(lost), 0)
    assert sent["duplicates"] == once - (len(lost) if where == "between" else 0)


def test_a_single_copy_shows_no_second_point():
    """A switch doubled one segment of data; what the client repairs after as long a time was sent again."""
    wire = Wire(delay=400_000, **BARE).handshake().exchange()
    wire.client.data(300, stay=True)
    wire.now += 1_500_000
    wire.client.send("PA", again=True)
    wire.server.ack()
    seq = wire.client.snd_nxt
    wire.client.data(300, lost="after", stay=True)
    for _ in range(3):
        wire.client.data(300, stay=True)
        wire.now += 100_000
    wire.wait(wire.delay)
    for _ in range(3):
        wire.server.ack(ack=seq, stay=True)
    wire.wait(wire.delay)
    wire.client.data(300, seq=seq)
    wire.server.ack()
    sent = wire.connection()["client_to_server"]
    assert (sent["duplicates"], sent["retransmissions"]) == (1, 1)


def test_a_syn_ack_that_a_switch_doubled_shows_no_second_point():
    """Two points hold all packets twice: equal RSTs that come as late as its copy answer one segment each."""
    wire = Wire(delay=15 * MS)
    wire.client.syn()
    wire.server.syn_ack(stay=True)
    wire.now += 200_000
    wire.server.syn_ack(again=True)
    wire.client.ack()
    wire.exchange()
    for _ in range(9):
        wire.client.data(PIECE, lost=None, stay=True)
        wire.now += 20_000
    wire.wait(wire.delay)
    for _ in range(9):
        wire.server.send("R", seq=wire.server.snd_nxt, options=b"", ident=0, stay=True)
        wire.now += 200_000
    assert wire.connection()["server_to_client"]["duplicates"] == 1


@pytest.mark.parametrize("marks", [V6 | {"timestamps": False}, BARE], ids=str)
def test_what_comes_later_than_a_copy_was_sent_again(marks):
    """It was lost behind both points: each of the two holds it twice."""

    def make(at):
        wire = Wire(at=at, **marks).handshake().exchange()
        seq = wire.client.snd_nxt
        wire.client.data(700, lost="after")
        wire.wait(300 * MS)
        wire.client.data(700, seq=seq)
        wire.server.ack()
        return wire

    said = at_both_ends(make, client_hops=0, server_hops=0)
    assert said["client_to_server"]["retransmissions"] == 1
    assert said["client_to_server"]["duplicates"] == 6


def test_an_acknowledgment_that_says_the_same_again_is_no_copy():
    """Its own copy at the other point is."""

    def make(at):
        wire = Wire(at=at, **BARE).handshake()
        wire.client.data(700)
        wire.server.ack()
        wire.wait(3 * MS)
        wire.server.ack()
        return wire

    said = at_both_ends(make, client_hops=0, server_hops=0)
    assert [said[way]["duplicates"] for way in ("client_to_server", "server_to_client")] == [3, 3]


def test_a_capture_that_begins_later_also_learns_it():
    def make(at):
        wire = Wire(at=at, **V6, timestamps=False)
        wire.client.rcv_nxt, wire.server.rcv_nxt = 5001, 1001
        for _ in range(5):
            wire.exchange(500)
        return wire

    said = at_both_ends(make)
    assert [said[way]["retransmissions"] for way in ("client_to_server", "server_to_client")] == [0, 0]
    assert [said[way]["bytes"] for way in ("client_to_server", "server_to_client")] == [2500, 2500]


def midstream(at, marks, make):
    """What `make` lets two hosts say whose handshake the capture lacks."""
    wire = Wire(at=at, delay=10 * MS, **marks).handshake().exchange()
    wire.taken = []
    make(wire)
    return wire.close()


def talk(wire):
    for _ in range(5):
        wire.exchange(500)


def bulk(wire):
    for _ in range(6):
        for _ in range(10):
            wire.server.data(1000, stay=True)
            wire.now += 100_000
        wire.wait(wire.delay)
        wire.client.ack()


def talk_with_losses(wire):
    """A timer repairs one segment that is lost ahead of both points, and one that is lost behind both."""
    talk(wire)
    for where in ("before", "after"):
        seq = wire.client.snd_nxt
        wire.client.data(700, lost=where)
        wire.wait(200 * MS)
        wire.client.data(700, seq=seq)
        wire.server.ack()


@pytest.mark.wide_table
@pytest.mark.parametrize("marks", [V6 | {"timestamps": False}, V6, BARE, {"timestamps": False}, {}], ids=str)
@pytest.mark.parametrize(("make", "again"), [(talk, 0), (bulk, 0), (talk_with_losses, 1)])
@pytest.mark.parametrize("hops", [0, 2])
@pytest.mark.parametrize("skew", [0, 6 * MS, -6 * MS])
def test_a_capture_that_begins_later_at_two_points(skew, hops, make, again, marks):
    """Nothing shows the RTT, or how far apart they are, but that no stack sends anything again so soon."""
    said = at_both_ends(lambda at: midstream(at, marks, make), client_hops=hops, server_hops=hops, skew=skew)
    once = midstream("client", marks, make).connection()
    assert said["client_to_server"]["retransmissions"] == again
    assert said["server_to_client"]["retransmissions"] == 0
    for way in ("client_to_server", "server_to_client"):
        assert said[way]["bytes"] == once[way]["bytes"]


def test_a_loss_probe_in_a_capture_that_begins_later_is_no_copy():
    """Twice the RTT after the last of several segments, it repeats that one (RFC 8985)."""

    def make(wire):
        talk(wire)
        for number in range(3):
            wire.client.data(700, lost="after" if number == 2 else None, stay=True)
            wire.now += 10_000
        wire.wait(4 * MS)
        wire.client.data(700, seq=wire.client.snd_nxt - 700, stay=True)
        wire.wait(wire.delay)
        wire.server.ack()

    sent = midstream("client", BARE, make).connection()["client_to_server"]
    assert (sent["retransmissions"], sent["duplicates"]) == (1, 0)


@pytest.mark.wide_table
@pytest.mark.parametrize("marks", [V6 | {"timestamps": False}, V6, BARE, {"timestamps": False}, {}], ids=str)
@pytest.mark.parametrize("lost", [(), (5,), (5, 7)])
@pytest.mark.parametrize("skew", [6 * MS, -6 * MS])
@pytest.mark.parametrize("hops", [0, 1])
def test_clocks_that_differ_by_more_than_the_round_trip(hops, skew, lost, marks):
    """The second point has the SYN after the first one's data and acknowledgments."""

    def make(at):
        return Stream(delay=MS, at=at, count=30, gap=20_000, lost=lost, **marks).wire

    said = at_both_ends(make, client_hops=hops, server_hops=hops, skew=skew)
    once = make("client").connection()
    assert (said["handshake"]["syn_count"], said["handshake"]["synack_count"]) == (1, 1)
    assert said["client_to_server"]["retransmissions"] == len(lost)
    assert said["client_to_server"]["bytes"] == once["client_to_server"]["bytes"]
    assert said["server_to_client"]["duplicates"] == once["server_to_client"]["frames"]


def asked_twice(at, marks):
    """The first SYN is lost behind both points."""
    wire = Wire(at=at, delay=MS, **marks)
    wire.client.syn(lost="after")
    wire.wait(1000 * MS)
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack()
    return wire.exchange().exchange(3000).close()


def reset_by_server(at, marks):
    """It answers each of several segments with a RST."""
    wire = Wire(at=at, delay=MS, **marks).handshake().exchange()
    first = wire.server.snd_nxt
    for _ in range(5):
        wire.client.data(1448, stay=True)
        wire.now += 20_000
    wire.wait(wire.delay)
    for _ in range(5):
        wire.server.send("R", seq=first, options=b"", ident=0, stay=True)
        wire.now += 50_000
    return wire


@pytest.mark.parametrize("marks", [V6, BARE, {}], ids=str)
@pytest.mark.parametrize("make", [asked_twice, reset_by_server])
@pytest.mark.parametrize("skew", [20 * MS, -20 * MS])
@pytest.mark.parametrize("hops", [0, 1])
def test_clocks_that_differ_by_more_than_the_connection_lasts(hops, skew, make, marks):
    """All that one point has comes behind the end at the other, and opens nothing, nor goes on after the RST."""
    said = at_both_ends(lambda at: make(at, marks), client_hops=hops, server_hops=hops, skew=skew)
    once = make("client", marks).connection()
    for key in ("outcome", "cause", "state", "close"):
        assert said[key] == once[key], key
    assert said["handshake"]["syn_count"] == once["handshake"]["syn_count"]
    assert said["client_to_server"]["retransmissions"] == once["client_to_server"]["retransmissions"]


@pytest.mark.parametrize("marks", [V6 | {"timestamps": False}, V6, BARE, {}], ids=str)
@pytest.mark.parametrize("skew", [0, -30 * MS])
def test_what_only_the_first_point_has_after_a_pause_was_sent_again(skew, marks):
    """Lost behind both points, again between them: with a clock that is behind, the second point's copy comes first."""

    def make(at):
        wire = Wire(at=at, **marks).handshake().exchange()
        seq = wire.client.snd_nxt
        wire.client.data(700, lost="after")
        wire.wait(300 * MS)
        wire.client.data(700, seq=seq, lost="after" if at == "client" else "before")
        wire.wait(600 * MS)
        wire.client.data(700, seq=seq)
        wire.server.ack()
        return wire

    assert at_both_ends(make, skew=skew)["client_to_server"]["retransmissions"] == 2


def test_a_retransmission_at_two_points():
    """It was lost between them: once at the first point, then at both."""

    def make(at):
        wire = Wire(at=at, **BARE).handshake().exchange()
        seq = wire.client.snd_nxt
        wire.client.data(700, lost="after" if at == "client" else "before")
        wire.wait(300 * MS)
        wire.client.data(700, seq=seq)
        wire.server.ack()
        return wire

    said = at_both_ends(make)
    assert said["client_to_server"]["retransmissions"] == 1
    assert said["client_to_server"]["duplicates"] == 5


@pytest.mark.parametrize("marks", [V6 | {"timestamps": False}, BARE], ids=str)
def test_a_fast_retransmission_at_two_points(marks):
    """The segment was lost between them, and others still pass when the client sends it again."""

    def make(at):
        wire = Wire(at=at, **marks).handshake().exchange()
        seq, begun, gap = wire.client.snd_nxt, wire.now, wire.delay // 10
        wire.client.data(700, lost="after" if at == "client" else "before", stay=True)
        for number in range(1, 25):
            wire.now = begun + number * gap
            wire.client.data(700, stay=True)
            wire.now += wire.delay
            wire.server.ack(ack=seq, stay=True)
        wire.now = begun + 24 * gap + gap // 2
        wire.client.data(700, seq=seq)
        wire.server.ack()
        return wire

    said = at_both_ends(make, client_hops=0, server_hops=0)
    assert said["client_to_server"]["retransmissions"] == 1
    assert said["client_to_server"]["bytes"] == make("client").connection()["client_to_server"]["bytes"]


@pytest.mark.parametrize(("ttl", "cause"), [(250, "reset-by-middlebox"), (57, "reset-by-server")])
def test_a_forged_rst_at_two_points(ttl, cause):
    """Its copy is not taken for what shows how far away its host is."""

    def make(at):
        wire = Wire(at=at).handshake().exchange()
        wire.server.rst_ack(ttl=ttl, ident=0)
        return wire

    assert at_both_ends(make)["cause"] == cause


# -- a large packet and its pieces

PIECE = 1448


def send_pieces(wire, seq, ident, count, width):
    for number in range(0, count, width):
        taken = min(width, count - number)
        words = {"ident": (ident + number) & 0xFFFF} if ident else {}
        flags = "PA" if number + taken == count else "A"
        wire.client.send(flags, taken * PIECE, seq=seq + number * PIECE, stay=True, **words)
        wire.now += 1000


def send_whole(wire, seq, ident, count):
    wire.client.send("PA", count * PIECE, seq=seq, stay=True, **({"ident": ident} if ident else {}))
    wire.now += 2000


@pytest.mark.wide_table
@pytest.mark.parametrize("marks", [{}, V6, {"ident": False}, {"timestamps": False}, BARE], ids=str)
@pytest.mark.parametrize("delay", [100_000, 20 * MS])
@pytest.mark.parametrize("order", ["whole first", "pieces first"])
@pytest.mark.parametrize(("packets", "count", "width"), [(1, 3, 1), (1, 2, 1), (3, 3, 1), (1, 44, 1), (2, 10, 2)])
def test_a_large_packet_beside_its_pieces(packets, count, width, order, delay, marks):
    """`-i any` with TSO or GRO: several large packets may wait for the card before the first is cut."""
    wire = Wire(delay=delay, **marks).handshake()
    wire.wait(2 * MS)
    for _ in range(4):
        marked = [(wire.client.snd_nxt + number * count * PIECE, number) for number in range(packets)]
        first = wire.client.ident
        for kind in order.split()[0], "pieces" if order == "whole first" else "whole":
            for seq, number in marked:
                ident = (first + number * count) & 0xFFFF if first else 0
                if kind == "whole":
                    send_whole(wire, seq, ident, count)
                else:
                    send_pieces(wire, seq, ident, count, width)
        if first:
            wire.client.ident = first + packets * count
        wire.wait(2 * delay)
        wire.server.ack()
        wire.wait(MS - wire.now % MS)  # all of a packet bears one timestamp
    copies = -(-count // width) if order == "whole first" else 1
    sent = wire.connection()["client_to_server"]
    assert (sent["retransmissions"], sent["out_of_order"]) == (0, 0)
    assert sent["duplicates"] == 4 * packets * copies
    assert sent["bytes"] == 4 * packets * count * PIECE


def test_smaller_segments_after_packet_too_big_were_sent_again():
    """Path MTU discovery looks the same, and comes as soon: but a router had asked for it."""
    wire = Wire(delay=MS, **BARE).handshake().exchange()
    seq = wire.client.snd_nxt
    wire.client.data(2896, lost="after", stay=True)
    wire.now += 200_000
    wire.icmp_error(wire.client.packet, type=3, code=4, rest=1400)
    for number in range(3):
        wire.now += 10_000
        wire.client.data(min(1348, 2896 - 1348 * number), seq=seq + 1348 * number, stay=True)
    sent = wire.connection()["client_to_server"]
    assert (sent["retransmissions"], sent["duplicates"]) == (3, 0)


def test_a_large_segment_that_is_lost_and_repaired_in_pieces():
    """`-i any`: the repair is in the capture whole and in pieces, too, and counts once."""
    wire = Wire(delay=10 * MS, ident=False).handshake().exchange()
    seq = wire.client.snd_nxt
    wire.client.data(3 * PIECE, lost="after")
    wire.wait(250 * MS)
    send_whole(wire, seq, 0, 3)
    send_pieces(wire, seq, 0, 3, 1)
    sent = wire.connection()["client_to_server"]
    assert (sent["retransmissions"], sent["duplicates"], sent["bytes"]) == (1, 3, 100 + 6 * PIECE)


# -- equal segments that are no copies


def killed_server(segments, *, resets=None, apart=200_000, hops=0, delay=15 * MS):
    """The server is gone while so many segments are under way: a RST for each, or `resets`."""
    wire = Wire(delay=delay, at="client").handshake().exchange()
    for _ in range(segments):
        wire.client.data(PIECE, lost=None, stay=True)
        wire.now += 20_000
    wire.now += delay
    for number in range(segments if resets is None else resets):
        wire.server.send("R", seq=5101, options=b"", ident=0, ttl=57 - (hops if number else 0), stay=True)
        wire.now += apart
    return wire


@pytest.mark.parametrize("segments", [1, 2, 4, 9])
@pytest.mark.parametrize("apart", [5_000, 200_000])
def test_a_rst_for_each_segment(segments, apart):
    report = killed_server(segments, apart=apart).report()
    (connection,) = report["connections"]
    assert connection["server_to_client"]["duplicates"] == 0
    assert "capture-quality" not in {finding["id"] for finding in report["findings"]}
    assert connection["close"]["reset_by"] == "server"


def test_more_rsts_than_segments_are_copies():
    assert killed_server(1, resets=2).connection()["server_to_client"]["duplicates"] == 1
    assert killed_server(3, resets=6, apart=5_000).connection()["server_to_client"]["duplicates"] == 3


def test_a_rst_for_a_segment_that_came_after_the_first():
    wire = killed_server(1, apart=0)
    wire.client.ack(stay=True)
    wire.now += 1000
    wire.server.send("R", seq=5101, options=b"", ident=0, stay=True)
    assert wire.connection()["server_to_client"]["duplicates"] == 0


@pytest.mark.parametrize("apart", [5_000, 200_000])
def test_a_rst_for_each_segment_where_only_the_server_is_captured(apart):
    """Its SYN-ACK and data were captured once, so its equal RSTs are no copies: they answer what is not captured."""
    report = killed_server(5, apart=apart).report(only="server")
    (connection,) = report["connections"]
    assert (connection["server_to_client"]["frames"], connection["server_to_client"]["duplicates"]) == (7, 0)
    assert {finding["metrics"]["kind"] for finding in report["findings"]} == {"one-sided"}


def test_where_all_is_copied_so_is_a_rst():
    wire = killed_server(3, resets=1)
    one = wire.frames()
    both = sorted([*one, *((ns + 7_000, frame) for ns, frame in one)], key=lambda each: each[0])
    (connection,) = report_of(captures.pcap(both, nano=True))["connections"]
    assert connection["server_to_client"]["duplicates"] == len(wire.frames(only="server"))


def test_equal_acknowledgments_behind_a_gap_are_no_copies():
    """Neither SACK, timestamp nor identification distinguishes them."""
    stream = Stream(delay=20 * MS, lost={3}, sack=False, gap=100_000, **BARE)
    assert stream.wire.connection()["server_to_client"]["duplicates"] == 0


@pytest.mark.parametrize("marks", [{}, V6 | {"timestamps": False}], ids=str)
@pytest.mark.parametrize("offer", [("S", 0), ("SEW", 0), ("SEWe", 0), ("SP", 0), ("S", 4711)], ids=str)
def test_a_syn_captured_twice_whatever_it_offers(offer, marks):
    """What waits for an answer keeps no ECN bits (RFC 3168, RFC 9768): its copy is no second SYN."""
    flags, ack = offer
    wire = Wire(**marks)
    wire.client.send(flags, ack=ack, options=wire.client.options(frames.SYN))
    wire.server.syn_ack()
    wire.client.ack()
    wire.exchange().close()
    taken = [(ns + lag, wire.link(packet)) for ns, _, packet in wire.taken for lag in (0, 2000)]
    (connection,) = report_of(captures.pcap(sorted(taken, key=lambda each: each[0]), nano=True))["connections"]
    assert connection["handshake"]["syn_count"] == 1
    assert connection["rtt"]["total"]["method"] == "exact"
    for way in ("client_to_server", "server_to_client"):
        assert connection[way]["retransmissions"] == 0
        assert 2 * connection[way]["duplicates"] == connection[way]["frames"]


@pytest.mark.parametrize("marks", [BARE, V6 | {"timestamps": False}], ids=str)
@pytest.mark.parametrize("lag", [1000, 300_000])
def test_what_a_timer_sends_again_captured_twice(lag, marks):
    """On a path that is no longer than the lag: no news of what was sent again can have come so soon."""
    wire = Wire(delay=2 * lag, **marks).handshake().exchange()
    seq = wire.client.snd_nxt
    wire.client.data(100, lost="after")
    for repeat in range(5):
        wire.wait(200 * MS << repeat)
        wire.client.data(100, seq=seq, lost="after")
    taken = [(ns + late, wire.link(packet)) for ns, _, packet in wire.taken for late in (0, lag)]
    (connection,) = report_of(captures.pcap(sorted(taken, key=lambda each: each[0]), nano=True))["connections"]
    sent, once = connection["client_to_server"], wire.connection()["client_to_server"]
    assert (sent["retransmissions"], sent["bytes"]) == (5, once["bytes"])
    assert sent["duplicates"] == once["frames"]


# -- how long after a packet an equal one is still its copy: no stack sends again so soon what has the same marks

FIRST = {"src": frames.CLIENT, "dst": frames.SERVER, "seq": frames.CLIENT_ISN + 1, "ack": frames.SERVER_ISN + 1}


def copied(packet, after_ns, *, ttl=64, before=()):
    """Whether a packet of the client passes for a copy that comes so long after it, perhaps with another TTL."""
    first, again = (packet(ttl=each) for each in (64, ttl))
    opening = [] if packet is one_syn else [frames.syn(), frames.syn_ack(), frames.ack(**FIRST)]
    built = [*opening, *before, first]
    at = (len(built) - 1) * MS
    return tracked(*built, (at + after_ns, again)).endpoint_rows[0].duplicates == 1


def one_syn(**words):
    return frames.syn(**words)


def numbered(**words):
    return frames.ack(**FIRST, ident=2, window=900, **words)


def stamped(**words):
    return frames.ack(**FIRST, options=frames.timestamps(2, 1), **words)


def plain(**words):
    return frames.ack(**FIRST, ident=0, window=900, **words)


def without_its_clock(**words):
    return plain(**words)


BEFORE = {
    without_its_clock: [frames.ack(**FIRST, options=frames.timestamps(at, 1), ident=0) for at in (1, 2)],
    numbered: [frames.ack(**FIRST, ident=1, window=800)],
    stamped: [frames.ack(**FIRST, options=frames.timestamps(1, 1))],
}


@pytest.mark.parametrize(
    ("packet", "ttl", "limit_ns"),
    [
        (one_syn, 64, 300 * MS),  # RFC 6298 section 2.1: an initial RTO of 1 s
        (one_syn, 63, 900 * MS),  # behind a router
        (numbered, 64, 2000 * MS),
        (numbered, 63, 2000 * MS),
        (stamped, 64, 500 * MS),
        (plain, 64, 2 * MS),
        (without_its_clock, 64, 2 * MS),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_how_long_a_copy_may_take(packet, ttl, limit_ns):
    before = BEFORE.get(packet, [])
    assert copied(packet, limit_ns, ttl=ttl, before=before)
    assert not copied(packet, limit_ns + 1000, ttl=ttl, before=before)


def test_acknowledgments_that_say_less_than_the_last_are_copies_of_a_second_point():
    """Where copies of the SYN came 20 ms late, others do."""
    syn, answer = frames.syn(), frames.syn_ack()
    said = [
        (0, syn), (20 * MS, syn), (40 * MS, answer), (60 * MS, answer), (80 * MS, frames.ack(**FIRST)),
        (81 * MS, frames.data(b"x" * 100, frames.SERVER, frames.CLIENT, seq=frames.SERVER_ISN + 1,
                              ack=frames.CLIENT_ISN + 1)),
        *((82 * MS + at * MS, frames.ack(**FIRST | {"ack": frames.SERVER_ISN + 1 + 10 * at})) for at in range(1, 8)),
        (102 * MS, frames.ack(**FIRST | {"ack": frames.SERVER_ISN + 2})),
    ]  # fmt: skip
    client = tracked(*said).endpoint_rows[0]
    assert client.duplicates == 2
    assert client.retransmissions == 0
