"""Stray segments that a real kernel met in `tests/lab/edges.py`: what they change, and what they do not."""

import pytest
from support import frames
from support.wire import MS, SECOND, Wire, states


def full():
    """The server has no room for more."""
    wire = Wire(timestamps=False).handshake().exchange()
    wire.server.ack(window=0)
    return wire


@pytest.mark.parametrize(("flags", "size"), [("RA", 5), ("SR", 0)])
def test_a_rst_that_takes_room_does_not_go_into_a_window_of_zero(flags, size):
    """RFC 9293 section 3.10.7.4: where the window is zero, nothing is acceptable but an empty segment at RCV.NXT."""
    wire = full()
    wire.client.send(flags, size)
    assert states(wire.connection())[1] == "ESTABLISHED"


def test_an_empty_rst_goes_into_a_window_of_zero():
    wire = full()
    wire.client.rst_ack()
    assert states(wire.connection())[1] == "CLOSED"


def test_the_clock_of_a_segment_that_found_no_room_does_not_count():
    """RFC 7323 section 4.3: what was not accepted sets no timestamp."""
    wire = Wire().handshake().exchange()
    wire.server.ack(window=0)
    number = wire.client.snd_nxt
    wire.client.data(10, options=frames.timestamps(wire.client.tsval + 200_000, 0))
    wire.server.ack(ack=number, window=0)
    wire.wait(SECOND)
    wire.server.ack(ack=number)
    wire.client.fin(seq=number)
    assert states(wire.connection())[1] == "CLOSE_WAIT"


def test_a_fin_behind_missing_bytes_does_not_cross_the_other_one():
    """The peer cannot take it, so that its own FIN comes first."""
    wire = Wire(timestamps=False).handshake().exchange()
    number = wire.client.snd_nxt
    wire.client.fin(seq=number + 10)
    wire.server.ack(ack=number)
    wire.server.fin(ack=number)
    assert states(wire.connection())[1] == "FIN_WAIT_1"
    wire.client.ack(seq=number, ack=wire.server.snd_nxt)
    assert states(wire.connection())[1] == "FIN_WAIT_2"


def test_a_fin_that_found_no_room_does_not_cross_the_other_one():
    wire = full()
    number = wire.client.snd_nxt
    wire.client.send("FPA", 10)
    wire.server.ack(ack=number, window=0)
    wire.server.fin(ack=number, window=0)
    assert states(wire.connection())[1] == "FIN_WAIT_1"


def orphan():
    """FIN-WAIT-2 without an application."""
    wire = Wire(timestamps=False).handshake().exchange()
    wire.client.fin()
    wire.server.ack()
    return wire


@pytest.mark.parametrize("ack", [-100_000, -1])
def test_a_rst_in_answer_to_a_stray_syn_ack_shows_that_nobody_is_there(ack):
    """A connection would challenge it."""
    wire = orphan()
    number = wire.client.snd_nxt + ack
    wire.server.send("SA", seq=wire.server.snd_nxt, ack=number)
    wire.client.rst(seq=number)
    assert states(wire.connection())[0] == "CLOSED"


def test_a_rst_in_answer_to_data_with_an_old_acknowledgment_shows_that_nobody_is_there():
    wire = Wire(timestamps=False).handshake().exchange()
    wire.client.fin()
    old = wire.client.snd_nxt - 2
    wire.server.data(10, ack=old)
    wire.client.rst(seq=old)
    assert states(wire.connection())[0] == "CLOSED"


def test_a_stray_syn_ack_in_sequence_is_no_second_isn():
    """What is acknowledged later with its number plus one is what the server sent there itself."""
    wire = Wire(timestamps=False).handshake()
    wire.client.fin()
    wire.server.send("SA", seq=5001, ack=1001)
    wire.client.ack(seq=1002, ack=5001)
    wire.server.ack(seq=5001, ack=1002)
    wire.server.fin(seq=5001, ack=1002)
    wire.client.ack(seq=1002, ack=5002)
    wire.wait(300 * MS)
    wire.server.fin(seq=5001, ack=1002)
    wire.client.ack(seq=1002, ack=5002)
    assert states(wire.connection())[0] == "TIME_WAIT"


def test_a_challenge_shows_that_a_rst_beyond_missing_bytes_ended_nothing():
    """RFC 5961 section 3.2: it is in the window, and not at RCV.NXT."""
    wire = Wire(timestamps=False).handshake().exchange()
    number = wire.client.snd_nxt
    wire.client.data(10, seq=number + 10)
    wire.server.ack(ack=number)
    wire.client.rst(seq=number + 1)
    wire.server.ack(ack=number)
    assert states(wire.connection())[1] == "ESTABLISHED"


def test_a_syn_that_meets_a_fin_behind_missing_bytes_is_challenged():
    """Only one end is closing: the connection is not over."""
    wire = orphan()
    number = wire.server.snd_nxt
    wire.server.fin(seq=number + 1)
    wire.client.ack(ack=number)
    wire.server.syn(seq=number + 70_000)
    wire.client.ack(ack=number)
    assert [states(each)[0] for each in wire.connections()] == ["FIN_WAIT_2"]


def test_a_fin_that_was_acknowledged_left_of_the_window_is_one():
    """Its receiver has it, whatever becomes of the acknowledgment."""
    wire = Wire(timestamps=False, at="middle").handshake()
    wire.client.fin(stay=True)
    wire.server.fin(seq=5001, ack=1001)
    wire.client.ack(seq=1002, ack=5002)
    wire.wait(300 * MS)
    wire.client.fin(seq=1001, ack=5002)
    wire.server.ack(seq=5001 - 100_000, ack=1002)
    wire.client.ack(seq=1002, ack=5002)
    assert states(wire.connection())[0] == "CLOSING"


def test_a_rst_behind_a_syn_ack_that_came_again_after_the_close_ends_the_connection():
    """It denies nothing: all that the client acknowledged was sent."""
    wire = Wire(timestamps=False).handshake()
    wire.server.fin()
    wire.client.ack()
    wire.client.fin()
    wire.server.send("SA", seq=5000, ack=1001)
    wire.client.ack(seq=1002, ack=5002)
    wire.server.rst(seq=5002)
    assert states(wire.connection())[0] == "CLOSED"


@pytest.mark.parametrize("strays", [0, 2])
def test_strays_before_a_challenge_do_not_hide_that_the_client_asks_on(strays):
    wire = Wire(timestamps=False)
    wire.client.syn()
    for _ in range(strays):
        wire.server.ack(seq=9000, ack=1001)
    wire.server.ack(seq=9000, ack=11_001)
    wire.client.rst(seq=11_001)
    assert states(wire.connection())[0] == "SYN_SENT"


def test_another_syn_ack_after_an_error_had_ended_the_request():
    """The SYN came again, and the server answers as if for the first time."""
    wire = Wire(timestamps=False, at="server")
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.icmp_error(wire.server.packet, code=1)
    assert states(wire.connection())[1] == "CLOSED"
    wire.wait(SECOND)
    wire.client.syn()
    wire.server.syn_ack(seq=70_000)
    assert states(wire.connection())[1] == "SYN_RECEIVED"


def fast_open(data):
    """A SYN whose data is taken, and perhaps answered at once."""
    wire = Wire(timestamps=False, at="server")
    wire.client.send("S", 7, seq=1000)
    wire.server.send("SA", seq=5000, ack=1008)
    error_about = wire.server.packet
    if data:
        wire.server.data(10, seq=5001, ack=1008)
    wire.icmp_error(error_about, code=1)
    return wire


@pytest.mark.parametrize(("data", "state"), [(False, "CLOSED"), (True, "SYN_RECEIVED")])
def test_an_error_for_a_syn_ack_ends_no_connection_that_is_in_use(data, state):
    assert states(fast_open(data).connection())[1] == state


def test_an_error_for_a_challenge_in_a_simultaneous_open_ends_it():
    wire = Wire(timestamps=False, at="middle")
    wire.client.syn(stay=True)
    wire.server.syn()
    wire.client.syn_ack()
    wire.server.rst(seq=5002)
    wire.client.ack(seq=1001, ack=5001)
    wire.icmp_error(wire.client.packet, code=1)
    assert states(wire.connection())[0] == "CLOSED"


def test_a_stray_fin_before_a_crossing_syn_closes_nothing():
    """Both ends opened after it: its number is that of the first byte now."""
    wire = Wire(timestamps=False)
    wire.client.syn()
    wire.server.send("FPA", seq=5000, ack=999)
    wire.server.syn(seq=5000)
    wire.client.syn_ack(ack=5001)
    wire.server.ack(seq=5001, ack=1001)
    wire.client.data(20, seq=1001, ack=5001)
    assert states(wire.connection())[0] == "ESTABLISHED"


def test_data_of_a_syn_survives_an_answer_that_was_for_another_connection():
    """The challenge acknowledged more; what the SYN-ACK acknowledges next is the data of the SYN."""
    wire = Wire(timestamps=False)
    wire.client.send("S", 7, seq=1000)
    wire.server.ack(seq=9000, ack=11_008)
    wire.client.rst(seq=11_008)
    wire.server.syn(seq=5000)
    wire.client.send("SA", seq=1000, ack=5001)
    wire.server.fin(seq=5001, ack=1008)
    assert states(wire.connection())[0] == "CLOSE_WAIT"


def test_data_that_was_denied_proves_nothing_about_what_follows():
    """The client had sent no such number: it waits for a SYN-ACK, and drops what has no SYN."""
    wire = Wire(timestamps=False)
    wire.client.syn()
    wire.server.data(10, seq=9000, ack=1002)
    wire.client.rst(seq=1002)
    wire.server.data(10, seq=9010, ack=1001)
    assert states(wire.connection())[0] == "SYN_SENT"


def test_a_fin_before_a_syn_that_crosses_another_one_is_none_of_the_connection():
    """It has the number of the SYN, and comes once more when both ends are open."""
    wire = Wire(timestamps=False, at="middle")
    wire.client.syn(stay=True)
    wire.server.send("FA", seq=5000, ack=1011)
    wire.client.rst(seq=1011)
    wire.server.send("S", 5, seq=5000)
    wire.client.send("SA", seq=1000, ack=5001)
    wire.server.ack(seq=5001, ack=1001)
    wire.server.send("FA", seq=5000, ack=1001)
    assert states(wire.connection())[0] == "ESTABLISHED"


def test_who_has_reset_is_not_brought_back_by_its_answers_to_strays():
    """A RST with just the number that was acknowledged is also what SYN-RECEIVED answers; but its socket is gone."""
    wire = Wire(timestamps=False).handshake()
    wire.server.rst_ack()
    wire.wait(SECOND)
    wire.client.data(10)
    wire.server.rst(seq=wire.client.rcv_nxt)
    wire.wait(SECOND)
    wire.client.ack(seq=501, ack=15_001)
    wire.server.rst(seq=15_001)
    one = wire.connection()
    assert (states(one)[1], one["outcome"]) == ("CLOSED", "established")


def test_who_has_reset_in_a_simultaneous_open_is_not_brought_back_either():
    wire = Wire(timestamps=False, at="middle")
    wire.client.syn(stay=True)
    wire.server.syn()
    wire.client.syn_ack()
    wire.client.rst_ack()
    wire.wait(SECOND)
    wire.server.fin(ack=1_000_001_000)
    wire.client.rst(seq=1_000_001_000)
    assert states(wire.connection())[0] == "CLOSED"


@pytest.mark.parametrize(("answers", "state"), [(False, "CLOSED"), (True, "TIME_WAIT")])
def test_an_ack_out_of_time_wait_shows_that_a_rst_was_ignored(answers, state):
    """RFC 1337 section 3, fix F1: a host may ignore RSTs there.  One that does not would reset."""
    wire = Wire(timestamps=False).handshake().close()
    wire.server.rst()
    wire.wait(SECOND)
    wire.server.fin(seq=5001)
    if answers:
        wire.client.ack()
    else:
        wire.client.rst(seq=1002)
    assert states(wire.connection())[0] == state


def test_an_ack_that_may_have_left_time_wait_before_a_rst_does_not_show_that_it_was_ignored():
    wire = Wire(timestamps=False).handshake().close()
    wire.server.rst()
    wire.client.ack()
    assert states(wire.connection())[0] == "CLOSED"


def test_a_rst_behind_data_that_found_no_room_is_not_the_next():
    """RFC 9293 section 3.10.7.4: RCV.NXT is before the data."""
    wire = full()
    number = wire.client.snd_nxt
    wire.client.data(5)
    wire.server.ack(ack=number, window=0)
    wire.client.rst(seq=number + 1)
    assert states(wire.connection())[1] == "ESTABLISHED"


@pytest.mark.parametrize("beyond", [[10_000], [1_000_000_000], [10_000, 20_000], [10_000, 1_000_000_000]])
def test_acknowledgments_of_what_was_never_sent_make_no_retransmission(beyond):
    """Their sender goes back, and the other end goes on from where it was."""
    wire = Wire(timestamps=False).handshake()
    wire.server.data(10)
    wire.client.ack()
    for more in beyond:
        wire.server.ack(ack=1001 + more)
        wire.wait(300 * MS)
    wire.server.ack(ack=1001)
    wire.wait(300 * MS)
    wire.client.data(20, seq=1001)
    wire.server.ack(ack=1021)
    wire.client.data(20, seq=1021)
    assert wire.connection()["client_to_server"]["retransmissions"] == 0


@pytest.mark.parametrize("isn", [1000, 2**32 - 101], ids=["any", "the missing bytes begin with number 0"])
@pytest.mark.parametrize("older", [True, False])
def test_an_older_acknowledgment_does_not_take_back_a_newer_one(older, isn):
    """The server has 100 bytes that the capture missed, and asks for those behind: a RST before them is an old one."""
    wire = Wire(timestamps=False, client_isn=isn).handshake()
    wire.client.data(100)
    wire.server.ack()
    wire.client.data(100, lost="before")
    wire.server.ack(ack=isn + 201)
    if older:
        wire.server.ack(ack=isn + 1)
    wire.wait(300 * MS)
    wire.client.data(50, seq=isn + 101)
    wire.client.rst(seq=isn + 151)
    assert states(wire.connection()) == ("ESTABLISHED", "ESTABLISHED")


@pytest.mark.parametrize(("flags", "size"), [("S", 0), ("S", 5), ("FS", 0)])
@pytest.mark.parametrize(("data", "state"), [(7, "ESTABLISHED"), (0, "CLOSED")])
def test_a_request_of_fast_open_survives_that_another_syn_is_refused(data, state, flags, size):
    """Linux does not let a forged SYN end what an application may have accepted; a plain request goes."""
    wire = Wire(timestamps=False, at="server")
    wire.client.send("S", data, seq=1000)
    wire.server.send("SA", seq=5000, ack=1001 + data)
    wire.wait(SECOND)
    wire.client.send(flags, size, seq=1009)
    wire.server.refuse(ack=1010 + size + ("F" in flags))
    wire.client.ack(seq=1001 + data, ack=5001)
    assert states(wire.connections()[0])[1] == state


def test_a_fast_open_connection_is_gone_where_its_server_refuses_the_next():
    """The handshake was complete: no request that an application might have taken is left."""
    wire = Wire(timestamps=False, at="server")
    wire.client.send("S", 7, seq=1000)
    wire.server.send("SA", seq=5000, ack=1008)
    wire.client.ack()
    wire.exchange()
    wire.wait(SECOND)
    wire.client.syn(seq=900_000)
    wire.server.refuse(ack=900_001)
    first, second = wire.connections()
    assert (first["outcome"], states(first)[1]) == ("established", "CLOSED")
    assert second["outcome"] == "refused"


def test_a_request_of_fast_open_survives_that_a_stray_syn_ack_is_refused():
    """The RST has the number that was acknowledged, which is that of the server, too."""
    wire = Wire(timestamps=False, at="server")
    wire.client.send("S", 7, seq=1000)
    wire.server.send("SA", seq=5000, ack=1008)
    wire.client.send("SA", seq=1009, ack=5001)
    wire.server.rst(seq=5001)
    assert states(wire.connection())[1] == "SYN_RECEIVED"


def refused_unasked(wire=None):
    """A SYN-ACK that nobody asked for, and the RST that it draws."""
    wire = wire or Wire(timestamps=False)
    wire.client.send("SA", ack=1, stay=True)
    wire.server.rst(seq=1)
    return wire


def test_a_syn_with_the_isn_of_a_refused_syn_ack_begins_a_connection():
    wire = refused_unasked()
    wire.client.syn(seq=wire.client.isn)
    wire.server.syn_ack()
    wire.client.ack()
    assert wire.outcomes() == [("unsolicited", "backscatter"), ("established", None)]


def test_who_refuses_a_syn_ack_after_the_resets_of_its_sender_has_nothing():
    wire = Wire(timestamps=False)
    wire.client.rst()
    wire.client.send("SA", ack=1, stay=True)
    wire.server.rst(seq=1)
    assert states(wire.connection()) == ("CLOSED", "CLOSED")


@pytest.mark.parametrize("flags", ["F", "FPU", "P"])
def test_a_segment_without_ack_does_not_show_that_a_rst_was_ignored(flags):
    """RFC 9293 section 3.10.7.4: no end of a connection sends one."""
    wire = Wire(timestamps=False)
    wire.client.data(10, ack=1, stay=True)
    wire.server.rst(seq=1)
    refused_unasked(wire)
    wire.wait(SECOND)
    wire.client.send(flags, 0 if flags == "F" else 10, ack=0)
    assert states(wire.connection())[1] == "CLOSED"


def test_more_than_the_fin_of_a_fast_open_server_is_acknowledged_by_nobody():
    """RFC 9293 section 3.10.7.4: an acknowledgment of what was never sent is dropped, also before the final ACK."""
    wire = Wire(timestamps=False)
    wire.client.syn(size=7)
    wire.server.syn_ack()
    wire.server.fin(stay=True)
    number = wire.server.snd_nxt
    wire.client.ack(ack=number + 10)
    assert states(wire.connection())[1] == "FIN_WAIT_1"
    wire.client.ack(ack=number)
    assert states(wire.connection())[1] == "FIN_WAIT_2"


def test_data_behind_missing_bytes_acknowledges_the_syn_of_a_simultaneous_open():
    wire = Wire(timestamps=False)
    wire.client.syn(stay=True)
    wire.server.syn(stay=True)
    wire.client.syn_ack(lost="after")
    wire.wait(MS)
    wire.server.data(10, seq=wire.server.snd_nxt + 5000, ack=wire.client.isn + 1)
    wire.client.ack(ack=wire.server.isn + 1)
    assert states(wire.connection())[0] == "ESTABLISHED"


@pytest.mark.parametrize("beyond", [1, 11])
def test_the_fin_behind_a_rst_that_was_ignored_is_taken_once_it_is_acknowledged(beyond):
    """RFC 9293 section 3.10.7.4: beside RCV.NXT a RST ends nothing, and its sender closes as if it had not been."""
    wire = Wire(timestamps=False).handshake().exchange()
    wire.client.rst(seq=wire.client.snd_nxt + beyond)
    wire.client.fin()
    wire.server.ack()
    assert states(wire.connection()) == ("FIN_WAIT_2", "CLOSE_WAIT")
    wire.server.fin()
    wire.client.ack()
    assert states(wire.connection()) == ("TIME_WAIT", "CLOSED")


def test_a_fin_behind_a_rst_that_nothing_answers_opens_nothing_again():
    wire = Wire(timestamps=False).handshake().exchange()
    wire.client.rst()
    wire.client.fin()
    assert states(wire.connection()) == ("CLOSED", "CLOSED")


def test_a_repeated_ack_challenges_a_rst_beyond_all_that_was_sent():
    """Data that were sent before, and are not acknowledged yet, change nothing."""
    wire = Wire(timestamps=False).handshake().exchange()
    number = wire.client.snd_nxt
    wire.client.data(10)
    wire.client.rst(seq=number + 500)
    wire.server.ack(ack=number)
    assert states(wire.connection())[1] == "ESTABLISHED"


def test_a_repeated_ack_may_have_crossed_a_rst_behind_the_data():
    wire = Wire(timestamps=False).handshake().exchange()
    number = wire.client.snd_nxt
    wire.client.data(10)
    wire.client.rst_ack()
    wire.server.ack(ack=number)
    assert states(wire.connection())[1] == "CLOSED"


def denied_data(flags):
    """The server drops data that acknowledge what it never sent, and says so."""
    wire = Wire(timestamps=False).handshake().exchange()
    number = wire.client.snd_nxt
    wire.client.send(flags, 10, ack=wire.server.snd_nxt + 2)
    wire.server.ack(ack=number)
    return wire, number


@pytest.mark.parametrize("flags", ["PA", "FPA"])
def test_a_rst_beyond_data_that_was_denied_is_challenged(flags):
    wire, number = denied_data(flags)
    wire.client.rst(seq=number + 10)
    wire.server.ack(ack=number)
    assert states(wire.connection())[1] == "ESTABLISHED"


@pytest.mark.parametrize("flags", ["PA", "FPA"])
def test_a_fin_instead_of_data_that_was_denied(flags):
    wire, number = denied_data(flags)
    wire.wait(SECOND)
    wire.client.fin(seq=number)
    wire.server.ack(ack=number + 1)
    assert states(wire.connection()) == ("FIN_WAIT_2", "CLOSE_WAIT")


def test_data_fill_the_hole_of_those_that_were_denied():
    wire, number = denied_data("PA")
    wire.wait(SECOND)
    wire.client.send("PA", 10, seq=number)
    wire.client.rst()
    assert states(wire.connection())[1] == "CLOSED"


def test_a_fin_that_was_only_believed_acknowledged_no_other_one():
    """It was denied, and with it the acknowledgment: a FIN with another number is the sender's after all."""
    wire = Wire(timestamps=False).handshake().exchange()
    number, theirs = wire.client.snd_nxt, wire.server.snd_nxt
    wire.client.send("FPA", 10, seq=number + 10)
    wire.server.ack(ack=number)
    wire.client.send("PA", 10, seq=number, ack=theirs + 1)
    wire.server.ack(seq=theirs, ack=number)
    wire.wait(SECOND)
    wire.client.send("PA", 5, seq=number, ack=theirs)
    wire.server.ack(ack=number + 5)
    wire.client.fin(seq=number + 5, ack=theirs)
    wire.server.ack(ack=number + 6)
    assert states(wire.connection()) == ("FIN_WAIT_2", "CLOSE_WAIT")


def test_a_fin_with_another_number_does_not_show_that_the_peer_sent_one():
    wire = full()
    number, theirs = wire.client.snd_nxt, wire.server.snd_nxt
    wire.client.fin()
    wire.client.fin(seq=number - 1, ack=theirs + 1)
    assert states(wire.connection())[1] == "CLOSE_WAIT"


def test_a_clock_from_before_the_syn_is_no_overtaken_one():
    """PAWS (RFC 7323 section 5.3) drops it, also where it would fill a hole."""
    wire = Wire().handshake().exchange()
    number = wire.client.snd_nxt
    wire.client.data(10, seq=number + 10)
    wire.client.fin(seq=number, options=frames.timestamps(1000, 0))
    wire.server.ack(ack=number)
    assert states(wire.connection())[1] == "ESTABLISHED"


def fast_open_request(answer=0):
    """The server has taken the data of a SYN, and waits for the ACK."""
    wire = Wire(timestamps=False)
    wire.client.syn(size=7)
    wire.server.syn_ack()
    if answer:
        wire.server.data(answer)
    return wire


@pytest.mark.parametrize("answer", [0, 10])
def test_a_denied_ack_leaves_what_fast_open_sent_before(answer):
    wire = fast_open_request(answer)
    number = wire.server.snd_nxt
    wire.client.ack(ack=number + 1)
    wire.server.rst(seq=number + 1)
    assert states(wire.connection())[1] == "SYN_RECEIVED"
    wire.client.ack(ack=number)
    wire.server.fin()
    connection = wire.connection()
    assert (connection["outcome"], states(connection)) == ("established", ("CLOSE_WAIT", "FIN_WAIT_1"))


def test_what_begins_just_beyond_the_window_acknowledges_no_fin_of_a_fast_open_request():
    """It is a request until the ACK, also once the application has closed its half."""
    wire = fast_open_request()
    wire.server.window = 500
    wire.server.fin()
    wire.client.send("PA", 10, seq=wire.client.snd_nxt + (500 << 7))
    assert states(wire.connection())[1] == "FIN_WAIT_1"


def test_who_refused_stray_segments_in_syn_sent_does_it_again():
    """What the server says is of another connection, though it seems to acknowledge what the capture lacks."""
    wire = Wire(timestamps=False)
    wire.client.syn()
    wire.server.data(10, seq=5000, ack=900)
    wire.client.rst(seq=900)
    wire.server.data(10, seq=5000, ack=11_000)
    wire.client.rst(seq=11_000)
    connection = wire.connection()
    assert (connection["outcome"], connection["state"]["client"]) == ("pending", "SYN_SENT")


def test_a_syn_behind_a_rst_and_a_stray_ack_opens():
    """Neither was of a connection, however near their numbers are."""
    wire = Wire(timestamps=False)
    wire.client.rst_ack(seq=1010, ack=1)
    wire.client.ack(seq=1000, ack=1)
    wire.server.rst(seq=1)
    wire.client.syn()
    wire.server.syn_ack()
    assert [states(each) for each in wire.connections()][-1] == ("ESTABLISHED", "SYN_RECEIVED")


def scales_alone():
    """Both open, and only the server offers to scale windows."""
    wire = Wire(timestamps=False)
    wire.client.syn(stay=True, options=frames.mss(1460))
    wire.server.syn(stay=True)
    wire.wait(SECOND // 10)
    wire.client.syn_ack(stay=True, options=frames.mss(1460))
    wire.server.syn_ack(stay=True)
    wire.wait(SECOND // 10)
    wire.server.window = 502
    return wire


@pytest.mark.parametrize(("beyond", "state"), [(5_000, "FIN_WAIT_2"), (502 << 7, "FIN_WAIT_2"), (70_000, "FIN_WAIT_1")])
def test_who_opens_too_may_scale_its_window_alone(beyond, state):
    """Linux does so: what the window would mean without is no edge."""
    wire = scales_alone()
    wire.server.fin()
    wire.client.data(10, seq=wire.client.snd_nxt + beyond)
    assert states(wire.connection())[1] == state


def test_who_opens_too_scales_its_window_in_each_ack_of_a_stray_segment():
    """Only the window of a SYN-ACK is never scaled (RFC 7323 section 2.2)."""
    wire = Wire(timestamps=False)
    wire.client.syn(stay=True, options=frames.mss(1460))
    wire.server.syn(stay=True)
    wire.wait(SECOND // 10)
    wire.server.syn_ack()
    wire.client.data(10, seq=wire.client.isn + 70_000)
    wire.server.ack(ack=wire.client.isn + 1, window=502)
    assert states(wire.connection())[1] == "SYN_RECEIVED"
    wire.client.data(10, seq=wire.client.isn + 5_000)
    assert states(wire.connection())[1] == "ESTABLISHED"


def test_a_syn_ack_with_another_number_renews_no_isn_of_a_simultaneous_open():
    """Whose acknowledgments are as old as before."""
    wire = scales_alone()
    wire.server.send("SA", seq=wire.server.isn + 10)
    number = wire.server.isn + 1
    wire.client.fin(ack=number)
    wire.server.fin(seq=number, ack=wire.client.isn - 100_000)
    assert states(wire.connection())[0] == "FIN_WAIT_1"


def test_data_where_a_fin_was_that_nobody_took():
    """Their acknowledgment is none of the FIN."""
    wire = Wire(timestamps=False).handshake().exchange()
    number, theirs = wire.client.snd_nxt, wire.server.snd_nxt
    wire.client.send("FPA", 9, ack=theirs + 10_000)
    wire.wait(SECOND)
    wire.client.data(10, seq=number, ack=theirs)
    wire.server.ack(ack=number + 10)
    assert states(wire.connection())[1] == "ESTABLISHED"


@pytest.mark.parametrize("first", ["a stray RST", "stray data"])
def test_who_refuses_each_segment_of_another_connection_still_asks(first):
    wire = Wire(timestamps=False)
    wire.client.syn()
    if first == "a stray RST":
        wire.server.rst(seq=5000)
    else:
        wire.server.data(10, seq=5000, ack=9000)
        wire.client.rst(seq=9000)
    wire.server.data(10, seq=5000, ack=11_000)
    wire.client.rst(seq=11_000)
    connection = wire.connection()
    assert (connection["outcome"], connection["state"]["client"]) == ("pending", "SYN_SENT")


def test_a_fin_beyond_the_window_leaves_room_for_the_one_in_it():
    """Only the part of a segment that is in the window counts (RFC 9293 section 3.10.7.4)."""
    wire = Wire(timestamps=False)
    wire.client.send("S", seq=wire.client.isn, options=frames.mss(1460))
    wire.server.send("SA", seq=wire.server.isn, options=frames.mss(1460), window=1000)
    wire.client.ack()
    number = wire.client.snd_nxt
    wire.client.send("FPA", 10, seq=number + 995)
    wire.server.ack(ack=number, window=1000)
    wire.client.send("FPA", 8, seq=number + 8)
    wire.server.ack(ack=number, window=1000)
    wire.client.data(8, seq=number)
    wire.server.ack(ack=number + 17, window=983)
    assert states(wire.connection())[1] == "CLOSE_WAIT"


def test_a_segment_whose_fin_is_beyond_the_window_acknowledges():
    """Its first bytes are in the window."""
    wire = Wire(timestamps=False).handshake()
    wire.server.fin()
    wire.client.send("FPA", 10, seq=wire.client.snd_nxt + (wire.server.window << 7) - 5)
    wire.server.ack(ack=wire.client.isn + 1)
    assert states(wire.connection())[1] == "FIN_WAIT_2"


@pytest.mark.parametrize(("flags", "first", "second"), [("S", 7, 0), ("FS", 0, 0)])
def test_a_syn_with_other_contents_is_no_copy(flags, first, second):
    """Its SYN-ACK is a retransmission, however soon: Fast Open repeats the SYN without the data."""
    wire = Wire(delay=MS, timestamps=False, ident=False)
    wire.client.send("S", first, seq=wire.client.isn)
    answered = wire.client.snd_nxt
    wire.server.syn_ack(ack=answered)
    wire.wait(70 * MS)
    wire.client.send(flags, second, seq=wire.client.isn)
    wire.server.syn_ack(ack=answered)
    assert wire.connection()["server_to_client"]["retransmissions"] == 1
