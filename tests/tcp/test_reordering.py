"""Captures that store answers before their questions: roles, states and outcome are those of the handshake."""

from itertools import permutations

import pytest
from support.wire import MS, SECOND, Wire, states


def of_order(order, wire):
    """The connection when the first frames are stored in this order."""
    return wire.connection(order=[*order, *range(len(order), len(wire.taken))])


@pytest.mark.parametrize("order", [order for order in permutations(range(3)) if order != (0, 1, 2)], ids=str)
@pytest.mark.parametrize("goes_on", [False, True])
def test_a_handshake_in_any_order(order, goes_on):
    wire = Wire().handshake()
    if goes_on:
        wire.exchange().close()
    connection = of_order(order, wire)
    assert (connection["outcome"], connection["roles"]) == ("established", "observed")
    assert states(connection) == (("TIME_WAIT", "CLOSED") if goes_on else ("ESTABLISHED", "ESTABLISHED"))
    assert (connection["handshake"]["client_isn"], connection["handshake"]["server_isn"]) == (1000, 5000)
    assert (connection["handshake"]["syn_count"], connection["handshake"]["synack_count"]) == (1, 1)
    assert connection["handshake"]["server_options"]["window_scale"] == 7
    assert {connection["rtt"][leg]["method"] for leg in ("synack", "ackdat", "total")} == {"none"}
    assert connection["rtt"]["total"]["reason"] == "reordered"
    assert connection["client_to_server"]["retransmissions"] == connection["server_to_client"]["retransmissions"] == 0


@pytest.mark.parametrize("order", [(1, 2, 3, 0), (1, 2, 0, 3)], ids=str)
def test_data_that_is_stored_before_the_syn_is_sent_again(order):
    wire = Wire().handshake()
    wire.client.data(100, lost="after")
    wire.wait(300 * MS)
    wire.client.data(100, seq=1001)
    wire.server.ack()
    sent = of_order(order, wire)["client_to_server"]
    assert (sent["bytes"], sent["retransmissions"]) == (200, 1)


def test_a_syn_ack_and_a_syn_of_another_number_are_two_attempts():
    """The SYN of the first is not in the capture."""
    wire = Wire()
    wire.client.syn(lost="before")
    wire.server.syn_ack()
    wire.wait(SECOND)
    wire.client.syn(seq=700_000)
    wire.server.syn_ack(seq=90_000, ack=700_001)
    wire.client.ack(seq=700_001, ack=90_001)
    connection = wire.connections()[-1]
    assert (connection["outcome"], connection["handshake"]["client_isn"]) == ("established", 700_000)
    assert connection["rtt"]["synack"]["method"] == "exact"


def test_the_same_isn_again_after_a_handshake_that_is_stored_in_the_wrong_order():
    """A host with a fixed ISN: the first connection was reset, so this is another one."""
    wire = Wire(timestamps=False).handshake().exchange()
    wire.client.rst()
    wire.wait(5 * SECOND)
    wire.client.syn(seq=1000)
    wire.server.syn_ack(seq=5_000_000, ack=1001)
    wire.client.ack(seq=1001, ack=5_000_001)
    first, second = wire.connections(order=[1, 0, *range(2, len(wire.taken))])
    assert (first["close"]["reset_by"], second["outcome"]) == ("client", "established")
    assert second["rtt"]["total"]["method"] == "exact"


@pytest.mark.parametrize("first", [3, 4, 5, 6, 7])
@pytest.mark.parametrize("isn", [1000, 0xFFFF_FFFF])
def test_data_or_a_fin_that_is_stored_before_the_handshake(first, isn):
    wire = Wire(client_isn=isn, server_isn=isn).handshake().exchange().close()
    plain = wire.connection()
    connection = wire.connection(order=[first, *(i for i in range(len(wire.taken)) if i != first)])
    assert (connection["outcome"], connection["roles"]) == ("established", "observed")
    assert connection["client"] == plain["client"]
    assert connection["close"]["how"] == "fin"
    for way in ("client_to_server", "server_to_client"):
        for counter in ("frames", "bytes", "retransmissions"):
            assert connection[way][counter] == plain[way][counter]


def test_a_refusal_that_is_stored_before_its_syn():
    wire = Wire()
    wire.client.syn()
    wire.server.refuse()
    connection = of_order((1, 0), wire)
    assert (connection["outcome"], connection["cause"]) == ("refused", "closed-port")
    assert (connection["roles"], states(connection)) == ("observed", ("CLOSED", "CLOSED"))


def test_a_refused_syn_that_is_sent_again_is_another_attempt():
    """Windows tries again half a second after a RST; the capture began behind the first SYN."""
    wire = Wire()
    wire.client.syn(lost="before")
    wire.server.rst_ack(seq=0, ack=1001)
    wire.wait(500 * MS)
    wire.client.syn()
    assert [one["outcome"] for one in wire.connections()] == ["unsolicited", "pending"]


def test_a_syn_ack_long_after_its_ack_is_a_repeated_one():
    """The capture lacks the first; the final ACK was lost behind it."""
    wire = Wire()
    wire.client.syn()
    wire.server.syn_ack(lost="before")
    wire.client.ack(seq=1001, ack=5001, lost="after")
    wire.wait(SECOND)
    wire.server.syn_ack(ack=1001)
    connection = wire.connection()
    assert connection["outcome"] == "half-open"
    assert states(connection) == ("ESTABLISHED", "SYN_RECEIVED")
    assert connection["rtt"]["total"]["method"] == "one-sided"


def test_a_capture_that_begins_with_the_final_ack_and_a_full_queue():
    """The ACK and a SYN-ACK a second later: not midstream, the server did not take it."""
    wire = Wire(delay=MS)
    wire.client.syn(lost="before")
    wire.server.syn_ack(lost="before")
    for _ in range(2):
        wire.client.ack(seq=1001, ack=5001)
        wire.wait(SECOND)
        wire.server.syn_ack(ack=1001)
    connection = wire.connection()
    assert connection["outcome"] == "half-open"
    assert states(connection) == ("ESTABLISHED", "SYN_RECEIVED")


def test_a_syn_with_another_number_is_not_the_opening():
    wire = Wire()
    wire.client.rcv_nxt, wire.server.rcv_nxt = 5000, 1000
    wire.exchange()
    wire.client.syn(seq=700_000)
    connection = wire.connection()
    assert (connection["outcome"], connection["roles"]) == ("midstream", "inferred")


@pytest.mark.parametrize(("answer", "outcomes"), [
    ({"flags": "R", "seq": 7000}, ["midstream", "pending"]),
    ({"flags": "RA", "seq": 7000, "ack": 2000}, ["established"]),  # no answer of a host that knows nothing
    ({"flags": "PA", "size": 10, "seq": 7000, "ack": 2000}, ["established"]),
], ids=["nobody is there", "an end gives up", "it goes on"])  # fmt: skip
def test_a_syn_just_below_a_segment_that_belonged_to_nothing_opens(answer, outcomes):
    """RFC 9293 section 3.10.7.1: who knows no connection answers an ACK with a bare RST of the number acknowledged."""
    wire = Wire()
    wire.client.ack(seq=2000, ack=7000)
    wire.server.send(**answer)
    wire.client.syn(seq=1999)
    assert [connection["outcome"] for connection in wire.report()["connections"]] == outcomes


def test_a_rst_of_its_own_does_not_show_that_an_end_talked_to_nobody():
    wire = Wire()
    wire.client.ack(seq=2000, ack=7000)
    wire.client.rst(seq=2000)
    wire.client.syn(seq=1999)
    assert [connection["outcome"] for connection in wire.report()["connections"]] == ["established"]


@pytest.mark.parametrize(("acked", "outcome"), [
    (1001, "established"), (1001 + 65_535, "established"), (1001 + 65_536, "midstream"), (None, "midstream"),
])  # fmt: skip
def test_a_syn_opens_for_what_its_peer_acknowledged_already(acked, outcome):
    """Nothing else of its sender was captured; bytes that were stored before it are a window's at most."""
    wire = Wire()
    for seq in (5001, 5101):
        wire.server.send("P" if acked is None else "PA", 100, seq=seq, ack=acked or 0)
    wire.client.syn(seq=1000)
    assert wire.connection()["outcome"] == outcome


def test_who_is_the_client_where_data_of_the_server_and_its_syn_ack_are_stored_first():
    """The SYN is missing."""
    wire = Wire().handshake().exchange()
    client = wire.connection()["client"]
    for order in ([4, 1, 2, 3, 5], [4, 1, 3, 5, 2]):
        connection = wire.connection(order=order)
        assert (connection["client"], connection["handshake"]["server_isn"]) == (client, 5000)
