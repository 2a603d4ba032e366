"""Captures that store answers before their questions: roles, states and outcome are those of the handshake."""

from itertools import permutations

import pytest
from support import frames
from support.frames import CLIENT, CLIENT_ISN, SERVER, SERVER_ISN
from support.tracked import tracked
from support.wire import MS, SECOND, Wire, states

from handshake_inspect.tcp.facts import (
    FACT_ACKED,
    FACT_CLIENT_DATA,
    FACT_CLIENT_PROVED,
    FACT_MIDSTREAM,
    FACT_REFUSED,
    FACT_REORDERED,
    FACT_SERVER_DATA,
    FACT_SERVER_PROVED,
    FACT_SYNACK_AFTER_ACK,
)


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


@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("flags", ["R", "RA"])
def test_what_comes_behind_a_rst_that_the_capture_begins_with_belonged_to_nothing(flags, who):
    """So that a SYN behind it opens, however near its number is."""
    wire = Wire()
    numbers = {"seq": 2000, "ack": 7000} if who == "client" else {"seq": 7000, "ack": 2000}
    getattr(wire, who).send(flags, **numbers)
    wire.client.ack(seq=2000, ack=7000)
    wire.client.syn(seq=1999)
    found = wire.connections()
    assert [connection["outcome"] for connection in found] == ["midstream", "pending"]
    assert states(found[1])[0] == "SYN_SENT"


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


# -- rows: what is taken for the opening of segments that are stored already, and what it leaves

SAID = {"src": CLIENT, "dst": SERVER, "seq": CLIENT_ISN + 1, "ack": SERVER_ISN + 1}
ANSWERED = {"src": SERVER, "dst": CLIENT, "seq": SERVER_ISN + 1, "ack": CLIENT_ISN + 1}


def row_of(*built):
    return tracked(*built).connection_rows[0]


@pytest.mark.parametrize(("count", "opens"), [(1, True), (15, True), (16, False)])
@pytest.mark.parametrize("who", [SAID, ANSWERED])
def test_so_many_segments_at_most_are_stored_before_their_syn(count, opens, who):
    said = [frames.data(b"x", **who | {"seq": who["seq"] + at}) for at in range(count)]
    assert bool(row_of(*said, frames.syn()).facts & FACT_MIDSTREAM) != opens


@pytest.mark.parametrize("isn", [CLIENT_ISN, 0xFFFF_FFF0])
@pytest.mark.parametrize(("before", "opens"), [(0, True), (65_535, True), (65_536, False), (-1, False)])
def test_a_window_of_bytes_at_most_is_stored_before_their_syn(before, opens, isn):
    first = frames.data(b"x", **SAID | {"seq": (isn + 1 + before) & 0xFFFF_FFFF})
    assert bool(row_of(first, frames.syn(seq=isn)).facts & FACT_MIDSTREAM) != opens


@pytest.mark.parametrize(
    ("words", "later_ns", "count"),
    [
        ({}, MS, 1),
        ({}, 100 * MS - 1, 1),
        ({}, 100 * MS, 2),
        ({"seq": CLIENT_ISN + 1}, MS, 2),
        ({"seq": CLIENT_ISN - 1}, MS, 2),
        ({"seq": CLIENT_ISN - 20, "payload": b"x" * 20}, MS, 1),
        ({"seq": CLIENT_ISN - 20, "payload": b"x" * 19}, MS, 2),
    ],
)
def test_a_refusal_that_is_stored_first_acknowledges_its_syn(words, later_ns, count):
    """Or any of its data (RFC 7413); a SYN that is repeated comes no sooner than after 100 ms."""
    table = tracked(frames.rst(), (later_ns, frames.syn(**words)))
    assert table.connection_count + table.embryo_count == count
    row = table.connection_rows[0]
    assert bool(row.facts & FACT_REFUSED) == (count == 1)
    if count == 1:
        assert (row.syn_ns, row.syn_frame, row.syn_count, row.client) == (later_ns, 2, 1, 1)
        assert row.syn_payload == len(words.get("payload", b""))


@pytest.mark.parametrize("refusal", [frames.rst(ack=None, seq=7), frames.rst(CLIENT, SERVER, ack=SERVER_ISN + 1)])
def test_a_rst_without_ack_or_of_the_client_refuses_no_syn_that_follows(refusal):
    table = tracked(refusal, frames.syn())
    assert table.connection_count + table.embryo_count == 2


def test_nor_does_one_without_ack_whose_acknowledgment_field_fits():
    table = tracked(frames.rst(ack=None, seq=7), frames.syn(seq=0xFFFF_FFFF))
    assert table.connection_count + table.embryo_count == 2


@pytest.mark.parametrize(("later_ns", "overtaken"), [(MS, True), (500 * MS, True), (500 * MS + 1, False)])
def test_a_syn_ack_after_its_acknowledgment_was_overtaken_or_is_repeated(later_ns, overtaken):
    """No stack's first timeout is as short as half a second."""
    row = row_of(frames.syn(), frames.ack(**SAID), (MS + later_ns, frames.syn_ack()))
    assert bool(row.facts & FACT_REORDERED) == overtaken
    assert bool(row.facts & FACT_SYNACK_AFTER_ACK) != overtaken
    assert (row.synack_ns, row.last_synack_ns, row.synack_frame, row.synack_count) == (MS + later_ns,) * 2 + (3, 1)


@pytest.mark.parametrize(("seq", "ack"), [(SERVER_ISN + 1, CLIENT_ISN + 1), (SERVER_ISN, CLIENT_ISN + 2)])
def test_another_syn_ack_behind_the_final_ack_is_not_the_one_that_it_was_for(seq, ack):
    row = row_of(frames.syn(), frames.ack(**SAID), frames.syn_ack(seq=seq, ack=ack))
    assert not row.facts & FACT_REORDERED


@pytest.mark.parametrize(
    ("first", "proved"),
    [
        ([SAID], FACT_ACKED | FACT_CLIENT_PROVED),
        ([ANSWERED], FACT_SERVER_PROVED),
        ([SAID, ANSWERED], FACT_ACKED | FACT_CLIENT_PROVED | FACT_SERVER_PROVED),
    ],
)
def test_what_is_proved_by_who_spoke_before_the_syn_was_stored(first, proved):
    row = row_of(frames.udp(), *(frames.ack(**words) for words in first), frames.syn())
    every = FACT_ACKED | FACT_CLIENT_PROVED | FACT_SERVER_PROVED
    assert row.facts & every == proved
    if proved & FACT_ACKED:
        assert (row.ack_ns, row.ack_frame) == (MS, 2), "the first frame stands for the final ACK"


@pytest.mark.parametrize("ports", [(40_000, 80), (80, 40_000), (80, 80)])
@pytest.mark.parametrize("answers", [False, True])
def test_whose_data_it_was_is_known_with_the_syn(ports, answers):
    """Before it, the lower port was taken for the server's."""
    here, there = (CLIENT[0], ports[0]), (SERVER[0], ports[1])
    said = [frames.data(b"x", **SAID | {"src": here, "dst": there})]
    if answers:
        said.append(frames.data(b"x", **ANSWERED | {"src": there, "dst": here, "ack": CLIENT_ISN + 2}))
    row = row_of(*said, frames.syn(here, there))
    assert row.client == 0
    assert row.facts & (FACT_CLIENT_DATA | FACT_SERVER_DATA) == FACT_CLIENT_DATA | (FACT_SERVER_DATA if answers else 0)


def test_a_late_syn_takes_nothing_back_of_what_its_end_sent():
    table = tracked(frames.data(b"x" * 10, **SAID, window=77), frames.syn(window=500, options=frames.mss(1380)))
    client = table.endpoint_rows[0]
    assert (client.iss, client.snd_nxt, client.contiguous) == (CLIENT_ISN, CLIENT_ISN + 11, CLIENT_ISN + 11)
    assert (client.window, client.mss) == (77, 1380)
