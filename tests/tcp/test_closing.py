"""How connections close (RFC 9293 section 3.6): who closed first, half-close, TIME-WAIT, and FINs that are lost."""

import pytest
from support import frames
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN
from support.tracked import tracked
from support.wire import MS, SECOND, Wire, states

from handshake_inspect.tcp.facts import (
    CHECK_FIN_DOUBTED,
    CHECK_FIN_UNSEEN,
    FACT_LAST_ACK_SEEN,
    TRAIT_FIN,
    TRAIT_FIN_ACKED,
)
from handshake_inspect.tcp.transitions import TcpState


def opened(**words):
    return Wire(**words).handshake().exchange()


@pytest.mark.parametrize(("first", "left"), [("client", ("TIME_WAIT", "CLOSED")), ("server", ("CLOSED", "TIME_WAIT"))])
def test_who_closes_first_holds_time_wait(first, left):
    connection = opened().close(first).connection()
    assert connection["close"] == {"how": "fin", "first": first, "reset_by": None}
    assert states(connection) == left


@pytest.mark.parametrize(
    ("who", "seen"), [("client", ("FIN_WAIT_2", "CLOSE_WAIT")), ("server", ("CLOSE_WAIT", "FIN_WAIT_2"))]
)
def test_a_half_closed_connection_goes_on(who, seen):
    wire = opened()
    one = getattr(wire, who)
    one.fin()
    for _ in range(3):
        one.peer.data(1000)
        one.ack()
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("established", "half-closed")
    assert connection["close"] == {"how": "half-closed", "first": who, "reset_by": None}
    assert states(connection) == seen
    one.peer.fin()
    one.ack()
    assert wire.connection()["close"]["how"] == "fin"


def test_a_fin_may_carry_data():
    wire = opened()
    wire.client.send("FPA", 500)
    wire.server.fin()
    wire.client.ack()
    connection = wire.connection()
    assert states(connection) == ("TIME_WAIT", "CLOSED")
    assert connection["client_to_server"]["bytes"] == 600


def test_the_request_ends_with_the_fin_and_so_does_the_answer():
    """Three segments are enough to close: the second FIN acknowledges the first."""
    wire = opened()
    wire.client.fin()
    wire.server.fin()
    assert states(wire.connection()) == ("TIME_WAIT", "LAST_ACK")
    wire.client.ack()
    assert states(wire.connection()) == ("TIME_WAIT", "CLOSED")


def test_simultaneous_close():
    wire = opened(at="middle")
    wire.client.fin(stay=True)
    wire.server.fin()
    assert states(wire.connection()) == ("CLOSING", "CLOSING")
    wire.client.ack(stay=True)
    wire.server.ack()
    connection = wire.connection()
    assert states(connection) == ("TIME_WAIT", "TIME_WAIT")
    assert connection["close"]["how"] == "fin"


@pytest.mark.parametrize("two_msl_s", [1, 60, 240])
def test_time_wait_lasts_two_msl(two_msl_s):
    for early, wanted in [(MS, "TIME_WAIT"), (0, "CLOSED")]:
        wire = opened().close()
        last = wire.taken[-2][0]  # the server's FIN, which took the client there
        wire.quiet(last + two_msl_s * SECOND - early - wire.now)
        assert wire.connection(time_wait_ns=two_msl_s * SECOND)["state"]["client"] == wanted


def test_a_repeated_fin_restarts_time_wait():
    """The client's last ACK is lost; RFC 9293 section 3.10.7.4 restarts the 2 MSL time-out."""
    wire = opened()
    wire.client.fin()
    wire.server.fin()
    wire.client.ack(lost="after")
    wire.wait(30 * SECOND)
    wire.server.fin(seq=wire.server.snd_nxt - 1)
    wire.client.ack()
    assert states(wire.connection()) == ("TIME_WAIT", "CLOSED")
    wire.quiet(59 * SECOND)
    assert states(wire.connection()) == ("TIME_WAIT", "CLOSED")
    wire.quiet(2 * SECOND)
    assert states(wire.connection()) == ("CLOSED", "CLOSED")


def test_a_fin_that_is_lost_again_and_again():
    wire = opened()
    seq = wire.client.snd_nxt
    for pause in (0, 200, 400, 800):
        wire.wait(pause * MS)
        wire.client.fin(seq=seq, lost="after")
    connection = wire.connection()
    assert states(connection) == ("FIN_WAIT_1", "ESTABLISHED")
    assert connection["client_to_server"]["retransmissions"] == 3
    assert connection["close"] == {"how": "half-closed", "first": "client", "reset_by": None}


def test_the_last_ack_is_lost_again_and_again():
    """Seen beside the server: a FIN that is repeated and never acknowledged may not have arrived."""
    wire = opened(at="server")
    wire.client.fin()
    seq = wire.server.snd_nxt
    for pause in (0, 300, 600, 1200):
        wire.wait(pause * MS)
        wire.server.fin(seq=seq)
        wire.client.ack(lost="before")
    assert states(wire.connection()) == ("FIN_WAIT_2", "LAST_ACK")


def test_the_last_ack_is_lost_behind_the_capture_again_and_again():
    """Seen beside the client: every ACK is in the capture, and the server asks on."""
    wire = opened(at="client")
    wire.client.fin()
    seq = wire.server.snd_nxt
    for pause in (0, 300, 600, 1200):
        wire.wait(pause * MS)
        wire.server.fin(seq=seq)
        wire.client.ack(lost="after")
    assert states(wire.connection()) == ("TIME_WAIT", "LAST_ACK")


def test_both_fins_crossed_and_one_was_lost():
    """The server has CLOSING; the client never saw that FIN and stays in FIN-WAIT-2 until it comes again."""
    wire = opened(at="server")
    wire.client.fin(stay=True)
    wire.server.fin(lost="after", stay=True)
    wire.wait(20 * MS)
    wire.server.ack()
    wire.wait(300 * MS)
    wire.server.fin(seq=wire.server.snd_nxt - 1, ack=wire.server.rcv_nxt)
    wire.client.ack()
    connection = wire.connection()
    assert connection["close"]["how"] == "fin"
    assert states(connection)[0] == "TIME_WAIT"
    assert states(connection)[1] in {"TIME_WAIT", "CLOSED"}


def test_fin_before_the_handshake_is_over():
    """A client that connects, sends and closes at once, its bare ACK lost before the capture point."""
    wire = Wire(at="server")
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack(lost="before")
    wire.client.send("FPA", 10)
    connection = wire.connection()
    assert connection["outcome"] == "established"
    assert connection["state"]["client"] == "FIN_WAIT_1"
    assert connection["state"]["server"] == "CLOSE_WAIT"


def test_midstream_close():
    wire = Wire()
    wire.client.rcv_nxt, wire.server.rcv_nxt = 5000, 1000
    wire.close()
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("midstream", None)
    assert connection["close"] == {"how": "fin", "first": "client", "reset_by": None}
    assert states(connection) == ("TIME_WAIT", "CLOSED")


# -- FINs that the capture does not hold


CLOSES = {"client": ("TIME_WAIT", "CLOSED"), "server": ("CLOSED", "TIME_WAIT")}


@pytest.mark.parametrize("first", CLOSES)
@pytest.mark.parametrize("acks", [False, True], ids=["three segments", "four segments"])
@pytest.mark.parametrize("missing", [0, 1])
def test_a_fin_that_was_not_captured(first, acks, missing):
    """Its acknowledgment counts one byte more than was seen, and both ends close."""
    wire = opened()
    count = len(wire.taken)
    one = getattr(wire, first)
    fins = [count, count + 1 + acks]
    one.fin()
    if acks:
        one.peer.ack()
    one.peer.fin()
    one.ack()
    order = [i for i in range(len(wire.taken)) if i != fins[missing]]
    connection = wire.connection(order=order)
    assert states(connection) == CLOSES[first]
    assert connection["close"] == {"how": "fin", "first": first, "reset_by": None}


@pytest.mark.parametrize("first", CLOSES)
@pytest.mark.parametrize("at", [0, 1])
def test_closing_segments_that_are_stored_in_the_wrong_order(first, at):
    wire = opened()
    at += len(wire.taken)
    wire.close(first)
    order = list(range(len(wire.taken)))
    order[at], order[at + 1] = order[at + 1], order[at]
    connection = wire.connection(order=order)
    assert states(connection) == CLOSES[first]
    assert connection["close"] == {"how": "fin", "first": first, "reset_by": None}
    assert connection["client_to_server"]["retransmissions"] == connection["server_to_client"]["retransmissions"] == 0


def test_a_byte_that_was_not_captured_is_no_fin_where_nobody_closes():
    wire = opened()
    wire.client.data(1, lost="before")
    wire.server.ack(ack=wire.client.snd_nxt)
    connection = wire.connection()
    assert states(connection) == ("ESTABLISHED", "ESTABLISHED")
    assert connection["close"]["how"] == "open"


def test_a_fin_that_was_lost_before_the_capture_and_crossed_another():
    """What its sender sent next was numbered behind it, before the other's FIN came: a simultaneous close."""
    wire = opened(at="client")
    number = wire.server.snd_nxt
    wire.server.fin(lost="before", stay=True)
    wire.client.fin(ack=number)
    wire.server.ack(seq=number + 1)
    wire.wait(300 * MS)
    wire.server.fin(seq=number)
    wire.client.ack()
    assert states(wire.connection()) == ("TIME_WAIT", "TIME_WAIT")


def test_a_fin_behind_bytes_that_are_missing():
    """Seen beside the client, which gets the FIN but not the data before it, and so does not take the FIN yet."""
    wire = opened(at="client")
    number = wire.server.snd_nxt
    wire.server.data(100, lost="before", stay=True)
    wire.server.fin()
    wire.client.ack(ack=number)
    assert states(wire.connection()) == ("ESTABLISHED", "FIN_WAIT_1")
    wire.wait(200 * MS)
    wire.server.data(100, seq=number)
    assert states(wire.connection()) == ("CLOSE_WAIT", "FIN_WAIT_1")
    wire.client.ack(ack=number + 101)
    assert states(wire.connection()) == ("CLOSE_WAIT", "FIN_WAIT_2")


def test_repeated_acknowledgments_show_that_bytes_before_the_fin_are_missing():
    """Seen beside the server, whose data is lost behind the capture."""
    wire = opened(at="server")
    number = wire.server.snd_nxt
    wire.server.data(1000, lost="after", stay=True)
    wire.server.data(1000, stay=True)
    wire.server.fin()
    assert states(wire.connection())[0] == "CLOSE_WAIT"
    for _ in range(2):
        wire.client.ack(ack=number)
    assert states(wire.connection()) == ("ESTABLISHED", "FIN_WAIT_1")
    wire.server.data(1000, seq=number)
    wire.client.ack(ack=number + 2001)
    assert states(wire.connection()) == ("CLOSE_WAIT", "FIN_WAIT_2")


def test_missing_bytes_that_come_again_with_the_fin_behind_them():
    wire = opened(at="client")
    number = wire.server.snd_nxt
    wire.server.data(100, lost="before", stay=True)
    wire.server.fin()
    wire.client.ack(ack=number)
    wire.wait(200 * MS)
    wire.server.send("FPA", 100, seq=number)
    assert states(wire.connection()) == ("CLOSE_WAIT", "FIN_WAIT_1")


def test_a_fin_that_was_lost_before_the_capture_and_answered_another():
    """That one was repeated meanwhile: the first acknowledgment that is seen was not the first."""
    wire = opened(at="server")
    number = wire.server.snd_nxt
    wire.server.fin()
    wire.client.fin(lost="before")
    wire.wait(250 * MS)
    wire.server.fin(seq=number)
    wire.client.ack()
    wire.client.fin(seq=wire.client.snd_nxt - 1)
    wire.server.ack(ack=wire.client.snd_nxt)
    assert states(wire.connection()) == ("CLOSED", "TIME_WAIT")


@pytest.mark.parametrize(("size", "left"), [
    (9, "FIN_WAIT_1"), (10, "FIN_WAIT_1"), (11, "ESTABLISHED"), (50, "ESTABLISHED"),
])  # fmt: skip
def test_a_stray_fin_in_whose_place_payload_comes_was_none(size, left):
    """It lay behind missing bytes, so its peer never took it; who sends on there had not closed."""
    wire = opened()
    number = wire.client.snd_nxt
    wire.client.fin(seq=number + 10)
    assert states(wire.connection()) == ("FIN_WAIT_1", "ESTABLISHED")
    wire.client.data(size, seq=number)
    connection = wire.connection()
    taken = "CLOSE_WAIT" if size == 10 else "ESTABLISHED"  # nothing is missing any more
    assert states(connection) == (left, taken)
    assert connection["close"]["how"] == ("open" if left == "ESTABLISHED" else "half-closed")


@pytest.mark.parametrize("size", [0, 5, 10, 11])
def test_of_two_fins_the_one_in_order_counts(size):
    wire = opened()
    number = wire.client.snd_nxt
    wire.client.fin(seq=number + 10)
    wire.client.send("FPA" if size else "FA", size, seq=number)
    wire.server.ack(ack=number + size + 1)
    connection = wire.connection()
    assert states(connection) == ("FIN_WAIT_2", "CLOSE_WAIT")
    assert connection["client_to_server"]["bytes"] == 100 + size


def test_a_fin_that_may_have_been_taken_is_not_refuted():
    """Its peer acknowledged it: what comes in its place afterwards is a stray segment."""
    wire = opened()
    number = wire.client.snd_nxt
    wire.client.fin()
    wire.server.ack()
    wire.client.data(50, seq=number)
    assert states(wire.connection()) == ("FIN_WAIT_2", "CLOSE_WAIT")


@pytest.mark.parametrize("length", [1, 2, 3])
def test_who_denies_what_was_acknowledged_had_not_sent_it(length):
    """A stray acknowledgment of bytes that nobody sent; the ACK that answers it has the number before them."""

    def denied():
        wire = opened()
        number, theirs = wire.client.snd_nxt, wire.server.snd_nxt
        wire.server.data(10, ack=number + length)
        wire.client.ack(seq=number, ack=theirs + (10 if length > 1 else 0))
        return wire, number

    wire, number = denied()
    wire.client.data(20, seq=number)
    wire.server.ack(ack=number + 20)
    sent = wire.connection()["client_to_server"]
    assert (sent["bytes"], sent["retransmissions"], sent["keep_alives"]) == (120, 0, 0)
    wire, number = denied()
    wire.client.rst(seq=number)  # exactly what the server expects next
    assert states(wire.connection()) == ("CLOSED", "CLOSED")


@pytest.mark.parametrize("first", CLOSES)
def test_the_last_fin_comes_again_though_its_acknowledgment_was_stored_before_it(first):
    wire = opened()
    wire.close(first)
    order = list(range(len(wire.taken)))
    order[-2:] = order[:-3:-1]  # the last ACK before the FIN that it acknowledges
    other = getattr(wire, first).peer
    wire.wait(300 * MS)
    other.fin(seq=other.snd_nxt - 1)
    order.append(len(order))
    connection = wire.connection(order=order)
    assert states(connection) == (("TIME_WAIT", "LAST_ACK") if first == "client" else ("LAST_ACK", "TIME_WAIT"))


# -- FINs that the capture stored late, or does not hold


def stored(order, act):
    """A wire whose frames behind the handshake are stored in this order."""
    wire = Wire(at="middle", timestamps=False).handshake()
    act(wire)
    return wire.connection(order=[0, 1, 2, *(3 + at for at in order)])


def says_all(wire):
    wire.client.data(100)
    wire.client.fin()
    wire.server.ack()


def says_all_last(wire):
    wire.server.fin()
    wire.client.ack()
    says_all(wire)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [0, 2, 1]])
def test_a_fin_that_is_stored_after_its_acknowledgment(order):
    assert states(stored(order, says_all)) == ("FIN_WAIT_2", "CLOSE_WAIT")


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [0, 1, 4, 2, 3], [0, 1, 2, 4, 3]])
@pytest.mark.parametrize("resets", [False, True])
def test_the_last_fin_that_is_stored_after_its_acknowledgment(order, resets):
    """A RST that follows ends nothing that was not over."""

    def act(wire):
        says_all_last(wire)
        if resets:
            wire.wait(SECOND)
            wire.client.rst()

    connection = stored([*order, *([5] if resets else [])], act)
    assert connection["close"] == {"how": "fin", "first": "server", "reset_by": None}
    assert states(connection) == ("CLOSED", "CLOSED" if resets else "TIME_WAIT")


@pytest.mark.parametrize("repeats", [0, 1, 2])
def test_an_unseen_fin_shows_that_its_sender_has_the_other_one(repeats):
    """However often that had to be sent."""
    wire = Wire(timestamps=False).handshake()
    wire.client.fin(lost="after" if repeats else None)
    for left in range(repeats, 0, -1):
        wire.wait(300 * MS)
        wire.client.fin(seq=1001, lost="after" if left > 1 else None)
    wire.server.fin(lost="before")
    wire.client.ack(ack=5002)
    assert states(wire.connection()) == ("TIME_WAIT", "CLOSED")


@pytest.mark.parametrize(("ack", "server"), [(5001, "CLOSE_WAIT"), (5002, "TIME_WAIT")])
def test_a_byte_that_is_missing_is_a_fin_only_where_the_end_that_closes_acknowledges_it(ack, server):
    wire = Wire(timestamps=False).handshake()
    wire.server.data(1, lost="before")
    wire.client.ack(ack=5002)
    wire.client.fin(ack=ack)
    assert states(wire.connection())[1] == server


def test_what_was_missing_is_no_fin():
    """It comes late, and nobody has closed."""
    wire = Wire(timestamps=False, at="server").handshake().exchange()
    wire.client.data(100, later=5 * MS, stay=True)
    wire.client.data(100)
    wire.wait(SECOND)
    assert states(wire.connection()) == ("ESTABLISHED", "ESTABLISHED")


@pytest.mark.parametrize("isn", [1000, 0xC000_0000])
def test_a_fin_that_comes_again_has_not_arrived_where_nothing_of_its_peer_is_captured(isn):
    wire = Wire(client_isn=isn).handshake().exchange()
    seq = wire.client.snd_nxt
    for _ in range(2):
        wire.client.fin(seq=seq, lost="after")
        wire.wait(SECOND)
    assert states(wire.connection(only="client")) == ("FIN_WAIT_1", "ESTABLISHED")


def test_a_rst_for_a_fin_that_came_again_ends_the_connection():
    """The server repeats its FIN, so that the last ACK was lost; its client has forgotten the connection."""
    wire = opened()
    wire.client.fin()
    seq = wire.server.snd_nxt
    wire.server.fin()
    wire.client.ack(lost="after")
    wire.wait(SECOND)
    wire.server.fin(seq=seq)
    wire.client.rst()
    connection = wire.connection()
    assert (connection["close"]["how"], states(connection)) == ("rst-after-fin", ("CLOSED", "CLOSED"))


def test_an_end_that_goes_on_behind_what_the_capture_lacks_has_sent_it():
    """It denies nothing, however often it acknowledges the same."""
    wire = Wire(timestamps=False).handshake().exchange()
    wire.client.data(100, lost="before")
    wire.server.ack(ack=1201)
    for _ in range(3):
        wire.client.ack()
        wire.wait(300 * MS)
    wire.client.rst(seq=wire.client.snd_nxt)
    assert states(wire.connection()) == ("CLOSED", "CLOSED")


# -- rows: what is kept of FINs; numbers count from behind the SYNs, times in seconds

OPENING = [
    frames.syn(),
    frames.syn_ack(),
    frames.ack(CLIENT, SERVER, seq=CLIENT_ISN + 1, ack=SERVER_ISN + 1),
]
ACK, FIN = frames.ACK, frames.ACK | frames.FIN


def c(at, flags, seq=0, ack=0, size=0, **words):
    """A segment of the client."""
    words |= {"seq": CLIENT_ISN + 1 + seq, "ack": SERVER_ISN + 1 + ack, "payload": b"x" * size}
    return int(at * SECOND), frames.segment(CLIENT, SERVER, flags, **words)


def s(at, flags, seq=0, ack=0, size=0, **words):
    """And of the server."""
    words |= {"seq": SERVER_ISN + 1 + seq, "ack": CLIENT_ISN + 1 + ack, "payload": b"x" * size}
    return int(at * SECOND), frames.segment(SERVER, CLIENT, flags, **words)


def kept(*said):
    """The rows of the connection and both ends."""
    table = tracked(*OPENING, *said)
    return table.connection_rows[0], table.endpoint_rows[0], table.endpoint_rows[1]


CLOSE = [c(1, FIN), s(2, FIN, 0, 1), c(3, ACK, 1, 1)]


def test_what_is_kept_of_a_close():
    row, client, server = kept(*CLOSE)
    assert (row.fin_ns, row.fin_frame, row.fin_side) == (SECOND, 4, 0)
    assert row.time_wait_ns == 2 * SECOND
    assert (client.fin_seq, server.fin_seq) == (CLIENT_ISN + 2, SERVER_ISN + 2)
    assert client.traits & server.traits & (TRAIT_FIN | TRAIT_FIN_ACKED) == TRAIT_FIN | TRAIT_FIN_ACKED
    assert row.facts & FACT_LAST_ACK_SEEN


def test_a_fin_after_payload_begins_after_it():
    _, client, _ = kept(c(1, FIN, size=10))
    assert (client.fin_seq, client.snd_nxt) == (CLIENT_ISN + 12, CLIENT_ISN + 12)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_fin_that_comes_again_though_it_was_acknowledged(count):
    again = [each for at in range(count) for each in (s(4 + 2 * at, FIN, 0, 1, ident=at + 1),
                                                      c(5 + 2 * at, ACK, 1, 1, ident=at + 1))]  # fmt: skip
    row, _, server = kept(*CLOSE, *again)
    assert (row.fin_ns, row.fin_side) == (SECOND, 0)
    assert row.time_wait_ns == (2 + 2 * count) * SECOND
    assert server.fin_count == count
    assert bool(row.facts & FACT_LAST_ACK_SEEN) == (count < 2), "an ACK may be lost once"
    assert TcpState(server.state).name == ("CLOSED" if count < 2 else "LAST_ACK")


def test_a_fin_that_comes_again_is_not_acknowledged_until_it_is_once_more():
    row, _, server = kept(*CLOSE, s(4, FIN, 0, 1, ident=1))
    assert (server.traits & TRAIT_FIN_ACKED, row.facts & FACT_LAST_ACK_SEEN) == (0, 0)
    assert TcpState(server.state).name == "LAST_ACK"


def test_the_first_fin_is_the_other_one_where_the_first_was_none():
    """Its byte is of payload that comes later."""
    row, *_ = kept(c(1, ACK, 1, 0), s(2, FIN, 0, 0), c(3, ACK, 0, 1, 10))
    assert row.fin_side == 1


@pytest.mark.parametrize(
    ("said", "fin", "doubted"),
    [
        ([c(1, FIN, 0, 5), s(2, ACK, 0, 0)], False, True),
        ([c(1, FIN, 0, 5), s(2, ACK, 0, 1)], True, False),
        ([c(1, FIN), s(1.5, ACK, 0, 1), c(2, ACK, 1, 5), s(3, ACK, 0, 1, ident=2)], True, False),
        ([c(1, ACK, 0, 5), s(2, ACK, 0, 0)], False, False),
        ([c(1, FIN, 0, 0), c(2, ACK, 1, 5), s(3, ACK, 0, 0)], False, True),
    ],
    ids=["with the FIN", "that it takes", "behind a FIN that it has", "of no FIN", "behind a FIN that is not taken"],
)
def test_what_becomes_of_a_fin_where_the_other_end_denies_what_was_acknowledged(said, fin, doubted):
    """RFC 9293 section 3.10.7.4: it dropped the segment, unless it acknowledges what that held."""
    _, client, server = kept(*said)
    assert (bool(client.traits & TRAIT_FIN), bool(client.checks & CHECK_FIN_DOUBTED)) == (fin, doubted)
    assert (server.snd_nxt, client.last_ack) == (SERVER_ISN + 1, SERVER_ISN + 1)


def test_a_doubted_fin_that_is_acknowledged_was_taken():
    row, client, server = kept(c(1, FIN, 0, 5), s(2, ACK, 0, 0), s(3, ACK, 0, 1, ident=3))
    assert (bool(client.traits & TRAIT_FIN), client.checks & CHECK_FIN_DOUBTED, row.fin_side) == (True, 0, 0)
    assert [TcpState(end.state).name for end in (client, server)] == ["FIN_WAIT_2", "CLOSE_WAIT"]


@pytest.mark.parametrize(("size", "later", "doubted"), [(0, 0, True), (1, 0, False), (10, 0, False), (5, -5, True)])
def test_payload_in_the_place_of_a_doubted_fin_shows_that_it_was_dropped(size, later, doubted):
    """An acknowledgment of that byte is none of the FIN then."""
    said = [c(1, FIN, 0, 5), s(2, ACK, 0, 0), c(3, ACK, later, 0, size, ident=3)]
    _, client, _ = kept(*said)
    assert bool(client.checks & CHECK_FIN_DOUBTED) == doubted
    _, client, _ = kept(*said, s(4, ACK, 0, 1, ident=4))
    assert bool(client.traits & TRAIT_FIN) == doubted


def test_an_acknowledgment_that_comes_again_does_not_restart_time_wait():
    row, *_ = kept(*CLOSE, s(4, ACK, 1, 1), c(5, ACK, 1, 1, ident=2))
    assert row.time_wait_ns == 2 * SECOND


UNSEEN = {
    "the end that closes acknowledges one byte more": ([c(1, FIN), s(1.5, ACK, 0, 1), c(2, ACK, 1, 1)], 1, True),
    "with its FIN": ([s(1, ACK, 0, 0, 5), c(2, FIN, 0, 6)], 1, True),
    "its sender goes on behind it": ([c(1, ACK, 1, 0)], 0, True),
    "its sender goes on behind it and echoes a mark": ([c(1, ACK | frames.ECE, 1, 0)], 0, True),
    "nobody closes": ([c(1, ACK, 0, 1)], 1, False),
    "two bytes more": ([c(1, FIN), s(1.5, ACK, 0, 1), c(2, ACK, 1, 2)], 1, False),
    "two bytes behind": ([c(1, ACK, 2, 0)], 0, False),
    "payload one byte behind": ([c(1, ACK, 1, 0, 5)], 0, False),
    "behind missing bytes": ([s(1, ACK, 10, 0, 5), c(2, FIN, 0, 16)], 1, False),
    "its sender goes on behind missing bytes": ([c(1, ACK, 10, 0, 5), c(2, ACK, 16, 0)], 0, False),
}


@pytest.mark.parametrize(("said", "side", "shows"), UNSEEN.values(), ids=UNSEEN.keys())
def test_what_shows_a_fin_that_is_not_captured(said, side, shows):
    end = kept(*said)[1 + side]
    assert bool(end.checks & CHECK_FIN_UNSEEN) == shows
    assert bool(end.traits & TRAIT_FIN) == shows


def test_a_byte_before_the_first_segment_of_an_end_is_no_fin():
    """The capture lacks its SYN-ACK, and may lack any other."""
    server = tracked(frames.syn(), OPENING[2], s(1, ACK, 1, 0)).endpoint_rows[1]
    assert not server.traits & TRAIT_FIN


@pytest.mark.parametrize(
    ("said", "number"),
    [([c(1, FIN), c(2, ACK, 2, 0)], 1), ([c(1, FIN, 1)], 2), ([c(1, FIN), c(2, FIN, 1, 0, ident=3)], 1)],
    ids=["an ACK behind it", "a byte before it", "another behind it"],
)
def test_a_fin_has_one_number(said, number):
    client = kept(*said)[1]
    assert (client.fin_seq, client.checks & CHECK_FIN_UNSEEN) == (CLIENT_ISN + 1 + number, 0)


@pytest.mark.parametrize("flags", [ACK, FIN])
@pytest.mark.parametrize("size", [0, 1, 100])
def test_what_comes_behind_a_fin_is_never_taken(size, flags):
    """RFC 9293 section 3.10.7.4: its receiver ignores the text."""
    _, client, _ = kept(c(1, FIN), s(2, ACK, 0, 1), c(3, flags, 1, size=size, ident=3))
    assert (client.snd_nxt, client.contiguous, client.fin_seq) == (CLIENT_ISN + 2,) * 3
    assert TcpState(client.state).name == "FIN_WAIT_2"


@pytest.mark.parametrize(
    ("later", "stays"),
    [
        ([s(3, FIN, 0, 1)], True),
        ([s(3, ACK, 0, 1, 1)], False),
        ([s(3, ACK, 0, 1, 10)], False),
        ([s(3, ACK, 1, 1, 10)], False),
        ([c(3, ACK, 1, 11)], False),
        ([c(3, ACK, 1, 1, ident=9)], True),
        ([s(3, FIN, 1, 1)], True),
    ],
    ids=[
        "it is stored late",
        "the byte is",
        "more is",
        "its sender goes on",
        "more is acknowledged",
        "again",
        "another",
    ],
)
def test_a_fin_that_is_not_captured_is_believed_until_its_number_is_of_something_else(later, stays):
    row, client, server = kept(c(1, FIN), s(1.5, ACK, 0, 1), c(2, ACK, 1, 1), *later)
    assert bool(server.traits & TRAIT_FIN) == stays
    assert (row.fin_side, row.fin_ns) == (0, SECOND)
    assert TcpState(client.state).name == ("TIME_WAIT" if stays else "FIN_WAIT_2")
    assert bool(row.facts & FACT_LAST_ACK_SEEN) == stays


@pytest.mark.parametrize("first", ["client", "server"])
def test_who_closed_first_where_the_other_fin_was_none(first):
    """The end whose FIN is in the capture."""
    wire = Wire(timestamps=False).handshake()
    one = getattr(wire, first)
    seq, other = one.snd_nxt, one.peer.snd_nxt
    one.fin()
    one.peer.ack()
    one.ack(seq=seq + 1, ack=other + 1)
    one.peer.data(10, seq=other, ack=seq + 1)
    assert wire.connection()["close"] == {"how": "half-closed", "first": first, "reset_by": None}
