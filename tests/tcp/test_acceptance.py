"""What of a segment its receiver accepts (RFC 9293 section 3.10.7.4), and what changes nothing; as Linux does it."""

import pytest
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


@pytest.mark.parametrize(("type_", "code", "state"), [(3, 1, "CLOSED"), (11, 0, "CLOSED"), (3, 3, "SYN_RECEIVED")])
def test_an_icmp_error_for_the_syn_ack(type_, code, state):
    """Linux forgets a request whose SYN-ACK cannot be delivered, not one whose port is unreachable."""
    wire = Wire(at="server")
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.icmp_error(wire.server.packet, type=type_, code=code)
    connection = wire.connection()
    assert (states(connection)[1], connection["outcome"]) == (state, "half-open")


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
