"""Overtaken, sent again, or stored late: what fills a gap, and what was sent before."""

import io
from ctypes import sizeof

import pytest
from support import captures, frames
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN
from support.streams import Stream
from support.tracked import tracked
from support.wire import MS, SECOND, Wire, report_of, states

from handshake_inspect.capture.trace import open_trace
from handshake_inspect.engine.pump import Pump
from handshake_inspect.engine.stream import pump_all
from handshake_inspect.tcp.facts import (
    FACT_CLIENT_LATE,
    FACT_SERVER_LATE,
    GAP_ACKED,
    GAP_FREE,
    GAP_PASSED,
    TRAIT_HOLE,
)
from handshake_inspect.tcp.tracker import Tracker
from handshake_inspect.wire.const import MASK32

MARKS = [{}, {"timestamps": False}, {"ident": False}, {"timestamps": False, "ident": False}]
PLACES = ["client", "middle", "server"]
WRAP = 0xFFFF_FFFF - 4500


def counted(wire):
    sent = wire.connection()["client_to_server"]
    return sent["retransmissions"], sent["out_of_order"], sent["duplicates"]


@pytest.mark.wide_table
@pytest.mark.parametrize("marks", MARKS, ids=str)
@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("delay", [500_000, 20 * MS, 100 * MS])
@pytest.mark.parametrize(
    "trouble",
    [
        {"lost": {3}},
        {"lost": {3, 6}},
        {"lost": {3, 4, 5}, "sack": False},
        {"lost": {1, 3, 5, 7, 9}, "client_isn": WRAP},
        {"lost": {3}, "lost_again": {3}},
        {"lost": {11}},
    ],
    ids=str,
)
def test_what_was_lost_is_sent_again(trouble, delay, at, marks):
    stream = Stream(delay=delay, at=at, gap=delay // 50, **trouble, **marks)
    assert counted(stream.wire) == (stream.again, 0, 0)


@pytest.mark.wide_table
@pytest.mark.parametrize("marks", MARKS, ids=str)
@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("delay", [500_000, 20 * MS, 100 * MS])
@pytest.mark.parametrize(
    "late",
    [{4: 0.05}, {4: 0.05, 8: 0.05}, {4: 0.2, 5: 0.2, 6: 0.2}, {4: 0.1, 7: 0.4}, {1: 0.6}],
    ids=str,
)
def test_what_is_overtaken_is_not(late, delay, at, marks):
    """Later by a part of the RTT; where that makes the sender repeat it needlessly, this is a retransmission."""
    behind = {number: int(part * 2 * delay) for number, part in late.items()}
    stream = Stream(delay=delay, at=at, gap=delay // 50, late=behind, client_isn=WRAP, **marks)
    assert counted(stream.wire) == (stream.again, stream.overtaken, 0)
    assert stream.overtaken


@pytest.mark.parametrize(("after", "again"), [(10 * MS, 0), (80 * MS, 0), (110 * MS, 1)])
def test_the_limit_is_the_rtt_of_the_handshake(after, again):
    """Nothing but the time shows it, and no acknowledgment is in the capture after the gap."""
    wire = Wire(delay=50 * MS, at="server", timestamps=False, ident=False).handshake()
    seq = wire.client.snd_nxt
    wire.client.data(1000, lost="before", stay=True)
    wire.client.data(1000, stay=True)
    wire.now += after
    wire.client.data(1000, seq=seq)
    assert counted(wire) == (again, 1 - again, 0)


@pytest.mark.parametrize(("after", "again"), [(2 * MS, 0), (4 * MS, 1)])
def test_a_fixed_limit_where_no_rtt_is_known(after, again):
    wire = Wire(at="server", timestamps=False, ident=False)
    wire.client.rcv_nxt, wire.server.rcv_nxt = 5001, 1001
    wire.exchange().exchange()
    seq = wire.client.snd_nxt
    wire.client.data(1000, lost="before", stay=True)
    wire.client.data(1000, stay=True)
    wire.now += after
    wire.client.data(1000, seq=seq)
    assert counted(wire) == (again, 1 - again, 0)


def test_a_newer_timestamp_was_sent_later_whatever_the_time_says():
    """The handshake took long (an address had to be resolved), the path does not."""
    wire = Wire(delay=2 * MS, at="server")
    wire.client.syn()
    wire.wait(300 * MS)
    wire.server.syn_ack()
    wire.client.ack()
    seq = wire.client.snd_nxt
    wire.client.data(1000, lost="before", stay=True)
    wire.client.data(1000, stay=True)
    wire.wait(5 * MS)
    wire.client.data(1000, seq=seq)
    assert counted(wire) == (1, 0, 0)


def test_a_timer_that_ran_out_while_acknowledgments_went():
    """Full duplex: the last request is lost behind the capture while the server's data is acknowledged."""
    wire = Wire(delay=5 * MS, timestamps=False, ident=False).handshake().exchange()
    seq = wire.client.snd_nxt
    wire.client.data(300, lost="after", stay=True)
    for _ in range(100):
        wire.server.data(1000, ack=seq, stay=True)
        wire.now += 3 * MS
        wire.wait(0)
        wire.client.ack(stay=True)
    wire.client.data(300, seq=seq)
    assert counted(wire) == (1, 0, 0)


def test_go_back_n_after_a_timeout():
    """A sender without SACK: all that was in flight again, an RTT for each acknowledgment."""
    wire = Wire(delay=20 * MS, timestamps=False, ident=False).handshake().exchange()
    seq = wire.client.snd_nxt
    for _ in range(6):
        wire.client.data(1000, lost="after", stay=True)
        wire.now += 100_000
    wire.wait(400 * MS)
    for number in range(6):
        wire.client.data(1000, seq=seq + 1000 * number)
        wire.server.ack()
    assert counted(wire) == (6, 0, 0)


# -- stored late


@pytest.mark.wide_table
@pytest.mark.parametrize("marks", [{}, {"timestamps": False, "ident": False}], ids=str)
@pytest.mark.parametrize("stamps", ["right", "late"])
@pytest.mark.parametrize("by", [MS, 5 * MS])
@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("delay", [100_000, 5 * MS, 50 * MS])
def test_one_direction_that_is_stored_late(delay, who, by, stamps, marks):
    """Cards with several queues: nothing was overtaken, nothing sent again, and the end is as it was."""
    wire = Wire(delay=delay, **marks).handshake()
    for _ in range(10):
        wire.client.data(300)
        for _ in range(4):
            wire.server.data(1000, stay=True)
            wire.now += 20_000
        wire.wait(delay)
        wire.client.ack()
    wire.close()
    right = wire.connection()
    stored = wire.stored_late(who, by, stamps=stamps)
    (said,) = report_of(captures.pcap(stored, nano=True))["connections"]
    assert (said["client_to_server"], said["server_to_client"]) == (
        right["client_to_server"], right["server_to_client"]
    )  # fmt: skip
    assert (said["outcome"], said["close"], states(said)) == ("established", right["close"], states(right))


def test_what_is_acknowledged_and_comes_much_later_was_sent_again():
    """The capture lost the first copy, and the acknowledgment was lost behind it."""
    wire = Wire(delay=20 * MS, at="server").handshake().exchange()
    seq = wire.client.snd_nxt
    wire.client.data(500, lost="before")
    wire.server.ack(ack=seq + 500, lost="after")
    wire.wait(SECOND)
    wire.client.data(500, seq=seq)
    assert counted(wire) == (1, 0, 0)


def test_a_segment_that_is_overtaken_among_those_stored_late():
    wire = Wire(delay=20 * MS, at="server", timestamps=False, ident=False).handshake().exchange()
    seq = wire.client.snd_nxt
    wire.server.ack(ack=seq + 3000)
    for offset in (0, 2000, 1000):
        wire.client.data(1000, seq=seq + offset, stay=True)
        wire.now += 10_000
    assert counted(wire) == (0, 1, 0)


def test_a_row_for_the_order_is_freed_with_its_connection():
    pump = Pump(Tracker(64))
    table = pump.tracker.table

    def pumped(wire):
        with open_trace([io.BytesIO(captures.pcap(wire.frames(), nano=True))]) as source:
            pump_all(source, pump)
        return table.order_count, bytes(table.order_rows[0])

    paused = Wire(client=("192.0.2.7", 40001)).handshake()
    paused.wait(2 * SECOND)
    assert pumped(paused.exchange()) == (0, bytes(sizeof(table.order_rows[0])))
    assert table.aftermath_count == 1
    holed = Stream(lost={3}).wire
    count, row = pumped(holed)
    assert count == 1
    assert any(row)
    table.retire(1)
    assert not any(bytes(table.order_rows[0]))
    assert pumped(holed) == (count, row)


# -- which bytes are missing: numbers count from behind the SYNs

FIRST, OTHER = CLIENT_ISN + 1, SERVER_ISN + 1
OPENING = [frames.syn(), frames.syn_ack(), frames.ack(CLIENT, SERVER, seq=FIRST, ack=OTHER)]


def sent(start, end, **words):
    """Bytes of the client."""
    return frames.data(b"x" * (end - start), CLIENT, SERVER, **({"seq": FIRST + start, "ack": OTHER} | words))


def acked(to, flags=frames.ACK, **words):
    """An acknowledgment of the server."""
    return frames.segment(SERVER, CLIENT, flags, **({"seq": OTHER, "ack": FIRST + to} | words))


def missing(*built):
    """The first bytes of the client that are missing and not acknowledged: their start and end; None for none."""
    end = tracked(*OPENING, *built).endpoint_rows[0]
    if end.traits & TRAIT_HOLE:
        return end.contiguous - FIRST, end.hole_start - FIRST
    assert end.contiguous == end.snd_nxt
    return None


GAP = [sent(0, 100), sent(400, 500)]


@pytest.mark.parametrize(
    ("later", "left"),
    [
        ([], (100, 400)),
        ([sent(100, 400)], None),
        ([sent(100, 200)], (200, 400)),
        ([sent(300, 400)], (100, 300)),
        ([sent(200, 300)], (100, 200)),
        ([sent(200, 300), sent(100, 200)], (300, 400)),
        ([sent(200, 300), sent(300, 400)], (100, 200)),
        ([sent(200, 300), sent(300, 400), sent(100, 200)], None),
        ([(SECOND, sent(50, 450))], None),
        ([(SECOND, sent(50, 200))], (200, 400)),
        ([sent(100, 600)], None),
        ([sent(600, 700)], (100, 400)),
        ([sent(600, 700), sent(100, 400)], (500, 600)),
        ([sent(600, 700), sent(500, 600)], (100, 400)),
        ([sent(500, 600)], (100, 400)),
        ([acked(100)], (100, 400)),
        ([acked(250)], (250, 400)),
        ([acked(399)], (399, 400)),
        ([acked(400)], None),
        ([acked(500)], None),
        ([acked(500), sent(600, 700)], (500, 600)),
        ([sent(600, 700), acked(500)], (500, 600)),
    ],
)
def test_which_bytes_are_missing(later, left):
    assert missing(*GAP, *later) == left


@pytest.mark.parametrize(("start", "end"), [(100, 400), (100, 600), (399, 600)])
def test_bytes_of_a_gap_that_come_with_later_ones_were_sent_again(start, end):
    """A sender may join segments when it sends them again (RFC 9293 section 3.8.1)."""
    table = tracked(*OPENING, *GAP, (SECOND, sent(start, end)))
    assert table.endpoint_rows[0].retransmissions == 1
    assert not table.connection_rows[0].facts & FACT_CLIENT_LATE


def order_of(*built):
    table = tracked(*OPENING, *built)
    assert table.order_count == 1
    return table.order_rows[0]


def gaps_of(order, side=0):
    """Kind, start and end of each gap of one side, in the order of numbers."""
    own = OTHER if side else FIRST
    half = len(order.kind) // 2
    places = [at for at in range(half * side, half * (side + 1)) if order.kind[at] != GAP_FREE]
    return sorted((order.kind[at], order.start[at] - own, order.beyond[at] - own) for at in places)


@pytest.mark.parametrize(
    ("built", "gaps"),
    [
        (GAP, [(GAP_PASSED, 100, 400)]),
        ([*GAP, sent(200, 300)], [(GAP_PASSED, 100, 200), (GAP_PASSED, 300, 400)]),
        ([sent(0, 100), acked(300)], [(GAP_ACKED, 100, 300)]),
        ([sent(0, 100), acked(300), acked(400)], [(GAP_ACKED, 100, 400)]),
        ([sent(0, 100), acked(300), sent(400, 500)], [(GAP_PASSED, 300, 400), (GAP_ACKED, 100, 300)]),
        ([sent(0, 100), acked(300), sent(200, 250)], [(GAP_PASSED, 100, 200), (GAP_ACKED, 250, 300)]),
        ([sent(0, 100), acked(300), sent(100, 300)], []),
    ],
)
def test_gaps(built, gaps):
    assert gaps_of(order_of(*built)) == sorted(gaps)


def test_a_gap_keeps_its_time_and_the_marks_of_the_data_after_it():
    stamp = {"options": frames.timestamps(77, 1), "ident": 9}
    order = order_of(sent(0, 100), sent(400, 500, **stamp), sent(200, 300, options=frames.timestamps(78, 1), ident=10))
    places = [at for at in range(len(order.kind)) if order.kind[at] != GAP_FREE]
    assert [(order.made_ns[at], order.tsval[at], order.ip_id[at]) for at in places] == [(4 * MS, 77, 9)] * 2


# -- a receiver that says that bytes are missing

SACKED = frames.nop(2) + frames.sack((FIRST + 400, FIRST + 500))
DUPLICATE_SACK = frames.nop(2) + frames.sack((FIRST, FIRST + 50))


@pytest.mark.parametrize(
    ("answer", "doubts"),
    [
        (acked(100, ident=2), True),
        (acked(100, options=SACKED, ident=2), True),
        (acked(100, options=DUPLICATE_SACK, ident=2, window=1000), False),
        (acked(100, window=1000, ident=2), False),
        (acked(100, flags=frames.FIN | frames.ACK, ident=2), False),
        (acked(50, ident=2), False),
    ],
    ids=["equal", "SACK", "D-SACK", "another window", "FIN", "older"],
)
def test_what_says_that_bytes_are_missing(answer, doubts):
    """An acknowledgment that only repeats the last one (RFC 5681 section 2), or SACK of what is behind them."""
    order = order_of(*GAP, acked(100, ident=1), answer)
    assert (order.doubt_ns[0], order.doubt_ack[0]) == ((6 * MS, FIRST + 100) if doubts else (0, 0))


@pytest.mark.parametrize(
    ("mark", "doubts"),
    [
        ({"options": frames.timestamps(19, 1)}, False),
        ({"options": frames.timestamps(20, 1)}, True),
        ({"options": frames.timestamps(21, 1)}, True),
        ({"ident": 19}, False),
        ({"ident": 21}, True),
    ],
    ids=["an older clock", "the same", "a later one", "an earlier number", "a later number"],
)
def test_an_acknowledgment_that_was_overtaken_repeats_nothing(mark, doubts):
    marks = [{"ident": at} if "ident" in mark else {"options": frames.timestamps(at, 1), "ident": 0} for at in (18, 20)]
    order = order_of(*GAP, acked(50, **marks[0]), acked(100, **marks[1]), acked(100, **{"ident": 0} | mark))
    assert bool(order.doubt_ns[0]) == doubts


def test_the_first_doubt_of_a_number_counts():
    order = order_of(*GAP, acked(100, ident=1), acked(100, ident=2), acked(100, ident=3))
    assert order.doubt_ns[0] == 6 * MS
    moved = order_of(*GAP, *(acked(to, ident=to + at) for to in (100, 200) for at in range(3)))
    assert (moved.doubt_ns[0], moved.doubt_ack[0]) == (9 * MS, FIRST + 200)


@pytest.mark.parametrize("isn", [CLIENT_ISN, 0x7000_0000, 0xFFFF_FF9B])
@pytest.mark.parametrize(
    ("blocks", "highest"), [([], 100), ([(400, 500)], 500), ([(400, 500), (400, 450)], 500), ([(400, 450)] * 2, 450)]
)
def test_up_to_where_the_receiver_has_some(isn, blocks, highest):
    """The highest SACK says it, or the acknowledgment itself, wherever the numbers are."""
    first = isn + 1
    numbered = [{"seq": first & MASK32}, {"seq": (first + 400) & MASK32}]
    opening = [frames.syn(seq=isn), frames.syn_ack(ack=first), frames.ack(seq=first)]
    said = [frames.data(b"x" * 100, **words) for words in numbered]
    edges = [frames.nop(2) + frames.sack(*[tuple((first + at) & MASK32 for at in block)]) for block in blocks]
    answers = [
        acked(0, ack=(first + 100) & MASK32, ident=at + 1, options=each)
        for at, each in enumerate([b"", *(edges or [b""])])
    ]
    order = tracked(*opening, *said, *answers).order_rows[0]
    assert ((order.sacked[0] - first) & MASK32, order.doubt_ns[0]) == (highest, 6 * MS)


@pytest.mark.parametrize(("window", "count"), [(64240, 2), (0, 0)])
def test_keep_alives_are_no_window_probes(window, count):
    probe = frames.ack(CLIENT, SERVER, seq=FIRST + 99, ack=OTHER)
    said = [sent(0, 100), acked(100, window=window), (SECOND, probe), (2 * SECOND, probe)]
    assert tracked(*OPENING, *said).endpoint_rows[0].keep_alives == count


# -- overtaken or sent again: marks before times


def filled(marks, later_ns, between=()):
    """How the client's second segment is counted that comes so long behind the third: again, and overtaken.

    `marks` are words of the first, the third and the second segment.  The RTT is 2 ms, of which 1 ms to each end.
    """
    first, third, second = marks
    built = [sent(0, 100, **first), sent(200, 300, **third), *between, (4 * MS + later_ns, sent(100, 200, **second))]
    end = tracked(*OPENING, *built).endpoint_rows[0]
    return end.retransmissions, end.out_of_order


def clocks(*values):
    return [{"options": frames.timestamps(value, 1)} for value in values]


def numbers(*values):
    return [{"ident": value} for value in values]


AGAIN, OVERTAKEN = (1, 0), (0, 1)


@pytest.mark.parametrize(
    ("marks", "later_ns", "counted"),
    [
        (clocks(10, 12, 11), SECOND, OVERTAKEN),
        (clocks(10, 12, 13), MS, AGAIN),
        (clocks(0xFFFF_FFF0, 2, 0xFFFF_FFFE), SECOND, OVERTAKEN),
        (clocks(10, 12, 12), MS, OVERTAKEN),
        (clocks(10, 12, 12), 2 * MS, AGAIN),
        ([*clocks(10, 12), {}], SECOND, AGAIN),
        (numbers(10, 12, 11), SECOND, OVERTAKEN),
        (numbers(10, 12, 13), MS, AGAIN),
        (numbers(0xFFF0, 2, 0xFFFE), SECOND, OVERTAKEN),
        (numbers(10, 12, 12 + 1023), MS, AGAIN),
        (numbers(10, 12, 30_000), MS, OVERTAKEN),
        (numbers(10, 12, 30_000), SECOND, AGAIN),
        (numbers(5000, 9000, 9000 - 4095), SECOND, OVERTAKEN),
        (numbers(0, 0, 0), 1_750_000 - 1, OVERTAKEN),
        (numbers(0, 0, 0), 1_750_000, AGAIN),
    ],
)
def test_what_left_before_the_segment_behind_the_gap(marks, later_ns, counted):
    """An older clock or an earlier number did; else what comes an RTT later, less an eighth, was sent again."""
    assert filled(marks, later_ns) == counted


@pytest.mark.parametrize(
    ("ack", "later_ns", "counted"),
    [(100, 97 * MS + 874_999, OVERTAKEN), (100, 97 * MS + 875_000, AGAIN), (300, 97 * MS + 500_000, AGAIN)],
)
def test_the_receiver_has_said_what_it_lacks(ack, later_ns, counted):
    """What it asks for passes one way later, less an eighth, where it asked for no later bytes."""
    asked = [(100 * MS, acked(ack, ident=1)), (101 * MS, acked(ack, ident=2))]
    assert filled(numbers(0, 0, 0), later_ns, asked) == counted


def test_bytes_before_those_that_were_stored_first():
    """The SYN comes last: what lies between it and the first bytes is missing since then."""
    order = tracked(sent(100, 200, ident=7), sent(200, 300, ident=8), frames.syn(ident=5)).order_rows[0]
    (at,) = [at for at in range(len(order.kind)) if order.kind[at] != GAP_FREE]
    assert (order.kind[at], order.start[at], order.beyond[at]) == (GAP_PASSED, FIRST, FIRST + 100)
    assert (order.made_ns[at], order.ip_id[at]) == (0, 8)


@pytest.mark.parametrize(("to", "gaps"), [(0, []), (100, [(GAP_ACKED, 0, 100)])])
def test_bytes_that_were_acknowledged_before_the_syn_was_stored(to, gaps):
    table = tracked(acked(to), frames.syn())
    side = 1 if table.connection_rows[0].client else 0
    assert side == 1, "the server's segment came first"
    client = table.endpoint_rows[1]
    assert client.snd_nxt == client.contiguous == FIRST + to
    assert (client.hole_start != client.hole_end) == bool(gaps)
    if gaps:
        order, half = table.order_rows[0], len(table.order_rows[0].kind) // 2
        assert (order.kind[half], order.start[half], order.beyond[half]) == (GAP_ACKED, FIRST, FIRST + to)


LATE = {
    "behind its acknowledgment": [acked(100), sent(0, 100)],
    "a part of it": [sent(0, 100), acked(150), sent(100, 200)],
}


@pytest.mark.parametrize("said", LATE.values(), ids=LATE.keys())
def test_whose_bytes_were_stored_late(said):
    assert tracked(*OPENING, *said).connection_rows[0].facts & (FACT_CLIENT_LATE | FACT_SERVER_LATE) == FACT_CLIENT_LATE
    assert not tracked(*OPENING, sent(0, 100), acked(100)).connection_rows[0].facts & FACT_CLIENT_LATE


def test_the_first_gap_is_the_lowest_one_wherever_its_row_keeps_it():
    said = [sent(0, 100), sent(200, 300), sent(400, 500), sent(100, 200), sent(600, 700), sent(520, 530)]
    assert missing(*said) == (300, 400)
