"""Which RST is believed: by the rules of its state (RFC 9293 section 3.10.7), and by what its target did next."""

import pytest
from support import frames
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN
from support.tracked import tracked
from support.wire import MS, SECOND, Wire, states

from handshake_inspect.tcp.facts import FACT_RST_DOUBTED, FACT_RST_IGNORED
from handshake_inspect.tcp.transitions import TcpState


def test_a_closed_port_refuses():
    wire = Wire(at="middle")
    wire.client.syn()
    wire.server.refuse()
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"], connection["decided"]) == ("refused", "closed-port", True)
    assert connection["close"] == {"how": "rst", "first": None, "reset_by": "server"}
    assert connection["rtt"]["reject_ns"] == 20 * MS
    assert {connection["rtt"][leg]["method"] for leg in ("synack", "ackdat", "total")} == {"none"}
    assert connection["rtt"]["synack"]["reason"] == "refused"
    assert connection["evidence"] == [1, 2]
    assert states(connection) == ("CLOSED", "CLOSED")


@pytest.mark.parametrize("acknowledged", [0, 7, 20])
def test_a_refusal_may_acknowledge_fast_open_data(acknowledged):
    wire = Wire()
    wire.client.syn(size=20)
    wire.server.refuse(ack=1001 + acknowledged)
    assert wire.outcomes() == [("refused", "closed-port")]


UNBELIEVED = {
    "a bare RST": {"flags": "R", "seq": 0},
    "a bare RST that guesses the window": {"flags": "R", "seq": 1001},
    "an old acknowledgment": {"flags": "RA", "seq": 0, "ack": 1000},
    "an acknowledgment of what was never sent": {"flags": "RA", "seq": 0, "ack": 1002},
    "half the sequence space away": {"flags": "RA", "seq": 0, "ack": 1000 + (1 << 31)},
}


@pytest.mark.parametrize("words", UNBELIEVED.values(), ids=UNBELIEVED.keys())
def test_in_syn_sent_only_a_rst_that_acknowledges_the_syn_counts(words):
    wire = Wire()
    wire.client.syn()
    wire.server.send(**words)
    waiting = wire.connection()
    assert waiting["outcome"] == "pending"
    assert waiting["state"]["client"] == "SYN_SENT"
    assert waiting["rtt"]["reject_ns"] is None
    wire.server.syn_ack()
    wire.client.ack()
    assert wire.connection()["outcome"] == "established"


def test_a_rst_without_ack_acknowledges_nothing():
    """Its acknowledgment field, which is 0, is just beyond this SYN (RFC 9293 section 3.1)."""
    wire = Wire(client_isn=0xFFFF_FF00)
    wire.client.syn()
    wire.server.rst(seq=77)
    assert (wire.outcomes(), states(wire.connection())[0]) == ([("pending", None)], "SYN_SENT")


def test_a_stray_ack_long_after_a_refusal_opens_nothing():
    wire = Wire()
    wire.client.syn()
    wire.server.refuse()
    wire.wait(SECOND)
    wire.client.ack(ack=5000)
    wire.server.rst(seq=5000)
    assert wire.outcomes() == [("refused", "closed-port")]
    assert states(wire.connection()) == ("CLOSED", "CLOSED")


def test_a_server_that_goes_on_after_a_refusal_in_its_name_did_not_refuse():
    """The capture lacks its SYN-ACK."""
    wire = Wire()
    wire.client.syn()
    wire.server.refuse(ttl=240)
    wire.server.syn_ack(lost="before")
    wire.wait(SECOND)
    wire.client.ack()
    wire.server.data(10)
    wire.client.ack()
    assert wire.connection()["outcome"] == "established"


def test_a_refusal_that_the_client_ignores_did_not_end_the_attempt():
    """A box forges a RST, but the server's SYN-ACK follows, and the client completes and sends."""
    wire = Wire()
    wire.client.syn()
    wire.server.refuse(ttl=240, stay=True)
    wire.wait(MS)
    wire.server.syn_ack()
    wire.client.ack()
    wire.exchange()
    connection = wire.connection()
    assert connection["outcome"] == "established"
    assert states(connection) == ("ESTABLISHED", "ESTABLISHED")


def test_a_refusal_between_two_attempts_of_one_client():
    """The first SYN is refused, the same SYN again finds a listener: nothing says that it cannot."""
    wire = Wire()
    wire.client.syn()
    wire.server.refuse()
    wire.wait(SECOND)
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack()
    connection = wire.connection()
    assert (connection["outcome"], connection["handshake"]["syn_count"]) == ("established", 2)


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_rst_at_the_edge_ends_the_connection(who):
    wire = Wire().handshake().exchange()
    getattr(wire, who).rst()
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("established", f"reset-by-{who}")
    assert connection["close"] == {"how": "rst", "first": who, "reset_by": who}
    assert states(connection) == ("CLOSED", "CLOSED")


@pytest.mark.parametrize("isn", [5000, 0xFFFF_FFFF, 0xFFFF_FFA0, 0])
def test_the_window_is_scaled_and_wraps(isn):
    """The client's window is 64240 << 7 bytes."""
    for offset, believed in [(0, True), ((64240 << 7) - 1, True), (64240 << 7, False), (-1, False), (1 << 31, False)]:
        wire = Wire(server_isn=isn).handshake().exchange()
        wire.server.rst(seq=wire.server.snd_nxt + offset)
        found = wire.connection()
        assert found["close"]["how"] == ("rst" if believed else "open"), offset
        assert states(found) == (("CLOSED",) * 2 if believed else ("ESTABLISHED",) * 2)


@pytest.mark.parametrize("offset", [0, 1000, -1, 1 << 30])
def test_a_rst_that_its_target_ignores_ended_nothing(offset):
    """In the window it draws a challenge ACK (RFC 5961 section 3), outside of it nothing; both ends go on."""
    wire = Wire().handshake().exchange()
    wire.server.rst(seq=wire.server.snd_nxt + offset, ttl=200, stay=True)
    wire.wait(SECOND)
    wire.exchange().exchange()
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("established", None)
    assert connection["close"] == {"how": "open", "first": None, "reset_by": None}
    assert states(connection) == ("ESTABLISHED", "ESTABLISHED")
    wire.close()
    assert wire.connection()["close"]["how"] == "fin"


def test_what_was_under_way_does_not_revive():
    """Data that left before the RST could arrive says nothing about it."""
    wire = Wire(at="server").handshake().exchange()
    wire.server.rst(stay=True)
    wire.client.data(stay=True)
    wire.wait(20 * MS)
    wire.server.rst(stay=True)
    assert wire.connection()["close"]["how"] == "rst"


def test_a_rst_after_a_fin():
    wire = Wire().handshake().exchange()
    wire.client.fin()
    wire.server.data()
    wire.client.rst()
    connection = wire.connection()
    assert connection["close"] == {"how": "rst-after-fin", "first": "client", "reset_by": "client"}
    assert states(connection) == ("CLOSED", "CLOSED")


def test_a_rst_after_the_close_changes_only_the_state():
    """RFC 1337: it ends TIME-WAIT; the connection was closed with FINs."""
    wire = Wire().handshake().exchange().close()
    wire.wait(SECOND)
    wire.server.rst()
    connection = wire.connection()
    assert connection["close"] == {"how": "fin", "first": "client", "reset_by": None}
    assert connection["cause"] == "closed"
    assert states(connection) == ("CLOSED", "CLOSED")


@pytest.mark.parametrize("flags", ["R", "RA"])
def test_the_client_aborts_after_the_syn_ack(flags):
    """A SYN scan, a cancelled connect, a happy-eyeballs loser."""
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.send(flags)
    connection = wire.connection()
    assert connection["outcome"] == "aborted"
    assert connection["close"]["reset_by"] == "client"
    assert connection["rtt"]["synack"]["value_ns"] == 40 * MS, "the server's half is known all the same"
    assert connection["rtt"]["ackdat"]["method"] == "none"
    assert connection["rtt"]["reject_ns"] is None
    assert states(connection) == ("CLOSED", "CLOSED")


def test_the_client_aborts_before_any_answer():
    wire = Wire()
    wire.client.syn()
    wire.client.rst()
    assert wire.outcomes() == [("aborted", "cancelled")]


def test_the_server_resets_in_answer_to_the_final_ack():
    """tcp_abort_on_overflow: the server never reached ESTABLISHED."""
    wire = Wire().handshake()
    wire.server.rst()
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("half-open", "reset-by-server")
    assert connection["close"]["reset_by"] == "server"
    assert states(connection) == ("CLOSED", "CLOSED")


def test_a_server_that_acknowledges_in_its_rst_was_established():
    """A RST with ACK is the end of a socket that existed: SO_LINGER 0 right after accept()."""
    wire = Wire().handshake()
    wire.server.rst_ack()
    assert wire.outcomes() == [("established", "reset-by-server")]


def test_a_bare_rst_after_one_that_acknowledged():
    """The data before its RST came late: the RST draws a challenge ACK, and that the bare RST of a closed socket."""
    wire = Wire().handshake()
    seq = wire.server.snd_nxt
    wire.server.rst_ack(seq=seq + 1)
    wire.client.ack(ack=seq)
    wire.server.rst(seq=seq)
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("established", "reset-by-server")
    assert states(connection) == ("CLOSED", "CLOSED")


@pytest.mark.parametrize(
    ("pause", "outcome"), [(0, "half-open"), (1, "half-open"), (8, "established")], ids=["at once", "soon", "later"]
)
def test_a_bare_rst_answers_the_ack_or_the_data(pause, outcome):
    """One round trip of 2 ms after the ACK it is its answer; one after data that was sent later, it is that one's."""
    wire = Wire(delay=MS, at="client").handshake()
    wire.now += pause * MS - wire.delay
    wire.client.data(100)
    wire.server.rst(seq=wire.client.rcv_nxt)
    assert wire.connection()["outcome"] == outcome


def test_a_refusal_of_a_client_that_never_got_the_syn_ack():
    """The listener went away meanwhile: in SYN-SENT the acknowledgment counts, not the sequence number."""
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack(lost="after")
    wire.wait(SECOND)
    wire.client.syn()
    wire.server.refuse()
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"], connection["decided"]) == ("refused", "closed-port", True)
    assert states(connection) == ("CLOSED", "CLOSED")
    assert connection["rtt"]["reject_ns"] == 40 * MS
    wire.wait(SECOND)
    wire.client.syn()
    assert states(wire.connection())[0] == "SYN_SENT"
    wire.server.isn += 1000
    wire.server.syn_ack()
    wire.client.ack()
    assert wire.outcomes() == [("established", None)]


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_midstream_rst(who):
    wire = Wire()
    wire.client.rcv_nxt, wire.server.rcv_nxt = 5000, 1000
    wire.exchange()
    getattr(wire, who).rst()
    connection = wire.connection()
    assert connection["outcome"] == "midstream"
    assert connection["close"]["reset_by"] == who


def test_nothing_but_a_rst():
    wire = Wire()
    wire.server.send("RA", seq=0, ack=1001)
    connection = wire.connection()
    assert connection["outcome"] == "unsolicited"
    assert connection["roles"] == "inferred"
    assert (connection["server"]["ip"], connection["server"]["port"]) == frames.SERVER


def test_a_late_rst_before_a_connection_that_lives():
    """The first segment of the capture is a RST that belongs to nothing: what follows is a connection midstream."""
    wire = Wire()
    wire.client.rcv_nxt, wire.server.rcv_nxt = 5000, 1000
    wire.server.rst(seq=77)
    wire.wait(SECOND)
    wire.exchange().exchange()
    connection = wire.connection()
    assert connection["outcome"] == "midstream"
    assert states(connection) == ("ESTABLISHED", "ESTABLISHED")


def test_a_bare_rst_long_after_the_final_ack_is_no_answer_to_it():
    """The server was established; what drew the RST is the data, of a connection that it has lost meanwhile."""
    wire = Wire().handshake()
    wire.wait(SECOND)
    wire.client.data()
    wire.server.rst(seq=5001)
    assert wire.outcomes() == [("established", "reset-by-server")]


def test_the_server_resets_a_fast_open_connection_before_the_final_ack():
    """Its application had the data and closed; the client, which has the SYN-ACK, is connected until the RST comes."""
    wire = Wire()
    wire.client.syn(size=100)
    wire.server.syn_ack(ack=1101, stay=True)
    wire.server.rst_ack(seq=5001, ack=1101, stay=True)
    wire.wait(20 * MS)
    wire.client.ack(seq=1101, ack=5001)
    connection = wire.connection()
    assert (connection["outcome"], connection["cause"]) == ("established", "reset-by-server")
    assert connection["rtt"]["total"]["value_ns"] == 40 * MS
    assert states(connection) == ("CLOSED", "CLOSED")


@pytest.mark.parametrize("acknowledged", [1, 2])
def test_a_refusal_may_acknowledge_the_fin_of_a_syn(acknowledged):
    """RFC 9293 section 3.10.7.1: SEG.SEQ + SEG.LEN, of which SYN and FIN are one each."""
    wire = Wire()
    wire.client.send("SF", seq=1000)
    wire.server.rst_ack(seq=0, ack=1000 + acknowledged)
    assert wire.outcomes() == [("refused", "closed-port")]


@pytest.mark.parametrize("at", ["client", "server"])
def test_a_rst_beyond_the_edge_draws_a_challenge(at):
    """RFC 5961 section 3.2: the acknowledgment is repeated, and only a RST with just that number ends it."""
    wire = Wire(at=at).handshake().exchange()
    edge = wire.server.snd_nxt
    wire.server.rst(seq=edge + 10)
    wire.client.ack(ack=edge)
    assert states(wire.connection()) == ("ESTABLISHED", "ESTABLISHED")
    wire.server.rst(seq=edge)
    report = wire.report()
    (connection,) = report["connections"]
    assert (connection["cause"], states(connection)) == ("reset-by-server", ("CLOSED", "CLOSED"))
    assert "rst-injection" not in {finding["id"] for finding in report["findings"]}


def test_a_number_that_is_no_acknowledgment_refuses_nothing():
    """Without ACK the field means nothing (RFC 9293 section 3.1)."""
    wire = Wire()
    wire.client.syn()
    wire.server.send("R", seq=0, ack=1001)
    assert wire.connection()["outcome"] == "pending"


@pytest.mark.parametrize(("data", "after", "outcome"), [
    (False, 69, "half-open"), (False, 71, "established"), (True, 60, "half-open"), (True, 62, "established"),
])  # fmt: skip
def test_how_soon_a_bare_rst_answers_the_final_ack(data, after, outcome):
    """1.5 times the 40 ms that the SYN-ACK took, and 10 ms; 1 ms where data followed that it might answer as well."""
    wire = Wire(delay=20 * MS).handshake()
    sent = wire.taken[-1][0]
    if data:
        wire.client.data(stay=True)
    wire.wait(sent + (after - 20) * MS - wire.now)
    wire.server.rst()
    assert wire.connection()["outcome"] == outcome


@pytest.mark.parametrize(("seq", "left"), [(-1, ("CLOSED", "CLOSED")), (-2, ("CLOSE_WAIT", "FIN_WAIT_2"))])
def test_a_host_that_forgot_its_fin_answers_with_the_number_before_it(seq, left):
    """What the client acknowledged is RCV.NXT at a host that knows nothing any more; nothing older is accepted."""
    wire = Wire().handshake().exchange()
    wire.server.fin()
    wire.client.ack()
    wire.client.data(100, ack=wire.server.snd_nxt - 1)
    wire.server.rst(seq=wire.server.snd_nxt + seq)
    assert states(wire.connection()) == left


def test_who_goes_on_after_a_rst_in_its_name_is_as_it_was():
    wire = Wire().handshake().exchange()
    wire.server.rst(ttl=200)
    wire.wait(20 * MS)
    for _ in range(2):
        wire.server.data(100, stay=True)
        assert states(wire.connection()) == ("CLOSED", "ESTABLISHED")


@pytest.mark.parametrize("goes_on", ["data", "ack"])
def test_who_acknowledges_or_sends_more_after_a_rst_in_its_name_lives(goes_on):
    wire = Wire().handshake().exchange()
    wire.client.data(50)
    wire.server.rst(ttl=200)
    wire.wait(20 * MS)
    getattr(wire.server, goes_on)()
    assert states(wire.connection())[1] == "ESTABLISHED"


@pytest.mark.parametrize(("after", "server"), [(9, "CLOSED"), (10, "CLOSED"), (11, "ESTABLISHED")])
def test_what_was_on_its_way_behind_a_rst_does_not_show_that_its_sender_goes_on(after, server):
    """Within 10 ms another queue of the capturing card may have held it back."""
    wire = Wire().handshake().exchange()
    wire.server.rst(stay=True)
    wire.wait(after * MS)
    wire.server.data(100)
    assert wire.connection()["state"]["server"] == server


# -- acknowledgments of what a server never sent, whatever its ISN would be

ANY_ISN = pytest.mark.parametrize("isn", [5, (1 << 31) - 5, (1 << 31) + 5, (1 << 32) - 5])


def stray(wire, isn):
    """The client acknowledges a SYN-ACK that the capture does not hold, and the server knows nothing of it."""
    wire.client.ack(seq=1001, ack=(isn + 1) % (1 << 32))
    wire.server.rst(seq=(isn + 1) % (1 << 32))


@ANY_ISN
@pytest.mark.parametrize("later", [MS, 80 * MS])
def test_a_refused_syn_stays_refused_where_the_server_denies_the_ack(isn, later):
    """A RST with the number that was acknowledged, and no ACK bit, is of no connection (RFC 9293 section 3.10.7.1)."""
    wire = Wire(server_isn=isn)
    wire.client.syn()
    wire.server.refuse()
    wire.wait(later)
    stray(wire, isn)
    assert wire.outcomes() == [("refused", "closed-port")]
    assert states(wire.connection()) == ("CLOSED", "CLOSED")


@ANY_ISN
def test_an_unanswered_syn_stays_so_where_the_server_denies_the_ack(isn):
    wire = Wire(server_isn=isn)
    wire.client.syn()
    wire.wait(80 * MS)
    stray(wire, isn)
    connection = wire.connection()
    assert (connection["outcome"], states(connection)) == ("pending", ("CLOSED", "CLOSED"))


@ANY_ISN
@pytest.mark.parametrize("wrong", [-1, 0, 2, 1000, 40_000])
def test_a_wrong_ack_in_syn_received_draws_a_rst_and_changes_nothing(isn, wrong):
    """RFC 9293 section 3.10.7.4, and Linux: the RST has the number acknowledged; the right ACK still counts."""
    ack = (isn + wrong) % (1 << 32)
    wire = Wire(server_isn=isn, at="server")
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack(ack=ack)
    wire.server.rst(seq=ack)
    assert states(wire.connection()) == ("ESTABLISHED", "SYN_RECEIVED")
    wire.client.ack()
    assert wire.outcomes() == [("established", None)]


@ANY_ISN
@pytest.mark.parametrize("beyond", [1, 99])
def test_a_syn_within_the_window_of_syn_received_ends_the_request(isn, beyond):
    """Linux resets it and listens again (RFC 9293 section 3.10.7.4), whatever wrong ACK came before."""
    wire = Wire(server_isn=isn, at="server")
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack(ack=(isn + 2) % (1 << 32))
    wire.server.rst(seq=(isn + 2) % (1 << 32))
    wire.client.syn(seq=1000 + beyond)
    wire.server.rst_ack(seq=0, ack=1001 + beyond)
    wire.client.ack(seq=1001 + beyond, ack=(isn + 1) % (1 << 32))
    wire.server.rst(seq=(isn + 1) % (1 << 32))
    assert [one["outcome"] for one in wire.connections()] == ["half-open", "refused"]
    assert [states(one) for one in wire.connections()] == [("CLOSED", "CLOSED")] * 2


# -- how soon a RST must come to answer the final ACK: one and a half times the RTT to the server, and 10 ms


@pytest.mark.parametrize("delay", [2 * MS, 20 * MS, 300 * MS])
@pytest.mark.parametrize(("beyond", "outcome"), [(-1, "half-open"), (0, "half-open"), (1, "established")])
def test_how_late_a_bare_rst_still_answers_the_final_ack(delay, beyond, outcome):
    wire = Wire(delay)
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack(stay=True)
    wire.wait(2 * delay + 10 * MS + beyond)  # and it takes `delay` to come: 3 times that is 1.5 times the RTT
    wire.server.rst()
    assert wire.outcomes() == [(outcome, "reset-by-server")]


@pytest.mark.parametrize(("beyond", "outcome"), [(0, "half-open"), (1, "established")])
def test_how_late_it_does_where_the_rtt_is_not_known(beyond, outcome):
    """Captured at the server, where the answers take no time: a quarter of a second."""
    wire = Wire(at="server")
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack()
    wire.wait(250 * MS + beyond)
    wire.server.rst()
    assert wire.outcomes() == [(outcome, "reset-by-server")]


# -- what is kept of RSTs


OPENING = [
    frames.syn(),
    frames.syn_ack(),
    frames.ack(CLIENT, SERVER, seq=CLIENT_ISN + 1, ack=SERVER_ISN + 1),
    frames.data(b"x" * 10, CLIENT, SERVER, seq=CLIENT_ISN + 1, ack=SERVER_ISN + 1),
    frames.ack(SERVER, CLIENT, seq=SERVER_ISN + 1, ack=CLIENT_ISN + 11),
]


def server_rst(**words):
    return frames.rst(**({"seq": SERVER_ISN + 1, "ack": CLIENT_ISN + 11} | words))


def test_the_first_rst_that_counts_is_kept_and_all_are_counted():
    resets = [server_rst(seq=SERVER_ISN - 9, ident=7), server_rst(ident=8, ttl=61), server_rst(ident=9)]
    row = tracked(*OPENING, *resets).connection_rows[0]
    assert (row.rst_count, row.rst_frame, row.rst_ns, row.rst_side) == (3, 7, 6 * MS, 1)
    assert (row.rst_ttl, row.rst_ip_id, row.rst_seq, row.rst_flags) == (61, 8, SERVER_ISN + 1, frames.RST | frames.ACK)
    assert row.facts & FACT_RST_DOUBTED
    assert row.trouble_frame == 6


def test_a_rst_whose_syn_is_not_captured_says_where_its_client_is():
    refused = tracked(frames.rst(ack=CLIENT_ISN + 1)).endpoint_rows[1]
    assert (refused.iss, refused.snd_nxt) == (CLIENT_ISN, CLIENT_ISN + 1)


def test_a_rst_that_was_ignored_stays_so_whoever_resets_later():
    more = frames.data(b"x" * 10, CLIENT, SERVER, seq=CLIENT_ISN + 11, ack=SERVER_ISN + 1)
    last = frames.segment(CLIENT, SERVER, frames.RST, seq=CLIENT_ISN + 21)
    table = tracked(*OPENING, server_rst(ttl=200), (SECOND, more), (2 * SECOND, last))
    assert table.connection_rows[0].facts & FACT_RST_IGNORED
    assert table.connection_rows[0].rst_side == 0


def test_a_client_that_resets_with_its_own_number_gives_up():
    """The ACK that it had was acceptable, and without SYN it said nothing."""
    wire = Wire()
    wire.client.syn()
    wire.server.ack(seq=5001, ack=1001)
    wire.client.rst(seq=1001)
    assert wire.outcomes() == [("aborted", "cancelled")]


def test_a_refusal_that_the_final_ack_proves_wrong():
    """The box in between refused, the server answered: both are open with the ACK, whatever follows."""
    ack = frames.ack(CLIENT, SERVER, seq=CLIENT_ISN + 1, ack=SERVER_ISN + 1)
    table = tracked(frames.syn(), frames.rst(ttl=250), frames.syn_ack(), (SECOND, ack))
    assert [TcpState(table.endpoint_rows[at].state).name for at in (0, 1)] == ["ESTABLISHED", "ESTABLISHED"]
    assert table.connection_rows[0].facts & FACT_RST_IGNORED


def test_who_went_on_after_a_rst_in_its_name_is_where_it_has_got_to():
    wire = Wire().handshake().exchange()
    wire.server.rst(ttl=200)
    wire.wait(SECOND)
    wire.client.data(10)
    wire.client.fin()
    wire.server.data(10)
    assert states(wire.connection()) == ("FIN_WAIT_2", "CLOSE_WAIT")


@pytest.mark.parametrize("again", [False, True])
def test_an_attempt_is_over_once_the_client_has_said_so_again(again):
    """Its RST was lost, and so was its ACK: the SYN-ACK comes again and draws another RST (RFC 9293 section 3.5.1)."""
    wire = Wire(timestamps=False)
    wire.client.syn()
    wire.server.syn_ack()
    wire.client.ack(lost="after")
    wire.client.rst_ack(lost="after")
    wire.wait(SECOND)
    wire.server.syn_ack()
    if again:
        wire.client.rst()
    assert states(wire.connection()) == ("CLOSED", "CLOSED" if again else "SYN_RECEIVED")


@pytest.mark.parametrize("again", [False, True])
def test_a_syn_ack_behind_a_rst_with_which_the_capture_begins(again):
    """The RST was lost: the server waits until the client, which has nothing any more, says so again."""
    wire = Wire(timestamps=False)
    wire.client.rst_ack(seq=wire.client.isn + 1, ack=wire.server.isn + 1, lost="after")
    wire.wait(SECOND)
    wire.server.syn_ack(ack=wire.client.isn + 1)
    if again:
        wire.client.rst(seq=wire.client.isn + 1)
    assert states(wire.connection()) == ("CLOSED", "CLOSED" if again else "SYN_RECEIVED")


def test_nothing_behind_a_fin_moves_what_time_wait_takes():
    """Data behind the FIN is dropped, and so is a RST there: Linux takes none but that at RCV.NXT."""
    wire = Wire(at="server")
    wire.handshake().close("server")
    wire.client.send("PA", 10, seq=wire.client.snd_nxt - 1)
    wire.server.ack()
    beyond = wire.client.isn + 3
    wire.client.rst_ack(seq=beyond)
    assert states(wire.connection()) == ("CLOSED", "TIME_WAIT")
    wire.client.rst_ack(seq=beyond - 1)
    assert states(wire.connection()) == ("CLOSED", "CLOSED")
