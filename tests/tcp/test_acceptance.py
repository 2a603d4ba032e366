"""What of a segment its receiver accepts (RFC 9293 section 3.10.7.4), and what changes nothing; as Linux does it."""

import pytest
from support import frames
from support.wire import MS, SECOND, Wire, states


def asked():
    """A SYN, and the SYN-ACK that answers it."""
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack()
    return wire


STRAY = {
    "a RST beside RCV.NXT": lambda client: client.rst(seq=1002, ident=0),
    "a RST right of the window": lambda client: client.rst_ack(seq=1001 + 64240, ident=0),
    "another SYN": lambda client: client.syn(seq=900_000),
    "a SYN-ACK": lambda client: client.syn_ack(),
    "a FIN left of the window": lambda client: client.fin(seq=878),
}


@pytest.mark.parametrize("stray", STRAY)
def test_an_ack_out_of_syn_received_is_a_challenge(stray):
    """It proves nothing; the handshake that follows is a normal one."""
    wire = asked()
    STRAY[stray](wire.client)
    wire.server.ack(seq=5001, ack=1001)
    connection = wire.connection()
    assert states(connection)[1] == "SYN_RECEIVED"
    assert connection["outcome"] == "half-open"
    wire.client.ack(seq=1001, ack=5001)
    wire.client.data(5, seq=1001, ack=5001)
    wire.server.ack(seq=5001, ack=1006)
    assert wire.connections()[0]["outcome"] == "established"
    assert states(wire.connections()[0])[1] == "ESTABLISHED"


def test_a_server_that_acknowledges_data_has_proved_itself():
    """Though the capture lacks all that the client sent: the look-alike of a challenge."""
    wire = asked()
    wire.server.ack(seq=5001, ack=1101)
    assert wire.connection()["outcome"] == "established"


FINS = {
    "left of the window": {"seq": 1000},
    "far left": {"seq": 878},
    "acknowledges less than the SYN": {"ack": 5001 - 100_000},
    "acknowledges what was never sent": {"ack": 5001 + 10_000},
    "no ACK": {"flags": "F"},
}


@pytest.mark.parametrize("how", FINS)
def test_a_fin_that_is_not_acceptable_changes_nothing(how):
    wire = Wire().handshake()
    words = {"seq": 1001, "ack": 5001} | FINS[how]
    wire.client.send(words.pop("flags", "FA"), **words)
    wire.server.ack(seq=5001, ack=1001)
    assert states(wire.connection())[1] == "ESTABLISHED"
    wire.client.snd_nxt = 1001
    wire.client.fin(ack=5001)
    assert states(wire.connection())[1] == "CLOSE_WAIT", "the real one is taken"


def test_a_fin_that_acknowledges_what_the_capture_lost_counts_once_it_is_acknowledged():
    wire = Wire().handshake()
    wire.server.data(500, lost="before", stay=True)
    wire.client.fin(ack=5501)
    wire.server.ack(seq=5501, ack=1002)
    assert states(wire.connection()) == ("FIN_WAIT_2", "CLOSE_WAIT")


@pytest.mark.parametrize("first", ["client", "server"])
def test_a_segment_that_acknowledges_more_than_the_fin_is_dropped(first):
    wire = Wire().handshake()
    one = getattr(wire, first)
    one.fin()
    one.peer.fin(ack=one.snd_nxt + 9998)
    one.ack(seq=one.snd_nxt, ack=one.peer.isn + 1)
    side = 0 if first == "client" else 1
    assert states(wire.connection())[side] == "FIN_WAIT_1"
    one.peer.ack(seq=one.peer.isn + 1, ack=one.snd_nxt)
    assert states(wire.connection())[side] == "FIN_WAIT_2"


def closing(wire):
    wire.server.fin()
    wire.client.fin(ack=5001)
    wire.server.ack(ack=1002)


def last_ack(wire):
    wire.client.fin()
    wire.server.fin()


def time_wait(wire):
    wire.server.fin()
    wire.client.fin()
    wire.server.ack()


@pytest.mark.parametrize(("way", "state"), [(closing, "CLOSING"), (last_ack, "LAST_ACK"), (time_wait, "TIME_WAIT")])
def test_a_syn_that_draws_a_challenge_changes_nothing(way, state):
    wire = Wire().handshake()
    way(wire)
    wire.client.syn(seq=900_000)
    wire.server.ack(seq=5002, ack=1002)
    connection = wire.connection()
    assert states(connection)[1] == state
    assert connection["outcome"] == "established"


@pytest.mark.parametrize(("way", "state"), [(closing, "CLOSING"), (last_ack, "LAST_ACK"), (time_wait, "TIME_WAIT")])
def test_a_syn_that_nothing_answers_yet_is_an_attempt_beside_the_old_connection(way, state):
    wire = Wire().handshake()
    way(wire)
    wire.client.syn(seq=900_000)
    old, new = wire.connections()
    assert states(old)[1] == state
    assert (new["outcome"], states(new)) == ("pending", ("SYN_SENT", "CLOSED"))


@pytest.mark.parametrize("way", [closing, last_ack, time_wait])
def test_a_rst_that_acknowledges_the_new_syn_ends_both(way):
    wire = Wire().handshake()
    way(wire)
    wire.client.syn(seq=900_000)
    wire.server.refuse(ack=900_001)
    old, new = wire.connections()
    assert states(old)[1] == "CLOSED"
    assert new["outcome"] == "refused"


def test_the_rst_that_answers_a_bad_ack_ends_nothing():
    wire = asked()
    wire.client.ack(seq=1001, ack=4000)
    wire.server.rst(seq=4000)
    assert states(wire.connection())[1] == "SYN_RECEIVED"
    wire.client.ack(seq=1001, ack=5001)
    connection = wire.connection()
    assert (connection["outcome"], states(connection)[1]) == ("established", "ESTABLISHED")


def crossing():
    wire = Wire(at="middle")
    wire.client.syn(stay=True)
    wire.server.syn()
    return wire


def test_a_syn_ack_again_in_a_simultaneous_open():
    """Its sender has no acknowledgment of its SYN."""
    wire = crossing()
    wire.client.syn_ack()
    wire.server.ack(seq=5001, ack=1001, lost="after")
    wire.wait(SECOND)
    wire.client.syn_ack()
    connection = wire.connection()
    assert states(connection)[0] == "SYN_RECEIVED"
    assert connection["outcome"] != "established"
    assert connection["client_to_server"]["retransmissions"] == 1


@pytest.mark.parametrize("side", [0, 1], ids=["client", "server"])
def test_a_challenge_in_a_simultaneous_open_shows_no_acknowledgment(side):
    """It says what the SYN-ACK of its sender did, which waits for the other end's (RFC 9293 section 3.10.7.4)."""
    wire = crossing()
    end, other = (wire.client, wire.server) if side == 0 else (wire.server, wire.client)
    end.syn_ack(ack=other.isn + 1)
    end.ack(seq=end.isn + 1, ack=other.isn + 1)
    assert states(wire.connection())[side] == "SYN_RECEIVED"


def test_a_plain_syn_again_in_a_simultaneous_open():
    """The SYN that crossed it was lost."""
    wire = Wire(at="middle")
    wire.client.syn(stay=True)
    wire.server.syn(lost="after")
    wire.wait(SECOND)
    wire.client.syn()
    assert states(wire.connection())[0] == "SYN_SENT"


def test_a_syn_again_after_a_stray_fin():
    """In SYN-SENT it was dropped; what follows is a normal connection."""
    wire = Wire()
    wire.client.syn()
    wire.server.send("F", 3, seq=0, stay=True)
    wire.wait(SECOND)
    wire.client.syn()
    assert states(wire.connection())[0] == "SYN_SENT"
    wire.client.rcv_nxt = 0
    wire.server.syn_ack()
    wire.client.ack()
    wire.client.fin()
    connection = wire.connection()
    assert states(connection) == ("FIN_WAIT_1", "CLOSE_WAIT")
    assert connection["outcome"] == "established"


def test_a_syn_ack_again_after_the_client_closed():
    wire = asked()
    wire.client.ack(lost="after")
    wire.client.fin(lost="after")
    wire.wait(SECOND)
    wire.server.syn_ack()
    assert states(wire.connection())[1] == "SYN_RECEIVED"


def test_a_healthy_close_with_a_lost_ack_is_as_before():
    """Repeated FINs are neither old nor beyond the window."""
    wire = Wire().handshake().exchange()
    wire.client.fin()
    wire.server.fin()
    wire.client.ack(lost="after")
    wire.wait(300 * MS)
    wire.server.fin(seq=wire.server.snd_nxt - 1)
    wire.client.ack()
    assert states(wire.connection()) == ("TIME_WAIT", "CLOSED")


STRAYS = {
    "data beyond missing bytes": {"flags": "PA", "size": 10, "seq": 1011},
    "a FIN beyond missing bytes": {"flags": "FA", "seq": 1011},
    "a FIN one byte too far": {"flags": "FA", "seq": 1002},
    "a FIN with data beyond missing bytes": {"flags": "FPA", "size": 10, "seq": 1011},
    "data at the edge of the window": {"flags": "PA", "size": 10, "seq": 1001 + (64240 << 7)},
    "data beyond the window": {"flags": "PA", "size": 10, "seq": 1001 + (70_000 << 7)},
    "a FIN beyond the window": {"flags": "FA", "seq": 1001 + (70_000 << 7)},
    "a FIN that acknowledges the ISN": {"flags": "FA", "ack": 5000},
}


@pytest.mark.parametrize("stray", STRAYS)
@pytest.mark.parametrize("size", [0, 5])
def test_the_next_fin_in_order_is_taken_whatever_was_seen_beyond(stray, size):
    """What the receiver refused, or keeps until bytes before it come, does not move RCV.NXT."""
    wire = Wire(timestamps=False).handshake()
    wire.client.send(**({"seq": 1001, "ack": 5001} | STRAYS[stray]))
    wire.server.ack(seq=5001, ack=1001)
    assert states(wire.connection())[1] == "ESTABLISHED"
    if size:
        wire.client.data(size, seq=1001, ack=5001)
        wire.server.ack(seq=5001, ack=1001 + size)
    wire.client.fin(seq=1001 + size, ack=5001)
    assert states(wire.connection())[1] == "CLOSE_WAIT"
    wire.server.fin(seq=5001, ack=1002 + size)
    assert states(wire.connection())[1] == "LAST_ACK"
    wire.client.ack(seq=1002 + size, ack=5002)
    assert states(wire.connection())[1] == "CLOSED"


@pytest.mark.parametrize(("state", "way"), [("ESTABLISHED", None), ("CLOSE_WAIT", "client"), ("FIN_WAIT_2", "server")])
@pytest.mark.parametrize("beyond", [1, 10, 10_000])
@pytest.mark.parametrize("flags", ["A", "PA", "SA"])
def test_an_end_that_denies_what_was_acknowledged_has_not_sent_it(state, way, beyond, flags):
    """It answers with its old number: nothing was missing, no FIN either, and what it sends next is new."""
    wire = Wire(timestamps=False).handshake()
    if way:
        getattr(wire, way).fin()
        getattr(wire, way).peer.ack()
    seq, ack = wire.client.snd_nxt, wire.server.snd_nxt
    wire.client.send(flags, 10 if flags == "PA" else 0, seq=1000 if flags == "SA" else seq, ack=ack + beyond)
    wire.server.send("A", seq=ack, ack=seq)
    assert states(wire.connection())[1] == state
    if way == "server":
        return
    wire.server.data(20, seq=ack, ack=seq)
    wire.client.ack(seq=seq, ack=ack + 20)
    assert wire.connection()["server_to_client"]["retransmissions"] == 0
    wire.server.fin(seq=ack + 20, ack=seq)
    wire.client.ack(seq=seq, ack=ack + 21)
    assert states(wire.connection())[1] == {"ESTABLISHED": "FIN_WAIT_2", "CLOSE_WAIT": "CLOSED"}[state]


def test_a_fin_that_acknowledged_what_was_not_sent_was_dropped_with_its_acknowledgment():
    wire = Wire(timestamps=False).handshake()
    wire.client.fin(ack=5002)
    wire.server.ack(seq=5001, ack=1001)
    assert states(wire.connection())[1] == "ESTABLISHED"
    wire.client.fin(seq=1001, ack=5001)
    assert states(wire.connection())[1] == "CLOSE_WAIT"


ACCEPTED_ACKS = {"bare": ("A", 0), "with data": ("PA", 10), "with a FIN": ("FA", 0)}


@pytest.mark.parametrize("how", ACCEPTED_ACKS)
def test_what_acknowledges_a_syn_without_syn_is_believed_once_the_client_does(how):
    """The SYN-ACK is missing: either the capture lacks it, or the client drops the segment, and sends its SYN again."""
    flags, size = ACCEPTED_ACKS[how]

    def answered():
        wire = Wire()
        wire.client.syn()
        wire.server.send(flags, size, seq=5001, ack=1001)
        return wire

    wire = answered()
    connection = wire.connection()
    assert states(connection)[0] == "SYN_SENT"
    assert connection["outcome"] == "pending"
    taken = 5001 + size + (flags == "FA")
    wire.client.ack(seq=1001, ack=taken)
    connection = wire.connection()
    assert connection["outcome"] == "established"
    assert states(connection)[0] == ("CLOSE_WAIT" if flags == "FA" else "ESTABLISHED")
    wire = answered()
    wire.wait(SECOND)
    wire.client.syn()
    assert states(wire.connection())[0] == "SYN_SENT"
    wire.server.syn_ack(ack=1001)
    wire.client.ack(seq=1001, ack=5001)
    connection = wire.connection()
    assert (connection["outcome"], states(connection)) == ("established", ("ESTABLISHED", "ESTABLISHED"))


def test_a_server_that_continues_after_its_data_has_accepted():
    """One-sided: nothing of the client was captured after its SYN, nor the SYN-ACK."""
    wire = Wire()
    wire.client.syn()
    wire.server.data(100, seq=5001, ack=1001)
    wire.server.data(100, seq=5101, ack=1001)
    assert wire.connection()["outcome"] == "established"


@pytest.mark.parametrize("flags", ["A", "PA", "FA", "U", ""])
@pytest.mark.parametrize("before", [1, 10, 5000])
def test_a_syn_after_a_stray_segment_opens(flags, before):
    """Nobody had the connection: a RST answers the stray one, or nothing where it has no ACK."""
    wire = Wire(timestamps=False)
    wire.client.send(flags, 10 if "P" in flags else 0, seq=1000 + before, ack=4000 if "A" in flags else 0)
    if "A" in flags:
        wire.server.rst(seq=4000)
    wire.client.syn()
    wire.client.peer.syn_ack(ack=1001)
    last = wire.connections()[-1]
    assert (last["outcome"], states(last)[1]) == ("half-open", "SYN_RECEIVED")
    wire.client.ack(seq=1001, ack=5001)
    last = wire.connections()[-1]
    assert (last["outcome"], states(last)[1]) == ("established", "ESTABLISHED")


@pytest.mark.parametrize("flags", ["A", "PA", "FA", "FPA"])
@pytest.mark.parametrize("beyond", [1, 10, 10_000])
def test_the_rst_that_answers_a_final_ack_of_too_much_takes_it_back(flags, beyond):
    """It has the number that was acknowledged; the connection is as it was before, and may yet be completed."""
    wire = asked()
    wire.client.send(flags, 10 if "P" in flags else 0, seq=1001, ack=5001 + beyond)
    wire.server.rst(seq=5001 + beyond)
    connection = wire.connection()
    assert (connection["outcome"], states(connection)[1]) == ("half-open", "SYN_RECEIVED")
    wire.client.ack(seq=1001, ack=5001)
    wire.client.fin(seq=1001, ack=5001)
    connection = wire.connection()
    assert (connection["outcome"], states(connection)[1]) == ("established", "CLOSE_WAIT")


@pytest.mark.parametrize("flags", ["FA", "FPA"])
@pytest.mark.parametrize(("older", "state"), [(2, "ESTABLISHED"), (1, "CLOSE_WAIT"), (0, "CLOSE_WAIT")])
def test_a_fin_with_an_old_timestamp_is_dropped(flags, older, state):
    """PAWS (RFC 7323 section 5.3); Linux lets a clock go back by one tick."""
    wire = Wire().handshake()
    newest = wire.client.tsval
    wire.client.data(10, options=frames.timestamps(newest, wire.client.echo))
    wire.server.ack()
    stamp = frames.timestamps(newest - older, wire.client.echo)
    wire.client.send(flags, 10 if "P" in flags else 0, options=stamp)
    assert states(wire.connection())[1] == state


def test_a_clock_that_is_ahead_in_a_dropped_segment_does_not_count():
    wire = Wire().handshake()
    wire.client.send("P", 10, seq=1001, ack=0, options=frames.timestamps(wire.client.tsval + 200_000, 0))
    wire.client.fin(seq=1001)
    assert states(wire.connection())[1] == "CLOSE_WAIT"


@pytest.mark.parametrize("ack", [4900, 60_000])
def test_a_rst_that_answers_a_dropped_segment_shows_that_nobody_is_there(ack):
    """An end that closed for good and holds little takes no data; one that is there answers a bad ACK with an ACK."""
    wire = Wire(timestamps=False).handshake()
    wire.server.fin()
    wire.client.ack()
    wire.client.send("PA", 10, seq=1001, ack=ack)
    assert states(wire.connection())[1] == "FIN_WAIT_2"
    wire.server.rst(seq=ack)
    assert states(wire.connection())[1] == "CLOSED"


def test_an_acknowledgment_at_the_edge_of_the_window_counts_and_its_fin_does_not():
    wire = Wire(timestamps=False).handshake()
    wire.server.fin()
    edge = 1001 + (64240 << 7)
    wire.client.fin(seq=edge, ack=5002)
    assert states(wire.connection())[1] == "FIN_WAIT_2"


def test_a_segment_left_of_the_window_does_not_complete_a_handshake():
    wire = asked()
    wire.client.fin(seq=1000, ack=5001)
    assert states(wire.connection())[1] == "SYN_RECEIVED"


@pytest.mark.parametrize(("seq", "state"), [(1002, "ESTABLISHED"), (1500, "ESTABLISHED"), (900, "SYN_RECEIVED")])
def test_an_ack_in_the_window_of_a_simultaneous_open(seq, state):
    wire = crossing()
    wire.server.syn_ack()
    wire.client.ack(seq=seq, ack=5001)
    assert states(wire.connection())[1] == state


@pytest.mark.parametrize(("size", "flags"), [(5, "S"), (0, "FS"), (5, "FS")])
def test_a_rst_for_a_longer_syn_ends_the_request(size, flags):
    wire = asked()
    wire.client.send(flags, size, seq=3000)
    wire.server.refuse(ack=3001 + size + ("F" in flags))
    assert states(wire.connections()[0])[1] == "CLOSED"


def test_a_fin_that_did_not_fit_into_a_full_window_does_not_stand_in_the_way_of_the_next():
    wire = Wire(timestamps=False).handshake().exchange()
    wire.server.ack(window=0)
    number = wire.client.snd_nxt
    wire.client.send("FPA", 10)
    for _ in range(2):
        wire.server.ack(ack=number, window=0)
    assert states(wire.connection())[1] == "ESTABLISHED"
    wire.client.data(5, seq=number)
    wire.server.ack(ack=number + 5)
    wire.client.fin(seq=number + 5)
    assert states(wire.connection())[1] == "CLOSE_WAIT"


def test_an_end_that_closes_with_its_old_number_never_sent_what_was_acknowledged():
    """Its challenges are limited in rate, so that none need come before."""
    wire = Wire(timestamps=False).handshake()
    wire.client.fin()
    wire.server.ack()
    wire.client.ack(ack=15_001)
    wire.server.fin(seq=5001)
    assert states(wire.connection())[1] == "LAST_ACK"


@pytest.mark.parametrize("beyond", [1, 10])
def test_a_syn_ack_after_an_acknowledgment_of_too_much_opens(beyond):
    """The client resets just the number that was acknowledged, and asks on."""
    wire = Wire()
    wire.client.syn()
    wire.server.ack(seq=9000, ack=1001 + beyond)
    wire.client.rst(seq=1001 + beyond)
    assert states(wire.connection())[0] == "SYN_SENT"
    wire.server.syn_ack(ack=1001)
    wire.client.ack(seq=1001, ack=5001)
    connection = wire.connection()
    assert (connection["outcome"], states(connection)) == ("established", ("ESTABLISHED", "ESTABLISHED"))
