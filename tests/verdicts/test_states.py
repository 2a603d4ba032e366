"""What time does to endpoint states: 2 MSL pass, and ends that stop retransmitting have given up."""

import io

import pytest
from support.wire import MS, SECOND, Wire

from handshake_inspect import analyze
from handshake_inspect.tcp.transitions import TcpState
from handshake_inspect.verdicts.states import LONGEST_FIRST_RTO_NS, REACTION_NS


def states_of(wire, **limits):
    report = analyze(io.BytesIO(wire.pcap()), **limits)
    return tuple(TcpState(int(each[0])).name for each in report.connections.case.states)


@pytest.mark.parametrize(
    ("waited_ns", "client"),
    [(1 * SECOND, "TIME_WAIT"), (59 * SECOND, "TIME_WAIT"), (60 * SECOND, "CLOSED"), (90 * SECOND, "CLOSED")],
)
def test_time_wait_lasts_2_msl(waited_ns, client):
    wire = Wire(delay=MS).handshake().exchange().close()
    last = max(each[0] for each in wire.taken)
    wire.now = last
    wire.quiet(waited_ns)
    assert states_of(wire) == (client, "CLOSED")


def test_how_long_2_msl_are_is_the_users_word():
    wire = Wire(delay=MS).handshake().exchange().close()
    wire.quiet(31 * SECOND)
    assert states_of(wire, time_wait_ns=30 * SECOND) == ("CLOSED", "CLOSED")
    assert states_of(wire, time_wait_ns=120 * SECOND) == ("TIME_WAIT", "CLOSED")


@pytest.mark.parametrize(
    ("waited_ns", "client"), [(SECOND, "SYN_SENT"), (LONGEST_FIRST_RTO_NS, "SYN_SENT"), (8 * SECOND, "CLOSED")]
)
def test_who_sends_no_second_syn_has_given_up(waited_ns, client):
    wire = Wire(delay=MS)
    wire.client.syn(lost="after", stay=True)
    wire.quiet(waited_ns)
    assert states_of(wire) == (client, "CLOSED")


@pytest.mark.parametrize(("waited_ns", "client"), [(2 * SECOND, "SYN_SENT"), (5 * SECOND, "CLOSED")])
def test_the_next_syn_is_due_after_twice_the_last_interval(waited_ns, client):
    wire = Wire(delay=MS)
    for gap in (SECOND, 2 * SECOND, 0):
        wire.client.syn(lost="after", stay=True)
        wire.now += gap
    wire.quiet(waited_ns + 2 * SECOND * (waited_ns > 3 * SECOND))
    assert states_of(wire) == (client, "CLOSED")


@pytest.mark.parametrize(("waited_ns", "client"), [(REACTION_NS // 2, "ESTABLISHED"), (3 * REACTION_NS, "SYN_SENT")])
def test_a_client_that_does_not_answer_has_not_got_the_syn_ack(waited_ns, client):
    wire = Wire(delay=MS, at="server")
    wire.client.syn()
    wire.server.syn_ack(lost="after", stay=True)
    wire.quiet(waited_ns)
    assert states_of(wire) == (client, "SYN_RECEIVED")
